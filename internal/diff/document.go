package diff

import (
	"maps"
	"slices"
	"strings"
)

// A text may hold a document of its own: JSON in a ConfigMap, in an annotation, in an environment variable. The sources read it
// (Node.Embedded); where both sides have one it is compared in place of the text, so that its form and the order of its keys don't count,
// and a difference is told at its leaf.

// documents compares the documents of two texts, and says whether both have one.
func (c *comparer) documents(a, b *Node, sa, sb scope) bool {
	if a.Embedded == nil || b.Embedded == nil || !c.sameFormat(a, b) {
		return false
	}
	if sa.hides(a) || sb.hides(b) { // nothing is told of what is in a secret, the names in it neither
		return canonical(a.Embedded) == canonical(b.Embedded)
	}
	kubernetes, builtin, quantities := c.kubernetes, c.builtin, c.quantities
	c.kubernetes, c.builtin, c.quantities = false, false, false
	c.push(segment{kind: documentSegment})
	c.node(a.Embedded, b.Embedded, sa, sb)
	c.pop()
	c.kubernetes, c.builtin, c.quantities = kubernetes, builtin, quantities
	return true
}

// sameFormat says whether two documents are written the same way. JSON is YAML too, for who reads YAML.
func (c *comparer) sameFormat(a, b *Node) bool {
	if a.Format == b.Format {
		return true
	}
	name := strings.ToLower(c.fieldAt(0))
	yaml := func(f string) bool { return f == "yaml" || f == "json" }
	return yaml(a.Format) && yaml(b.Format) && (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml"))
}

// secretTexts gives the roots of two Secrets so that a text that stands in the stringData of one and in the data of the other stands in
// the same place: the API server moves stringData into data.
func secretTexts(a, b *Node) (x, y *Node) {
	return withData(a, b), withData(b, a)
}

// withData moves what n has in stringData, and other in data alone, to data.
func withData(n, other *Node) *Node {
	texts, data := n.Fields["stringData"], other.Fields["data"]
	own := n.Fields["data"]
	if texts == nil || !texts.IsMap || data == nil || !data.IsMap || own != nil && !own.IsMap {
		return n
	}
	moved := func(k string) bool {
		theirs := other.Fields["stringData"]
		return data.Fields[k] != nil && (theirs == nil || theirs.Fields[k] == nil) && texts.Fields[k].scalar()
	}
	root, into, left := copied(n), copied(own), copied(texts)
	any := false
	for k, f := range texts.Fields {
		if !moved(k) {
			continue
		}
		any = true
		f = copied(f)
		if f.Type != TypeSecret { // a fingerprint is that of the text in both places
			f.Value, f.Type, f.Embedded = encoded(f.Value), "string", nil
		}
		into.Fields[k] = f
		delete(left.Fields, k)
	}
	if !any {
		return n
	}
	root.Fields["data"] = into
	root.Fields["stringData"] = left
	if len(left.Fields) == 0 {
		delete(root.Fields, "stringData")
	}
	return root
}

// copied copies a node and its mapping; nil gives an empty mapping.
func copied(n *Node) *Node {
	if n == nil {
		return &Node{IsMap: true, Fields: map[string]*Node{}}
	}
	out := *n
	if n.IsMap {
		out.Fields = make(map[string]*Node, len(n.Fields))
		for k, f := range n.Fields {
			out.Fields[k] = f
		}
	}
	return &out
}

// filesAnew compares files in a ConfigMap that have another environment in their names (application-staging.yml), and gives the keys that
// are left.
func (c *comparer) filesAnew(a, b *Node, keys []string, sa, sb scope) []string {
	if c.kind != "ConfigMap" || !c.kubernetes || len(c.path) != 1 || c.path[0].key != "data" {
		return keys
	}
	before, after := bareFiles(keys, a, b), bareFiles(keys, b, a)
	done := map[string]bool{}
	for _, rest := range slices.Sorted(maps.Keys(before)) {
		if from, to := before[rest], after[rest]; from != "" && to != "" {
			c.fileAnew(a, b, from, to, sa, sb)
			done[from], done[to] = true, true
		}
	}
	return slices.DeleteFunc(keys, func(k string) bool { return done[k] })
}

// bareFiles gives the keys that only in has and that name a file of an environment, by what is left of their names without it; "" where
// several have as much left.
func bareFiles(keys []string, in, other *Node) map[string]string {
	out := map[string]string{}
	for _, k := range keys {
		rest, found := cutWords(k).bare()
		if !found || !strings.Contains(k, ".") || in.Fields[k] == nil || other.Fields[k] != nil {
			continue
		}
		if _, taken := out[rest]; taken {
			k = ""
		}
		out[rest] = k
	}
	return out
}

// fileAnew tells the new name of a file, and compares it.
func (c *comparer) fileAnew(a, b *Node, from, to string, sa, sb scope) {
	x, y := a.Fields[from], b.Fields[to]
	c.push(field(to))
	c.add(Renamed, keyNode(from, x), keyNode(to, y), scope{}, scope{})
	c.node(x, y, c.mask.field(sa, a, from), c.mask.field(sb, b, to))
	c.pop()
}

// keyNode gives the key of a value as a value.
func keyNode(key string, at *Node) *Node {
	return &Node{Type: "string", Value: key, Line: at.Line, Column: at.Column}
}
