package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/verdict"
)

// maxEvidence is how many differences a finding lists; the rest is counted.
const maxEvidence = 20

func (c *comparer) findings(r Result, skippedPrevious, skippedTarget []string) []verdict.Finding {
	fs := []verdict.Finding{changesFinding(r, skippedPrevious, skippedTarget)}
	fs = append(fs, c.forbidFindings(r)...)
	fs = append(fs, c.secretFindings()...)
	return append(fs, c.ruleFindings()...)
}

// secretFindings tells the secrets that can't be compared. Where a rule forbids that one of them differs nothing is proved.
func (c *comparer) secretFindings() []verdict.Finding {
	if len(c.incomparable) == 0 {
		return nil
	}
	f := verdict.Finding{Check: "diff/secrets", Outcome: verdict.Note, Reason: "secrets", Doc: "diff-secrets",
		Summary: fmt.Sprintf("%s not comparable: a record holds no fingerprint of them under this key", plural(len(c.incomparable), "secret")),
		Hint:    "give the same key of at least 16 characters when the record is written and when it is compared"}
	for i, ch := range c.incomparable {
		if len(ch.forbids) > 0 {
			f.Outcome = verdict.Unknown
		}
		if i < maxEvidence {
			f.Evidence = append(f.Evidence, verdict.Evidence{What: clean.Text(ch.located()), Got: "unknown", Want: "the same as in previous"})
		}
	}
	if more := len(c.incomparable) - maxEvidence; more > 0 {
		f.Evidence = append(f.Evidence, verdict.Evidence{What: fmt.Sprintf("and %s more", plural(more, "secret"))})
	}
	return []verdict.Finding{f}
}

// changesFinding tells the differences that no rule expects.
func changesFinding(r Result, skippedPrevious, skippedTarget []string) verdict.Finding {
	f := verdict.Finding{Check: "diff/changes", Doc: "diff-changes"}
	if r.Objects.Previous == 0 || r.Objects.Target == 0 {
		f.Outcome, f.Reason = verdict.Unknown, "empty-state"
		f.Summary = fmt.Sprintf("nothing to compare: %s has %s, %s has %s", r.Previous, plural(r.Objects.Previous, "object"), r.Target, plural(r.Objects.Target, "object"))
		f.Hint = "look at the paths of diff.previous and diff.target"
		return f
	}
	unexpected := r.Unexpected()
	expected := len(r.Changes) - len(unexpected)
	if len(unexpected) == 0 {
		f.Summary = fmt.Sprintf("no unexpected difference between %s and %s (%s, %d expected)", r.Previous, r.Target, plural(r.Objects.Paired, "object"), expected)
	} else {
		f.Outcome = verdict.Note
		f.Summary = summary(unexpected, expected)
		f.Evidence = evidence(unexpected)
		f.Hint = "list a difference that is wanted under diff.expect, with its reason"
		if r.Objects.Paired == 0 {
			f.Hint = "no object is in both states: look at the paths of diff.previous and diff.target"
		}
	}
	f.Evidence = append(f.Evidence, skippedEvidence(r.Previous, skippedPrevious)...)
	f.Evidence = append(f.Evidence, skippedEvidence(r.Target, skippedTarget)...)
	return f
}

func skippedEvidence(name string, files []string) []verdict.Evidence {
	if len(files) == 0 {
		return nil
	}
	shown := files[:min(len(files), 5)]
	text := strings.Join(shown, "; ")
	if more := len(files) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return []verdict.Evidence{{What: "not read in " + name, Got: clean.Text(text)}}
}

// summary counts by class: "3 changed, 1 missing, 0 extra, 2 renamed (2 expected)".
func summary(unexpected []Change, expected int) string {
	n := map[Class]int{}
	for _, c := range unexpected {
		n[c.Class]++
	}
	s := fmt.Sprintf("%d changed, %d missing, %d extra", n[Changed], n[Missing], n[Extra])
	for _, c := range []struct {
		class Class
		how   string
	}{{Retyped, "of another type"}, {Reordered, "in another order"}, {Renamed, "renamed"}} {
		if n[c.class] > 0 {
			s += fmt.Sprintf(", %d %s", n[c.class], c.how)
		}
	}
	if expected > 0 {
		s += fmt.Sprintf(" (%d expected)", expected)
	}
	return s
}

// bundle is one transition on one or many paths.
type bundle struct {
	changes []Change
	rank    int
}

// evidence lists the differences, worst first: whole objects that are missing, then what has another type, switches that were turned,
// values that are missing, what changed, what differs as environments do, what is extra, versions and identifiers, and what has another
// name. The same transition on many paths is one entry.
func evidence(cs []Change) []verdict.Evidence {
	bundles := bundled(cs)
	slices.SortStableFunc(bundles, func(x, y bundle) int { return cmp.Compare(x.rank, y.rank) })
	var es []verdict.Evidence
	rest := 0
	for i, b := range bundles {
		if i >= maxEvidence {
			rest += len(b.changes)
			continue
		}
		es = append(es, b.evidence())
	}
	if rest > 0 {
		es = append(es, verdict.Evidence{What: fmt.Sprintf("and %s more", plural(rest, "difference"))})
	}
	return es
}

// bundled puts the same transitions together, in the order of their first: the same values, or the same words in other values. What is
// missing or extra as a whole is never the same as something else.
func bundled(cs []Change) []bundle {
	var bundles []bundle
	index := map[string]int{}
	for _, c := range cs {
		key := join(string(c.Class), c.From, c.To)
		if c.Swap != "" {
			key = join("", c.Swap)
		}
		i, ok := index[key]
		if !ok || c.Values > 0 {
			i = len(bundles)
			bundles = append(bundles, bundle{rank: rank(c)})
			if c.Values == 0 {
				index[key] = i
			}
		}
		bundles[i].changes = append(bundles[i].changes, c)
		bundles[i].rank = min(bundles[i].rank, rank(c))
	}
	return bundles
}

func rank(c Change) int {
	switch {
	case c.Class == Missing && c.Path == "":
		return 0
	case c.Class == Retyped:
		return 1
	case c.Class == Changed && turned(c):
		return 2
	case c.Class == Missing:
		return 3
	case c.Class == Extra && c.Path == "":
		return 6
	case c.Class == Extra:
		return 7
	case c.Class == Renamed:
		return 9
	case c.Swap != "":
		return 5
	case identifies(c):
		return 8
	}
	return 4
}

// turned says whether a switch is the other way round, or a setting differs whose name says that it matters.
func turned(c Change) bool {
	from, to := strings.ToLower(c.From), strings.ToLower(c.To)
	return (from == "true" || from == "false") && (to == "true" || to == "false") || c.lastField() != "" && meaningOf(c.lastField()) != 0
}

// identifies says whether a value only names a version or a thing: it differs with every deploy, or between any two environments.
func identifies(c Change) bool {
	words := wordsOf(c.lastField())
	if len(words) == 0 {
		return false
	}
	return identifier[words[len(words)-1]] || uuidForm.MatchString(c.From) && uuidForm.MatchString(c.To)
}

var (
	identifier = set("tag version digest image sha commit revision id ids uuid arn")
	uuidForm   = lazyregexp.New(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// lastField is the name of the field that changed; of the value of an environment variable, the variable's.
func (c Change) lastField() string {
	for _, s := range slices.Backward(c.segments) {
		switch {
		case s.kind == itemSegment && len(s.names) > 0:
			return s.names[0].value
		case s.kind == fieldSegment && s.key != "value":
			return s.key
		}
	}
	return ""
}

func (b bundle) evidence() verdict.Evidence {
	c := b.changes[0]
	e := verdict.Evidence{What: c.located(), Got: c.To, Want: c.From, At: c.ToAt.place()}
	switch c.Class {
	case Missing:
		e.Got = "missing"
	case Extra:
		e.Want = "nothing"
	}
	if c.Objects > 0 {
		e.What = c.Where() + " on " + plural(c.Objects, "object") + ", e.g." + c.at().suffix()
	}
	if n := len(b.changes); n > 1 {
		paths := make([]string, 0, 3)
		for _, c := range b.changes[:min(n, 3)] {
			paths = append(paths, c.located())
		}
		e.What = fmt.Sprintf("%d paths: %s: %s", n, b.transition(), strings.Join(paths, ", "))
		if n > 3 {
			e.What += fmt.Sprintf(" and %d more", n-3)
		}
		e.Got, e.Want = "", "" // the transition says it; where only words are the same there are several
	}
	e.What = clean.Text(e.What)
	return e
}

// transition gives what the changes have in common.
func (b bundle) transition() string {
	c := b.changes[0]
	for _, other := range b.changes {
		if other.What() != c.What() {
			return c.Swap
		}
	}
	return c.What()
}

// located gives the path with the file and line where it was read: in the target, or in previous for what is missing there. What has no
// name but its file's is named once.
func (c Change) located() string { return located(c.Object, c.Path, c.at()) }

func located(o ObjectID, path string, at Position) string {
	if path != "" && at.File != "" && (o.Kind == "file" || o.Kind == KindDotenv) && !strings.Contains(o.Name, "#") { // no second document
		return path + at.suffix()
	}
	return where(o, path) + at.suffix()
}

func (p Position) suffix() string {
	if p.File == "" {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", cmp.Or(p.below, p.File), p.Line)
}

// forbidFindings gives one Fail a rule that was met.
func (c *comparer) forbidFindings(r Result) []verdict.Finding {
	for _, ch := range r.Changes {
		for _, h := range ch.forbids {
			f := c.rules.forbids[h.rule]
			f.hits = append(f.hits, met{ch, h})
		}
	}
	var fs []verdict.Finding
	for _, f := range c.rules.forbids {
		if len(f.hits) > 0 {
			fs = append(fs, f.finding())
		}
	}
	return fs
}

func (f *forbidding) finding() verdict.Finding {
	out := verdict.Finding{Check: "diff/forbid", Outcome: verdict.Fail, Reason: "forbid", Doc: "diff-forbid",
		Summary: clean.Text(fmt.Sprintf("%s that must not be, at %s: %s", plural(len(f.hits), "difference"), f.rule.Path, f.rule.Reason)),
		Hint:    "make the target as previous is there, or change the rule under diff.forbid"}
	for i, h := range f.hits {
		if i == maxEvidence {
			out.Evidence = append(out.Evidence, verdict.Evidence{What: fmt.Sprintf("and %s more", plural(len(f.hits)-i, "difference"))})
			break
		}
		e := bundle{changes: []Change{h.change}}.evidence()
		e.What = clean.Text(located(h.change.Object, h.hit.path, h.hit.at))
		if h.change.Class != Missing {
			e.At = h.hit.at.place()
		}
		switch {
		case h.hit.shown == "":
		case h.change.Class == Extra:
			e.Got = h.hit.shown
		case h.change.Class == Missing:
			e.Want = h.hit.shown
		}
		out.Evidence = append(out.Evidence, e)
	}
	return out
}

// ruleFindings tells what is wrong with the rules themselves.
func (c *comparer) ruleFindings() []verdict.Finding {
	var fs []verdict.Finding
	note := func(o verdict.Outcome, e verdict.Evidence, hint, format string, args ...any) {
		fs = append(fs, verdict.Finding{Check: "diff/rules", Outcome: o, Reason: "rules", Doc: "diff-rules",
			Summary: clean.Text(fmt.Sprintf(format, args...)), Hint: hint, Evidence: []verdict.Evidence{e}})
	}
	for _, e := range c.rules.expects {
		ev := verdict.Evidence{What: clean.Text("expect " + e.rule.Path), Got: e.rule.Reason}
		switch {
		case e.broken:
			note(verdict.Note, ev, "mend its path, its date or its expressions", "the expect rule %s can't be read and suppresses nothing", e.rule.Path)
		case e.expired && e.used.Covers == 0:
			note(verdict.Note, ev, "delete the rule", "the expect rule %s expired on %s and covers no difference", e.rule.Path, e.rule.Until)
		case e.expired:
			note(verdict.Note, ev, "make the states the same there, or give the rule a new date",
				"the expect rule %s expired on %s: %s no longer expected by it", e.rule.Path, e.rule.Until, are(e.used.Covers))
		case e.used.Covers == 0:
			note(verdict.Note, ev, "delete the rule, or look for a slip in its path", "the expect rule %s covers no difference", e.rule.Path)
		}
	}
	for _, f := range c.rules.forbids {
		if f.broken != nil {
			note(verdict.Unknown, verdict.Evidence{What: clean.Text("forbid " + f.rule.Path), Got: f.rule.Reason}, "mend the rule",
				"the forbid rule %s can't be read: %v", f.rule.Path, f.broken)
		}
	}
	return fs
}

func are(n int) string {
	if n == 1 {
		return "1 difference is"
	}
	return fmt.Sprintf("%d differences are", n)
}
