package diff

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// segment is one step of a path: a field of a mapping, an item named by its keys, an item named by its index, or the step from a text into
// the document that it holds.
type segment struct {
	kind  segmentKind
	key   string // of a field
	names []selector
	index int
}

type segmentKind uint8

const (
	fieldSegment segmentKind = iota
	itemSegment
	indexSegment
	documentSegment
)

// selector is one key of a list's item: name=app.
type selector struct{ key, value string }

func field(key string) segment { return segment{kind: fieldSegment, key: key} }
func at(i int) segment         { return segment{kind: indexSegment, index: i} }

// maxSegment bounds one text of a path that is shown, in bytes.
const maxSegment = 200

// segment gives a step of a path with texts that may be shown: masked, then cleaned. Rules look at the same texts, so that what is
// shown can be written into a rule.
func (m *masker) segment(s segment) segment {
	s.key = m.name(s.key)
	if s.kind == itemSegment {
		s.names = slices.Clone(s.names)
		for j := range s.names {
			s.names[j].value = m.name(s.names[j].value)
		}
	}
	return s
}

// name masks and cleans a text that names something: a key, an object, a file. The answers are kept, as names come again.
func (m *masker) name(s string) string {
	if out, ok := m.names[s]; ok {
		return out
	}
	masked, _ := m.mask(s, hints{hex: true})
	out := clean.Cut(masked, maxSegment)
	if len(m.names) < 100_000 && len(s) <= maxSegment {
		m.names[s] = out
	}
	return out
}

// render writes a path. The result parses as a pattern that matches it. In a document that a text holds / stands between the keys:
// data["c.json"]#/limits/rps.
func render(path []segment) string {
	var b strings.Builder
	between := "."
	for i, s := range path {
		switch {
		case s.kind == documentSegment:
			b.WriteString("#")
			between = "/"
		case s.kind == indexSegment:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case s.kind == itemSegment:
			b.WriteString(s.selectors())
		case plain(s.key):
			if i > 0 {
				b.WriteString(between)
			}
			b.WriteString(s.key)
		default:
			b.WriteString("[" + quoteKey(s.key) + "]")
		}
	}
	return b.String()
}

// selectors writes the keys of an item: [containerPort=80,protocol=TCP].
func (s segment) selectors() string {
	names := make([]string, len(s.names))
	for i, n := range s.names {
		names[i] = n.key + "=" + quoteValue(n.value)
	}
	return "[" + strings.Join(names, ",") + "]"
}

// plain says whether a key needs no quotes in a path.
func plain(s string) bool {
	for _, r := range s {
		if !(r == '_' || r == '-' || r == '$' || r == '@' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return false
		}
	}
	return s != ""
}

func quoteValue(s string) string {
	if s == "" || strings.ContainsAny(s, ",[]\"=*\\ ") {
		return quoteKey(s)
	}
	return s
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `*`, `\*`)

func quoteKey(s string) string { return `"` + escaper.Replace(s) + `"` }
