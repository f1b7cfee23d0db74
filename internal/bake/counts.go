package bake

import (
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// counts turns the raw points of one metric into one sample per window. It is pure, and incremental: what it needs of the past it
// keeps.
type counts interface {
	// add takes what the metric's queries observed in [from, to), and gives the samples of the windows in it. Both times lie on the
	// grid, and from is the to of the call before. Points outside [from, to) are left out, so that one long call and several short
	// ones give the same samples.
	add(series []metric.Series, from, to time.Time) batch
	// scraped tells the distance between scrapes, as far as it is known.
	scraped(every time.Duration)
	// trouble says why the samples so far are no evidence; nil when they are.
	trouble() *trouble
}

// batch is what a stretch of closed windows gave.
type batch struct {
	samples []judge.Sample
	empty   []Interval // runs of windows in which nothing was observed
}

// trouble is a reason for having no verdict: a word for verdict.Finding.Reason, a sentence, and what to do.
type trouble struct{ reason, text, hint string }

// grid is the windows of a metric: [start+k*step, start+(k+1)*step).
type grid struct {
	start time.Time
	step  time.Duration
}

// index is the window that contains t.
func (g grid) index(t time.Time) int {
	d := t.Sub(g.start)
	k := int(d / g.step)
	if d%g.step < 0 {
		k--
	}
	return k
}

func (g grid) at(k int) time.Time { return g.start.Add(time.Duration(k) * g.step) }

// floor is the last edge that is not after t.
func (g grid) floor(t time.Time) time.Time { return g.at(g.index(t)) }

// maxValue bounds what is taken for a number, so that no sum of thousands of series becomes infinite.
const maxValue = 1e300

// usable returns the points of a series in [from, to) in the order of time, one per time, without NaN (stale markers too), infinite
// and, for counters, negative values; and how many it left out for their value.
func usable(points []metric.Point, from, to time.Time, negative bool) (kept []metric.Point, skipped int) {
	kept = make([]metric.Point, 0, len(points))
	for _, p := range points {
		switch {
		case p.T.Before(from) || !p.T.Before(to):
		case math.IsNaN(p.V) || math.Abs(p.V) > maxValue || p.V < 0 && !negative:
			skipped++
		default:
			kept = append(kept, p)
		}
	}
	byTime := func(a, b metric.Point) int { return a.T.Compare(b.T) }
	if !slices.IsSortedFunc(kept, byTime) {
		slices.SortStableFunc(kept, byTime)
	}
	return slices.CompactFunc(kept, func(a, b metric.Point) bool { return a.T.Equal(b.T) }), skipped
}

// seriesKey identifies a series by its name and labels; without is a label that does not count ("" for none).
func seriesKey(s metric.Series, without string) string {
	names := make([]string, 0, len(s.Labels))
	for n := range s.Labels {
		if n != without || without == "" {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString(s.Name)
	for _, n := range names {
		b.WriteByte(0)
		b.WriteString(n)
		b.WriteByte(1)
		b.WriteString(s.Labels[n])
	}
	return b.String()
}

// spans turns the windows in which something was observed into samples' times and empty runs.
type spans struct {
	grid grid
	// last is the end of the last window that gave a sample. Windows without a point (a scrape interval longer than the step, a
	// missed scrape) are joined to the next one: the difference over them belongs to both. Zero: nothing to join to.
	last time.Time
}

// walk calls sample for each window in [from, to) that was seen, with the time its differences stand for. primed says that points
// came, but none that a difference could be taken to.
func (s *spans) walk(from, to time.Time, seen, primed func(i int) bool, sample func(i int, from, to time.Time)) (empty []Interval) {
	n := int(to.Sub(from) / s.grid.step)
	for i := range n {
		a, b := from.Add(time.Duration(i)*s.grid.step), from.Add(time.Duration(i+1)*s.grid.step)
		if !seen(i) {
			empty = joinInterval(empty, Interval{From: a, To: b})
			if primed(i) {
				s.last = time.Time{}
			}
			continue
		}
		begin := a
		if !s.last.IsZero() && s.last.Before(a) {
			begin = s.last
		}
		sample(i, begin, b)
		s.last = b
	}
	return empty
}

// joinInterval appends an interval, growing the last one when they touch.
func joinInterval(is []Interval, next Interval) []Interval {
	if n := len(is); n > 0 && is[n-1].To.Equal(next.From) {
		is[n-1].To = next.To
		return is
	}
	return append(is, next)
}
