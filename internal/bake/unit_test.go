package bake

import (
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

func bound(t *testing.T, text string) Bound {
	t.Helper()
	var b Bound
	if err := b.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return b
}

// A unit is known by the metric's name or by a limit that has one. What is computed, and what limits are not in, is left as it is.
func TestUnit(t *testing.T) {
	for _, c := range []struct {
		m    Metric
		want judge.Unit
	}{
		{Metric{Histogram: `http_request_duration_seconds{app="shop"}`}, judge.Seconds},
		{Metric{Histogram: `http_response_size_bytes`}, judge.Bytes},
		{Metric{Gauge: ` process_resident_memory_bytes {app="shop"} `}, judge.Bytes},
		{Metric{Histogram: "latency", Limit: &Limit{P99: bound(t, "500ms")}}, judge.Seconds},
		{Metric{Histogram: "latency", Hard: &Limit{P99: bound(t, "2s")}}, judge.Seconds},
		{Metric{Histogram: "latency", Limit: &Limit{P99: bound(t, "0.5")}}, ""},
		{Metric{Histogram: "request_milliseconds", Limit: &Limit{P99: bound(t, "500ms")}}, ""},
		{Metric{Gauge: "process_start_time_seconds"}, ""},
		{Metric{Gauge: "free_bytes / size_bytes"}, ""},
		{Metric{Gauge: `free_bytes{a="b"} / size_bytes`}, ""},
		{Metric{Gauge: "rate(cpu_seconds[1m])"}, ""},
		{Metric{Gauge: "queue", Limit: &Limit{Max: bound(t, "5%")}}, ""},
		{Metric{Expr: "histogram_quantile(0.9, x)", Limit: &Limit{Max: bound(t, "300ms")}}, judge.Seconds},
		{Metric{Expr: "x_bytes", Limit: &Limit{Max: bound(t, "3")}}, ""},
		{Metric{Bad: "failed_bytes", Total: "all_bytes"}, ""},
		{Metric{Rate: "sent_bytes"}, ""},
		{Metric{Boolean: "x_seconds"}, ""},
	} {
		if got := c.m.unit(); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.m, got, c.want)
		}
	}
}

// Values are told with their unit, wherever they stand.
func TestUnitIsTold(t *testing.T) {
	from := time.Now()
	latency := Metric{Name: "latency", Histogram: "request_seconds"}
	samples := []judge.Sample{{From: from, To: from.Add(time.Minute), Buckets: []judge.Bucket{{Le: 0.05, N: 90}, {Le: 0.25, N: 10}, {Inf: true}}}}
	if got, want := latency.amounts(samples), "p50 28 ms, p99 230 ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	memory := Metric{Name: "memory", Gauge: "resident_memory_bytes"}
	if got, want := memory.amounts([]judge.Sample{{From: from, To: from.Add(time.Minute), Values: []float64{2e8}}}), "200 MB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := memory.counted(judge.Rate{Value: 2e8, Total: 3}), "200 MB (3 values)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	hard := together{spec: judge.MetricSpec{Spec: judge.Spec{Name: "memory", Kind: judge.Gauge, Unit: judge.Bytes}}, hard: []judge.Limit{{Max: 1e9, HasMax: true, Text: "1e9"}}}
	v := hard.exceeds(judge.Sample{From: from, To: from.Add(time.Minute), Values: []float64{2e9, 2e9}})
	if v == nil || v.Sentence[:len("memory 2 GB from")] != "memory 2 GB from" {
		t.Errorf("got %+v", v)
	}
}
