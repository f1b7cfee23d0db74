package signed

import (
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/bakegate/bakegate/internal/clean"
)

// identity is a certificate that is accepted, ready to be compared.
type identity struct {
	want        Certificate
	issuer, san *regexp.Regexp // nil: the exact value counts
}

func newIdentity(c Certificate) (identity, error) {
	id := identity{want: c}
	var err error
	if c.IssuerRegexp != "" {
		if id.issuer, err = anchored(c.IssuerRegexp); err != nil {
			return id, fmt.Errorf("issuer-regexp %q: %w", clean.Cut(c.IssuerRegexp, 100), err)
		}
	}
	if c.IdentityRegexp != "" {
		if id.san, err = anchored(c.IdentityRegexp); err != nil {
			return id, fmt.Errorf("identity-regexp %q: %w", clean.Cut(c.IdentityRegexp, 100), err)
		}
	}
	return id, nil
}

// anchored makes a regular expression match the whole: the libraries match anywhere. It is compiled alone first, because a ")" in it
// could close our own group.
func anchored(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}

// strangers are issuers and identities that nobody means to trust. A pattern that takes one of them takes anybody who signs up there.
var strangers = []struct{ text, what string }{
	{"", "everything"},
	{"https://nobody.invalid/0", "everything"},
	{"someone@else.invalid", "everything"},
	{"https://nobody.invalid", "everything"},
	{"https://github.com/nobody-4f1c/x/.github/workflows/x.yml@refs/heads/main", "every repository of github.com"},
	{"https://gitlab.com/nobody-4f1c/x//.gitlab-ci.yml@refs/heads/main", "every project of gitlab.com"},
	{"nobody-4f1c@gmail.com", "every address of gmail.com"},
	{"nobody-4f1c@users.noreply.github.com", "every address of GitHub's users"},
	{"https://token.nobody.invalid", "issuers of any domain"},
	{"https://gitlab.nobody.invalid", "issuers of any domain"},
	{"https://accounts.nobody.invalid/realms/x", "issuers of any domain"},
	{"https://token.actions.githubusercontent.com.nobody.invalid", "issuers of any domain"},
}

// tooWide says what a pattern takes that it can't be meant to; "" when it is narrow enough.
func tooWide(re *regexp.Regexp) string {
	for _, s := range strangers {
		if re.MatchString(s.text) {
			return s.what
		}
	}
	return ""
}

// mismatch is one thing that a certificate says otherwise than it must, or does not say.
type mismatch struct{ key, got, want string }

func (m mismatch) String() string {
	got := m.got
	if got == "" {
		got = "nothing"
	}
	return fmt.Sprintf("%s: got %s, want %s", m.key, clean.Cut(got, 200), clean.Cut(m.want, 200))
}

// mismatches compares a certificate with what is wanted. A claim that was asked for and is missing is a mismatch.
func (id identity) mismatches(s certificate.Summary) []mismatch {
	var out []mismatch
	add := func(key, want string, got ...string) {
		if !says(want, got) {
			out = append(out, mismatch{key, strings.Join(present(got), " and "), want})
		}
	}
	w := id.want
	if id.issuer != nil && !id.issuer.MatchString(s.Issuer) || id.issuer == nil && (w.Issuer == "" || w.Issuer != s.Issuer) {
		out = append(out, mismatch{"issuer", s.Issuer, w.Issuer + w.IssuerRegexp})
	}
	san := s.SubjectAlternativeName
	if id.san != nil && !id.san.MatchString(san) || id.san == nil && (w.Identity == "" || w.Identity != san) {
		out = append(out, mismatch{"identity", san, w.Identity + w.IdentityRegexp})
	}
	if strings.Contains(w.WorkflowRepository, "://") {
		add("workflow-repository", w.WorkflowRepository, s.SourceRepositoryURI)
	} else {
		add("workflow-repository", w.WorkflowRepository, s.GithubWorkflowRepository)
	}
	add("workflow-ref", w.WorkflowRef, s.SourceRepositoryRef, s.GithubWorkflowRef)
	add("workflow-sha", w.WorkflowSHA, s.SourceRepositoryDigest, s.GithubWorkflowSHA)
	add("workflow-trigger", w.WorkflowTrigger, s.BuildTrigger, s.GithubWorkflowTrigger)
	add("build-signer-uri", w.BuildSignerURI, s.BuildSignerURI)
	add("runner-environment", w.RunnerEnvironment, s.RunnerEnvironment)
	return out
}

// says reports whether a claim is made as it is wanted. Fulcio makes some of them twice, in its old extension and in the new one: all that
// are there must agree, and one must be there.
func says(want string, got []string) bool {
	if want == "" {
		return true
	}
	got = present(got)
	for _, g := range got {
		if g != want {
			return false
		}
	}
	return len(got) > 0
}

func present(texts []string) []string {
	var out []string
	for _, t := range texts {
		if t != "" && (len(out) == 0 || out[0] != t) {
			out = append(out, t)
		}
	}
	return out
}

// option is the identity for sigstore-go, which compares issuer and subject; the other claims are compared here.
func (id identity) option() (verify.PolicyOption, error) {
	ci, err := verify.NewShortCertificateIdentity(id.want.Issuer, text(id.issuer), id.want.Identity, text(id.san))
	if err != nil {
		return nil, err
	}
	return verify.WithCertificateIdentity(ci), nil
}

func text(re *regexp.Regexp) string {
	if re == nil {
		return ""
	}
	return re.String()
}

// String is the identity in short, for people.
func (id identity) String() string {
	w := id.want
	return clean.Cut(fmt.Sprintf("%s%s of %s%s", w.Identity, w.IdentityRegexp, w.Issuer, w.IssuerRegexp), 400)
}

// summarize reads what a certificate says. A certificate with more than one subject is refused: two readers would see two signers.
func summarize(cert *x509.Certificate) (certificate.Summary, error) {
	if n := len(cert.URIs) + len(cert.EmailAddresses) + len(cert.DNSNames) + len(cert.IPAddresses); n > 1 {
		return certificate.Summary{}, fmt.Errorf("its certificate names %d subjects, want one", n)
	}
	s, err := certificate.SummarizeCertificate(cert)
	if err != nil {
		return s, fmt.Errorf("its certificate can't be read: %w", err)
	}
	if s.Issuer == "" {
		return s, errors.New("its certificate does not say who vouched for the signer (it is not from Fulcio)")
	}
	return s, nil
}

// signerOf is whom a certificate names: its identity and who vouched for it.
func signerOf(s certificate.Summary) string {
	if s.SubjectAlternativeName == "" {
		return ""
	}
	return clean.Cut(s.SubjectAlternativeName+" of "+s.Issuer, 300)
}

// stranger says in plain words that a certificate names somebody else, and how to write it down if that signer is right after all.
func (s *signer) stranger(cert certificate.Summary) (why, fix string) {
	best := s.identities[0].mismatches(cert)
	for _, id := range s.identities[1:] {
		if m := id.mismatches(cert); len(m) < len(best) {
			best = m
		}
	}
	if len(best) == 0 {
		return "", ""
	}
	var parts []string
	for _, m := range best {
		parts = append(parts, m.String())
	}
	why = "another signer: " + strings.Join(parts, "; ")
	if n := len(s.identities); n > 1 {
		why += fmt.Sprintf(" (that is the nearest of the %d in any-of)", n)
	}
	return why, "if that signer is right, write keyless: {" + yamlOf(best, cert) + "}; if not, find out who pushed this image"
}

// yamlOf is what the configuration would have to say.
func yamlOf(ms []mismatch, cert certificate.Summary) string {
	lines := []string{fmt.Sprintf("issuer: %q", clean.Cut(cert.Issuer, 200)), fmt.Sprintf("identity: %q", clean.Cut(cert.SubjectAlternativeName, 300))}
	for _, m := range ms {
		if m.key != "issuer" && m.key != "identity" && m.got != "" {
			lines = append(lines, fmt.Sprintf("%s: %q", m.key, clean.Cut(m.got, 200)))
		}
	}
	return strings.Join(lines, ", ")
}

// namedBy is whom a certificate names, as far as it can be read.
func namedBy(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	s, err := certificate.SummarizeCertificate(cert)
	if err != nil {
		return ""
	}
	return signerOf(s)
}
