package format

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// Bounds on what is taken for a document in a text.
const (
	maxEmbedded       = 1 << 20 // bytes of the text
	maxEmbeddedLevel  = 3       // texts in each other
	maxEmbeddedValues = 200_000 // of one text; what is tried counts too
	attempt           = 10      // values that an attempt costs, whatever comes of it
)

// lastApplied holds a copy of the whole object. It is not compared.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// mayHold says whether a text may be a document: it has several lines, or begins as JSON does.
func (in *input) mayHold(n *diff.Node, key string) bool {
	if n.Type != "string" || len(n.Value) < 2 || len(n.Value) > maxEmbedded || in.level >= maxEmbeddedLevel || key == lastApplied {
		return false
	}
	if c := n.Value[0]; c == '{' || c == '[' {
		return true
	}
	text := strings.TrimSpace(n.Value)
	return text != "" && (text[0] == '{' || text[0] == '[' || strings.IndexByte(text, '\n') >= 0)
}

// embed notes the document that a text holds, if it holds one. What does not parse is a text, and compared as one.
func (in *input) embed(n *diff.Node, key string, at spread) {
	text := []byte(n.Value)
	for _, s := range embeddedSyntaxes(key, text) {
		if root := in.embedded(s, text); root != nil {
			move(root, at, n, map[*diff.Node]bool{})
			n.Embedded, n.Format = root, s.String()
			return
		}
	}
}

// embedded parses a text, and gives nil where it is no mapping and no list.
func (in *input) embedded(s syntax, text []byte) *diff.Node {
	allowed := max(0, min(in.nodes.left, maxEmbeddedValues))
	sub := &input{name: in.name, data: text, nodes: NewBudget(allowed, in.nodes.depth), level: in.level + 1, keys: in.keys}
	defer func() { in.nodes.left -= attempt + allowed - max(0, sub.nodes.left) }()
	if sub.check() != nil {
		return nil
	}
	docs, err := s.parse(sub)
	if err != nil {
		return nil
	}
	docs = slices.DeleteFunc(docs, func(d *diff.Node) bool { return d.Type == "null" })
	switch {
	case len(docs) == 0, slices.ContainsFunc(docs, func(d *diff.Node) bool { return !d.IsMap && !d.IsList }):
		return nil
	case len(docs) == 1:
		return docs[0]
	}
	return &diff.Node{IsList: true, Items: docs, Line: 1, Column: 1}
}

// extensions tell what a key holds: what parses as something else is a text.
var extensions = map[string]syntax{
	"json": syntaxJSON, "yaml": syntaxYAML, "yml": syntaxYAML, "toml": syntaxTOML, "properties": syntaxProperties, "ini": syntaxINI, "env": syntaxDotenv,
}

// texts are the extensions of what is no document, whatever it looks like: in a script a comment and an indentation may count.
var texts = func() map[string]bool {
	m := map[string]bool{}
	for _, e := range strings.Fields(`sh bash py rb pl js ts lua sql html htm xml css tmpl tpl gotmpl md txt crt pem key csr cert log csv vcl rego
		awk sed ps1 bat cmd groovy php service`) {
		m[e] = true
	}
	return m
}()

// embeddedSyntaxes gives what a text may be written in, the likeliest first.
func embeddedSyntaxes(key string, text []byte) []syntax {
	if validJSON(text) {
		return []syntax{syntaxJSON}
	}
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		extension := strings.ToLower(key[i+1:])
		if texts[extension] {
			return nil
		}
		if s := extensions[extension]; s != syntaxNone {
			return []syntax{s}
		}
	}
	if bytes.IndexByte(bytes.TrimSpace(text), '\n') < 0 {
		return nil
	}
	switch first := firstLine(text); {
	case sectionLine.Match(first):
		return []syntax{syntaxTOML, syntaxINI}
	case assigns(text, variable):
		return []syntax{syntaxDotenv}
	case assigns(text, property):
		return []syntax{syntaxProperties}
	}
	return []syntax{syntaxYAML}
}

// spread says where a place in a text is in the file. nil: not known.
type spread func(line, column int) (int, int)

// move gives the values of an embedded document their places in the file; where they are not known, the text's own.
func move(n *diff.Node, at spread, text *diff.Node, moved map[*diff.Node]bool) {
	if moved[n] {
		return
	}
	moved[n] = true
	if at == nil {
		n.Line, n.Column = text.Line, text.Column
	} else {
		n.Line, n.Column = at(n.Line, n.Column)
	}
	for _, f := range n.Fields {
		move(f, at, text, moved)
	}
	for _, i := range n.Items {
		move(i, at, text, moved)
	}
	if n.Embedded != nil {
		move(n.Embedded, at, text, moved)
	}
}

// blockHead ends the line behind which a text stands line by line: in YAML, HCL, TOML.
var blockHead = lazyregexp.New(`(?:[|>][+\-0-9]*|<<-?\w+|'''|""")[ \t]*(?:#.*)?$`)

// spreadOf says where the characters of a text are that is written at a place, where they are written as they are: on one line, quoted
// or not, or below it line by line, indented or not.
func (in *input) spreadOf(line, column int, text string) spread {
	first := in.line(line)
	if strings.IndexByte(strings.TrimSuffix(text, "\n"), '\n') < 0 {
		rest := skip(first, column-1)
		for quote := range 2 {
			if bytes.HasPrefix(skip(rest, quote), []byte(text)) {
				return func(_, c int) (int, int) { return line, column + quote + c - 1 }
			}
		}
	}
	if !blockHead.Match(first) {
		return nil
	}
	indent := -1
	for i, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		raw := in.line(line + 1 + i)
		if l == "" && len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		more := utf8.RuneCount(raw) - utf8.RuneCountInString(l)
		if !bytes.HasSuffix(raw, []byte(l)) || indent >= 0 && more != indent {
			return nil
		}
		indent = more
	}
	return func(l, c int) (int, int) { return line + l, indent + c }
}

// skip takes characters from the beginning of a line.
func skip(line []byte, characters int) []byte {
	for ; characters > 0 && len(line) > 0; characters-- {
		_, size := utf8.DecodeRune(line)
		line = line[size:]
	}
	return line
}
