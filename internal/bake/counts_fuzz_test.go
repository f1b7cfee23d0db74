package bake

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// seriesFrom makes series out of bytes: four bytes a point (series and query, time, value), values odd enough to hurt.
func seriesFrom(data []byte) []metric.Series {
	all := map[byte]*metric.Series{}
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -3, 1e308, math.MaxFloat64, 0, 1}
	les := []string{"0.1", "1", "+Inf", "x"}
	for i := 0; i+4 <= len(data) && i < 4000; i += 4 {
		id := data[i] & 15
		s := all[id]
		if s == nil {
			q := "m.total"
			if id&1 == 1 {
				q = "m.bad"
			}
			s = &metric.Series{Query: q, Name: "reqs", Labels: map[string]string{"pod": string(rune('a' + id>>3)), "half": q, "le": les[id>>1&3]}}
			all[id] = s
		}
		v := float64(binary.LittleEndian.Uint16(data[i+2:]))
		if data[i]&0xf0 == 0xf0 {
			v = odd[data[i+2]&7]
		}
		p := metric.Point{T: t0.Add(time.Duration(data[i+1]) * 1700 * time.Millisecond), V: v, Began: data[i+3] == 0xff}
		if id >= 14 && v >= 0 && v < 1e300 { // a native one beside the others
			s.Name, s.Labels["le"] = "reqs", ""
			p.V = math.Floor(v)
			p.Native = &metric.NativeHistogram{Buckets: []metric.NativeBucket{{Lower: 0.1, Upper: 0.5 * float64(1+data[i+2]&1), N: p.V}}}
		}
		s.Points = append(s.Points, p)
	}
	var out []metric.Series
	for id := range byte(16) {
		if s := all[id]; s != nil {
			out = append(out, *s)
		}
	}
	return out
}

// FuzzCounts holds for any points: no panic, no negative or infinite count, windows in their order without overlap, and the same
// samples however the fetch is split.
func FuzzCounts(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 20, 9, 0, 1, 30, 2, 0, 0, 60, 3, 0}, uint8(3))
	f.Add([]byte{0xf0, 0, 0, 0, 0, 20, 9, 0, 0xf2, 30, 2, 0, 4, 60, 3, 0, 4, 90, 7, 0}, uint8(7))
	f.Add([]byte{14, 0, 1, 0, 14, 20, 9, 0, 14, 30, 2, 0xff, 14, 60, 3, 0, 4, 30, 1, 0, 4, 90, 7, 0}, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		series := seriesFrom(data)
		end := at(450)
		for _, m := range []Metric{{Name: "m", Bad: "reqs", Total: "reqs"}, {Name: "m", Histogram: "reqs"}, {Name: "m", Gauge: "reqs"}, {Name: "m", Expr: "reqs"}} {
			fresh := func() counts {
				return m.counts(grid{t0, 15 * time.Second}, true, &selection{bad: "reqs", total: "reqs"})
			}
			whole, halves := fresh(), fresh()
			got := whole.add(series, t0, end)
			middle := at(15 * float64(cut%30))
			parts := slices.Concat(halves.add(series, t0, middle).samples, halves.add(series, middle, end).samples)
			checkSamples(t, got.samples)
			sameSamples(t, got.samples, parts)
			if a, b := whole.trouble(), halves.trouble(); (a == nil) != (b == nil) || a != nil && a.reason != b.reason {
				t.Errorf("trouble %+v in one fetch, %+v in two", a, b)
			}
		}
	})
}

func checkSamples(t *testing.T, ss []judge.Sample) {
	t.Helper()
	for i, s := range ss {
		if !s.From.Before(s.To) || i > 0 && s.From.Before(ss[i-1].To) {
			t.Errorf("sample %d is from %s to %s, the one before ends at %s", i, s.From, s.To, ss[max(i-1, 0)].To)
		}
		ns := []float64{s.Bad, s.Total, s.Total - s.Bad}
		for _, b := range s.Buckets {
			ns = append(ns, b.N)
		}
		for _, n := range ns {
			if n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
				t.Errorf("sample %d: %+v", i, s)
			}
		}
	}
}

func sameSamples(t *testing.T, a, b []judge.Sample) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d samples in one fetch, %d in two", len(a), len(b))
	}
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*(1+math.Abs(x)) }
	for i := range a {
		same := a[i].From.Equal(b[i].From) && a[i].To.Equal(b[i].To) && near(a[i].Bad, b[i].Bad) && near(a[i].Total, b[i].Total) && slices.Equal(a[i].Values, b[i].Values)
		if !same || !slices.Equal(filled(a[i].Buckets), filled(b[i].Buckets)) {
			t.Errorf("sample %d: %+v in one fetch, %+v in two", i, a[i], b[i])
		}
	}
}

func filled(bs []judge.Bucket) []judge.Bucket {
	return slices.DeleteFunc(slices.Clone(bs), func(b judge.Bucket) bool { return b.N == 0 })
}

// FuzzSelection holds for any text: no panic, and an empty bad is never zero events for another metric than total's.
func FuzzSelection(f *testing.F) {
	for _, s := range []string{`x{a="b"}`, `{__name__="x",c=~"5.."}`, `x{a=~"("}`, `{`, `x{a='\\''}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, bad string) {
		s := &selection{bad: bad, total: "reqs"}
		s.sawTotal(metric.Series{Name: "reqs", Labels: map[string]string{"code": "200"}})
		if tr := s.trouble(); tr == nil && selectorName(bad) != "reqs" {
			t.Errorf("%q is taken for zero events of reqs", bad)
		}
	})
}
