package judge

import (
	"iter"
	"math"
	"time"
)

// DeploySpec says what one deploy is held to: several metrics under one budget for being wrong.
type DeploySpec struct {
	Alpha   float64       `json:"alpha"`  // chance of a false rollback of a good deploy: all metrics, all looks together
	Start   time.Time     `json:"start"`  // when the new version began to serve
	End     time.Time     `json:"end"`    // the end of the window
	WarmUp  time.Duration `json:"warmUp"` // length of the default warm-up band, used where no earlier deploy teaches a better one; 0: none
	Metrics []MetricSpec  `json:"metrics"`
	// PassAfter is how long after the start it may pass before the end of the window; 0: never. Step is how often it is looked at then.
	PassAfter time.Duration `json:"passAfter,omitempty"`
	Step      time.Duration `json:"step,omitempty"`
}

// MetricSpec is one metric of a deploy. Its Alpha, WarmUp, Start and End are the deploy's.
type MetricSpec struct {
	Spec
	Weight    float64   `json:"weight,omitempty"`    // share of the evidence relative to the others; 0: 1
	Critical  bool      `json:"critical,omitempty"`  // gets three times its share, and is needed to pass
	DryRun    bool      `json:"dryRun,omitempty"`    // judged and told, without effect on the deploy
	Optional  bool      `json:"optional,omitempty"`  // too little of it does not keep the deploy from passing
	Direction Direction `json:"direction,omitempty"` // of a rate: which way is worse; Down where it is left out
	// Among is of how many groups of another metric this is one; 0: it is none. What looks worse in one of so many may be chance, and too
	// little of one says nothing against the deploy: the whole is judged too.
	Among int `json:"among,omitempty"`
}

// Direction is the way in which a rate is worse.
type Direction string

// The directions.
const (
	Down Direction = "down"
	Up   Direction = "up"
)

// Rates counts events in time, such as requests, and, where Sample.Of is set, among requests, such as orders.
const Rates Kind = "rate"

// History is what is known of one metric before the deploy.
type History struct {
	Before   []Sample  `json:"before,omitempty"`
	Control  []Sample  `json:"control,omitempty"`  // of what runs beside the new version, in the same time
	Previous []Earlier `json:"previous,omitempty"` // good deploys of the same service
}

// Earlier is a metric around an earlier deploy.
type Earlier struct {
	Start   time.Time `json:"start"` // when that version began to serve
	Samples []Sample  `json:"samples"`
	Control []Sample  `json:"control,omitempty"`
}

// Verdict is the answer for the whole deploy.
type Verdict struct {
	Status   Status      `json:"status"` // Fail is a rollback
	Metric   string      `json:"metric,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	External bool        `json:"external,omitempty"` // it fails, but was so before or is so in the control: a rollback would not help
	Sentence string      `json:"sentence"`
	Evidence float64     `json:"evidence"` // e-value of all metrics together
	Needed   float64     `json:"needed,omitempty"`
	Metrics  []Judgement `json:"metrics"`
}

// Deploy is a deploy under judgement. It marshals to JSON and back. It is not safe for concurrent use.
type Deploy struct {
	spec    DeploySpec
	metrics []*watched
	calm    calm
}

// watched is one metric of a deploy: its comparison, and its limits.
type watched struct {
	spec    MetricSpec
	streams []*stream // compared with before, the control and earlier deploys
	flow    *stream   // its events per second: how much load there is
	level   *level    // of a gauge
	limits  *State    // nil where there are none
	outside *State    // the same limits, held against the control
	share   float64   // of the evidence
	missing string
	seen
}

// seen is what was observed of a metric, whatever its streams make of it.
type seen struct {
	Events      float64   `json:"events"`
	Last        time.Time `json:"last"`
	LastControl time.Time `json:"lastControl"`
	LastEvent   time.Time `json:"lastEvent,omitzero"`
	Hole        float64   `json:"hole,omitempty"`    // s, the longest time without any event
	Partial     bool      `json:"partial,omitempty"` // of what was seen last a part is missing
}

// NewDeploy prepares the judgement of a deploy; histories are in the order of the metrics. It learns from one and lets it go before it takes
// the next, so that not all of them need be held as samples at a time.
func NewDeploy(spec DeploySpec, histories iter.Seq[History]) *Deploy {
	d := &Deploy{spec: tidyDeploy(spec)}
	for h := range histories {
		if !d.learn(h) {
			break
		}
	}
	for d.learn(History{}) { // of these nothing is known
	}
	d.split()
	return d
}

// learn makes the next metric from its history, and reports whether there was one.
func (d *Deploy) learn(h History) bool {
	i := len(d.metrics)
	if i == len(d.spec.Metrics) {
		return false
	}
	d.metrics = append(d.metrics, newWatched(&d.spec, d.spec.Metrics[i], h))
	return true
}

const amongMost = 1000 // groups of one metric

func tidyDeploy(spec DeploySpec) DeploySpec {
	if !(spec.Alpha > 0 && spec.Alpha < 1) {
		spec.Alpha = defaultAlpha
	}
	spec.WarmUp = max(0, spec.WarmUp)
	spec.Metrics = append([]MetricSpec(nil), spec.Metrics...)
	for i := range spec.Metrics {
		m := &spec.Metrics[i]
		m.Alpha, m.WarmUp, m.Start, m.End = spec.Alpha, spec.WarmUp, spec.Start, spec.End
		m.Spec = tidy(m.Spec)
		m.Among = min(max(0, m.Among), amongMost)
		m.Optional = m.Optional || m.Among > 0
		if !(m.Weight > 0 && m.Weight < 1e6) {
			m.Weight = 1
		}
	}
	return spec
}

// split shares the evidence among the metrics that count: the weighted mean of e-values is an e-value whatever their dependence (Vovk &
// Wang, Annals of Statistics 49(3), 2021), and one clear metric has only its share to overcome, not a threshold of its own.
func (d *Deploy) split() {
	sum := 0.0
	for _, w := range d.metrics {
		w.share = w.spec.Weight
		if w.spec.Critical {
			w.share *= 3
		}
		if w.spec.DryRun || !w.judged() {
			w.share = 0
		}
		sum += w.share
	}
	for _, w := range d.metrics {
		if sum > 0 {
			w.share /= sum
		}
	}
}

func (w *watched) judged() bool { return len(w.streams) > 0 || w.level != nil || w.limits != nil }

// chances is by how many nats more one of several groups has to show than a metric of its own.
func (m *MetricSpec) chances() float64 { return math.Log(float64(max(1, m.Among))) }

// window is the length of the bake, s; half an hour where it is not known.
func (s *DeploySpec) window() float64 {
	if w := s.End.Sub(s.Start).Seconds(); w > 0 && w < 30*86400 {
		return w
	}
	return 1800
}

// Add takes the next closed sample of a metric.
func (d *Deploy) Add(metric int, x Sample) {
	if metric < 0 || metric >= len(d.metrics) {
		return
	}
	w := d.metrics[metric]
	x, _, ok := sane(w.kind(), x)
	if !ok || x.From.Before(w.Last) || !x.To.After(d.spec.Start) {
		return
	}
	w.observe(x, d.spec.Start)
	if w.limits != nil {
		w.limits.Add(x)
	}
	w.each(x, d.spec.Start, func(s *stream, o obs) { s.add(o) })
	if w.level != nil {
		w.level.add(x, d.spec.Start)
	}
}

// AddControl takes the next closed sample of what runs beside the new version.
func (d *Deploy) AddControl(metric int, x Sample) {
	if metric < 0 || metric >= len(d.metrics) {
		return
	}
	w := d.metrics[metric]
	x, _, ok := sane(w.kind(), x)
	if !ok || x.From.Before(w.LastControl) || !x.To.After(d.spec.Start) {
		return
	}
	w.LastControl = x.To
	if w.outside != nil {
		w.outside.Add(x)
	}
	w.each(x, d.spec.Start, func(s *stream, o obs) { s.addControl(o) })
}

// kind is the shape of the metric's samples: a rate's are counts.
func (w *watched) kind() Kind { return w.spec.Kind }

// each gives a sample to the streams. Where a process's series are missing, that others have counted less than all did is no loss of events:
// absence alone is never evidence. Zeros are no absence.
func (w *watched) each(x Sample, start time.Time, do func(*stream, obs)) {
	give := func(s *stream) {
		if o := s.reduce(x, start); !x.Partial || s.What != countRate || o.Y == 0 {
			do(s, o)
		}
	}
	if w.flow != nil {
		give(w.flow)
	}
	for _, s := range w.streams {
		if s != w.flow {
			give(s)
		}
	}
}
