package config

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/realtest"
)

// What the exporters print, scraped by a real Prometheus, is found by every query of every pack.
func TestPacksFindWhatExportersPrint(t *testing.T) {
	page, err := os.ReadFile("../../testdata/packs/exporters.prom")
	if err != nil {
		t.Fatal(err)
	}
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write(page)
	}))
	t.Cleanup(exporter.Close)
	server := realtest.Prometheus(t, time.Second, nil, realtest.Target{Addr: strings.TrimPrefix(exporter.URL, "http://")})
	f := mustParse(t, strings.Replace(every(), "URL", server.URL, 1), Options{})
	queries := queriesOf(f.Bake.Metrics)
	var missing []string
	realtest.Poll(t, time.Minute, "series for every query", func() bool {
		missing = unanswered(t, f.Bake.Sources["prom"].Source, queries)
		return len(missing) == 0
	})
}

func queriesOf(metrics []bake.Metric) (queries []metric.Query) {
	for _, m := range metrics {
		for _, q := range []struct {
			key  string
			kind metric.Kind
			text bake.Text
		}{
			{"bad", metric.Counter, m.Bad}, {"total", metric.Counter, m.Total}, {"rate", metric.Counter, m.Rate},
			{"histogram", metric.Histogram, m.Histogram}, {"gauge", metric.Gauge, m.Gauge}, {"expr", metric.Expr, m.Expr},
		} {
			if q.text != "" {
				queries = append(queries, metric.Query{ID: m.Name + "." + q.key, Kind: q.kind, Text: string(q.text), Vars: map[string]string{"service": "shop"}})
			}
		}
	}
	return queries
}

// unanswered are the queries without a series.
func unanswered(t *testing.T, source metric.Source, queries []metric.Query) (missing []string) {
	t.Helper()
	now := time.Now()
	got, err := source.Range(t.Context(), queries, now.Add(-time.Minute), now, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, s := range got {
		found[s.Query] = true
	}
	for _, q := range queries {
		if !found[q.ID] {
			missing = append(missing, fmt.Sprintf("%s: %s", q.ID, q.Text))
		}
	}
	if len(missing) > 0 {
		t.Logf("without series: %s", strings.Join(missing, "\n"))
	}
	return missing
}
