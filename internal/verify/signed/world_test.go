package signed

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const nowhere = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// policyOf is NewPolicy without the wait for an index that lags.
func policyOf(t testing.TB, s Signature) *Policy {
	t.Helper()
	p, err := NewPolicy(t.Context(), s, "")
	must(t, err)
	p.Lag = 0
	return p
}

func keyPolicy(t testing.TB, k forge.Key) *Policy {
	t.Helper()
	return policyOf(t, Signature{Signer: Signer{Key: k.Path, IgnoreTlog: true}})
}

// keyless is the configuration of a user: a certificate, and the trusted root of some instances.
func keyless(t testing.TB, c Certificate, ss ...*forge.Sigstore) Signature {
	t.Helper()
	return Signature{Signer: Signer{Keyless: &Keyless{Certificate: c}, TrustedRoot: forge.RootFile(t, ss...)}}
}

// exact is the certificate of the honest signer.
var exact = Certificate{Issuer: forge.Issuer, Identity: forge.Identity}

func client() *registry.Client {
	return registry.New(registry.Credentials{}, registry.Options{RetryWait: time.Millisecond, Timeout: 2 * time.Second, Limit: 5 * time.Second})
}

func subjectOf(t testing.TB, w *fake.Registry, digests ...string) Subject {
	t.Helper()
	repo, err := name.NewRepository(w.Ref(""))
	must(t, err)
	return Subject{Text: w.Ref(":v1"), Base: w.Ref(""), Repo: repo, Digests: digests}
}

// ask asks a policy about the image under :v1.
func ask(t testing.TB, w *fake.Registry, digest string, p *Policy) (verdict.Finding, error) {
	t.Helper()
	return p.Signature(context.Background(), client(), subjectOf(t, w, digest))
}

// image is a registry with an image in it.
func image(t testing.TB) (*fake.Registry, string) {
	t.Helper()
	w := fake.New(t)
	return w, w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
}

func expect(t *testing.T, f verdict.Finding, err error, want verdict.Outcome, says string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if f.Check != checkSignatureName && f.Check != checkAttestationName || f.Outcome != want {
		t.Fatalf("got %s %s, want %s\n%+v", f.Check, f.Outcome, want, f)
	}
	if f.Check == checkSignatureName && want == verdict.Fail && f.Reason != reasonSignature {
		t.Errorf("reason %q", f.Reason)
	}
	if !strings.Contains(fmt.Sprintf("%+v", f), says) {
		t.Errorf("the finding does not say %q:\n%+v", says, f)
	}
}
