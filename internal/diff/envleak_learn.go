package diff

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// leakToken is a word that stands for the previous environment.
type leakToken struct {
	text  string // in small letters
	to    string // what stands in its place in the target, "" where that is not known
	named bool   // the two states are called so: their own names, namespaces, files or objects differ in it
	given bool   // a rule names it
	votes int    // texts that lost it between previous and target
}

// want tells people what is wanted in place of a text with the token. What stands elsewhere in its place is told where it names an
// environment: another word may be a part of a secret.
func (t *leakToken) want() string {
	if to := strings.ToLower(t.to); to == "" || !isEnvironment(to) && !account(to) {
		return "nothing of " + t.text
	}
	return t.to + " in place of " + t.text
}

// sure are words that name nothing but an environment. Others (test, dev, eu) stand in hosts and packages too.
var sure = set("staging stage stg preprod preproduction uat qa sandbox sbx development nonprod production prod prd")

// trusted says whether a text with the token is told; same says that previous has the same text.
func (t *leakToken) trusted(in stands, same bool) bool {
	kept := in.kept
	switch {
	case t.given:
		return true
	case sure[t.text]:
		return t.named || t.votes > 0 && kept <= t.votes
	case account(t.text):
		return kept <= t.votes
	case strings.ContainsRune(t.text, '-'): // a region
		return t.votes >= 2 && kept*3 <= t.votes
	case doubtful(t.text):
		return !same && kept*3 <= t.votes && (t.named || t.votes >= 3)
	}
	return t.votes >= 2 && same && kept*3 <= t.votes && in.gained == 0 // a word that moves about names no environment
}

// account says whether a word is the number of a cloud account: twelve digits.
func account(w string) bool { return len(w) == 12 && digits(w) }

// identifying says whether a word that differs may name an environment at all.
func identifying(w string) bool {
	if account(w) || isEnvironment(w) && len(w) > 1 {
		return true
	}
	return len(w) >= 6 && marked(w)
}

// marked says whether a word has letters and digits, as an identifier has.
func marked[T string | []byte](w T) bool {
	numbers := 0
	for i := 0; i < len(w); i++ {
		if w[i] >= '0' && w[i] <= '9' {
			numbers++
		}
	}
	return numbers > 0 && numbers < len(w)
}

// maxName bounds what a rule gives as a name of the previous environment, in bytes.
const maxName = 200

func previousNameProblem(n string) error {
	switch {
	case len(strings.Trim(n, " .-_/")) < 2:
		return fmt.Errorf("got %q, want a name of at least two characters", n)
	case len(n) > maxName:
		return errors.New("the name is too long")
	}
	return nil
}

// learner collects what the two states say of their environments.
type learner struct {
	votes map[string]int
	named map[string]bool
	to    map[swap]int
	mine  map[string]bool // words of the target's own
	seen  map[transition]bool
	// enough says that nothing more is learned.
	enough bool
}

func newLearner() learner {
	return learner{votes: map[string]int{}, named: map[string]bool{}, to: map[swap]int{}, mine: map[string]bool{}, seen: map[transition]bool{}}
}

// states learns from what the states and their objects are called.
func (l *learner) states(ps pairing, previous, target Tree) {
	l.names(previous.Name, target.Name)
	for _, p := range ps.pairs {
		if p.previous == nil || p.target == nil {
			continue
		}
		l.names(p.previous.Namespace, p.target.Namespace)
		l.names(p.previous.File, p.target.File)
		l.names(p.previous.Name, p.target.Name)
	}
}

// names learns from two names of the same thing.
func (l *learner) names(a, b string) {
	t := transition{a, b}
	if a == b || a == "" || b == "" || l.seen[t] {
		return
	}
	l.seen[t] = true
	was, is := wordsOf(a), wordsOf(b)
	for _, w := range was {
		if isEnvironment(w) && len(w) > 1 && !slices.Contains(is, w) {
			l.named[w] = true
		}
	}
	l.learnOwn(was, is)
	l.swaps(a, b)
}

// transition is a text that changed.
type transition struct{ from, to string }

// maxTransitions bounds what is learned from.
const maxTransitions = 20_000

// value learns from a text that changed.
func (l *learner) value(t transition) {
	if l.seen[t] || l.enough {
		return
	}
	l.seen[t] = true
	was, is := wordsOf(t.from), wordsOf(t.to)
	if len(was) > maxWords || len(is) > maxWords {
		return
	}
	slices.Sort(was)
	for _, w := range slices.Compact(was) {
		if identifying(w) && !slices.Contains(is, w) {
			l.votes[w]++
		}
	}
	l.learnOwn(was, is)
	l.swaps(t.from, t.to)
}

// learnOwn learns the words that the target has in place of those of previous.
func (l *learner) learnOwn(was, is []string) {
	for _, w := range is {
		if (account(w) || sure[w]) && !slices.Contains(was, w) {
			l.mine[w] = true
		}
	}
}

// swaps learns what stands in the place of a word, and regions, which are more than one word.
func (l *learner) swaps(a, b string) {
	ss, ok := swapped(a, b)
	if !ok || len(ss) > 3 {
		return
	}
	for _, s := range ss {
		from := strings.ToLower(s.from)
		if !identifying(from) {
			continue
		}
		l.to[swap{from, s.to}]++
		if strings.ContainsRune(from, '-') {
			l.votes[from]++
		}
	}
}

// tokens gives the words for which there is some evidence that they are the previous environment's, by their text.
func (l *leakScan) tokens() map[string]*leakToken {
	ts := map[string]*leakToken{}
	for w := range l.often {
		given := l.given[w] || slices.Contains(l.phrases, w)
		if given || !l.mine[w] && (l.named[w] || l.votes[w] > 0) {
			ts[w] = &leakToken{text: w, given: given, named: l.named[w], votes: l.votes[w], to: l.counterpart(w)}
		}
	}
	return ts
}

// counterpart gives what most often stands in a word's place.
func (l *learner) counterpart(w string) string {
	best, most := "", 0
	for s, n := range l.to {
		if s.from == w && s.to != "" && (n > most || n == most && s.to < best) {
			best, most = s.to, n
		}
	}
	return best
}

// own says whether the target's own name stands in a text.
func (l *learner) own(text string) bool {
	found := false
	eachWord(text, new([maxWord]byte), func(word []byte, _ int) bool {
		found = l.mine[string(word)]
		return !found
	})
	return found
}

// doubtful says whether a word may be another one than that of an environment: test, dev and eu stand in hosts and packages too.
func doubtful(w string) bool {
	return isEnvironment(w) && !sure[w] && !strings.ContainsRune(w, '-')
}

// regionAt gives the name of a region that begins there, "" where none does.
func regionAt(text string, at int) string {
	end := at
	for end < len(text) && end < at+maxWord && (isWordByte(text[end]) || text[end] == '-') {
		end++
	}
	parts := strings.Split(strings.ToLower(text[at:end]), "-")
	if n := regionLength(parts); n > 1 {
		return strings.Join(parts[:n], "-")
	}
	return ""
}

// isDomain says whether a word is the end of a host: acme.dev names no environment.
func isDomain(text string, at, length int) bool {
	ends := at+length == len(text) || strings.IndexByte("/:\"', ", text[at+length]) >= 0
	return ends && at > 0 && text[at-1] == '.' && strings.EqualFold(text[at:at+length], "dev")
}

func bounded(text string, at, length int) bool {
	return (at == 0 || !isWordByte(text[at-1])) && (at+length == len(text) || !isWordByte(text[at+length]))
}

// maxWord is the longest word that is looked up, in bytes.
const maxWord = 40

// eachWord gives the words of a text in small letters, until yield says false: what stands between punctuation, and the parts of it that
// a capital begins or a number ends. A word is good until the next one, as all are written to buf.
func eachWord(text string, buf *[maxWord]byte, yield func(word []byte, at int) bool) {
	for i := 0; i < len(text); {
		if !isWordByte(text[i]) {
			i++
			continue
		}
		end := i + 1
		for end < len(text) && isWordByte(text[end]) {
			end++
		}
		if end-i <= maxWord && !eachPart(text, i, end, buf, yield) {
			return
		}
		i = end
	}
}

func eachPart(text string, from, to int, buf *[maxWord]byte, yield func(word []byte, at int) bool) bool {
	give := func(a, b int) bool {
		for i := a; i < b; i++ {
			c := text[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			buf[i-a] = c
		}
		return yield(buf[:b-a], a)
	}
	if !give(from, to) {
		return false
	}
	start := from
	for i := from + 1; i < to; i++ {
		upper := text[i] >= 'A' && text[i] <= 'Z' && !(text[i-1] >= 'A' && text[i-1] <= 'Z')
		number := text[i] >= '0' && text[i] <= '9' && !(text[i-1] >= '0' && text[i-1] <= '9')
		if upper || number && i > start+2 {
			if !give(start, i) {
				return false
			}
			start = i
		}
	}
	return start == from || give(start, to)
}
