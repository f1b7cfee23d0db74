package format

import (
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/diff"
)

// documents turns the documents of one file into objects.
type documents struct {
	*input
	syntax  syntax
	objects []diff.Object
	unnamed int // objects that are named by the file
}

// objects says what the documents of a file are.
func (in *input) objects(s syntax, docs []*diff.Node) ([]diff.Object, error) {
	d := &documents{input: in, syntax: s}
	for _, n := range docs {
		if err := d.add(n, 0); err != nil {
			return nil, err
		}
	}
	return d.objects, nil
}

// add takes one document: a list of objects is taken apart, an empty document says nothing.
func (d *documents) add(n *diff.Node, depth int) error {
	if n.Type == "null" && !n.IsMap && !n.IsList {
		return nil
	}
	if depth > 10 {
		return d.errorAt(n.Line, n.Column, "lists of objects are nested deeper than 10")
	}
	n.Format = d.syntax.String()
	if d.syntax != syntaxYAML && d.syntax != syntaxJSON {
		d.put(diff.Object{Root: n})
		return nil
	}
	kind, version := text(n, "kind"), text(n, "apiVersion")
	if items, of := listItems(n, kind); items != nil {
		for _, item := range items.Items {
			if err := d.add(typed(item, of, version), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	o := diff.Object{Root: n}
	if md := n.Fields["metadata"]; kind != "" && (version != "" || md != nil) {
		o.Kind, o.APIVersion = kind, version
		o.Namespace, o.Name = text(md, "namespace"), text(md, "name")
		if o.Name == "" {
			o.Name = text(md, "generateName")
		}
	} else if err := d.dialect(&o); err != nil {
		return err
	}
	d.put(o)
	return nil
}

// put adds an object, named by the file where it has no name of its own.
func (d *documents) put(o diff.Object) {
	o.File = d.name
	if d.syntax == syntaxDotenv {
		o.Kind = diff.KindDotenv
	}
	if o.Name == "" {
		o.Name = d.object
		if d.unnamed++; d.unnamed > 1 {
			o.Name += fmt.Sprintf("#%d", d.unnamed)
		}
	}
	d.objects = append(d.objects, o)
}

// listItems gives the items of a List, and the kind of those of a typed one (DeploymentList), which may leave it out.
func listItems(n *diff.Node, kind string) (items *diff.Node, of string) {
	items = n.Fields["items"]
	if items == nil || !strings.HasSuffix(kind, "List") || text(n, "apiVersion") == "" || text(n.Fields["metadata"], "name") != "" {
		return nil, ""
	}
	if items.Type == "null" {
		return &diff.Node{IsList: true}, ""
	}
	if !items.IsList {
		return nil, ""
	}
	for _, item := range items.Items {
		if !item.IsMap {
			return nil, ""
		}
	}
	return items, strings.TrimSuffix(kind, "List")
}

// typed gives an item its list's kind and version where it has none.
func typed(item *diff.Node, kind, version string) *diff.Node {
	if kind == "" || item.Fields["kind"] != nil {
		return item
	}
	out := *item
	out.Fields = map[string]*diff.Node{
		"kind":       {Value: kind, Type: "string", Line: item.Line, Column: item.Column},
		"apiVersion": {Value: version, Type: "string", Line: item.Line, Column: item.Column},
	}
	for k, v := range item.Fields {
		out.Fields[k] = v
	}
	return &out
}

// text gives a field's scalar, "" where there is none.
func text(n *diff.Node, field string) string {
	if n == nil || n.Fields[field] == nil {
		return ""
	}
	return n.Fields[field].Value
}
