package bake

import (
	"math"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

// points makes a series of values, 15 s apart, that begins at a second. A NaN stays one; -1 leaves the scrape out.
func points(begin float64, vs ...float64) (ps []metric.Point) {
	for i, v := range vs {
		if v != -1 {
			ps = append(ps, metric.Point{T: at(begin + 15*float64(i)), V: v})
		}
	}
	return ps
}

func ser(query, pod string, ps []metric.Point) metric.Series {
	return metric.Series{Query: query, Name: "reqs", Labels: map[string]string{"pod": pod, "code": "x"}, Points: ps}
}

func deltas(s metric.Series) metric.Series { s.Deltas = true; return s }

func newProportion(start time.Time, step time.Duration) *proportion {
	m := Metric{Name: "m", Bad: `reqs{code="500"}`, Total: "reqs"}
	c := m.counts(grid{start, step}, true, &selection{bad: string(m.Bad), total: string(m.Total)}).(*proportion)
	c.clock.grace = 20 * time.Second
	return c
}

func totals(ss []judge.Sample) (vs []float64) {
	for _, s := range ss {
		vs = append(vs, s.Total)
	}
	return vs
}

func TestProportionTotals(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		name   string
		series []metric.Series
		want   []float64 // total of each window of 30 s from 0 to 120
	}{
		{"steady", []metric.Series{ser("m.total", "a", points(0, 100, 110, 120, 130, 140, 150, 160, 170))}, []float64{10, 20, 20, 20}},
		{"a restart counts from 0", []metric.Series{ser("m.total", "a", points(0, 100, 110, 120, 3, 13, 23, 33, 43))}, []float64{10, 13, 20, 20}},
		{"two pods are differenced before they are added up: one restarts",
			[]metric.Series{ser("m.total", "a", points(0, 1000, 1010, 1020, 1030, 1040, 1050, 1060, 1070)), ser("m.total", "b", points(0, 500, 510, 0, 10, 20, 30, 40, 50))},
			[]float64{20, 30, 40, 40}},
		{"a vanished pod stops",
			[]metric.Series{ser("m.total", "a", points(0, 10, 20, 30, 40, 50, 60, 70, 80)), ser("m.total", "b", points(0, 900, 910, 920))},
			[]float64{20, 30, 20, 20}},
		{"a stale marker is a pod that stops",
			[]metric.Series{ser("m.total", "a", points(0, 10, 20, 30, 40, 50, 60, 70, 80)), ser("m.total", "b", points(0, 900, 910, nan))},
			[]float64{20, 20, 20, 20}},
		{"a new pod counts from 0",
			[]metric.Series{ser("m.total", "a", points(0, 10, 20, 30, 40, 50, 60, 70, 80)), ser("m.total", "b", points(60, 7, 17, 27, 37))},
			[]float64{10, 20, 37, 40}},
		{"pods that are only scraped later are not new",
			[]metric.Series{ser("m.total", "a", points(0, 10, 20, 30, 40, 50, 60, 70, 80)), ser("m.total", "b", points(7, 100000, 100010, 100020, 100030, 100040, 100050, 100060, 100070))},
			[]float64{20, 40, 40, 40}},
		{"rolling replacement",
			[]metric.Series{ser("m.total", "a1", points(0, 900, 910, 920, 930)), ser("m.total", "b1", points(0, 800, 810, 820, 830, 840, 850)),
				ser("m.total", "a2", points(60, 5, 15, 25, 35)), ser("m.total", "b2", points(90, 5, 15))},
			[]float64{20, 40, 35, 35}},
		{"missing for a minute and back: the difference over the hole",
			[]metric.Series{ser("m.total", "a", points(0, 10, 20, 30, 40, 50, 60, 70, 80)), ser("m.total", "b", points(0, 100, 110, -1, -1, -1, -1, 160, 170))},
			[]float64{20, 20, 20, 80}},
		{"counts of intervals are no running totals", []metric.Series{deltas(ser("m.total", "a", points(0, 5, 3, 0, 7, 7, 7, -1, 2)))}, []float64{8, 7, 14, 2}},
		{"negative and infinite values are left out", []metric.Series{ser("m.total", "a", points(0, 100, 110, -5, 130, math.Inf(1), 150, 160, 170))}, []float64{10, 20, 20, 20}},
		{"duplicates and disorder", []metric.Series{ser("m.total", "a", append(points(30, 120, 130, 140, 150, 160, 170), append(points(0, 100, 110), points(0, 100, 110)...)...))}, []float64{10, 20, 20, 20}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newProportion(t0, 30*time.Second).add(tt.series, t0, at(120))
			if got := totals(b.samples); !equal(got, tt.want) {
				t.Errorf("totals = %v, want %v", got, tt.want)
			}
		})
	}
}

func equal(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-6 {
			return false
		}
	}
	return true
}

// A pause that is longer than the horizon says nothing about series that appear behind it.
func TestNewSeriesBehindALongSilenceOnlyPrimes(t *testing.T) {
	c := newProportion(t0, time.Minute)
	c.add([]metric.Series{ser("m.total", "a", points(0, 1, 2, 3, 4))}, t0, at(60))
	b := c.add([]metric.Series{ser("m.total", "b", points(1800, 5000, 5010))}, at(60), at(1860))
	if got := totals(b.samples); !equal(got, []float64{10}) {
		t.Errorf("totals = %v, want [10]", got)
	}
}

func TestScrapesSlowerThanTheStepJoinWindows(t *testing.T) {
	c := newProportion(t0, 30*time.Second)
	var ps []metric.Point
	for i := range 5 {
		ps = append(ps, metric.Point{T: at(60 * float64(i)), V: float64(60 * i)})
	}
	b := c.add([]metric.Series{ser("m.total", "a", ps)}, t0, at(300))
	for i, s := range b.samples {
		if i > 0 && (s.Total != 60 || s.To.Sub(s.From) != time.Minute) {
			t.Errorf("sample %d = %v from %s to %s, want 60 in a minute", i, s.Total, s.From, s.To)
		}
	}
	if len(b.samples) != 4 {
		t.Errorf("%d samples, want 4", len(b.samples))
	}
}

func TestEmptyBad(t *testing.T) {
	total := ser("m.total", "a", points(0, 0, 10, 20, 30))
	tests := []struct {
		name, bad, total string
		seen             bool
		want             string // reason, "" for zero events
	}{
		{"total's own metric", `reqs{code=~"5.."}`, `reqs{app="x"}`, false, ""},
		{"total's own metric by __name__", `{__name__="reqs",code=~"5.."}`, `reqs`, false, ""},
		{"total selects by name pattern", `reqs{code=~"5.."}`, `{__name__=~"req.*"}`, false, ""},
		{"a label that total does not have", `reqs{status=~"5.."}`, `reqs`, false, "selector"},
		{"a label that may be missing", `reqs{status!="200"}`, `reqs`, false, ""},
		{"a label that may be empty", `reqs{status=~".*"}`, `reqs`, false, ""},
		{"another metric", `reqs_failed_total`, `reqs`, false, "selector"},
		{"another metric that was seen before", `reqs_failed_total`, `reqs`, true, ""},
		{"a misspelt name", `req{code=~"5.."}`, `reqs`, false, "selector"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := Metric{Name: "m", Bad: Text(tt.bad), Total: Text(tt.total)}
			c := m.counts(grid{t0, 30 * time.Second}, true, &selection{bad: tt.bad, total: tt.total, badSeen: tt.seen})
			b := c.add([]metric.Series{total}, t0, at(60))
			got := ""
			if tr := c.trouble(); tr != nil {
				got = tr.reason
			}
			if got != tt.want {
				t.Errorf("reason %q, want %q", got, tt.want)
			}
			if len(b.samples) != 2 || b.samples[1].Bad != 0 {
				t.Errorf("samples %v, want two with no bad events", b.samples)
			}
		})
	}
}

func TestProportionTroubles(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		name   string
		series []metric.Series
		want   string
	}{
		{"nothing", nil, "no-data"},
		{"only NaN", []metric.Series{ser("m.total", "a", points(0, nan, nan))}, "nan"},
		{"only infinite", []metric.Series{ser("m.total", "a", points(0, math.Inf(1)))}, "nan"},
		{"bad without total", []metric.Series{ser("m.bad", "a", points(0, 1, 2, 3))}, "selector"},
		{"bad larger than total", []metric.Series{ser("m.total", "a", points(0, 0, 1, 2, 3, 4, 5, 6, 7)), ser("m.bad", "a", points(0, 0, 10, 20, 30, 40, 50, 60, 70))}, "selectors"},
		{"fine", []metric.Series{ser("m.total", "a", points(0, 0, 10, 20, 30)), ser("m.bad", "a", points(0, 0, 1, 2, 3))}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newProportion(t0, 30*time.Second)
			c.add(tt.series, t0, at(120))
			got := ""
			if tr := c.trouble(); tr != nil {
				got = tr.reason
			}
			if got != tt.want {
				t.Errorf("reason %q, want %q", got, tt.want)
			}
		})
	}
}

func bucket(pod, le string, ps []metric.Point) metric.Series {
	return metric.Series{Query: "h", Name: "d_bucket", Labels: map[string]string{"pod": pod, "le": le}, Points: ps}
}

func TestHistogram(t *testing.T) {
	m := Metric{Name: "h", Histogram: "d"}
	c := m.counts(grid{t0, 30 * time.Second}, true, nil)
	b := c.add([]metric.Series{
		bucket("a", "0.1", points(0, 5, 10)), bucket("a", "+Inf", points(0, 10, 22)), bucket("a", "0.5", points(0, 8, 18)),
		bucket("b", "0.2", points(0, 0, 3)), bucket("b", "+Inf", points(0, 0, 4)), // other bounds: a pod of another version
	}, t0, at(30))
	want := []judge.Bucket{{Le: 0.1, N: 5}, {Le: 0.2, N: 3}, {Le: 0.5, N: 5}, {Inf: true, N: 3}}
	if len(b.samples) != 1 || len(b.samples[0].Buckets) != len(want) {
		t.Fatalf("samples %+v, want one with %v", b.samples, want)
	}
	for i, g := range b.samples[0].Buckets {
		if g != want[i] {
			t.Errorf("bucket %d = %+v, want %+v", i, g, want[i])
		}
	}
	if c.trouble() != nil {
		t.Errorf("trouble %+v", c.trouble())
	}
}

func TestHistogramTroubles(t *testing.T) {
	tests := []struct {
		name   string
		series []metric.Series
		want   string
	}{
		{"no +Inf", []metric.Series{bucket("a", "1", points(0, 1, 2))}, "buckets"},
		{"le is no number", []metric.Series{bucket("a", "fast", points(0, 1, 2)), bucket("a", "+Inf", points(0, 1, 2))}, "buckets"},
		{"le is NaN", []metric.Series{bucket("a", "NaN", points(0, 1, 2))}, "buckets"},
		{"no le", []metric.Series{ser("h", "a", points(0, 1, 2))}, "buckets"},
		{"nothing", nil, "no-data"},
		{"only NaN", []metric.Series{bucket("a", "+Inf", points(0, math.NaN()))}, "nan"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Metric{Name: "h", Histogram: "d"}.counts(grid{t0, 30 * time.Second}, true, nil)
			c.add(tt.series, t0, at(30))
			if tr := c.trouble(); tr == nil || tr.reason != tt.want {
				t.Errorf("trouble %+v, want %q", tr, tt.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	two := []metric.Series{ser("g", "b", points(0, 3, 4)), ser("g", "a", points(0, 1, -1, 2))}
	c := Metric{Name: "g", Gauge: "g"}.counts(grid{t0, 30 * time.Second}, true, nil)
	b := c.add(two, t0, at(90))
	if len(b.samples) != 2 || !equal(b.samples[0].Values, []float64{1, 3, 4}) || !equal(b.samples[1].Values, []float64{2}) {
		t.Errorf("samples %+v", b.samples)
	}
	if len(b.empty) != 1 || !b.empty[0].From.Equal(at(60)) || c.trouble() != nil {
		t.Errorf("empty %v, trouble %v", b.empty, c.trouble())
	}
	one := Metric{Name: "g", Expr: "x"}.counts(grid{t0, 30 * time.Second}, true, nil)
	one.add(two, t0, at(90))
	if tr := one.trouble(); tr == nil || tr.reason != "several-series" {
		t.Errorf("trouble %+v, want several-series", tr)
	}
	replaced := Metric{Name: "g", Expr: "x"}.counts(grid{t0, 30 * time.Second}, true, nil)
	replaced.add([]metric.Series{ser("g", "a", points(0, 1, 1)), ser("g", "b", points(30, 1, 1))}, t0, at(90))
	if tr := replaced.trouble(); tr != nil {
		t.Errorf("one series behind the other is not several: %+v", tr)
	}
}

// Counts of intervals are the same, however the window is cut, and an interval that is asked for again is counted once.
func TestDeltasInPieces(t *testing.T) {
	s := []metric.Series{deltas(ser("m.total", "a", points(14.999, 1, 2, 3, 4, 5, 6, 7, 8)))}
	whole := newProportion(t0, 30*time.Second).add(s, t0, at(120))
	c := newProportion(t0, 30*time.Second)
	var pieces []judge.Sample
	for k := range 4 {
		pieces = append(pieces, c.add(s, at(30*float64(k)), at(30*float64(k+1))).samples...)
	}
	if !equal(totals(whole.samples), []float64{3, 7, 11, 15}) || !equal(totals(pieces), totals(whole.samples)) {
		t.Errorf("whole %v, in pieces %v", totals(whole.samples), totals(pieces))
	}
}
