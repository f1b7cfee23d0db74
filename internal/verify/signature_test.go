package verify

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

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"

	"github.com/bakegate/bakegate/internal/verdict"
)

func keyPolicy(t testing.TB, k keyPair) *policy {
	t.Helper()
	p, err := newPolicy(context.Background(), Signature{Key: k.path, IgnoreTlog: true}, "")
	must(t, err)
	return p
}

func keylessPolicy(t testing.TB, vs root.TrustedMaterial, k Keyless) *policy {
	t.Helper()
	id, who, err := k.identity()
	must(t, err)
	return &policy{identity: id, who: who, trusted: vs, noSCT: true}
}

// expectSignature checks the last finding, which is about the signature.
func expectSignature(t *testing.T, r Result, err error, want verdict.Outcome, says string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	f := r.Findings[len(r.Findings)-1]
	if f.Check != checkSignatureName || f.Outcome != want {
		t.Fatalf("got %s %s, want %s\n%s", f.Check, f.Outcome, want, dump(r.Findings))
	}
	if want == verdict.Fail && f.Reason != reasonSignature {
		t.Errorf("reason %q", f.Reason)
	}
	if !strings.Contains(dump([]verdict.Finding{f}), says) {
		t.Errorf("the finding does not say %q:\n%+v", says, f)
	}
}

func TestKeySignatures(t *testing.T) {
	k, stranger := newKey(t), newKey(t)
	for _, tt := range []struct {
		name string
		sign func(w *world, d string)
		want verdict.Outcome
		says string
	}{
		{"none", func(*world, string) {}, verdict.Fail, "has no signature"},
		{"tag", func(w *world, d string) { w.signTag(d, k.layer(t, claim(w.ref(""), d))) }, verdict.Pass, "is signed by the key cosign.pub"},
		{"tag, other key", func(w *world, d string) { w.signTag(d, stranger.layer(t, claim(w.ref(""), d))) }, verdict.Fail, "invalid signature"},
		{"tag, other digest", func(w *world, d string) { w.signTag(d, k.layer(t, claim(w.ref(""), nowhere))) }, verdict.Fail, "invalid or missing digest in claim"},
		{"tag, other repository", func(w *world, d string) { w.signTag(d, k.layer(t, claim(w.host+"/evil/app", d))) }, verdict.Fail, "signatures are not carried over"},
		{"tag, swapped payload", func(w *world, d string) {
			w.signTag(d, layerOf{claim(w.ref(""), d), k.layer(t, claim(w.ref(""), nowhere)).annotations})
		}, verdict.Fail, "invalid signature"},
		{"tag, bad and good", func(w *world, d string) {
			w.signTag(d, stranger.layer(t, claim(w.ref(""), d)), k.layer(t, claim(w.ref(""), d)))
		}, verdict.Pass, "layer 2); 2 signatures were found"},
		{"tag, no signature in it", func(w *world, d string) { w.signTag(d, layerOf{claim(w.ref(""), d), nil}) }, verdict.Fail, "holds no signature"},
		{"bundle", func(w *world, d string) { w.refer(d, k.bundle(t, statement(d, signType))) }, verdict.Pass, "is signed by the key"},
		{"bundle, other key", func(w *world, d string) { w.refer(d, stranger.bundle(t, statement(d, signType))) }, verdict.Fail, "refused"},
		{"bundle, other digest", func(w *world, d string) { w.refer(d, k.bundle(t, statement(nowhere, signType))) }, verdict.Fail, "refused"},
		{"bundle, attestation", func(w *world, d string) { w.refer(d, k.bundle(t, statement(d, "https://spdx.dev/Document"))) }, verdict.Fail, "it is an attestation"},
		{"bundle, empty", func(w *world, d string) { w.refer(d, []byte("{}")) }, verdict.Fail, "no valid bundle"},
		{"bundle, null", func(w *world, d string) { w.refer(d, []byte("null")) }, verdict.Fail, "refused"},
		{"bundle, garbage", func(w *world, d string) { w.refer(d, []byte("\x00\x01")) }, verdict.Fail, "no valid bundle"},
		{"bundle, packed bomb", func(w *world, d string) { w.refer(d, bomb(t)) }, verdict.Fail, "refused"},
		{"bundle, too large", func(w *world, d string) { w.refer(d, bytes.Repeat([]byte(" "), maxBundle+1)) }, verdict.Fail, "larger than"},
		{"bad tag and good bundle", func(w *world, d string) {
			w.signTag(d, stranger.layer(t, claim(w.ref(""), d)))
			w.refer(d, k.bundle(t, statement(d, signType)))
		}, verdict.Pass, "refused: invalid signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.push(":v1", img(t, "one", "linux/amd64"))
			tt.sign(w, d)
			r, err := signed(t, w, d, keyPolicy(t, k))
			expectSignature(t, r, err, tt.want, tt.says)
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
	k := newKey(t)
	now := time.Now().Add(5 * time.Minute)
	exact := Keyless{Issuer: issuer, Identity: identity}
	tag := func(vs *ca.VirtualSigstore, id string, at time.Time) func(*world, string) {
		return func(w *world, d string) { w.signTag(d, keyless(t, vs, id, claim(w.ref(""), d), at)) }
	}
	bundle := func(vs *ca.VirtualSigstore, id, predicate string) func(*world, string) {
		return func(w *world, d string) { w.refer(d, keylessBundle(t, vs, id, statement(d, predicate))) }
	}
	pattern := Keyless{Issuer: issuer, IdentityRegexp: `https://github\.com/acme/app/\.github/workflows/build\.yml@refs/tags/v\d`}
	for _, tt := range []struct {
		name string
		want Keyless
		sign func(w *world, d string)
		out  verdict.Outcome
		says string
	}{
		{"tag", exact, tag(vs, identity, now), verdict.Pass, "is signed by " + identity + " of " + issuer},
		{"tag, pattern", pattern, tag(vs, identity, now), verdict.Pass, "is signed by"},
		{"tag, look-alike around the pattern", pattern, tag(vs, "https://evil.example/?x="+identity+"0/evil", now), verdict.Fail, "none of the expected identities matched"},
		{"tag, other identity", exact, tag(vs, "https://github.com/evil/app/.github/workflows/build.yml@refs/tags/v1", now), verdict.Fail, "names https://github.com/evil/app"},
		{"tag, other issuer", Keyless{Issuer: "https://accounts.google.com", Identity: identity}, tag(vs, identity, now), verdict.Fail, "none of the expected identities matched"},
		{"tag, other root", exact, tag(foreign, identity, now), verdict.Fail, "refused"},
		{"tag, logged when the certificate had expired", exact, tag(vs, identity, now.Add(20*time.Minute)), verdict.Fail, "expired"},
		{"tag, logged before the certificate", exact, tag(vs, identity, now.Add(-time.Hour)), verdict.Fail, "refused"},
		{"tag, signed with a key", exact, func(w *world, d string) { w.signTag(d, k.layer(t, claim(w.ref(""), d))) }, verdict.Fail, "no certificate"},
		{"tag, not logged", exact, without("dev.sigstore.cosign/bundle", vs), verdict.Fail, "offline verification failed"},
		{"tag, log entry of another signature", exact, func(w *world, d string) {
			a, b := keyless(t, vs, identity, claim(w.ref(""), d), now), keyless(t, vs, identity, claim(w.ref(""), nowhere), now)
			a.annotations["dev.sigstore.cosign/bundle"] = b.annotations["dev.sigstore.cosign/bundle"]
			w.signTag(d, a)
		}, verdict.Fail, "refused"},
		{"bundle", exact, bundle(vs, identity, signType), verdict.Pass, "is signed by " + identity},
		{"bundle, time from an authority instead of the log", exact, func(w *world, d string) {
			w.refer(d, stamped(t, keylessBundle(t, vs, identity, statement(d, signType)), vs))
		}, verdict.Pass, "is signed by"},
		{"bundle, time from another authority", exact, func(w *world, d string) {
			w.refer(d, stamped(t, keylessBundle(t, vs, identity, statement(d, signType)), foreign))
		}, verdict.Fail, "refused"},
		{"bundle, pattern", pattern, bundle(vs, identity, signType), verdict.Pass, "is signed by"},
		{"bundle, look-alike", pattern, bundle(vs, "https://evil.example/?x="+identity+"0/evil", signType), verdict.Fail, "refused"},
		{"bundle, other identity", exact, bundle(vs, "https://github.com/evil/app", signType), verdict.Fail, "names https://github.com/evil/app"},
		{"bundle, other root", exact, bundle(foreign, identity, signType), verdict.Fail, "refused"},
		{"bundle, attestation", exact, bundle(vs, identity, "https://slsa.dev/provenance/v1"), verdict.Fail, "it is an attestation (https://slsa.dev/provenance/v1)"},
		{"bundle, signed with a key", exact, func(w *world, d string) { w.refer(d, k.bundle(t, statement(d, signType))) }, verdict.Fail, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.push(":v1", img(t, "one", "linux/amd64"))
			tt.sign(w, d)
			r, err := signed(t, w, d, keylessPolicy(t, vs, tt.want))
			expectSignature(t, r, err, tt.out, tt.says)
		})
	}
}

func without(annotation string, vs *ca.VirtualSigstore) func(*world, string) {
	return func(w *world, d string) {
		l := keyless(w.t, vs, identity, claim(w.ref(""), d), time.Now().Add(5*time.Minute))
		delete(l.annotations, annotation)
		w.signTag(d, l)
	}
}

// A certificate in the bundle is no key of ours, whoever vouches for it.
func TestKeyPolicyRefusesCertificates(t *testing.T) {
	vs, err := ca.NewVirtualSigstore()
	must(t, err)
	p := keyPolicy(t, newKey(t))
	w := newWorld(t)
	d := w.push(":v1", img(t, "one", "linux/amd64"))
	w.refer(d, keylessBundle(t, vs, identity, statement(d, signType)))
	w.signTag(d, keyless(t, vs, identity, claim(w.ref(""), d), time.Now().Add(5*time.Minute)))
	p.trusted = vs
	r, err := signed(t, w, d, p)
	expectSignature(t, r, err, verdict.Fail, "bundle sha256:")
}

// The library crashes on some of these, in a goroutine of its own that nobody could recover.
func TestMalformedLogEntries(t *testing.T) {
	vs, err := ca.NewVirtualSigstore()
	must(t, err)
	w := newWorld(t)
	d := w.push(":v1", img(t, "one", "linux/amd64"))
	for _, text := range []string{`{"Payload":{"body":123}}`, `{"Payload":{"body":null}}`, `null`, `{}`, `[]`, `{"Payload":null}`, `{"Payload":{"body":"e30="}}`,
		`{"Payload":{"body":"eyJraW5kIjoiaGFzaGVkcmVrb3JkIiwiYXBpVmVyc2lvbiI6IjAuMC4xIiwic3BlYyI6e319"}}`, `{"Payload":{"body":"!"}}`,
		`{"SignedEntryTimestamp":"","Payload":{"body":"","logID":"zz"}}`} {
		l := keyless(t, vs, identity, claim(w.ref(""), d), time.Now().Add(5*time.Minute))
		l.annotations["dev.sigstore.cosign/bundle"] = text
		w.signTag(d, l)
		r, err := signed(t, w, d, keylessPolicy(t, vs, Keyless{Issuer: issuer, Identity: identity}))
		expectSignature(t, r, err, verdict.Fail, "refused")
	}
	for _, cert := range []string{"", "x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		l := keyless(t, vs, identity, claim(w.ref(""), d), time.Now().Add(5*time.Minute))
		l.annotations["dev.sigstore.cosign/certificate"] = cert
		w.signTag(d, l)
		r, err := signed(t, w, d, keylessPolicy(t, vs, Keyless{Issuer: issuer, Identity: identity}))
		expectSignature(t, r, err, verdict.Fail, "refused")
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
	trustedRootFile(t, dir, vs)
	w := newWorld(t)
	d := w.push(":v1", img(t, "one", "linux/amd64"))
	w.signTag(d, keyless(t, vs, identity, claim(w.ref(""), d), time.Now().Add(5*time.Minute)))
	w.refer(d, keylessBundle(t, vs, identity, statement(d, signType)))
	o := Options{Images: []Image{{Image: w.ref(":v1")}}, Signature: &Signature{Keyless: &Keyless{Issuer: issuer, Identity: identity}, TrustedRoot: "root.json"}}
	o.InDir(dir)
	r, err := Run(context.Background(), o, []BuiltDigest{built(t, d)}, quick(), BeforeDeploy)
	expectSignature(t, r, err, verdict.Fail, "signed certificate timestamp")
	for _, e := range r.Findings[len(r.Findings)-1].Evidence {
		if !strings.Contains(e.Got, "refused") {
			t.Errorf("passed without a promise of the log: %+v", e)
		}
	}
}

func TestPolicyMistakes(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "private.pem"), []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "text"), []byte("hello"), 0o600))
	full := &Keyless{Issuer: issuer, Identity: identity}
	for _, tt := range []struct {
		s    Signature
		want string
	}{
		{Signature{}, "exactly one of key and keyless"},
		{Signature{Key: "text", Keyless: full}, "exactly one of key and keyless"},
		{Signature{Key: "absent"}, "no such file"},
		{Signature{Key: "text"}, "want a PEM file with a public key"},
		{Signature{Key: "private.pem"}, "want a PUBLIC KEY"},
		{Signature{Keyless: &Keyless{Issuer: issuer}}, "identity and identity-regexp"},
		{Signature{Keyless: &Keyless{Identity: identity}}, "issuer and issuer-regexp"},
		{Signature{Keyless: &Keyless{}}, "issuer and issuer-regexp"},
		{Signature{Keyless: &Keyless{Issuer: issuer, IdentityRegexp: ".*"}}, "matches everything"},
		{Signature{Keyless: &Keyless{Issuer: issuer, IdentityRegexp: "a)|(.*"}}, "unexpected )"},
		{Signature{Keyless: full, IgnoreTlog: true}, "ignore-tlog is for a key"},
		{Signature{Keyless: full, TrustedRoot: "text"}, "want a trusted_root.json"},
	} {
		if _, err := newPolicy(context.Background(), tt.s, dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.s, err, tt.want)
		}
	}
}

// A platform's manifest out of a signed index is covered by the index's signature.
func TestSignatureOfTheIndexCoversItsPlatform(t *testing.T) {
	k := newKey(t)
	w := newWorld(t)
	multi := idx(t, "multi", "linux/amd64", "linux/arm64")
	d := w.push(":v1", multi)
	arm := digestOf(t, childOf(t, multi, 1))
	w.signTag(d, k.layer(t, claim(w.ref(""), d)))
	o := Options{Images: []Image{{Image: w.ref("@" + arm)}}, Signature: &Signature{Key: k.path, IgnoreTlog: true}}
	r, err := Run(context.Background(), o, []BuiltDigest{built(t, d)}, quick(), BeforeDeploy)
	expectSignature(t, r, err, verdict.Pass, "is signed by")
}

// A flood of referrers is not read to its end, and proves nothing.
func TestManyReferrers(t *testing.T) {
	w := newWorld(t)
	d := w.push(":v1", img(t, "one", "linux/amd64"))
	var entries []string
	for i := range 3000 {
		entries = append(entries, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/spdx+json","digest":"sha256:%064x","size":1}`, i))
	}
	w.evil = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		fmt.Fprintf(rw, `{"schemaVersion":2,"manifests":[%s]}`, strings.Join(entries, ","))
		return true
	}
	w.forget()
	r, err := signed(t, w, d, keyPolicy(t, newKey(t)))
	expectSignature(t, r, err, verdict.Unknown, "the others were not read")
	if n := len(w.requests()); n > 10 {
		t.Errorf("%d requests", n)
	}
}

// An outage while signatures are read is no missing signature.
func TestSignatureOutage(t *testing.T) {
	k := newKey(t)
	for _, at := range []string{".sig", "/referrers/", "/blobs/"} {
		w := newWorld(t)
		d := w.push(":v1", idx(t, "one", "linux/amd64"))
		w.signTag(d, k.layer(t, claim(w.ref(""), d)))
		w.evil = func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, at) {
				rw.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
		r, err := signed(t, w, d, keyPolicy(t, k))
		if err == nil || strings.Contains(brief(r.Findings), "signature") {
			t.Errorf("outage of %s: error %v, findings %s", at, err, brief(r.Findings))
		}
	}
}

// The registry lists a bundle that says itself that it refers to another image.
func TestReferrerOfAnotherImage(t *testing.T) {
	k := newKey(t)
	w := newWorld(t)
	d := w.push(":v1", img(t, "one", "linux/amd64"))
	w.refer(nowhere, k.bundle(t, statement(d, signType)))
	w.evil = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/referrers/"+d) {
			r.URL.Path = strings.TrimSuffix(r.URL.Path, d) + nowhere
		}
		return false
	}
	r, err := signed(t, w, d, keyPolicy(t, k))
	expectSignature(t, r, err, verdict.Fail, "refers to another image")
}
