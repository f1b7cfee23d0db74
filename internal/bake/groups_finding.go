package bake

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// groupsFound is what the groups of a metric come to: one finding for the one that decided, and one for all others.
type groupsFound struct {
	w       *watch
	fine    []string // harm is excluded
	little  []string // too little to say anything of it by itself
	gone    []string // seen before the deploy alone
	fresh   []string // seen after the deploy alone
	worse   []string // it looks worse, and that is not proved
	proved  []string // it got worse, which has no effect
	strange []string // new, and worse than all together were before
	all     []verdict.Evidence
}

// concludeGroups is nil for a metric without groups.
func (w *watch) concludeGroups(over bool, v judge.Verdict) (fs []verdict.Finding, js []judge.Judgement) {
	if w.groups == nil {
		return nil, nil
	}
	found := groupsFound{w: w}
	for _, g := range w.groups.all() {
		j := g.failed
		if j == nil && over && v.Status == judge.Fail && v.Metric == g.Name {
			j = new(w.decidedBy(g, v))
			w.tell(Event{Kind: EventJudgement, Metric: g.Name, Of: w.Name, Judgement: j, Text: judgementText(*j)})
		}
		if j != nil {
			f := w.judged(*j)
			f.Check, f.Reason = "bake/"+g.Name, w.Name
			fs, js = append(fs, w.told(f)), append(js, *j)
			continue
		}
		if over && g.index < len(v.Metrics) {
			found.take(g, v.Metrics[g.index])
		}
	}
	if t := w.groups.trouble(); t != nil {
		f := w.unknown(t)
		f.Check += "/" + w.By
		return append(fs, w.told(f)), js
	}
	unknown := w.compares() && !w.hasBefore() && len(w.spec.Limits) == 0 // and so says the metric itself
	if f := found.finding(); over && !unknown && f.Summary != "" {
		fs = append(fs, w.told(f))
	}
	return fs, js
}

// take sorts one group.
func (c *groupsFound) take(g *group, j judge.Judgement) {
	w := c.w
	after, before := w.split.samples(g), w.before.of(g).Samples()
	e := verdict.Evidence{What: g.By + " " + g.value, Got: w.amountsOf(after)}
	if len(before) > 0 {
		e.Got += ", before " + w.amountsOf(before)
	}
	judged := len(before) > 0 && w.compares() || len(w.spec.Limits) > 0 || w.kind() == judge.Boolean
	switch {
	case len(after) == 0 && !w.justThere(w.before.of(g)):
		return
	case len(after) == 0, judged && j.Reason == judge.NoData:
		c.gone = append(c.gone, g.value)
	case judged && j.Status == judge.Pass:
		c.fine = append(c.fine, g.value)
	case judged && j.Status == judge.Fail && w.withoutEffect():
		c.proved = append(c.proved, g.value)
	case judged && (j.Status == judge.Fail || j.Reason == judge.Unproved):
		c.worse = append(c.worse, g.value)
	case judged && len(before) > 0 || !w.compares():
		c.little = append(c.little, g.value)
	case w.strange(g):
		c.strange = append(c.strange, g.value)
	default:
		c.fresh = append(c.fresh, g.value)
	}
	c.all = append(c.all, e)
}

// justThere reports whether a group was seen right before the deploy, and not only long before it.
func (w *watch) justThere(group judge.Packed) bool {
	if group.Len() == 0 {
		return false
	}
	all := w.before.of(nil)
	_, last := all.Newest()
	_, seen := group.Newest()
	return all.Len() == 0 || last.Sub(seen) < liveBack/4
}

// amountsOf says what samples amount to, and of how many events; "nothing" where there are none.
func (m Metric) amountsOf(samples []judge.Sample) string {
	text, events := m.amounts(samples), judge.Together(samples).Total
	switch {
	case text == "":
		return "nothing"
	case m.kind() == judge.Proportion:
		text += " of " + number(events)
	}
	return text
}

// strange reports whether a group that nothing is known of from before the deploy is worse than all together were: nobody knows what is
// usual there, so that it rolls nothing back, and is no pass either.
func (w *watch) strange(g *group) bool {
	if k := w.kind(); k != judge.Proportion && k != judge.Histogram || !w.hasBefore() {
		return false
	}
	spec := w.spec
	spec.Limits = nil
	s := w.newJudge(spec, w.before.moved(nil).Samples())
	for _, x := range w.split.samples(g) {
		s.Add(x)
	}
	j := s.End()
	return j.Status == judge.Fail || j.Status == judge.Unknown && j.Reason == judge.Unproved && j.Evidence >= doubtful
}

// finding tells of all groups but the one that decided.
func (c *groupsFound) finding() verdict.Finding {
	w := c.w
	f := verdict.Finding{Check: "bake/" + w.Name + "/" + w.By, Outcome: verdict.Note, Doc: "bake-groups", Evidence: c.all}
	var parts []string
	say := func(names []string, format string) {
		if len(names) > 0 {
			slices.Sort(names)
			parts = append(parts, fmt.Sprintf(format, strings.Join(names, ", ")))
		}
	}
	unseen := w.compares() && w.hasBefore() && len(c.fresh)+len(c.strange) > 0 && len(c.fine)+len(c.little)+len(c.worse)+len(c.proved) == 0
	switch {
	case len(c.worse) > 0:
		f.Outcome, f.Reason, f.Hint = verdict.Unknown, judge.Unproved, hints[judge.Unproved]
	case len(c.strange) > 0 || unseen:
		f.Outcome, f.Reason = verdict.Unknown, judge.NoBaseline
		f.Hint = "take a label whose values stay from deploy to deploy (zone, region; not pod), or give the metric a limit, which holds without a time before"
	case len(c.fine) > 0 && len(c.little)+len(c.fresh)+len(c.gone) == 0:
		f.Outcome = verdict.Pass
	}
	say(c.proved, "%s got worse")
	say(c.worse, "%s looks worse than it was, and that is not proved")
	say(c.strange, "%s was not there before the deploy, and is worse than all together were then")
	say(c.fine, "harm is excluded in %s")
	say(c.little, "too little to say anything by itself of %s")
	say(c.fresh, "nothing to compare with in %s, which was not there before the deploy")
	say(c.gone, "nothing came from %s any more, which alone is no evidence")
	if len(parts) > 0 {
		f.Summary = w.Name + " by " + w.By + ": " + strings.Join(parts, "; ")
	}
	return f
}
