package format

import (
	"bytes"

	"github.com/bakegate/bakegate/internal/diff"
)

// Two states are mostly the same documents, byte for byte. Each is parsed once: the second state takes the nodes of the first, which costs
// next to nothing, and comparing them costs nothing.

// Documents are the YAML documents that were parsed so far. They are for the states of one comparison, one after the other.
type Documents struct {
	known map[string]document
	bytes int
}

// NewDocuments knows no document yet.
func NewDocuments() *Documents { return &Documents{known: map[string]document{}} }

// maxShared bounds the text that is remembered, in bytes.
const maxShared = 64 << 20

// document is a parsed document: nil where there is none in the text.
type document struct {
	root            *diff.Node
	line            int // at which the text began
	values, deepest int // what it took of the budget
}

// byDocument parses a text document by document. It reports false where that can't be done; a mistake, say, is told with the place in
// the whole text. Then nothing happened.
func (in *input) byDocument() ([]*diff.Node, bool) {
	pieces := pieces(in.data)
	if len(pieces) < 2 {
		return nil, false
	}
	left := in.nodes.left
	in.key("") // so that the pieces share the keys
	var docs []*diff.Node
	for _, p := range pieces {
		d, ok := in.piece(p)
		if !ok {
			in.nodes.left = left
			return nil, false
		}
		if d.root != nil {
			docs = append(docs, d.at(p.line))
		}
	}
	return docs, true
}

func (in *input) piece(p piece) (document, bool) {
	if d, ok := in.nodes.shared.known[string(p.text)]; ok {
		return d, in.nodes.takeMany(d.values, d.deepest) == nil
	}
	sub := &input{name: in.name, object: in.object, data: p.text, nodes: in.nodes, keys: in.keys, free: in.free}
	before := in.nodes.left
	docs, deepest, err := sub.stream()
	in.free = sub.free
	if err != nil || len(docs) > 1 {
		return document{}, false
	}
	d := document{line: p.line, values: before - in.nodes.left, deepest: deepest}
	if len(docs) == 1 {
		d.root = docs[0]
		moveDown(d.root, p.line-1, map[*diff.Node]bool{})
	}
	in.nodes.shared.keep(p.text, d)
	return d, true
}

func (s *Documents) keep(text []byte, d document) {
	if s.bytes += len(text); s.bytes <= maxShared {
		s.known[string(text)] = d
	}
}

// at gives the document as it stands at another line.
func (d document) at(line int) *diff.Node {
	if d.line == line {
		return d.root
	}
	return copied(d.root, line-d.line, map[*diff.Node]*diff.Node{})
}

// moveDown moves a document that nobody has yet by so many lines.
func moveDown(n *diff.Node, lines int, moved map[*diff.Node]bool) {
	if n == nil || lines == 0 || moved[n] {
		return
	}
	moved[n] = true
	n.Line += lines
	for _, f := range n.Fields {
		moveDown(f, lines, moved)
	}
	for _, i := range n.Items {
		moveDown(i, lines, moved)
	}
	moveDown(n.Embedded, lines, moved)
}

// copied copies a document by so many lines further down. What is one node in several places is one in the copy too.
func copied(n *diff.Node, lines int, copies map[*diff.Node]*diff.Node) *diff.Node {
	if n == nil {
		return nil
	}
	if c := copies[n]; c != nil {
		return c
	}
	c := *n
	copies[n] = &c
	c.Line += lines
	if n.Fields != nil {
		c.Fields = make(map[string]*diff.Node, len(n.Fields))
		for k, f := range n.Fields {
			c.Fields[k] = copied(f, lines, copies)
		}
	}
	if n.Items != nil {
		c.Items = make([]*diff.Node, len(n.Items))
		for i, item := range n.Items {
			c.Items[i] = copied(item, lines, copies)
		}
	}
	c.Embedded = copied(n.Embedded, lines, copies)
	return &c
}

// piece is a part of a text that has one document, and the line at which it begins.
type piece struct {
	text []byte
	line int
}

// otherBreaks are what the parser takes for a line break too: next line, line separator, paragraph separator.
var otherBreaks = [][]byte{[]byte("\u0085"), []byte("\u2028"), []byte("\u2029")}

// pieces cuts a text in front of each line that begins a document (YAML 1.2, 9.1.2: no scalar may have such a line). There are none where
// directives or ends of documents stand in it, which say something of what is around them, or line breaks that are no line feeds.
func pieces(data []byte) []piece {
	for _, b := range otherBreaks {
		if bytes.Contains(data, b) {
			return nil
		}
	}
	var out []piece
	begin, first, line := 0, 1, 0
	for at := 0; at < len(data); {
		line++
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		switch l := data[at:next]; {
		case l[0] == '%', bytes.HasPrefix(l, []byte("...")), bytes.IndexByte(bytes.TrimSuffix(l, []byte("\r\n")), '\r') >= 0:
			return nil
		case at > 0 && bytes.HasPrefix(l, []byte("---")) && (len(l) == 3 || l[3] == ' ' || l[3] == '\t' || l[3] == '\r' || l[3] == '\n'):
			out = append(out, piece{data[begin:at], first})
			begin, first = at, line
		}
		at = next
	}
	return append(out, piece{data[begin:], first})
}
