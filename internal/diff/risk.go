package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// severity is what a risk may cost.
type severity uint8

const (
	low    severity = iota + 1 // worth reading
	medium                     // less headroom, less protection
	high                       // an outage, lost data, an open door
)

var severities = map[string]severity{"low": low, "medium": medium, "high": high}

func (s severity) String() string {
	return [...]string{low: "low", medium: "medium", high: "high"}[s]
}

// advice is one check of this package that looks at what a value means. Its page names it: docs/checks/DOC.md.
type advice struct {
	doc      string // "diff-risk-probe-removed"
	severity severity
	what     string // what is found, as a sentence goes on behind "high risk: "
	hint     string
}

// name is what people write into rules: "risk-probe-removed".
func (a *advice) name() string { return strings.TrimPrefix(a.doc, "diff-") }

// adviceNames are the names that fail-on and expect.check take.
func adviceNames() []string {
	names := make([]string, len(advices))
	for i, a := range advices {
		names[i] = a.name()
	}
	return names
}

// state says how a risk in the target stands to the previous state.
type state uint8

const (
	worse state = iota // previous was better
	fresh              // there is nothing in previous to compare with
	alike              // previous has it too
)

// occurrence is one place where a check found something. Its texts are masked.
type occurrence struct {
	advice   *advice
	severity severity
	state    state
	order    int // of the pair, so that the result does not depend on the order of maps
	object   ObjectID
	names    []string
	path     []segment
	at       Position
	got      string
	want     string
	a, b     *Node // the values, for the rules; nil where a side has none
	// expected says that a rule suppresses it.
	expected bool
}

// settle puts occurrences in order, asks the rules about each, and gives one finding a check, the worst first.
func (c *comparer) settle(found []occurrence) []verdict.Finding {
	by := map[*advice][]occurrence{}
	for _, o := range found {
		by[o.advice] = append(by[o.advice], o)
	}
	var fs []verdict.Finding
	var worst []severity
	for _, a := range advices {
		os := by[a]
		if len(os) == 0 {
			continue
		}
		slices.SortFunc(os, compareOccurrences)
		os = slices.CompactFunc(os, func(x, y occurrence) bool { return compareOccurrences(x, y) == 0 })
		expected := 0
		for i := range os {
			if os[i].expected = c.rules.excuses(os[i]); os[i].expected {
				expected++
			}
		}
		if expected == len(os) {
			continue
		}
		os = slices.DeleteFunc(os, func(o occurrence) bool { return o.expected })
		fs = append(fs, c.adviceFinding(a, os, expected))
		worst = append(worst, worstOf(os))
	}
	return bySeverity(fs, worst)
}

// bySeverity puts the worst first, and keeps the order of the table among equals.
func bySeverity(fs []verdict.Finding, worst []severity) []verdict.Finding {
	order := make([]int, len(fs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Or(cmp.Compare(fs[y].Outcome, fs[x].Outcome), cmp.Compare(worst[y], worst[x]))
	})
	sorted := make([]verdict.Finding, len(fs))
	for i, j := range order {
		sorted[i] = fs[j]
	}
	return sorted
}

func compareOccurrences(x, y occurrence) int {
	return cmp.Or(cmp.Compare(y.severity, x.severity), cmp.Compare(x.state, y.state), cmp.Compare(x.order, y.order),
		cmp.Compare(x.at.File, y.at.File), cmp.Compare(x.at.Line, y.at.Line), cmp.Compare(render(x.path), render(y.path)),
		cmp.Compare(x.got, y.got), cmp.Compare(x.want, y.want))
}

func worstOf(os []occurrence) severity {
	s := low
	for _, o := range os {
		s = max(s, o.severity)
	}
	return s
}

// adviceFinding tells what one check found: a note, unless the rules say that it fails.
func (c *comparer) adviceFinding(a *advice, os []occurrence, expected int) verdict.Finding {
	f := verdict.Finding{Check: "diff/" + a.name(), Outcome: verdict.Note, Doc: a.doc, Hint: a.hint, Evidence: occurrenceEvidence(os)}
	// What previous did too was survived before, and is no reason to keep the new version.
	f.Irreversible = a == riskDestructive && slices.ContainsFunc(os, func(o occurrence) bool { return o.state != alike })
	if c.rules.fails(a, worstOf(os)) {
		f.Outcome, f.Reason = verdict.Fail, a.name()
	}
	places := "in one place"
	if len(os) > 1 {
		places = fmt.Sprintf("in %d places", len(os))
	}
	if expected > 0 {
		places += fmt.Sprintf(" (%d expected)", expected)
	}
	f.Summary = clean.Text(fmt.Sprintf("%s risk: %s, %s", worstOf(os), a.what, places))
	return f
}

// occurrenceEvidence lists places in their order; the same values in many places are one entry.
func occurrenceEvidence(os []occurrence) []verdict.Evidence {
	var groups [][]occurrence
	index := map[string]int{}
	for _, o := range os {
		key := join(o.got, o.want)
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], o)
	}
	var es []verdict.Evidence
	rest := 0
	for i, g := range groups {
		if i >= maxEvidence {
			rest += len(g)
			continue
		}
		es = append(es, groupEvidence(g))
	}
	if rest > 0 {
		es = append(es, verdict.Evidence{What: fmt.Sprintf("and %s more", plural(rest, "place"))})
	}
	return es
}

func groupEvidence(g []occurrence) verdict.Evidence {
	e := verdict.Evidence{Got: g[0].got, Want: g[0].want}
	if g[0].b != nil { // what is gone has no place in the target
		e.At = g[0].at.place()
	}
	var paths []string
	for _, o := range g[:min(len(g), 3)] {
		paths = append(paths, located(o.object, render(o.path), o.at))
	}
	e.What = strings.Join(paths, ", ")
	if n := len(g); n > 1 {
		e.What = fmt.Sprintf("%d paths: %s", n, e.What)
		if n > 3 {
			e.What += fmt.Sprintf(" and %d more", n-3)
		}
	}
	e.What = clean.Text(e.What)
	return e
}

// beyond is what stands behind the differences: what must be there, the team's own checks, the cluster's policies; then what the values
// mean: risks, references that lead nowhere, and the previous environment in the target.
func (c *comparer) beyond(ps pairing, previous, target Tree, rules Rules) []verdict.Finding {
	fs := c.requirements(ps)
	fs = append(fs, c.checks(ps, c.changes)...)
	fs = append(fs, c.admissions(ps, rules.Policies)...)
	w := c.survey(ps, previous, target, rules.PreviousNames)
	found := append(w.found, c.references(ps)...)
	return append(fs, c.settle(append(found, w.envLeaks()...))...)
}
