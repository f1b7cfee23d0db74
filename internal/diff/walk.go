package diff

import (
	"maps"
	"slices"
	"sort"
)

// comparer walks one pair of objects after the other and collects their differences.
type comparer struct {
	mask    *masker
	root    string // where the target is from
	rules   *ruleSet
	prints  fingerprints
	changes []Change
	// incomparable are secrets of which nobody can say whether they differ.
	incomparable []Change

	// What holds for both states.
	spaces     map[string]string  // namespaces that have another name in the target
	refers     map[swap]bool      // names of objects that have another one in the target
	autoscaled bool               // an autoscaler sets replicas, so that none is not one
	configured bool               // a ConfigMap or a Secret changed
	amounts    map[[2]string]bool // whether two texts are the same quantity

	// What holds for the pair.
	pair
	id         ObjectID
	names      []string // both objects' names, as rules may know them
	kind       string
	kubernetes bool // and no document in one of its texts
	builtin    bool // a kind of Kubernetes itself
	quantities bool // Kubernetes' quantities may be in it

	path  []segment
	shown []segment // path as it may be shown, as far as somebody asked
}

func (c *comparer) push(s segment) { c.path = append(c.path, s) }

func (c *comparer) pop() {
	c.path = c.path[:len(c.path)-1]
	c.shown = c.shown[:min(len(c.shown), len(c.path))]
}

// printable gives the path as it may be shown. It is good until the next pop.
func (c *comparer) printable() []segment {
	for len(c.shown) < len(c.path) {
		c.shown = append(c.shown, c.mask.segment(c.path[len(c.shown)]))
	}
	return c.shown
}

// begin takes up a pair.
func (c *comparer) begin(p pair) {
	c.pair, c.path, c.shown = p, c.path[:0], c.shown[:0]
	o := p.either()
	c.id, c.names = c.identify(o), nil
	if p.both() && p.previous.Name != p.target.Name {
		c.names = []string{c.mask.name(p.previous.Name)}
	}
	c.kind, c.kubernetes = o.Kind, isKubernetes(o)
	c.builtin = isBuiltin(o) && (p.previous == nil || isBuiltin(p.previous))
	c.quantities = c.kubernetes || o.Kind == "" && o.Root.Format != "compose" && o.Root.Fields["services"] == nil
}

func (c *comparer) identify(o *Object) ObjectID {
	id := ObjectID{Kind: c.mask.name(o.Kind), Namespace: c.mask.name(o.Namespace), Name: c.mask.name(o.Name)}
	if o.Kind == "" {
		id.Kind = "file"
	}
	return id
}

// object compares a pair.
func (c *comparer) object(p pair) {
	c.begin(p)
	switch {
	case p.previous == nil:
		c.add(Extra, nil, p.target.Root, scope{}, scope{})
	case p.target == nil:
		c.add(Missing, p.previous.Root, nil, scope{}, scope{})
	case c.kind == "Secret" && c.kubernetes:
		a, b := secretTexts(p.previous.Root, p.target.Root)
		c.node(a, b, scope{}, scope{})
	default:
		c.node(p.previous.Root, p.target.Root, scope{}, scope{})
	}
}

// node compares two values at the path. Their scopes say whether they are secret.
func (c *comparer) node(a, b *Node, sa, sb scope) {
	switch {
	case a == b && a.Type != TypeSecret:
	case a.IsMap && b.IsMap && a.Type == b.Type:
		c.fields(a, b, sa, sb)
	case a.IsList && b.IsList && a.Type == b.Type:
		c.list(a, b, sa, sb)
	case !a.scalar() || !b.scalar():
		c.add(c.classOf(a, b), a, b, sa, sb)
	case c.documents(a, b, sa, sb):
	case a.Type == TypeSecret || b.Type == TypeSecret || sa.secret(a) && sb.secret(b):
		c.secrets(a, b, sa, sb)
	case !c.alike(a, b):
		c.add(c.classOf(a, b), a, b, sa, sb)
	}
}

// classOf gives the class of two values that differ as a whole.
func (c *comparer) classOf(a, b *Node) Class {
	switch {
	case a.Type == "null", b.Type == "null", a.scalar() && b.scalar() && c.bothQuantities(a, b):
		return Changed
	case a.Type != b.Type, !a.scalar(), !b.scalar():
		return Retyped
	case c.kubernetes && len(c.path) == 2 && c.path[0].key == "metadata" && (c.path[1].key == "name" || c.path[1].key == "namespace"):
		return Renamed
	}
	return Changed
}

// secrets compares two secrets by their fingerprints.
func (c *comparer) secrets(a, b *Node, sa, sb scope) {
	same, known := c.sameSecret(a, b)
	switch {
	case !known:
		c.incomparable = append(c.incomparable, c.differ(Changed, a, b, sa, sb))
	case same && (a.Type == b.Type || a.Type == TypeSecret || b.Type == TypeSecret):
	case same:
		c.add(Retyped, a, b, sa, sb)
	default:
		c.add(Changed, a, b, sa, sb)
	}
}

func (c *comparer) fields(a, b *Node, sa, sb scope) {
	keys := differing(a, b)
	for _, k := range c.filesAnew(a, b, keys, sa, sb) {
		x, y := a.Fields[k], b.Fields[k]
		c.push(field(k))
		if c.silent(k, x) || isNull(x) && y != nil && c.asAbsent(a, k, x) {
			x = nil
		}
		if c.silent(k, y) || isNull(y) && x != nil && c.asAbsent(b, k, y) {
			y = nil
		}
		switch {
		case x != nil && y != nil:
			c.node(x, y, c.mask.field(sa, a, k), c.mask.field(sb, b, k))
		case x != nil && !c.asAbsent(a, k, x):
			c.gone(Missing, x, c.mask.field(sa, a, k))
		case y != nil && !c.asAbsent(b, k, y):
			c.gone(Extra, y, c.mask.field(sb, b, k))
		}
		c.pop()
	}
}

func isNull(n *Node) bool { return n != nil && n.Type == "null" }

// silent says whether the field at the path is not compared: noise, and what is told once for all objects.
func (c *comparer) silent(key string, n *Node) bool {
	if n == nil || !c.kubernetes {
		return false
	}
	above := c.path[:len(c.path)-1]
	if len(above) == 1 && above[0].key == "metadata" && (key == "namespace" && c.moved || key == "name" && c.renamed) {
		return true
	}
	return noise(above, key, n)
}

// quiet is silent for a field of the mapping at the path.
func (c *comparer) quiet(key string, n *Node) bool {
	c.push(field(key))
	defer c.pop()
	return c.silent(key, n)
}

// differing gives the keys of the fields that are not written the same in both mappings, sorted.
func differing(a, b *Node) []string {
	var ks []string
	for k, x := range a.Fields {
		if y, ok := b.Fields[k]; !ok || !equal(x, y) {
			ks = append(ks, k)
		}
	}
	for k := range b.Fields {
		if _, ok := a.Fields[k]; !ok {
			ks = append(ks, k)
		}
	}
	sort.Strings(ks)
	return ks
}

func sortedKeys(m map[string]*Node) []string { return slices.Sorted(maps.Keys(m)) }

// gone adds what one side alone has: as one change where no rule tells its parts apart, else part by part, so that an expected value
// does not hide its neighbours.
func (c *comparer) gone(class Class, n *Node, s scope) {
	c.changes = append(c.changes, c.parts(class, n, s, c.mayExpect())...)
}

func (c *comparer) mayExpect() bool { return len(c.rules.expects) > 0 }

func (c *comparer) parts(class Class, n *Node, s scope, split bool) []Change {
	whole := func() []Change { return []Change{c.oneSided(class, n, s)} }
	if !split || n.scalar() || len(n.Fields)+len(n.Items) == 0 || c.expected() != nil {
		return whole()
	}
	var parts []Change
	expected := false
	each := func(seg segment, child *Node, cs scope) {
		c.push(seg)
		for _, p := range c.parts(class, child, cs, true) {
			expected = expected || p.Rule != nil
			parts = append(parts, p)
		}
		c.pop()
	}
	for _, k := range sortedKeys(n.Fields) {
		if !c.quiet(k, n.Fields[k]) {
			each(field(k), n.Fields[k], c.mask.field(s, n, k))
		}
	}
	c.eachItem(n, func(seg segment, i int) { each(seg, n.Items[i], c.mask.item(s, n, i)) })
	if !expected {
		return whole()
	}
	return parts
}

// eachItem gives the items of a list with the segments that name them.
func (c *comparer) eachItem(n *Node, yield func(seg segment, i int)) {
	name := ""
	if len(c.path) > 0 {
		name = c.path[len(c.path)-1].key
	}
	_, keys := listKeys(name, n, n)
	for i, item := range n.Items {
		if keys == nil {
			yield(at(i), i)
			continue
		}
		id, _ := identity(item, keys)
		yield(itemNames(id, keys), i)
	}
}

func (c *comparer) expected() *expecting {
	return c.rules.expected(c.id, c.names, c.printable())
}
