package signed

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

func keyPolicy(t testing.TB, k forge.Key) *Policy {
	t.Helper()
	p, err := NewPolicy(context.Background(), Signature{Key: k.Path, IgnoreTlog: true}, "")
	must(t, err)
	return p
}

func keylessPolicy(t testing.TB, vs root.TrustedMaterial, k Keyless) *Policy {
	t.Helper()
	id, who, err := k.identity()
	must(t, err)
	return &Policy{identity: id, who: who, trusted: vs, noSCT: true}
}

// look asks a policy about the image under :v1.
func look(t testing.TB, w *fake.Registry, digest string, p *Policy) (verdict.Finding, error) {
	t.Helper()
	repo, err := name.NewRepository(w.Ref(""))
	must(t, err)
	c := registry.New(registry.Credentials{}, registry.Options{RetryWait: time.Millisecond, Timeout: 2 * time.Second, Limit: 5 * time.Second})
	return p.Signature(context.Background(), c, Subject{Text: w.Ref(":v1"), Base: w.Ref(""), Repo: repo, Digests: []string{digest}})
}

func expect(t *testing.T, f verdict.Finding, err error, want verdict.Outcome, says string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if f.Check != checkSignatureName || f.Outcome != want {
		t.Fatalf("got %s %s, want %s\n%+v", f.Check, f.Outcome, want, f)
	}
	if want == verdict.Fail && f.Reason != reasonSignature {
		t.Errorf("reason %q", f.Reason)
	}
	if !strings.Contains(fmt.Sprintf("%+v", f), says) {
		t.Errorf("the finding does not say %q:\n%+v", says, f)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const nowhere = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestKeySignatures(t *testing.T) {
	k, stranger := forge.NewKey(t), forge.NewKey(t)
	for _, tt := range []struct {
		name string
		sign func(w *fake.Registry, d string)
		want verdict.Outcome
		says string
	}{
		{"none", func(*fake.Registry, string) {}, verdict.Fail, "has no signature"},
		{"tag", func(w *fake.Registry, d string) { forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d))) }, verdict.Pass, "is signed by the key cosign.pub"},
		{"tag, other key", func(w *fake.Registry, d string) { forge.SignTag(t, w, d, stranger.Layer(t, forge.Claim(w.Ref(""), d))) }, verdict.Fail, "invalid signature"},
		{"tag, other digest", func(w *fake.Registry, d string) { forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), nowhere))) }, verdict.Fail, "invalid or missing digest in claim"},
		{"tag, other repository", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Host+"/evil/app", d)))
		}, verdict.Fail, "signatures are not carried over"},
		{"tag, swapped payload", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, forge.Layer{Payload: forge.Claim(w.Ref(""), d), Annotations: k.Layer(t, forge.Claim(w.Ref(""), nowhere)).Annotations})
		}, verdict.Fail, "invalid signature"},
		{"tag, bad and good", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, stranger.Layer(t, forge.Claim(w.Ref(""), d)), k.Layer(t, forge.Claim(w.Ref(""), d)))
		}, verdict.Pass, "layer 2); 2 signatures were found"},
		{"tag, no signature in it", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, forge.Layer{Payload: forge.Claim(w.Ref(""), d)})
		}, verdict.Fail, "holds no signature"},
		{"bundle", func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, verdict.Pass, "is signed by the key"},
		{"bundle, other key", func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, stranger.Bundle(t, forge.Statement(d, forge.SignType)))
		}, verdict.Fail, "refused"},
		{"bundle, other digest", func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(nowhere, forge.SignType)))
		}, verdict.Fail, "refused"},
		{"bundle, attestation", func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, "https://spdx.dev/Document")))
		}, verdict.Fail, "it is an attestation"},
		{"bundle, empty", func(w *fake.Registry, d string) { forge.Refer(t, w, d, []byte("{}")) }, verdict.Fail, "no valid bundle"},
		{"bundle, null", func(w *fake.Registry, d string) { forge.Refer(t, w, d, []byte("null")) }, verdict.Fail, "refused"},
		{"bundle, garbage", func(w *fake.Registry, d string) { forge.Refer(t, w, d, []byte("\x00\x01")) }, verdict.Fail, "no valid bundle"},
		{"bundle, packed bomb", func(w *fake.Registry, d string) { forge.Refer(t, w, d, bomb(t)) }, verdict.Fail, "refused"},
		{"bundle, too large", func(w *fake.Registry, d string) { forge.Refer(t, w, d, bytes.Repeat([]byte(" "), maxBundle+1)) }, verdict.Fail, "larger than"},
		{"bad tag and good bundle", func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, stranger.Layer(t, forge.Claim(w.Ref(""), d)))
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, verdict.Pass, "refused: invalid signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := fake.New(t)
			d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
			tt.sign(w, d)
			r, err := look(t, w, d, keyPolicy(t, k))
			expect(t, r, err, tt.want, tt.says)
		})
	}
}

// bomb is 50 MiB in 50 KiB: it must not be unpacked.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(make([]byte, 50<<20))
	must(t, err)
	must(t, z.Close())
	return b.Bytes()
}

func TestKeylessSignatures(t *testing.T) {
	vs, err := ca.NewVirtualSigstore()
	must(t, err)
	foreign, err := ca.NewVirtualSigstore()
	must(t, err)
	k := forge.NewKey(t)
	now := time.Now().Add(5 * time.Minute)
	exact := Keyless{Issuer: forge.Issuer, Identity: forge.Identity}
	tag := func(vs *ca.VirtualSigstore, id string, at time.Time) func(*fake.Registry, string) {
		return func(w *fake.Registry, d string) {
			forge.SignTag(t, w, d, forge.Keyless(t, vs, id, forge.Claim(w.Ref(""), d), at))
		}
	}
	bundle := func(vs *ca.VirtualSigstore, id, predicate string) func(*fake.Registry, string) {
		return func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, forge.KeylessBundle(t, vs, id, forge.Statement(d, predicate)))
		}
	}
	pattern := Keyless{Issuer: forge.Issuer, IdentityRegexp: `https://github\.com/acme/app/\.github/workflows/build\.yml@refs/tags/v\d`}
	for _, tt := range []struct {
		name string
		want Keyless
		sign func(w *fake.Registry, d string)
		out  verdict.Outcome
		says string
	}{
		{"tag", exact, tag(vs, forge.Identity, now), verdict.Pass, "is signed by " + forge.Identity + " of " + forge.Issuer},
		{"tag, pattern", pattern, tag(vs, forge.Identity, now), verdict.Pass, "is signed by"},
		{"tag, look-alike around the pattern", pattern, tag(vs, "https://evil.example/?x="+forge.Identity+"0/evil", now), verdict.Fail, "none of the expected identities matched"},
		{"tag, other identity", exact, tag(vs, "https://github.com/evil/app/.github/workflows/build.yml@refs/tags/v1", now), verdict.Fail, "names https://github.com/evil/app"},
		{"tag, other issuer", Keyless{Issuer: "https://accounts.google.com", Identity: forge.Identity}, tag(vs, forge.Identity, now), verdict.Fail, "none of the expected identities matched"},
		{"tag, other root", exact, tag(foreign, forge.Identity, now), verdict.Fail, "refused"},
		{"tag, logged when the certificate had expired", exact, tag(vs, forge.Identity, now.Add(20*time.Minute)), verdict.Fail, "expired"},
		{"tag, logged before the certificate", exact, tag(vs, forge.Identity, now.Add(-time.Hour)), verdict.Fail, "refused"},
		{"tag, signed with a key", exact, func(w *fake.Registry, d string) { forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d))) }, verdict.Fail, "no certificate"},
		{"tag, not logged", exact, without(t, "dev.sigstore.cosign/bundle", vs), verdict.Fail, "offline verification failed"},
		{"tag, log entry of another signature", exact, func(w *fake.Registry, d string) {
			a, b := forge.Keyless(t, vs, forge.Identity, forge.Claim(w.Ref(""), d), now), forge.Keyless(t, vs, forge.Identity, forge.Claim(w.Ref(""), nowhere), now)
			a.Annotations["dev.sigstore.cosign/bundle"] = b.Annotations["dev.sigstore.cosign/bundle"]
			forge.SignTag(t, w, d, a)
		}, verdict.Fail, "refused"},
		{"bundle", exact, bundle(vs, forge.Identity, forge.SignType), verdict.Pass, "is signed by " + forge.Identity},
		{"bundle, time from an authority instead of the log", exact, func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, forge.Stamped(t, forge.KeylessBundle(t, vs, forge.Identity, forge.Statement(d, forge.SignType)), vs))
		}, verdict.Pass, "is signed by"},
		{"bundle, time from another authority", exact, func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, forge.Stamped(t, forge.KeylessBundle(t, vs, forge.Identity, forge.Statement(d, forge.SignType)), foreign))
		}, verdict.Fail, "refused"},
		{"bundle, pattern", pattern, bundle(vs, forge.Identity, forge.SignType), verdict.Pass, "is signed by"},
		{"bundle, look-alike", pattern, bundle(vs, "https://evil.example/?x="+forge.Identity+"0/evil", forge.SignType), verdict.Fail, "refused"},
		{"bundle, other identity", exact, bundle(vs, "https://github.com/evil/app", forge.SignType), verdict.Fail, "names https://github.com/evil/app"},
		{"bundle, other root", exact, bundle(foreign, forge.Identity, forge.SignType), verdict.Fail, "refused"},
		{"bundle, attestation", exact, bundle(vs, forge.Identity, "https://slsa.dev/provenance/v1"), verdict.Fail, "it is an attestation (https://slsa.dev/provenance/v1)"},
		{"bundle, signed with a key", exact, func(w *fake.Registry, d string) {
			forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
		}, verdict.Fail, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := fake.New(t)
			d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
			tt.sign(w, d)
			r, err := look(t, w, d, keylessPolicy(t, vs, tt.want))
			expect(t, r, err, tt.out, tt.says)
		})
	}
}

func without(t testing.TB, annotation string, vs *ca.VirtualSigstore) func(*fake.Registry, string) {
	return func(w *fake.Registry, d string) {
		l := forge.Keyless(t, vs, forge.Identity, forge.Claim(w.Ref(""), d), time.Now().Add(5*time.Minute))
		delete(l.Annotations, annotation)
		forge.SignTag(t, w, d, l)
	}
}

// A certificate in the bundle is no key of ours, whoever vouches for it.
func TestKeyPolicyRefusesCertificates(t *testing.T) {
	vs, err := ca.NewVirtualSigstore()
	must(t, err)
	p := keyPolicy(t, forge.NewKey(t))
	w := fake.New(t)
	d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	forge.Refer(t, w, d, forge.KeylessBundle(t, vs, forge.Identity, forge.Statement(d, forge.SignType)))
	forge.SignTag(t, w, d, forge.Keyless(t, vs, forge.Identity, forge.Claim(w.Ref(""), d), time.Now().Add(5*time.Minute)))
	p.trusted = vs
	r, err := look(t, w, d, p)
	expect(t, r, err, verdict.Fail, "bundle sha256:")
}

// The library crashes on some of these, in a goroutine of its own that nobody could recover.
func TestMalformedLogEntries(t *testing.T) {
	vs, err := ca.NewVirtualSigstore()
	must(t, err)
	w := fake.New(t)
	d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	for _, text := range []string{`{"Payload":{"body":123}}`, `{"Payload":{"body":null}}`, `null`, `{}`, `[]`, `{"Payload":null}`, `{"Payload":{"body":"e30="}}`,
		`{"Payload":{"body":"eyJraW5kIjoiaGFzaGVkcmVrb3JkIiwiYXBpVmVyc2lvbiI6IjAuMC4xIiwic3BlYyI6e319"}}`, `{"Payload":{"body":"!"}}`,
		`{"SignedEntryTimestamp":"","Payload":{"body":"","logID":"zz"}}`} {
		l := forge.Keyless(t, vs, forge.Identity, forge.Claim(w.Ref(""), d), time.Now().Add(5*time.Minute))
		l.Annotations["dev.sigstore.cosign/bundle"] = text
		forge.SignTag(t, w, d, l)
		r, err := look(t, w, d, keylessPolicy(t, vs, Keyless{Issuer: forge.Issuer, Identity: forge.Identity}))
		expect(t, r, err, verdict.Fail, "refused")
	}
	for _, cert := range []string{"", "x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		l := forge.Keyless(t, vs, forge.Identity, forge.Claim(w.Ref(""), d), time.Now().Add(5*time.Minute))
		l.Annotations["dev.sigstore.cosign/certificate"] = cert
		forge.SignTag(t, w, d, l)
		r, err := look(t, w, d, keylessPolicy(t, vs, Keyless{Issuer: forge.Issuer, Identity: forge.Identity}))
		expect(t, r, err, verdict.Fail, "refused")
	}
}

func TestGuarded(t *testing.T) {
	if err := guarded(func() error { panic("boom") }); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a crash is no refusal: %v", err)
	}
	if err := guarded(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// With a trusted root file, through the options as a user writes them; the certificate has no promise of a transparency log.
func TestTrustedRootFile(t *testing.T) {
	vs, err := ca.NewVirtualSigstore()
	must(t, err)
	dir := t.TempDir()
	forge.TrustedRootFile(t, dir, vs)
	w := fake.New(t)
	d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	forge.SignTag(t, w, d, forge.Keyless(t, vs, forge.Identity, forge.Claim(w.Ref(""), d), time.Now().Add(5*time.Minute)))
	forge.Refer(t, w, d, forge.KeylessBundle(t, vs, forge.Identity, forge.Statement(d, forge.SignType)))
	p, err := NewPolicy(context.Background(), Signature{Keyless: &Keyless{Issuer: forge.Issuer, Identity: forge.Identity}, TrustedRoot: "root.json"}, dir)
	must(t, err)
	f, err := look(t, w, d, p)
	expect(t, f, err, verdict.Fail, "signed certificate timestamp")
	for _, e := range f.Evidence {
		if !strings.Contains(e.Got, "refused") {
			t.Errorf("passed without a promise of the log: %+v", e)
		}
	}
}

func TestPolicyMistakes(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "private.pem"), []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "text"), []byte("hello"), 0o600))
	full := &Keyless{Issuer: forge.Issuer, Identity: forge.Identity}
	for _, tt := range []struct {
		s    Signature
		want string
	}{
		{Signature{}, "exactly one of key and keyless"},
		{Signature{Key: "text", Keyless: full}, "exactly one of key and keyless"},
		{Signature{Key: "absent"}, "no such file"},
		{Signature{Key: "text"}, "want a PEM file with a public key"},
		{Signature{Key: "private.pem"}, "want a PUBLIC KEY"},
		{Signature{Keyless: &Keyless{Issuer: forge.Issuer}}, "identity and identity-regexp"},
		{Signature{Keyless: &Keyless{Identity: forge.Identity}}, "issuer and issuer-regexp"},
		{Signature{Keyless: &Keyless{}}, "issuer and issuer-regexp"},
		{Signature{Keyless: &Keyless{Issuer: forge.Issuer, IdentityRegexp: ".*"}}, "matches everything"},
		{Signature{Keyless: &Keyless{Issuer: forge.Issuer, IdentityRegexp: "a)|(.*"}}, "unexpected )"},
		{Signature{Keyless: full, IgnoreTlog: true}, "ignore-tlog is for a key"},
		{Signature{Keyless: full, TrustedRoot: "text"}, "want a trusted_root.json"},
	} {
		if _, err := NewPolicy(context.Background(), tt.s, dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.s, err, tt.want)
		}
	}
}

// A flood of referrers is not read to its end, and proves nothing.
func TestManyReferrers(t *testing.T) {
	w := fake.New(t)
	d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	var entries []string
	for i := range 3000 {
		entries = append(entries, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/spdx+json","digest":"sha256:%064x","size":1}`, i))
	}
	w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		fmt.Fprintf(rw, `{"schemaVersion":2,"manifests":[%s]}`, strings.Join(entries, ","))
		return true
	}
	w.Forget()
	r, err := look(t, w, d, keyPolicy(t, forge.NewKey(t)))
	expect(t, r, err, verdict.Unknown, "the others were not read")
	if n := len(w.Requests()); n > 10 {
		t.Errorf("%d requests", n)
	}
}

// An outage while signatures are read is no missing signature.
func TestSignatureOutage(t *testing.T) {
	k := forge.NewKey(t)
	for _, at := range []string{".sig", "/referrers/", "/blobs/"} {
		w := fake.New(t)
		d := w.Push(":v1", fake.Index(t, "one", "linux/amd64"))
		forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d)))
		w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, at) {
				rw.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
		r, err := look(t, w, d, keyPolicy(t, k))
		if err == nil || r.Check != "" {
			t.Errorf("outage of %s: error %v, finding %+v", at, err, r)
		}
	}
}

// The registry lists a bundle that says itself that it refers to another image.
func TestReferrerOfAnotherImage(t *testing.T) {
	k := forge.NewKey(t)
	w := fake.New(t)
	d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	forge.Refer(t, w, nowhere, k.Bundle(t, forge.Statement(d, forge.SignType)))
	w.Evil = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/referrers/"+d) {
			r.URL.Path = strings.TrimSuffix(r.URL.Path, d) + nowhere
		}
		return false
	}
	r, err := look(t, w, d, keyPolicy(t, k))
	expect(t, r, err, verdict.Fail, "refers to another image")
}

func FuzzLogBundle(f *testing.F) {
	f.Add(`{"SignedEntryTimestamp":"","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"aa"}}`)
	f.Add(`{"Payload":{"body":123}}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := logBundle(text)
		if err != nil {
			return
		}
		if _, ok := b.Payload.Body.(string); !ok {
			t.Errorf("the library would crash on %q", text)
		}
	})
}
