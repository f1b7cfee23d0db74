package bake

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		src := jointWorld{}.backend(now)
		src.lag = 20 * time.Second
		wave := process{name: "wave", born: now.Add(-72 * time.Hour), value: func(age time.Duration) float64 { return 100 + 50*math.Sin(age.Minutes()) }}
		src.answers["wave"] = []process{wave}
		for _, le := range []string{"5", "10", "50", "+Inf"} {
			src.answers["ms"] = append(src.answers["ms"], process{name: "ms_bucket", labels: map[string]string{"le": le}, born: now.Add(-72 * time.Hour), value: perSecond(map[string]float64{"5": 1, "10": 5, "50": 9, "+Inf": 10}[le])})
		}
		src.answers["old"] = []process{{name: "old", born: now.Add(-72 * time.Hour), died: now.Add(-time.Hour), value: perSecond(3)}}
		half := &Limit{P99: Bound{V: 0.5, Set: true, Text: "500ms"}}
		ms := []Metric{ownErrors, traffic, orders,
			{Name: "wave", Bad: "errors", Total: "wave", Compare: "before"},
			{Name: "nothing", Bad: "x", Total: "y", Compare: "before"},
			{Name: "unit", Histogram: "ms", Limit: half, Compare: "before"},
			{Name: "queue", Gauge: "wave", Limit: max1},
			{Name: "old", Rate: "old", Compare: "before"},
			{Name: "broken", Gauge: "broken", Limit: max1},
			{Name: "unseen", From: "scrape", Rate: "x", Compare: "before"}}
		p := jointPlan(jointWorld{}, ms[:9]...)
		p.Options.Metrics = append(p.Options.Metrics, ms[9])
		p.Sources = map[string]metric.Source{"prom": src, "scrape": &backend{scrape: true}}
		got := map[string]Live{}
		for _, l := range Look(t.Context(), p) {
			got[l.Metric] = l
		}
		for name, want := range map[string]string{
			"errors":  "errors: 0.2%, 59",
			"traffic": "traffic: 99.", "orders": "orders: 5%, ", "queue": "queue: 10", "unit": "at the median, beyond the last bound at p99",
		} {
			if text := got[name].String(); !strings.Contains(text, want) || len(got[name].Wrong) > 0 && name != "unit" {
				t.Errorf("%s: got %q %q, want %q", name, text, got[name].Wrong, want)
			}
		}
		for name, want := range map[string]string{"wave": "as a rate or a gauge does", "nothing": "matched", "unit": "is the histogram in milliseconds", "old": "its newest point is 1h",
			"broken": "refuses the query", "unseen": "keeps no history"} {
			if text := strings.Join(got[name].Wrong, " "); !strings.Contains(text, want) {
				t.Errorf("%s: got %q, want %q", name, text, want)
			}
		}
		for _, name := range []string{"errors", "traffic", "orders"} {
			if h := got[name].Harm; h == "" || strings.Contains(h, "none") {
				t.Errorf("%s: the smallest harm is %q", name, h)
			}
		}
		t.Log(got["errors"].Harm, got["traffic"].Harm, got["orders"].Harm)
	})
}

// With less traffic the smallest harm is larger.
func TestSmallestHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		harm := func(share float64) string {
			p := jointPlan(jointWorld{quiet: share}, ownErrors)
			return Look(t.Context(), p)[0].Harm
		}
		if much, little := harm(1), harm(0.05); much == little || !strings.HasPrefix(much, "+0.") {
			t.Errorf("%q with much traffic, %q with little", much, little)
		}
	})
}
