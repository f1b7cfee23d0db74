package bake

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/verdict"
)

// A glance says what is wrong with a metric before the deploy, and only that.
func TestGlance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		born := time.Now().Add(-time.Hour)
		src := &backend{every: 15 * time.Second, answers: map[string][]process{"requests": {{name: "requests", born: born, value: perSecond(10)}}}}
		off := &backend{every: 15 * time.Second, down: func(time.Time) error { return errors.New("connection refused") }}
		scraped := &backend{scrape: true}
		p := Plan{Sources: map[string]metric.Source{"prom": src, "off": off, "page": scraped}, Options: Options{Step: 30 * time.Second, Metrics: []Metric{
			{Name: "good", From: "prom", Bad: "failed", Total: "requests"},
			{Name: "misnamed", From: "prom", Bad: "failed", Total: "request"},
			{Name: "wrong", From: "prom", Gauge: "broken"},
			{Name: "unreachable", From: "off", Gauge: "x"},
			{Name: "unasked", From: "page", Gauge: "x"},
		}}}
		got := map[string]string{}
		for _, f := range Glance(context.Background(), p) {
			got[f.Check] = f.Summary
			if f.Outcome != verdict.Note || f.Hint == "" {
				t.Errorf("%+v", f)
			}
		}
		for check, want := range map[string]string{"preflight/misnamed": "nothing matches request", "preflight/wrong": "parse error", "preflight/unreachable": "connection refused"} {
			if !strings.Contains(got[check], want) {
				t.Errorf("%s: %q, want it to hold %q", check, got[check], want)
			}
			delete(got, check)
		}
		if len(got) > 0 {
			t.Errorf("too much: %v", got)
		}
		if scraped.calls > 0 {
			t.Error("a source without history was asked")
		}
	})
}
