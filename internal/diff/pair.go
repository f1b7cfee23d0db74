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
	reason           Reason
	confidence       float64
	// moved and renamed say that its namespace and its name are told elsewhere, for many objects at once, or are no difference.
	moved, renamed bool
	identical      bool // in every value, as it is written
	swap           swap // what differs in the names of a pair that was found by its environment
}

func (p pair) either() *Object {
	if p.target != nil {
		return p.target
	}
	return p.previous
}

// both says whether the object is in both states.
func (p pair) both() bool { return p.previous != nil && p.target != nil }

// Reason says why an object of the one state is taken for one of the other.
type Reason string

// The reasons, in the order in which they are tried. Each behind ByVersion is taken only where it leaves no choice.
const (
	ByName         Reason = "name"          // kind, namespace and name are the same
	ByVersion      Reason = "api-version"   // and the version of the API is another one
	ByNamespace    Reason = "namespace"     // the namespaces differ: one in each state, those of two environments, or the only one with that name
	ByFile         Reason = "file"          // files with the same base name
	ByHash         Reason = "hash"          // the name but for a hash of the content at its end, as kustomize writes it
	ByGenerateName Reason = "generate-name" // the cluster made both names from the same beginning
	ByEnvironment  Reason = "environment"   // the names differ in the environment that they name
	BySimilarity   Reason = "similar"       // most values are the same
	ByCompany      Reason = "company"       // objects of other kinds with the same two names are similar
	ByRest         Reason = "rest"          // files: the one that is left on each side
)

// confidence says how sure a pair is that was found for a reason, from 0 to 1. Similar objects have the share of values that are equal.
var confidence = map[Reason]float64{ByName: 1, ByVersion: 1, ByNamespace: 0.8, ByFile: 0.95, ByHash: 0.95, ByGenerateName: 0.9,
	ByEnvironment: 0.9, ByCompany: 0.7, ByRest: 0.5}

// pairing is what the pairing found.
type pairing struct {
	pairs  []pair
	spaces map[string]string // a namespace of previous, and what it is called in the target, where they differ
	// before and after are all objects of either state, so that a name is known to be the only one of its kind.
	before, after []*Object
}

// pairObjects finds what belongs together: the same kind, namespace and name. What is left is tried with less and less of that.
func pairObjects(previous, target []Object) pairing {
	ps := &pairing{before: pointers(previous), after: pointers(target)}
	a, b := ps.before, ps.after
	ps.spaces = movedSpaces(a, b)
	a, b = ps.byName(a, b)
	a, b = ps.files(a, b)
	a, b = ps.renames(a, b)
	a, b = ps.similar(a, b)
	a, b = ps.companions(a, b)
	a, b = ps.only(ByRest, a, b, fileKey(func(o *Object) string { _, n, _ := strings.Cut(o.Name, "#"); return "#" + n }))
	for _, o := range a {
		ps.pairs = append(ps.pairs, pair{previous: o})
	}
	for _, o := range b {
		ps.pairs = append(ps.pairs, pair{target: o})
	}
	slices.SortStableFunc(ps.pairs, func(x, y pair) int { return compareObjects(x.either(), y.either()) }) // as their objects were read, if of one name
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
	return ps
}

func compareObjects(x, y *Object) int {
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name),
		cmp.Compare(x.APIVersion, y.APIVersion), cmp.Compare(x.File, y.File))
}

// objectKey is what an object is known by. Without a name it is known by nothing.
type objectKey struct{ kind, version, namespace, name, file string }

// name gives what an object of previous is called in the target, as far as namespaces say so.
func (ps *pairing) name(o *Object) string {
	if to, ok := ps.spaces[o.Name]; ok && o.Kind == "Namespace" {
		return to
	}
	return o.Name
}

// space gives the namespace of an object as the target calls it.
func (ps *pairing) space(o *Object) string {
	if to, ok := ps.spaces[o.Namespace]; ok {
		return to
	}
	return o.Namespace
}

func group(o *Object) string {
	g, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		return ""
	}
	return g
}

// byName pairs what has the same name. Nearly everything has a name of its own; what hasn't is told apart by its version and its file.
func (ps *pairing) byName(a, b []*Object) (restA, restB []*Object) {
	full := func(o *Object) objectKey { return objectKey{kind: o.Kind, namespace: ps.space(o), name: ps.name(o)} }
	version := func(o *Object) objectKey { k := full(o); k.version = o.APIVersion; return k }
	inFile := func(o *Object) objectKey { k := version(o); k.file = path.Base(o.File); return k }
	ofGroup := func(o *Object) objectKey { k := full(o); k.version = group(o); return k }
	a, b = ps.only(ByName, a, b, full)
	manyA, manyB := shareKey(a, b, full), shareKey(b, a, full)
	taken := map[*Object]bool{}
	for _, o := range slices.Concat(manyA, manyB) {
		taken[o] = true
	}
	for _, key := range []func(*Object) objectKey{inFile, version, ofGroup, full} {
		manyA, manyB = ps.match(manyA, manyB, key)
	}
	a, b = untaken(a, b, taken)
	a, b = append(a, manyA...), append(b, manyB...)
	return ps.only(ByNamespace, a, b, func(o *Object) objectKey { return objectKey{kind: o.Kind, name: ps.name(o)} })
}

// shareKey gives those of a whose key something in b has too.
func shareKey(a, b []*Object, key func(*Object) objectKey) []*Object {
	inB := singles(b, key)
	return slices.DeleteFunc(slices.Clone(a), func(o *Object) bool { _, found := inB[key(o)]; return !found })
}

// files pairs what is known by its file.
func (ps *pairing) files(a, b []*Object) (restA, restB []*Object) {
	a, b = ps.only(ByFile, a, b, fileKey(func(o *Object) string { return path.Base(o.Name) }))
	bare := func(name string) string {
		rest, found := cutWords(name).bare()
		if !found {
			return name
		}
		return rest
	}
	a, b = ps.only(ByEnvironment, a, b, fileKey(func(o *Object) string { return bare(o.Name) }))
	return ps.only(ByEnvironment, a, b, fileKey(func(o *Object) string { return bare(path.Base(o.Name)) }))
}

// fileKey is for what is known by its file alone; anything else stays out.
func fileKey(key func(*Object) string) func(*Object) objectKey {
	return func(o *Object) objectKey {
		if isKubernetes(o) {
			return objectKey{}
		}
		return objectKey{kind: o.Kind, version: "file", name: key(o)}
	}
}

// match pairs objects with the same key: of several, those with the same content first, then the first with the first.
func (ps *pairing) match(a, b []*Object, key func(*Object) objectKey) (restA, restB []*Object) {
	if len(a) == 0 || len(b) == 0 {
		return a, b
	}
	waiting := byKey(b, key)
	taken := make(map[*Object]bool, len(b))
	ps.matchContent(several(a, key, waiting), waiting, taken)
	for _, x := range a {
		k := key(x)
		w := waiting[k]
		for len(w) > 0 && taken[w[0]] {
			w = w[1:]
		}
		if len(w) > 0 && !taken[x] {
			ps.add(ByName, x, w[0])
			taken[x], taken[w[0]] = true, true
		}
		waiting[k] = w
	}
	return untaken(a, b, taken)
}

func untaken(a, b []*Object, taken map[*Object]bool) (restA, restB []*Object) {
	gone := func(o *Object) bool { return taken[o] }
	return slices.DeleteFunc(slices.Clone(a), gone), slices.DeleteFunc(slices.Clone(b), gone)
}

// maxSameName bounds how many objects of one name are looked at for the one with the same content.
const maxSameName = 200

// several gives the objects of a whose key more than one on the other side has.
func several(a []*Object, key func(*Object) objectKey, waiting map[objectKey][]*Object) map[objectKey][]*Object {
	out := map[objectKey][]*Object{}
	for _, o := range a {
		k := key(o)
		if n := len(waiting[k]); n > 1 && n <= maxSameName && len(out[k]) < maxSameName {
			out[k] = append(out[k], o)
		}
	}
	return out
}

// matchContent pairs those of several objects with one name that are the same in every value.
func (ps *pairing) matchContent(several, waiting map[objectKey][]*Object, taken map[*Object]bool) {
	for k, xs := range several {
		for _, x := range xs {
			for _, y := range waiting[k] {
				if !taken[y] && equal(x.Root, y.Root) {
					ps.add(ByName, x, y)
					taken[x], taken[y] = true, true
					break
				}
			}
		}
	}
}

// only pairs objects whose key nothing else has that is left on their side.
func (ps *pairing) only(why Reason, a, b []*Object, key func(*Object) objectKey) (restA, restB []*Object) {
	return ps.onlyIf(why, a, b, key, key, anyPair)
}

// onlyIf is only, where each side has its own key and a pair must fit.
func (ps *pairing) onlyIf(why Reason, a, b []*Object, keyA, keyB func(*Object) objectKey, fit func(x, y *Object) bool) (restA, restB []*Object) {
	if len(a) == 0 || len(b) == 0 {
		return a, b
	}
	inA, inB := singles(a, keyA), singles(b, keyB)
	taken := map[*Object]bool{}
	for _, x := range a {
		k := keyA(x)
		y := inB[k]
		if k.name == "" || inA[k] == nil || y == nil || !fit(x, y) {
			continue
		}
		ps.add(why, x, y)
		taken[x], taken[y] = true, true
	}
	return untaken(a, b, taken)
}

// singles gives the objects that are alone with their key; nil where several are.
func singles(os []*Object, key func(*Object) objectKey) map[objectKey]*Object {
	m := make(map[objectKey]*Object, len(os))
	for _, o := range os {
		k := key(o)
		if _, found := m[k]; found {
			m[k] = nil
		} else {
			m[k] = o
		}
	}
	return m
}

func byKey(os []*Object, key func(*Object) objectKey) map[objectKey][]*Object {
	m := make(map[objectKey][]*Object, len(os))
	for _, o := range os {
		k := key(o)
		m[k] = append(m[k], o)
	}
	return m
}

func (ps *pairing) add(why Reason, a, b *Object) {
	p := pair{previous: a, target: b, reason: why, confidence: confidence[why]}
	p.moved = a.Namespace != b.Namespace && ps.space(a) == b.Namespace
	switch {
	case a.Kind == "Namespace" && a.Name != b.Name && ps.name(a) == b.Name:
		p.reason, p.renamed = ByNamespace, true
	case why == ByName && p.moved: // all that stood in the one namespace stands in the other
		p.reason = ByNamespace
	case why == ByEnvironment:
		p.swap = renaming(a, b)
	case why == ByName && a.APIVersion != b.APIVersion:
		p.reason = ByVersion
	}
	ps.pairs = append(ps.pairs, p)
}
