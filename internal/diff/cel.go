package diff

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Check is a condition of the team's own, in CEL (cel.dev). It must be true for every object that it is about.
type Check struct {
	Name   string `yaml:"name,required"`
	Object string `yaml:"object"` // Kind/name, with *; default every object of the target
	// Expr sees previous and target (the object in either state; previous is null where it is new) and change. Where it names change it
	// is asked about every difference: change.class, change.path, change.from, change.to, the values as texts.
	Expr   string `yaml:"expr,required"`
	Reason string `yaml:"reason,required"` // why it must be so
}

// checking is a check, ready to be asked.
type checking struct {
	rule      Check
	pattern   pattern
	program   cel.Program
	ofChanges bool  // asked about every difference
	broken    error // does not compile: what it asks is not known
}

// problem says what is wrong with the check, and in which field.
func (k Check) problem() (field string, err error) {
	if _, err := k.selector(); err != nil {
		return ".object", err
	}
	_, _, err = compileCEL(checkEnv, k.Expr)
	return ".expr", err
}

func (k Check) selector() (pattern, error) {
	if k.Object == "" {
		return pattern{}, nil
	}
	return parsePattern(k.Object + ":")
}

func newCheckings(rules []Check) []*checking {
	ks := make([]*checking, len(rules))
	for i, r := range rules {
		k := &checking{}
		if k.pattern, k.broken = r.selector(); k.broken == nil {
			var ast *cel.Ast
			if k.program, ast, k.broken = compileCEL(checkEnv, r.Expr); k.broken == nil {
				k.ofChanges = names(ast, "change")
			}
		}
		r.Name, r.Reason, r.Object = clean.Text(r.Name), clean.Text(r.Reason), clean.Text(r.Object)
		k.rule = r
		ks[i] = k
	}
	return ks
}

// names says whether an expression uses a variable.
func names(ast *cel.Ast, variable string) bool {
	for _, r := range ast.NativeRep().ReferenceMap() {
		if r.Name == variable {
			return true
		}
	}
	return false
}

// asked is what the answers to a check were.
type asked struct {
	objects       int
	fails, errors []verdict.Evidence
}

// checks asks every check.
func (c *comparer) checks(ps pairing, changes []Change) []verdict.Finding {
	if len(c.rules.checks) == 0 {
		return nil
	}
	v := newCELValues(c.mask)
	budget := celBudget(maxTotalCost)
	by := c.changesByObject(ps, changes)
	var fs []verdict.Finding
	for _, k := range c.rules.checks {
		if k.broken != nil {
			fs = append(fs, rulesFinding(verdict.Unknown, "check "+k.rule.Name, k.rule.Reason, "mend the expression",
				"the check %s can't be read: %v", k.rule.Name, k.broken))
			continue
		}
		var a asked
		for i, p := range ps.pairs {
			c.ask(k, p, by[i], v, &budget, &a)
		}
		fs = append(fs, k.findings(a)...)
	}
	return fs
}

// changesByObject gives the differences of each pair.
func (c *comparer) changesByObject(ps pairing, changes []Change) [][]Change {
	by := make([][]Change, len(ps.pairs))
	index := map[ObjectID]int{}
	for i, p := range ps.pairs {
		index[c.identify(p.either())] = i
	}
	for _, ch := range changes {
		if i, ok := index[ch.Object]; ok {
			by[i] = append(by[i], ch)
		}
	}
	return by
}

// ask asks a check about a pair. An object that the target does not have is asked about only where the check is about differences.
func (c *comparer) ask(k *checking, p pair, changes []Change, v *celValues, budget *celBudget, a *asked) {
	c.begin(p)
	if !k.pattern.object(c.id, c.names) || p.target == nil && !k.ofChanges {
		return
	}
	a.objects++
	vars := map[string]any{
		"previous": func() any { return v.object(p.previous) },
		"target":   func() any { return v.object(p.target) },
		"change":   nil,
	}
	answer := func(what string, at Position) {
		ok, err := budget.eval(k.program, vars)
		switch {
		case err != nil:
			a.errors = append(a.errors, verdict.Evidence{What: clean.Text(what), Got: c.mask.name(err.Error()), Want: "true or false"})
		case !ok:
			a.fails = append(a.fails, verdict.Evidence{What: clean.Text(what), Got: "false", Want: "true", At: at.place()})
		}
	}
	if !k.ofChanges {
		at := Position{File: c.mask.name(p.target.File), Line: p.target.Root.Line}
		answer(c.id.String()+at.suffix(), at)
		return
	}
	for _, ch := range changes {
		vars["change"] = map[string]any{"class": string(ch.Class), "path": ch.Path, "from": ch.From, "to": ch.To}
		answer(ch.located(), ch.ToAt)
	}
}

func (k *checking) findings(a asked) []verdict.Finding {
	if a.objects == 0 {
		return []verdict.Finding{rulesFinding(verdict.Note, "check "+k.rule.Name, k.rule.Reason,
			"delete the check, or look for a slip in its object", "the check %s is about no object", k.rule.Name)}
	}
	var fs []verdict.Finding
	add := func(o verdict.Outcome, es []verdict.Evidence, hint, format string, args ...any) {
		if len(es) == 0 {
			return
		}
		f := verdict.Finding{Check: "diff/check", Outcome: o, Reason: "check", Doc: "diff-check", Hint: hint, Evidence: es,
			Summary: clean.Text(fmt.Sprintf(format, args...))}
		if n := len(es); n > maxEvidence {
			f.Evidence = append(es[:maxEvidence:maxEvidence], verdict.Evidence{What: "and " + plural(n-maxEvidence, "place") + " more"})
		}
		fs = append(fs, f)
	}
	add(verdict.Fail, a.fails, "make the target so, or change the check under diff.check",
		"the check %s is not met in %s: %s", k.rule.Name, plural(len(a.fails), "place"), k.rule.Reason)
	add(verdict.Unknown, a.errors, "guard what may be missing: has(target.spec.replicas), previous == null",
		"the check %s can't be answered in %s", k.rule.Name, plural(len(a.errors), "place"))
	return fs
}

// errBudget says that the checks of one run cost too much.
var errBudget = errors.New("the checks of this run cost too much: narrow their objects")
