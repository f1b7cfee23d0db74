package diff

import (
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// Compare says how target differs from previous, what of it the rules expect or forbid, and what to think of it. today is the day on
// which it is asked, in the time zone in which rules expire; its time of day does not count.
//
// The same trees, rules and day give the same bytes. Nothing in the result holds a secret.
func Compare(previous, target Tree, rules Rules, today time.Time) Result {
	m := newMasker()
	m.learn(previous, target)
	c := &comparer{mask: m, rules: newRuleSet(rules, today)}
	ps := pairObjects(previous.Objects, target.Objects)
	r := Result{Previous: m.name(previous.Name), Target: m.name(target.Name)}
	c.namespace(ps)
	names := map[ObjectID][]string{}
	for _, p := range ps.pairs {
		r.Objects.count(p)
		c.object(p)
		if c.names != nil {
			names[c.id] = append(names[c.id], c.names...)
		}
	}
	r.Changes = c.changes
	c.rules.count(r.Changes, func(ch Change) []string { return names[ch.Object] })
	for _, e := range c.rules.expects {
		r.Suppressed = append(r.Suppressed, e.used)
	}
	r.Findings = c.findings(r, skipped(m, previous), skipped(m, target))
	return r
}

func (c *Counts) count(p pair) {
	if p.previous != nil {
		c.Previous++
	}
	if p.target != nil {
		c.Target++
	}
	switch {
	case p.target == nil:
		c.Missing++
	case p.previous == nil:
		c.Extra++
	default:
		c.Paired++
	}
}

// namespace tells once that all objects live in another namespace.
func (c *comparer) namespace(ps pairing) {
	if !ps.moved {
		return
	}
	first := func(side func(pair) *Object) *Object {
		for _, p := range ps.pairs {
			if o := side(p); p.moved && o != nil && o.Namespace != "" {
				return o
			}
		}
		return nil
	}
	c.pair = pair{previous: first(func(p pair) *Object { return p.previous }), target: first(func(p pair) *Object { return p.target })}
	if c.previous == nil && c.target == nil {
		return // nothing was paired by it: each object tells its own
	}
	c.shown = c.shown[:0]
	c.id, c.names, c.path = ObjectID{Kind: "*", Name: "*"}, nil, []segment{field("metadata"), field("namespace")}
	a, b := namespaceNode(c.previous), namespaceNode(c.target)
	switch {
	case b == nil:
		c.changes = append(c.changes, c.oneSided(Missing, a, scope{}))
	case a == nil:
		c.changes = append(c.changes, c.oneSided(Extra, b, scope{}))
	default:
		c.add(Changed, a, b, scope{}, scope{})
	}
}

// namespaceNode gives the namespace as a value, with its place where the object itself has one.
func namespaceNode(o *Object) *Node {
	if o == nil {
		return nil
	}
	if md := o.Root.Fields["metadata"]; md != nil && md.text("namespace") == o.Namespace {
		return md.Fields["namespace"]
	}
	return &Node{Value: o.Namespace, Type: "string", Line: o.Root.Line, Column: o.Root.Column}
}

func skipped(m *masker, t Tree) []string {
	out := make([]string, len(t.Skipped))
	for i, s := range t.Skipped {
		out[i] = clean.Text(m.name(s))
	}
	return out
}
