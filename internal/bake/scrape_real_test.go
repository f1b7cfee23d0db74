package bake

import (
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// busy is a process that serves 500 requests a second and has a native histogram of them.
func busy(t *testing.T, slower *atomic.Int64) (url string) {
	t.Helper()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "request_seconds", Help: "x", NativeHistogramBucketFactor: 1.1})
	registry := prometheus.NewRegistry()
	registry.MustRegister(h)
	s := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); s.Close() })
	go func() {
		for tick := time.Tick(20 * time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick:
				for range 10 {
					h.Observe(0.05 * float64(slower.Load()) * math.Exp(0.6*rand.NormFloat64()))
				}
			}
		}
	}()
	return s.URL + "/metrics"
}

// Three processes that are scraped one by one, sampled before the deploy and behind it.
func TestScrapeOfSeveralProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as it samples")
	}
	for name, after := range map[string]int64{"as before": 1, "three times as slow": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var slower atomic.Int64
			slower.Store(1)
			urls := []string{busy(t, &slower), busy(t, &slower), busy(t, &slower)}
			src, err := metric.Sources["scrape"](func(o any) error {
				o.(*metric.ScrapeOptions).URLs = urls
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			m := Metric{Name: "latency", Histogram: "request_seconds", Compare: "before", Limit: &Limit{P99: Bound{V: 0.35, Set: true, Text: "350ms"}}}
			o := Options{Metrics: []Metric{m}, Sources: map[string]Spec{"pods": {Source: src}}, Window: 12 * time.Second, Step: time.Second, WarmUp: new(time.Second)}.WithDefaults()
			p := Plan{Options: o, Sources: o.sources()}
			p.Resume.Baseline = Warm(t.Context(), p, 12*time.Second)
			now := time.Now()
			slower.Store(after)
			p.Deploy = release.Deploy{Started: now.Add(-time.Second), Finished: now}
			r := Run(t.Context(), p)
			f := find(t, r, "bake/latency")
			if failed := f.Outcome == verdict.Fail; failed != (after > 1) || f.Reason == judge.NoData { // a busy machine may have too few requests to pass
				t.Errorf("%s is %s, reason %q: %s", f.Check, f.Outcome, f.Reason, f.Summary)
			}
			t.Log(f.Summary)
		})
	}
}
