package diff

// maxCells bounds the table of the longest common subsequence; longer lists are compared by position behind what they share.
const maxCells = 1 << 20

// sequence compares two lists by position, around the items that both have in the same order.
func (c *comparer) sequence(a, b *Node, sa, sb scope) {
	x, y := interned(a, b)
	i, j := 0, 0
	for _, m := range matches(x, y) {
		c.between(a, b, sa, sb, span{i, m.a, j, m.b})
		i, j = m.a+1, m.b+1
	}
	c.between(a, b, sa, sb, span{i, len(x), j, len(y)})
}

// span is a run of items in either list that have no match.
type span struct{ a, aEnd, b, bEnd int }

// between compares a span: what has a counterpart by position is changed, the rest is missing or extra.
func (c *comparer) between(a, b *Node, sa, sb scope, s span) {
	for s.a < s.aEnd && s.b < s.bEnd {
		c.push(at(s.b))
		c.node(a.Items[s.a], b.Items[s.b], c.mask.item(sa, a, s.a), c.mask.item(sb, b, s.b))
		c.pop()
		s.a++
		s.b++
	}
	for ; s.a < s.aEnd; s.a++ {
		c.goneAt(Missing, s.a, a.Items[s.a], c.mask.item(sa, a, s.a))
	}
	for ; s.b < s.bEnd; s.b++ {
		c.goneAt(Extra, s.b, b.Items[s.b], c.mask.item(sb, b, s.b))
	}
}

// interned gives every item a number; equal items have the same.
func interned(a, b *Node) (x, y []int) {
	ids := map[string]int{}
	number := func(n *Node) []int {
		out := make([]int, len(n.Items))
		for i, item := range n.Items {
			k := canonical(item)
			if _, ok := ids[k]; !ok {
				ids[k] = len(ids)
			}
			out[i] = ids[k]
		}
		return out
	}
	return number(a), number(b)
}

// match is an item of one list and the same in the other.
type match struct{ a, b int }

// matches gives the items that both lists share in the same order. Lists of the same length are compared position by position: it is
// what a person sees when two arguments change places.
func matches(x, y []int) []match {
	if len(x) == len(y) {
		return inPlace(x, y)
	}
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	ms := inPlace(x[:head], y[:head])
	for _, m := range common(x[head:len(x)-tail], y[head:len(y)-tail]) {
		ms = append(ms, match{m.a + head, m.b + head})
	}
	for i := tail; i > 0; i-- {
		ms = append(ms, match{len(x) - i, len(y) - i})
	}
	return ms
}

func inPlace(x, y []int) (ms []match) {
	for i := range x {
		if x[i] == y[i] {
			ms = append(ms, match{i, i})
		}
	}
	return ms
}

// common is the longest common subsequence, by the table of its lengths.
func common(x, y []int) (ms []match) {
	if len(x) == 0 || len(y) == 0 || len(x)*len(y) > maxCells {
		return nil
	}
	width := len(y) + 1
	table := make([]int32, (len(x)+1)*width)
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] == y[j]:
			ms = append(ms, match{i, j})
			i++
			j++
		case table[(i+1)*width+j] >= table[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return ms
}
