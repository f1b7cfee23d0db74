package bake

import (
	"fmt"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/realtest"
)

// BenchmarkBacktest replays 100 times and 5 metrics on a real Prometheus that has two weeks of a service with two pods, scraped every
// 15 s. The goal is a minute.
func BenchmarkBacktest(b *testing.B) {
	const days, metrics = 14, 5
	end := time.Now().Add(-time.Hour).Truncate(time.Minute)
	begin := end.Add(-days * 24 * time.Hour)
	var history []realtest.History
	o := Options{Baseline: Baseline{Window: 24 * time.Hour}}
	for m := range metrics {
		name := fmt.Sprintf("m%d", m)
		for _, pod := range []string{"a", "b"} {
			history = append(history, lived(name, pod, "200", begin, 0, end.Sub(begin), 0, 50), lived(name, pod, "500", begin, 0, end.Sub(begin), 0, 0.05))
		}
		o.Metrics = append(o.Metrics, Metric{Name: name, From: "p", Bad: Text(`http_requests_total{app="` + name + `",code="500"}`),
			Total: Text(`http_requests_total{app="` + name + `"}`), Compare: "before"})
	}
	server := realtest.Prometheus(b, 15*time.Second, history)
	src, err := metric.Sources["prometheus"](func(o any) error {
		o.(*metric.PrometheusOptions).URL = server.URL
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var past []Past
	for i := range 100 {
		past = append(past, Past{Started: begin.Add(25*time.Hour + time.Duration(i)*3*time.Hour), Truth: None})
	}
	bt := Backtest{Options: o.WithDefaults(), Sources: map[string]metric.Source{"p": src}, Past: past}
	for b.Loop() {
		rs, err := bt.Run(b.Context())
		if err != nil || len(rs) != len(past) {
			b.Fatalf("%d replays: %v", len(rs), err)
		}
		if s := bt.Options.Summarise(rs); s.Inconclusive.N > 0 {
			b.Fatalf("%+v", s)
		}
	}
}
