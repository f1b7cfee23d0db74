package diff

import (
	"cmp"
	"slices"
	"strings"
)

// What is the same difference in many objects is told once: another namespace, and another environment in their names. Where an object
// that has another name is named elsewhere, the new name there is no difference.

// told is a difference that is told once for many objects.
type told struct {
	key     string // of metadata: name or namespace
	swap    swap
	objects int
	first   pair // the first that it is told for
}

// gathered are differences by their words.
type gathered map[swap]*told

func (g gathered) add(key string, s swap, p pair) {
	if g[s] == nil {
		g[s] = &told{key: key, swap: s, first: p}
	}
	g[s].objects++
}

// tellOnce notes which pairs' names and namespaces are told once, and tells them.
func (c *comparer) tellOnce(ps pairing) {
	c.spaces, c.refers = ps.spaces, map[swap]bool{}
	names, spaces := gathered{}, gathered{}
	for _, p := range ps.pairs {
		if !p.both() || !isKubernetes(p.target) {
			continue
		}
		if p.previous.Name != p.target.Name {
			c.refers[swap{p.previous.Name, p.target.Name}] = true
		}
		if p.swap != (swap{}) {
			names.add("name", p.swap, p)
		}
		if p.moved {
			spaces.add("namespace", swap{p.previous.Namespace, p.target.Namespace}, p)
		}
	}
	for i := range ps.pairs {
		switch p := &ps.pairs[i]; {
		case !p.both():
		case p.reason == ByHash, p.reason == ByGenerateName: // the name says nothing that the content does not
			p.renamed = true
		case p.swap != (swap{}):
			p.renamed = isKubernetes(p.target) && names[p.swap].objects > 1
		case p.renamed: // a Namespace, told with what is in it
			p.renamed = spaces[swap{p.previous.Name, p.target.Name}] != nil
		}
	}
	c.tell(spaces, 1)
	c.tell(names, 2)
}

// renaming gives the words that differ in the names of two objects, joined.
func renaming(a, b *Object) swap {
	ss, _ := swapped(withoutHash(a), withoutHash(b))
	var from, to []string
	for _, s := range ss {
		from, to = append(from, s.from), append(to, s.to)
	}
	return swap{strings.Join(from, " "), strings.Join(to, " ")}
}

// tell tells what at least so many objects share, the most frequent first.
func (c *comparer) tell(g gathered, least int) {
	var order []*told
	for _, t := range g {
		if t.objects >= least {
			order = append(order, t)
		}
	}
	slices.SortFunc(order, func(x, y *told) int {
		return cmp.Or(cmp.Compare(y.objects, x.objects), cmp.Compare(x.swap.from, y.swap.from), cmp.Compare(x.swap.to, y.swap.to))
	})
	for _, t := range order {
		c.tellOne(*t)
	}
}

func (c *comparer) tellOne(t told) {
	c.pair, c.names = t.first, nil
	c.id = ObjectID{Kind: "*", Name: "*"}
	c.path, c.shown = append(c.path[:0], field("metadata"), field(t.key)), c.shown[:0]
	a, b := toldNode(t.first.previous, t.key, t.swap.from), toldNode(t.first.target, t.key, t.swap.to)
	class := Renamed
	switch {
	case t.key == "namespace" && t.swap.to == "":
		class, b = Missing, nil
	case t.key == "namespace" && t.swap.from == "":
		class, a = Extra, nil
	}
	ch := c.differ(class, a, b, scope{}, scope{})
	ch.Objects = t.objects
	c.changes = append(c.changes, ch)
}

// toldNode gives the text as a value, with the place where the object itself has its field.
func toldNode(o *Object, key, text string) *Node {
	n := &Node{Value: orNone(text), Type: "string", Line: o.Root.Line, Column: o.Root.Column}
	if md := o.Root.Fields["metadata"]; md != nil && md.Fields[key] != nil {
		n.Line, n.Column = md.Fields[key].Line, md.Fields[key].Column
	}
	return n
}

// refersTo says whether a text names an object of previous, and the other one the same object in the target. What a program reads is
// told all the same: nothing says that it looks for the object. A name of one word may be any word, but where a name must stand.
func (c *comparer) refersTo(a, b string) bool {
	key := c.fieldAt(0)
	if len(c.path) == 2 && c.path[0].key == "metadata" { // the object's own
		return false
	}
	if to, ok := c.spaces[a]; ok && to == b && (key == "namespace" || key == "kubernetes.io/metadata.name" || key == "matchNames") {
		return true
	}
	if !c.refers[swap{a, b}] || key == "value" || within(c.path, ownText) {
		return false
	}
	return compound(a) || nameKeys[key] || strings.HasSuffix(key, "Name")
}

// nameKeys are fields and labels that hold a name.
var nameKeys = set("name app k8s-app run app.kubernetes.io/name app.kubernetes.io/instance")

// ownText are fields that hold text of a program's own.
var ownText = set("data stringData binaryData args command annotations")

// isDerived says whether an annotation is a checksum of configuration that stands elsewhere in the state, and is told there. Where no
// ConfigMap and no Secret changed, the checksum is the only trace of what did, and is told.
func (c *comparer) isDerived(a, b *Node) bool {
	key := strings.ToLower(c.fieldAt(0))
	return c.configured && c.fieldAt(1) == "annotations" && (strings.Contains(key, "checksum") || strings.Contains(key, "config-hash")) &&
		len(a.Value) >= 8 && len(b.Value) >= 8
}
