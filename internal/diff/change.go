package diff

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/clean"
)

// add notes a difference at the path. One of the nodes is nil where a whole object is on one side alone.
func (c *comparer) add(class Class, a, b *Node, sa, sb scope) {
	c.changes = append(c.changes, c.differ(class, a, b, sa, sb))
}

// differ makes the change of a difference at the path.
func (c *comparer) differ(class Class, a, b *Node, sa, sb scope) Change {
	if class == Missing || class == Extra {
		return c.oneSided(class, either(a, b), sa)
	}
	ch := c.change(class, a, b)
	ch.From, ch.To, ch.Secret = c.mask.pair(a, b, sa, sb, class != Changed || a.Type == "null" || b.Type == "null")
	if class == Changed && !ch.Secret {
		ch.Swap = swapOf(a, b)
	}
	c.judge(&ch, sided{c.previous, a, sa}, sided{c.target, b, sb})
	return ch
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// oneSided makes the change of a value that one side alone has.
func (c *comparer) oneSided(class Class, n *Node, s scope) Change {
	a, b := n, (*Node)(nil)
	if class == Extra {
		a, b = nil, n
	}
	ch := c.change(class, a, b)
	shown, secret := c.mask.show(n, s)
	if len(c.path) == 0 && !n.scalar() {
		shown = fmt.Sprintf("an object with %s", plural(n.leaves(), "value"))
	}
	if ch.Secret = secret; class == Missing {
		ch.From = shown
	} else {
		ch.To = shown
	}
	if !n.scalar() {
		ch.Values = n.leaves()
	}
	c.judge(&ch, sided{c.previous, a, s}, sided{c.target, b, s})
	return ch
}

// reordered notes that a list has the same items in another order.
func (c *comparer) reordered(a, b *Node, from, to string) {
	ch := c.change(Reordered, a, b)
	ch.From, ch.To = clean.Cut(from, maxShown), clean.Cut(to, maxShown)
	ch.Secret = strings.Contains(from+to, secretText)
	if ch.From == ch.To {
		ch.From, ch.To = "order: one way", "order: another way"
	}
	c.judge(&ch, sided{}, sided{})
	c.changes = append(c.changes, ch)
}

func (c *comparer) change(class Class, a, b *Node) Change {
	ch := Change{Class: class, Object: c.id, segments: slices.Clone(c.printable())}
	ch.Path = render(ch.segments)
	if c.both() && c.reason != ByName && c.reason != ByVersion && c.id.Kind != "*" {
		ch.Paired = c.reason
	}
	if a != nil && c.previous != nil {
		ch.FromAt = c.position(c.previous, a)
	}
	if b != nil && c.target != nil {
		ch.ToAt = c.position(c.target, b)
	}
	return ch
}

func (c *comparer) position(o *Object, n *Node) Position {
	p := Position{File: c.mask.name(o.File), Line: n.Line, Column: n.Column}
	if o == c.target {
		p.below = below(p.File, c.root)
	}
	return p
}

// below gives a file's name below the place of its state: what is said of the target on every line needs not be repeated on every line.
func below(file, root string) string {
	if file == root {
		return path.Base(file)
	}
	if rest, ok := strings.CutPrefix(file, strings.TrimSuffix(root, "/")+"/"); ok {
		return rest
	}
	return file
}

// sided is the value of one side of a change, nil where it has none.
type sided struct {
	object *Object
	node   *Node
	scope  scope
}

// judge asks the rules. A forbidden value may stand below the change: what is missing as a whole is missing in all its parts.
func (c *comparer) judge(ch *Change, a, b sided) {
	c.rules.judge(ch, c.names, a.node, b.node)
	for i, f := range c.rules.forbids {
		if !(f.wants(ch.Class) || ch.Class.changes() && f.wants(Changed)) || !f.pattern.object(c.id, c.names) {
			continue
		}
		switch {
		case f.pattern.path(ch.segments) && f.values.meet(a.node, b.node):
			ch.forbids = append(ch.forbids, hit{i, ch.Path, ch.at(), ""})
		case !c.below(ch, i, a):
			c.below(ch, i, b)
		}
	}
}

func (c Change) at() Position {
	if c.ToAt.Line > 0 {
		return c.ToAt
	}
	return c.FromAt
}

// below looks for the first value in it that the forbid rule names.
func (c *comparer) below(ch *Change, rule int, v sided) bool {
	n := v.node
	if n == nil || n.scalar() {
		return false
	}
	found := false
	visit := func(seg segment, child *Node, s scope) {
		if found {
			return
		}
		c.push(seg)
		if path := c.printable(); c.rules.forbids[rule].covers(path, ch.Class, child) {
			shown, _ := c.mask.show(child, s)
			ch.forbids = append(ch.forbids, hit{rule, render(path), c.position(v.object, child), shown})
			found = true
		} else {
			found = c.below(ch, rule, sided{v.object, child, s})
		}
		c.pop()
	}
	for _, k := range sortedKeys(n.Fields) {
		if !c.quiet(k, n.Fields[k]) {
			visit(field(k), n.Fields[k], c.mask.field(v.scope, n, k))
		}
	}
	c.eachItem(n, func(seg segment, i int) { visit(seg, n.Items[i], c.mask.item(v.scope, n, i)) })
	return found
}

// maxShown bounds a value that is shown, in bytes.
const maxShown = 200

// show gives a value that one side alone has.
func (m *masker) show(n *Node, s scope) (shown string, secret bool) {
	switch {
	case n.scalar() && s.secret(n), !n.scalar() && (s.always || s.named):
		return secretText, true
	case !n.scalar():
		return describe(n), false
	}
	masked, hidden := m.mask(n.Value, hints{hex: s.hex})
	return clean.Cut(typed(n, masked), maxShown), hidden
}

// pair gives two values that differ, around the place where they do; typed says that their types are a part of the difference.
func (m *masker) pair(a, b *Node, sa, sb scope, typed bool) (from, to string, secret bool) {
	if hides(a, sa) || hides(b, sb) {
		return secretText, secretChanged, true
	}
	x, hx := m.valueOf(a, sa)
	y, hy := m.valueOf(b, sb)
	secret = hx || hy
	if x == y && secret {
		return secretText, secretChanged, true
	}
	if typed && a.Type != b.Type && a.scalar() && b.scalar() {
		x, y = withType(a, x), withType(b, y)
	}
	x, y = window(x, y)
	from, to = clean.Cut(x, maxShown), clean.Cut(y, maxShown)
	if from == to || from == "" || to == "" { // they differ in what is not shown: white space, control characters
		from, to = escaped(x), escaped(y)
	}
	return from, to, secret
}

// escaped shows what is not seen, runs of spaces too.
func escaped(s string) string {
	return clean.Cut(strings.ReplaceAll(strconv.QuoteToASCII(s), "  ", ` \x20`), maxShown)
}

func hides(n *Node, s scope) bool {
	if n.scalar() {
		return s.secret(n)
	}
	return s.always || s.named
}

func (m *masker) valueOf(n *Node, s scope) (string, bool) {
	if !n.scalar() {
		return describe(n), false
	}
	if n.Type == "null" {
		return "null", false
	}
	return m.mask(n.Value, hints{hex: s.hex})
}

// typed gives a scalar as it is shown alone: a null and an empty text can be told apart.
func typed(n *Node, masked string) string {
	switch {
	case n.Type == "null":
		return "null"
	case n.Value == "":
		return `""`
	}
	return masked
}

// withType says what the value is where that is the difference: "1" is not 1.
func withType(n *Node, shown string) string {
	switch n.Type {
	case "null":
		return "null"
	case "string":
		return strconv.Quote(shown) + " (string)"
	}
	return shown + " (" + clean.Cut(n.Type, 40) + ")"
}

func describe(n *Node) string {
	tag := ""
	if n.Type != "" {
		tag = clean.Cut(n.Type, 40) + " "
	}
	switch {
	case n.IsMap && len(n.Fields) == 0:
		return tag + "{}"
	case n.IsList && len(n.Items) == 0:
		return tag + "[]"
	case n.IsMap:
		return tag + "a mapping with " + plural(n.leaves(), "value")
	}
	return tag + "a list of " + plural(len(n.Items), "item")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// context is how much of two long texts is shown in front of their first difference, in bytes.
const context = 40

// window cuts two texts that are too long to be shown to where they begin to differ.
func window(x, y string) (string, string) {
	if len(x) <= maxShown && len(y) <= maxShown {
		return x, y
	}
	i := 0
	for i < len(x) && i < len(y) && x[i] == y[i] {
		i++
	}
	i = max(0, i-context)
	for i > 0 && i < len(x) && !utf8.RuneStart(x[i]) {
		i--
	}
	if i == 0 {
		return x, y
	}
	return "…" + x[i:], "…" + y[i:]
}
