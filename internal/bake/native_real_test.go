package bake

import (
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// nativeExporter is a process with native histograms, whose time goes 15 s further with each scrape: an hour of it takes seconds.
type nativeExporter struct {
	mu     sync.Mutex
	now    time.Time
	end    time.Time
	deploy time.Time
	rng    *rand.Rand
	shops  map[string]*nativeShop
}

// nativeShop is a service: what it takes before and after the deploy, as a factor.
type nativeShop struct {
	after   float64
	most    uint32 // buckets, after which the resolution is halved
	restart bool   // with the deploy
	seconds *prometheus.HistogramVec
}

func (s *nativeShop) start() {
	s.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "request_seconds", Help: "x", NativeHistogramBucketFactor: 1.05, NativeHistogramMaxBucketNumber: s.most}, []string{"app"})
}

const nativeStep = 15 * time.Second

func (e *nativeExporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.now.After(e.end) {
		return
	}
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	w.Header().Set("Content-Type", string(format))
	registry := prometheus.NewRegistry()
	for _, app := range slices.Sorted(maps.Keys(e.shops)) { // the same numbers in every run
		s := e.shops[app]
		if s.seconds == nil || s.restart && e.now.Sub(e.deploy) >= 0 && e.now.Sub(e.deploy) < nativeStep {
			s.start()
		}
		factor := 1.0
		if !e.now.Before(e.deploy) {
			factor = s.after
		}
		for range 450 { // 30 a second
			s.seconds.WithLabelValues(app).Observe(0.08 * factor * math.Exp(0.7*e.rng.NormFloat64()))
		}
		prometheus.WrapRegistererWith(prometheus.Labels{"shop": app}, registry).MustRegister(s.seconds)
	}
	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	ms, enc := e.now.UnixMilli(), expfmt.NewEncoder(w, format)
	for _, f := range families {
		for _, m := range f.Metric {
			m.TimestampMs = &ms
		}
		if err := enc.Encode(f); err != nil {
			return
		}
	}
	e.now = e.now.Add(nativeStep)
}

func (e *nativeExporter) over() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now.After(e.end)
}

// A real Prometheus with native histograms alone: what takes three times as long is found, and what takes as long as before is not, also
// where the resolution changes and where the process restarts.
func TestNativeHistogramsOfARealPrometheus(t *testing.T) {
	deploy := time.Now().Add(-20 * time.Minute).Truncate(nativeStep)
	e := &nativeExporter{now: deploy.Add(-35 * time.Minute), end: deploy.Add(18 * time.Minute), deploy: deploy, rng: rand.New(rand.NewPCG(7, 7)), shops: map[string]*nativeShop{
		"same": {after: 1}, "slow": {after: 3}, "restarted": {after: 1, restart: true},
		"coarser": {after: 1, most: 40}, "coarser-slow": {after: 3, most: 40, restart: true},
	}}
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	server := realtest.NativePrometheus(t, 100*time.Millisecond, realtest.Target{Addr: strings.TrimPrefix(s.URL, "http://")})
	realtest.Poll(t, 3*time.Minute, "53 minutes of the exporter's time", e.over)
	src := realSource(t, server.URL)
	for app, shop := range e.shops {
		t.Run(app, func(t *testing.T) {
			m := Metric{Name: "latency", Histogram: `request_seconds{app="$service"}`, Compare: "before", Limit: &Limit{P99: Bound{V: 5, Set: true, Text: "5s"}}}
			o := Options{Metrics: []Metric{m}, Sources: map[string]Spec{"prom": {Source: src}}, Baseline: Baseline{Window: 30 * time.Minute}}.WithDefaults()
			r := Run(t.Context(), Plan{Options: o, Sources: o.sources(), Vars: map[string]string{"service": app}, Deploy: release.Deploy{Started: deploy.Add(-time.Minute), Finished: deploy}})
			want := verdict.Pass
			if shop.after > 1 {
				want = verdict.Fail
			}
			wantFinding(t, r, "bake/latency", want, "")
			t.Log(find(t, r, "bake/latency").Summary, r.Gaps)
			// a scrape that Prometheus gave up on moves its events to the next window
			if n := countedBetween(t, m, src, app, deploy, deploy.Add(15*time.Minute)); math.Abs(n-60*450) > 2*450 {
				t.Errorf("%v events in 15 minutes, want %v", n, 60*450)
			}
		})
	}
}

// countedBetween is how many events a histogram has in a stretch of time.
func countedBetween(t *testing.T, m Metric, src metric.Source, service string, from, to time.Time) (n float64) {
	t.Helper()
	begin := from.Add(-5 * time.Minute)
	series, err := src.Range(t.Context(), m.Queries(map[string]string{"service": service}), begin, to, nativeStep)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.counts(grid{begin, nativeStep}, true, nil).add(series, begin, to).samples {
		for _, b := range s.Buckets {
			if !s.From.Before(from) {
				n += b.N
			}
		}
	}
	return n
}
