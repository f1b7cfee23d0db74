package diff

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// pattern is a rule's path: which objects, and which values in them.
//
//	pattern  = [ object ":" ] path
//	object   = kind [ "/" name ]             * is any run of characters
//	path     = step { "." step | bracket | "#" } empty: the whole object
//	step     = "**" | text                   ** is any number of steps; * is one step, or a run of characters in it
//	bracket  = '["' text '"]' | "[*]" | "[" index "]" | "[" key "=" value { "," key "=" value } "]"
//	#        goes into the document that a text holds; behind it / may stand for the dot. It may be left out.
//
// It covers the value it names and everything below.
type pattern struct {
	kind, name glob // nil: any
	steps      []step
}

type stepKind uint8

const (
	stepField    stepKind = iota
	stepAny               // *: one field or one item
	stepDeep              // **: any number
	stepItem              // [*]: one item
	stepIndex             // [0]
	stepNamed             // [name=app]
	stepDocument          // #: into the document in a text
)

type step struct {
	kind  stepKind
	key   glob
	index int
	names []namedGlob
}

type namedGlob struct {
	key   string
	value glob
}

// glob is a text with wildcards: its literal parts, between which anything may stand.
type glob []string

func (g glob) match(s string) bool {
	if len(g) == 1 {
		return s == g[0]
	}
	last := len(g) - 1
	if !strings.HasPrefix(s, g[0]) {
		return false
	}
	s = s[len(g[0]):]
	for _, part := range g[1:last] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, g[last])
}

func globOf(s string) glob { return strings.Split(s, "*") }

// covers says whether the pattern names this value or one that it is part of. names are those the object has in either state.
func (p pattern) covers(o ObjectID, names []string, path []segment) bool {
	return p.object(o, names) && p.path(path)
}

func (p pattern) object(o ObjectID, names []string) bool {
	if p.kind != nil && !p.kind.match(o.Kind) {
		return false
	}
	if p.name == nil || p.name.match(o.Name) {
		return true
	}
	for _, n := range names {
		if p.name.match(n) {
			return true
		}
	}
	return false
}

// path matches the steps with the beginning of the path. It goes back to the last ** alone, which is enough: an earlier one that took
// less can't match more behind a later one.
func (p pattern) path(path []segment) bool {
	i, j, deep, mark := 0, 0, -1, 0
	for i < len(p.steps) {
		switch {
		case p.steps[i].kind == stepDeep:
			deep, mark = i, j
			i++
		case j < len(path) && p.steps[i].match(path[j]):
			i++
			j++
		case j < len(path) && path[j].kind == documentSegment:
			j++ // nobody has to know that a document begins here
		case deep >= 0 && mark < len(path):
			mark++
			i, j = deep+1, mark
		default:
			return false
		}
	}
	return true
}

func (s step) match(x segment) bool {
	switch s.kind {
	case stepAny:
		return x.kind != documentSegment
	case stepDocument:
		return x.kind == documentSegment
	case stepItem:
		return x.kind == itemSegment || x.kind == indexSegment
	case stepIndex:
		return x.kind == indexSegment && x.index == s.index
	case stepNamed:
		return x.kind == itemSegment && s.named(x.names)
	}
	return x.kind == fieldSegment && s.key.match(x.key)
}

// named says whether the item has every key that the step names.
func (s step) named(names []selector) bool {
	for _, want := range s.names {
		found := false
		for _, n := range names {
			found = found || n.key == want.key && want.value.match(n.value)
		}
		if !found {
			return false
		}
	}
	return true
}

// maxPattern bounds the length of a pattern, in bytes.
const maxPattern = 1000

func parsePattern(s string) (pattern, error) {
	var p pattern
	switch {
	case strings.TrimSpace(s) == "":
		return p, errors.New("the pattern is empty, want e.g. spec.replicas or Deployment/web:spec.replicas")
	case len(s) > maxPattern:
		return p, fmt.Errorf("the pattern has %d bytes, want at most %d", len(s), maxPattern)
	}
	object, path := cutObject(s)
	if object != nil {
		kind, name, named := strings.Cut(*object, "/")
		if kind == "" || named && name == "" {
			return p, fmt.Errorf("want Kind/name before the colon, got %q", *object)
		}
		p.kind = globOf(kind)
		if named {
			p.name = globOf(name)
		}
		if path == "" {
			return p, nil
		}
	}
	var err error
	p.steps, err = parseSteps(path)
	return p, err
}

// cutObject splits at the last colon outside brackets: names of Kubernetes objects may have colons, keys with colons are quoted.
func cutObject(s string) (object *string, path string) {
	colon, depth, quoted := -1, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"' && depth > 0:
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ':' && depth <= 0:
			colon = i
		}
	}
	if colon < 0 {
		return nil, s
	}
	before := s[:colon]
	return &before, s[colon+1:]
}

func parseSteps(s string) ([]step, error) {
	var steps []step
	document := false
	for rest := s; rest != ""; {
		var st step
		var err error
		switch rest[0] {
		case '[':
			st, rest, err = parseBracket(rest[1:])
		case '#':
			st, rest, document = step{kind: stepDocument}, rest[1:], true
		default:
			st, rest, err = parseStep(rest, document)
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, st)
		if strings.HasPrefix(rest, ".") || document && strings.HasPrefix(rest, "/") {
			if rest = rest[1:]; rest == "" {
				return nil, errors.New("the pattern ends in a dot")
			}
		} else if rest != "" && rest[0] != '[' && rest[0] != '#' {
			return nil, fmt.Errorf("want a dot or [ behind the brackets, got %q", rest)
		}
	}
	return steps, nil
}

func parseStep(s string, document bool) (step, string, error) {
	ends := ".[#"
	if document {
		ends = ".[#/"
	}
	end := strings.IndexAny(s, ends)
	if end < 0 {
		end = len(s)
	}
	text, rest := s[:end], s[end:]
	switch {
	case text == "":
		return step{}, "", errors.New("a step between two dots is empty")
	case strings.Contains(text, "/"):
		return step{}, "", fmt.Errorf(`%q has a slash: write ["%s"] for a key, Kind/name:path for an object`, text, text)
	case strings.ContainsAny(text, "]\"=, \t\n\\"):
		return step{}, "", fmt.Errorf(`%q: write a key with such characters as ["%s"]`, text, escaper.Replace(text))
	case text == "**":
		return step{kind: stepDeep}, rest, nil
	case text == "*":
		return step{kind: stepAny}, rest, nil
	}
	return step{kind: stepField, key: globOf(text)}, rest, nil
}

// parseBracket reads what stands behind a [.
func parseBracket(s string) (step, string, error) {
	if strings.HasPrefix(s, `"`) {
		key, rest, err := parseQuoted(s)
		if err == nil && !strings.HasPrefix(rest, "]") {
			err = errors.New(`want "] behind a quoted key`)
		}
		if err != nil {
			return step{}, "", err
		}
		return step{kind: stepField, key: key}, rest[1:], nil
	}
	if rest, ok := strings.CutPrefix(s, "*]"); ok {
		return step{kind: stepItem}, rest, nil
	}
	if text, rest, ok := strings.Cut(s, "]"); ok && !strings.ContainsAny(text, "=\"") {
		i, err := strconv.Atoi(text)
		if err != nil || i < 0 || strconv.Itoa(i) != text {
			return step{}, "", fmt.Errorf(`[%s]: want an index, *, name=value or "key"`, text)
		}
		return step{kind: stepIndex, index: i}, rest, nil
	}
	return parseNamed(s)
}

func parseNamed(s string) (step, string, error) {
	st := step{kind: stepNamed}
	for {
		key, rest, ok := strings.Cut(s, "=")
		if !ok || !plain(key) {
			return step{}, "", errors.New("want name=value, an index, * or a quoted key between brackets")
		}
		var value glob
		if strings.HasPrefix(rest, `"`) {
			var err error
			if value, rest, err = parseQuoted(rest); err != nil {
				return step{}, "", err
			}
		} else {
			end := strings.IndexAny(rest, ",]")
			if end < 0 {
				return step{}, "", errors.New("a bracket is not closed")
			}
			value, rest = globOf(rest[:end]), rest[end:]
		}
		st.names = append(st.names, namedGlob{key, value})
		switch {
		case strings.HasPrefix(rest, "]"):
			return st, rest[1:], nil
		case !strings.HasPrefix(rest, ","):
			return step{}, "", errors.New("want , or ] behind a value between brackets")
		}
		s = rest[1:]
	}
}

// parseQuoted reads a quoted text; a backslash takes the meaning from the character behind it.
func parseQuoted(s string) (g glob, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return append(g, b.String()), s[i+1:], nil
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '*':
			g = append(g, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return nil, "", errors.New("a quoted text is not closed")
}
