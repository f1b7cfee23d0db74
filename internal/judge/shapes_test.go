package judge

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func histogramOf(from, dt float64, le []float64, n ...float64) Sample {
	s := Sample{From: at(from), To: at(from + dt)}
	for i, x := range n {
		b := Bucket{N: x, Inf: i == len(n)-1}
		if !b.Inf {
			b.Le = le[i]
		}
		s.Buckets = append(s.Buckets, b)
	}
	return s
}

func repeated(from, dt float64, n int, le []float64, counts ...float64) (out []Sample) {
	for i := range n {
		out = append(out, histogramOf(from+dt*float64(i), dt, le, counts...))
	}
	return out
}

func TestAbove(t *testing.T) {
	le := []float64{0.1, 0.2, 0.4}
	s := histogramOf(0, 15, le, 100, 50, 40, 10)
	for _, c := range []struct{ bound, bad, high float64 }{
		{0.1, 100, 100}, {0.2, 50, 50}, {0.4, 10, 10},
		{0.3, 10, 30},         // half of the bucket 0.2 to 0.4
		{0.05, 100, 150},      // half of the first
		{0.5, 0, 10},          // in the last: nobody knows
		{0.2 + 1e-12, 50, 50}, // a bound, but for rounding
		{0, 200, 200}, {5, 0, 10},
	} {
		got := above(s, c.bound)
		near(t, "certainly above", got.bad, c.bad, 1e-9)
		near(t, "possibly above", got.high, c.high, 1e-9)
		near(t, "all", got.total, 200, 0)
	}
}

func TestSurvival(t *testing.T) {
	curve := []point{{0.1, 0.5}, {0.2, 0.1}, {0.4, 0.02}}
	for x, want := range map[float64]float64{0: 1, 0.05: 0.75, 0.1: 0.5, 0.15: 0.3, 0.3: 0.06, 0.4: 0.02, 9: 0.02} {
		near(t, "survival", survival(curve, x), want, 1e-12)
	}
}

func TestHistogram(t *testing.T) {
	le := []float64{0.1, 0.25, 0.5, 1}
	before := repeated(-43200, 60, 720, le, 1500, 1200, 270, 25, 5) // 1% above 0.5
	p99 := func(max float64, text string) []Limit {
		return []Limit{{Quantile: 0.99, Max: max, HasMax: true, Text: text}}
	}
	spec := func(compare bool, l []Limit) Spec {
		return window(Spec{Name: "latency", Kind: Histogram, Compare: compare, Limits: l}, 900)
	}
	good := repeated(0, 15, 60, le, 375, 300, 68, 6, 1)
	slow := repeated(0, 15, 60, le, 200, 250, 200, 80, 20)
	finer := repeated(0, 15, 60, []float64{0.1, 0.2, 0.5, 0.7, 1}, 375, 200, 168, 3, 3, 1)
	common := repeated(0, 15, 60, []float64{0.15, 0.3, 0.5}, 475, 230, 38, 7)
	other := repeated(0, 15, 60, []float64{0.15, 0.3, 0.7}, 475, 230, 42, 3)
	for _, c := range []struct {
		name          string
		spec          Spec
		before, after []Sample
		status        Status
		reason        string
	}{
		{"as before", spec(true, nil), before, good, Pass, ""},
		{"slower", spec(true, nil), before, slow, Fail, ""},
		{"within the limit", spec(false, p99(0.5, "500ms")), nil, good, Pass, ""},
		{"beyond the limit", spec(false, p99(0.5, "500ms")), nil, slow, Fail, ""},
		{"within a limit between the bounds", spec(false, p99(0.7, "700ms")), nil, good, Pass, ""},
		{"beyond every bound", spec(false, p99(3, "3s")), nil, good, Pass, ""},
		{"beyond every bound, too many there", spec(false, p99(3, "3s")), nil, slow, Unknown, Unproved},
		{"finer buckets", spec(true, nil), before, finer, Pass, ""},
		{"other buckets, the bound that matters in common", spec(true, nil), before, common, Pass, ""},
		{"other buckets, none in common", spec(true, nil), before, other, Unknown, Unproved},
		{"other buckets, slow", spec(true, nil), before, repeated(0, 15, 60, []float64{0.15, 0.3, 0.7}, 300, 250, 150, 50), Fail, ""},
		{"nothing", spec(true, p99(0.5, "500ms")), before, nil, Unknown, NoData},
		{"empty buckets", spec(true, nil), before, repeated(0, 15, 60, le, 0, 0, 0, 0, 0), Unknown, NoData},
		{"no history", spec(true, p99(0.5, "500ms")), nil, good, Unknown, NoBaseline},
		{"a limit of no quantile", spec(false, []Limit{{Max: 0.5, HasMax: true}}), before, good, Unknown, NoCriteria},
		{"few requests", spec(true, nil), before, repeated(0, 15, 60, le, 1, 0, 0, 0, 0), Unknown, LowTraffic},
	} {
		j := baked(c.spec, c.before, c.after)
		if j.Status != c.status || j.Reason != c.reason {
			t.Errorf("%s: got %s %s: %s; want %s %s", c.name, j.Status, j.Reason, j.Sentence, c.status, c.reason)
		}
		wellFormed(t, c.name, j)
	}
	j := baked(spec(false, p99(0.7, "700ms")), nil, good)
	if !slices.ContainsFunc(j.Warnings, func(w string) bool {
		return strings.Contains(w, "700ms") && strings.Contains(w, "between 0.5 and 1")
	}) {
		t.Errorf("warnings %q do not name the bounds about the limit", j.Warnings)
	}
}

func valued(from, dt float64, n int, v func(i int) []float64) (out []Sample) {
	for i := range n {
		out = append(out, Sample{From: at(from + dt*float64(i)), To: at(from + dt*float64(i+1)), Values: v(i)})
	}
	return out
}

func always(v ...float64) func(int) []float64 { return func(int) []float64 { return v } }

func TestGauge(t *testing.T) {
	limit := []Limit{{Max: 0.8, HasMax: true, Text: "80%"}}
	spec := func(compare bool, l []Limit) Spec {
		return window(Spec{Name: "memory", Kind: Gauge, Compare: compare, Limits: l}, 900)
	}
	calm := valued(-43200, 60, 720, func(i int) []float64 { return []float64{0.4 + 0.05*math.Sin(float64(i))} })
	for _, c := range []struct {
		name          string
		spec          Spec
		before, after []Sample
		status        Status
		reason        string
	}{
		{"within", spec(false, limit), calm, valued(0, 15, 60, always(0.5)), Pass, ""},
		{"beyond", spec(false, limit), calm, valued(0, 15, 60, always(0.9)), Fail, ""},
		{"beyond, no history", spec(false, limit), nil, valued(0, 15, 60, always(0.9)), Fail, ""},
		{"two steps beyond", spec(false, limit), calm, valued(0, 15, 60, func(i int) []float64 { return []float64{0.5 + 0.4*float64(i/20%2*(i/2%10/9))} }), Pass, ""},
		{"one pod of four beyond", spec(false, limit), calm, valued(0, 15, 60, always(0.5, 0.9, 0.5, 0.5)), Unknown, Unproved},
		{"three pods of four beyond", spec(false, limit), calm, valued(0, 15, 60, always(0.9, 0.9, 0.5, 0.9)), Fail, ""},
		{"four steps", spec(false, limit), calm, valued(0, 15, 4, always(0.5)), Unknown, LowTraffic},
		{"beyond for 45 s only", spec(false, limit), calm, valued(0, 15, 3, always(0.9)), Unknown, LowTraffic},
		{"below the least", spec(false, []Limit{{Min: 0.2, HasMin: true}}), calm, valued(0, 15, 60, always(0.1)), Fail, ""},
		{"as before", spec(true, nil), calm, valued(0, 15, 60, func(i int) []float64 { return []float64{0.4 + 0.05*math.Sin(float64(i))} }), Pass, ""},
		{"moved", spec(true, nil), calm, valued(0, 15, 60, always(0.6)), Fail, ""},
		{"always 0 before", spec(true, nil), valued(-43200, 60, 720, always(0)), valued(0, 15, 60, always(1)), Unknown, NoBaseline},
		{"no values", spec(true, limit), calm, valued(0, 15, 60, always()), Unknown, NoData},
		{"NaN", spec(true, limit), calm, valued(0, 15, 60, always(math.NaN())), Unknown, NoData},
	} {
		j := baked(c.spec, c.before, c.after)
		if j.Status != c.status || j.Reason != c.reason {
			t.Errorf("%s: got %s %s: %s; want %s %s", c.name, j.Status, j.Reason, j.Sentence, c.status, c.reason)
		}
		wellFormed(t, c.name, j)
	}
}

func TestBoolean(t *testing.T) {
	spec := window(Spec{Name: "up", Kind: Boolean, WarmUp: 5 * time.Minute}, 900)
	at := func(zeros ...int) func(int) []float64 {
		return func(i int) []float64 {
			if slices.Contains(zeros, i) {
				return []float64{0, 0, 1}
			}
			return []float64{1, 1, 1}
		}
	}
	for _, c := range []struct {
		name     string
		after    []Sample
		status   Status
		reason   string
		down     bool
		external bool
	}{
		{"up", valued(0, 15, 3, at()), Pass, "", false, false},
		{"two steps", valued(0, 15, 2, at()), Unknown, LowTraffic, false, false},
		{"a blip", valued(0, 15, 60, at(4)), Pass, "", false, false},
		{"two in a row", valued(0, 15, 60, at(4, 5)), Pass, "", false, false},
		{"three in a row", valued(0, 15, 60, at(4, 5, 6)), Fail, "", false, false},
		{"three in a row, as before", valued(0, 15, 60, at(4, 5, 6)), Fail, "", true, true},
		{"one series of three", valued(0, 15, 60, always(0, 1, 1)), Unknown, Unproved, false, false},
		{"flapping", valued(0, 15, 60, func(i int) []float64 { return []float64{float64(i % 2)} }), Unknown, Unproved, false, false},
		{"down at the end", valued(0, 15, 10, at(8, 9)), Unknown, Unproved, false, false},
		{"nothing", valued(0, 15, 60, always()), Unknown, NoData, false, false},
	} {
		before := valued(-600, 15, 40, always(1, 1, 1))
		if c.down {
			before = valued(-600, 15, 40, always(0, 0, 0))
		}
		j := baked(spec, before, c.after)
		if j.Status != c.status || j.Reason != c.reason || j.BadBefore != c.external {
			t.Errorf("%s: got %s %s: %s; want %s %s", c.name, j.Status, j.Reason, j.Sentence, c.status, c.reason)
		}
		wellFormed(t, c.name, j)
	}
}

// A gauge that used to be beyond its limit for nine minutes now and then is not failed for doing so again.
func TestGaugeStreaks(t *testing.T) {
	spec := window(Spec{Name: "load", Kind: Gauge, Limits: []Limit{{Max: 1, HasMax: true, Text: "1"}}}, 900)
	before := valued(-86400, 60, 1440, func(i int) []float64 {
		if i%300 < 9 {
			return []float64{2}
		}
		return []float64{0.5}
	})
	beyond := func(from, to int) []Sample {
		return valued(0, 15, 60, func(i int) []float64 {
			if i >= from && i < to {
				return []float64{2}
			}
			return []float64{0.5}
		})
	}
	s := New(spec, before)
	for _, x := range beyond(0, 36)[:36] { // nine minutes
		s.Add(x)
		if j := s.Judge(); j.Status == Fail {
			t.Fatalf("failed at %v: %s", x.To, j.Sentence)
		}
	}
	if j := baked(spec, before, beyond(0, 60)); j.Status != Fail {
		t.Errorf("beyond for 15 min: %s: %s", j.Status, j.Sentence)
	}
}
