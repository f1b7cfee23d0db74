package bake

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

const (
	// primeSpan is read before the window, so that the first difference of each series is known, and which series are new.
	primeSpan = 5 * time.Minute
	// pollLimit bounds one call of a source.
	pollLimit = 2 * time.Minute
	// maxFetch bounds what one call asks for, when a long outage or a late start is made up for.
	maxFetch = time.Hour
	// recent is how near to the present points may still be on their way.
	recent = 15 * time.Minute
)

// source polls one backend for all of its metrics. Its polls never overlap, and a slow one delays nobody else's.
type source struct {
	name    string
	src     metric.Source
	history bool
	step    time.Duration
	from    time.Time
	to      time.Time
	watches []*watch
	byQuery map[string]*watch
	once    bool
	warm    bool // it samples for a bake to come: nothing is judged
	joint   *joint
	decided func(judge.Verdict)      // called when the deploy is to be rolled back
	passes  func(judge.Verdict) bool // called with every judgement; whether it passes before the window ends
}

// run polls until the window is over and its points are in.
func (s *source) run(ctx context.Context) {
	if b, ok := s.src.(metric.Background); ok {
		defer b.Start(ctx)()
	}
	for ctx.Err() == nil {
		late := s.late()
		behind := s.poll(ctx, late)
		next := s.next(time.Now())
		s.fetchBaselines(ctx, next)
		if s.complete() || (late || s.once) && !behind {
			return
		}
		if !behind {
			sleep(ctx, time.Until(next))
		}
	}
}

// complete reports whether every window is counted and every baseline is there.
func (s *source) complete() bool {
	return !slices.ContainsFunc(s.watches, func(w *watch) bool { return !w.done() })
}

// late reports whether the last points were waited for long enough.
func (s *source) late() bool { return !time.Now().Before(s.deadline()) }

func (s *source) deadline() time.Time {
	var d time.Time
	for _, w := range s.watches {
		d = later(d, s.to.Add(w.patience()))
	}
	return d
}

// next is when the newest window can be expected to be closed: a scrape interval behind its end, because until then a series may
// still have something to say about it. A source that samples by itself does that when it is asked.
func (s *source) next(now time.Time) time.Time {
	phase := time.Duration(0)
	if i := s.interval(); s.history && i > 0 {
		phase = (i + time.Second) % s.step
	}
	g := grid{s.from.Add(phase), s.step}
	next := g.at(g.index(now) + 1)
	if d := s.deadline(); d.After(now) && d.Before(next) {
		return d
	}
	return next
}

func (s *source) interval() time.Duration {
	var i time.Duration
	for _, w := range s.watches {
		i = max(i, w.interval())
	}
	return i
}

// poll asks for everything that is not counted yet. It reports whether there is more to fetch at once.
func (s *source) poll(ctx context.Context, late bool) (behind bool) {
	now := time.Now()
	for _, group := range s.groups() {
		behind = s.fetch(ctx, group, now, late) || behind
	}
	return behind
}

// groups are the metrics that one call serves: all of them, save that those which are far behind the others (their query failed)
// get a call of their own, lest everything is fetched again and again.
func (s *source) groups() [][]*watch {
	ws := slices.Clone(s.watches)
	slices.SortStableFunc(ws, func(a, b *watch) int { return b.position().Compare(a.position()) })
	var groups [][]*watch
	for _, w := range ws {
		if w.counted() {
			continue
		}
		n := len(groups)
		if n > 0 && groups[n-1][0].position().Sub(w.position()) <= 4*s.step {
			groups[n-1] = append(groups[n-1], w)
			continue
		}
		groups = append(groups, []*watch{w})
	}
	return groups
}

func (s *source) fetch(ctx context.Context, ws []*watch, now time.Time, late bool) (behind bool) {
	from, to := ws[len(ws)-1].position(), now
	if !s.history {
		to = now.Add(s.step) // its points are made by the call, and thus later than now
	}
	if enough := s.to.Add(recent); enough.Before(to) { // nothing of the window comes later than that
		to = enough
	}
	behind = to.Sub(from) > maxFetch
	if behind {
		to = from.Add(maxFetch)
	}
	series, failed := s.ask(ctx, ws, from, to, s.step)
	if ctx.Err() != nil {
		return false
	}
	complete := s.final(to, now, late)
	answered := false
	for _, w := range ws {
		t := failed[w]
		if t != nil && t.reason != string(metric.Partial) {
			w.fail(t, now)
			continue
		}
		answered = true
		w.lacks(t, now)
		w.take(series[w], time.Now(), complete)
	}
	if s.look(ws) {
		return false
	}
	return behind && answered
}

// look has all together judge what came in, and tells it. It reports whether the bake is decided.
func (s *source) look(ws []*watch) bool {
	if s.warm {
		return false
	}
	v := s.joint.look()
	if s.passes(v) {
		return true
	}
	for _, w := range ws {
		w.tellJudgement(goesOn(v))
	}
	if v.Status == judge.Fail {
		s.decided(v)
	}
	return v.Status == judge.Fail
}

// final is the time before which no point is on its way any more.
func (s *source) final(to, now time.Time, late bool) time.Time {
	switch {
	case late:
		return to
	case !to.After(now.Add(-recent)):
		return to
	}
	return time.Time{}
}

// ask makes one call for the queries of some metrics, and sorts the answer by metric.
func (s *source) ask(ctx context.Context, ws []*watch, from, to time.Time, step time.Duration) (map[*watch][]metric.Series, map[*watch]*trouble) {
	var qs []metric.Query
	for _, w := range ws {
		qs = append(qs, w.queries...)
	}
	limited, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	got, err := s.src.Range(limited, qs, from, to, step)
	series := map[*watch][]metric.Series{}
	for _, x := range got {
		if w := s.byQuery[x.Query]; w != nil {
			series[w] = append(series[w], x)
		}
	}
	return series, s.troubles(err, ws)
}

// troubles sorts an error by metric. What names no query is the whole backend's.
func (s *source) troubles(err error, ws []*watch) map[*watch]*trouble {
	failed := map[*watch]*trouble{}
	for _, e := range flatten(err) {
		var q *metric.QueryError
		if errors.As(e, &q) && s.byQuery[q.Query] != nil {
			if w := s.byQuery[q.Query]; failed[w] == nil || q.Trouble != metric.Partial { // the other of its queries may have no answer at all
				failed[w] = troubleOf(q.Trouble, s.name, e)
			}
			continue
		}
		for _, w := range ws {
			failed[w] = troubleOf(metric.BackendDown, s.name, e)
		}
	}
	return failed
}

// flatten lists the errors that errors.Join put together.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range j.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	}
	return []error{err}
}

// sleep waits for d or the context's end.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (w *watch) position() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cursor
}

func (w *watch) counted() bool { return !w.position().Before(w.to) }

func (w *watch) done() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cursor.Before(w.to) && (w.before == nil || w.before.done)
}

func (w *watch) patience() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrival.patience(w.spec.End.Sub(w.spec.Start))
}

func (w *watch) interval() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrival.interval
}
