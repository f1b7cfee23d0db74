package verify

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/signed"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func quick() *registry.Client {
	return registry.New(registry.Credentials{}, registry.Options{RetryWait: time.Millisecond, Timeout: 2 * time.Second, Limit: 5 * time.Second})
}

func wanted(t testing.TB, digest string) built.Digest {
	t.Helper()
	b, err := built.FromDigest(digest, "test")
	must(t, err)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func verifyOne(t testing.TB, i Image, b built.Digest) (Result, error) {
	t.Helper()
	return Run(context.Background(), Options{Images: []Image{i}}, []built.Digest{b}, quick(), BeforeDeploy)
}

// verifySigned asks for a signature by a key too.
func verifySigned(t testing.TB, i Image, b built.Digest, key string) (Result, error) {
	t.Helper()
	o := Options{Images: []Image{i}, Signature: &signed.Signature{Signer: signed.Signer{Key: key, IgnoreTlog: true}}}
	return Run(context.Background(), o, []built.Digest{b}, quick(), BeforeDeploy)
}

// brief writes findings for a comparison: check, outcome, reason.
func brief(fs []verdict.Finding) string {
	var out []string
	for _, f := range fs {
		s := f.Check + " " + f.Outcome.String()
		if f.Outcome == verdict.Fail {
			s += " " + f.Reason
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func dump(fs []verdict.Finding) string { return fmt.Sprintf("%+v", fs) }
