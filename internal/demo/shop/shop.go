// Package shop is a small web shop that is watched like a real one: the sample service of the demo and of the tests. Its metrics are
// made by Prometheus' own client library, its requests are real.
package shop

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is one version of the shop. The zero value of a field is its default.
type Config struct {
	App     string // default "shop"
	Version string // default "v1"
	// ErrorRate is the share of requests that fail, 0 to 1. ErrorsAfter is how long after the start they begin.
	ErrorRate   float64
	ErrorsAfter time.Duration
	// Latency is the median of a request's time, default 5ms. SlowAfter is how long after the start it applies; before, it is 5ms.
	Latency   time.Duration
	SlowAfter time.Duration
	// Seed makes errors and times repeatable, default 1.
	Seed uint64
}

const defaultLatency = 5 * time.Millisecond

// buckets of the latency histogram, in seconds.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

func (c Config) withDefaults() Config {
	if c.App == "" {
		c.App = "shop"
	}
	if c.Version == "" {
		c.Version = "v1"
	}
	if c.Latency <= 0 {
		c.Latency = defaultLatency
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	return c
}

// Shop is one process of the shop: its counters begin at 0 when it is made.
type Shop struct {
	config   Config
	started  time.Time
	mux      *http.ServeMux
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec

	mu    sync.Mutex // guards what follows
	rng   *rand.Rand
	rate  float64
	after time.Time
}

// New makes a shop. It serves nothing by itself: it is a http.Handler for /, /checkout, /metrics and /healthz.
func New(c Config) *Shop {
	c = c.withDefaults()
	s := &Shop{config: c, started: time.Now(), mux: http.NewServeMux(), rng: rand.New(rand.NewPCG(c.Seed, 0)), rate: c.ErrorRate}
	s.after = s.started.Add(c.ErrorsAfter)
	registry := prometheus.NewRegistry()
	labels := prometheus.Labels{"app": c.App, "version": c.Version}
	s.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests served.", ConstLabels: labels,
	}, []string{"code", "method", "handler"})
	s.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Time to serve a request.", Buckets: buckets, ConstLabels: labels,
	}, []string{"handler"})
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "app_info", Help: "Always 1.", ConstLabels: labels})
	info.Set(1)
	// The process collector would tell the start of the whole process, which may hold several shops.
	start := prometheus.NewGauge(prometheus.GaugeOpts{Name: "process_start_time_seconds", Help: "Start time of the process since unix epoch in seconds."})
	start.Set(float64(s.started.UnixMilli()) / 1000)
	registry.MustRegister(s.requests, s.duration, info, start, collectors.NewGoCollector())
	s.mux.HandleFunc("GET /{$}", s.page("/", "Welcome to the shop.\n"))
	s.mux.HandleFunc("/checkout", s.page("/checkout", "Thank you for your order.\n"))
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok", c.Version) })
	return s
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// SetErrorRate changes the share of requests that fail, from now on.
func (s *Shop) SetErrorRate(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate, s.after = rate, time.Now()
}

// SetLatency changes the median time of a request, from now on.
func (s *Shop) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Latency, s.config.SlowAfter = d, 0
}

// page serves one page and counts it. The series of a status code is there after its first request, as in any real service: a shop
// that has not failed yet shows no 5xx series at all.
func (s *Shop) page(handler, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		fails, takes := s.draw(begun)
		wait(r, takes)
		code := http.StatusOK
		if fails {
			code = http.StatusInternalServerError
			text := http.StatusText(code)
			http.Error(w, text, code)
		} else {
			fmt.Fprint(w, text)
		}
		s.requests.WithLabelValues(strconv.Itoa(code), methodLabel(r.Method), handler).Inc()
		s.duration.WithLabelValues(handler).Observe(time.Since(begun).Seconds())
	}
}

// methodLabel bounds the label: a method may be any word.
func methodLabel(m string) string {
	if m == http.MethodGet || m == http.MethodPost {
		return m
	}
	return "other"
}

// draw decides one request: whether it fails, and how long it takes. Times are lognormal, as those of real services are.
func (s *Shop) draw(now time.Time) (fails bool, takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fails = s.rng.Float64() < s.rate && !now.Before(s.after)
	median := s.config.Latency
	if now.Before(s.started.Add(s.config.SlowAfter)) {
		median = min(median, defaultLatency)
	}
	return fails, time.Duration(float64(median) * math.Exp(0.5*s.rng.NormFloat64()))
}

func wait(r *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}
