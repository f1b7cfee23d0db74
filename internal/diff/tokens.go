package diff

import (
	"cmp"
	"slices"
	"strings"
)

// Names of two environments differ in a word: checkout-staging and checkout-prod, values-staging.yaml and values-production.yaml,
// eu-west-1.checkout and us-east-1.checkout.

// environmentWords are the words by which people tell environments and places apart. A number behind one belongs to it: uat2.
var environmentWords = set(`dev devel develop development tst test testing qa qas uat sit int integration stg stag stage staging preprod preproduction
	pre preview nonprod non prd prod production live sandbox sbx demo canary perf dr ci local eu us emea apac amer na europe asia america`)

// Parts of the names of regions, as AWS (eu-west-1, us-gov-east-1) and Google (europe-west1) write them.
var (
	regionHeads = set("af ap ca cn eu il me mx sa us africa asia australia europe northamerica southamerica")
	compass     = set("north south east west central northeast northwest southeast southwest")
)

func isEnvironment(word string) bool {
	w := strings.ToLower(word)
	return environmentWords[w] || environmentWords[strings.TrimRight(w, "0123456789")] || strings.ContainsRune(w, '-')
}

// words are the words of a name, and what stands between: one more than there are words, the last behind the last word.
type words struct{ words, gaps []string }

// maxWords bounds the words of a name that is looked at; a longer one is one word.
const maxWords = 24

// cutWords splits a name at what is no letter or digit. The name of a region stays one word.
func cutWords(name string) words {
	n := 0
	for i := range len(name) {
		if isWordByte(name[i]) && (i == 0 || !isWordByte(name[i-1])) {
			n++
		}
	}
	if n > maxWords {
		return words{[]string{name}, []string{"", ""}}
	}
	w := words{make([]string, 0, n), make([]string, 0, n+1)}
	start, gap := -1, 0
	for i := 0; i <= len(name); i++ {
		switch in := i < len(name) && isWordByte(name[i]); {
		case in && start < 0:
			w.gaps = append(w.gaps, name[gap:i])
			start = i
		case !in && start >= 0:
			w.words = append(w.words, name[start:i])
			start, gap = -1, i
		}
	}
	w.gaps = append(w.gaps, name[gap:])
	return w.regions()
}

// compound says whether a name has more than one word.
func compound(name string) bool {
	return strings.ContainsFunc(strings.Trim(name, "-._/:"), func(r rune) bool { return r < 0x80 && !isWordByte(byte(r)) })
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// regions joins the words that name a region.
func (w words) regions() words {
	for i := 0; i < len(w.words); i++ {
		n := regionLength(w.words[i:])
		if n < 2 || slices.ContainsFunc(w.gaps[i+1:i+n], func(g string) bool { return g != "-" }) {
			continue
		}
		joined := strings.Join(w.words[i:i+n], "-")
		w.words = append(append(slices.Clone(w.words[:i]), joined), w.words[i+n:]...)
		w.gaps = append(slices.Clone(w.gaps[:i+1]), w.gaps[i+n:]...)
	}
	return w
}

// regionLength says how many words at the beginning name a region.
func regionLength(ws []string) int {
	if len(ws) < 2 || !regionHeads[ws[0]] {
		return 0
	}
	i := 1
	if ws[i] == "gov" && len(ws) > 2 {
		i++
	}
	direction := strings.TrimRight(ws[i], "0123456789")
	switch {
	case !compass[direction]:
		return 0
	case direction != ws[i]: // europe-west1
		return i + 1
	case i+1 < len(ws) && digits(ws[i+1]): // eu-west-1
		return i + 2
	}
	return 0
}

func (w words) String() string {
	var b strings.Builder
	for i, word := range w.words {
		b.WriteString(w.gaps[i])
		b.WriteString(word)
	}
	b.WriteString(w.gaps[len(w.words)])
	return b.String()
}

// bare gives the name without its environment: the same for checkout-staging, prod.checkout and checkout. found says that there was one.
// It is "" where nothing else is in the name.
func (w words) bare() (rest string, found bool) {
	var kept []string
	for _, word := range w.words {
		if isEnvironment(word) {
			found = true
		} else {
			kept = append(kept, word)
		}
	}
	return strings.Join(kept, "-"), found
}

func (w words) environment() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(w.words), func(word string) bool { return !isEnvironment(word) }), "-")
}

// swap is a word of previous that stands as another one in the target. One of them may be "": the word is on one side alone.
type swap struct{ from, to string }

func (s swap) String() string { return orNone(s.from) + " -> " + orNone(s.to) }

func orNone(word string) string {
	if word == "" {
		return "(none)"
	}
	return word
}

// known says whether both words name environments.
func (s swap) known() bool { return isEnvironment(s.from) && isEnvironment(s.to) }

// swapped lists, each once, the words by which two names differ; ok says that they differ in such words alone.
func swapped(a, b string) (ss []swap, ok bool) {
	x, y := cutWords(a), cutWords(b)
	if ss, ok = inSeats(x, y); ok {
		return ss, true
	}
	return dropped(x, y)
}

// inSeats is for names that have as many words, with the same between them.
func inSeats(x, y words) (ss []swap, ok bool) {
	if len(x.words) != len(y.words) || !slices.Equal(x.gaps, y.gaps) {
		return nil, false
	}
	for i := range x.words {
		if s := (swap{x.words[i], y.words[i]}); s.from != s.to && !slices.Contains(ss, s) {
			ss = append(ss, s)
		}
	}
	return ss, len(ss) > 0
}

// maxSwapped bounds the texts that are looked at for words that are swapped, in bytes.
const maxSwapped = 1000

// swapOf says in which words two texts differ, where all of these name environments or accounts: "staging -> prod".
func swapOf(a, b *Node) string {
	if a.Type != "string" || b.Type != "string" || len(a.Value) > maxSwapped || len(b.Value) > maxSwapped {
		return ""
	}
	ss, ok := inSeats(cutWords(a.Value), cutWords(b.Value))
	if !ok || len(ss) > 4 {
		return ""
	}
	shown := make([]string, len(ss))
	for i, s := range ss {
		if !s.known() && !(isAccount(s.from) && isAccount(s.to)) {
			return ""
		}
		shown[i] = s.String()
	}
	return strings.Join(shown, ", ")
}

// isAccount says whether a word is the number of an AWS account.
func isAccount(word string) bool { return len(word) == 12 && digits(word) }

// dropped is for a name that has an environment where the other has none, or has it elsewhere.
func dropped(x, y words) ([]swap, bool) {
	rx, inX := x.bare()
	ry, inY := y.bare()
	s := swap{x.environment(), y.environment()}
	if rx != ry || rx == "" || !inX && !inY || s.from == s.to {
		return nil, false
	}
	return []swap{s}, true
}

// swaps are the words by which the names of two states differ throughout: of previous to that of the target.
type swaps map[string]string

// apply gives a name of previous as the target writes it.
func (s swaps) apply(name string) string {
	if len(s) == 0 {
		return name
	}
	w := cutWords(name)
	for i, word := range w.words {
		if to, ok := s[word]; ok {
			w.words[i] = to
		}
	}
	return w.String()
}

// nameOf is a name with what it is the name of: names of different things say nothing of each other.
type nameOf struct{ of, name string }

// seat is a name with one word left out, and the word that stands there on either side, if it is but one.
type seat struct {
	a, b           string
	countA, countB int
	alone          bool // nothing but the word is in the name
}

// seats collects the seats of two lists of names, and the words of either.
type seats struct {
	all      map[string]*seat
	inA, inB map[string]bool
}

// learnSwaps finds the words by which the names of a differ from those of b in one place, consistently: a word of a has one counterpart,
// and either both are known to name environments, or at least two names say so and neither word is in use on the other side.
func learnSwaps(a, b []nameOf) swaps {
	s := seats{all: map[string]*seat{}, inA: map[string]bool{}, inB: map[string]bool{}}
	s.visit(a, s.inA, func(s *seat, word string) { s.a = word; s.countA++ })
	s.visit(b, s.inB, func(s *seat, word string) { s.b = word; s.countB++ })
	return s.elect()
}

func (s seats) visit(names []nameOf, in map[string]bool, sit func(*seat, string)) {
	for _, n := range names {
		w := cutWords(n.name)
		for i, word := range w.words {
			in[word] = true
			w.words[i] = "\x00"
			k := join(n.of, w.String())
			w.words[i] = word
			if s.all[k] == nil {
				s.all[k] = &seat{alone: len(w.words) == 1}
			}
			sit(s.all[k], word)
		}
	}
}

// elect takes, for each word, the counterpart that nearly all names agree on.
func (s seats) elect() swaps {
	votes, total := s.votes()
	order := make([]swap, 0, len(votes))
	for x := range votes {
		order = append(order, x)
	}
	slices.SortFunc(order, func(x, y swap) int {
		return cmp.Or(cmp.Compare(votes[y], votes[x]), cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to))
	})
	out := swaps{}
	for _, x := range order {
		_, taken := out[x.from]
		learned := votes[x] >= 2 && !digits(x.from) && !digits(x.to) && !s.inB[x.from] && !s.inA[x.to]
		if !taken && votes[x]*10 >= total[x.from]*8 && (x.known() || learned) {
			out[x.from] = x.to
		}
	}
	return out
}

func (s seats) votes() (votes map[swap]int, total map[string]int) {
	votes, total = map[swap]int{}, map[string]int{}
	for _, seat := range s.all {
		x := swap{seat.a, seat.b}
		if seat.countA == 1 && seat.countB == 1 && x.from != x.to && (x.known() || !seat.alone) {
			votes[x]++
			total[x.from]++
		}
	}
	return votes, total
}
