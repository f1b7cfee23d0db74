package diff

import (
	"encoding/base64"
	"net/url"
	"sort"
	"strings"
	"unicode/utf8"
)

// Bounds on the values that are remembered as secret: a shorter one or a plain word stands elsewhere for other reasons.
const (
	minKnown = 6
	maxKnown = 4 << 10
	mostSeen = 20_000
)

// learn remembers every value that is secret by its place in either tree, in the forms in which it may stand elsewhere.
func (m *masker) learn(trees ...Tree) {
	seen := map[string]bool{}
	for _, t := range trees {
		for _, o := range t.Objects {
			if o.Root != nil {
				m.collect(o.Root, scope{}, seen)
			}
		}
	}
	if len(seen) == 0 {
		return
	}
	forms := make([]string, 0, len(seen))
	for s := range seen {
		forms = append(forms, s)
	}
	sort.Slice(forms, func(i, j int) bool { // the longest first, as one may be part of another
		if len(forms[i]) != len(forms[j]) {
			return len(forms[i]) > len(forms[j])
		}
		return forms[i] < forms[j]
	})
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, secretText)
	}
	m.known = strings.NewReplacer(pairs...)
}

func (m *masker) collect(n *Node, s scope, seen map[string]bool) {
	if len(seen) > mostSeen {
		return
	}
	for k, f := range n.Fields {
		m.collect(f, m.field(s, n, k), seen)
	}
	for i, item := range n.Items {
		m.collect(item, m.item(s, n, i), seen)
	}
	if n.scalar() && s.secret(n) {
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
