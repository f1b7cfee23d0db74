package diff

import (
	"slices"
	"strings"
)

// What belongs to the previous environment and stands in the target all the same: a host of staging, its account, its bucket. Every text
// of the target is looked at word by word while the pairs are walked; what may name an environment is remembered. Which of these words
// are those of the previous environment is learned from the two states (envleak_learn.go).

// Bounds on what is remembered of a state that is full of such words. They count from one object to the next, so that what is remembered
// does not depend on the order of an object's fields.
const (
	maxSuspects = 5000
	maxOfWord   = 300
)

// leakScan collects texts of the target that may name the previous environment.
type leakScan struct {
	learner
	given   map[string]bool // words that a rule gives
	phrases []string        // what a rule gives that is more than a word
	// suspicious are the words that are looked for: what may name an environment and is not the target's own.
	suspicious map[string]bool
	buf        [maxWord]byte
	spotted    []spotted

	suspects []suspect
	often    map[string]int // how often a word was remembered
	full     bool           // no more is remembered
}

// stands is in how many different texts a word stands in the target: in such that are the same in both states, and in such that had it
// not in previous. A text that names it on purpose does not count.
type stands struct{ kept, gained int }

// suspect is a text of the target with words that may name the previous environment.
type suspect struct {
	words []spotted
	same  bool // previous has the same text
	pair  pair
	order int
	steps []surveyStep
	value both
}

// spotted is a word, and where it begins in the text.
type spotted struct {
	word string
	at   int
}

func newLeakScan(given []string) *leakScan {
	l := &leakScan{learner: newLearner(), given: map[string]bool{}, often: map[string]int{}}
	for _, g := range given {
		text := strings.ToLower(strings.TrimSpace(g))
		if ws := wordsOf(text); len(ws) == 1 && ws[0] == text {
			l.given[text] = true
		} else if text != "" {
			l.phrases = append(l.phrases, text)
		}
	}
	slices.Sort(l.phrases)
	return l
}

// look looks at a text of the target, and remembers it where it may name an environment.
func (w *survey) look(x both) {
	l, v := w.leak, x.b.Value
	if l.full || len(v) < 2 || len(v) > maxMasked || w.c.kubernetes && len(w.steps) == 1 {
		return
	}
	same := x.a != nil && x.a.scalar() && x.a.Value == v
	found := l.spot(v, same)
	if len(found) == 0 || isStagingAuthority(v) {
		return
	}
	for _, s := range found {
		l.often[s.word]++
	}
	l.suspects = append(l.suspects, suspect{slices.Clone(found), same, w.c.pair, w.order, slices.Clone(w.steps), x})
}

// next begins an object: words that were seen too often are looked for no more.
func (l *leakScan) next() {
	l.full, l.enough = len(l.suspects) > maxSuspects, len(l.learner.seen) > maxTransitions
	for w := range l.suspicious {
		if l.often[w] > maxOfWord {
			delete(l.suspicious, w)
		}
	}
}

// expect makes the words that are looked for, once the names of the states are known.
func (l *leakScan) expect() {
	l.suspicious = map[string]bool{}
	for _, words := range []map[string]bool{environmentWords, regionHeads, l.given} {
		for w := range words {
			if !l.mine[w] && len(w) > 1 {
				l.suspicious[w] = true
			}
		}
	}
}

// spot gives the words of a text that may name an environment which is not the target's. They are good until the next text.
func (l *leakScan) spot(text string, same bool) (found []spotted) {
	found = l.spotted[:0]
	eachWord(text, &l.buf, func(word []byte, i int) bool {
		switch {
		case l.suspicious[string(word)]:
			if r := regionAt(text, i); r != "" {
				found = append(found, spotted{r, i})
			} else if !isDomain(text, i, len(word)) {
				found = append(found, spotted{string(word), i})
			}
		case len(word) >= 6 && (same && marked(word) || len(word) == 12 && account(string(word))):
			found = append(found, spotted{string(word), i})
		}
		return true
	})
	l.spotted = found
	if len(l.phrases) == 0 {
		return found
	}
	lower := strings.ToLower(text)
	for _, p := range l.phrases {
		if i := strings.Index(lower, p); i >= 0 && bounded(lower, i, len(p)) {
			found = append(found, spotted{p, i})
		}
	}
	return found
}

// envLeaks tells the texts with a word that is known to be the previous environment's.
func (w *survey) envLeaks() []occurrence {
	tokens := w.leak.tokens()
	in := map[string]*stands{}
	texts := map[spottedText]bool{}
	for i := range w.leak.suspects {
		s := &w.leak.suspects[i]
		w.at(*s)
		s.words = slices.DeleteFunc(s.words, func(f spotted) bool {
			t := tokens[f.word]
			if t == nil || w.meant(t, s.value, f.at) {
				return true
			}
			if in[f.word] == nil {
				in[f.word] = &stands{}
			}
			if text := (spottedText{f.word, s.value.b.Value, s.same}); !texts[text] {
				texts[text] = true
				in[f.word].count(*s)
			}
			return false
		})
	}
	w.found = nil
	for _, s := range w.leak.suspects {
		for _, f := range s.words {
			if t := tokens[f.word]; t.trusted(*in[f.word], s.same) {
				w.leaks(s, t)
				break
			}
		}
	}
	return w.found
}

// spottedText is a text that a word stands in.
type spottedText struct {
	word, text string
	same       bool
}

func (n *stands) count(s suspect) {
	switch {
	case s.same:
		n.kept++
	case s.value.a != nil:
		n.gained++
	}
}

// at goes to where a suspect stands.
func (w *survey) at(s suspect) {
	w.order, w.steps = s.order, s.steps
	w.c.begin(s.pair)
}

// leaks tells a text, unless it is the base64 of a Secret, in which a word stands by chance. A word that the masked text does not show
// is not shown either.
func (w *survey) leaks(s suspect, t *leakToken) {
	w.at(s)
	if w.scope(true).always && w.key(1) == "data" {
		return
	}
	want := w.c.mask.name(t.want())
	if got := w.shown(s.value, true); !strings.Contains(strings.ToLower(got), t.text) && !sure[t.text] && !t.given {
		want = "the target's own"
	}
	w.notef(leaked, leaked.severity, s.value, worse, "", want)
}

// aside are words in a key that say that another environment is meant.
var aside = set("next previous promote promoted promotion upstream environments envs")

// meant says whether the text names the other environment on purpose: its key says so, the target's own name stands beside it, or it is
// prose.
func (w *survey) meant(t *leakToken, x both, at int) bool {
	for _, s := range w.steps {
		if w.saysSo(s.key, t) {
			return true
		}
	}
	if w.key(0) == "value" && w.saysSo(w.parent(1).b.text("name"), t) {
		return true
	}
	return w.leak.own(x.b.Value) || w.besideOthers(x.b.Value) || prose(x.b.Value, at, len(t.text))
}

// saysSo says whether a key names the token itself, or another environment.
func (w *survey) saysSo(key string, t *leakToken) bool {
	if key == "" {
		return false
	}
	k := w.known(key)
	if k.words == nil {
		k.words = wordsOf(key)
	}
	for _, word := range k.words {
		if word == t.text || aside[word] {
			return true
		}
	}
	return false
}

// besideOthers says whether the list that the text stands in lists environments: it has the target's own too, or the same text with
// another environment in it.
func (w *survey) besideOthers(text string) bool {
	for n := range w.steps {
		if !w.steps[len(w.steps)-1-n].item {
			continue
		}
		bare := withoutPlace(text)
		list := w.parent(n + 1).b
		for _, i := range list.Items[:min(len(list.Items), 200)] {
			if i.scalar() && i.Value != text && (w.leak.own(i.Value) || withoutPlace(i.Value) == bare) {
				return true
			}
		}
		return false
	}
	return false
}

// withoutPlace gives the words of a text but for those that name an environment or an account.
func withoutPlace(text string) string {
	ws := cutWords(text).words
	ws = slices.DeleteFunc(ws, func(w string) bool { return isEnvironment(w) || account(w) })
	return strings.Join(ws, " ")
}

// prose says whether a word stands by itself in a sentence.
func prose(text string, at, length int) bool {
	joined := func(i int) bool { return i >= 0 && i < len(text) && strings.IndexByte("-._/@:=", text[i]) >= 0 }
	if joined(at-1) || at+length+1 < len(text) && joined(at+length) && text[at+length+1] != ' ' {
		return false
	}
	return strings.Count(text, " ") > 5
}
