package signed

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// provenance1 is what GitHub's attest-build-provenance writes.
const provenance1 = `{"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1","externalParameters":{"workflow":{
 "ref":"refs/tags/v1","repository":"https://github.com/acme/app","path":".github/workflows/build.yml"}},
 "internalParameters":{"github":{"event_name":"push","runner_environment":"github-hosted"}},
 "resolvedDependencies":[{"uri":"git+https://github.com/acme/app@refs/tags/v1","digest":{"gitCommit":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}]},
 "runDetails":{"builder":{"id":"https://github.com/acme/app/.github/workflows/build.yml@refs/tags/v1"},"metadata":{"invocationId":"https://github.com/acme/app/actions/runs/1/attempts/1"}}}`

var thisRelease = release.Release{Service: "checkout", Commit: commit, Ref: "refs/tags/v1", Repository: "acme/app",
	Run: release.Run{Platform: "github", URL: "https://github.com/acme/app/actions/runs/1"}}

func attestationsOf(t testing.TB, s *Signature, list ...Attestation) *Attestations {
	t.Helper()
	a, err := NewAttestations(t.Context(), list, s, GitHub{}, "")
	must(t, err)
	a.Lag = 0
	return a
}

func byKey(k forge.Key) *Signature { return &Signature{Signer: Signer{Key: k.Path, IgnoreTlog: true}} }

// verifyOne asks for one attestation of an image.
func verifyOne(t testing.TB, a *Attestations, w *fake.Registry, digests ...string) (verdict.Finding, error) {
	t.Helper()
	fs, err := a.Verify(t.Context(), client(), subjectOf(t, w, digests...), thisRelease)
	if err != nil {
		return verdict.Finding{}, err
	}
	if len(fs) != 1 {
		t.Fatalf("%d findings, want one", len(fs))
	}
	return fs[0], nil
}

func TestAttestations(t *testing.T) {
	k, stranger := forge.NewKey(t), forge.NewKey(t)
	bundle := func(k forge.Key, stmt func(d string) []byte) func(*fake.Registry, string) {
		return func(w *fake.Registry, d string) { forge.Refer(t, w, d, k.Bundle(t, stmt(d))) }
	}
	tag := func(k forge.Key, stmt func(d string) []byte) func(*fake.Registry, string) {
		return func(w *fake.Registry, d string) { forge.AttestTag(t, w, d, k.Envelope(t, stmt(d))) }
	}
	of := func(predicateType, predicate string) func(d string) []byte {
		return func(d string) []byte { return forge.Attest(d, predicateType, predicate) }
	}
	slsa := of(forge.SLSAType, provenance1)
	subjects := func(text string) func(d string) []byte {
		return func(d string) []byte {
			return bytes.Replace(slsa(d), fmt.Appendf(nil, `[{"digest":{"sha256":%q}}]`, d[7:]), []byte(strings.ReplaceAll(text, "DIGEST", d[7:])), 1)
		}
	}
	many := func(n int) string {
		return "[" + strings.Repeat(`{"digest":{"sha256":"`+strings.Repeat("0", 64)+`"}},`, n-1) + `{"digest":{"sha256":"DIGEST"}}]`
	}
	replace := func(old, with string) func(d string) []byte {
		return func(d string) []byte { return bytes.Replace(slsa(d), []byte(old), []byte(with), 1) }
	}
	wanted := Attestation{Type: "slsa-provenance"}
	for _, tt := range []struct {
		name string
		by   forge.Key
		stmt func(d string) []byte
		want verdict.Outcome
		says string
	}{
		{"good", k, slsa, verdict.Pass, "has SLSA provenance by the key cosign.pub"},
		{"provenance v0.2", k, of(slsaV0, `{}`), verdict.Pass, "has SLSA provenance"},
		{"other key", stranger, slsa, verdict.Fail, "it was not made with the key cosign.pub"},
		{"other type", k, of("https://spdx.dev/Document", "{}"), verdict.Fail, "has no SLSA provenance; it has https://spdx.dev/Document"},
		{"type with a slash behind", k, of(forge.SLSAType+"/", "{}"), verdict.Fail, "has no SLSA provenance"},
		{"type in other case", k, of("https://SLSA.dev/provenance/v1", "{}"), verdict.Fail, "has no SLSA provenance"},
		{"signature as attestation", k, of(forge.SignType, "{}"), verdict.Fail, "has no SLSA provenance"},
		{"other digest", k, func(string) []byte { return slsa(nowhere) }, verdict.Fail, "it is about sha256:000000000000…, not about this image"},
		{"statement v0.1", k, replace("Statement/v1", "Statement/v0.1"), verdict.Pass, "has SLSA provenance"},
		{"statement of another version", k, replace("Statement/v1", "Statement/v2"), verdict.Fail, "want in-toto v0.1 or v1"},
		{"no statement type", k, replace(`"_type"`, `"_kind"`), verdict.Fail, "its statement has no _type"},
		{"no predicate type", k, replace(`"predicateType"`, `"PredicateType"`), verdict.Fail, "its statement has no predicateType"},
		{"no subject", k, subjects(`[]`), verdict.Fail, "it has no subject"},
		{"null subject", k, subjects(`null`), verdict.Fail, "it has no subject"},
		{"a subject that is null", k, subjects(`[null,{"digest":{"sha256":"DIGEST"}}]`), verdict.Fail, "refused"},
		{"subject is no list", k, subjects(`{"digest":{"sha256":"DIGEST"}}`), verdict.Fail, "subject is no list"},
		{"1024 subjects", k, subjects(many(1024)), verdict.Pass, "has SLSA provenance"},
		{"1025 subjects", k, subjects(many(1025)), verdict.Fail, "about more than 1024 subjects"},
		{"other algorithm", k, subjects(`[{"digest":{"sha512":"DIGEST"}}]`), verdict.Fail, "its subject has no sha256 digest"},
		{"algorithm in upper case", k, subjects(`[{"digest":{"SHA256":"DIGEST"}}]`), verdict.Fail, "its subject has no sha256 digest"},
		{"digest with its algorithm in it", k, subjects(`[{"digest":{"sha256":"sha256:DIGEST"}}]`), verdict.Fail, "not about this image"},
		{"one of two subjects", k, subjects(`[{"name":"a","digest":{"sha256":"00"}},{"name":"b","digest":{"sha256":"DIGEST"}}]`), verdict.Pass, "has SLSA provenance"},
		{"a key twice", k, replace(`"subject":`, `"subject":[{"digest":{"sha256":"00"}}],"subject":`), verdict.Fail, `the key "subject" is there twice`},
		{"subject in another case", k, replace(`"predicateType"`, `"Subject":[],"predicateType"`), verdict.Fail, "refused"}, // for the libraries it is the subject
		{"text behind it", k, func(d string) []byte { return append(slsa(d), "{}"...) }, verdict.Fail, "refused"},
		{"no JSON", k, func(string) []byte { return []byte("hello") }, verdict.Fail, "it holds no statement"},
	} {
		for form, attest := range map[string]func(*fake.Registry, string){"tag": tag(tt.by, tt.stmt), "bundle": bundle(tt.by, tt.stmt)} {
			t.Run(tt.name+"/"+form, func(t *testing.T) {
				w, d := image(t)
				attest(w, d)
				f, err := verifyOne(t, attestationsOf(t, byKey(k), wanted), w, d)
				expect(t, f, err, tt.want, tt.says)
				if tt.want == verdict.Fail && f.Reason != reasonAttestation {
					t.Errorf("reason %q", f.Reason)
				}
			})
		}
	}
}

// One bad and one good: it passes, and both are reported.
func TestBadAndGoodAttestation(t *testing.T) {
	k, stranger := forge.NewKey(t), forge.NewKey(t)
	w, d := image(t)
	stmt := forge.Attest(d, forge.SLSAType, provenance1)
	forge.AttestTag(t, w, d, stranger.Envelope(t, stmt))
	forge.Refer(t, w, d, k.Bundle(t, stmt))
	forge.Refer(t, w, d, []byte("broken"))
	f, err := verifyOne(t, attestationsOf(t, byKey(k), Attestation{Type: "slsa-provenance"}), w, d)
	expect(t, f, err, verdict.Pass, "; 3 were found")
	bad := 0
	for _, e := range f.Evidence {
		if strings.HasPrefix(e.Got, "refused") {
			bad++
		}
	}
	if len(f.Evidence) != 3 || bad != 2 {
		t.Errorf("%+v", f.Evidence)
	}
}

// Keyless, in both forms and with both kinds of log entry; each attestation may have a signer of its own.
func TestKeylessAttestations(t *testing.T) {
	sg := forge.NewSigstore(t)
	s := keyless(t, exact, sg)
	other := s.Signer
	other.Keyless = &Keyless{Certificate: Certificate{Issuer: forge.Issuer, Identity: "https://github.com/acme/scan/.github/workflows/scan.yml@refs/heads/main"}}
	for name, attest := range map[string]func(w *fake.Registry, d string, stmt []byte, o forge.Signing){
		"tag": func(w *fake.Registry, d string, stmt []byte, o forge.Signing) {
			forge.AttestTag(t, w, d, sg.Envelope(t, stmt, o))
		},
		"tag, old log entry": func(w *fake.Registry, d string, stmt []byte, o forge.Signing) {
			o.InTotoEntry = true
			forge.AttestTag(t, w, d, sg.Envelope(t, stmt, o))
		},
		"bundle": func(w *fake.Registry, d string, stmt []byte, o forge.Signing) {
			forge.Refer(t, w, d, sg.Bundle(t, stmt, o))
		},
	} {
		for _, tt := range []struct {
			name string
			o    forge.Signing
			want verdict.Outcome
			says string
		}{
			{"honest", forge.Signing{}, verdict.Pass, "by " + forge.Identity},
			{"other signer", forge.Signing{Identity: "https://github.com/evil/x"}, verdict.Fail, "another signer: identity: got https://github.com/evil/x"},
			{"not logged", forge.Signing{NotLogged: true}, verdict.Fail, "it has no proof of the transparency log"},
			{"expired", forge.Signing{Logged: 30 * time.Minute}, verdict.Fail, "the certificate had expired"},
			{"no promise", forge.Signing{NoPromise: true}, verdict.Fail, "signed certificate timestamp"},
		} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				w, d := image(t)
				attest(w, d, forge.Attest(d, forge.SLSAType, provenance1), tt.o)
				f, err := verifyOne(t, attestationsOf(t, &s, Attestation{Type: "slsa-provenance"}), w, d)
				expect(t, f, err, tt.want, tt.says)
			})
		}
		t.Run(name+"/its own signer", func(t *testing.T) {
			w, d := image(t)
			attest(w, d, forge.Attest(d, "https://example.com/scan", `{}`), forge.Signing{Identity: other.Keyless.Identity})
			a := attestationsOf(t, &s, Attestation{Type: "https://example.com/scan", Signer: other})
			f, err := verifyOne(t, a, w, d)
			expect(t, f, err, verdict.Pass, "acme/scan")
			f, err = verifyOne(t, attestationsOf(t, &s, Attestation{Type: "https://example.com/scan"}), w, d)
			expect(t, f, err, verdict.Fail, "another signer")
		})
	}
}

// Several wanted: one finding each, in their order, and every document is read once.
func TestSeveralAttestations(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	forge.ReferNoted(t, w, d, forge.SLSAType, k.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1)))
	forge.ReferNoted(t, w, d, "https://cyclonedx.org/bom", k.Bundle(t, forge.Attest(d, "https://cyclonedx.org/bom", `{}`)))
	forge.ReferNoted(t, w, d, "https://example.com/other", k.Bundle(t, forge.Attest(d, "https://example.com/other", `{}`)))
	a := attestationsOf(t, byKey(k), Attestation{Type: "slsa-provenance"}, Attestation{Type: "cyclonedx"})
	w.Forget()
	fs, err := a.Verify(t.Context(), client(), subjectOf(t, w, d), thisRelease)
	must(t, err)
	expect(t, fs[0], nil, verdict.Pass, "")
	expect(t, fs[1], nil, verdict.Pass, "")
	asked := w.Requests()
	a = attestationsOf(t, byKey(k), Attestation{Type: "spdx"}, Attestation{Type: "slsa-provenance"}, Attestation{Type: "cyclonedx"}, Attestation{Type: "slsa-provenance", Condition: "false"})
	fs, err = a.Verify(t.Context(), client(), subjectOf(t, w, d), thisRelease)
	must(t, err)
	var got []string
	for _, f := range fs {
		got = append(got, f.Outcome.String())
		if f.Check != checkAttestationName || f.Doc != "verify-attestation" {
			t.Errorf("%+v", f)
		}
	}
	if fmt.Sprint(got) != "[fail pass pass fail]" {
		t.Errorf("got %v\n%+v", got, fs)
	}
	if !strings.Contains(fs[0].Summary, "it has https://cyclonedx.org/bom, https://example.com/other, https://slsa.dev/provenance/v1") {
		t.Error(fs[0].Summary)
	}
	blobs := 0
	for _, r := range asked {
		if strings.Contains(r, "/blobs/") {
			blobs++
		}
	}
	if blobs != 2 {
		t.Errorf("%d blobs were read, want the two that are wanted:\n%s", blobs, strings.Join(asked, "\n"))
	}
	if fs, err := attestationsOf(t, nil).Verify(t.Context(), client(), subjectOf(t, w, d), thisRelease); len(fs) > 0 || err != nil {
		t.Errorf("nothing is wanted: %v %v", fs, err)
	}
	if _, err := NewAttestations(t.Context(), []Attestation{{Type: "spdx"}}, nil, GitHub{}, ""); err == nil || !strings.Contains(err.Error(), "does not say who must have made it") {
		t.Errorf("nobody is named: %v", err)
	}
}

// Provenance on the index counts for its platform; that of a platform does not count for the index.
func TestAttestationOfIndexAndChild(t *testing.T) {
	k := forge.NewKey(t)
	w := fake.New(t)
	multi := fake.Index(t, "one", "linux/amd64", "linux/arm64")
	index := w.Push(":v1", multi)
	child := fake.DigestOf(t, fake.ChildOf(t, multi, 0))
	a := attestationsOf(t, byKey(k), Attestation{Type: "slsa-provenance"})
	forge.Refer(t, w, index, k.Bundle(t, forge.Attest(index, forge.SLSAType, provenance1)))
	f, err := verifyOne(t, a, w, child, index)
	expect(t, f, err, verdict.Pass, "")
	f, err = verifyOne(t, a, w, child)
	expect(t, f, err, verdict.Fail, "does not count for the index, nor the other way round")

	other := w.Push(":v2", fake.Index(t, "two", "linux/amd64"))
	forge.Refer(t, w, child, k.Bundle(t, forge.Attest(child, forge.SLSAType, provenance1)))
	f, err = verifyOne(t, a, w, other)
	expect(t, f, err, verdict.Fail, "has no SLSA provenance")
}

// An outage while attestations are read is no missing attestation.
func TestAttestationOutage(t *testing.T) {
	k := forge.NewKey(t)
	for _, at := range []string{".att", "/referrers/", "/blobs/"} {
		w, d := image(t)
		forge.Refer(t, w, d, k.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1)))
		w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, at) {
				rw.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
		f, err := verifyOne(t, attestationsOf(t, byKey(k), Attestation{Type: "slsa-provenance"}), w, d)
		if err == nil || f.Check != "" {
			t.Errorf("outage of %s: error %v, finding %+v", at, err, f)
		}
	}
}

// A flood of large documents is not read to its end, and proves nothing.
func TestManyLargeAttestations(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	large := forge.Raw{Bytes: bytes.Repeat([]byte(" "), 7<<20)}
	for i := range 12 {
		large.Bytes[0] = byte('a' + i)
		forge.Refer(t, w, d, large.Bytes)
	}
	a := attestationsOf(t, byKey(k), Attestation{Type: "spdx"})
	w.Forget()
	f, err := verifyOne(t, a, w, d)
	expect(t, f, err, verdict.Unknown, "the others were not read")
	blobs := 0
	for _, r := range w.Requests() {
		if strings.Contains(r, "/blobs/") {
			blobs++
		}
	}
	if blobs > 10 {
		t.Errorf("%d blobs were read", blobs)
	}
}

// An attestation that shows up while the index catches up.
func TestLateAttestation(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	a := attestationsOf(t, byKey(k), Attestation{Type: "slsa-provenance"})
	a.Lag = 300 * time.Millisecond
	time.AfterFunc(50*time.Millisecond, func() { forge.Refer(t, w, d, k.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1))) })
	f, err := verifyOne(t, a, w, d)
	expect(t, f, err, verdict.Pass, "")
}

// A list that is made by a policy has its signer, and its roots.
func TestAttestationsOfPolicy(t *testing.T) {
	sg := forge.NewSigstore(t)
	r := forge.NewTUF(t, sg.Root(t))
	address := r.Serve(t)
	path := filepath.Join(t.TempDir(), "root.json")
	must(t, os.WriteFile(path, r.Anchor(t), 0o600))
	s := Signature{Signer: Signer{Keyless: &Keyless{Certificate: exact}, TUF: &TUF{Remote: httpx.Remote{URL: address}, Root: path}}}
	p, err := NewPolicy(t.Context(), s, "")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nothing may be fetched any more
	own := s.Signer
	own.Keyless = &Keyless{Certificate: Certificate{Issuer: forge.Issuer, Identity: "https://github.com/acme/scan"}}
	a, err := p.Attestations(ctx, []Attestation{{Type: "slsa-provenance"}, {Type: "https://example.com/scan", Signer: own}}, GitHub{})
	must(t, err)
	a.Lag = 0
	w, d := image(t)
	forge.Refer(t, w, d, sg.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1), forge.Signing{}))
	forge.Refer(t, w, d, sg.Bundle(t, forge.Attest(d, "https://example.com/scan", "{}"), forge.Signing{Identity: own.Keyless.Identity}))
	fs, err := a.Verify(t.Context(), client(), subjectOf(t, w, d), thisRelease)
	must(t, err)
	for _, f := range fs {
		expect(t, f, nil, verdict.Pass, "")
	}
}
