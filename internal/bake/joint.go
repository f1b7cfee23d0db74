package bake

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

// joint is the judgement of the deploy: all metrics together decide, each explains itself (watch.state). Samples come from one goroutine a
// source; a baseline that arrives late has the whole judged again, so that the order of arrival changes nothing.
type joint struct {
	mu      sync.Mutex
	make    func(judge.DeploySpec, iter.Seq[judge.History]) deployJudge
	spec    judge.DeploySpec
	metrics []together
	judge   deployJudge // nil: it must be made anew
	verdict judge.Verdict
	passed  time.Time // up to when was seen what passed before the end; zero: it did not
}

// together is one metric in the judgement of all.
type together struct {
	spec     judge.MetricSpec
	hard     []judge.Limit
	upstream bool // a dependency's: where it fails, the cause is there
	group    bool
	of       int     // of a group: whose
	part     float64 // of the metric's evidence: all of it, or less where there are groups
	own      side    // of what is judged
	control  side    // of what runs beside it; nil samples where there is none
}

// past is what was seen of one side before the deploy.
type past struct {
	before  judge.Packed
	earlier []earlier // deploys
}

// earlier is what was seen around an earlier deploy.
type earlier struct {
	start   time.Time
	samples judge.Packed
}

// side is what was seen of one side.
type side struct {
	past
	settled bool // past is known, or will never be
	samples []judge.Sample
	fed     int
}

func newJoint(spec judge.DeploySpec, metrics []together, make_ func(judge.DeploySpec, iter.Seq[judge.History]) deployJudge) *joint {
	return &joint{make: make_, spec: spec, metrics: metrics}
}

// joins has a group of a metric judged too. That changes what all together weigh, so that all is judged again.
func (j *joint) joins(metric int, g together) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	g.group, g.of = true, metric
	j.metrics, j.judge = append(j.metrics, g), nil
	return len(j.metrics) - 1
}

// of is one side of a metric.
func (j *joint) of(metric int, control bool) *side {
	if control {
		return &j.metrics[metric].control
	}
	return &j.metrics[metric].own
}

// observe takes the next samples of one side of a metric.
func (j *joint) observe(metric int, control bool, fresh []judge.Sample) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.of(metric, control)
	s.samples = append(s.samples, fresh...)
}

// settle says that all is known that will be known of one side of a metric before the deploy.
func (j *joint) settle(metric int, control bool, p past) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.of(metric, control)
	s.past, s.settled, j.judge = p, true, nil
}

// extend has everything judged again, in a window that ends later.
func (j *joint) extend(end time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spec.End, j.judge = end, nil
}

// look judges what is new, window by window: what was fetched late gets the verdict that it would have had in time.
func (j *joint) look() judge.Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.feed()
	return j.verdict
}

// lacks is what a pass would lack now, by what the judge has seen.
func (j *joint) lacks() judge.Lack {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.judge == nil || j.verdict.Status == judge.Fail {
		return judge.Lack{}
	}
	return j.judge.Lacks()
}

// end looks for the last time.
func (j *joint) end() judge.Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.feed(); j.verdict.Status != judge.Fail && j.passed.IsZero() {
		j.verdict = j.judge.End()
		j.outside()
	}
	return j.verdict
}

// pass makes a pass before the end final, where it still is one and nobody did so before. It reports whether it did.
func (j *joint) pass(seen time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.verdict.Status != judge.Pass || !j.passed.IsZero() {
		return false
	}
	j.passed = seen
	return true
}

// passedAt is up to when was seen what passed before the end of the window; zero where it did not.
func (j *joint) passedAt() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.passed
}

// notYet is why it does not pass before the end of the window, "" where it may not yet.
func (j *joint) notYet() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.verdict.Status == judge.Continue:
		return j.verdict.Sentence
	case j.verdict.Status == judge.Pass && j.passed.IsZero(): // a metric by itself, or its source, holds it back
		return "not all of it was seen"
	}
	return ""
}

func (j *joint) feed() {
	if !j.passed.IsZero() {
		return
	}
	if j.judge == nil {
		j.begin()
	}
	for _, t := range j.unseen() {
		if j.verdict.Status == judge.Fail {
			return
		}
		var hard *judge.Verdict
		for i := range j.metrics {
			m := &j.metrics[i]
			m.control.until(t, func(x judge.Sample) { j.judge.AddControl(i, x) })
			m.own.until(t, func(x judge.Sample) {
				j.judge.Add(i, x)
				hard = cmp.Or(hard, m.exceeds(x))
			})
		}
		j.verdict = j.judge.Judge()
		if hard != nil && j.verdict.Status != judge.Fail {
			hard.Metrics, j.verdict = j.verdict.Metrics, *hard
		}
		j.outside()
	}
}

// until gives what was seen up to a time, each once.
func (s *side) until(t time.Time, do func(judge.Sample)) {
	for ; s.fed < len(s.samples) && !s.samples[s.fed].To.After(t); s.fed++ {
		do(s.samples[s.fed])
	}
}

// exceeds is the verdict where one window is beyond a hard limit, nil where it is not.
func (m *together) exceeds(x judge.Sample) *judge.Verdict {
	l, got, ok := judge.Exceeds(m.spec.Kind, m.hard, x)
	if !ok {
		return nil
	}
	return &judge.Verdict{Status: judge.Fail, Metric: m.spec.Name,
		Sentence: fmt.Sprintf("%s %s from %s to %s, beyond the hard limit %s%s", m.spec.Name, hardly(m.spec.Spec, l, got), clock24(x.From), clock24(x.To), quantileName(l), l.Text)}
}

func hardly(spec judge.Spec, l judge.Limit, got judge.Rate) string {
	switch {
	case l.Quantile > 0:
		return fmt.Sprintf("above %s for %s of %s requests", l.Text, rate(spec.Kind, got.Value), number(got.Total))
	case spec.Kind == judge.Gauge:
		return valueIn(spec.Unit, got.Value)
	}
	return rate(spec.Kind, got.Value)
}

// upstreamOdds is how likely, against one, an upstream's trouble must be to be taken for the cause. It only turns a rollback into a hold.
const upstreamOdds = 20

// outside looks whether what fails has its cause in a dependency.
func (j *joint) outside() {
	v := &j.verdict
	if v.Status != judge.Fail || v.External {
		return
	}
	for i, m := range j.metrics {
		if m.upstream && i < len(v.Metrics) && v.Metrics[i].Evidence*m.part >= upstreamOdds {
			v.External = true
			v.Reason = fmt.Sprintf("%s, which this depends on, got worse too (evidence %s)", m.spec.Name, odds(v.Metrics[i].Evidence))
			return
		}
	}
}

// begin makes the judge, and has it see everything again. A metric whose history is on its way is held to its limits alone.
func (j *joint) begin() {
	spec := j.spec
	for i := range j.metrics {
		m := &j.metrics[i]
		s := m.spec
		s.Compare = s.Compare && m.own.settled && m.control.settled
		spec.Metrics = append(spec.Metrics, s)
		m.own.fed, m.control.fed = 0, 0
	}
	j.share(spec.Metrics)
	j.judge, j.verdict = j.make(spec, j.histories()), judge.Verdict{Status: judge.Continue}
}

// share gives half of the weight of a metric that has groups to these, so that groups do not make false rollbacks more frequent.
func (j *joint) share(specs []judge.MetricSpec) {
	of := make([]int, len(specs))
	for i := range j.metrics {
		m := &j.metrics[i]
		of[i] = whole
		if m.group {
			of[i] = m.of
		}
		if m.group && len(m.spec.Limits) == 0 && m.spec.Kind != judge.Boolean && !(specs[i].Compare && m.own.before.Len() > 0) {
			of[i] = unjudged
		}
	}
	for i, part := range shareGroups(specs, of) {
		j.metrics[i].part = part
	}
}

// What a metric is where it is no group, or one that there is nothing to judge by.
const (
	whole    = -1
	unjudged = -2
)

// shareGroups sets the weights of metrics of which some are groups of others, and gives each one's part of its metric's evidence.
func shareGroups(specs []judge.MetricSpec, of []int) []float64 {
	n, parts := map[int]int{}, make([]float64, len(specs))
	for _, w := range of {
		n[w]++
	}
	for i := range specs {
		parts[i] = 1
		switch g := n[of[i]]; {
		case of[i] >= 0:
			specs[i].Among, parts[i] = g, 0.5/float64(g)
		case of[i] == unjudged:
			specs[i].Among = 1
		case of[i] == whole && n[i] > 0:
			parts[i] = 0.5
		}
		specs[i].Weight = cmp.Or(specs[i].Weight, 1) * parts[i]
	}
	return parts
}

// histories are those of the metrics, each unpacked when the judge learns from it.
func (j *joint) histories() iter.Seq[judge.History] {
	return func(yield func(judge.History) bool) {
		for i := range j.metrics {
			m := &j.metrics[i]
			if !yield(judge.History{Before: m.own.before.Samples(), Control: m.control.before.Samples(), Previous: m.previous()}) {
				return
			}
		}
	}
}

// previous are the earlier deploys, each with its control where both are known.
func (m *together) previous() (es []judge.Earlier) {
	for _, e := range m.own.earlier {
		p := judge.Earlier{Start: e.start, Samples: e.samples.Samples()}
		for _, c := range m.control.earlier {
			if c.start.Equal(e.start) {
				p.Control = c.samples.Samples()
			}
		}
		es = append(es, p)
	}
	return es
}

// unseen are the ends of the windows that the judge has not seen, each once, in their order.
func (j *joint) unseen() []time.Time {
	var ts []time.Time
	for _, m := range j.metrics {
		for _, s := range []side{m.own, m.control} {
			for _, x := range s.samples[s.fed:] {
				ts = append(ts, x.To)
			}
		}
	}
	slices.SortFunc(ts, time.Time.Compare)
	return slices.CompactFunc(ts, time.Time.Equal)
}
