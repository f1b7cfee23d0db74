package artifact

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

var (
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	bareForm   = regexp.MustCompile(`^(?i)[0-9a-f]{64}$`)
	upperForm  = regexp.MustCompile(`^(?i)sha256:[0-9a-f]{64}$`)
)

// CheckDigest accepts sha256: and 64 lower-case hexadecimal digits, and says what anything else would need.
func CheckDigest(s string) error {
	if digestForm.MatchString(s) {
		return nil
	}
	what := ""
	switch {
	case s == "":
		return fmt.Errorf("got no digest, want sha256: and 64 hexadecimal digits: did the build step give its output?")
	case upperForm.MatchString(s):
		what = "write it in lower case, as registries do"
	case bareForm.MatchString(s):
		what = "put sha256: before it (and make sure that it is the image's digest, not a short or local ID)"
	case strings.HasPrefix(s, "sha512:"):
		what = "sha512 is not supported: registries name images by sha256"
	case strings.Contains(s, "@sha256:"):
		what = "leave out the image's name before the @"
	case strings.HasPrefix(s, "sha256:"):
		what = fmt.Sprintf("it has %d characters behind sha256:", len(s)-len("sha256:"))
	case strings.ContainsAny(s, "/:"):
		what = "this looks like an image and its tag: a tag can move, so that it proves nothing; take the digest that the build made"
	}
	err := fmt.Errorf("got %q, want sha256: and 64 lower-case hexadecimal digits", clean.Cut(s, 120))
	if what != "" {
		return fmt.Errorf("%w: %s", err, what)
	}
	return err
}

// Short is a digest that a person can compare at a glance.
func Short(digest string) string {
	if digestForm.MatchString(digest) {
		return digest[:len("sha256:")+12] + "…"
	}
	return clean.Cut(digest, 40)
}
