package diff

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// requiring is a require rule, ready to be asked.
type requiring struct {
	rule    Require
	pattern pattern
	matches *regexp.Regexp
	broken  error // does not parse: what it requires is not known
}

// problem says what is wrong with the rule, and in which field.
func (q Require) problem() (field string, err error) {
	if _, err := parsePattern(q.Path); err != nil {
		return ".path", err
	}
	if q.Equals != "" && q.Matches != "" {
		return ".matches", errors.New("got equals and matches, want one of them")
	}
	_, err = expression(q.Matches, true)
	return ".matches", err
}

func newRequiring(q Require) *requiring {
	r := &requiring{rule: q}
	_, r.broken = q.problem()
	if r.broken == nil {
		r.pattern, _ = parsePattern(q.Path)
		r.matches, _ = expression(q.Matches, true)
	}
	r.rule.Path, r.rule.Reason = clean.Text(q.Path), clean.Text(q.Reason)
	return r
}

// wants gives what the value must be, for people.
func (r *requiring) wants() string {
	switch {
	case r.rule.Equals != "":
		return r.rule.Equals
	case r.rule.Matches != "":
		return "matches " + r.rule.Matches
	}
	return "any value"
}

func (r *requiring) fits(n *Node) bool {
	switch {
	case r.rule.Equals == "" && r.matches == nil:
		return n.Type != "null"
	case !isScalar(n) || len(n.Value) > maxMasked:
		return false
	case r.matches != nil:
		return r.matches.MatchString(n.Value)
	case n.Type == "number":
		return number(n.Value) == number(r.rule.Equals)
	case n.Type == "bool":
		return strings.EqualFold(n.Value, r.rule.Equals)
	}
	return n.Value == r.rule.Equals
}

// requirements asks every require rule about the target's objects.
func (c *comparer) requirements(ps pairing) []verdict.Finding {
	var fs []verdict.Finding
	for _, r := range c.rules.requires {
		if r.broken != nil {
			fs = append(fs, rulesFinding(verdict.Unknown, "require "+r.rule.Path, r.rule.Reason, "mend the rule",
				"the require rule %s can't be read: %v", r.rule.Path, r.broken))
			continue
		}
		fs = append(fs, c.requirement(r, ps)...)
	}
	return fs
}

func rulesFinding(o verdict.Outcome, what, got, hint, format string, args ...any) verdict.Finding {
	return verdict.Finding{Check: "diff/rules", Outcome: o, Reason: "rules", Doc: "diff-rules", Hint: hint,
		Summary: clean.Text(fmt.Sprintf(format, args...)), Evidence: []verdict.Evidence{{What: clean.Text(what), Got: clean.Text(got)}}}
}

func (c *comparer) requirement(r *requiring, ps pairing) []verdict.Finding {
	s := &search{c: c, rule: r}
	objects := 0
	for _, p := range ps.pairs {
		if p.target == nil {
			continue
		}
		c.begin(p)
		if r.pattern.object(c.id, c.names) {
			objects++
			s.object(p.target)
		}
	}
	if objects == 0 && !r.pattern.oneObject() {
		return []verdict.Finding{rulesFinding(verdict.Note, "require "+r.rule.Path, r.rule.Reason,
			"delete the rule, or look for a slip in its path", "the require rule %s names no object of the target", r.rule.Path)}
	}
	if objects == 0 {
		s.lacks = append(s.lacks, verdict.Evidence{What: clean.Text(r.rule.Path), Got: "no such object", Want: clean.Text(r.wants())})
	}
	switch {
	case len(s.lacks) > 0:
		return []verdict.Finding{r.finding(s.lacks)}
	case s.over:
		return []verdict.Finding{rulesFinding(verdict.Unknown, "require "+r.rule.Path, r.rule.Reason, "name the path without **",
			"the require rule %s leads to too many places to look at", r.rule.Path)}
	}
	return nil
}

// oneObject says whether the pattern names one object, so that its absence says something.
func (p pattern) oneObject() bool { return len(p.kind) == 1 && len(p.name) == 1 }

func (r *requiring) finding(lacks []verdict.Evidence) verdict.Finding {
	f := verdict.Finding{Check: "diff/require", Outcome: verdict.Fail, Reason: "require", Doc: "diff-require", Evidence: lacks,
		Summary: clean.Text(fmt.Sprintf("%s that must be there, at %s: %s", plural(len(lacks), "value"), r.rule.Path, r.rule.Reason)),
		Hint:    "add it to the target, or change the rule under diff.require"}
	if n := len(lacks); n > maxEvidence {
		f.Evidence = append(lacks[:maxEvidence:maxEvidence], verdict.Evidence{What: "and " + plural(n-maxEvidence, "value") + " more"})
	}
	return f
}

// search follows a pattern through an object and notes where it leads to nothing, or to what does not fit.
type search struct {
	c     *comparer
	rule  *requiring
	o     *Object
	work  int // steps that are left for the object
	lacks []verdict.Evidence
	over  bool // there were too many steps: nothing is proved
}

// maxSearch bounds the steps of following one pattern through one object: ** may lead anywhere.
const maxSearch = 100_000

func (s *search) object(o *Object) {
	s.o, s.work = o, maxSearch
	s.follow(o.Root, scope{}, s.rule.pattern.steps)
	s.over = s.over || s.work < 0
}

// follow goes the steps from a value: with *, [*] and [name=...] every way, with ** those that lead on.
func (s *search) follow(n *Node, sc scope, steps []step) {
	if s.work--; s.work < 0 {
		return
	}
	if s.inside(n, steps, func(doc *Node, rest []step) { s.follow(doc, sc, rest) }) {
		return
	}
	switch {
	case len(steps) == 0:
		if !s.rule.fits(n) {
			shown, _ := s.c.mask.show(n, sc)
			s.lack(n, shown, nil)
		}
	case steps[0].kind == stepDeep:
		if !s.deep(n, sc, steps[1:]) {
			s.lack(n, "missing", steps)
		}
	default:
		led := false
		s.each(n, sc, steps[0], func(child *Node, cs scope) {
			led = true
			s.follow(child, cs, steps[1:])
		})
		if !led {
			s.lack(n, "missing", steps)
		}
	}
}

// deep goes the steps from every value below that they lead on from. It says whether there was one.
func (s *search) deep(n *Node, sc scope, steps []step) bool {
	if s.work--; s.work < 0 {
		return true
	}
	led := false
	if s.inside(n, steps, func(doc *Node, rest []step) { led = s.deep(doc, sc, rest) }) {
		return led
	}
	if led = s.leads(n, sc, steps); led {
		s.follow(n, sc, steps)
	}
	if len(steps) == 0 {
		return led
	}
	s.each(n, sc, step{kind: stepAny}, func(child *Node, cs scope) { led = s.deep(child, cs, steps) || led })
	return led
}

// leads says whether the steps lead to a value.
func (s *search) leads(n *Node, sc scope, steps []step) bool {
	if s.work--; s.work < 0 {
		return false
	}
	led := false
	if s.inside(n, steps, func(doc *Node, rest []step) { led = s.leads(doc, sc, rest) }) {
		return led
	}
	if len(steps) == 0 {
		return true
	}
	next, rest := steps[0], steps[1:]
	if next.kind == stepDeep {
		if s.leads(n, sc, rest) {
			return true
		}
		next, rest = step{kind: stepAny}, steps
	}
	s.each(n, sc, next, func(child *Node, cs scope) { led = led || s.leads(child, cs, rest) })
	return led
}

// inside goes on in the document that a text holds, and says whether it holds one and the steps lead into it.
func (s *search) inside(n *Node, steps []step, goOn func(doc *Node, rest []step)) bool {
	if len(steps) == 0 || n.Embedded == nil {
		return false
	}
	if steps[0].kind == stepDocument {
		steps = steps[1:]
	}
	s.c.push(segment{kind: documentSegment})
	goOn(n.Embedded, steps)
	s.c.pop()
	return true
}

// each gives the fields or items of a value that a step matches, with the path at each.
func (s *search) each(n *Node, sc scope, st step, yield func(child *Node, cs scope)) {
	c := s.c
	visit := func(seg segment, child *Node, cs scope) {
		c.push(seg)
		if path := c.printable(); st.match(path[len(path)-1]) {
			yield(child, cs)
		}
		c.pop()
	}
	if st.kind == stepField && len(st.key) == 1 {
		if child := n.Fields[st.key[0]]; child != nil {
			visit(field(st.key[0]), child, c.mask.field(sc, n, st.key[0]))
		}
		return
	}
	for _, k := range sortedKeys(n.Fields) {
		visit(field(k), n.Fields[k], c.mask.field(sc, n, k))
	}
	c.eachItem(n, func(seg segment, i int) { visit(seg, n.Items[i], c.mask.item(sc, n, i)) })
}

// lack notes what is wrong at the path, or behind it where the steps say where.
func (s *search) lack(n *Node, got string, steps []step) {
	if s.work < 0 {
		return
	}
	path := slices.Clone(s.c.printable())
	for _, st := range steps {
		if st.kind != stepField || len(st.key) != 1 {
			break
		}
		path = append(path, field(st.key[0]))
	}
	at := s.c.position(s.o, n)
	what := where(s.c.id, render(path)) + at.suffix()
	s.lacks = append(s.lacks, verdict.Evidence{What: clean.Text(what), Got: got, Want: clean.Text(s.rule.wants()), At: at.place()})
}
