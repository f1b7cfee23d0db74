package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// maxMarks bounds the characters of a YAML file that may begin a value, before it is parsed: the parser's own tree of the densest file
// is a hundred times as large as the file.
const maxMarks = 3_000_000

// yaml parses a file with any number of documents.
func (in input) yaml() ([]diff.Object, error) {
	marks := 0
	for _, c := range in.data {
		if c == '\n' || c == ',' || c == '[' || c == '{' {
			marks++
		}
	}
	if marks > maxMarks {
		return nil, fmt.Errorf("%s: the file may hold more than %d values: split it", in.name, maxMarks)
	}
	dec := yaml.NewDecoder(bytes.NewReader(in.data))
	docs := documents{input: in}
	for {
		var doc yaml.Node
		if err := decode(dec, &doc); errors.Is(err, io.EOF) {
			return docs.objects, nil
		} else if err != nil {
			return nil, in.yamlError(err)
		}
		c := &converter{input: in, open: map[*yaml.Node]bool{}}
		root, err := c.node(&doc, 0)
		if err == nil {
			err = docs.add(root, 0)
		}
		if err != nil {
			return nil, err
		}
	}
}

// decode turns a panic of the parser into an error: the file is hostile.
func decode(dec *yaml.Decoder, doc *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("yaml: the parser gave up")
		}
	}()
	return dec.Decode(doc)
}

var (
	yamlLine   = regexp.MustCompile(`^line (\d+): `)
	yamlQuoted = regexp.MustCompile(`'[^']*'|"[^"]*"|` + "`[^`]*`")
)

// yamlError gives the parser's error the form of ours. What it quotes from the file may be a secret, and is left out.
func (in input) yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := in.name
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		at += ":" + m[1]
		text = text[len(m[0]):]
	}
	hint := ""
	switch {
	case bytes.Contains(in.data, []byte("{{")):
		hint = " (a template? render it first, e.g. helm template, or list it under exclude)"
	case strings.HasPrefix(text, "unknown anchor"):
		text, hint = "unknown anchor", " (quote a text that begins with *)"
	}
	if text == "" {
		text = "malformed"
	}
	return fmt.Errorf("%s: YAML: %s%s", at, clean.Text(yamlQuoted.ReplaceAllStringFunc(text, shortQuote)), hint)
}

// shortQuote keeps what YAML's grammar quotes ('-', ':') and drops what is the file's.
func shortQuote(q string) string {
	if len(q) <= len("'<x>'") && !strings.ContainsAny(q, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") {
		return q
	}
	return "a text"
}

// converter turns YAML's nodes into ours: aliases and merge keys are resolved, and counted at each use.
type converter struct {
	input
	open map[*yaml.Node]bool // anchors that are being resolved
}

func (c *converter) fail(n *yaml.Node, format string, args ...any) error {
	return c.errorAt(n.Line, n.Column, format, args...)
}

func (c *converter) node(n *yaml.Node, depth int) (*diff.Node, error) {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if err := c.nodes.take(depth); err != nil {
		return nil, c.fail(n, "%w", err)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.alias(n, depth)
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.SequenceNode:
		out := &diff.Node{IsList: true, Type: ownTag(n), Line: n.Line, Column: n.Column, Items: make([]*diff.Node, 0, len(n.Content))}
		for _, item := range n.Content {
			v, err := c.node(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, v)
		}
		return out, nil
	case yaml.ScalarNode:
		return scalar(n), nil
	}
	return &diff.Node{Type: "null"}, nil
}

func (c *converter) alias(n *yaml.Node, depth int) (*diff.Node, error) {
	if c.open[n.Alias] {
		return nil, c.fail(n, "the alias stands in its own anchor")
	}
	c.open[n.Alias] = true
	v, err := c.node(n.Alias, depth+1)
	delete(c.open, n.Alias)
	return v, err
}

// ownTag gives a tag that is not one of YAML's own.
func ownTag(n *yaml.Node) string {
	if t := n.ShortTag(); t != "" && t != "!" && !strings.HasPrefix(t, "!!") {
		return clean.Cut(t, 100)
	}
	return ""
}

func scalar(n *yaml.Node) *diff.Node {
	out := &diff.Node{Value: n.Value, Type: "string", Line: n.Line, Column: n.Column}
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
	return out
}

func (c *converter) mapping(n *yaml.Node, depth int) (*diff.Node, error) {
	out := &diff.Node{IsMap: true, Type: ownTag(n), Line: n.Line, Column: n.Column, Fields: make(map[string]*diff.Node, len(n.Content)/2)}
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.Tag == "!!merge" {
			merges = append(merges, v)
			continue
		}
		key, err := c.key(k)
		if err != nil {
			return nil, err
		}
		if first := seen[key]; first != nil {
			return nil, c.fail(k, "the key %s stands here twice, first at line %d", shownKey(key), first.Line)
		}
		seen[key] = k
		child, err := c.node(v, depth+1)
		if err != nil {
			return nil, err
		}
		child.Line, child.Column = k.Line, k.Column // a missing block is best shown at its key
		out.Fields[key] = child
	}
	for _, m := range merges {
		if err := c.merge(out, m, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// shownKey quotes a key for a message; a long one may be anything.
func shownKey(k string) string { return strconv.Quote(clean.Cut(k, 60)) }

func (c *converter) key(k *yaml.Node) (string, error) {
	if k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		return "", c.fail(k, "got a mapping or a list as a key, want a text")
	}
	return k.Value, nil
}

// merge puts the fields of << into a mapping that does not have them: of a mapping, or of a list of them, where the first wins.
func (c *converter) merge(out *diff.Node, n *yaml.Node, depth int) error {
	v, err := c.node(n, depth)
	if err != nil {
		return err
	}
	from := []*diff.Node{v}
	if v.IsList {
		from = v.Items
	}
	for _, f := range from {
		if !f.IsMap {
			return c.fail(n, "got a scalar behind <<, want a mapping or a list of mappings")
		}
		for k, child := range f.Fields {
			if out.Fields[k] == nil {
				out.Fields[k] = child
			}
		}
	}
	return nil
}
