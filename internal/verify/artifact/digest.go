package artifact

import (
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

var (
	digestForm = lazyregexp.New(`^sha256:[0-9a-f]{64}$`)
	bareForm   = lazyregexp.New(`^(?i)[0-9a-f]{64}$`)
	upperForm  = lazyregexp.New(`^(?i)sha256:[0-9a-f]{64}$`)
)

// CheckDigest accepts sha256: and 64 lower-case hexadecimal digits, and says what anything else would need.
func CheckDigest(s string) error {
	if digestForm.MatchString(s) {
		return nil
	}
	if s == "" {
		return fmt.Errorf("got no digest, want sha256: and 64 hexadecimal digits: %s", DigestHint(s))
	}
	err := fmt.Errorf("got %q, want sha256: and 64 lower-case hexadecimal digits", clean.Cut(s, 120))
	if hint := DigestHint(s); hint != "" {
		return fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

// DigestHint says what a text that is no digest would need to be one, "" where nothing is likely.
func DigestHint(s string) string {
	switch {
	case s == "":
		return "did the build step give its output?"
	case upperForm.MatchString(s):
		return "write it in lower case, as registries do"
	case bareForm.MatchString(s):
		return "put sha256: before it (and make sure that it is the image's digest, not a short or local ID)"
	case strings.HasPrefix(s, "sha512:"):
		return "sha512 is not supported: registries name images by sha256"
	case strings.Contains(s, "@sha256:"):
		return "leave out the image's name before the @"
	case strings.HasPrefix(s, "sha256:"):
		return fmt.Sprintf("it has %d characters behind sha256:, want 64 hexadecimal digits", len(s)-len("sha256:"))
	case strings.ContainsAny(s, "/:"):
		return "this looks like an image and its tag: a tag can move, so that it proves nothing; take the digest that the build made"
	}
	return ""
}

// Short is a digest that a person can compare at a glance.
func Short(digest string) string {
	if digestForm.MatchString(digest) {
		return digest[:len("sha256:")+12] + "…"
	}
	return clean.Cut(digest, 40)
}
