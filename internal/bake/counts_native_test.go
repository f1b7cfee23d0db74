package bake

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// natives are the samples of one process, 15 s apart: how many events lie in each of the buckets (0.5, 1], (1, 2], (4, 8].
func natives(pod string, from float64, counts ...[3]float64) metric.Series {
	s := metric.Series{Query: "h", Name: "d", Labels: map[string]string{"pod": pod}}
	for i, c := range counts {
		h := &metric.NativeHistogram{}
		for k, lower := range []float64{0.5, 1, 4} {
			if c[k] > 0 {
				h.Buckets = append(h.Buckets, metric.NativeBucket{Lower: lower, Upper: 2 * lower, N: c[k]})
			}
		}
		s.Points = append(s.Points, metric.Point{T: at(from + 15*float64(i)), V: h.Count(), Native: h})
	}
	return s
}

func bucketText(bs []judge.Bucket) string {
	text := ""
	for _, b := range bs {
		if b.Inf {
			text += fmt.Sprintf("inf:%v", b.N)
			continue
		}
		text += fmt.Sprintf("%v:%v ", b.Le, b.N)
	}
	return text
}

func classics(pod string, from float64, one, all []float64) []metric.Series {
	return []metric.Series{bucket(pod, "1.0", points(from, one...)), bucket(pod, "+Inf", points(from, all...))}
}

func TestNativeHistogram(t *testing.T) {
	began := natives("a", 0, [3]float64{5}, [3]float64{7}, [3]float64{9, 1})
	began.Points[1].Began = true
	late := natives("b", 15, [3]float64{70}, [3]float64{75})
	late.Late = true
	const none = "inf:0"
	for name, c := range map[string]struct {
		series []metric.Series
		want   string // the first window of 30 s, and the second
	}{
		"one process":                      {[]metric.Series{natives("a", 0, [3]float64{5}, [3]float64{7, 2}, [3]float64{8, 2, 3})}, "0.5:0 1:2 2:2 " + none + " | 0.5:0 1:1 4:0 8:3 " + none},
		"no events":                        {[]metric.Series{natives("a", 0, [3]float64{5}, [3]float64{5}, [3]float64{5})}, none + " | " + none},
		"a restart":                        {[]metric.Series{natives("a", 0, [3]float64{5}, [3]float64{2, 1}, [3]float64{2, 1})}, "0.5:0 1:2 2:1 " + none + " | " + none},
		"a restart that says so":           {[]metric.Series{began}, "0.5:0 1:7 " + none + " | 0.5:0 1:2 2:1 " + none},
		"two processes":                    {[]metric.Series{natives("a", 0, [3]float64{5}, [3]float64{7}), natives("b", 0, [3]float64{1}, [3]float64{2, 4})}, "0.5:0 1:3 2:4 " + none},
		"one that was there, and not seen": {[]metric.Series{natives("a", 0, [3]float64{5}, [3]float64{7}, [3]float64{9}), late}, "0.5:0 1:2 " + none + " | 0.5:0 1:7 " + none},
		"beside classic ones":              {append(classics("b", 0, []float64{1, 3}, []float64{2, 6}), natives("a", 0, [3]float64{5}, [3]float64{7, 1})), "1:4 inf:3"},
		"across classic bounds":            {[]metric.Series{bucket("b", "1.25", points(0, 1, 1)), bucket("b", "+Inf", points(0, 1, 1)), natives("a", 0, [3]float64{5}, [3]float64{5, 8})}, "1.25:2 inf:6"},
		"both forms of one process":        {append(classics("a", 0, []float64{1, 3}, []float64{2, 6}), natives("a", 0, [3]float64{5}, [3]float64{9, 9})), "1:2 inf:2"},
		"classic without any bound":        {[]metric.Series{bucket("a", "+Inf", points(0, 5, 9)), natives("a", 0, [3]float64{5}, [3]float64{7, 2})}, "0.5:0 1:2 2:2 " + none},
		"classic, then native":             {append(classics("a", 0, []float64{1, 3}, []float64{2, 6}), natives("a", 30, [3]float64{90}, [3]float64{95})), "1:2 inf:2 | 0.5:0 1:5 " + none},
		"native, then classic":             {append(classics("a", 30, []float64{90, 93}, []float64{90, 96}), natives("a", 0, [3]float64{5}, [3]float64{7})), "0.5:0 1:2 " + none + " | 1:3 inf:3"},
	} {
		t.Run(name, func(t *testing.T) {
			counts := Metric{Name: "h", Histogram: "d"}.counts(grid{t0, 30 * time.Second}, false, nil)
			counts.scraped(2 * time.Second)
			got := ""
			for _, s := range counts.add(c.series, t0, at(60)).samples {
				if got != "" {
					got += " | "
				}
				got += bucketText(s.Buckets)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if tr := counts.trouble(); tr != nil {
				t.Errorf("trouble %+v", tr)
			}
		})
	}
}

// More buckets than a sample may have are put together, and no event is lost.
func TestSparse(t *testing.T) {
	var many []metric.NativeBucket
	for i := range 1100 {
		many = append(many, metric.NativeBucket{Lower: float64(i + 1), Upper: float64(i + 2), N: 1})
	}
	many = append(many, metric.NativeBucket{Lower: 2000, Upper: math.Inf(1), N: 7})
	got := sparse(many)
	n := 0.0
	for i, b := range got {
		n += b.N
		if i > 0 && !b.Inf && b.Le <= got[i-1].Le {
			t.Errorf("bucket %d of %v", i, got)
		}
	}
	if n != 1107 || len(got) < mostBuckets/2 || len(got) > 2*mostBuckets || !got[len(got)-1].Inf || many[0].N != 1 {
		t.Errorf("%v events in %d buckets", n, len(got))
	}
	if got := sparse([]metric.NativeBucket{{Lower: math.Inf(-1), Upper: 0, N: 3}, {Lower: 1, Upper: 2, N: 1}}); bucketText(got) != "0:3 1:0 2:1 inf:0" {
		t.Errorf("got %s", bucketText(got))
	}
}
