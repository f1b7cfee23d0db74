package bake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
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

// A source without history is asked before the deploy as if by somebody else: what it is watched for later begins with the bake.
func TestGlanceOfAPage(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "# TYPE requests_total counter\nrequests_total{code=\"200\"} 5\n# TYPE app_info gauge\napp_info{version=\"1\"} 1\n")
	}))
	defer server.Close()
	src, err := metric.Sources["scrape"](func(o any) error {
		o.(*metric.ScrapeOptions).URL = server.URL + "/metrics"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := Plan{Sources: map[string]metric.Source{"page": src}, Options: Options{Step: time.Second, ReadyWhen: &ReadyWhen{From: "page", Version: "app_infos", Label: "version"},
		Metrics: []Metric{
			{Name: "good", From: "page", Bad: `requests_total{code="500"}`, Total: "requests_total"},
			{Name: "misnamed", From: "page", Rate: "requests"},
			{Name: "labels", From: "page", Bad: `requests_total{status="500"}`, Total: "requests_total"},
			{Name: "elsewhere", From: "page", Bad: `failures_total{status="500"}`, Total: "requests_total"},
		}}}
	var got []string
	for _, f := range Glance(t.Context(), p) {
		got = append(got, f.Check+": "+f.Summary)
	}
	want := []string{
		`preflight/labels: labels: bad matches nothing, and asks for the label "status", which no series of total has`,
		"preflight/misnamed: misnamed: nothing matches requests", "preflight/ready-when: ready-when: nothing that reports now matches app_infos",
	}
	if !slices.Equal(got, want) || asked.Load() == 0 {
		t.Errorf("got %q, want %q", got, want)
	}
	q := metric.Query{ID: "q", Kind: metric.Counter, Text: "requests_total"}
	if seen, err := src.Range(t.Context(), []metric.Query{q}, time.Now().Add(-time.Hour), time.Now().Add(-time.Minute), time.Second); len(seen) > 0 || err != nil {
		t.Errorf("the source remembers %v, %v", seen, err)
	}
	all, err := src.Range(t.Context(), []metric.Query{q}, time.Now().Add(-time.Hour), time.Now().Add(time.Minute), time.Second)
	if err != nil || len(all) != 1 || len(all[0].Points) != 1 {
		t.Errorf("got %v, %v, want the one point of this call", all, err)
	}
}
