package diff

import (
	"maps"
	"slices"
	"sort"
)

// comparer walks one pair of objects after the other and collects their differences.
type comparer struct {
	mask    *masker
	rules   *ruleSet
	changes []Change
	// same is asked before two scalars are called different: the place of what a field means (1000m is 1). nil: types alone decide.
	same func(path []segment, a, b *Node) bool

	pair
	id         ObjectID
	names      []string // both objects' names, as rules may know them
	kubernetes bool
	path       []segment
	shown      []segment // path as it may be shown, as far as somebody asked
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
	if p.previous != nil && p.target != nil && p.previous.Name != p.target.Name {
		c.names = []string{c.mask.name(p.previous.Name)}
	}
	c.kubernetes = o.Kind != "" && o.Kind != KindDotenv
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
	default:
		c.node(p.previous.Root, p.target.Root, scope{}, scope{})
	}
}

// node compares two values at the path. Their scopes say whether they are secret.
func (c *comparer) node(a, b *Node, sa, sb scope) {
	switch {
	case a == b:
	case a.IsMap && b.IsMap && a.Type == b.Type:
		c.fields(a, b, sa, sb)
	case a.IsList && b.IsList && a.Type == b.Type:
		c.list(a, b, sa, sb)
	case a.scalar() && b.scalar() && (same(a, b) || c.same != nil && c.same(c.path, a, b)):
	default:
		c.add(Changed, a, b, sa, sb)
	}
}

func (c *comparer) fields(a, b *Node, sa, sb scope) {
	for _, k := range bothKeys(a.Fields, b.Fields) {
		x, y := a.Fields[k], b.Fields[k]
		if c.silent(k, x) {
			x = nil
		}
		if c.silent(k, y) {
			y = nil
		}
		c.push(field(k))
		switch {
		case x != nil && y != nil:
			c.node(x, y, c.mask.field(sa, a, k), c.mask.field(sb, b, k))
		case x != nil:
			c.gone(Missing, x, c.mask.field(sa, a, k))
		case y != nil:
			c.gone(Extra, y, c.mask.field(sb, b, k))
		}
		c.pop()
	}
}

// silent says whether a field is not compared: noise, and the namespace where it is told once for all objects.
func (c *comparer) silent(key string, n *Node) bool {
	if n == nil || !c.kubernetes {
		return false
	}
	if c.moved && len(c.path) == 1 && c.path[0].key == "metadata" && (key == "namespace" || key == "name" && c.previous.Kind == "Namespace") {
		return true
	}
	return noise(c.path, key, n)
}

// bothKeys gives the keys of both mappings, sorted. It allocates nothing more than it must: most mappings have the same keys.
func bothKeys(a, b map[string]*Node) []string {
	ks := make([]string, 0, max(len(a), len(b)))
	for k := range a {
		ks = append(ks, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
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
		if !c.silent(k, n.Fields[k]) {
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
