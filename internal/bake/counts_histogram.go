package bake

import (
	"fmt"
	"math"
	"slices"
	"strconv"
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

	les     map[float64]bool // every bound seen
	badLe   string           // a bound that is not a number
	noInf   bool             // a process without +Inf
	seen    bool
	skipped int
}

func (c *histogram) scraped(every time.Duration) { c.clock.scraped(every) }

type bucketSeries struct {
	counterSeries
	le float64
}

type bucketTally struct {
	n            map[float64]float64
	seen, primed bool
}

func (c *histogram) add(series []metric.Series, from, to time.Time) batch {
	ready, skipped := c.clock.prepare(series, from, to)
	c.skipped += skipped
	if c.les == nil {
		c.les = map[float64]bool{}
	}
	ws := make([]bucketTally, int(to.Sub(from)/c.spans.grid.step))
	for _, group := range c.groups(ready) {
		c.addGroup(group, grid{from, c.spans.grid.step}, ws)
	}
	var b batch
	b.empty = c.spans.walk(from, to, func(i int) bool { return ws[i].seen }, func(i int) bool { return ws[i].primed }, func(i int, a, z time.Time) {
		b.samples = append(b.samples, judge.Sample{From: a, To: z, Buckets: c.buckets(ws[i].n)})
	})
	return b
}

// groups splits the series by process (every label but le), each by ascending bound.
func (c *histogram) groups(ready []counterSeries) [][]bucketSeries {
	byProcess := map[string]int{}
	var groups [][]bucketSeries
	for _, s := range ready {
		le, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err != nil || math.IsNaN(le) {
			c.badLe = clean.Cut(s.Labels["le"], 60)
			if c.badLe == "" {
				c.badLe = "(none)"
			}
			continue
		}
		k := seriesKey(s.Series, "le")
		i, ok := byProcess[k]
		if !ok {
			i = len(groups)
			byProcess[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], bucketSeries{s, le})
	}
	for _, g := range groups {
		slices.SortFunc(g, func(a, b bucketSeries) int { return compareFloat(a.le, b.le) })
	}
	return groups
}

// bucketRow is one bucket's events, window by window; got says where a difference could be taken.
type bucketRow struct {
	le   float64
	upTo []float64
	got  []bool
}

// addGroup takes the differences of one process's buckets, window by window, and adds each bucket's own part to the tallies.
func (c *histogram) addGroup(group []bucketSeries, g grid, ws []bucketTally) {
	rows := make([]bucketRow, len(group))
	for i, s := range group {
		r := bucketRow{s.le, make([]float64, len(ws)), make([]bool, len(ws))}
		primed := c.diff.differences(s.counterSeries, c.clock.born, func(t time.Time, v float64) {
			r.upTo[g.index(t)] += v
			r.got[g.index(t)] = true
		})
		if !primed.IsZero() {
			ws[g.index(primed)].primed = true
		}
		rows[i] = r
	}
	for i := range ws {
		c.addWindow(rows, i, &ws[i])
	}
}

// addWindow adds one process's buckets of one window. Without +Inf nobody knows how many events there were.
func (c *histogram) addWindow(rows []bucketRow, i int, w *bucketTally) {
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
		if n := r.upTo[i] - below; n > 0 {
			w.n[r.le] += n
			below = r.upTo[i]
		}
	}
}

func (c *histogram) buckets(n map[float64]float64) []judge.Bucket {
	les := make([]float64, 0, len(c.les))
	for le := range c.les {
		les = append(les, le)
	}
	slices.Sort(les)
	bs := make([]judge.Bucket, len(les))
	for i, le := range les {
		if bs[i] = (judge.Bucket{Le: le, N: n[le]}); math.IsInf(le, 1) {
			bs[i] = judge.Bucket{Inf: true, N: n[le]}
		}
	}
	return bs
}

func (c *histogram) trouble() *trouble {
	switch {
	case c.badLe != "":
		return &trouble{"buckets", fmt.Sprintf("the label le is %q: want the bucket's upper bound as a number", c.badLe), "name a classic histogram without its _bucket: every series of it has the label le"}
	case c.noInf:
		return &trouble{"buckets", "a process has no bucket le=\"+Inf\": nobody knows how many events there were", "keep le=\"+Inf\" when series are dropped or the selector filters by le"}
	case !c.seen && c.skipped > 0:
		return &trouble{"nan", "every point is NaN, infinite or negative: that is no count", "see what exports this metric; a histogram's buckets are counters"}
	case !c.seen:
		return &trouble{"no-data", "the selector matched nothing", "compare the selector with what the service exports (without _bucket), and see whether it is scraped"}
	}
	return nil
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
