package signed

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/clean"
)

// report takes a mistake: the field relative to the value that is looked at, "" for the value itself.
type report = func(field, format string, args ...any)

// Check reports what is wrong with the options, without reading a file; the configuration's reader adds file, line and column.
func (s *Signature) Check(at func(field, format string, args ...any)) {
	s.check(at)
	for i, r := range s.SignedAs {
		if _, err := name.NewRepository(r); err != nil {
			at(fmt.Sprintf("signed-as[%d]", i), "got %q, want HOST/REPOSITORY without a tag", clean.Cut(r, 200))
		}
	}
}

// given reports whether anything is said about the signer: an attestation may leave it to the signature.
func (o *Signer) given() bool {
	return o.Key != "" || len(o.Keys) > 0 || o.Keyless != nil || o.HashAlgorithm != "" || o.TrustedRoot != "" || o.TUF != nil || o.IgnoreTlog
}

func (o *Signer) check(at report) {
	got := exactlyOne(at, "", pair{"key", o.Key != ""}, pair{"keys", len(o.Keys) > 0}, pair{"keyless", o.Keyless != nil})
	switch got {
	case "key":
		checkKey(at, "key", o.Key, o.HashAlgorithm)
	case "keys":
		for i, k := range o.Keys {
			checkKey(at, fmt.Sprintf("keys[%d]", i), k, o.HashAlgorithm)
		}
	case "keyless":
		o.Keyless.check(at)
	}
	if _, ok := hashes[o.HashAlgorithm]; o.HashAlgorithm != "" && !ok {
		at("hash-algorithm", "got %q, want sha256, sha384 or sha512", clean.Cut(o.HashAlgorithm, 60))
	} else if o.HashAlgorithm != "" && o.Keyless != nil {
		at("hash-algorithm", "a certificate names its own algorithm: this is for keys")
	}
	if o.TUF != nil {
		o.TUF.check(at, o.TrustedRoot != "")
	}
}

func (t *TUF) check(at report, hasRoot bool) {
	switch {
	case hasRoot:
		at("tuf", "got trusted-root and tuf, want at most one of them; keep one of them")
	case t.URL == "":
		at("tuf", "the key url is missing, want the address of a TUF repository")
	case t.Root == "":
		at("tuf", "the key root is missing, want the repository's initial root.json")
	}
}

type pair struct {
	key   string
	given bool
}

// exactlyOne reports where not exactly one of several keys is given, and says which it is.
func exactlyOne(at report, path string, ps ...pair) string {
	var names, got []string
	for _, p := range ps {
		names = append(names, p.key)
		if p.given {
			got = append(got, p.key)
		}
	}
	all := strings.Join(names, ", ")
	switch len(got) {
	case 0:
		at(path, "got none of %s, want exactly one", all)
		return ""
	case 1:
		return got[0]
	}
	at(under(path, got[1]), "got %s, want exactly one of %s; keep one of them", strings.Join(got, " and "), all)
	return ""
}

func under(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// checkKey looks at a key that is written out; a file is read when it is needed.
func checkKey(at report, path, k, hash string) {
	if strings.TrimSpace(k) == "" {
		at(path, "got an empty text, want the file of a public key")
		return
	}
	if !isPEM(k) {
		return
	}
	if _, err := readKey("", k, hash); err != nil {
		at(path, "%s", err)
	}
}

func (k *Keyless) check(at report) {
	if len(k.AnyOf) == 0 {
		k.Certificate.check(at, "keyless")
		return
	}
	if k.Certificate != (Certificate{}) {
		at("keyless.any-of", "got any-of beside a certificate, want either; move the certificate into any-of")
	}
	for i := range k.AnyOf {
		k.AnyOf[i].check(at, fmt.Sprintf("keyless.any-of[%d]", i))
	}
}

func (c *Certificate) check(at report, path string) {
	c.checkSide(at, path, "issuer", c.Issuer, c.IssuerRegexp)
	c.checkSide(at, path, "identity", c.Identity, c.IdentityRegexp)
	if w := c.WorkflowSHA; w != "" && !commitForm.MatchString(w) {
		at(under(path, "workflow-sha"), "got %q, want a commit of 40 or 64 hexadecimal digits in lower case", clean.Cut(w, 100))
	}
}

// checkSide looks at one side of a certificate's name. A pattern that takes everybody would prove nothing.
func (c *Certificate) checkSide(at report, path, key, exact, pattern string) {
	got := exactlyOne(at, path, pair{key, exact != ""}, pair{key + "-regexp", pattern != ""})
	path = under(path, got)
	switch {
	case got == "":
	case strings.TrimSpace(exact+pattern) == "":
		at(path, "got an empty text, which every signature would match")
	case got == key && strings.Contains(exact, "*"):
		at(path, "got %q, which is compared as it stands: a pattern belongs into %s-regexp", clean.Cut(exact, 100), key)
	case got == key:
	default:
		checkPattern(at, path, pattern)
	}
}

func checkPattern(at report, path, pattern string) {
	re, err := anchored(pattern)
	if err != nil {
		at(path, "%q is no regular expression; %s", clean.Cut(pattern, 100), clean.Cut(err.Error(), 200))
		return
	}
	switch what := tooWide(re); what {
	case "":
	case "everything":
		at(path, "%q matches everything, so every signature would do; name the issuer, organisation or repository", clean.Cut(pattern, 100))
	default:
		at(path, "%q matches %s, so anybody's signature would do; name the domain, organisation or repository", clean.Cut(pattern, 100), what)
	}
}
