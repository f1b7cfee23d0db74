package diff

import (
	"cmp"
	"slices"
)

// What is left without a counterpart is paired by what is in it, as a file that was renamed is found by its content.

const (
	enoughAlike = 0.6  // the least share of values that are equal
	clearlyBest = 0.05 // how much better the best counterpart must be than the next
	minAlike    = 4    // the fewest values an object has that is looked at: less is alike by chance
	// A value that more objects than these have in common tells none from another; it leads to no candidates.
	maxSharing    = 24
	maxCandidates = 6 // objects whose likeness is computed for one
	maxSimilar    = 10_000
)

// candidate is an object that is looked at for its likeness.
type candidate struct {
	object *Object
	leaves []leaf // sorted
}

// similar pairs objects of one kind by their content, where each is the other's best and no other comes near. The work is bounded: only
// objects that share a rare value are compared.
func (ps *pairing) similar(a, b []*Object) (restA, restB []*Object) {
	if len(a) == 0 || len(b) == 0 || len(a) > maxSimilar || len(b) > maxSimilar {
		return a, b
	}
	kind := func(o *Object) objectKey { return objectKey{kind: o.Kind} }
	ofA, ofB := byKey(a, kind), byKey(b, kind)
	taken := map[*Object]bool{}
	for _, x := range a {
		k := kind(x)
		if as, bs := ofA[k], ofB[k]; len(as) > 0 && len(bs) > 0 {
			ps.alike(candidates(as), candidates(bs), taken)
		}
		delete(ofA, k) // the kind is done
	}
	return untaken(a, b, taken)
}

func candidates(os []*Object) []candidate {
	var cs []candidate
	for _, o := range os {
		if ls := leavesOf(o, nil); len(ls) >= minAlike {
			cs = append(cs, candidate{o, ls})
		}
	}
	return cs
}

// best is the counterpart that an object found.
type best struct {
	of          int // -1: none
	share, next float64
}

func (b best) clear() bool { return b.share >= enoughAlike && b.share-b.next >= clearlyBest }

// alike pairs objects of one kind.
func (ps *pairing) alike(as, bs []candidate, taken map[*Object]bool) {
	forA, forB := bestOf(as, bs), bestOf(bs, as)
	for i, x := range as {
		m := forA[i]
		if m.of < 0 || forB[m.of].of != i || !m.clear() || !forB[m.of].clear() {
			continue
		}
		y := bs[m.of].object
		ps.add(BySimilarity, x.object, y)
		ps.pairs[len(ps.pairs)-1].confidence = m.share
		taken[x.object], taken[y] = true, true
	}
}

// bestOf finds for each of as the object of bs that is most like it.
func bestOf(as, bs []candidate) []best {
	sharing := map[leaf][]int{}
	for i, c := range bs {
		for _, l := range slices.Compact(slices.Clone(c.leaves)) {
			if len(sharing[l]) <= maxSharing {
				sharing[l] = append(sharing[l], i)
			}
		}
	}
	out := make([]best, len(as))
	for i, c := range as {
		out[i] = best{of: -1}
		for _, j := range nearest(c, sharing) {
			switch share := likeness(c.leaves, bs[j].leaves); {
			case share > out[i].share:
				out[i] = best{j, share, out[i].share}
			case share > out[i].next:
				out[i].next = share
			}
		}
	}
	return out
}

// nearest gives the few objects that share the most rare values.
func nearest(c candidate, sharing map[leaf][]int) []int {
	count := map[int]int{}
	for _, l := range slices.Compact(slices.Clone(c.leaves)) {
		if js := sharing[l]; len(js) <= maxSharing {
			for _, j := range js {
				count[j]++
			}
		}
	}
	js := make([]int, 0, len(count))
	for j := range count {
		js = append(js, j)
	}
	slices.SortFunc(js, func(x, y int) int { return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x, y)) })
	return js[:min(len(js), maxCandidates)]
}

// likeness is the share of values that two objects have in common, of those of the larger one.
func likeness(a, b []leaf) float64 {
	if len(a)+len(b) == 0 {
		return 1
	}
	common := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common++
			i++
			j++
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return float64(common) / float64(max(len(a), len(b)))
}
