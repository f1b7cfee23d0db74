package signed

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// mistakes lists what a check reports, as FIELD: MESSAGE.
func mistakes(check func(at func(field, format string, args ...any))) []string {
	var out []string
	check(func(field, format string, args ...any) { out = append(out, field+": "+fmt.Sprintf(format, args...)) })
	return out
}

func with(change func(s *Signature)) Signature {
	s := Signature{Signer: Signer{Keyless: &Keyless{Certificate: exact}}}
	change(&s)
	return s
}

func TestSignatureMistakes(t *testing.T) {
	pemKey := string(forge.PEM(t, forge.NewKey(t).Private.Public()))
	for _, tt := range []struct {
		s    Signature
		want string // FIELD: a part of the message; "": no mistake
	}{
		{with(func(*Signature) {}), ""},
		{Signature{Signer: Signer{Key: "cosign.pub"}}, ""},
		{Signature{Signer: Signer{Key: pemKey}}, ""},
		{Signature{Signer: Signer{Keys: []string{"a", pemKey}, HashAlgorithm: "sha384"}}, ""},
		{with(func(s *Signature) { s.SignedAs = []string{"ghcr.io/acme/app", "docker.io/library/x"} }), ""},
		{with(func(s *Signature) {
			s.TUF = &TUF{Remote: httpx.Remote{URL: "https://tuf.acme.example"}, Root: "root.json"}
		}), ""},
		{with(func(s *Signature) { s.Keyless = &Keyless{AnyOf: []Certificate{exact, exact}} }), ""},

		{Signature{}, ": got none of key, keys, keyless, want exactly one"},
		{with(func(s *Signature) { s.Key = "cosign.pub" }), "keyless: got key and keyless, want exactly one of key, keys, keyless; keep one of them"},
		{with(func(s *Signature) { s.Keys = []string{"cosign.pub"} }), "keyless: got keys and keyless"},
		{Signature{Signer: Signer{Key: " "}}, "key: got an empty text"},
		{Signature{Signer: Signer{Keys: []string{"a", ""}}}, "keys[1]: got an empty text"},
		{Signature{Signer: Signer{Key: pemKey[:70]}}, "key: the key: want a PEM file with a public key (cosign.pub): this one is cut off"},
		{Signature{Signer: Signer{Key: "a", HashAlgorithm: "md5"}}, `hash-algorithm: got "md5", want sha256, sha384 or sha512`},
		{with(func(s *Signature) { s.HashAlgorithm = "sha256" }), "hash-algorithm: a certificate names its own"},
		{with(func(s *Signature) { s.Keyless = &Keyless{} }), "keyless: got none of issuer, issuer-regexp, want exactly one"},
		{with(func(s *Signature) { s.Keyless.Identity = "" }), "keyless: got none of identity, identity-regexp"},
		{with(func(s *Signature) { s.Keyless.IssuerRegexp = "a" }), "keyless.issuer-regexp: got issuer and issuer-regexp"},
		{with(func(s *Signature) { s.Keyless.Identity = " " }), "keyless.identity: got an empty text, which every signature would match"},
		{with(func(s *Signature) { s.Keyless.Identity = "https://github.com/acme/*" }), "keyless.identity: got \"https://github.com/acme/*\", which is compared as it stands"},
		{with(func(s *Signature) { s.Keyless.WorkflowSHA = "abc" }), "keyless.workflow-sha: got \"abc\""},
		{with(func(s *Signature) { s.Keyless = &Keyless{AnyOf: []Certificate{exact, {}}} }), "keyless.any-of[1]: got none of issuer"},
		{with(func(s *Signature) { s.Keyless.AnyOf = []Certificate{exact} }), "keyless.any-of: got any-of beside a certificate"},
		{with(func(s *Signature) { s.SignedAs = []string{"ghcr.io/acme/app:v1"} }), "signed-as[0]: got"},
		{with(func(s *Signature) { s.SignedAs = []string{"x", "Y Z"} }), "signed-as[1]: got"},
		{with(func(s *Signature) { s.TUF = &TUF{Root: "root.json"} }), "tuf: the key url is missing"},
		{with(func(s *Signature) { s.TUF = &TUF{Remote: httpx.Remote{URL: "https://x"}} }), "tuf: the key root is missing"},
		{with(func(s *Signature) {
			s.TrustedRoot, s.TUF = "root.json", &TUF{Remote: httpx.Remote{URL: "https://x"}, Root: "r"}
		}), "tuf: got trusted-root and tuf"},
	} {
		got := mistakes(tt.s.Check)
		if tt.want == "" {
			if len(got) > 0 {
				t.Errorf("%+v: %q", tt.s, got)
			}
			continue
		}
		if !slices.ContainsFunc(got, func(m string) bool { return strings.HasPrefix(m, tt.want) }) {
			t.Errorf("%+v: got %q, want %q", tt.s.Signer, got, tt.want)
		}
		if _, err := NewPolicy(t.Context(), tt.s, t.TempDir()); err == nil {
			t.Errorf("%q: taken", tt.want)
		}
	}
}

// A pattern must not take anybody who signs up at a public service.
func TestPatterns(t *testing.T) {
	narrow := []string{`https://github\.com/acme/.+`, `^https://github\.com/acme/app/\.github/workflows/build\.yml@refs/tags/v.*$`, `.*@acme\.example`,
		`https://gitlab\.com/acme/app//\.gitlab-ci\.yml@refs/heads/main`, `https://kubernetes\.acme\.example/.*`, `(?i)https://github\.com/Acme/.*`,
		`https://github\.com/acme/(app|lib)/.*`, `a|b`, `^a$|^b$`}
	wide := []string{`.*`, `.+`, `(?s).*`, `[^ ]+`, `^`, `$`, `|`, `a|`, `|a`, `a|.*`, `(a|.*)`, `.*|https://github\.com/acme/.*`, `https?://.*`, `https://.*`, `.*@.*`,
		`https://github\.com/.*`, `https://github.com/[^/]+/.*`, `https://github\.com/(acme|.*)/.*`, `https://gitlab\.com/.*`, `.*@gmail\.com`,
		`.*/\.github/workflows/x\.yml@refs/heads/main`, `(?:.|\n)*`, `https://[a-z.]*nobody.*`, `https://token\..*`, `https://gitlab\..*`,
		`https://token.actions.githubusercontent.com.*`, `\S*`, `(https://github\.com/acme/.*)?`}
	for _, p := range narrow {
		if got := mistakes(func(at report) { checkPattern(at, "p", p) }); len(got) > 0 {
			t.Errorf("%q: %q", p, got)
		}
	}
	for _, p := range wide {
		for _, s := range []Signature{with(func(s *Signature) { s.Keyless.Identity, s.Keyless.IdentityRegexp = "", p }),
			with(func(s *Signature) { s.Keyless.Issuer, s.Keyless.IssuerRegexp = "", p })} {
			if _, err := NewPolicy(t.Context(), s, t.TempDir()); err == nil || !strings.Contains(err.Error(), "would do") {
				t.Errorf("%q: got %v", p, err)
			}
		}
	}
	for _, p := range []string{`a)|(.*`, `(`, `[`, `a{`, `\`, `*`} {
		if p == `a{` { // RE2 takes it as it stands
			continue
		}
		if got := mistakes(func(at report) { checkPattern(at, "p", p) }); len(got) != 1 || !strings.Contains(got[0], "is no regular expression") {
			t.Errorf("%q: %q", p, got)
		}
	}
}

// Whatever a pattern is, what it takes it takes from the first character to the last.
func FuzzAnchored(f *testing.F) {
	f.Add("a|b", "xa")
	f.Add("^a$|b", "bx")
	f.Add("(?m)^a$", "b\na")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := anchored(pattern)
		if err != nil {
			return
		}
		if m := re.FindStringIndex(text); m != nil && (m[0] != 0 || m[1] != len(text)) {
			t.Errorf("%q takes %q of %q", pattern, text[m[0]:m[1]], text)
		}
	})
}

func TestAttestationMistakes(t *testing.T) {
	base := Attestation{Type: "slsa-provenance"}
	edit := func(change func(a *Attestation)) Attestation {
		a := base
		change(&a)
		return a
	}
	for _, tt := range []struct {
		a    Attestation
		want string
	}{
		{base, ""},
		{Attestation{Type: "https://example.com/review/v1"}, ""},
		{Attestation{Type: "cosign.sigstore.dev/attestation/v1"}, ""},
		{Attestation{Type: "urn:acme:review"}, ""},
		{Attestation{Type: "spdx", Condition: "predicate.packages.size() > 0"}, ""},
		{edit(func(a *Attestation) { a.Provenance = &Provenance{Source: "release", Commit: "release", Ref: "release"} }), ""},
		{edit(func(a *Attestation) { a.From, a.Repository = "github", "acme/app" }), ""},
		{edit(func(a *Attestation) { a.Keyless = &Keyless{Certificate: exact} }), ""},

		{Attestation{}, "type: got \"\", want cyclonedx, slsa-provenance, spdx, vuln, or a predicate type"},
		{Attestation{Type: "slsa"}, "type: got \"slsa\""},
		{edit(func(a *Attestation) { a.TrustedRoot = "root.json" }), ": got none of key, keys, keyless"},
		{edit(func(a *Attestation) {
			a.Keyless = &Keyless{Certificate: Certificate{Issuer: "x", IdentityRegexp: ".*"}}
		}), "keyless.identity-regexp: \".*\" matches everything"},
		{edit(func(a *Attestation) { a.Provenance = &Provenance{} }), "provenance: it asks for nothing"},
		{edit(func(a *Attestation) { a.Provenance = &Provenance{Source: "acme/app"} }), "provenance.source: got \"acme/app\""},
		{edit(func(a *Attestation) { a.Provenance = &Provenance{Ref: "main"} }), "provenance.ref: got \"main\""},
		{edit(func(a *Attestation) { a.Provenance = &Provenance{Commit: "HEAD"} }), "provenance.commit: got \"HEAD\""},
		{Attestation{Type: "spdx", Provenance: &Provenance{Builder: "x"}}, "provenance: got provenance with the type spdx"},
		{edit(func(a *Attestation) { a.Condition = "predicate." }), "check: line 1, character 11: Syntax error"},
		{edit(func(a *Attestation) { a.Condition = "nobody.x" }), "check: line 1, character 1: undeclared reference to 'nobody'"},
		{edit(func(a *Attestation) { a.Condition = "'yes'" }), "check: the expression gives a string, want true or false"},
		{edit(func(a *Attestation) { a.Condition = strings.Repeat("true && ", 2000) + "true" }), "check: the expression has"},
		{edit(func(a *Attestation) { a.From = "gitlab" }), "from: got \"gitlab\", want registry or github"},
		{edit(func(a *Attestation) { a.Repository = "acme/app" }), "repository: got repository without from: github"},
		{edit(func(a *Attestation) { a.From, a.Repository = "github", "https://github.com/acme/app" }), "repository: got"},
		{edit(func(a *Attestation) { a.From, a.Repository = "github", "acme/../evil" }), "repository: got"},
	} {
		got := mistakes(tt.a.Check)
		switch {
		case tt.want == "" && len(got) > 0:
			t.Errorf("%+v: %q", tt.a, got)
		case tt.want != "" && !slices.ContainsFunc(got, func(m string) bool { return strings.HasPrefix(m, tt.want) }):
			t.Errorf("%+v: got %q, want %q", tt.a, got, tt.want)
		case tt.want != "":
			if _, err := NewAttestations(t.Context(), []Attestation{tt.a}, &Signature{Signer: Signer{Key: "x"}}, GitHub{}, t.TempDir()); err == nil {
				t.Errorf("%q: taken", tt.want)
			}
		}
	}
}
