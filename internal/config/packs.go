package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/bake/pack"
)

// withPacks puts the packs' metrics in the place of the items `pack: NAME` of a list of metrics, so that all that follows, overlays and
// flags too, sees plain metrics. section is what holds bake: the file or an overlay.
func (d *decoder) withPacks(section *node, path string) *node {
	b := section.get("bake")
	metrics := b.get("metrics")
	if metrics == nil || metrics.shape != list || !slices.ContainsFunc(metrics.items, isPack) {
		return section
	}
	replaced := d.packs(metrics, join(path, "bake.metrics"))
	return section.with(&node{value: "bake"}, b.with(&node{value: "metrics"}, replaced))
}

func isPack(item *node) bool { return item.get("pack") != nil }

// packs gives a list with the first metric of each pack in its place and the others at the end, so that what is not of a pack keeps its
// index. A metric of the list that has the name of a pack's is laid over that.
func (d *decoder) packs(metrics *node, path string) *node {
	m := *metrics
	m.items = slices.Clone(metrics.items)
	own := *metrics
	own.items = slices.DeleteFunc(slices.Clone(metrics.items), isPack)
	for i, item := range metrics.items {
		if !isPack(item) {
			continue
		}
		m.items[i] = nil
		for _, ready := range d.pack(item, index(path, i)) {
			at := indexOfName(own.items, ready)
			switch {
			case at >= 0:
				at = slices.Index(m.items, own.items[at])
				m.items[at] = merge(ready, m.items[at], reflect.TypeFor[bake.Metric]())
			case m.items[i] == nil:
				m.items[i] = ready
			default:
				m.items = append(m.items, ready)
			}
		}
	}
	m.items = slices.DeleteFunc(m.items, func(n *node) bool { return n == nil })
	return &m
}

// pack is what an item `pack: NAME` stands for; nothing after a problem. Its values are only looked at here: their variables are put in
// where they end up, in the metrics.
func (d *decoder) pack(item *node, path string) []*node {
	look := *d
	look.lint = true
	before := d.c.count
	look.value(item, reflect.ValueOf(new(bake.Pack)).Elem(), path)
	if d.c.count > before || !d.selects(item, path) {
		return nil
	}
	name := item.get("pack").value
	text, ok := pack.Text(name)
	if !ok {
		d.c.add(item.get("pack"), join(path, "pack"), didYouMean(name, pack.Names()), "there is no pack %s, want one of %s", quote(name), strings.Join(pack.Names(), ", "))
		return nil
	}
	ready := read(newCollector(name), text).items
	left := d.without(item, name, ready, path)
	var out []*node
	for _, metric := range ready {
		if !slices.Contains(left, metric.get("name").value) {
			out = append(out, fill(metric, item))
		}
	}
	if len(out) == 0 && d.c.count == before {
		d.c.add(item, path, "remove it", "without: leaves nothing of pack %s", name)
	}
	return out
}

// selects looks at the matchers of a pack.
func (d *decoder) selects(item *node, path string) bool {
	for _, key := range []string{"select", "control"} {
		n, at := item.get(key), join(path, key)
		const hint = `it is the label matchers of your service, e.g. select: app="$service"`
		switch {
		case n == nil && key == "control":
		case n == nil:
			d.c.add(item, at, hint, "the key is missing, want label matchers")
			return false
		case strings.Trim(n.value, " ,") == "":
			d.c.add(n, at, hint, "got nothing, want label matchers")
			return false
		case strings.HasPrefix(strings.TrimSpace(n.value), "{"):
			d.c.add(n, at, "", "got %s, want the label matchers without braces", quote(n.value))
			return false
		}
	}
	return true
}

// without is what is left out of a pack; it must be there.
func (d *decoder) without(item *node, name string, ready []*node, path string) (left []string) {
	var there []string
	for _, metric := range ready {
		there = append(there, metric.get("name").value)
	}
	without := item.get("without")
	if without == nil {
		return nil
	}
	for i, n := range without.items {
		if left = append(left, n.value); !slices.Contains(there, n.value) {
			d.c.add(n, join(path, index("without", i)), didYouMean(n.value, there), "pack %s has no metric %s, it has %s", name, quote(n.value), strings.Join(there, ", "))
		}
	}
	return left
}

// controlled are the queries that a control has too.
var controlled = []string{"bad", "total", "histogram", "rate", "of"}

// fill makes a metric of the configuration out of one of a pack: its name, its matchers, its source, its control.
func fill(metric, item *node) *node {
	prefix, selects, beside := item.get("pack").value, item.get("select"), item.get("control")
	if name := item.get("name"); name != nil {
		prefix = name.value
	}
	m := &node{shape: mapping, line: item.line, col: item.col, flag: item.flag}
	control := &node{shape: mapping, line: item.line, col: item.col, flag: item.flag}
	for _, e := range metric.entries {
		key, text := e.key.value, e.value.value
		if key == "name" {
			m = m.with(at(item, key), at(item, prefix+"-"+text))
			continue
		}
		m = m.with(at(selects, key), at(selects, matching(text, selects)))
		if beside != nil && slices.Contains(controlled, key) {
			control = control.with(at(beside, key), at(beside, matching(text, beside)))
		}
	}
	if from := item.get("from"); from != nil {
		m = m.with(at(item, "from"), from)
	}
	if len(control.entries) > 0 {
		m = m.with(at(item, "control"), control)
	}
	return m
}

// at is a value that stands where n does.
func at(n *node, value string) *node {
	return &node{value: value, line: n.line, col: n.col, flag: n.flag}
}

// matching puts label matchers into a query of a pack.
func matching(query string, matchers *node) string {
	return strings.ReplaceAll(query, "$select", strings.Trim(matchers.value, " ,"))
}
