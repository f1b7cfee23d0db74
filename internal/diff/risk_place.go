package diff

// Where the walk is, what stands there, and how it is told.

// parent gives the mapping or list that the value at hand stands in, n steps up.
func (w *survey) parent(n int) both {
	if i := len(w.steps) - 1 - n; i >= 0 {
		return w.steps[i].both
	}
	return both{rootOf(w.c.previous), rootOf(w.c.target)}
}

// key gives the key n steps up: key(0) is that of the value at hand, "" for an item and above the root.
func (w *survey) key(n int) string {
	if i := len(w.steps) - 1 - n; i >= 0 {
		return w.steps[i].key
	}
	return ""
}

// under says whether the value at hand stands below a field of that name.
func (w *survey) under(key string) bool {
	for _, s := range w.steps[:max(0, len(w.steps)-1)] {
		if s.key == key {
			return true
		}
	}
	return false
}

// path gives the way to the value at hand as it may be shown.
func (w *survey) path() []segment {
	path := make([]segment, len(w.steps))
	up := both{rootOf(w.c.previous), rootOf(w.c.target)}
	name := ""
	for i, s := range w.steps {
		seg := field(s.key)
		switch {
		case s.item:
			seg = itemSegmentOf(name, up, s)
		case s.key == "" && up.embeds(s.both):
			seg = segment{kind: documentSegment}
		}
		path[i] = w.c.mask.segment(seg)
		up, name = s.both, s.key
	}
	return path
}

// itemSegmentOf names an item as the comparison does.
func itemSegmentOf(name string, list both, s surveyStep) segment {
	a, b := either(list.a, list.b), either(list.b, list.a)
	if !a.IsList {
		a = b
	}
	index := s.ib
	if index < 0 {
		index = s.ia
	}
	_, keys := listKeys(name, a, b)
	if keys == nil {
		return at(index)
	}
	id, _ := identity(either(s.b, s.a), keys)
	return itemNames(id, keys)
}

// scope says whether the value at hand is secret, on one side.
func (w *survey) scope(target bool) scope {
	side := func(x both) *Node {
		if target {
			return x.b
		}
		return x.a
	}
	s, up := scope{}, both{rootOf(w.c.previous), rootOf(w.c.target)}
	for _, step := range w.steps {
		parent, index := side(up), step.ia
		if target {
			index = step.ib
		}
		switch {
		case parent == nil:
			return s
		case !step.item && !parent.scalar():
			s = w.c.mask.field(s, parent, step.key)
		case step.item && index >= 0 && index < len(parent.Items):
			s = w.c.mask.item(s, parent, index)
		}
		up = step.both
	}
	return s
}

// shown gives the value at hand of one side, masked.
func (w *survey) shown(x both, target bool) string {
	n := x.a
	if target {
		n = x.b
	}
	if n == nil {
		return "missing"
	}
	s, _ := w.c.mask.show(n, w.scope(target))
	return s
}

// note notes what a check found at the value at hand.
func (w *survey) note(a *advice, x both, st state) {
	w.notef(a, a.severity, x, st, "", "")
}

// notef does so with texts of its own, where they are not empty. They must be masked.
func (w *survey) notef(a *advice, s severity, x both, st state, got, want string) {
	if got == "" {
		got = w.shown(x, true)
	}
	switch {
	case want != "":
	case st == alike:
		want = "as in previous"
	case x.a == nil:
		want = "nothing"
	default:
		want = w.shown(x, false)
	}
	if st == alike && !(w.production && mattersMost[a]) {
		s = low
	}
	o := occurrence{advice: a, severity: s, state: st, order: w.order, object: w.c.id, names: w.c.names, path: w.path(),
		got: got, want: want, a: x.a, b: x.b}
	switch up := w.parent(1); {
	case x.b != nil:
		o.at = w.c.position(w.c.target, x.b)
	case x.a != nil:
		o.at = w.c.position(w.c.previous, x.a)
	case up.b != nil:
		o.at = w.c.position(w.c.target, up.b)
	}
	w.found = append(w.found, o)
}

// gone notes that an object of previous is not in the target.
func (w *survey) gone(a *advice, s severity, p pair) {
	w.steps = w.steps[:0]
	w.notef(a, s, both{a: p.previous.Root}, worse, "missing", "an object with "+plural(p.previous.Root.leaves(), "value"))
}

// isProduction says whether a state is called so: by its own name, or by the one namespace of its objects.
func isProduction(t Tree) bool {
	space, one := "", true
	for i := range t.Objects {
		if n := t.Objects[i].Namespace; n != "" && n != space {
			one = one && space == ""
			space = n
		}
	}
	return sayProduction(t.Name) || one && sayProduction(space)
}

func sayProduction(name string) bool {
	said := false
	for _, word := range wordsOf(name) {
		switch word {
		case "production", "prod", "prd", "live":
			said = true
		case "pre", "preprod", "non", "nonprod":
			return false
		}
	}
	return said
}
