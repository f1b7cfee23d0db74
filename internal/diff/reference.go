package diff

import (
	"strings"
	"sync"
)

// References between the objects of the target that lead nowhere. What is named may live outside the state: it is told only where the
// state has objects of that kind beside it, or where previous had what is named.

// mention is a name in an object that another object must have.
type mention struct {
	at   *cursor
	kind string // of the object that is named
	name string
	key  string // in its data; "" for the object itself
	// soft says that it is told only where previous had it: such objects are often made by hand.
	soft bool
}

// cursor is a value with the way to it; nil where there is none.
type cursor struct {
	up   *cursor
	seg  segment
	node *Node
}

// field goes to a field.
func (c *cursor) field(key string) *cursor {
	if c == nil || c.node.Fields[key] == nil {
		return nil
	}
	return &cursor{up: c, seg: field(key), node: c.node.Fields[key]}
}

func (c *cursor) down(keys ...string) *cursor {
	for _, k := range keys {
		c = c.field(k)
	}
	return c
}

// each goes to every item of a list.
func (c *cursor) each(yield func(*cursor)) {
	if c == nil {
		return
	}
	for i, item := range c.node.Items {
		yield(&cursor{up: c, seg: at(i), node: item})
	}
}

func (c *cursor) text(key string) string {
	if c == nil {
		return ""
	}
	return c.node.text(key)
}

func (c *cursor) value() *Node {
	if c == nil {
		return nil
	}
	return c.node
}

// path gives the way, items as the comparison names them.
func (c *cursor) path() []segment {
	if c == nil || c.up == nil {
		return nil
	}
	seg, up := c.seg, c.up
	if seg.kind == indexSegment {
		if _, keys := listKeys(up.seg.key, up.node, up.node); keys != nil {
			id, _ := identity(c.node, keys)
			seg = itemNames(id, keys)
		}
	}
	return append(up.path(), seg)
}

// slot names the place for a comparison with previous.
func (c *cursor) slot() string { return render(c.path()) }

// referrer collects the references of one object.
type referrer struct{ refs []mention }

func (r *referrer) add(at *cursor, kind, key string) { r.name(at, kind, key, false) }

func (r *referrer) name(at *cursor, kind, key string, soft bool) {
	if isText(at.value()) && !strings.ContainsAny(at.node.Value, "${") {
		r.refs = append(r.refs, mention{at: at, kind: kind, name: at.node.Value, key: key, soft: soft})
	}
}

// references finds what is named in the target and is not there.
func (c *comparer) references(ps pairing) []occurrence {
	f := &dangler{c: c, target: newInventory(ps, func(p pair) *Object { return p.target })}
	f.previous = sync.OnceValue(func() *inventory { return newInventory(ps, func(p pair) *Object { return p.previous }) })
	r := &referrer{}
	for i, p := range ps.pairs {
		if p.target == nil || !isKubernetes(p.target) {
			continue
		}
		r.refs = r.refs[:0]
		r.object(p.target, f.target.templates[i])
		for _, m := range r.refs {
			f.mention(i, p, m)
		}
		for _, s := range selectionsOf(p.target) {
			f.selection(i, p, s)
		}
	}
	return f.found
}

// dangler looks for what is named and is not there.
type dangler struct {
	c        *comparer
	target   *inventory
	previous func() *inventory // made once something is missing
	found    []occurrence
}

func (f *dangler) mention(order int, p pair, m mention) {
	space := p.target.Namespace
	if f.target.has(space, m) {
		return
	}
	before := p.previous != nil && f.previous().any[m.kind] && f.resolvedAt(order, p.previous, m.at.slot())
	if before || !m.soft && f.target.knows(space, m) {
		there := len(f.target.find(m.kind, space, m.name)) > 0
		f.found = append(f.found, f.c.dangling(order, p, m, there, before))
	}
}

func (f *dangler) selection(order int, p pair, s selection) {
	pods := f.target.selected(p.target.Namespace, s)
	for _, at := range portless(s, pods) {
		want := "the port " + f.c.mask.name(at.node.Value) + " of a container"
		f.found = append(f.found, f.c.lostAt(order, p, at, "no container has such a port", want, false))
	}
	if len(pods) > 0 {
		return
	}
	if before := selectedBefore(p.previous, f.previous()); before || f.target.hasPods(p.target.Namespace) {
		f.found = append(f.found, f.c.lostAt(order, p, s.at, "no pod has these labels", "the labels of a pod", before))
	}
}

// resolvedAt says whether an object of previous names at the same place something that is there.
func (f *dangler) resolvedAt(order int, o *Object, slot string) bool {
	r := &referrer{}
	r.object(o, f.previous().templates[order])
	for _, m := range r.refs {
		if m.at.slot() == slot {
			return f.previous().has(o.Namespace, m)
		}
	}
	return false
}

// part says what of an object is named.
func (r mention) part() string {
	switch {
	case r.key == "":
		return ""
	case r.kind == "Service":
		return "port"
	}
	return "key"
}

// dangling makes the occurrence of a reference; there says that the object is, without the part of it that is named.
func (c *comparer) dangling(order int, p pair, r mention, there, before bool) occurrence {
	got, want := "no such "+r.kind, r.kind+"/"+c.mask.name(r.name)
	if part := r.part(); part != "" && there {
		got, want = "no such "+part, "the "+part+" "+c.mask.name(r.key)+" of "+want
	}
	return c.lostAt(order, p, r.at, got, want, before)
}

// lostAt makes an occurrence. Where previous had it, it is sure to be missed.
func (c *comparer) lostAt(order int, p pair, at *cursor, got, want string, before bool) occurrence {
	c.begin(p)
	s := medium
	if before {
		s = high
		want += "; in previous it is there"
	}
	path := at.path()
	for i := range path {
		path[i] = c.mask.segment(path[i])
	}
	return occurrence{advice: unresolved, severity: s, order: order, object: c.id, names: c.names, path: path,
		at: c.position(p.target, at.node), got: got, want: want, b: at.node}
}
