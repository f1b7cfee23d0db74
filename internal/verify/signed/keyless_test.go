package signed

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

func pemText(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}

// forms signs an image in both forms, each in a registry of its own.
func forms(t *testing.T, sg *forge.Sigstore, o forge.Signing, check func(t *testing.T, w *fake.Registry, d string)) {
	t.Helper()
	t.Run("tag", func(t *testing.T) {
		w, d := image(t)
		forge.SignTag(t, w, d, sg.Layer(t, forge.Claim(w.Ref(""), d), o))
		check(t, w, d)
	})
	t.Run("bundle", func(t *testing.T) {
		w, d := image(t)
		forge.Refer(t, w, d, sg.Bundle(t, forge.Statement(d, forge.SignType), o))
		check(t, w, d)
	})
}

func TestKeyless(t *testing.T) {
	sg, foreign := forge.NewSigstore(t), forge.NewSigstore(t)
	pattern := Certificate{Issuer: forge.Issuer, IdentityRegexp: `https://github\.com/acme/app/\.github/workflows/build\.yml@refs/tags/v\d`}
	claims := map[string]string{"2": "push", "3": commit, "5": "acme/app", "6": "refs/tags/v1", "9": "https://github.com/acme/ci/.github/workflows/b.yml@refs/heads/main",
		"11": "github-hosted", "12": "https://github.com/acme/app", "13": commit, "14": "refs/tags/v1", "20": "push"}
	all := exact
	all.WorkflowRepository, all.WorkflowRef, all.WorkflowSHA, all.WorkflowTrigger = "acme/app", "refs/tags/v1", commit, "push"
	all.BuildSignerURI, all.RunnerEnvironment = claims["9"], "github-hosted"
	with := func(change func(c *Certificate)) Certificate {
		c := all
		change(&c)
		return c
	}
	without := func(number string) map[string]string {
		m := map[string]string{}
		for k, v := range claims {
			if k != number {
				m[k] = v
			}
		}
		return m
	}
	for _, tt := range []struct {
		name string
		want Certificate
		by   *forge.Sigstore
		o    forge.Signing
		out  verdict.Outcome
		says string
	}{
		{"honest", exact, sg, forge.Signing{}, verdict.Pass, "is signed by " + forge.Identity + " of " + forge.Issuer},
		{"mail address", Certificate{Issuer: forge.Issuer, Identity: "dev@acme.example"}, sg, forge.Signing{Identity: "dev@acme.example"}, verdict.Pass, "dev@acme.example"},
		{"pattern", pattern, sg, forge.Signing{}, verdict.Pass, "is signed by"},
		{"look-alike around the pattern", pattern, sg, forge.Signing{Identity: "https://evil.example/?x=" + forge.Identity + "0/evil"}, verdict.Fail, "another signer: identity: got https://evil.example"},
		{"behind the pattern", pattern, sg, forge.Signing{Identity: forge.Identity + "0"}, verdict.Fail, "another signer"},
		{"other identity", exact, sg, forge.Signing{Identity: "https://github.com/evil/app/.github/workflows/build.yml@refs/tags/v1"}, verdict.Fail,
			`keyless: {issuer: "https://token.actions.githubusercontent.com", identity: "https://github.com/evil/app/`},
		{"other issuer", Certificate{Issuer: "https://accounts.google.com", Identity: forge.Identity}, sg, forge.Signing{}, verdict.Fail,
			"another signer: issuer: got https://token.actions.githubusercontent.com, want https://accounts.google.com"},
		{"look-alike issuer", exact, sg, forge.Signing{Issuer: forge.Issuer + ".evil.example"}, verdict.Fail, "another signer: issuer"},
		{"other root", exact, foreign, forge.Signing{}, verdict.Fail, "trusted root 1"},
		{"logged when the certificate had expired", exact, sg, forge.Signing{Logged: 30 * time.Minute}, verdict.Fail, "the certificate had expired when the signature was logged: logged 20"},
		{"logged before the certificate", exact, sg, forge.Signing{Logged: -30 * time.Minute}, verdict.Fail, "the certificate was not valid yet when the signature was logged"},
		{"no promise of the log of certificates", exact, sg, forge.Signing{NoPromise: true}, verdict.Fail, "signed certificate timestamp"},
		{"not logged", exact, sg, forge.Signing{NotLogged: true}, verdict.Fail, "it has no proof of the transparency log"},
		{"not logged, with a timestamp", exact, sg, forge.Signing{NotLogged: true, Stamped: true}, verdict.Fail, "it has no proof of the transparency log"},
		{"logged and with a timestamp", exact, sg, forge.Signing{Stamped: true}, verdict.Pass, "is signed by"},
		{"every claim", all, sg, forge.Signing{Claims: claims}, verdict.Pass, "is signed by"},
		{"repository as an address", with(func(c *Certificate) { c.WorkflowRepository = "https://github.com/acme/app" }), sg, forge.Signing{Claims: claims}, verdict.Pass, "is signed by"},
		{"other repository", with(func(c *Certificate) { c.WorkflowRepository = "acme/app2" }), sg, forge.Signing{Claims: claims}, verdict.Fail, "workflow-repository: got acme/app, want acme/app2"},
		{"other ref", with(func(c *Certificate) { c.WorkflowRef = "refs/heads/main" }), sg, forge.Signing{Claims: claims}, verdict.Fail, "workflow-ref: got refs/tags/v1"},
		{"other commit", with(func(c *Certificate) { c.WorkflowSHA = strings.Repeat("b", 40) }), sg, forge.Signing{Claims: claims}, verdict.Fail, "workflow-sha: got " + commit},
		{"other trigger", with(func(c *Certificate) { c.WorkflowTrigger = "workflow_dispatch" }), sg, forge.Signing{Claims: claims}, verdict.Fail, "workflow-trigger: got push"},
		{"other reusable workflow", with(func(c *Certificate) { c.BuildSignerURI += "2" }), sg, forge.Signing{Claims: claims}, verdict.Fail, "build-signer-uri"},
		{"other runner", with(func(c *Certificate) { c.RunnerEnvironment = "self-hosted" }), sg, forge.Signing{Claims: claims}, verdict.Fail, "runner-environment: got github-hosted, want self-hosted"},
		{"a missing claim", all, sg, forge.Signing{Claims: without("11")}, verdict.Fail, "runner-environment: got nothing, want github-hosted"},
		{"no claims at all", all, sg, forge.Signing{}, verdict.Fail, "workflow-repository: got nothing"},
		{"only the new extension", with(func(c *Certificate) { c.WorkflowRepository = "" }), sg, forge.Signing{Claims: without("6")}, verdict.Pass, "is signed by"},
		{"extensions that contradict one another", all, sg, forge.Signing{Claims: func() map[string]string {
			m := without("")
			m["6"] = "refs/heads/evil"
			return m
		}()}, verdict.Fail, "workflow-ref: got refs/tags/v1 and refs/heads/evil, want refs/tags/v1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := policyOf(t, keyless(t, tt.want, sg))
			forms(t, tt.by, tt.o, func(t *testing.T, w *fake.Registry, d string) {
				f, err := ask(t, w, d, p)
				expect(t, f, err, tt.out, tt.says)
			})
		})
	}
}

const commit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// One identity must have everything that is asked for: claims of one do not help another.
func TestAnyOf(t *testing.T) {
	sg := forge.NewSigstore(t)
	a, b := exact, Certificate{Issuer: forge.Issuer, Identity: "https://github.com/acme/other/.github/workflows/x.yml@refs/heads/main"}
	a.RunnerEnvironment = "github-hosted"
	s := Signature{Signer: Signer{Keyless: &Keyless{AnyOf: []Certificate{a, b}}, TrustedRoot: forge.RootFile(t, sg)}}
	for _, tt := range []struct {
		o    forge.Signing
		want verdict.Outcome
		says string
	}{
		{forge.Signing{Claims: map[string]string{"11": "github-hosted"}}, verdict.Pass, "is signed by " + forge.Identity},
		{forge.Signing{Identity: b.Identity}, verdict.Pass, "is signed by " + b.Identity},
		{forge.Signing{Claims: map[string]string{"11": "self-hosted"}}, verdict.Fail, "runner-environment: got self-hosted, want github-hosted (that is the nearest of the 2 in any-of)"},
		{forge.Signing{Identity: "https://github.com/evil/x"}, verdict.Fail, "another signer"},
	} {
		forms(t, sg, tt.o, func(t *testing.T, w *fake.Registry, d string) {
			f, err := ask(t, w, d, policyOf(t, s))
			expect(t, f, err, tt.want, tt.says)
		})
	}
}

func TestKeylessWantsCertificate(t *testing.T) {
	sg, k := forge.NewSigstore(t), forge.NewKey(t)
	w, d := image(t)
	forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d)))
	forge.Refer(t, w, d, k.Bundle(t, forge.Statement(d, forge.SignType)))
	f, err := ask(t, w, d, policyOf(t, keyless(t, exact, sg)))
	expect(t, f, err, verdict.Fail, "it was made with a key, and a keyless signature is wanted")
	if len(f.Evidence) != 2 {
		t.Errorf("%+v", f)
	}
}

// A log's entry, and its promise, belong to one signature.
func TestOtherLogEntry(t *testing.T) {
	sg := forge.NewSigstore(t)
	w, d := image(t)
	a, b := sg.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{}), sg.Layer(t, forge.Claim(w.Ref(""), nowhere), forge.Signing{})
	a.Annotations["dev.sigstore.cosign/bundle"] = b.Annotations["dev.sigstore.cosign/bundle"]
	forge.SignTag(t, w, d, a)
	f, err := ask(t, w, d, policyOf(t, keyless(t, exact, sg)))
	expect(t, f, err, verdict.Fail, "its entry in the transparency log belongs to another signature")
}

// Rekor 2 makes no promise, which would tell the time: a timestamping authority does.
func TestTimeFromAuthority(t *testing.T) {
	sg := forge.NewSigstore(t)
	w, d := image(t)
	forge.Refer(t, w, d, sg.Bundle(t, forge.Statement(d, forge.SignType), forge.Signing{ByTimestamp: true}))
	f, err := ask(t, w, d, policyOf(t, keyless(t, exact, sg)))
	expect(t, f, err, verdict.Pass, "is signed by")
}

// GitHub's private instance keeps no logs and signs timestamps instead: that is said in the configuration, never found out.
func TestWithoutLogs(t *testing.T) {
	private, public := forge.NewPrivateSigstore(t), forge.NewSigstore(t)
	waived := func(ss ...*forge.Sigstore) Signature {
		s := keyless(t, exact, ss...)
		s.IgnoreTlog = true
		return s
	}
	for _, tt := range []struct {
		name string
		s    Signature
		by   *forge.Sigstore
		o    forge.Signing
		want verdict.Outcome
		says string
	}{
		{"stamped", waived(private), private, forge.Signing{NotLogged: true, Stamped: true}, verdict.Pass, "is signed by"},
		{"not stamped", waived(private), private, forge.Signing{NotLogged: true}, verdict.Fail, "it has no timestamp of an authority that trusted root 1 knows"},
		{"both instances", waived(public, private), private, forge.Signing{NotLogged: true, Stamped: true}, verdict.Pass, "is signed by"},
		{"an instance with logs still wants its promise", waived(public), public, forge.Signing{NotLogged: true, Stamped: true, NoPromise: true}, verdict.Fail, "signed certificate timestamp"},
		{"both, and nothing is waived", keyless(t, exact, public, private), public, forge.Signing{}, verdict.Pass, "is signed by"},
		{"the other is not used unless it is waived", keyless(t, exact, public, private), private, forge.Signing{NotLogged: true, Stamped: true}, verdict.Fail, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forms(t, tt.by, tt.o, func(t *testing.T, w *fake.Registry, d string) {
				f, err := ask(t, w, d, policyOf(t, tt.s))
				expect(t, f, err, tt.want, tt.says)
			})
		})
	}
	_, err := NewPolicy(t.Context(), keyless(t, exact, private), "")
	if err == nil || !strings.Contains(err.Error(), "set ignore-tlog: true") {
		t.Errorf("a root with no log: %v", err)
	}
}

// A timestamp of another authority, or over something else, tells nothing.
func TestForeignTimestamp(t *testing.T) {
	private, other := forge.NewPrivateSigstore(t), forge.NewPrivateSigstore(t)
	s := keyless(t, exact, private)
	s.IgnoreTlog = true
	w, d := image(t)
	l, m := private.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{NotLogged: true}), other.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{NotLogged: true, Stamped: true})
	n := private.Layer(t, forge.Claim(w.Ref(""), nowhere), forge.Signing{NotLogged: true, Stamped: true})
	const stamp = "dev.sigstore.cosign/rfc3161timestamp"
	for _, text := range []string{m.Annotations[stamp], n.Annotations[stamp], `{}`, `null`, `{"SignedRFC3161Timestamp":"AAAA"}`, `[]`} {
		l.Annotations[stamp] = text
		forge.SignTag(t, w, d, l)
		f, err := ask(t, w, d, policyOf(t, s))
		expect(t, f, err, verdict.Fail, "refused")
	}
}

// A certificate of one instance never counts with the log of another.
func TestRootsStayApart(t *testing.T) {
	a, b := forge.NewSigstore(t), forge.NewSigstore(t)
	w, d := image(t)
	l, m := a.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{}), b.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{})
	p := policyOf(t, keyless(t, exact, a, b))
	forge.SignTag(t, w, d, l)
	f, err := ask(t, w, d, p)
	expect(t, f, err, verdict.Pass, "")
	l.Annotations["dev.sigstore.cosign/bundle"] = m.Annotations["dev.sigstore.cosign/bundle"]
	forge.SignTag(t, w, d, l)
	f, err = ask(t, w, d, p)
	expect(t, f, err, verdict.Fail, "refused")
}

// The library crashes on some of these, in a goroutine of its own that nobody could recover.
func TestMalformedAnnotations(t *testing.T) {
	sg := forge.NewSigstore(t)
	w, d := image(t)
	p := policyOf(t, keyless(t, exact, sg))
	for key, texts := range map[string][]string{
		"dev.sigstore.cosign/bundle": {`{"Payload":{"body":123}}`, `{"Payload":{"body":null}}`, `null`, `{}`, `[]`, `{"Payload":null}`, `{"Payload":{"body":"e30="}}`,
			`{"Payload":{"body":"eyJraW5kIjoiaGFzaGVkcmVrb3JkIiwiYXBpVmVyc2lvbiI6IjAuMC4xIiwic3BlYyI6e319"}}`, `{"Payload":{"body":"!"}}`,
			`{"SignedEntryTimestamp":"","Payload":{"body":"","logID":"zz"}}`},
		"dev.sigstore.cosign/certificate":    {"", "x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		"dev.cosignproject.cosign/signature": {"", "!", "AAAA"},
	} {
		for _, text := range texts {
			l := sg.Layer(t, forge.Claim(w.Ref(""), d), forge.Signing{})
			l.Annotations[key] = text
			forge.SignTag(t, w, d, l)
			f, err := ask(t, w, d, p)
			expect(t, f, err, verdict.Fail, "refused")
		}
	}
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
