// Package clean makes text from outside safe to print. It is pure. Whatever a registry, a backend, a file or a label says passes
// through Text once, where it enters; everything behind that may print it.
package clean

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the longest text that Text gives back, in bytes.
const MaxText = 2000

// Text returns s on one line without control characters, escape sequences, bidirectional overrides and zero-width characters, and
// cut to MaxText. Text(Text(s)) == Text(s).
func Text(s string) string { return Cut(s, MaxText) }

// Cut is Text with a limit of its own, in bytes; a cut text ends in "…".
func Cut(s string, limit int) string {
	if len(s) > 4*limit+16 { // bound the work: what lies behind can't be printed anyway
		s = s[:4*limit+16]
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case r == utf8.RuneError, r == '\ufeff':
			r = '\ufffd'
		case r == '\n', r == '\r', r == '\t', unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), !unicode.IsPrint(r):
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return cutAt(b.String(), limit)
}

func cutAt(s string, limit int) string {
	const dots = "…"
	if len(s) <= limit {
		return s
	}
	n := limit - len(dots)
	if n <= 0 {
		return ""
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], " ") + dots
}
