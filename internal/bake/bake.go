package bake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

const (
	// cancelGrace is how long a cancelled bake waits for its polls to notice: the pipeline's runner kills soon.
	cancelGrace = 50 * time.Millisecond
	// supersededEvery and heartbeatEvery are what a store and a reader can bear.
	supersededEvery = time.Minute
	heartbeatEvery  = time.Minute
)

// errDecided ends the polls when one metric failed: waiting longer would only hurt more users.
var errDecided = errors.New("a metric failed")

// supersededError ends the bake when another deploy took over.
type supersededError struct{ by string }

func (e *supersededError) Error() string { return "superseded by " + e.by }

// bake is one running bake.
type bake struct {
	Plan
	observer *observer
	started  time.Time // the call
	serving  time.Time
	sources  []*source
	watches  []*watch
	controls []*watch // of what runs beside the new version, by the same kind of queries
	joint    *joint
	findings []verdict.Finding // beside those of the metrics
	extended bool              // the window is the longer one
	cancel   context.CancelCauseFunc
}

// Run waits until the new version serves, watches the metrics through the window and says what it found. It returns early when a
// metric failed, when all pass and may do so early, when another deploy took over and when ctx ends, within a tenth of a second whatever the
// sources do.
func Run(ctx context.Context, p Plan) Result {
	b := &bake{Plan: p, observer: &observer{to: p.Observe}, started: time.Now()}
	defer b.observer.close()
	ctx, b.cancel = context.WithCancelCause(ctx)
	defer b.cancel(nil)
	b.watchSuperseded(ctx)
	b.tellSince()
	state := b.waitServing(ctx)
	if state == serves {
		b.prepare()
		b.tellServing()
		for b.watch(ctx); b.extends(ctx); b.watch(ctx) {
		}
	}
	return b.result(ctx, state)
}

// tellSince tells the sources that ask for it when the deploy began; this call, where nobody knows.
func (b *bake) tellSince() {
	began := b.Deploy.Started
	if began.IsZero() {
		began = b.started
	}
	for _, src := range b.Sources {
		if s, ok := src.(metric.Since); ok {
			s.Since(began)
		}
	}
}

// watch runs the sources side by side and returns when they are done, or soon after ctx ends.
func (b *bake) watch(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range b.sources {
		wg.Go(func() { s.run(ctx) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	for {
		select {
		case <-done:
			return
		case <-beat.C:
			b.observer.tell(Event{Kind: EventHeartbeat, Text: b.heartbeat(time.Now())})
		case <-ctx.Done():
			waitAtMost(done, cancelGrace)
			return
		}
	}
}

func waitAtMost(done <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// watchSuperseded asks once, and then every minute until the bake is over, whether another deploy took over. A single look waits for
// the answer.
func (b *bake) watchSuperseded(ctx context.Context) {
	if b.Superseded == nil {
		return
	}
	if b.Once {
		b.askSuperseded(ctx)
		return
	}
	go func() {
		for told := false; ctx.Err() == nil; sleep(ctx, supersededEvery) {
			err := b.askSuperseded(ctx)
			if err != nil && !told {
				b.observer.tell(Event{Kind: EventNote, Text: "cannot see whether another deploy took over: " + clean.Text(err.Error())})
			}
			told = err != nil
		}
	}()
}

func (b *bake) askSuperseded(ctx context.Context) error {
	by, yes, err := b.Superseded(ctx)
	if yes {
		if by = clean.Text(by); by == "" {
			by = "another deploy"
		}
		b.cancel(&supersededError{by})
	}
	return err
}

// prepare makes a watch for each metric, and a source for the metrics of one backend.
func (b *bake) prepare() {
	byName := map[string]*source{}
	defer b.together()
	for _, m := range b.Options.Metrics {
		s := byName[m.From]
		if s == nil {
			s = b.newSource(m.From)
			byName[m.From] = s
			b.sources = append(b.sources, s)
		}
		var gs *groups
		if m.By != "" {
			gs = newGroups(m)
		}
		w := b.newWatch(m, s, gs)
		w.index = len(b.watches)
		b.watches = append(b.watches, w)
		s.add(w)
		if m.Control != nil {
			c := b.newWatch(m.controlMetric(), s, gs)
			c.index, c.control = w.index, true
			b.controls = append(b.controls, c)
			s.add(c)
		}
	}
}

func (s *source) add(w *watch) {
	s.watches = append(s.watches, w)
	for _, q := range w.queries {
		s.byQuery[q.ID] = w
	}
}

// together puts the metrics under one judgement.
func (b *bake) together() {
	spec := judge.DeploySpec{Alpha: float64(b.Options.Alpha), Start: b.serving, PassAfter: b.Options.PassAfter, Step: b.Options.Step}
	metrics := make([]together, len(b.watches))
	for i, w := range b.watches {
		metrics[i] = together{spec: w.metricSpec(w.spec), hard: w.hardLimits(), upstream: w.Upstream}
		metrics[i].control.settled = w.Control == nil
		spec.WarmUp, spec.End = max(spec.WarmUp, w.spec.WarmUp), later(spec.End, w.spec.End)
	}
	b.joint = newJoint(spec, metrics, b.deployJudge())
	for _, w := range b.watches {
		if w.groups != nil {
			w.groups.join = func(g *group) { g.index = b.joint.joins(w.index, w.groupSpec(g)) }
		}
	}
	for _, w := range slices.Concat(b.watches, b.controls) {
		w.joint = b.joint
		w.resumeGroups(b.Resume)
		w.settle()
	}
	for _, s := range b.sources {
		s.joint = b.joint
	}
}

// extends makes the window longer, once, where it ended with too little to say anything, and reports whether it did.
func (b *bake) extends(ctx context.Context) bool {
	if b.Options.Extend <= 0 || b.extended || b.Once || ctx.Err() != nil {
		return false
	}
	v := b.end()
	if v.Status != judge.Unknown || v.Reason != judge.LowTraffic && v.Reason != judge.Unproved {
		return false
	}
	b.extended = true
	var end time.Time
	for _, s := range b.sources {
		s.to = s.to.Add((b.Options.Extend + s.step - 1) / s.step * s.step)
		for _, w := range s.watches {
			w.extend(s.to)
		}
		end = later(end, s.to)
	}
	b.joint.extend(end)
	b.observer.tell(Event{Kind: EventNote, Text: fmt.Sprintf("%s: watching %s longer, until %s", v.Sentence, short(b.Options.Extend), clock24(end))})
	return true
}

// extend has the metric watched until later, and judged again in that window.
func (w *watch) extend(to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to, w.spec.End, w.state = to, to, nil
}

func (b *bake) tellServing() {
	from, to := b.window()
	b.observer.tell(Event{Kind: EventServing, From: from, To: to, Text: fmt.Sprintf("watching %s for %s, from %s", plural(len(b.watches), "metric"), b.lasts(), clock24(from))})
}

// lasts says for how long is watched.
func (b *bake) lasts() string {
	if b.Options.PassAfter > 0 {
		return short(b.Options.PassAfter) + " to " + short(b.Options.Window)
	}
	return short(b.Options.Window)
}

// missing stands in for a source that the plan names but does not have.
type missing struct{ name string }

func (m missing) Range(context.Context, []metric.Query, time.Time, time.Time, time.Duration) ([]metric.Series, error) {
	return nil, fmt.Errorf("there is no source %q", clean.Text(m.name))
}
func (missing) Check(metric.Query) error { return nil }
func (missing) Traits() metric.Traits    { return metric.Traits{History: true} }

func (b *bake) source(name string) metric.Source {
	if s := b.Sources[name]; s != nil {
		return s
	}
	return missing{name}
}

// newSource says when the window of a backend begins: when the new version served, or now where nobody saw what came before.
func (b *bake) newSource(name string) *source {
	src := b.source(name)
	s := &source{name: name, src: src, history: src.Traits().History, step: b.Options.Step, from: b.serving, byQuery: map[string]*watch{}, once: b.Once}
	s.decided, s.passes = func(v judge.Verdict) { b.decide(v) }, b.passes
	if now := time.Now(); !s.history && now.Sub(s.from) > s.step {
		b.observer.tell(Event{Kind: EventNote, Text: fmt.Sprintf("%s has no history: what happened in the %s since %s is unknown, its window begins now", name, short(now.Sub(s.from)), clock24(s.from))})
		s.from = now
	}
	s.to = s.from.Add((b.Options.Window + s.step - 1) / s.step * s.step)
	return s
}

func (b *bake) newWatch(m Metric, s *source, gs *groups) *watch {
	sel := &selection{bad: string(m.Bad), total: string(m.Total)}
	g := grid{s.from, s.step}
	w := &watch{Metric: m, queries: m.Queries(b.Vars), grid: g, newJudge: b.judge(), tell: b.observer.tell,
		counts: m.counts(g, s.history, sel), groups: gs, split: newSplit(gs, m, g, s.history), selects: sel, from: s.from, to: s.to, known: s.from}
	w.spec = judge.Spec{Name: m.Name, Kind: m.kind(), Unit: m.unit(), Limits: append(m.limits(), m.burns(b.Options.Window)...), Compare: m.compares(), Start: b.serving, End: s.to,
		Alpha: float64(b.Options.Alpha) / float64(len(b.Options.Metrics))}
	if b.Options.WarmUp != nil {
		w.spec.WarmUp = *b.Options.WarmUp
	}
	if m.compares() && (b.Deploy.Known() || !s.history) {
		w.before = b.newBaseline(m, sel, gs, s.history)
		if s.history {
			w.earlier = b.newEarlier(m, sel, gs)
		}
	}
	if s.history {
		w.resume(b.Resume.Samples[m.Name].Samples())
	}
	w.cursor = w.known.Add(-(primeSpan + s.step - 1) / s.step * s.step)
	return w
}

// resume takes up the samples of an earlier process, as far as they lie on this window's grid and leave no hole.
func (w *watch) resume(samples []judge.Sample) {
	for _, s := range samples {
		onGrid := w.grid.floor(s.From).Equal(s.From) && w.grid.floor(s.To).Equal(s.To)
		if !onGrid || s.From.Before(w.known) || s.To.After(w.to) {
			break
		}
		if w.known.Before(s.From) {
			w.empty = joinInterval(w.empty, Interval{From: w.known, To: s.From})
		}
		w.samples = append(w.samples, s)
		w.known = s.To
	}
	if n := len(w.samples); n > 0 {
		w.tell(Event{Kind: EventNote, Metric: w.Name, Text: fmt.Sprintf("%s: going on behind %s, where an earlier process stopped", w.Name, clock24(w.known))})
	}
}

func (b *bake) deployJudge() func(judge.DeploySpec, iter.Seq[judge.History]) deployJudge {
	if b.newDeploy != nil {
		return b.newDeploy
	}
	return newDeploy
}

func (b *bake) judge() func(judge.Spec, []judge.Sample) judging {
	if b.newJudge != nil {
		return b.newJudge
	}
	return newJudge
}

// decide ends the bake because of a metric.
func (b *bake) decide(v judge.Verdict) {
	for _, w := range b.watches {
		if w.Name == v.Metric {
			w.decides(v)
		}
		w.decidesByGroup(v)
	}
	b.cancel(errDecided)
}

func (w *watch) hasFailed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// window is the time that is watched, over all sources: to where it passed, where that is before the end.
func (b *bake) window() (from, to time.Time) {
	from, to = b.planned()
	if seen := b.joint.passedAt(); !seen.IsZero() {
		to = seen
	}
	return from, to
}

// planned is the time that is to be watched where nothing ends it early.
func (b *bake) planned() (from, to time.Time) {
	from, to = b.serving, b.serving.Add(b.Options.Window)
	for _, s := range b.sources {
		to = later(to, s.to)
	}
	return from, to
}

func (b *bake) result(ctx context.Context, state serving) Result {
	r := Result{Serving: b.serving}
	var taken *supersededError
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &taken):
		r.Superseded = taken.by
	case ctx.Err() != nil && !errors.Is(cause, errDecided) && !errors.Is(cause, errPassed):
		r.Aborted = true
	}
	if state == serves {
		r.WindowFrom, r.WindowTo = b.window()
	}
	r.Pending = !r.Aborted && r.Superseded == "" && b.pending(state)
	b.conclude(&r)
	return r
}

// pending reports whether a single look came too early to say anything.
func (b *bake) pending(state serving) bool {
	if _, early := b.passedEarly(); early || !b.Once || slices.ContainsFunc(b.watches, func(w *watch) bool { return w.hasFailed() || w.failedGroup() != nil }) {
		return false
	}
	return state == notYet || slices.ContainsFunc(b.sources, func(s *source) bool { return s.history && !s.complete() && !s.late() })
}
