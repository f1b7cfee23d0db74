package bake

import (
	"slices"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

// joint is the judgement of the deploy: all metrics together decide, each explains itself (watch.state). Samples come from one goroutine a
// source; a baseline that arrives late has the whole judged again, so that the order of arrival changes nothing.
type joint struct {
	mu        sync.Mutex
	make      func(judge.DeploySpec, []judge.History) deployJudge
	spec      judge.DeploySpec
	histories []judge.History
	settled   []bool // the metric's history is known, or will never be
	samples   [][]judge.Sample
	fed       []int
	judge     deployJudge // nil: it must be made anew
	verdict   judge.Verdict
}

func newJoint(spec judge.DeploySpec, make_ func(judge.DeploySpec, []judge.History) deployJudge) *joint {
	n := len(spec.Metrics)
	return &joint{make: make_, spec: spec, histories: make([]judge.History, n), settled: make([]bool, n), samples: make([][]judge.Sample, n), fed: make([]int, n)}
}

// observe takes the next samples of a metric.
func (j *joint) observe(metric int, fresh []judge.Sample) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.samples[metric] = append(j.samples[metric], fresh...)
}

// settle says that all is known that will be known of a metric before the deploy.
func (j *joint) settle(metric int, h judge.History) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.histories[metric], j.settled[metric], j.judge = h, true, nil
}

// look judges what is new, window by window: what was fetched late gets the verdict that it would have had in time.
func (j *joint) look() judge.Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.feed()
	return j.verdict
}

// end looks for the last time.
func (j *joint) end() judge.Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.feed(); j.verdict.Status != judge.Fail {
		j.verdict = j.judge.End()
	}
	return j.verdict
}

func (j *joint) feed() {
	if j.judge == nil {
		j.begin()
	}
	for _, t := range j.unseen() {
		if j.verdict.Status == judge.Fail {
			return
		}
		for i := range j.samples {
			for ; j.fed[i] < len(j.samples[i]) && !j.samples[i][j.fed[i]].To.After(t); j.fed[i]++ {
				j.judge.Add(i, j.samples[i][j.fed[i]])
			}
		}
		j.verdict = j.judge.Judge()
	}
}

// begin makes the judge, and has it see everything again. A metric whose history is on its way is held to its limits alone.
func (j *joint) begin() {
	spec := j.spec
	spec.Metrics = slices.Clone(spec.Metrics)
	for i := range spec.Metrics {
		spec.Metrics[i].Compare = spec.Metrics[i].Compare && j.settled[i]
	}
	j.judge, j.verdict = j.make(spec, j.histories), judge.Verdict{Status: judge.Continue}
	clear(j.fed)
}

// unseen are the ends of the windows that the judge has not seen, each once, in their order.
func (j *joint) unseen() []time.Time {
	var ts []time.Time
	for i, xs := range j.samples {
		for _, x := range xs[j.fed[i]:] {
			ts = append(ts, x.To)
		}
	}
	slices.SortFunc(ts, time.Time.Compare)
	return slices.CompactFunc(ts, time.Time.Equal)
}
