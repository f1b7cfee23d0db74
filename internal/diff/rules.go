package diff

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// Rules is what may and what must not differ. A pattern covers the value it names and everything below it.
type Rules struct {
	Expect []Expect `yaml:"expect"`
	Forbid []Forbid `yaml:"forbid"`
}

// Expect is a difference that is wanted: it is counted, not listed.
type Expect struct {
	Path   string `yaml:"path,required" json:"path"`     // pattern: Kind/name:spec.replicas or spec.replicas; * is one segment or part of one, ** any number
	Reason string `yaml:"reason,required" json:"reason"` // why it may differ
	Owner  string `yaml:"owner" json:"owner,omitempty"`  // who to ask
	Until  string `yaml:"until" json:"until,omitempty"`  // YYYY-MM-DD: last day on which the rule counts
}

// Forbid is a difference that must not be: it blocks. It wins over Expect.
type Forbid struct {
	Path   string   `yaml:"path,required"`
	Reason string   `yaml:"reason,required"`
	Change []string `yaml:"change"` // changed, missing, extra; default all
}

// Problem is a mistake in a rule.
type Problem struct {
	Field   string // "expect[2].until"
	Message string // what was got and what was wanted
}

func (p Problem) Error() string { return p.Field + ": " + p.Message }

// Validate lists every mistake in the rules: patterns that do not parse, dates that are none, unknown changes, nothing where a reason
// must stand.
func (r Rules) Validate() []Problem {
	var ps []Problem
	add := func(list string, i int, field, message string) {
		ps = append(ps, Problem{fmt.Sprintf("%s[%d].%s", list, i, field), clean.Text(message)})
	}
	for i, e := range r.Expect {
		if _, err := parsePattern(e.Path); err != nil {
			add("expect", i, "path", err.Error())
		}
		if _, err := e.lastDay(); err != nil {
			add("expect", i, "until", err.Error())
		}
	}
	for i, f := range r.Forbid {
		if _, err := parsePattern(f.Path); err != nil {
			add("forbid", i, "path", err.Error())
		}
		for j, c := range f.Change {
			if !slices.Contains([]Class{Changed, Missing, Extra}, Class(c)) {
				add("forbid", i, fmt.Sprintf("change[%d]", j), fmt.Sprintf("got %q, want changed, missing or extra", c))
			}
		}
	}
	return ps
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
	expects []*expecting
	forbids []*forbidding
}

type expecting struct {
	rule    Expect
	pattern pattern
	broken  bool // does not parse: suppresses nothing
	expired bool
	used    RuleUse
}

type forbidding struct {
	rule    Forbid
	pattern pattern
	broken  error // does not parse: what it forbids is not known
	hits    []met
}

// met is a change that a forbid rule meets.
type met struct {
	change Change
	hit    hit
}

func newRuleSet(rules Rules, today time.Time) *ruleSet {
	rs := &ruleSet{}
	date := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, time.UTC)
	for _, e := range rules.Expect {
		p, err := parsePattern(e.Path)
		last, lerr := e.lastDay()
		x := &expecting{rule: e, pattern: p, broken: err != nil || lerr != nil}
		x.expired = !x.broken && e.Until != "" && date.After(last)
		e.Path, e.Reason, e.Owner, e.Until = clean.Text(e.Path), clean.Text(e.Reason), clean.Text(e.Owner), clean.Text(e.Until)
		x.rule = e
		x.used = RuleUse{Rule: e, Expired: x.expired}
		rs.expects = append(rs.expects, x)
	}
	for _, f := range rules.Forbid {
		p, err := parsePattern(f.Path)
		if err == nil {
			for _, problem := range (Rules{Forbid: []Forbid{f}}).Validate() {
				err = errors.New(problem.Message)
			}
		}
		f.Path, f.Reason = clean.Text(f.Path), clean.Text(f.Reason)
		rs.forbids = append(rs.forbids, &forbidding{rule: f, pattern: p, broken: err})
	}
	return rs
}

func (f *forbidding) wants(c Class) bool {
	return f.broken == nil && (len(f.rule.Change) == 0 || slices.Contains(f.rule.Change, string(c)))
}

// expected gives the first rule that suppresses the change, and says whether one would that has expired or not.
func (rs *ruleSet) expected(o ObjectID, names []string, path []segment) *expecting {
	for _, e := range rs.expects {
		if !e.broken && !e.expired && e.pattern.covers(o, names, path) {
			return e
		}
	}
	return nil
}

// count notes in every rule what it covers, once the changes are known.
func (rs *ruleSet) count(changes []Change, names func(Change) []string) {
	for _, c := range changes {
		first := true
		for _, e := range rs.expects {
			if e.broken || !e.pattern.covers(c.Object, names(c), c.segments) {
				continue
			}
			e.used.Covers++
			if !e.expired && first {
				e.used.Changes++
				first = false
			}
		}
	}
}
