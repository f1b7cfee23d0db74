package bake

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// increases makes a series of increases over minutes, the first of which ends at a second.
func increases(query string, end float64, vs ...float64) metric.Series {
	s := metric.Series{Query: query, Increase: time.Minute}
	for i, v := range vs {
		s.Points = append(s.Points, metric.Point{T: at(end + 60*float64(i)).Add(-time.Millisecond), V: v})
	}
	return s
}

// Increases are counted as they are, in the window in which theirs ends; those that begin before the grid belong to another version.
func TestIncreasesAreNotDifferenced(t *testing.T) {
	for _, c := range []struct {
		name  string
		start float64
		want  []float64
	}{
		{"on the grid", 0, []float64{60, 30, 90}},
		{"beside the grid", 10, []float64{30, 90}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProportion(at(c.start), 30*time.Second)
			total, bad := increases("m.total", 0, 1000, 60, 30, 90), increases("m.bad", 0, 500, 0, 3)
			var ss []judge.Sample
			edges := []float64{-300, 0, 60, 90, 240} // the window is fetched in pieces
			for i, from := range edges[:4] {
				ss = append(ss, p.add([]metric.Series{total, bad}, at(c.start+from), at(c.start+edges[i+1])).samples...)
			}
			if got := totals(ss); !equal(got, c.want) {
				t.Errorf("totals %v, want %v", got, c.want)
			}
			checkSamples(t, ss)
			sum := 0.0
			for _, s := range ss {
				sum += s.Bad
			}
			if sum != 3 || p.trouble() != nil {
				t.Errorf("bad %v, %v, want 3", sum, p.trouble())
			}
		})
	}
}

// A metric whose series become too many while it is watched is not counted twice.
func TestIncreasesBehindDifferences(t *testing.T) {
	p := newProportion(t0, 30*time.Second)
	first := p.add([]metric.Series{ser("m.total", "a", points(0, 0, 10, 20, 30, 40, 50, 60))}, t0, at(90)) // to 90 s
	then := p.add([]metric.Series{increases("m.total", 60, 40, 40, 40, 40)}, at(90), at(300))
	if got := append(totals(first.samples), totals(then.samples)...); !equal(got, []float64{10, 20, 20, 40, 40}) {
		t.Errorf("totals %v, want 10, 20, 20 up to 90 s, and the minutes from 120 s on", got)
	}
}

func TestIncreasesOfAHistogram(t *testing.T) {
	c := Metric{Name: "h", Histogram: "d"}.counts(grid{t0, 30 * time.Second}, true, nil)
	var series []metric.Series
	for le, v := range map[string]float64{"0.1": 5, "0.5": 4.9, "1": 8, "+Inf": 9} { // what is extrapolated need not be in order
		s := increases("h", 60, v, v)
		s.Labels = map[string]string{"le": le}
		series = append(series, s)
	}
	b := c.add(series, t0, at(120))
	if len(b.samples) != 2 || c.trouble() != nil {
		t.Fatalf("samples %v, %v", b.samples, c.trouble())
	}
	want := []judge.Bucket{{Le: 0.1, N: 5}, {Le: 0.5}, {Le: 1, N: 3}, {Inf: true, N: 1}}
	if got := fmt.Sprint(b.samples[1].Buckets); got != fmt.Sprint(want) {
		t.Errorf("buckets %v, want %v", got, want)
	}
}

// An increase closes its window by itself: no point behind it is needed.
func TestWatermarkOfIncreases(t *testing.T) {
	var a arrival
	a.see([]metric.Series{increases("q", 60, 1, 2)}, at(140))
	if !a.watermark().Equal(at(120)) || a.interval != time.Minute || a.lag != 20*time.Second {
		t.Errorf("watermark %s, interval %s, lag %s, want %s, 1m, 20s", a.watermark(), a.interval, a.lag, at(120))
	}
}

// Six thousand counters of a real Prometheus are too many to be read one by one: the weaker way says the same, and says that it was
// used.
func TestSixThousandSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 6000 series")
	}
	deploy := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	history := func(app, pod, code string, n float64, phase time.Duration) realtest.History {
		h := lived(app, pod, code, deploy, -40*time.Minute+phase, 20*time.Minute, 1000, n)
		thin := realtest.History{Name: h.Name, Labels: h.Labels, From: h.From, Every: 30 * time.Second}
		for i := 0; i < len(h.Values); i += 2 {
			thin.Values = append(thin.Values, h.Values[i])
		}
		return thin
	}
	failing := func(app string, n float64, codes ...string) (hs []realtest.History) { // 503 fails as before, 500 begins with the deploy
		for i := range 3 {
			hs = append(hs, history(app, fmt.Sprint("bad", i), "503", 0.001*n, 0))
			h := history(app, fmt.Sprint("bad", i), "500", 0.001*n, 0)
			for k := 81; k < len(h.Values); k++ {
				h.Values[k] = h.Values[80] + math.Round(float64(k-80)*30*0.03*n)
			}
			hs = append(hs, h)
		}
		return hs
	}
	const pods, each = 6000, 0.5
	all := append(failing("wide", pods*each), failing("narrow", pods*each)...)
	for i := range pods {
		all = append(all, history("wide", fmt.Sprint(i), "200", each, time.Duration(i%30)*time.Second))
	}
	for i := range 30 {
		all = append(all, history("narrow", fmt.Sprint(i), "200", pods*each/30, time.Duration(i)*time.Second))
	}
	src := realSource(t, realtest.Prometheus(t, time.Minute, all).URL)
	run := func(app, code string) (Result, *judges, string) {
		js, notes := &judges{}, ""
		m := Metric{Name: "errors", Bad: Text(`http_requests_total{app="$service",code="` + code + `"}`), Total: `http_requests_total{app="$service"}`, Compare: "before", Limit: &Limit{Max: Bound{V: 0.01, Set: true, Text: "1%"}}}
		o := Options{Metrics: []Metric{m}, Sources: map[string]Spec{"prom": {Source: src}}, Baseline: Baseline{Window: 30 * time.Minute}}.WithDefaults()
		p := Plan{Options: o, Sources: o.sources(), Vars: map[string]string{"service": app}, Deploy: release.Deploy{Started: deploy.Add(-time.Minute), Finished: deploy}}
		p.Observe = func(e Event) {
			if e.Kind == EventNote {
				t.Log(e.Text)
				notes += e.Text
			}
			if e.Kind == EventSample {
				c := js.make(judge.Spec{Name: "errors"}, nil).(*counting)
				for _, s := range e.Samples {
					c.Add(s)
				}
			}
		}
		return Run(t.Context(), p), js, notes
	}
	const warning = "more than 5000 series: read as sum(increase()) over 2m windows, which extrapolates"
	for _, c := range []struct {
		code string
		want verdict.Outcome
	}{{"503", verdict.Pass}, {"500", verdict.Fail}} {
		t.Run(c.code, func(t *testing.T) {
			began := time.Now()
			wide, counted, notes := run("wide", c.code)
			t.Logf("took %s: %s", time.Since(began), find(t, wide, "bake/errors").Summary)
			wantFinding(t, wide, "bake/errors", c.want, "")
			if e := fmt.Sprint(find(t, wide, "bake/errors").Evidence); !strings.Contains(e, "{warning "+warning) || notes != "errors: "+warning {
				t.Errorf("evidence %s, notes %q, want both to say %q", e, notes, warning)
			}
			narrow, raw, notes := run("narrow", c.code)
			wantFinding(t, narrow, "bake/errors", c.want, "")
			if e := fmt.Sprint(find(t, narrow, "bake/errors").Evidence); strings.Contains(e, "increase()") || notes != "" {
				t.Errorf("evidence %s, notes %q of counters that were read one by one", e, notes)
			}
			a, b := wide.Judgements[0], narrow.Judgements[0]
			alike(t, "before", a.Before, b.Before)
			if c.want == verdict.Pass { // the other ends as soon as it is proved
				alike(t, "after", a.After, b.After)
			}
			again, twice, _ := run("wide", c.code)
			wantFinding(t, again, "bake/errors", c.want, "")
			sameSamples(t, counted.last["errors"].seen, twice.last["errors"].seen)
			want := 120 * perSecondOf(raw.last["errors"].seen)
			for _, s := range counted.last["errors"].seen {
				if math.Abs(s.Total-want) > 0.02*want {
					t.Errorf("%s: total %v, want about %v in two minutes", s.From, s.Total, want)
				}
			}
		})
	}
}

// perSecondOf is the rate of all events.
func perSecondOf(ss []judge.Sample) float64 {
	sum := 0.0
	for _, s := range ss {
		sum += s.Total
	}
	return sum / ss[len(ss)-1].To.Sub(ss[0].From).Seconds()
}

// alike checks that two ways to read the same gave nearly the same rate, and of most of the window.
func alike(t *testing.T, what string, a, b judge.Rate) {
	t.Helper()
	t.Logf("%s: %+v, raw %+v", what, a, b)
	if math.Abs(a.Value-b.Value) > 0.05*b.Value || a.Total > b.Total*1.02 || a.Total < 0.75*b.Total {
		t.Errorf("%s: %+v, raw %+v", what, a, b)
	}
}
