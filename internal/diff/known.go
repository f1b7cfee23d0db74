package diff

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds on the values that are remembered as secret: a shorter one or a plain word stands elsewhere for other reasons.
const (
	minKnown = 6
	maxKnown = 4 << 10
	mostSeen = 200_000 // about: the object with which there are more is the last
)

// knownSecrets finds values that are secret by their place where they stand in other texts. A form is found by its first bytes, so that
// the work does not grow with the number of secrets.
type knownSecrets map[[minKnown]byte][]string

// replace hides every known secret, of several at one place the longest.
func (k knownSecrets) replace(s string) string {
	var b strings.Builder
	done := 0
	for i := 0; i+minKnown <= len(s); i++ {
		for _, form := range k[[minKnown]byte([]byte(s[i:i+minKnown]))] {
			if strings.HasPrefix(s[i:], form) {
				b.WriteString(s[done:i] + secretText)
				done = i + len(form)
				i = done - 1
				break
			}
		}
	}
	if done == 0 {
		return s
	}
	return b.String() + s[done:]
}

// learn remembers every value that is secret by its place in either state, in the forms in which it may stand elsewhere.
func (m *masker) learn(ps []pair) {
	seen := map[string]bool{}
	for _, p := range ps {
		if len(seen) > mostSeen {
			break
		}
		if p.previous != nil {
			m.collect(p.previous.Root, scope{}, seen)
		}
		if p.target != nil && !p.identical {
			m.collect(p.target.Root, scope{}, seen)
		}
	}
	m.known = make(knownSecrets, len(seen))
	for form := range seen {
		if len(form) >= minKnown {
			head := [minKnown]byte([]byte(form[:minKnown]))
			m.known[head] = append(m.known[head], form)
		}
	}
	for _, forms := range m.known {
		slices.SortFunc(forms, func(x, y string) int { return cmp.Or(len(y)-len(x), cmp.Compare(x, y)) })
	}
}

func (m *masker) collect(n *Node, s scope, seen map[string]bool) {
	for k, f := range n.Fields {
		s := s
		s.always = s.always || f.Secret
		m.collect(f, m.below(s, n, k), seen)
	}
	for i, item := range n.Items {
		m.collect(item, m.item(s, n, i), seen)
	}
	if n.Embedded != nil {
		m.collect(n.Embedded, s, seen)
	}
	if n.scalar() && n.Type != TypeSecret && s.secret(n) {
		remember(n.Value, seen)
	}
}

func remember(v string, seen map[string]bool) {
	v = strings.TrimSpace(v)
	if !telling(v) {
		return
	}
	seen[v] = true
	if raw, err := base64.StdEncoding.DecodeString(v); err == nil && utf8.Valid(raw) {
		if d := strings.TrimSpace(string(raw)); telling(d) {
			seen[d] = true
		}
	}
	seen[base64.StdEncoding.EncodeToString([]byte(v))] = true
	seen[strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(v)), "=")] = true
	seen[url.QueryEscape(v)] = true
	seen[url.PathEscape(v)] = true
}

// telling says whether a value is long and odd enough that it stands elsewhere only as the same secret: no plain word, no number.
func telling(v string) bool {
	if len(v) < minKnown || len(v) > maxKnown {
		return false
	}
	lower, upper, digit, _ := classes(v)
	other := len(v) - lower - upper - digit
	return digit < len(v) && (digit > 0 && lower+upper > 0 || lower > 0 && upper > 1 || other > 1)
}
