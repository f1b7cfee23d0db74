package format

import (
	"path"
	"strings"

	"github.com/bakegate/bakegate/internal/diff"
)

// dialect is what a document without a kind may mean.
type dialect struct {
	name string // in Node.Format
	// is tells by the document, and by the file's name where that leaves a doubt.
	is func(base string, n *diff.Node) bool
	// read gives the document in a form in which order and notation say nothing where they mean nothing. It changes no node.
	read func(*input, *diff.Node) (*diff.Node, error)
}

var dialects = []dialect{
	{"terraform", isTerraform, (*input).terraform},
	{"ecs", isECS, (*input).ecs},
	{"flagd", isFlagd, (*input).flagd},
	{"compose", isCompose, (*input).compose},
}

// dialect reads a document in the first dialect that it is in.
func (d *documents) dialect(o *diff.Object) error {
	if !o.Root.IsMap {
		return nil
	}
	base := strings.ToLower(path.Base(d.object))
	for _, l := range dialects {
		if !l.is(base, o.Root) {
			continue
		}
		root, err := l.read(d.input, o.Root)
		if err != nil {
			return err
		}
		root.Format = l.name
		o.Root = root
		return nil
	}
	return nil
}

// mapping makes a mapping with the place of a node.
func mapping(at *diff.Node) *diff.Node {
	return &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}, Line: at.Line, Column: at.Column}
}

// scalar makes a text with the place of a node.
func scalar(at *diff.Node, value string) *diff.Node {
	return &diff.Node{Type: "string", Value: value, Line: at.Line, Column: at.Column}
}

// with gives a mapping with one field in another form; nil takes it out.
func with(n *diff.Node, field string, value *diff.Node) *diff.Node {
	out := *n
	out.Fields = make(map[string]*diff.Node, len(n.Fields))
	for k, v := range n.Fields {
		out.Fields[k] = v
	}
	if out.Fields[field] = value; value == nil {
		delete(out.Fields, field)
	}
	return &out
}

// isText says whether a node is a scalar that is no null.
func isText(n *diff.Node) bool { return n != nil && !n.IsMap && !n.IsList && n.Type != "null" }
