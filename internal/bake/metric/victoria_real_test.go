package metric

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/realtest"
)

// A real VictoriaMetrics gives the samples as they are, to the millisecond, and says what it will not answer in words that are understood.
func TestVictoriaMetricsHistory(t *testing.T) {
	from := time.Now().Add(-3 * time.Hour).Truncate(time.Second).UTC()
	counter := realtest.History{Name: "c_total", Labels: map[string]string{"pod": `p"1\`}, From: from, Every: 10 * time.Second}
	v, added := 0.0, 0.0
	for i := range 1080 {
		add := float64(i % 7)
		if v += add; i == 500 { // a restart
			v = add
		}
		if i > 0 {
			added += add
		}
		counter.Values = append(counter.Values, v)
	}
	p := prometheusAt(t, realtest.VictoriaMetrics(t, time.Second, 30*time.Second, []realtest.History{counter}, nil))
	q := Query{Kind: Counter, Text: `c_total{pod="$service"}`, Vars: map[string]string{"service": `p"1\`}}
	read := func(a, b time.Duration, step time.Duration) []Point {
		t.Helper()
		got := ask(t, p, q, from.Add(a), from.Add(b), step)
		if len(got) != 1 || got[0].Name != "c_total" || got[0].Labels["pod"] != `p"1\` {
			t.Fatalf("%s to %s: got %v", a, b, got)
		}
		return got[0].Points
	}
	t.Run("borders", func(t *testing.T) {
		for _, c := range []struct {
			from, to    time.Duration
			first, last int
		}{{100 * time.Second, 130 * time.Second, 10, 12}, {100*time.Second + time.Millisecond, 130*time.Second + time.Millisecond, 11, 13}, {95 * time.Second, 101 * time.Second, 10, 10}} {
			got := read(c.from, c.to, 0)
			if len(got) != c.last-c.first+1 || !got[0].T.Equal(from.Add(time.Duration(c.first)*10*time.Second)) || got[0].V != counter.Values[c.first] {
				t.Errorf("%v: got %v", c, got)
			}
		}
	})
	t.Run("reset", func(t *testing.T) {
		got := read(0, 3*time.Hour, 5*time.Minute) // of a long range about one sample per step is kept
		if got, want := increase(got), added; got != want {
			t.Errorf("the increase is %v, want %v", got, want)
		}
		if len(got) > 50 {
			t.Errorf("%d points are kept", len(got))
		}
	})
	t.Run("long expression", func(t *testing.T) { // its times stay whole multiples of the step, and are there once
		a, b := from.Add(15*time.Minute), from.Add(2*time.Hour)
		got := ask(t, p, Query{Kind: Expr, Text: "sum(c_total)"}, a, b, 10*time.Second)
		if len(got) != 1 || int64(len(got[0].Points)) != (b.Unix()+9)/10-(a.Unix()+9)/10 {
			t.Fatalf("got %d series, want one with a point each 10s", len(got))
		}
		for _, pt := range got[0].Points {
			if i := int(pt.T.Sub(from) / (10 * time.Second)); pt.T.Unix()%10 != 0 || pt.V != counter.Values[i] {
				t.Fatalf("point %v, want %v", pt, counter.Values[i])
			}
		}
	})
	t.Run("nothing matches", func(t *testing.T) {
		if got := ask(t, p, Query{Kind: Counter, Text: `nosuch{a="b"}`}, from, time.Now(), 0); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("unknown function", func(t *testing.T) {
		_, err := p.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: `mad_over_time(c_total[1m])`}}, from, from.Add(time.Minute), 10*time.Second)
		if q := troubleOf(t, err); q.Trouble != BadQuery || !strings.Contains(err.Error(), "unknown func") {
			t.Errorf("got %v", err)
		}
	})
}

// What is above one of its limits is known as that, and not as a query with a mistake.
func TestVictoriaMetricsLimit(t *testing.T) {
	from := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	h := realtest.History{Name: "x", From: from, Every: 10 * time.Second, Values: make([]float64, 360)}
	p := prometheusAt(t, realtest.VictoriaMetrics(t, time.Second, 0, []realtest.History{h}, nil, "-search.maxSamplesPerQuery=50"))
	for _, q := range []Query{{Kind: Counter, Text: "x"}, {Kind: Expr, Text: "sum(x)"}} {
		_, err := p.Range(t.Context(), []Query{q}, from, from.Add(time.Hour), time.Minute)
		if got := troubleOf(t, err); got.Trouble != TooMany || !strings.Contains(err.Error(), "narrow the selector") {
			t.Errorf("%s: got %v", q.Kind, err)
		}
	}
}

// What it scrapes is there at once, as it was shown, and a target that is gone ends its series. The newest values of an expression, which
// it repeats, are left out.
func TestVictoriaMetricsLive(t *testing.T) {
	target := newJournal(t)
	from := time.Now()
	p := prometheusAt(t, realtest.VictoriaMetrics(t, time.Second, 30*time.Second, nil, []realtest.Target{{Addr: target.addr(), Labels: map[string]string{"pod": "p1"}}}))
	counter := Query{Kind: Counter, Text: `c_total{pod="p1"}`}
	var points []Point
	realtest.Poll(t, time.Minute, "five samples", func() bool {
		if got := ask(t, p, counter, from, time.Now(), 0); len(got) == 1 {
			points = got[0].Points
		}
		return len(points) >= 5
	})
	for i, pt := range points {
		if pt.V != target.shown[i] {
			t.Errorf("point %d is %v, the target showed %v", i, pt.V, target.shown[i])
		}
	}
	if got := ask(t, p, counter, from, points[4].T, 0); len(got) != 1 || !reflect.DeepEqual(got[0].Points, points[:4]) {
		t.Errorf("a closed window again: got %v, want %v", got, points[:4])
	}
	if got := ask(t, p, Query{Kind: Expr, Text: "sum(c_total)"}, from, time.Now(), time.Second); len(got) != 0 && time.Since(got[0].Points[len(got[0].Points)-1].T) < 25*time.Second {
		t.Errorf("values of now of an expression: %v", got[0].Points)
	}
	target.Close()
	realtest.Poll(t, time.Minute, "the end of the series", func() bool {
		got := ask(t, p, Query{Kind: Gauge, Text: `up{pod="p1"}`}, from, time.Now(), 0)
		return len(got) == 1 && got[0].Points[len(got[0].Points)-1].V == 0
	})
	got := ask(t, p, counter, from, time.Now(), 0)
	for i, pt := range got[0].Points {
		if i >= len(target.shown) && !math.IsNaN(pt.V) || i < len(target.shown) && pt.V != target.shown[i] {
			t.Errorf("point %d is %v after the target is gone; it showed %v", i, pt.V, target.shown)
		}
	}
}
