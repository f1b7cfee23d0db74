package diff

import (
	"slices"
	"strings"
)

// list compares two lists.
func (c *comparer) list(a, b *Node, sa, sb scope) {
	name := ""
	if n := len(c.path); n > 0 {
		name = c.path[n-1].key
	}
	if c.isBag(a, b) {
		c.bag(a, b, sa, sb)
		return
	}
	rule, keys := listKeys(name, a, b)
	if keys == nil {
		c.sequence(a, b, sa, sb)
		return
	}
	c.byKeys(a, b, sa, sb, keys)
	switch {
	case rule.ordered:
		c.order(a, b, keys)
	case isEnv(name):
		c.variables(a, b)
	}
}

// isBag says whether the order of the list at the path has no meaning.
func (c *comparer) isBag(a, b *Node) bool {
	if !c.kubernetes || len(c.path) == 0 {
		return false
	}
	name := c.path[len(c.path)-1].key
	if scalars(a) && scalars(b) {
		return unordered[name][c.fieldAt(1)]
	}
	kinds, ok := bags[name]
	return ok && (kinds == nil || kinds[c.kind])
}

func scalars(n *Node) bool {
	return !slices.ContainsFunc(n.Items, func(i *Node) bool { return !i.scalar() })
}

func (c *comparer) byKeys(a, b *Node, sa, sb scope, keys []string) {
	idsA, idsB := identities(a, keys), identities(b, keys)
	inB := make(map[string]int, len(b.Items))
	for j, id := range idsB {
		inB[id] = j
	}
	paired := c.namedAnew(idsA, idsB, inB)
	for i, id := range idsA {
		j, ok := inB[id]
		if anew, renamed := paired[i]; renamed {
			j, ok = anew, true
		}
		if ok {
			id = idsB[j]
		}
		c.push(itemNames(id, keys))
		if ok {
			c.node(a.Items[i], b.Items[j], c.mask.item(sa, a, i), c.mask.item(sb, b, j))
			delete(inB, id)
		} else {
			c.gone(Missing, a.Items[i], c.mask.item(sa, a, i))
		}
		c.pop()
	}
	for j, id := range idsB {
		if _, left := inB[id]; left {
			c.push(itemNames(id, keys))
			c.gone(Extra, b.Items[j], c.mask.item(sb, b, j))
			c.pop()
		}
	}
}

func identities(n *Node, keys []string) []string {
	ids := make([]string, len(n.Items))
	for i, item := range n.Items {
		ids[i], _ = identity(item, keys)
	}
	return ids
}

// maxAnew bounds the items on one side alone among which those are looked for that have another name.
const maxAnew = 50

// namedAnew finds items of a Kubernetes list that have another name in the target, as their object has: a container is often called as its
// Deployment. An environment variable with another name is another variable.
func (c *comparer) namedAnew(idsA, idsB []string, inB map[string]int) map[int]int {
	if !c.kubernetes || isEnv(c.fieldAt(0)) {
		return nil
	}
	inA := make(map[string]bool, len(idsA))
	var lost []int
	for i, id := range idsA {
		inA[id] = true
		if _, ok := inB[id]; !ok {
			lost = append(lost, i)
		}
	}
	var left []int
	for j, id := range idsB {
		if !inA[id] {
			left = append(left, j)
		}
	}
	if len(lost) == 0 || len(left) == 0 || len(lost)*len(left) > maxAnew*maxAnew {
		return nil
	}
	pairs, times := map[int]int{}, map[int]int{}
	for _, i := range lost {
		fits := slices.DeleteFunc(slices.Clone(left), func(j int) bool { return !c.sameItem(idsA[i], idsB[j]) })
		if len(fits) == 1 {
			pairs[i] = fits[0]
			times[fits[0]]++
		}
	}
	for i, j := range pairs {
		if times[j] > 1 {
			delete(pairs, i)
		}
	}
	return pairs
}

// sameItem says whether two keys of items name the same thing in two environments.
func (c *comparer) sameItem(a, b string) bool {
	if c.refers[swap{strings.TrimSuffix(a, "\x00"), strings.TrimSuffix(b, "\x00")}] {
		return true
	}
	ss, ok := inSeats(cutWords(a), cutWords(b))
	return ok && !slices.ContainsFunc(ss, func(s swap) bool { return !s.known() })
}

// order tells that the items which both lists have stand in another order.
func (c *comparer) order(a, b *Node, keys []string) {
	from, to := shared(identities(a, keys), identities(b, keys))
	for i := range min(len(from), len(to)) {
		if from[i] != to[i] {
			c.reordered(a, b, c.shownOrder(from, i), c.shownOrder(to, i))
			return
		}
	}
}

// shared gives those of either list that the other one has too.
func shared(a, b []string) (inBothA, inBothB []string) {
	in := func(list []string) map[string]bool {
		m := make(map[string]bool, len(list))
		for _, id := range list {
			m[id] = true
		}
		return m
	}
	inA, inB := in(a), in(b)
	return slices.DeleteFunc(slices.Clone(a), func(id string) bool { return !inB[id] }),
		slices.DeleteFunc(slices.Clone(b), func(id string) bool { return !inA[id] })
}

// maxOrder is how many items of a list in another order are shown.
const maxOrder = 8

// shownOrder gives the items from the first that stands elsewhere, with the one before it.
func (c *comparer) shownOrder(ids []string, first int) string {
	start := max(0, first-1)
	end := min(len(ids), start+maxOrder)
	shown := make([]string, 0, maxOrder+2)
	if start > 0 {
		shown = append(shown, "…")
	}
	for _, id := range ids[start:end] {
		shown = append(shown, c.mask.name(strings.ReplaceAll(strings.TrimSuffix(id, "\x00"), "\x00", "/")))
	}
	if end < len(ids) {
		shown = append(shown, "…")
	}
	return "order: " + strings.Join(shown, ", ")
}

// bag compares lists whose order means nothing: what is the same on both sides is taken away, and the rest is told; mappings that are
// left are compared in their order.
func (c *comparer) bag(a, b *Node, sa, sb scope) {
	restA, restB := leftOver(a, b)
	if !scalars(a) {
		for len(restA) > 0 && len(restB) > 0 {
			i, j := restA[0], restB[0]
			restA, restB = restA[1:], restB[1:]
			c.push(at(j))
			c.node(a.Items[i], b.Items[j], c.mask.item(sa, a, i), c.mask.item(sb, b, j))
			c.pop()
		}
	}
	for _, i := range restA {
		c.goneAt(Missing, i, a.Items[i], c.mask.item(sa, a, i))
	}
	for _, j := range restB {
		c.goneAt(Extra, j, b.Items[j], c.mask.item(sb, b, j))
	}
}

// leftOver gives the items of either list without a counterpart; of several that are the same, the last ones are too many.
func leftOver(a, b *Node) (restA, restB []int) {
	left := map[string]int{}
	for _, item := range b.Items {
		left[canonical(item)]++
	}
	for i, item := range a.Items {
		if k := canonical(item); left[k] > 0 {
			left[k]--
		} else {
			restA = append(restA, i)
		}
	}
	for j := len(b.Items) - 1; j >= 0; j-- {
		if k := canonical(b.Items[j]); left[k] > 0 {
			left[k]--
			restB = append(restB, j)
		}
	}
	slices.Reverse(restB)
	return restA, restB
}

func (c *comparer) goneAt(class Class, i int, n *Node, s scope) {
	c.push(at(i))
	c.gone(class, n, s)
	c.pop()
}
