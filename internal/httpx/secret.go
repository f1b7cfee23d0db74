package httpx

import (
	"fmt"
	"io"
)

// redacted is what every way of printing a Secret shows.
const redacted = "[secret]"

// Secret holds a value that must never be printed. Every formatting verb, JSON, YAML and text encoding show "[secret]"; only
// Reveal returns the value, so that the places that use it can be listed with grep.
//
// The value is behind a pointer because fmt calls no methods of a Secret in an unexported field, nor for %p and %w: it then prints the
// address. Two secrets are compared by what Reveal returns.
type Secret struct{ v *string }

// NewSecret wraps a value.
func NewSecret(v string) Secret {
	if v == "" {
		return Secret{}
	}
	return Secret{&v}
}

// Reveal returns the value. Call it only to send it to the host of the secret's own block.
func (s Secret) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.v == nil }

func (s Secret) String() string {
	if s.v == nil {
		return ""
	}
	return redacted
}

// GoString covers %#v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format covers every verb, also %x, which would otherwise print the field's bytes.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText covers JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
