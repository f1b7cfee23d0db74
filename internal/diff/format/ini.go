package format

import (
	"strings"

	"github.com/bakegate/bakegate/internal/diff"
)

// ini parses [sections] of KEY=value and KEY: value lines, with comments on lines of their own (; and #). A line that is indented more
// than the key above it goes on with its value; a key or a section that comes again makes a list, in the order of the file. Quotes, and
// what may be a comment behind a value, stay in it: programs differ in what they make of them.
func (in *input) ini() ([]*diff.Node, error) {
	r := &iniReader{input: in, root: &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}, Line: 1, Column: 1}}
	r.section = r.root
	for offset, line := range lines(string(in.data)) {
		if err := r.line(offset, line); err != nil {
			return nil, err
		}
	}
	r.end()
	return []*diff.Node{r.root}, nil
}

type iniReader struct {
	*input
	root, section *diff.Node
	last          *diff.Node // the value that an indented line goes on with, nil where there is none
	lastKey       string
	indent        int      // of lastKey
	lines         []string // of the value
}

// end finishes the value that indented lines may have gone on with.
func (r *iniReader) end() {
	if r.last == nil {
		return
	}
	r.last.Value = strings.Join(r.lines, "\n")
	if r.mayHold(r.last, r.lastKey) {
		r.embed(r.last, r.lastKey, nil)
	}
	r.last, r.lines = nil, nil
}

func (r *iniReader) line(offset int, line string) error {
	text := strings.TrimSpace(line)
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	switch {
	case text == "" || text[0] == ';' || text[0] == '#':
		return nil
	case r.last != nil && indent > r.indent:
		r.lines = append(r.lines, text)
		return nil
	}
	r.end()
	if text[0] == '[' {
		return r.begin(offset+indent, text)
	}
	key, value, ok := cutAssignment(text)
	if !ok && strings.ContainsAny(text, " \t\"'") || key == "" {
		return r.fail(offset+indent, "want KEY=value, [section] or a comment")
	}
	n := &diff.Node{Type: "null"}
	if ok {
		n.Type = "string"
		r.last, r.lastKey, r.indent, r.lines = n, key, indent, []string{value}
	}
	return r.put(r.section, key, n, offset+indent)
}

func cutAssignment(text string) (key, value string, ok bool) {
	i := strings.IndexAny(text, "=:")
	if i < 0 {
		return text, "", false
	}
	return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
}

// begin begins a section.
func (r *iniReader) begin(offset int, text string) error {
	end := closing(text)
	if end < 0 {
		return r.fail(offset, "the section's bracket is not closed")
	}
	tail := strings.TrimSpace(text[end+1:])
	name := strings.TrimSpace(text[1:end])
	if name == "" || tail != "" && tail[0] != ';' && tail[0] != '#' {
		return r.fail(offset, "want a section's name in brackets, and nothing but a comment behind it")
	}
	r.section = &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}}
	return r.put(r.root, name, r.section, offset)
}

// closing is where the bracket of a section is closed, -1 where it is not. A name in quotes may have brackets.
func closing(text string) int {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}

// put adds a value, to a list where the key has one already.
func (r *iniReader) put(to *diff.Node, key string, n *diff.Node, offset int) error {
	n.Line, n.Column = r.places.at(offset)
	if err := r.nodes.take(2); err != nil {
		return r.errorAt(n.Line, n.Column, "%w", err)
	}
	switch first := to.Fields[key]; {
	case first == nil:
		to.Fields[r.key(key)] = n
	case first.IsList:
		first.Items = append(first.Items, n)
	case first.IsMap != n.IsMap:
		return r.twice(key, first, n.Line, n.Column)
	default:
		to.Fields[key] = &diff.Node{IsList: true, Items: []*diff.Node{first, n}, Line: first.Line, Column: first.Column}
	}
	return nil
}
