package bake

import (
	"slices"

	"github.com/bakegate/bakegate/internal/judge"
)

// groupSpec is a group as the judgement of all takes it. A hard limit is the whole's: one window of a small group is too little for it.
func (w *watch) groupSpec(g *group) together {
	t := together{spec: w.metricSpec(w.spec), upstream: w.Upstream}
	t.spec.Name = g.Name
	t.control.settled = w.Control == nil
	return t
}

// resumeGroups takes up the groups of an earlier process, as far as the metric itself was taken up.
func (w *watch) resumeGroups(r Resume) {
	w.split.resume(r.Samples, func(g *group, samples []judge.Sample) {
		w.split.keep(g, slices.DeleteFunc(samples, func(s judge.Sample) bool { return s.From.Before(w.from) || s.To.After(w.known) }))
	})
	if b := w.before; b != nil {
		b.split.resume(r.Baseline, func(g *group, samples []judge.Sample) {
			b.keep(g, slices.DeleteFunc(leaveOut(samples, b.exclude), func(s judge.Sample) bool { return !b.done && s.To.After(b.known) }))
		})
	}
}

// giveGroups gives what is new of each group to the judgement of all.
func (w *watch) giveGroups() {
	all := w.groups.all()
	if len(all) > w.settledGroups {
		w.settle()
	}
	for _, g := range all {
		p := w.split.parts[g]
		if p == nil || p.given == len(p.samples) {
			continue
		}
		if t := p.counts.trouble(); t != nil && t.reason != judge.NoData { // nothing came since an earlier process
			continue
		}
		w.joint.observe(g.index, w.control, p.samples[p.given:])
		p.given = len(p.samples)
	}
}

// worstGroup is what a line says of the group that looks worst, "" where none does.
func (w *watch) worstGroup(v judge.Verdict) (text string) {
	all := w.groups.all()
	most := doubtful * float64(len(all))
	for _, g := range all {
		if g.index < len(v.Metrics) && v.Metrics[g.index].Evidence >= most {
			most, text = v.Metrics[g.index].Evidence, g.By+" "+g.value+" worse?"
		}
	}
	return text
}

// decidesByGroup notes that the deploy is rolled back because of one of the groups.
func (w *watch) decidesByGroup(v judge.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.groups.all() {
		if g.Name != v.Metric || g.failed != nil {
			continue
		}
		j := w.decidedBy(g, v)
		g.failed, w.dependency = &j, v.Reason != ""
		w.tell(Event{Kind: EventJudgement, Metric: g.Name, Of: w.Name, Judgement: &j, Text: judgementText(j)})
	}
}

// decidedBy is the judgement of the group that decided, in the words of all together.
func (w *watch) decidedBy(g *group, v judge.Verdict) judge.Judgement {
	var j judge.Judgement
	if g.index < len(v.Metrics) {
		j = v.Metrics[g.index]
	}
	if all := judge.Together(w.before.of(g).Samples()); w.kind() == judge.Proportion && all.Total > 0 {
		j.Before = judge.Rate{Value: all.Bad / all.Total, Events: all.Bad, Total: all.Total}
	}
	j.Metric, j.Status = g.Name, judge.Continue
	return *w.kinded(new(w.dated(inView(j, v))))
}

// failedGroup is the group because of which the deploy is rolled back, nil for none.
func (w *watch) failedGroup() *group {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.groups.all() {
		if g.failed != nil {
			return g
		}
	}
	return nil
}
