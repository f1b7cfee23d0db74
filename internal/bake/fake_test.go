package bake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/release"
)

// process is one series of a process that lives in [born, died): value says what it would show at a time since its birth.
type process struct {
	name       string
	labels     map[string]string
	born, died time.Time
	offset     time.Duration // of its scrapes
	value      func(age time.Duration) float64
}

// perSecond counts n events a second, in whole numbers.
func perSecond(n float64) func(time.Duration) float64 {
	return func(age time.Duration) float64 { return math.Floor(n * age.Seconds()) }
}

func constant(v float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return v }
}

// backend is a metrics backend in memory: it scrapes its processes every interval and shows the points after a lag.
type backend struct {
	scrape  bool // knows no history
	gate    bool // says nothing before the deploy
	says    bool // its configuration says every
	every   time.Duration
	lag     time.Duration
	delay   time.Duration // of each answer
	deaf    bool          // does not look at its context
	answers map[string][]process
	down    func(now time.Time) error
	dead    func(t time.Time) bool // it did not scrape at t

	mu       sync.Mutex
	scrapes  []time.Time // of a source without history: the times of its calls
	calls    int
	ranges   []Interval
	inflight atomic.Int32
	overlap  atomic.Bool
}

// intervals is one that counts by intervals itself.
type intervals struct{ *backend }

func (intervals) Zeros(metric.Query) bool { return true }

func (b *backend) Check(metric.Query) error { return nil }
func (b *backend) Traits() metric.Traits {
	t := metric.Traits{History: !b.scrape, FromDeploy: b.gate}
	if b.says {
		t.Scrapes = b.every
	}
	return t
}

func (b *backend) Range(ctx context.Context, qs []metric.Query, from, to time.Time, _ time.Duration) ([]metric.Series, error) {
	if b.inflight.Add(1) > 1 {
		b.overlap.Store(true)
	}
	defer b.inflight.Add(-1)
	if b.deaf {
		time.Sleep(b.delay)
	} else if b.delay > 0 {
		sleep(ctx, b.delay)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.ranges = append(b.ranges, Interval{From: from, To: to})
	now := time.Now()
	if b.down != nil {
		if err := b.down(now); err != nil {
			return nil, err
		}
	}
	if b.scrape {
		b.scrapes = append(b.scrapes, now)
	}
	var out []metric.Series
	var errs []error
	for _, q := range qs {
		if q.Text == "broken" {
			errs = append(errs, &metric.QueryError{Query: q.ID, Trouble: metric.BadQuery, Err: errors.New("parse error")})
			continue
		}
		for _, p := range b.answers[q.Text] {
			if pts := b.points(p, from, to, now); len(pts) > 0 {
				out = append(out, metric.Series{Query: q.ID, Name: p.name, Labels: p.labels, Points: pts})
			}
		}
	}
	return out, errors.Join(errs...)
}

func (b *backend) points(p process, from, to, now time.Time) (pts []metric.Point) {
	show := func(t time.Time) {
		alive := !t.Before(p.born) && (p.died.IsZero() || t.Before(p.died))
		if alive && !t.Before(from) && t.Before(to) && !t.After(now.Add(-b.lag)) && (b.dead == nil || !b.dead(t)) {
			pts = append(pts, metric.Point{T: t, V: p.value(t.Sub(p.born))})
		}
	}
	if b.scrape {
		for _, t := range b.scrapes {
			show(t)
		}
		return pts
	}
	for t := from.Truncate(b.every).Add(p.offset - b.every); t.Before(to); t = t.Add(b.every) {
		show(t)
	}
	return pts
}

// counting is a judge that compares sums with the limit. It fails early from 50 events on, and passes with 100.
type counting struct {
	spec   judge.Spec
	before []judge.Sample
	seen   []judge.Sample
	after  judge.Rate
	looks  int
}

func (c *counting) Add(s judge.Sample) {
	c.seen = append(c.seen, s)
	c.after.Events += s.Bad
	c.after.Total += s.Total
	for _, b := range s.Buckets {
		c.after.Total += b.N
	}
	for _, v := range s.Values {
		c.after.Total++
		if v == 0 {
			c.after.Events++
		}
	}
	if c.after.Total > 0 {
		c.after.Value = c.after.Events / c.after.Total
	}
}

func (c *counting) judgement(s judge.Status, reason string) judge.Judgement {
	return judge.Judgement{Metric: c.spec.Name, Status: s, Reason: reason, Sentence: fmt.Sprintf("%.3g of %.3g", c.after.Events, c.after.Total), After: c.after}
}

func (c *counting) Judge() judge.Judgement {
	c.looks++
	for _, l := range c.spec.Limits {
		if l.HasMax && l.Quantile == 0 && c.after.Total >= 50 && c.after.Value > l.Max {
			return c.judgement(judge.Fail, "")
		}
	}
	return c.judgement(judge.Continue, "")
}

func (c *counting) End() judge.Judgement {
	switch j := c.Judge(); {
	case j.Status == judge.Fail:
		return j
	case c.spec.Compare && len(c.before) == 0:
		return c.judgement(judge.Unknown, judge.NoBaseline)
	case c.after.Total < 10:
		return c.judgement(judge.Unknown, judge.LowTraffic)
	}
	return c.judgement(judge.Pass, "")
}

// judges keeps the last judge of each metric.
type judges struct {
	mu   sync.Mutex
	last map[string]*counting
}

func (j *judges) make(spec judge.Spec, before []judge.Sample) judging {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := &counting{spec: spec, before: before}
	if j.last == nil {
		j.last = map[string]*counting{}
	}
	j.last[spec.Name] = c
	return c
}

// countingTogether fails where one of its metrics does.
type countingTogether struct{ each []*counting }

func (j *judges) together(spec judge.DeploySpec, hs iter.Seq[judge.History]) deployJudge {
	c := &countingTogether{}
	for h := range hs {
		c.each = append(c.each, &counting{spec: spec.Metrics[len(c.each)].Spec, before: h.Before})
	}
	return c
}

func (c *countingTogether) Add(i int, s judge.Sample)    { c.each[i].Add(s) }
func (c *countingTogether) AddControl(int, judge.Sample) {}

func (c *countingTogether) look(at func(*counting) judge.Judgement) judge.Verdict {
	v := judge.Verdict{Status: judge.Continue}
	for _, m := range c.each {
		j := at(m)
		switch {
		case j.Status == judge.Fail:
			return judge.Verdict{Status: judge.Fail, Metric: m.spec.Name, Sentence: j.Sentence}
		case j.Status == judge.Unknown:
			v = judge.Verdict{Status: judge.Unknown, Metric: m.spec.Name, Reason: j.Reason, Sentence: j.Sentence}
		case j.Status == judge.Pass && v.Status == judge.Continue:
			v.Status = judge.Pass
		}
	}
	return v
}

func (c *countingTogether) Lacks() judge.Lack    { return judge.Lack{} }
func (c *countingTogether) Judge() judge.Verdict { return c.look((*counting).Judge) }
func (c *countingTogether) End() judge.Verdict   { return c.look((*counting).End) }

const (
	badText   = `http_requests_total{code=~"5.."}`
	totalText = `http_requests_total`
)

var (
	okLabels  = map[string]string{"pod": "a", "code": "200"}
	badLabels = map[string]string{"pod": "a", "code": "500"}
)

// shop is a service with one process that has run for three days: 100 requests a second, one of 500 failing.
func shop(now time.Time) *backend {
	born := now.Add(-72 * time.Hour)
	ok := process{name: totalText, labels: okLabels, born: born, value: perSecond(99.8)}
	bad := process{name: totalText, labels: badLabels, born: born, value: perSecond(0.2)}
	return &backend{every: 15 * time.Second, answers: map[string][]process{totalText: {ok, bad}, badText: {bad}}}
}

func errorsMetric() Metric {
	return Metric{Name: "errors", From: "prom", Bad: badText, Total: totalText, Limit: &Limit{Max: Bound{V: 0.01, Set: true, Text: "1%"}}}
}

// plan bakes a deploy that started a minute ago and ends now.
func plan(src metric.Source, js *judges, ms ...Metric) Plan {
	now := time.Now()
	o := Options{Metrics: ms, Sources: map[string]Spec{"prom": {Source: src}}, Baseline: Baseline{Window: 3 * time.Hour}}.WithDefaults()
	return Plan{Options: o, Sources: map[string]metric.Source{"prom": src}, Deploy: release.Deploy{Started: now.Add(-time.Minute), Finished: now}, newJudge: js.make, newDeploy: js.together}
}

// refusing answers short ranges only.
type refusing struct {
	*backend
	most time.Duration
}

func (r *refusing) Range(ctx context.Context, qs []metric.Query, from, to time.Time, step time.Duration) ([]metric.Series, error) {
	if to.Sub(from) > r.most {
		var errs []error
		for _, q := range qs {
			errs = append(errs, &metric.QueryError{Query: q.ID, Trouble: metric.TooMany, Err: errors.New("exceeded maximum resolution")})
		}
		return nil, errors.Join(errs...)
	}
	return r.backend.Range(ctx, qs, from, to, step)
}

// sources returns the sources of the options by their names.
func (o Options) sources() map[string]metric.Source {
	m := make(map[string]metric.Source, len(o.Sources))
	for n, s := range o.Sources {
		m[n] = s.Source
	}
	return m
}
