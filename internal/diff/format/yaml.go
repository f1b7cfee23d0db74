package format

import (
	"bytes"
	"errors"
	"io"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// yaml parses a text with any number of documents.
func (in *input) yaml() ([]*diff.Node, error) {
	if in.level == 0 && in.nodes.shared != nil {
		if docs, ok := in.byDocument(); ok {
			return docs, nil
		}
	}
	docs, _, err := in.stream()
	return docs, err
}

// stream parses one document after the other. deepest is the depth of the deepest value.
func (in *input) stream() (docs []*diff.Node, deepest int, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(in.data))
	for {
		var doc yaml.Node
		if err := in.decode(dec, &doc); errors.Is(err, io.EOF) {
			return docs, deepest, nil
		} else if err != nil {
			return nil, 0, in.yamlError(err)
		}
		c := &converter{input: in}
		root, err := c.node(&doc, nil, 0)
		if err != nil {
			return nil, 0, err
		}
		docs, deepest = append(docs, root), max(deepest, c.deepest)
	}
}

func (in *input) decode(dec *yaml.Decoder, doc *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errGaveUp
		}
	}()
	return dec.Decode(doc)
}

var (
	yamlLine   = lazyregexp.New(`^line (\d+): `)
	yamlQuoted = lazyregexp.New(`'[^']*'|"[^"]*"|` + "`[^`]*`")
)

// yamlError gives the parser's error the form of ours. What it quotes from the file may be a secret, and is left out.
func (in *input) yamlError(err error) error {
	if in.level > 0 { // nobody is told where
		return err
	}
	line, text := in.yamlPlace(err.Error())
	column := 1 + len(in.line(line)) - len(bytes.TrimLeft(in.line(line), " \t"))
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return in.fail(max(0, bytes.Index(in.data, []byte("*"+name))), "YAML: unknown anchor (quote a text that begins with *)")
	}
	if text == "" {
		text = "malformed"
	}
	return in.errorAt(line, column, "YAML: %s%s", clean.Text(yamlQuoted.ReplaceAllStringFunc(text, shortQuote)), in.template())
}

// template is a hint where the file looks like a template.
func (in *input) template() string {
	if bytes.Contains(in.data, []byte("{{")) {
		return " (a template? render it first, e.g. helm template, or list it under exclude)"
	}
	return ""
}

// yamlPlace gives the line of an error, and its text without it. The parser's own mistakes ("did not find expected ...") it places where
// the block began, one line too early or nowhere: they are in the first line with which the file fails so.
func (in *input) yamlPlace(message string) (line int, text string) {
	text = strings.TrimPrefix(message, "yaml: ")
	line = 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if !strings.HasPrefix(text, "did not find expected") || len(in.data) > maxSearched {
		return line, text
	}
	in.line(1)
	return 1 + sort.Search(len(in.starts)-1, func(i int) bool {
		dec := yaml.NewDecoder(bytes.NewReader(in.data[:in.starts[i+1]]))
		for {
			var doc yaml.Node
			if err := in.decode(dec, &doc); err != nil {
				return err.Error() == message
			}
		}
	}), text
}

// maxSearched bounds the file that is parsed again to find where it fails, in bytes.
const maxSearched = 1 << 20

// shortQuote keeps what YAML's grammar quotes ('-', ':') and drops what is the file's.
func shortQuote(q string) string {
	if len(q) <= len("'<x>'") && !strings.ContainsAny(q, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") {
		return q
	}
	return "a text"
}

// converter turns YAML's nodes into ours. What an anchor names is converted once: its aliases and the fields that << takes from it are
// the same nodes, with the place where they are written, so that one value that stands in many places is seen to be one.
type converter struct {
	*input
	anchors map[*yaml.Node]*anchor
	deepest int
}

// anchor is what an anchor names. It counts at each use.
type anchor struct {
	node           *diff.Node // nil while it is being converted
	values, height int
}

func (c *converter) errorf(n *yaml.Node, format string, args ...any) error {
	return c.errorAt(n.Line, n.Column, format, args...)
}

// node converts a value: of a field, whose key is given, or an item.
func (c *converter) node(n, key *yaml.Node, depth int) (*diff.Node, error) {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	switch {
	case n.Kind == yaml.AliasNode:
		return c.alias(n, key, depth)
	case n.Anchor != "":
		return c.anchored(n, key, depth)
	}
	return c.value(n, key, depth)
}

func (c *converter) anchored(n, key *yaml.Node, depth int) (*diff.Node, error) {
	if c.anchors == nil {
		c.anchors = map[*yaml.Node]*anchor{}
	}
	a := &anchor{}
	c.anchors[n] = a
	before, deepest := c.nodes.left, c.deepest
	c.deepest = depth
	v, err := c.value(n, key, depth)
	if err != nil {
		return nil, err
	}
	a.node, a.values, a.height = v, before-c.nodes.left, c.deepest-depth
	c.deepest = max(c.deepest, deepest)
	return v, nil
}

// alias gives what its anchor names: a mapping or a list with the place of the alias around the same values.
func (c *converter) alias(n, key *yaml.Node, depth int) (*diff.Node, error) {
	a := c.anchors[n.Alias]
	if a == nil { // it is named behind a merge key, which is read last
		if _, err := c.anchored(n.Alias, nil, depth); err != nil {
			return nil, err
		}
		a = c.anchors[n.Alias]
	}
	if a.node == nil {
		return nil, c.errorf(n, "the alias stands in its own anchor")
	}
	c.deepest = max(c.deepest, depth+a.height)
	if err := c.nodes.takeMany(a.values, depth+a.height); err != nil {
		return nil, c.errorf(n, "%w", err)
	}
	if !a.node.IsMap && !a.node.IsList {
		return a.node, nil
	}
	out := *a.node
	out.Line, out.Column = place(n, key)
	return &out, nil
}

// place is that of a field's key, as a missing block is best shown there, and of an item itself.
func place(n, key *yaml.Node) (line, column int) {
	if key != nil {
		n = key
	}
	return n.Line, n.Column
}

func (c *converter) value(n, key *yaml.Node, depth int) (*diff.Node, error) {
	c.deepest = max(c.deepest, depth)
	if err := c.nodes.take(depth); err != nil {
		return nil, c.errorf(n, "%w", err)
	}
	out := c.fresh()
	out.Line, out.Column = place(n, key)
	switch n.Kind {
	case yaml.MappingNode:
		return out, c.mapping(out, n, depth)
	case yaml.SequenceNode:
		return out, c.sequence(out, n, depth)
	case yaml.ScalarNode:
		c.scalar(out, n, key)
	default:
		out.Type = "null"
	}
	return out, nil
}

// ownTag gives a tag that is not one of YAML's own.
func ownTag(n *yaml.Node) string {
	if n.Tag == "" || n.Tag == "!" || strings.HasPrefix(n.Tag, "!!") {
		return ""
	}
	if t := n.ShortTag(); t != "" && t != "!" && !strings.HasPrefix(t, "!!") {
		return clean.Cut(t, 100)
	}
	return ""
}

func (c *converter) scalar(out *diff.Node, n, key *yaml.Node) {
	out.Value, out.Type = n.Value, "string"
	switch n.ShortTag() {
	case "!!int", "!!float":
		out.Type = "number"
	case "!!bool":
		out.Type = "bool"
	case "!!null":
		out.Type, out.Value = "null", ""
	default:
		if t := ownTag(n); t != "" {
			out.Type = t
		}
	}
	if key == nil {
		key = &noKey
	}
	if c.mayHold(out, key.Value) {
		c.embed(out, key.Value, c.spreadOf(n.Line, n.Column, n.Value))
	}
}

var noKey yaml.Node

func (c *converter) sequence(out *diff.Node, n *yaml.Node, depth int) error {
	out.IsList, out.Type, out.Items = true, ownTag(n), make([]*diff.Node, 0, len(n.Content))
	for _, item := range n.Content {
		v, err := c.node(item, nil, depth+1)
		if err != nil {
			return err
		}
		out.Items = append(out.Items, v)
	}
	return nil
}

func (c *converter) mapping(out *diff.Node, n *yaml.Node, depth int) error {
	out.IsMap, out.Type, out.Fields = true, ownTag(n), make(map[string]*diff.Node, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.Tag == "!!merge" {
			merges = append(merges, v)
			continue
		}
		name, err := c.keyOf(k)
		if err != nil {
			return err
		}
		if out.Fields[name] != nil {
			return c.errorf(k, "the key %s stands here twice, first at line %d", shownKey(name), keyLine(n, name))
		}
		child, err := c.node(v, k, depth+1)
		if err != nil {
			return err
		}
		out.Fields[name] = child
	}
	for _, m := range merges {
		if err := c.merge(out, m, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) keyOf(k *yaml.Node) (string, error) {
	if k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		return "", c.errorf(k, "got a mapping or a list as a key, want a text%s", c.template())
	}
	return c.key(k.Value), nil
}

// keyLine is where a mapping has a key for the first time.
func keyLine(n *yaml.Node, name string) int {
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Value == name || k.Kind == yaml.AliasNode && k.Alias.Value == name {
			return k.Line
		}
	}
	return n.Line
}

// merge puts the fields of << into a mapping that does not have them: of a mapping, or of a list of them, where the first wins.
func (c *converter) merge(out *diff.Node, n *yaml.Node, depth int) error {
	v, err := c.node(n, nil, depth)
	if err != nil {
		return err
	}
	from := []*diff.Node{v}
	if v.IsList {
		from = v.Items
	}
	for _, f := range from {
		if !f.IsMap {
			return c.errorf(n, "got a scalar behind <<, want a mapping or a list of mappings")
		}
		for k, child := range f.Fields {
			if out.Fields[k] == nil {
				out.Fields[k] = child
			}
		}
	}
	return nil
}
