package diff

import (
	"slices"
	"strings"
)

// movedSpaces gives the namespaces that have another name in the target: where each state has but one, that one; else those that stand
// on one side alone and differ as environments do.
func movedSpaces(a, b []*Object) map[string]string {
	inA, inB := spacesOf(a), spacesOf(b)
	if len(inA) <= 1 && len(inB) <= 1 {
		from, to := strings.Join(inA, ""), strings.Join(inB, "")
		if from == to || len(a) == 0 || len(b) == 0 {
			return nil
		}
		return map[string]string{from: to}
	}
	lostA, lostB := except(inA, inB), except(inB, inA)
	learned := learnSwaps(spaceNames(lostA), spaceNames(lostB))
	moved := map[string]string{}
	for _, from := range lostA {
		if to := learned.apply(from); to != from && slices.Contains(lostB, to) {
			moved[from] = to
		}
	}
	return moved
}

func spaceNames(names []string) []nameOf {
	ns := make([]nameOf, len(names))
	for i, n := range names {
		ns[i] = nameOf{name: n}
	}
	return ns
}

// spacesOf lists the namespaces of a state, sorted.
func spacesOf(os []*Object) []string {
	seen := map[string]bool{"": true}
	var names []string
	for _, o := range os {
		if !seen[o.Namespace] {
			seen[o.Namespace] = true
			names = append(names, o.Namespace)
		}
	}
	slices.Sort(names)
	return names
}

// except gives what is in a and not in b; both are sorted.
func except(a, b []string) []string {
	var out []string
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			out = append(out, s)
		}
	}
	return out
}
