package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/demo/shop"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

func prometheusAt(t *testing.T, url string) *prometheus {
	t.Helper()
	p, err := newPrometheus(PrometheusOptions{Remote: httpx.Remote{URL: url, Timeout: 30 * time.Second}, ScrapeInterval: new(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask runs one query and fails the test on an error.
func ask(t *testing.T, s Source, q Query, from, to time.Time, step time.Duration) []Series {
	t.Helper()
	q.ID = "q"
	got, err := s.Range(t.Context(), []Query{q}, from, to, step)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func troubleOf(t *testing.T, err error) *QueryError {
	t.Helper()
	var q *QueryError
	if !errors.As(err, &q) {
		t.Fatalf("got error %v, want a *QueryError", err)
	}
	return q
}

// journal is a target that remembers every value that it showed: what a backend must give back, neither more nor less.
type journal struct {
	*httptest.Server
	value atomic.Int64
	mu    sync.Mutex
	shown []float64
}

func newJournal(t *testing.T) *journal {
	j := &journal{}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v := float64(j.value.Add(7))
		j.mu.Lock()
		j.shown = append(j.shown, v)
		j.mu.Unlock()
		fmt.Fprintf(w, "# TYPE c_total counter\nc_total{a=\"b\"} %v\nnothing NaN\n", v)
	}))
	t.Cleanup(j.Close)
	return j
}

func (j *journal) addr() string { return strings.TrimPrefix(j.URL, "http://") }

func (j *journal) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.shown)
}

func TestPrometheusRawSamples(t *testing.T) {
	target := newJournal(t)
	from := time.Now()
	server := realtest.Prometheus(t, 200*time.Millisecond, nil, realtest.Target{Addr: target.addr(), Labels: map[string]string{"pod": "p1"}})
	p := prometheusAt(t, server.URL)
	realtest.Poll(t, time.Minute, "ten scrapes", func() bool { return target.count() >= 12 })
	counter := Query{Kind: Counter, Text: `c_total{pod="$service"}`, Vars: map[string]string{"service": "p1"}}
	all := ask(t, p, counter, from, time.Now(), 0)
	if len(all) != 1 || all[0].Name != "c_total" || all[0].Labels["a"] != "b" || all[0].Labels["__name__"] != "" || all[0].Query != "q" {
		t.Fatalf("got %+v, want one series c_total", all)
	}
	points := all[0].Points
	if len(points) < 8 {
		t.Fatalf("got %d points, want those of about 12 scrapes", len(points))
	}
	for i, pt := range points {
		if pt.V != target.shown[i] {
			t.Fatalf("point %d is %v, the target showed %v", i, pt.V, target.shown[i])
		}
	}
	t.Run("borders", func(t *testing.T) { // closed at the start, open at the end, to the millisecond
		got := ask(t, p, counter, points[2].T, points[5].T, 0)
		if len(got) != 1 || !reflect.DeepEqual(got[0].Points, points[2:5]) {
			t.Errorf("got  %v\nwant %v", got, points[2:5])
		}
		got = ask(t, p, counter, points[2].T.Add(time.Nanosecond), points[5].T.Add(time.Nanosecond), 0)
		if len(got) != 1 || !reflect.DeepEqual(got[0].Points, points[3:6]) {
			t.Errorf("got  %v\nwant %v", got, points[3:6])
		}
	})
	t.Run("windows tile", func(t *testing.T) { // every sample in exactly one of neighbouring windows
		var tiled []Point
		for a := points[0].T; !a.After(points[len(points)-1].T); a = a.Add(333 * time.Millisecond) {
			for _, s := range ask(t, p, counter, a, a.Add(333*time.Millisecond), 0) {
				tiled = append(tiled, s.Points...)
			}
		}
		if len(tiled) < len(points) || !reflect.DeepEqual(tiled[:len(points)], points) {
			t.Errorf("got  %v\nwant %v", tiled, points)
		}
	})
	t.Run("the same again", func(t *testing.T) {
		to := points[len(points)-1].T
		if a, b := ask(t, p, counter, from, to, 0), ask(t, p, counter, from, to, 0); !reflect.DeepEqual(a, b) {
			t.Errorf("twice the same window:\n%v\n%v", a, b)
		}
	})
	t.Run("gauge is raw, NaN is kept", func(t *testing.T) {
		got := ask(t, p, Query{Kind: Gauge, Text: `nothing`}, from, points[5].T, time.Second)
		if len(got) != 1 || len(got[0].Points) < 4 || !math.IsNaN(got[0].Points[0].V) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("nothing matches", func(t *testing.T) {
		if got := ask(t, p, Query{Kind: Counter, Text: `nosuch{a="b"}`}, from, time.Now(), 0); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("expression", func(t *testing.T) {
		to := points[len(points)-1].T
		got := ask(t, p, Query{Kind: Expr, Text: `sum(c_total) * 2`}, points[0].T, to, 500*time.Millisecond)
		if len(got) != 1 || len(got[0].Points) == 0 || got[0].Name != "" {
			t.Fatalf("got %v", got)
		}
		for _, pt := range got[0].Points {
			if pt.T.UnixMilli()%500 != 0 || pt.T.Before(points[0].T) || !pt.T.Before(to) || math.Mod(pt.V, 14) != 0 {
				t.Errorf("point %v: want whole multiples of the step in the window", pt)
			}
		}
		if rate := ask(t, p, Query{Kind: Expr, Text: `sum(rate(c_total[$rate_interval]))`}, points[4].T, to, 500*time.Millisecond); len(rate) != 1 {
			t.Errorf("rate: got %v", rate)
		}
	})
	t.Run("one fails, the others answer", func(t *testing.T) {
		got, err := p.Range(t.Context(), []Query{
			{ID: "good", Kind: Counter, Text: `c_total`},
			{ID: "unknown", Kind: Gauge, Text: `mad_over_time(c_total[1m])`}, // a function that this server does not know
			{ID: "several", Kind: Expr, Text: `{job="test"}`},
		}, from, time.Now(), time.Second)
		if len(got) != 1 || got[0].Query != "good" {
			t.Errorf("got %v", got)
		}
		text := fmt.Sprint(err)
		for _, want := range []string{"unknown: bad-query: ", `HTTP 400 Bad Request: 1:1: parse error: unknown function`, "several: bad-query: got ", "want one value"} {
			if !strings.Contains(text, want) {
				t.Errorf("error %s\nlacks %s", text, want)
			}
		}
		if strings.Contains(text, "good:") {
			t.Errorf("error %s names the query that succeeded", text)
		}
	})
}

func TestPrometheusDeploy(t *testing.T) {
	s, err := shop.Start(shop.Config{Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	other, err := shop.Start(shop.Config{Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop()
	load := func(url string) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		shop.Load(ctx, url, 300)
	}
	load(s.URL)
	from := time.Now()
	server := realtest.Prometheus(t, 200*time.Millisecond, nil, realtest.Target{Addr: s.Addr()})
	p := prometheusAt(t, server.URL)
	counter := Query{Kind: Counter, Text: `http_requests_total{app="shop",handler="/",code="200"}`}
	count := func() (series, points int, falls bool) {
		got := ask(t, p, counter, from, time.Now(), 0)
		for _, s := range got {
			points += len(s.Points)
			for i := 1; i < len(s.Points); i++ {
				falls = falls || s.Points[i].V < s.Points[i-1].V
			}
		}
		return len(got), points, falls
	}
	realtest.Poll(t, time.Minute, "samples", func() bool { _, n, _ := count(); return n > 3 })
	s.Restart() // same labels: the counter falls
	s.Shop().SetErrorRate(0.5)
	load(s.URL)
	realtest.Poll(t, time.Minute, "the restart", func() bool { _, _, falls := count(); return falls })
	load(other.URL)
	server.AddTarget(realtest.Target{Addr: other.Addr()})
	realtest.Poll(t, time.Minute, "the second pod", func() bool { n, _, _ := count(); return n == 2 })

	buckets := ask(t, p, Query{Kind: Histogram, Text: `http_request_duration_seconds{handler="/"}`}, from, time.Now(), 0)
	if len(buckets) != 2*12 || buckets[0].Name != "http_request_duration_seconds_bucket" {
		t.Fatalf("got %d series of buckets, want 12 of each of 2 pods", len(buckets))
	}
	for _, b := range buckets {
		if b.Labels["le"] == "" || b.Labels["instance"] == "" {
			t.Errorf("a bucket without le or instance: %v", b.Labels)
		}
	}
	// A restarted backend goes on where it was, and an outage is an outage.
	closed := time.Now()
	before := ask(t, p, counter, from, closed.Add(-time.Second), 0)
	server.Restart()
	if after := ask(t, p, counter, from, closed.Add(-time.Second), 0); !reflect.DeepEqual(before, after) {
		t.Errorf("a restart of the backend changed a closed window:\n%v\n%v", before, after)
	}
}

func TestPrometheusOutage(t *testing.T) {
	server := realtest.Prometheus(t, time.Second, nil)
	proxy := realtest.CutProxy(t, server.Addr)
	p, err := newPrometheus(PrometheusOptions{Remote: httpx.Remote{URL: proxy.URL, Timeout: time.Second}, ScrapeInterval: new(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	up := Query{Kind: Gauge, Text: "up"}
	ask(t, p, up, time.Now().Add(-time.Minute), time.Now(), time.Second)
	for name, outage := range map[string]func(){"cut": proxy.Cut, "hang": proxy.Hang} {
		outage()
		begun := time.Now()
		_, err := p.Range(t.Context(), []Query{{ID: "a", Kind: Gauge, Text: "up"}, {ID: "b", Kind: Counter, Text: "x"}}, begun.Add(-time.Minute), begun, time.Second)
		if got := troubleOf(t, err); got.Trouble != BackendDown || !strings.Contains(err.Error(), "a: backend-down: ") || !strings.Contains(err.Error(), "b: backend-down: ") {
			t.Errorf("%s: got %v, want two queries whose backend is down", name, err)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		proxy.Resume()
	}
	ask(t, p, up, time.Now().Add(-time.Minute), time.Now(), time.Second)
}

// TestPrometheusLongHistory reads 24 h at 15 s of 20 counters. What is kept has the same increase as what was there, and little memory
// is enough.
func TestPrometheusLongHistory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a day of history")
	}
	const every, n, pods = 15 * time.Second, 24 * 60 * 4, 20
	from := time.Now().Add(-25 * time.Hour).Truncate(time.Minute)
	var history []realtest.History
	added := map[string]float64{}
	for pod := range pods {
		h := realtest.History{Name: "c_total", Labels: map[string]string{"pod": fmt.Sprint("p", pod)}, From: from, Every: every}
		v := 0.0
		for i := range n {
			add := float64((i*7 + pod) % 11)
			if v += add; i%1000 == 999 { // a restart
				v = add
			}
			if i > 0 {
				added[h.Labels["pod"]] += add
			}
			h.Values = append(h.Values, v)
		}
		history = append(history, h)
	}
	server := realtest.Prometheus(t, time.Minute, history)
	p := prometheusAt(t, server.URL)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	got := ask(t, p, Query{Kind: Counter, Text: "c_total"}, from, from.Add(24*time.Hour), 5*time.Minute)
	took := time.Since(begun)
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("24 h x %d series in %s, %d KiB held, heap taken from the system %d KiB", pods, took, held>>10, after.HeapSys>>10)
	if len(got) != pods {
		t.Fatalf("got %d series, want %d", len(got), pods)
	}
	for _, s := range got {
		if got, want := increase(s.Points), added[s.Labels["pod"]]; got != want {
			t.Errorf("pod %s: increase %v, want %v", s.Labels["pod"], got, want)
		}
		if len(s.Points) > 288+3*6+2 {
			t.Errorf("pod %s: %d points kept, want about one in 5 minutes", s.Labels["pod"], len(s.Points))
		}
	}
	runtime.KeepAlive(got)
	if held > 4<<20 {
		t.Errorf("%d KiB held", held>>10)
	}
	var twenty []Query
	for i := range 20 {
		twenty = append(twenty, Query{ID: fmt.Sprint(i), Kind: Counter, Text: "c_total"})
	}
	begun = time.Now()
	var all []Series
	var err error
	most := heapPeak(func() { all, err = p.Range(t.Context(), twenty, from, from.Add(24*time.Hour), 5*time.Minute) })
	t.Logf("20 such metrics at once in %s, %d KiB of heap in use at most", time.Since(begun), most>>10)
	if err != nil || len(all) != 20*pods || most > 64<<20 {
		t.Errorf("got %d series, %v, %d KiB", len(all), err, most>>10)
	}
}

// heapPeak is how much of the heap was in use at most while f ran. What other tests took from the system before does not count.
func heapPeak(f func()) (most uint64) {
	runtime.GC()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapInuse)
		select {
		case <-done:
			tick.Stop()
			return most
		case <-tick.C:
		}
	}
}
