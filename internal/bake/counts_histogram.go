package bake

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
)

// histogram counts events by bucket. Buckets are made non-cumulative per process, and then added up by their bound, so that
// processes with different bounds can stand side by side during a rollout.
type histogram struct {
	spans spans
	clock clock
	diff  differ

	les     map[float64]bool        // every bound of classic buckets seen
	first   map[string][2]time.Time // when each process was first seen, in each form
	badLe   string                  // a bound that is not a number
	noInf   bool                    // a process without +Inf
	seen    bool
	skipped int
}

func (c *histogram) scraped(every time.Duration) { c.clock.scraped(every) }

// The forms of a histogram.
const (
	classic = iota // counters NAME_bucket, one a bound
	native         // samples of NAME that hold all of their buckets
)

// histogramProcess is a histogram as one process gives it. It may come in both forms.
type histogramProcess struct {
	key     string
	buckets []bucketSeries // classic, by ascending bound
	native  []counterSeries
}

type bucketSeries struct {
	counterSeries
	le float64
}

type bucketTally struct {
	n            map[float64]float64
	native       []metric.NativeBucket
	seen, primed bool
}

func (c *histogram) add(series []metric.Series, from, to time.Time) batch {
	ready, skipped := c.clock.prepare(series, from, to)
	c.skipped += skipped
	if c.les == nil {
		c.les, c.first = map[float64]bool{}, map[string][2]time.Time{}
	}
	ws := make([]bucketTally, int(to.Sub(from)/c.spans.grid.step))
	for _, p := range c.processes(ready) {
		c.addProcess(p, grid{from, c.spans.grid.step}, ws)
	}
	var b batch
	b.empty = c.spans.walk(from, to, func(i int) bool { return ws[i].seen }, func(i int) bool { return ws[i].primed }, func(i int, a, z time.Time) {
		b.samples = append(b.samples, judge.Sample{From: a, To: z, Buckets: c.buckets(ws[i])})
	})
	return b
}

// processes sorts the series by process: every label but le.
func (c *histogram) processes(ready []counterSeries) (ps []*histogramProcess) {
	byKey := map[string]*histogramProcess{}
	for _, s := range ready {
		isNative := s.points[0].Native != nil
		le, err := strconv.ParseFloat(s.Labels["le"], 64)
		if !isNative && (err != nil || math.IsNaN(le)) {
			c.badLe = cmp.Or(clean.Cut(s.Labels["le"], 60), "(none)")
			continue
		}
		base := s.Series
		base.Name = strings.TrimSuffix(base.Name, "_bucket")
		k := seriesKey(base, "le")
		p := byKey[k]
		if p == nil {
			p = &histogramProcess{key: k}
			byKey[k] = p
			ps = append(ps, p)
		}
		if isNative {
			s.points = slices.DeleteFunc(s.points, func(p metric.Point) bool { return p.Native == nil })
			p.native = append(p.native, s)
			c.sees(k, native, s.points[0].T)
			continue
		}
		p.buckets = append(p.buckets, bucketSeries{s, le})
		c.sees(k, classic, s.points[0].T)
	}
	for _, p := range ps {
		slices.SortFunc(p.buckets, func(a, b bucketSeries) int { return cmp.Compare(a.le, b.le) })
	}
	return ps
}

func (c *histogram) sees(process string, form int, at time.Time) {
	f := c.first[process]
	if f[form].IsZero() || at.Before(f[form]) {
		f[form] = at
	}
	c.first[process] = f
}

// born reports whether a process did not exist before its first point at t. One that was there in the other form did.
func (c *histogram) born(process string, form int) func(time.Time) bool {
	other := c.first[process][1-form]
	return func(t time.Time) bool { return c.clock.born(t) && (other.IsZero() || !other.Before(t)) }
}

// bucketRow is one bucket's events, window by window; got says where a difference could be taken.
type bucketRow struct {
	le   float64
	upTo []float64
	got  []bool
}

// addProcess takes the differences of one process's buckets, window by window, and adds each bucket's own part to the tallies. Where it
// comes in both forms the classic one counts: its bounds are those that somebody chose.
func (c *histogram) addProcess(p *histogramProcess, g grid, ws []bucketTally) {
	rows := make([]bucketRow, len(p.buckets))
	for i, s := range p.buckets {
		r := bucketRow{s.le, make([]float64, len(ws)), make([]bool, len(ws))}
		primed := c.diff.differences(s.counterSeries, c.born(p.key, classic), func(t time.Time, v float64) {
			r.upTo[g.index(t)] += v
			r.got[g.index(t)] = true
		})
		if !primed.IsZero() {
			ws[g.index(primed)].primed = true
		}
		rows[i] = r
	}
	natives := make([][]metric.NativeBucket, len(ws))
	for _, s := range p.native {
		primed := c.diff.nativeDifferences(s, c.born(p.key, native), func(t time.Time, counted []metric.NativeBucket) {
			natives[g.index(t)] = metric.AddBuckets(natives[g.index(t)], counted)
		})
		if !primed.IsZero() {
			ws[g.index(primed)].primed = true
		}
	}
	for i := range ws {
		if natives[i] != nil && !hasBounds(rows, i) {
			c.seen, ws[i].seen = true, true
			ws[i].native = metric.AddBuckets(ws[i].native, natives[i])
			continue
		}
		c.addWindow(rows, i, &ws[i])
	}
}

// hasBounds reports whether the classic buckets of a window are all there: one that is +Inf alone is what is left of a native histogram
// in a text format.
func hasBounds(rows []bucketRow, i int) bool {
	got := 0
	for _, r := range rows {
		if r.got[i] {
			got++
		}
	}
	return got > 1 && math.IsInf(rows[len(rows)-1].le, 1) && rows[len(rows)-1].got[i]
}

// addWindow adds one process's buckets of one window. Without +Inf nobody knows how many events there were.
func (c *histogram) addWindow(rows []bucketRow, i int, w *bucketTally) {
	if len(rows) == 0 {
		return
	}
	if inf := rows[len(rows)-1]; !math.IsInf(inf.le, 1) || !inf.got[i] {
		c.noInf = c.noInf || slices.ContainsFunc(rows, func(r bucketRow) bool { return r.got[i] })
		return
	}
	if w.n == nil {
		w.n = map[float64]float64{}
	}
	w.seen, c.seen = true, true
	below := 0.0
	for _, r := range rows {
		if !r.got[i] {
			continue
		}
		c.les[r.le] = true
		// A bucket that is smaller than the one below was read while the process counted: nothing is lost, the next one takes it.
		n := max(r.upTo[i]-below, 0)
		w.n[r.le] += n
		below += n
	}
}

// buckets are those of a window. Classic ones stand at every bound that was seen, native ones where there are events. Where some processes
// have the one and some the other, as when a deploy brings native histograms, all are counted at the classic bounds.
func (c *histogram) buckets(w bucketTally) []judge.Bucket {
	if w.native != nil && w.n == nil {
		return sparse(w.native)
	}
	own := slices.Sorted(maps.Keys(w.n))
	for _, b := range w.native {
		divide(b, own, w.n)
	}
	les := slices.Sorted(maps.Keys(c.les))
	bs := make([]judge.Bucket, len(les))
	for i, le := range les {
		if bs[i] = (judge.Bucket{Le: le, N: w.n[le]}); math.IsInf(le, 1) {
			bs[i] = judge.Bucket{Inf: true, N: w.n[le]}
		}
	}
	return bs
}

// divide adds a native bucket to the classic ones that it overlaps, by proportion. The last bound is +Inf.
func divide(b metric.NativeBucket, les []float64, n map[float64]float64) {
	lower := math.Max(b.Lower, 0)
	width := b.Upper - lower
	for _, le := range les {
		if le >= b.Upper {
			n[le] += b.N
			return
		}
		if part := b.N * (le - lower) / width; le > lower && part > 0 {
			n[le] += part
			b.N -= part
			lower, width = le, b.Upper-le
		}
	}
}

// mostBuckets is how many buckets with events a sample has; of more, neighbours are put together.
const mostBuckets = 400

// sparse are native buckets as the judge takes them. Between two that lie apart stands one that is empty: within it, too, it is known how
// many events were above each bound.
func sparse(all []metric.NativeBucket) (bs []judge.Bucket) {
	if len(all) > mostBuckets {
		all = slices.Clone(all)
	}
	for len(all) > mostBuckets {
		for i := 0; i+1 < len(all); i += 2 {
			all[i/2] = metric.NativeBucket{Lower: all[i].Lower, Upper: all[i+1].Upper, N: all[i].N + all[i+1].N}
		}
		if len(all)%2 == 1 {
			all[len(all)/2] = all[len(all)-1]
		}
		all = all[:(len(all)+1)/2]
	}
	end := 0.0
	for _, b := range all {
		if b.Lower > end*(1+1e-9) {
			bs = append(bs, judge.Bucket{Le: b.Lower})
		}
		if math.IsInf(b.Upper, 1) {
			return append(bs, judge.Bucket{Inf: true, N: b.N})
		}
		bs = append(bs, judge.Bucket{Le: b.Upper, N: b.N})
		end = b.Upper
	}
	return append(bs, judge.Bucket{Inf: true})
}

func (c *histogram) trouble() *trouble {
	switch {
	case c.badLe != "":
		return &trouble{"buckets", fmt.Sprintf("the label le is %q: want the bucket's upper bound as a number", c.badLe), "name a histogram without its _bucket: every classic series of it has the label le"}
	case c.noInf:
		return &trouble{"buckets", "a process has no bucket le=\"+Inf\": nobody knows how many events there were", "keep le=\"+Inf\" when series are dropped or the selector filters by le"}
	case !c.seen && c.skipped > 0:
		return &trouble{"nan", "every point is NaN, infinite or negative: that is no count", "see what exports this metric; a histogram's buckets are counters"}
	case !c.seen:
		return &trouble{"no-data", "the selector matched nothing", "compare the selector with what the service exports (without _bucket), and see whether it is scraped"}
	}
	return nil
}
