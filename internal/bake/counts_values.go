package bake

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// values takes gauges as they are: every scrape of every series.
type values struct {
	grid grid
	one  bool // an expression: one series was meant

	several int // series seen at once where one was meant
	seen    bool
	skipped int
}

// scraped changes nothing: a value needs no other one.
func (c *values) scraped(time.Duration) {}

func (c *values) add(series []metric.Series, from, to time.Time) batch {
	g := grid{from, c.grid.step}
	ws := make([][]float64, int(to.Sub(from)/g.step))
	in := make([]int, len(ws)) // series that have a value in the window
	for _, s := range inOrder(series) {
		points, skipped := usable(s.Points, from, to, true)
		c.skipped += skipped
		c.seen = c.seen || len(points) > 0
		last := -1
		for _, p := range points {
			i := g.index(p.T)
			ws[i] = append(ws[i], p.V)
			if i != last {
				in[i]++
				last = i
			}
		}
	}
	if n := slices.Max(append(in, 0)); c.one && n > 1 {
		c.several = max(c.several, n)
	}
	return gather(ws, g)
}

// gather makes samples of the windows that have values. A window without any says nothing, and its neighbour can't speak for it.
func gather(ws [][]float64, g grid) (b batch) {
	for i, vs := range ws {
		if len(vs) == 0 {
			b.empty = joinInterval(b.empty, Interval{From: g.at(i), To: g.at(i + 1)})
			continue
		}
		b.samples = append(b.samples, judge.Sample{From: g.at(i), To: g.at(i + 1), Values: vs})
	}
	return b
}

// inOrder sorts series by their labels: the same window gives the same values in the same order, whatever the backend's order.
func inOrder(series []metric.Series) []metric.Series {
	s := slices.Clone(series)
	slices.SortStableFunc(s, func(a, b metric.Series) int { return strings.Compare(seriesKey(a, ""), seriesKey(b, "")) })
	return s
}

func (c *values) trouble() *trouble {
	switch {
	case c.several > 0:
		return &trouble{"several-series", fmt.Sprintf("the expression gave %d series where one value was meant", c.several), "aggregate it (sum, max, avg without labels), or use gauge: for a value per series"}
	case !c.seen && c.skipped > 0:
		return &trouble{"nan", "every value is NaN or infinite", "a division by zero gives NaN: name the counters with bad: and total: instead"}
	case !c.seen:
		return &trouble{"no-data", "the query matched nothing", "compare the query with what the service exports, and see whether it is scraped"}
	}
	return nil
}
