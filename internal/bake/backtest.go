package bake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/release"
)

// Past is a deploy that is long over, or a time at which there was none.
type Past struct {
	Started  time.Time `json:"started"`
	Serving  time.Time `json:"serving"` // when its version began to serve; where that is not known, Started
	Name     string    `json:"name,omitempty"`
	Truth    Truth     `json:"truth"`
	Recorded string    `json:"recorded,omitempty"` // the verdict that was recorded then
}

// Truth is what is known of a past deploy.
type Truth string

// What may be known. Nothing was deployed at a None: whatever is told of it is a false alarm.
const (
	None    Truth = "none"
	Good    Truth = "good"
	Bad     Truth = "bad"
	Unclear Truth = "unclear"
)

// Backtest replays the bake over past deploys: what would it have said?
type Backtest struct {
	Options Options // with defaults
	Sources map[string]metric.Source
	Vars    map[string]string
	Past    []Past
	// Progress is told how many of all are done, after each. It must not block for long.
	Progress func(done, all int)
}

// Replayed is what the bake would have said of one past deploy.
type Replayed struct {
	Past
	Verdict string            `json:"verdict"`       // rollback, pass, inconclusive
	At      time.Time         `json:"at"`            // when it would have been said
	By      []string          `json:"by,omitempty"`  // the metrics that decided
	Why     string            `json:"why,omitempty"` // one sentence of the first of them
	Metrics []judge.Judgement `json:"metrics"`       // in the order of the options; Status "" where there was no evidence
}

// The verdicts of a Replayed.
const (
	ReplayRollback     = "rollback"
	ReplayPass         = "pass"
	ReplayInconclusive = "inconclusive"
)

// Run replays everything, the oldest first, and gives the results in that order. History is fetched once, however many deploys it serves. An
// error says that a backend could not be asked; deploys for which it has no data are inconclusive.
func (b Backtest) Run(ctx context.Context) ([]Replayed, error) {
	r := &replay{Backtest: b}
	r.Past = slices.Clone(b.Past)
	slices.SortStableFunc(r.Past, func(x, y Past) int { return x.Started.Compare(y.Started) })
	for i := range r.Past {
		if r.Past[i].Serving.Before(r.Past[i].Started) {
			r.Past[i].Serving = r.Past[i].Started
		}
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	for len(r.done) < len(r.Past) {
		if err := r.stretch(ctx); err != nil {
			return r.done, err
		}
	}
	return r.done, nil
}

// replay is one run of a Backtest.
type replay struct {
	Backtest
	done []Replayed
}

func (r *replay) check() error {
	for _, m := range r.Options.Metrics {
		switch src := r.Sources[m.From]; {
		case src == nil:
			return fmt.Errorf("there is no source %q", m.From)
		case !src.Traits().History:
			return fmt.Errorf("the source %s of the metric %s keeps no history: nothing of it can be replayed", m.From, m.Name)
		}
	}
	return nil
}

// needs is the time that a deploy is judged by.
func (r *replay) needs(p Past) Interval {
	o := r.Options
	from := p.Started
	for _, m := range o.Metrics {
		f, _, _ := Plan{Options: o, Deploy: release.Deploy{Started: p.Started}}.baselineWindow(m.back())
		if f.Before(from) {
			from = f
		}
	}
	return Interval{From: from, To: p.Serving.Add(o.Window)}
}

// stretch replays the next deploys whose histories overlap. It begins where the first of them begins, and forgets what no later one needs.
func (r *replay) stretch(ctx context.Context) error {
	next := r.Past[len(r.done)]
	begin := r.needs(next).From.Truncate(r.Options.Step)
	hs := r.histories(begin)
	for ctx.Err() == nil {
		for len(r.done) < len(r.Past) {
			p := r.Past[len(r.done)]
			need := r.needs(p)
			if need.From.After(hs.cursor().Add(smallestChunk)) {
				return nil // a gap: the next stretch
			}
			if need.To.After(hs.cursor()) {
				break
			}
			r.done = append(r.done, r.judge(p, hs))
			if r.Progress != nil {
				r.Progress(len(r.done), len(r.Past))
			}
		}
		if len(r.done) == len(r.Past) {
			return nil
		}
		hs.forget(r.needs(r.Past[len(r.done)]).From)
		if err := hs.fetch(ctx, r.needs(r.Past[len(r.done)]).To); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// history is one metric's past, as samples of one step, from where somebody still needs it.
type history struct {
	Metric
	queries []metric.Query
	counts  counts
	samples []judge.Sample
	split   *split // nil without groups
}

// between gives the samples that lie in [from, to).
func between(samples []judge.Sample, from, to time.Time) []judge.Sample {
	i, _ := slices.BinarySearchFunc(samples, from, func(s judge.Sample, t time.Time) int { return s.From.Compare(t) })
	j := i
	for j < len(samples) && !samples[j].To.After(to) {
		j++
	}
	return slices.Clone(samples[i:j])
}

// forget drops the samples that lie before a time, save the last of them.
func forget(samples []judge.Sample, before time.Time) []judge.Sample {
	i, _ := slices.BinarySearchFunc(samples, before, func(s judge.Sample, t time.Time) int { return s.From.Compare(t) })
	return slices.Delete(samples, 0, max(0, i-1))
}

// histories are those of all metrics, all known up to the same time.
type histories struct {
	metrics []*history
	feeds   []*feed
}

// feed is one backend with its metrics.
type feed struct {
	name    string
	src     metric.Source
	metrics []*history
	grid    grid
	at      time.Time
	chunks  chunks
}

func (r *replay) histories(begin time.Time) histories {
	var hs histories
	byName := map[string]*feed{}
	g := grid{begin, r.Options.Step}
	for _, m := range r.Options.Metrics {
		f := byName[m.From]
		if f == nil {
			f = &feed{name: m.From, src: r.Sources[m.From], grid: g, at: begin}
			byName[m.From], hs.feeds = f, append(hs.feeds, f)
		}
		sel := &selection{bad: string(m.Bad), total: string(m.Total)}
		h := &history{Metric: m, queries: m.Queries(r.Vars), counts: m.counts(g, true, sel)}
		if m.By != "" {
			h.split = newSplit(newGroups(m), m, g, true)
		}
		f.metrics, hs.metrics = append(f.metrics, h), append(hs.metrics, h)
	}
	return hs
}

// cursor is the time up to which all is known.
func (hs histories) cursor() time.Time {
	at := hs.feeds[0].at
	for _, f := range hs.feeds {
		if f.at.Before(at) {
			at = f.at
		}
	}
	return at
}

func (hs histories) forget(before time.Time) {
	for _, h := range hs.metrics {
		h.samples = forget(h.samples, before)
		for _, g := range h.split.all() {
			p := h.split.part(g)
			p.samples = forget(p.samples, before)
		}
	}
}

// fetch reads on from every backend that is not ahead, side by side, one chunk each.
func (hs histories) fetch(ctx context.Context, to time.Time) error {
	at := hs.cursor()
	errs := make([]error, len(hs.feeds))
	var wg sync.WaitGroup
	for i, f := range hs.feeds {
		if f.at.After(at) {
			continue
		}
		wg.Go(func() { errs[i] = f.fetch(ctx, to) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (f *feed) fetch(ctx context.Context, need time.Time) error {
	to := f.grid.floor(f.at.Add(f.chunks.next()))
	if last := f.grid.floor(need.Add(f.grid.step)); to.After(last) {
		to = last
	}
	if !to.After(f.at) {
		to = f.at.Add(f.grid.step)
	}
	var qs []metric.Query
	of := map[string]*history{}
	for _, h := range f.metrics {
		for _, q := range h.queries {
			qs, of[q.ID] = append(qs, q), h
		}
	}
	limited, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	got, err := f.src.Range(limited, qs, f.at, to, f.grid.step)
	if err != nil {
		if f.chunks.length > smallestChunk && smaller(err) {
			f.chunks.length = max(f.chunks.length/4, smallestChunk)
			return nil
		}
		return fmt.Errorf("%s, from %s to %s: %w", f.name, f.at.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), err)
	}
	f.take(got, of, to)
	return nil
}

func (f *feed) take(got []metric.Series, of map[string]*history, to time.Time) {
	points, series := 0, map[*history][]metric.Series{}
	for _, s := range got {
		if h := of[s.Query]; h != nil {
			points += len(s.Points)
			series[h] = append(series[h], s)
		}
	}
	for _, h := range f.metrics {
		h.samples = append(h.samples, h.counts.add(series[h], f.at, to).samples...)
		h.split.add(series[h], f.at, to, slices.Clone, h.split.keep)
	}
	f.chunks.got(points)
	f.at = to
}

// smaller reports whether a shorter chunk may do.
func smaller(err error) bool {
	for _, e := range flatten(err) {
		var q *metric.QueryError
		if !errors.As(e, &q) || q.Trouble != metric.TooMany && q.Trouble != metric.Truncated {
			return false
		}
	}
	return true
}
