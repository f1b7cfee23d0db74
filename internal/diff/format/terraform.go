package format

import (
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/diff"
)

// isTerraform says whether a document is of Terraform: what `terraform show -json` gives of a plan or a state, or a state file.
func isTerraform(_ string, n *diff.Node) bool {
	has := func(fields ...string) bool {
		return !slices.ContainsFunc(fields, func(f string) bool { return n.Fields[f] == nil })
	}
	shown := has("planned_values") || has("resource_changes") || has("values", "terraform_version")
	return isText(n.Fields["format_version"]) && shown || has("lineage", "serial", "terraform_version")
}

// unknown stands for a value that the plan does not know.
const unknown = "known after apply"

// terraform gives the state that a plan leads to, or the state itself (the JSON output format, version 1.x):
//
//	resources   the values of each managed resource by its address; data sources are what was read, not what is configured
//	outputs     by name
//	variables   by name
//
// What Terraform calls sensitive is secret, whatever its name.
func (in *input) terraform(n *diff.Node) (*diff.Node, error) {
	version := n.Fields["format_version"]
	switch errored := n.Fields["errored"]; {
	case version == nil:
		return nil, in.errorAt(n.Line, n.Column, "a Terraform state file does not say what is sensitive: give the output of terraform show -json")
	case !strings.HasPrefix(version.Value, "1."):
		return nil, in.errorAt(version.Line, version.Column,
			"format_version: got %s, want 1.x of terraform show -json (Terraform 1.1 or newer, OpenTofu)", shownKey(version.Value))
	case errored != nil && errored.Value == "true":
		return nil, in.errorAt(errored.Line, errored.Column, "the plan failed (errored: true), and its values are not complete: plan again")
	}
	t := &terraformReader{input: in, out: mapping(n)}
	steps := []func(*diff.Node) error{t.changes, t.outputs, t.variables}
	if n.Fields["resource_changes"] == nil {
		steps = []func(*diff.Node) error{t.values, t.variables}
	}
	for _, step := range steps {
		if err := step(n); err != nil {
			return nil, err
		}
	}
	return t.out, nil
}

type terraformReader struct {
	*input
	out *diff.Node
}

// put adds a value to one of the parts.
func (t *terraformReader) put(part, name string, at, value *diff.Node) error {
	p := t.out.Fields[part]
	if p == nil {
		p = mapping(t.out)
		t.out.Fields[part] = p
	}
	if first := p.Fields[name]; first != nil {
		return t.twice(name, first, at.Line, at.Column)
	}
	p.Fields[name] = value
	return nil
}

// changes takes what each resource will be.
func (t *terraformReader) changes(n *diff.Node) error {
	for _, r := range n.Fields["resource_changes"].Items {
		change := r.Fields["change"]
		if text(r, "mode") == "data" || r.Fields["deposed"] != nil || change == nil {
			continue
		}
		address := text(r, "address")
		if address == "" {
			return t.errorAt(r.Line, r.Column, "a resource without an address")
		}
		v, err := t.after(change)
		if err != nil {
			return err
		}
		if v == nil {
			continue // it is destroyed
		}
		v.Line, v.Column = r.Line, r.Column
		if err := t.put("resources", address, r, v); err != nil {
			return err
		}
	}
	return nil
}

// after gives what a change leads to, nil where it is nothing.
func (t *terraformReader) after(change *diff.Node) (*diff.Node, error) {
	after, unknownOf := change.Fields["after"], change.Fields["after_unknown"]
	if (after == nil || after.Type == "null") && !isTrue(unknownOf) {
		return nil, nil
	}
	if after == nil {
		after = &diff.Node{Line: change.Line, Column: change.Column}
	}
	return t.overlay(after, change.Fields["after_sensitive"], unknownOf, 0)
}

// overlay puts over a value what is sensitive and what is unknown of it: true for all of it, or mappings and lists of its own form.
func (t *terraformReader) overlay(v, sensitive, unknownOf *diff.Node, depth int) (*diff.Node, error) {
	if err := t.nodes.take(depth); err != nil {
		return nil, t.errorAt(v.Line, v.Column, "%w", err)
	}
	out := *v
	out.Secret = isTrue(sensitive)
	if isTrue(unknownOf) {
		return &diff.Node{Type: "unknown", Value: unknown, Secret: out.Secret, Line: v.Line, Column: v.Column}, nil
	}
	var err error
	if v.IsMap {
		out.Fields = make(map[string]*diff.Node, len(v.Fields))
		for k, f := range v.Fields {
			if out.Fields[k], err = t.overlay(f, fieldOf(sensitive, k), fieldOf(unknownOf, k), depth+1); err != nil {
				return nil, err
			}
		}
		for k, u := range fields(unknownOf) { // a value that is not known is left out
			if out.Fields[k] == nil && isTrue(u) {
				out.Fields[k] = &diff.Node{Type: "unknown", Value: unknown, Line: v.Line, Column: v.Column}
			}
		}
	}
	if v.IsList {
		out.Items = make([]*diff.Node, len(v.Items))
		for i, item := range v.Items {
			if out.Items[i], err = t.overlay(item, itemOf(sensitive, i), itemOf(unknownOf, i), depth+1); err != nil {
				return nil, err
			}
		}
	}
	return &out, nil
}

func isTrue(n *diff.Node) bool { return n != nil && n.Type == "bool" && n.Value == "true" }

func fields(n *diff.Node) map[string]*diff.Node {
	if n == nil {
		return nil
	}
	return n.Fields
}

func fieldOf(n *diff.Node, key string) *diff.Node { return fields(n)[key] }

func itemOf(n *diff.Node, i int) *diff.Node {
	if n == nil || i >= len(n.Items) {
		return nil
	}
	return n.Items[i]
}

// outputs takes what each output will be.
func (t *terraformReader) outputs(n *diff.Node) error {
	for name, change := range fields(n.Fields["output_changes"]) {
		v, err := t.after(change)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if err := t.put("outputs", name, change, v); err != nil {
			return err
		}
	}
	return nil
}

// variables takes the values of the root module's variables. They stand in the plan in clear; its configuration says which are sensitive.
func (t *terraformReader) variables(n *diff.Node) error {
	declared := fieldOf(fieldOf(n.Fields["configuration"], "root_module"), "variables")
	for name, v := range fields(n.Fields["variables"]) {
		value := v.Fields["value"]
		if value == nil {
			continue
		}
		out := *value
		d := fieldOf(declared, name)
		out.Secret = d == nil || isTrue(d.Fields["sensitive"])
		out.Line, out.Column = v.Line, v.Column
		if err := t.put("variables", name, v, &out); err != nil {
			return err
		}
	}
	return nil
}

// values takes the resources and outputs of a state, or of a plan without changes.
func (t *terraformReader) values(n *diff.Node) error {
	values := n.Fields["planned_values"]
	if values == nil {
		values = n.Fields["values"]
	}
	for name, o := range fields(fieldOf(values, "outputs")) {
		v := o.Fields["value"]
		if v == nil {
			continue
		}
		out := *v
		out.Secret = isTrue(o.Fields["sensitive"])
		if err := t.put("outputs", name, o, &out); err != nil {
			return err
		}
	}
	return t.module(fieldOf(values, "root_module"), 0)
}

func (t *terraformReader) module(n *diff.Node, depth int) error {
	if n == nil {
		return nil
	}
	for _, r := range itemsOf(n, "resources") {
		v := r.Fields["values"]
		if text(r, "mode") == "data" || r.Fields["deposed_key"] != nil || v == nil {
			continue
		}
		out, err := t.overlay(v, r.Fields["sensitive_values"], nil, 0)
		if err != nil {
			return err
		}
		out.Line, out.Column = r.Line, r.Column
		if err := t.put("resources", text(r, "address"), r, out); err != nil {
			return err
		}
	}
	for _, m := range itemsOf(n, "child_modules") {
		if err := t.module(m, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func itemsOf(n *diff.Node, field string) []*diff.Node {
	if f := n.Fields[field]; f != nil {
		return f.Items
	}
	return nil
}
