package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/bake"
)

// assemble puts the file, the overlay of the environment and the flags together. nil after a problem that leaves nothing to read.
func (d *decoder) assemble(root *node, opt Options) *node {
	if root == nil {
		one := &node{flag: opt.firstFlag()}
		root = &node{shape: mapping, flag: one.flag}
		root = root.with(&node{value: "version", flag: one.flag}, &node{value: "1", flag: one.flag})
	}
	if root.shape != mapping || root.null {
		d.c.add(root, "", "begin with version: 1", "got %s, want a mapping", root.describe())
		return nil
	}
	overlays := root.get("environments")
	root = d.withPacks(root.without("environments"), "")
	if overlays != nil {
		root = d.overlay(root, overlays, opt)
	}
	if opt.Environment != "" {
		root = d.set(root, Override{Path: "environment", Value: opt.Environment})
	}
	for _, o := range opt.Set {
		root = d.set(root, o)
	}
	return root
}

func (opt Options) firstFlag() string {
	if len(opt.Set) > 0 {
		return opt.Set[0].flag()
	}
	return "--environment"
}

// overlay merges the chosen environment's overlay. What is not in effect, the other overlays and the base's values that were
// replaced, is looked at too, so that a mistake does not wait for the day it is deployed.
func (d *decoder) overlay(root, overlays *node, opt Options) *node {
	if overlays.shape != mapping || overlays.null {
		d.c.add(overlays, "environments", "", "got %s, want a mapping", overlays.describe())
		return root
	}
	look := *d
	look.lint = true
	overlays = look.eachWithPacks(overlays)
	for _, e := range overlays.entries {
		d.overlays = append(d.overlays, e.key.value)
		var s Sections
		look.value(e.value, reflect.ValueOf(&s).Elem(), join("environments", e.key.value))
	}
	name, shown, at := d.environment(root, opt)
	chosen := overlays.get(name)
	if chosen == nil {
		if s := suggest(name, d.overlays); name != "" && s != "" {
			d.c.warn(at, "environment", "did you mean \""+s+"\"?", "environment %s has no overlay", quote(shown))
		}
		return root
	}
	if chosen.shape != mapping {
		return root // reported above
	}
	var base document
	look.value(root, reflect.ValueOf(&base).Elem(), "")
	sections := reflect.TypeFor[Sections]()
	return merge(root, onlyKeys(chosen, names(fieldsOf(sections))), sections)
}

// eachWithPacks puts the packs into every overlay.
func (d *decoder) eachWithPacks(overlays *node) *node {
	m := *overlays
	m.entries = slices.Clone(overlays.entries)
	for i, e := range m.entries {
		m.entries[i].value = d.withPacks(e.value, join("environments", e.key.value))
	}
	return &m
}

// onlyKeys leaves out what an overlay may not hold: it was reported, and must not change the base (version, environment).
func onlyKeys(n *node, keys []string) *node {
	m := *n
	m.entries = nil
	for _, k := range keys {
		for _, e := range n.entries {
			if e.key.value == k {
				m.entries = append(m.entries, e)
			}
		}
	}
	return &m
}

// environment is the name of the environment, how to show it, and where it was given. Its own problems are reported when the field is
// read.
func (d *decoder) environment(root *node, opt Options) (name, shown string, at *node) {
	for _, o := range opt.Set {
		if o.Path == "environment" {
			return o.Value, o.Value, &node{flag: o.flag()}
		}
	}
	if opt.Environment != "" {
		return opt.Environment, opt.Environment, &node{flag: "--environment"}
	}
	n := root.get("environment")
	if n == nil || n.shape != scalar || n.null {
		return "", "", n
	}
	quiet := *d
	quiet.c = newCollector("")
	quiet.env = newDecoder(nil, opt).env
	text, ok := quiet.expand(n, "environment", plain)
	if !ok {
		return "", "", n
	}
	return text, n.value, n
}

// merge lays over onto base. Mappings merge; a mapping that is a choice of one key is replaced where the choice is another. Metrics
// merge by name. Every other value replaces.
func merge(base, over *node, t reflect.Type) *node {
	t = plainType(t)
	switch {
	case base.shape == mapping && over.shape == mapping && !base.null && !over.null:
		if exclusive(t) && chooses(base, over) {
			return over
		}
		m := base
		for _, e := range over.entries {
			value := e.value
			if old := base.get(e.key.value); old != nil {
				value = merge(old, value, child(t, e.key.value))
			}
			m = m.with(e.key, value)
		}
		return m
	case base.shape == list && over.shape == list && t == reflect.TypeFor[[]bake.Metric]():
		return mergeByName(base, over)
	}
	return over
}

// exclusive types have exactly one key.
func exclusive(t reflect.Type) bool {
	return t != nil && isChoice(t)
}

// chooses says whether over brings a key that base does not have.
func chooses(base, over *node) bool {
	for _, e := range over.entries {
		if base.get(e.key.value) == nil {
			return true
		}
	}
	return false
}

// mergeByName merges lists of metrics. A name that the overlay has twice is left there twice, to be reported.
func mergeByName(base, over *node) *node {
	m := *base
	m.items = append([]*node(nil), base.items...)
	merged := map[int]bool{}
	for _, o := range over.items {
		i := indexOfName(base.items, o)
		if i < 0 || merged[i] {
			m.items = append(m.items, o)
			continue
		}
		merged[i] = true
		m.items[i] = merge(base.items[i], o, reflect.TypeFor[bake.Metric]())
	}
	return &m
}

func indexOfName(items []*node, want *node) int {
	name := want.get("name")
	if name == nil || name.shape != scalar || name.null {
		return -1
	}
	for i, item := range items {
		if n := item.get("name"); n != nil && n.shape == scalar && n.value == name.value {
			return i
		}
	}
	return -1
}

// set puts a flag's value into the tree.
func (d *decoder) set(root *node, o Override) *node {
	leaf := &node{value: o.Value, flag: o.flag()}
	n, ok := setAt(root, o.Path, leaf, reflect.TypeFor[document]())
	if !ok {
		d.c.add(leaf, "", "", "%s is no path into the configuration", quote(o.Path))
		return root
	}
	return n
}

func setAt(n *node, path string, leaf *node, t reflect.Type) (*node, bool) {
	if path == "" {
		return leaf, true
	}
	if i, rest, ok := cutIndex(path); ok {
		return setItem(n, i, rest, leaf, t)
	}
	path = strings.TrimPrefix(path, ".")
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	key, rest := path[:end], path[end:]
	if key == "" || rest == "." {
		return nil, false
	}
	// A flag replaces the file's choice, but two flags that make different choices are both kept, to be reported.
	if n == nil || n.shape != mapping || n.flag == "" && exclusive(plainType(t)) && n.get(key) == nil {
		n = &node{shape: mapping, flag: leaf.flag}
	}
	value, ok := setAt(n.get(key), rest, leaf, child(t, key))
	if !ok {
		return nil, false
	}
	return n.with(&node{value: key, flag: leaf.flag}, value), true
}

func setItem(n *node, i int, rest string, leaf *node, t reflect.Type) (*node, bool) {
	m := &node{shape: list, flag: leaf.flag}
	if n != nil && n.shape == list {
		copied := *n
		m = &copied
		m.items = append([]*node(nil), n.items...)
	}
	if i > len(m.items) {
		return nil, false
	}
	if t = plainType(t); t != nil && t.Kind() == reflect.Slice {
		t = t.Elem()
	} else {
		t = nil
	}
	var old *node
	if i < len(m.items) {
		old = m.items[i]
	} else {
		m.items = append(m.items, nil)
	}
	item, ok := setAt(old, rest, leaf, t)
	m.items[i] = item
	return m, ok
}
