package bake

import (
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

// reporting counts 10 requests each 15 s, between two seconds.
func reporting(pod string, from, to float64) metric.Series {
	var vs []float64
	for s := from; s < to; s += 15 {
		vs = append(vs, 10*(s-from)/15)
	}
	return ser("m.rate", pod, points(from, vs...))
}

// absence gives how many of the samples of twenty minutes, 15 s each, are partial, and the first of them.
func absence(series []metric.Series, calls int) (n int, first float64) {
	r := newRates(Metric{Name: "m", Rate: "reqs"}, grid{t0, 15 * time.Second}, clock{})
	r.scraped(15 * time.Second)
	for i := range calls {
		length := 1200 / float64(calls)
		for _, s := range r.add(series, at(length*float64(i)), at(length*float64(i+1))).samples {
			if s.Partial {
				if n == 0 {
					first = s.To.Sub(t0).Seconds()
				}
				n++
			}
		}
	}
	return n, first
}

func TestPresence(t *testing.T) {
	unnamed := reporting("", 0, 600)
	delete(unnamed.Labels, "pod")
	for _, c := range []struct {
		name   string
		series []metric.Series
		n      int
		first  float64
	}{
		{"both are there", []metric.Series{reporting("a", 0, 1200), reporting("b", 0, 1200)}, 0, 0},
		{"one misses a scrape", []metric.Series{reporting("a", 0, 1200), reporting("b", 0, 600), reporting("b", 615, 1200)}, 0, 0},
		{"one is silent for a while", []metric.Series{reporting("a", 0, 1200), reporting("b", 0, 600), reporting("b", 720, 1200)}, 7, 630},
		{"one is gone", []metric.Series{reporting("a", 0, 1200), reporting("b", 0, 600)}, 14, 630},
		{"one is replaced, and stays for a moment", []metric.Series{reporting("a", 0, 1200), reporting("b", 0, 600), reporting("c", 570, 1200)}, 0, 0},
		{"one of two series of a process ends", []metric.Series{reporting("a", 0, 1200), reporting("a", 0, 600)}, 0, 0},
		{"nobody says which process", []metric.Series{reporting("a", 0, 1200), unnamed}, 0, 0},
		{"the backend took the differences", []metric.Series{reporting("a", 0, 1200), deltas(reporting("b", 0, 600))}, 0, 0},
	} {
		for _, calls := range []int{1, 8, 40} {
			if n, first := absence(c.series, calls); n != c.n || first != c.first {
				t.Errorf("%s, in %d calls: got %d partial samples from %v s on, want %d from %v s on", c.name, calls, n, first, c.n, c.first)
			}
		}
	}
}
