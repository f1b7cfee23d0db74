package metric

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

func TestIncreaseWindow(t *testing.T) {
	for _, c := range []struct{ scrape, step, want time.Duration }{
		{15 * time.Second, 30 * time.Second, time.Minute},
		{15 * time.Second, time.Minute, time.Minute},
		{15 * time.Second, 25 * time.Second, 75 * time.Second},
		{30 * time.Second, 5 * time.Minute, 5 * time.Minute},
		{10 * time.Second, 0, 40 * time.Second},
		{250 * time.Millisecond, time.Second, time.Second},
	} {
		p := &prometheus{options: PrometheusOptions{ScrapeInterval: c.scrape}}
		if got := p.increaseWindow(c.step); got != c.want {
			t.Errorf("scrape %s, step %s: %s, want %s", c.scrape, c.step, got, c.want)
		}
	}
}

// asked is what a fake was asked, in the order of time.
type asked struct {
	mu   sync.Mutex
	list []string
}

func (a *asked) add(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, s)
}

func (a *asked) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.list
	a.list = nil
	slices.Sort(l)
	return l
}

// wideServer answers raw queries for total with three series and for others with one, and all others by answer.
func wideServer(t *testing.T, log *asked, answer http.HandlerFunc) *prometheus {
	t.Helper()
	p := fake(t, func(w http.ResponseWriter, r *http.Request) {
		log.add(fmt.Sprint(r.FormValue("query"), " ", r.FormValue("start"), " ", r.FormValue("end"), " ", r.FormValue("step")))
		switch {
		case strings.HasSuffix(r.URL.Path, "/query_range"):
			answer(w, r)
		case strings.Contains(r.FormValue("query"), "total"):
			matrix(w, r, 3)
		default:
			matrix(w, r, 1)
		}
	})
	p.most = 2
	return p
}

// bad and total of one metric are read in the same way, a metric beside them in its own, and what was too many is not tried again.
func TestIncreaseTakesTheWholeGroup(t *testing.T) {
	var log asked
	p := wideServer(t, &log, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[8,"4"],[12,"NaN"],[16,"6"]]}]}}`)
	})
	queries := []Query{{ID: "e.bad", Kind: Counter, Text: "bad", Group: "e"}, {ID: "e.total", Kind: Counter, Text: "total", Group: "e"},
		{ID: "other", Kind: Counter, Text: "bad", Group: "other"}, {ID: "gauge", Kind: Gauge, Text: "bad", Group: "e"}}
	for round, want := range [][]string{
		{"bad[15s]   ", "bad[15s]   ", "bad[15s]   ", "sum (increase(bad[4s])) 8 16 4", "sum (increase(total[4s])) 8 16 4", "total[15s]   "},
		{"bad[15s]   ", "bad[15s]   ", "sum (increase(bad[4s])) 8 16 4", "sum (increase(total[4s])) 8 16 4"},
	} {
		got, err := p.Range(t.Context(), queries, time.Unix(4, 0), time.Unix(19, 0), 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		increases := map[string]time.Duration{}
		for _, s := range got {
			increases[s.Query] = s.Increase
		}
		all := map[string]time.Duration{"e.bad": 4 * time.Second, "e.total": 4 * time.Second, "other": 0, "gauge": 0}
		if !reflect.DeepEqual(increases, all) {
			t.Errorf("round %d: increases %v, want %v", round, increases, all)
		}
		if p := got[0].Points; len(p) != 3 || !p[0].T.Equal(time.UnixMilli(7999)) || !p[2].T.Equal(time.UnixMilli(15999)) || p[2].V != 6 {
			t.Errorf("round %d: points %v, want the last milliseconds of the windows", round, p)
		}
		if l := log.take(); !slices.Equal(l, want) {
			t.Errorf("round %d: asked\n%q, want\n%q", round, l, want)
		}
	}
}

// A failure of the weaker way is the query's failure, and nothing of the samples that were read first is given.
func TestIncreaseFails(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   Trouble
	}{
		"refused":  {422, recorded(t, "execution.json"), BadQuery},
		"too much": {422, recorded(t, "too_many_samples.json"), TooMany},
		"partial":  {200, `{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[{"metric":{},"values":[[8,"4"]]}]}}`, Truncated},
		"too many": {200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"le":"1"},"values":[]},{"metric":{"le":"2"},"values":[]},{"metric":{"le":"3"},"values":[]}]}}`, TooMany},
	} {
		t.Run(name, func(t *testing.T) {
			var log asked
			p := wideServer(t, &log, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			got, err := p.Range(t.Context(), []Query{{ID: "h", Kind: Histogram, Text: "total"}}, time.Unix(4, 0), time.Unix(19, 0), 2*time.Second)
			if q := troubleOf(t, err); q.Query != "h" || q.Trouble != c.want || len(got) != 0 {
				t.Errorf("got %v, %v, want %s", got, err, c.want)
			}
			if l := strings.Join(log.take(), "\n"); !strings.Contains(l, "sum by (le) (increase({__name__=\"total_bucket\"}[4s]))") && !strings.Contains(l, "sum by (le) (increase(total_bucket[4s]))") {
				t.Errorf("asked %s", l)
			}
		})
	}
}

// A range that is too much for the server is read by halves, each window once.
func TestIncreaseSplits(t *testing.T) {
	var log asked
	p := wideServer(t, &log, func(w http.ResponseWriter, r *http.Request) {
		var start, end, step float64
		_, _ = fmt.Sscan(r.FormValue("start"), &start)
		_, _ = fmt.Sscan(r.FormValue("end"), &end)
		_, _ = fmt.Sscan(r.FormValue("step"), &step)
		if end-start > 8 {
			w.WriteHeader(422)
			fmt.Fprint(w, recorded(t, "too_many_samples.json"))
			return
		}
		var vs []string
		for at := start; at <= end; at += step {
			vs = append(vs, fmt.Sprintf(`[%v,"1"]`, at))
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[%s]}]}}`, strings.Join(vs, ","))
	})
	got := ask(t, p, Query{Kind: Counter, Text: "total"}, time.Unix(0, 0), time.Unix(50, 0), 4*time.Second)
	if len(got) != 1 || len(got[0].Points) != 12 {
		t.Fatalf("got %v, want the 12 windows from 0 to 48 s", got)
	}
	for i, pt := range got[0].Points {
		if pt.T.UnixMilli() != int64(4000*(i+1)-1) {
			t.Errorf("point %d at %d", i, pt.T.UnixMilli())
		}
	}
}

// manyPods is an hour of 12 pods, one of which restarts, one of which comes late, and one of which fails sometimes.
func manyPods(from time.Time) (hs []realtest.History) {
	const every, n = 15 * time.Second, 240
	for pod := range 12 {
		for _, code := range []string{"200", "500"} {
			h := realtest.History{Name: "req_total", Labels: map[string]string{"pod": fmt.Sprint("p", pod), "code": code}, From: from, Every: every}
			v, rate := 1000*float64(pod), float64(40+pod)
			if code == "500" {
				v, rate = 5, float64(pod%3)
			}
			for i := range n {
				if v += rate + float64((i+pod)%5); pod == 7 && i == 100 {
					v = rate
				}
				h.Values = append(h.Values, v)
			}
			hs = append(hs, h)
			for _, le := range []string{"0.1", "1", "+Inf"} {
				b := realtest.History{Name: "dur_bucket", Labels: map[string]string{"pod": fmt.Sprint("p", pod), "code": code, "le": le}, From: from, Every: every}
				for _, v := range h.Values {
					b.Values = append(b.Values, math.Floor(v*map[string]float64{"0.1": 0.5, "1": 0.9, "+Inf": 1}[le]))
				}
				hs = append(hs, b)
			}
		}
	}
	return hs
}

// windowIncreases is what raw counters grew by in windows, by the windows' last milliseconds.
func windowIncreases(series []Series, length time.Duration) map[int64]float64 {
	sums := map[int64]float64{}
	for _, s := range series {
		for i := 1; i < len(s.Points); i++ {
			ms := s.Points[i].T.UnixMilli()
			sums[ms-ms%length.Milliseconds()+length.Milliseconds()-1] += increase(s.Points[i-1 : i+1])
		}
	}
	return sums
}

func TestPrometheusIncrease(t *testing.T) {
	from := time.Now().Add(-3 * time.Hour).Truncate(time.Minute).Add(7300 * time.Millisecond)
	server := realtest.Prometheus(t, time.Minute, manyPods(from))
	make := func(most int) *prometheus {
		p, err := newPrometheus(PrometheusOptions{Remote: httpx.Remote{URL: server.URL, Timeout: 5 * time.Second}, ScrapeInterval: 15 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		p.most = most
		return p
	}
	raw, capped := make(MaxSeries), make(5)
	const step, length = 30 * time.Second, time.Minute
	to := from.Add(50 * time.Minute)
	counter := Query{Kind: Counter, Text: `req_total{code="500"}`}
	got := ask(t, capped, counter, from, to, step)
	if len(got) != 1 || got[0].Increase != length || len(got[0].Labels) != 0 || got[0].Name != "" {
		t.Fatalf("got %v, want one series of increases", got)
	}
	want := windowIncreases(ask(t, raw, counter, from, to, step), length)
	t.Run("windows tile and are near to the raw ones", func(t *testing.T) {
		tiles(t, got[0].Points, from, to, length)
		near(t, got[0].Points[1:], want) // the first window begins before the first sample
	})
	t.Run("the same again, whatever is asked beside", func(t *testing.T) {
		if again := ask(t, make(5), counter, from, to, step); !reflect.DeepEqual(again, got) {
			t.Errorf("got %v, then %v", got, again)
		}
		var pieces []Point
		for a := from; a.Before(to); a = a.Add(137 * time.Second) {
			for _, s := range ask(t, capped, counter, a, earliest(a.Add(137*time.Second), to), step) {
				pieces = append(pieces, s.Points...)
			}
		}
		if !reflect.DeepEqual(pieces, got[0].Points) {
			t.Errorf("in pieces %v, want %v", pieces, got[0].Points)
		}
	})
	t.Run("histogram", func(t *testing.T) {
		q := Query{Kind: Histogram, Text: `dur{code="200"}`}
		buckets, raws := ask(t, capped, q, from, to, step), ask(t, raw, q, from, to, step)
		if len(buckets) != 3 {
			t.Fatalf("got %d series, want one for each le", len(buckets))
		}
		for _, b := range buckets {
			of := slices.DeleteFunc(slices.Clone(raws), func(s Series) bool { return s.Labels["le"] != b.Labels["le"] })
			if len(of) != 12 || len(b.Labels) != 1 {
				t.Errorf("labels %v, %d raw series", b.Labels, len(of))
			}
			near(t, b.Points[1:], windowIncreases(of, length))
		}
	})
	t.Run("a gauge stays too many", func(t *testing.T) {
		_, err := capped.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "req_total"}}, from, to, step)
		if q := troubleOf(t, err); q.Trouble != TooMany {
			t.Errorf("got %v", err)
		}
	})
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// tiles checks that there is one point at the last millisecond of each window that ends in (from, to].
func tiles(t *testing.T, points []Point, from, to time.Time, length time.Duration) {
	t.Helper()
	end := from.Truncate(length).Add(length)
	for _, p := range points {
		if !p.T.Equal(end.Add(-time.Millisecond)) {
			t.Fatalf("point at %s, want %s", p.T, end.Add(-time.Millisecond))
		}
		end = end.Add(length)
	}
	if !end.After(to) {
		t.Errorf("the last window ends at %s, want all up to %s", end.Add(-length), to)
	}
}

// near checks increases: every window within 8% (samples are not at the windows' borders), together within 2%.
func near(t *testing.T, points []Point, want map[int64]float64) {
	t.Helper()
	var sum, wantSum float64
	for _, p := range points {
		w := want[p.T.UnixMilli()]
		sum, wantSum = sum+p.V, wantSum+w
		if math.Abs(p.V-w) > 0.08*w {
			t.Errorf("window to %s: %v, want about %v", p.T, p.V, w)
		}
	}
	if math.Abs(sum-wantSum) > 0.02*wantSum || sum == 0 {
		t.Errorf("together %v, want about %v", sum, wantSum)
	}
	t.Logf("together %.1f, raw %.1f", sum, wantSum)
}

// While samples arrive, late and one target after the other, an increase that was given once is never another one.
func TestPrometheusIncreaseIsSettled(t *testing.T) {
	if testing.Short() {
		t.Skip("watches a real Prometheus for 10 s")
	}
	var targets []realtest.Target
	for i := range 3 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			at := time.Now().Add(-1500 * time.Millisecond) // the backend is late
			fmt.Fprintf(w, "c_total %d %d\n", at.UnixMilli()%1_000_000_000, at.UnixMilli())
		}))
		t.Cleanup(s.Close)
		targets = append(targets, realtest.Target{Addr: strings.TrimPrefix(s.URL, "http://"), Labels: map[string]string{"pod": fmt.Sprint(i)}})
	}
	server := realtest.Prometheus(t, 250*time.Millisecond, nil, targets...)
	p := prometheusAt(t, server.URL)
	p.options.ScrapeInterval, p.most = 500*time.Millisecond, 2
	q := Query{Kind: Counter, Text: "c_total"}
	realtest.Poll(t, 15*time.Second, "three targets", func() bool {
		s := ask(t, p, q, time.Now().Add(-time.Minute), time.Now(), time.Second)
		return len(s) == 1 && s[0].Increase > 0
	})
	from, seen, last := time.Now(), map[int64]float64{}, time.Time{}
	realtest.Poll(t, 30*time.Second, "three windows", func() bool {
		for _, s := range ask(t, p, q, from, time.Now(), time.Second) {
			for _, pt := range s.Points {
				if v, known := seen[pt.T.UnixMilli()]; known && v != pt.V {
					t.Errorf("the window to %s was %v and is %v", pt.T, v, pt.V)
				}
				seen[pt.T.UnixMilli()] = pt.V
				if pt.T.After(last) {
					last = pt.T
				}
			}
		}
		return len(seen) >= 3
	})
	for ms, v := range seen {
		if math.Abs(v-3*2000) > 300 {
			t.Errorf("the window to %d has %v, want about 3 counters by 2000", ms, v)
		}
	}
	if lag := time.Since(last); lag < 1500*time.Millisecond {
		t.Errorf("the newest window ended %s ago, before its samples can have arrived", lag)
	}
}
