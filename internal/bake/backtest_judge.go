package bake

import (
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/release"
)

// trial is what one past deploy is judged by: the metrics, and behind them their groups.
type trial struct {
	spec   judge.DeploySpec
	of     []int // of each: as shareGroups takes it
	before []judge.History
	after  [][]judge.Sample
}

func (r *replay) trial(p Past, hs histories) trial {
	t := trial{spec: judge.DeploySpec{Alpha: float64(r.Options.Alpha), Start: p.Serving, End: p.Serving.Add(r.Options.Window),
		PassAfter: r.Options.PassAfter, Step: r.Options.Step}}
	add := func(m judge.MetricSpec, of int, before, after []judge.Sample) {
		t.spec.Metrics, t.of = append(t.spec.Metrics, m), append(t.of, of)
		t.before, t.after = append(t.before, judge.History{Before: before}), append(t.after, after)
	}
	for _, h := range hs.metrics {
		m := h.metricSpec(r.spec(p, h))
		t.spec.WarmUp = max(t.spec.WarmUp, m.WarmUp)
		add(m, whole, r.before(p, h, h.samples), between(h.samples, t.spec.Start, t.spec.End))
	}
	for i, h := range hs.metrics {
		for _, g := range h.split.all() {
			m := t.spec.Metrics[i]
			m.Name = g.Name
			before, after := r.before(p, h, h.split.samples(g)), between(h.split.samples(g), t.spec.Start, t.spec.End)
			if len(before) > 0 || len(m.Limits) > 0 && len(after) > 0 {
				add(m, i, before, after)
			}
		}
	}
	shareGroups(t.spec.Metrics, t.of)
	return t
}

// judge gives the past to the judge as it came, window by window.
func (r *replay) judge(p Past, hs histories) Replayed {
	t := r.trial(p, hs)
	v, at := t.decided()
	out := Replayed{Past: p, At: at, Why: v.Sentence, Verdict: map[judge.Status]string{judge.Fail: ReplayRollback, judge.Pass: ReplayPass}[v.Status]}
	if out.Verdict == "" {
		out.Verdict = ReplayInconclusive
	}
	for i, m := range t.spec.Metrics {
		if t.of[i] == whole {
			out.Metrics = append(out.Metrics, alone(m.Spec, t.before[i].Before, t.after[i], at, v))
			hs.metrics[i].untold(&out, i)
			continue
		}
		if v.Status == judge.Fail && v.Metric == m.Name { // the worst group is what the metric came to
			out.Metrics[t.of[i]].Status, out.Metrics[t.of[i]].Sentence = judge.Fail, v.Sentence
			v.Metric = out.Metrics[t.of[i]].Metric
		}
	}
	if v.Metric != "" {
		out.By = []string{v.Metric}
	}
	for _, j := range out.Metrics {
		if j.Metric == v.Metric && j.Sentence != "" {
			out.Why = j.Sentence
		}
	}
	return out
}

// untold takes a pass back where the groups of a metric cannot be told apart.
func (h *history) untold(out *Replayed, i int) {
	if h.split == nil || out.Verdict == ReplayRollback {
		return
	}
	if t := h.split.groups.trouble(); t != nil {
		j := &out.Metrics[i]
		out.Verdict, out.Why, out.By = ReplayInconclusive, h.Name+": "+t.text, []string{h.Name}
		j.Status, j.Reason, j.Sentence = judge.Unknown, t.reason, out.Why
	}
}

// decided has all metrics judged together, and says when that was decided.
func (t *trial) decided() (judge.Verdict, time.Time) {
	d := newDeploy(t.spec, slices.Values(t.before))
	j := joint{judge: d, metrics: make([]together, len(t.after))}
	for i := range t.after {
		j.metrics[i].own.samples = t.after[i]
	}
	for _, at := range j.unseen() {
		for i := range j.metrics {
			j.metrics[i].own.until(at, func(x judge.Sample) { d.Add(i, x) })
		}
		if v := d.Judge(); v.Status == judge.Fail || v.Status == judge.Pass && t.sound(at, v) {
			return v, at
		}
	}
	return d.End(), t.spec.End
}

// sound reports whether each metric would pass by itself too, as the bake asks before it passes early.
func (t *trial) sound(at time.Time, v judge.Verdict) bool {
	for i, m := range t.spec.Metrics {
		if t.of[i] == whole && !m.DryRun && alone(m.Spec, t.before[i].Before, t.after[i], at, v).Status != judge.Pass {
			return false
		}
	}
	return true
}

// alone has one metric explain itself, up to the time at which all was decided.
func alone(spec judge.Spec, before, after []judge.Sample, at time.Time, v judge.Verdict) judge.Judgement {
	st := newJudge(spec, before)
	for _, s := range after {
		if !s.To.After(at) {
			st.Add(s)
		}
	}
	if v.Status == judge.Fail {
		j := st.Judge()
		j.Metric = spec.Name
		return inView(j, v)
	}
	j := st.End()
	j.Metric = spec.Name
	return ended(j, v)
}

func (r *replay) spec(p Past, h *history) judge.Spec {
	spec := judge.Spec{Name: h.Name, Kind: h.kind(), Unit: h.unit(), Limits: append(h.limits(), h.burns(r.Options.Window)...), Compare: h.compares(), Start: p.Serving, End: p.Serving.Add(r.Options.Window),
		Alpha: float64(r.Options.Alpha) / float64(len(r.Options.Metrics))}
	if r.Options.WarmUp != nil {
		spec.WarmUp = *r.Options.WarmUp
	}
	return spec
}

// before is the baseline of a metric.
func (r *replay) before(p Past, h *history, samples []judge.Sample) []judge.Sample {
	if !h.compares() {
		return nil
	}
	o := r.Options
	b := baseline{}
	from, to, _ := Plan{Options: o, Deploy: release.Deploy{Started: p.Started}}.baselineWindow(h.back())
	if h.back() > 0 {
		b.shift = p.Started.Add(-o.Baseline.Gap).Sub(to)
	}
	b.keep(nil, leaveOut(between(samples, from, to), append(slices.Clone(o.Baseline.Exclude), r.others(p)...)))
	return b.moved(nil).Samples()
}

// others are the deploys around this one, which are no baseline.
func (r *replay) others(p Past) []Interval {
	var out []Interval
	for _, x := range r.Past {
		if x.Truth != None && x.Started.Before(p.Started) {
			out = append(out, Interval{From: x.Started, To: x.Serving.Add(r.Options.Window)})
		}
	}
	return out
}
