package diff

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// Rules is what may and what must not differ, and what must be. A pattern covers the value it names and everything below it.
type Rules struct {
	Expect  []Expect  `yaml:"expect"`
	Forbid  []Forbid  `yaml:"forbid"`
	Require []Require `yaml:"require"`
	Checks  []Check   `yaml:"check"`
	// FailOn names what fails in place of being noted: a severity (high, medium, low: all risks from there on), or a check by its name
	// (risk-probe-removed, reference, environment-leak).
	FailOn []string `yaml:"fail-on"`
	// PreviousNames are words that stand for the previous environment and nothing else: stg, an account, a host. They are looked for in
	// the target, beside those that are learned from the two states.
	PreviousNames []string `yaml:"previous-names"`
	// Policies are ValidatingAdmissionPolicy and ValidatingAdmissionPolicyBinding objects that are asked about the target's objects,
	// beside those in the target itself. The caller reads them.
	Policies []Object `yaml:"-"`
}

// Expect is a difference that is wanted: it is counted, not listed.
type Expect struct {
	// Path is a pattern: Kind/name:spec.replicas or spec.replicas; * is one segment or a part of one, ** any number of them.
	Path   string `yaml:"path,required" json:"path"`
	Reason string `yaml:"reason,required" json:"reason"` // why it may differ
	// From and To are regular expressions for the whole of the two values; $name in To is what From captures. Together they are met too
	// where putting To in place of every match of From makes the target's value of the previous one: -staging and -prod.
	From  string `yaml:"from" json:"from,omitempty"`
	To    string `yaml:"to" json:"to,omitempty"`
	Owner string `yaml:"owner" json:"owner,omitempty"` // who to ask
	Until string `yaml:"until" json:"until,omitempty"` // YYYY-MM-DD: last day on which the rule counts
	// Check names what the rule is about in place of the difference: risk-privileged, reference, environment-leak.
	Check string `yaml:"check" json:"check,omitempty"`
}

// Forbid is a difference that must not be: it blocks. It wins over Expect.
type Forbid struct {
	Path   string   `yaml:"path,required"`
	Reason string   `yaml:"reason,required"`
	Change []string `yaml:"change"` // changed, missing, extra, type, order, renamed; default all. changed takes in the last three
	// From and To are regular expressions for a part of the two values; $name in To is what From captures.
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// Require is what must be in the target, in every object that the path names.
type Require struct {
	Path    string `yaml:"path,required"` // with [*] or *: in each of them
	Reason  string `yaml:"reason,required"`
	Equals  string `yaml:"equals"`  // the value; default any
	Matches string `yaml:"matches"` // a regular expression for the whole value
}

// Problem is a mistake in a rule.
type Problem struct {
	Field   string // "expect[2].until"
	Message string // what was got and what was wanted
}

func (p Problem) Error() string { return p.Field + ": " + p.Message }

// Validate lists every mistake in the rules: patterns and expressions that do not parse, dates that are none, unknown names.
func (r Rules) Validate() []Problem {
	var ps []Problem
	add := func(list string, i int, field string, err error) {
		if err != nil {
			ps = append(ps, Problem{fmt.Sprintf("%s[%d]%s", list, i, field), clean.Text(err.Error())})
		}
	}
	for i, e := range r.Expect {
		_, err := parsePattern(e.Path)
		add("expect", i, ".path", err)
		_, err = e.lastDay()
		add("expect", i, ".until", err)
		field, err := valuesProblem(e.From, e.To)
		add("expect", i, field, err)
		add("expect", i, ".check", knownCheck(e.Check))
	}
	for i, f := range r.Forbid {
		_, err := parsePattern(f.Path)
		add("forbid", i, ".path", err)
		for j, c := range f.Change {
			add("forbid", i, fmt.Sprintf(".change[%d]", j), knownChange(c))
		}
		field, err := valuesProblem(f.From, f.To)
		add("forbid", i, field, err)
	}
	for i, q := range r.Require {
		field, err := q.problem()
		add("require", i, field, err)
	}
	for i, k := range r.Checks {
		field, err := k.problem()
		add("check", i, field, err)
	}
	for i, n := range r.FailOn {
		if severities[n] == 0 {
			add("fail-on", i, "", knownCheck(n))
		}
	}
	for i, n := range r.PreviousNames {
		add("previous-names", i, "", previousNameProblem(n))
	}
	return ps
}

func knownChange(c string) error {
	if !slices.Contains(Classes(), Class(c)) {
		return fmt.Errorf("got %q, want changed, missing, extra, type, order or renamed", c)
	}
	return nil
}

// knownCheck says whether a rule names a check that there is.
func knownCheck(name string) error {
	names := adviceNames()
	if name == "" || slices.Contains(names, name) {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("got %q, want one of %s", name, strings.Join(names, ", "))
}

// Check reports what Validate finds; the configuration's reader calls it and adds file, line and column.
func (r *Rules) Check(at func(field, format string, args ...any)) {
	for _, p := range r.Validate() {
		at(p.Field, "%s", p.Message)
	}
}

// lastDay gives the date of Until, the zero time where there is none.
func (e Expect) lastDay() (time.Time, error) {
	if e.Until == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, e.Until)
	if err != nil {
		return t, fmt.Errorf("got %q, want a date, e.g. 2027-06-30", e.Until)
	}
	return t, nil
}

// ruleSet is the rules, ready to be asked.
type ruleSet struct {
	expects  []*expecting
	forbids  []*forbidding
	requires []*requiring
	checks   []*checking
	failOn   []string
	// covers are the expect rules that cover a change, by its place and values.
	covers map[covered][]int
}

// covered identifies a change.
type covered struct {
	object         ObjectID
	class          Class
	path, from, to string
}

func (c Change) covered() covered { return covered{c.Object, c.Class, c.Path, c.From, c.To} }

type expecting struct {
	rule    Expect
	pattern pattern
	values  values
	broken  bool // does not parse: suppresses nothing
	expired bool
	used    RuleUse
}

type forbidding struct {
	rule    Forbid
	pattern pattern
	values  values
	broken  error // does not parse: what it forbids is not known
	hits    []met
}

// met is a change that a forbid rule meets.
type met struct {
	change Change
	hit    hit
}

func newRuleSet(rules Rules, today time.Time) *ruleSet {
	rs := &ruleSet{failOn: rules.FailOn, covers: map[covered][]int{}}
	date := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, time.UTC)
	for _, e := range rules.Expect {
		rs.expects = append(rs.expects, newExpecting(e, date))
	}
	for _, f := range rules.Forbid {
		p, err := parsePattern(f.Path)
		v, verr := parseValues(f.From, f.To, false)
		err = errors.Join(err, verr)
		for _, c := range f.Change {
			err = errors.Join(err, knownChange(c))
		}
		f.Path, f.Reason = clean.Text(f.Path), clean.Text(f.Reason)
		rs.forbids = append(rs.forbids, &forbidding{rule: f, pattern: p, values: v, broken: err})
	}
	for _, q := range rules.Require {
		rs.requires = append(rs.requires, newRequiring(q))
	}
	rs.checks = newCheckings(rules.Checks)
	return rs
}

func newExpecting(e Expect, date time.Time) *expecting {
	p, err := parsePattern(e.Path)
	last, lerr := e.lastDay()
	v, verr := parseValues(e.From, e.To, true)
	x := &expecting{pattern: p, values: v, broken: errors.Join(err, lerr, verr, knownCheck(e.Check)) != nil}
	x.expired = !x.broken && e.Until != "" && date.After(last)
	for _, text := range []*string{&e.Path, &e.Reason, &e.Owner, &e.Until, &e.From, &e.To, &e.Check} {
		*text = clean.Text(*text)
	}
	x.rule = e
	x.used = RuleUse{Rule: e, Expired: x.expired}
	return x
}

func (f *forbidding) wants(c Class) bool {
	return f.broken == nil && (len(f.rule.Change) == 0 || slices.Contains(f.rule.Change, string(c)))
}

// covers says whether the rule forbids what one side alone has at a path.
func (f *forbidding) covers(path []segment, class Class, n *Node) bool {
	a, b := n, (*Node)(nil)
	if class == Extra {
		a, b = nil, n
	}
	return f.pattern.path(path) && f.values.meet(a, b)
}

// expected gives the first rule that suppresses every change at the path, whatever its values.
func (rs *ruleSet) expected(o ObjectID, names []string, path []segment) *expecting {
	for _, e := range rs.expects {
		if !e.broken && !e.expired && e.rule.Check == "" && e.values.none() && e.pattern.covers(o, names, path) {
			return e
		}
	}
	return nil
}

// judge notes in a change which rules cover it, and the first that suppresses it. a and b are its values, nil where a side has none.
func (rs *ruleSet) judge(ch *Change, names []string, a, b *Node) {
	var covers, rewriting []int
	for i, e := range rs.expects {
		if e.broken || e.rule.Check != "" || !e.pattern.covers(ch.Object, names, ch.segments) {
			continue
		}
		if e.values.rewrites() {
			rewriting = append(rewriting, i)
		}
		if e.values.explain(a, b) {
			covers = append(covers, i)
		}
	}
	if len(covers) == 0 && len(rewriting) > 1 && scalarPair(a, b) {
		covers = rs.together(rewriting, a.Value, b.Value)
	}
	if len(covers) > 0 {
		rs.covers[ch.covered()] = covers
	}
	for _, i := range covers {
		if e := rs.expects[i]; !e.expired {
			ch.Rule = &e.rule
			return
		}
	}
}

// together says which rules, one after the other, make the target's value of the previous one: an account and a suffix in one ARN.
func (rs *ruleSet) together(rules []int, from, to string) []int {
	var used []int
	for _, i := range rules {
		if rs.expects[i].expired {
			continue
		}
		next := rs.expects[i].values.rewrite(from)
		if next != from {
			used = append(used, i)
		}
		if from = next; len(from) > maxMasked {
			return nil
		}
	}
	if from != to {
		return nil
	}
	return used
}

// excuses says whether a rule wants what a check found: one that names the check, or one that explains exactly this change of a value.
// That a value may differ does not say that it may be worse.
func (rs *ruleSet) excuses(o occurrence) bool {
	for _, e := range rs.expects {
		if e.broken || !e.pattern.covers(o.object, o.names, o.path) {
			continue
		}
		switch {
		case e.rule.Check == o.advice.name() && e.values.explain(o.a, o.b):
			e.used.Covers++
			if e.expired {
				continue
			}
			e.used.Changes++
			return true
		case e.rule.Check == "" && !e.expired && !e.values.none() && e.values.explain(o.a, o.b):
			return true
		}
	}
	return false
}

// fails says whether a finding of a check blocks.
func (rs *ruleSet) fails(a *advice, worst severity) bool {
	for _, n := range rs.failOn {
		if n == a.name() || severities[n] > 0 && worst >= severities[n] {
			return true
		}
	}
	return false
}

// count notes in every rule what it covers, once the changes are known.
func (rs *ruleSet) count(changes []Change) {
	for _, c := range changes {
		first := true
		for _, i := range rs.covers[c.covered()] {
			e := rs.expects[i]
			e.used.Covers++
			if !e.expired && first {
				e.used.Changes++
				first = false
			}
		}
	}
}
