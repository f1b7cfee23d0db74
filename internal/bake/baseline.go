package bake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

const (
	// coarse is the step of a long history: a day at 30 s would be twice the memory, and says nothing more about what is normal.
	coarse     = time.Minute
	longWindow = 2 * time.Hour

	firstChunk    = 30 * time.Minute
	smallestChunk = 5 * time.Minute
	largestChunk  = 6 * time.Hour
	manyPoints    = 100_000 // a chunk with more points is followed by a shorter one: some 50 bytes each, beside their JSON
	fewPoints     = 25_000
)

// baseline is the time before the deploy, of one metric: [from, to), fetched chunk by chunk, oldest first. A chunk becomes samples
// before the next one is fetched.
type baseline struct {
	grid    grid
	from    time.Time
	to      time.Time
	cursor  time.Time
	known   time.Time // windows that end before only prime
	exclude []Interval
	counts  counts
	split   *split                  // nil without groups
	samples map[*group]judge.Packed // nil is the whole
	fetched int                     // samples of it
	done    bool
	first   time.Time     // of what came
	start   time.Time     // of an earlier deploy: when it began to serve
	shift   time.Duration // by which the samples are moved to stand right before the deploy
	trouble *trouble      // of the last chunk that was asked for, or of what came
}

// baselineWindow is the interval that a metric is compared with, on the grid of its step: right before the deploy, or so long that it ends
// at the same time of yesterday (last week) as the bake will.
func (p Plan) baselineWindow(back time.Duration) (from, to time.Time, step time.Duration) {
	o := p.Options
	step = o.Step
	if o.Baseline.Window > longWindow {
		step = max(step, coarse)
	}
	to = p.Deploy.Started.Add(-o.Baseline.Gap)
	if back > 0 {
		to = p.Deploy.Started.Add(o.Window - back)
	}
	n := max(o.Baseline.Window/step, 1)
	return to.Add(-n * step), to, step
}

// newBaseline makes the baseline of a metric; what another process fetched already is in Resume.
func (p Plan) newBaseline(m Metric, sel *selection, gs *groups, history bool) *baseline {
	earlier := p.Resume.Baseline[m.Name].Samples()
	from, to, step := p.baselineWindow(m.back())
	shift := time.Duration(0)
	if m.back() > 0 {
		shift = p.Deploy.Started.Add(-p.Options.Baseline.Gap).Sub(to)
	}
	exclude := append(slices.Clone(p.Options.Baseline.Exclude), p.Excluded...)
	if !history { // it knows only what it was asked for before the deploy
		b := &baseline{fetched: len(earlier), done: true, exclude: exclude, split: newSplit(gs, m, grid{from, p.Options.Step}, false)}
		b.keep(nil, leaveOut(earlier, exclude))
		return b
	}
	g := grid{from, step}
	b := &baseline{grid: g, from: from, to: to, cursor: from, known: from, exclude: exclude, counts: m.counts(g, true, sel), split: newSplit(gs, m, g, true), shift: shift}
	if n := len(earlier); n > 0 && g.floor(earlier[n-1].To).Equal(earlier[n-1].To) && !earlier[n-1].To.After(to) {
		b.keep(nil, leaveOut(earlier, exclude))
		b.fetched, b.known = n, earlier[n-1].To
		b.begins(earlier)
		b.cursor = g.floor(later(from, b.known.Add(-primeSpan)))
	}
	return b
}

// How a service warms up is learned from its last good deploys, each from a while before it served.
const (
	mostEarlier   = 5
	beforeEarlier = 15 * time.Minute
)

// newEarlier makes the histories of earlier deploys, the newest first.
func (p Plan) newEarlier(m Metric, sel *selection, gs *groups) (es []*baseline) {
	for i := len(p.Earlier) - 1; i >= 0 && len(es) < mostEarlier; i-- {
		d := p.Earlier[i]
		start := later(d.Started, later(d.Finished, d.Serving))
		g := grid{start.Add(-beforeEarlier), p.Options.Step}
		to := g.floor(start.Add(p.Options.Window))
		if !d.Known() || to.After(p.Deploy.Started) {
			continue
		}
		es = append(es, &baseline{grid: g, from: g.start, to: to, cursor: g.start, known: g.start, counts: m.counts(g, true, sel), split: newSplit(gs, m, g, true), start: start})
	}
	return es
}

// fetching is the history that is fetched next: the time before the deploy, then the earlier deploys; nil where all are there.
func (w *watch) fetching() *baseline {
	if w.before == nil || !w.before.done {
		return w.before
	}
	for _, e := range w.earlier {
		if !e.done {
			return e
		}
	}
	return nil
}

// leaveOut drops the samples that touch one of the intervals.
func leaveOut(samples []judge.Sample, out []Interval) []judge.Sample {
	return slices.DeleteFunc(slices.Clone(samples), func(s judge.Sample) bool {
		return slices.ContainsFunc(out, func(i Interval) bool { return s.From.Before(i.To) && i.From.Before(s.To) })
	})
}

// chunks adapts how much history one call asks for to how much comes back.
type chunks struct{ length time.Duration }

func (c *chunks) next() time.Duration {
	if c.length == 0 {
		c.length = firstChunk
	}
	return c.length
}

func (c *chunks) got(points int) {
	switch {
	case points > manyPoints:
		c.length = max(c.length/2, smallestChunk)
	case points < fewPoints:
		c.length = min(c.length*2, largestChunk)
	}
}

// fetchBaselines fetches baselines until they are there, the next poll is due or the backend fails: watching the new version goes first.
// Once there is no next poll, everything is fetched.
func (s *source) fetchBaselines(ctx context.Context, until time.Time) {
	c := chunks{}
	for ctx.Err() == nil {
		ws := s.waiting()
		if len(ws) == 0 || !s.once && !time.Now().Before(until) && !s.late() {
			return
		}
		if !s.fetchHistory(ctx, ws, &c) {
			return
		}
	}
}

// waiting are the metrics whose baseline is to be fetched next: those that are farthest behind, all at the same place.
func (s *source) waiting() (ws []*watch) {
	var at time.Time
	for _, w := range s.watches {
		c, waits := w.historyAt()
		switch {
		case !waits || len(ws) > 0 && c.After(at):
		case len(ws) > 0 && c.Equal(at):
			ws = append(ws, w)
		default:
			ws, at = []*watch{w}, c
		}
	}
	return ws
}

func (w *watch) historyAt() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.fetching()
	if b == nil || b.done {
		return time.Time{}, false
	}
	return b.cursor, true
}

// fetchHistory fetches one chunk for some metrics. It reports whether to go on at once.
func (s *source) fetchHistory(ctx context.Context, ws []*watch, c *chunks) bool {
	b := ws[0].fetching()
	from := b.cursor
	to := b.grid.floor(from.Add(c.next()))
	if !to.After(from) {
		to = from.Add(b.grid.step)
	}
	if to.After(b.to) {
		to = b.to
	}
	series, failed := s.ask(ctx, ws, from, to, b.grid.step)
	if ctx.Err() != nil {
		return false
	}
	points, answered := 0, false
	for _, w := range ws {
		if t := failed[w]; t != nil {
			w.historyFailed(t)
			continue
		}
		answered = true
		for _, x := range series[w] {
			points += size(x)
		}
		w.takeHistory(series[w], to)
	}
	if s.look(ws) {
		return false
	}
	if !answered && c.length > smallestChunk && tooMuch(failed) {
		c.length = max(c.length/4, smallestChunk)
		return true
	}
	c.got(points)
	return len(failed) == 0
}

// size is how many points a series has; a native histogram is as large as several.
func size(s metric.Series) int {
	n := len(s.Points)
	for _, p := range s.Points {
		if p.Native != nil {
			n += len(p.Native.Buckets) / 2
		}
	}
	return n
}

// tooMuch reports whether the backend refused because of the answer's size: a shorter chunk may do.
func tooMuch(failed map[*watch]*trouble) bool {
	for _, t := range failed {
		if t.reason != string(metric.TooMany) && t.reason != string(metric.Truncated) {
			return false
		}
	}
	return true
}

func (w *watch) historyFailed(t *trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before.done { // of an earlier deploy: it is done without
		for _, e := range w.earlier {
			e.done = true
		}
		w.settle()
		return
	}
	if w.before.trouble == nil || w.before.trouble.reason != t.reason {
		w.tell(Event{Kind: EventTrouble, Metric: w.Name, Reason: t.reason, Text: fmt.Sprintf("%s: the time before the deploy: %s", w.Name, t.text)})
	}
	w.before.trouble = t
}

// takeHistory counts one chunk. The last one lets the judge compare.
func (w *watch) takeHistory(series []metric.Series, to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.fetching()
	b.trouble = nil
	all := b.counts.add(series, b.cursor, to).samples
	b.begins(all)
	fresh := b.fresh(all)
	b.keep(nil, fresh)
	b.fetched += len(fresh)
	if len(fresh) > 0 && b == w.before {
		w.tell(Event{Kind: EventBaseline, Metric: w.Name, Samples: fresh})
	}
	b.split.add(series, b.cursor, to, b.fresh, func(g *group, fresh []judge.Sample) {
		b.keep(g, fresh)
		if b == w.before {
			w.tell(Event{Kind: EventBaseline, Metric: b.split.name(g), Of: w.Name, Samples: fresh})
		}
	})
	b.cursor = to
	if to.Before(b.to) {
		return
	}
	b.done = true
	if b == w.before {
		w.historyDone()
	}
	w.settle()
	w.explain()
}

// fresh is what of the samples no other process told yet, and nothing excludes.
func (b *baseline) fresh(samples []judge.Sample) []judge.Sample {
	return slices.DeleteFunc(leaveOut(samples, b.exclude), func(s judge.Sample) bool { return !s.To.After(b.known) })
}

// settle tells the judgement of all what is known of the time before the deploy, once no more will be.
func (w *watch) settle() {
	switch b := w.before; {
	case b == nil:
		w.settled(nil, nil)
	case b.done && w.fetching() == nil:
		w.settled(b, w.earlier)
	case b.done && w.earlier[0].cursor.Equal(w.earlier[0].from): // judged without them until they are there
		w.settled(b, nil)
	}
}

// settled tells it of the metric and of each of its groups.
func (w *watch) settled(b *baseline, earlier []*baseline) {
	w.joint.settle(w.index, w.control, past{b.moved(nil), learned(earlier, nil)})
	for _, g := range w.groups.all() {
		w.joint.settle(g.index, w.control, past{b.moved(g), learned(earlier, g)})
	}
	w.settledGroups = len(w.groups.all())
}

// keep takes the next samples of a group, or of the whole.
func (b *baseline) keep(g *group, samples []judge.Sample) {
	if b.samples == nil {
		b.samples = map[*group]judge.Packed{}
	}
	p := b.samples[g]
	p.Add(samples...)
	b.samples[g] = p
}

// of are the samples of a group, or of the whole.
func (b *baseline) of(g *group) judge.Packed {
	if b == nil {
		return judge.Packed{}
	}
	return b.samples[g]
}

// moved are the samples as the judge takes them: those of yesterday as if they were of the time before the deploy.
func (b *baseline) moved(g *group) judge.Packed {
	if b == nil {
		return judge.Packed{}
	}
	return b.of(g).Moved(b.shift)
}

// learned is what earlier deploys showed.
func learned(bs []*baseline, g *group) (es []earlier) {
	for _, b := range bs {
		if p := b.of(g); p.Len() > 0 && b.counts.trouble() == nil {
			es = append(es, earlier{b.start, p})
		}
	}
	return es
}

// historyDone looks at the whole baseline: counts that do not fit are nothing to compare with.
func (w *watch) historyDone() {
	b := w.before
	t := b.counts.trouble()
	b.counts, b.split = nil, nil
	switch {
	case b.fetched == 0:
		w.tell(Event{Kind: EventNote, Metric: w.Name, Text: fmt.Sprintf("%s: there is nothing from before the deploy", w.Name)})
	case t != nil && (t.reason == "selectors" || t.reason == "buckets" || t.reason == "several-series"):
		b.trouble, b.samples = t, nil
		w.tell(Event{Kind: EventTrouble, Metric: w.Name, Reason: t.reason, Text: fmt.Sprintf("%s: the time before the deploy: %s", w.Name, t.text)})
	}
}
