package diff

import (
	"slices"
	"strings"
)

// Objects that have another name in the target: by a hash at its end, by what the cluster appended to it, by the environment in it.

const (
	// kustomizeHash is what kustomize appends to the name of a generated object: ten characters of a hexadecimal digest in which those
	// that could spell a word are replaced (sigs.k8s.io/kustomize/api/hasher).
	kustomizeHash = "2456789bcdfghkmt"
	// clusterHash is what the controllers of Kubernetes append (k8s.io/apimachinery/pkg/util/rand).
	clusterHash = "bcdfghjklmnpqrstvwxz2456789"
)

// withoutHash gives the name without a hash at its end, the name itself where there is none.
func withoutHash(o *Object) string {
	switch o.Kind {
	case "Pod":
		return cutHash(cutHash(o.Name, clusterHash, 5, 5), clusterHash, 8, 10)
	case "ReplicaSet", "ControllerRevision":
		return cutHash(o.Name, clusterHash, 8, 10)
	}
	return cutHash(o.Name, kustomizeHash, 10, 10)
}

// cutHash takes a hash with so many of the characters from the end of a name, and the hyphen before it.
func cutHash(name, characters string, least, most int) string {
	rest := strings.TrimRight(name, characters)
	if n := len(name) - len(rest); n < least || n > most || len(rest) < 2 || rest[len(rest)-1] != '-' {
		return name
	}
	return rest[:len(rest)-1]
}

func isKubernetes(o *Object) bool { return o.Kind != "" && o.Kind != KindDotenv }

// renames pairs Kubernetes objects that have another name in the target.
func (ps *pairing) renames(a, b []*Object) (restA, restB []*Object) {
	a, b = ps.only(ByHash, a, b, ps.keyed(withoutHash))
	a, b = ps.only(ByGenerateName, a, b, ps.keyed(func(o *Object) string { return o.Root.Fields["metadata"].text("generateName") }))
	a, b = ps.learned(a, b)
	return ps.known(a, b)
}

// keyed is the key of a Kubernetes object by a form of its name; nothing else has one.
func (ps *pairing) keyed(name func(*Object) string) func(*Object) objectKey {
	return func(o *Object) objectKey {
		if !isKubernetes(o) {
			return objectKey{}
		}
		return objectKey{kind: o.Kind, namespace: ps.space(o), name: name(o)}
	}
}

// learned pairs by the words that differ in the names of these two states throughout. Where such a word is not known to name an
// environment the objects must be alike too.
func (ps *pairing) learned(a, b []*Object) (restA, restB []*Object) {
	if len(a) == 0 || len(b) == 0 {
		return a, b
	}
	learned := learnSwaps(ps.namesOf(a), ps.namesOf(b))
	target := func(o *Object) string { return learned.apply(withoutHash(o)) }
	return ps.onlyIf(ByEnvironment, a, b, ps.keyed(target), ps.keyed(withoutHash), func(x, y *Object) bool {
		return environmentsOnly(withoutHash(x), withoutHash(y)) || likeness(leavesOf(x, learned.apply), leavesOf(y, nil)) >= enoughAlike
	})
}

func environmentsOnly(a, b string) bool {
	ss, _ := swapped(a, b)
	return !slices.ContainsFunc(ss, func(s swap) bool { return !s.known() })
}

func (ps *pairing) namesOf(os []*Object) []nameOf {
	var out []nameOf
	for _, o := range os {
		if isKubernetes(o) {
			out = append(out, nameOf{join(o.Kind, ps.space(o)), withoutHash(o)})
		}
	}
	return out
}

// known pairs by what is left of the names without the words that are known to name environments, where no other object of its kind in
// either state has as much left.
func (ps *pairing) known(a, b []*Object) (restA, restB []*Object) {
	if len(a) == 0 || len(b) == 0 {
		return a, b
	}
	bare := ps.keyed(func(o *Object) string { rest, _ := cutWords(withoutHash(o)).bare(); return rest })
	before, after := singles(ps.before, bare), singles(ps.after, bare)
	return ps.onlyIf(ByEnvironment, a, b, bare, bare, func(x, y *Object) bool {
		_, inX := cutWords(withoutHash(x)).bare()
		_, inY := cutWords(withoutHash(y)).bare()
		return (inX || inY) && before[bare(x)] != nil && after[bare(y)] != nil
	})
}

// companions pairs objects that have the same two names as objects of other kinds that were paired by their content: a Service has little
// in it to be known by, and is called as its Deployment.
func (ps *pairing) companions(a, b []*Object) (restA, restB []*Object) {
	called := map[objectKey]string{}
	for _, p := range ps.pairs {
		if p.reason == BySimilarity && isKubernetes(p.target) {
			called[objectKey{namespace: p.target.Namespace, name: p.previous.Name}] = p.target.Name
		}
	}
	if len(called) == 0 {
		return a, b
	}
	now := func(o *Object) string { return called[objectKey{namespace: ps.space(o), name: o.Name}] }
	return ps.onlyIf(ByCompany, a, b, ps.keyed(now), ps.keyed(func(o *Object) string { return o.Name }), anyPair)
}

func anyPair(_, _ *Object) bool { return true }
