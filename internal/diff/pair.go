package diff

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// pair is an object in both states, or in one of them.
type pair struct {
	previous, target *Object
	moved            bool // the namespace changed for all objects, which is told once
}

func (p pair) either() *Object {
	if p.target != nil {
		return p.target
	}
	return p.previous
}

// pairing is what the pairing found.
type pairing struct {
	pairs    []pair
	from, to string // the namespaces, where all objects moved from one to another
	moved    bool
}

// pairObjects finds what belongs together: the same kind, namespace and name. What is left is tried with less and less of that, each
// time only where there is no choice to be made: another version of the API, the one namespace of each state, any namespace, and for
// files without a kind their base name, then the one that is left on each side.
func pairObjects(previous, target []Object) pairing {
	ps := &pairing{}
	a, b := pointers(previous), pointers(target)
	ps.from, ps.to, ps.moved = moved(a, b)
	space := func(o *Object) string {
		if ps.moved && o.Namespace == ps.from {
			return ps.to
		}
		return o.Namespace
	}
	name := func(o *Object) string {
		if ps.moved && o.Kind == "Namespace" && o.Name == ps.from {
			return ps.to
		}
		return o.Name
	}
	full := func(o *Object) string { return join(o.Kind, space(o), name(o)) }
	a, b = ps.match(a, b, func(o *Object) string { return join(o.APIVersion, full(o), path.Base(o.File)) })
	a, b = ps.match(a, b, func(o *Object) string { return join(o.APIVersion, full(o)) })
	a, b = ps.match(a, b, func(o *Object) string { return join(group(o), full(o)) })
	a, b = ps.match(a, b, full)
	a, b = ps.only(a, b, func(o *Object) string { return join(o.Kind, name(o)) })
	a, b = ps.only(a, b, fileKey(func(o *Object) string { return path.Base(o.Name) }))
	a, b = ps.only(a, b, fileKey(func(o *Object) string { _, n, _ := strings.Cut(o.Name, "#"); return n }))
	for _, o := range a {
		ps.pairs = append(ps.pairs, pair{previous: o})
	}
	for _, o := range b {
		ps.pairs = append(ps.pairs, pair{target: o})
	}
	slices.SortStableFunc(ps.pairs, func(x, y pair) int { return compareObjects(x.either(), y.either()) })
	return *ps
}

func join(parts ...string) string { return strings.Join(parts, "\x00") }

func pointers(os []Object) []*Object {
	ps := make([]*Object, 0, len(os))
	for i := range os {
		if os[i].Root != nil {
			ps = append(ps, &os[i])
		}
	}
	slices.SortStableFunc(ps, func(x, y *Object) int {
		return cmp.Or(compareObjects(x, y), cmp.Compare(x.Root.Line, y.Root.Line), cmp.Compare(x.Root.Column, y.Root.Column))
	})
	return ps
}

func compareObjects(x, y *Object) int {
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name),
		cmp.Compare(x.APIVersion, y.APIVersion), cmp.Compare(x.File, y.File))
}

// moved gives the namespaces where each state has one and they differ; "" where a state names none.
func moved(a, b []*Object) (from, to string, ok bool) {
	from, one := namespace(a)
	to, other := namespace(b)
	return from, to, one && other && from != to && len(a) > 0 && len(b) > 0
}

func namespace(os []*Object) (name string, one bool) {
	for _, o := range os {
		switch {
		case o.Namespace == "" || o.Namespace == name:
		case name == "":
			name = o.Namespace
		default:
			return "", false
		}
	}
	return name, true
}

func group(o *Object) string {
	g, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		return ""
	}
	return g
}

// fileKey is for what is known by its file alone; "" stays out.
func fileKey(key func(*Object) string) func(*Object) string {
	return func(o *Object) string {
		if o.Kind != "" && o.Kind != KindDotenv {
			return ""
		}
		return join(o.Kind, "f", key(o))
	}
}

// match pairs objects with the same key, the first with the first, and gives what is left.
func (ps *pairing) match(a, b []*Object, key func(*Object) string) (restA, restB []*Object) {
	waiting := make(map[string][]*Object, len(b))
	for _, o := range b {
		k := key(o)
		waiting[k] = append(waiting[k], o)
	}
	taken := make(map[*Object]bool, len(b))
	for _, o := range a {
		k := key(o)
		if w := waiting[k]; len(w) > 0 {
			ps.add(o, w[0])
			waiting[k], taken[w[0]] = w[1:], true
		} else {
			restA = append(restA, o)
		}
	}
	for _, o := range b {
		if !taken[o] {
			restB = append(restB, o)
		}
	}
	return restA, restB
}

// only pairs objects whose key nothing else on their side has.
func (ps *pairing) only(a, b []*Object, key func(*Object) string) (restA, restB []*Object) {
	inA, inB := byKey(a, key), byKey(b, key)
	alone := func(o *Object) bool {
		k := key(o)
		return k != "" && len(inA[k]) == 1 && len(inB[k]) == 1
	}
	for _, o := range a {
		if alone(o) {
			ps.add(o, inB[key(o)][0])
		} else {
			restA = append(restA, o)
		}
	}
	for _, o := range b {
		if !alone(o) {
			restB = append(restB, o)
		}
	}
	return restA, restB
}

func byKey(os []*Object, key func(*Object) string) map[string][]*Object {
	m := map[string][]*Object{}
	for _, o := range os {
		m[key(o)] = append(m[key(o)], o)
	}
	return m
}

func (ps *pairing) add(a, b *Object) {
	ps.pairs = append(ps.pairs, pair{previous: a, target: b, moved: ps.moved && a.Namespace == ps.from && b.Namespace == ps.to ||
		ps.moved && a.Kind == "Namespace" && a.Name == ps.from && b.Name == ps.to})
}
