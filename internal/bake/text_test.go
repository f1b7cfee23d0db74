package bake

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

func TestLogIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := shop(time.Now())
		p := plan(src, &judges{}, errorsMetric(), Metric{Name: "up", From: "prom", Boolean: totalText})
		var beats, lines []string
		p.Observe = func(e Event) {
			if e.Kind == EventHeartbeat {
				beats = append(beats, e.Text)
			} else if e.Text != "" {
				lines = append(lines, e.Text)
			}
		}
		Run(t.Context(), p)
		if len(beats) != 15 {
			t.Errorf("%d heartbeats in 15 minutes", len(beats))
		}
		if want := "2m of 15m: errors 0.2% (limit 1%), up 3.49e+04"; !slices.ContainsFunc(beats, func(s string) bool { return strings.HasPrefix(s, "2m of 15m: errors 0.2% (limit 1%), up ") }) {
			t.Errorf("heartbeats %q, want one like %q", beats, want)
		}
		if len(lines) > 4 {
			t.Errorf("%d lines: %q", len(lines), lines)
		}
	})
}

func TestDescribe(t *testing.T) {
	src := &backend{scrape: true}
	o := Options{Window: time.Minute, Step: 30 * time.Second, Metrics: []Metric{
		{Name: "up", Boolean: "up", Compare: "before"},
	}, Sources: map[string]Spec{"shop": {Source: src}}}
	got := strings.Join(Describe(Plan{Options: o.WithDefaults(), Sources: map[string]metric.Source{"shop": src}, Once: true}), "\n")
	for _, want := range []string{"1m in steps of 30s", "metric up from shop: boolean up, compared with what is sampled right before the deploy", "fewer than 4 steps", "only health", "shop has no history, so compare: before", "--once"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	prom := &backend{}
	o = Options{Step: 5 * time.Second, Metrics: []Metric{{Name: "e", Bad: "failures", Total: "requests"}, {Name: "x", Expr: "y", Limit: &Limit{Max: Bound{V: 1, Set: true, Text: "1"}}}}, Sources: map[string]Spec{"prom": {Source: prom}}}
	got = strings.Join(Describe(Plan{Options: o.WithDefaults(), Sources: map[string]metric.Source{"prom": prom}}), "\n")
	for _, want := range []string{"15m in steps of 5s", "below the usual scrape interval", "e: neither limit nor compare", "e: bad does not select from total's metric", "x: an expression is weaker"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "only health") {
		t.Errorf("advice that does not fit:\n%s", got)
	}
	for _, want := range []string{"metric e from prom: bad failures total requests", "metric x from prom: expr y", "usual scrape interval (15s)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	for every, want := range map[time.Duration]string{time.Second: "", 20 * time.Second: "below the scrape interval of prom (20s)"} {
		got := strings.Join(Describe(Plan{Options: o.WithDefaults(), Sources: map[string]metric.Source{"prom": &backend{every: every, says: true}}}), "\n")
		if strings.Contains(got, "usual scrape") || strings.Contains(got, "the step (5s) is below") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("scraped every %s: got\n%s", every, got)
		}
	}
	got = strings.Join(Describe(Plan{Options: o.WithDefaults(), Sources: map[string]metric.Source{"prom": intervals{&backend{}}}}), "\n")
	if strings.Contains(got, "does not select") || strings.Contains(got, "usual scrape") {
		t.Errorf("advice that does not fit:\n%s", got)
	}
}

func TestNoMetricsIsNoPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Run(t.Context(), plan(shop(time.Now()), &judges{}))
		wantFinding(t, r, "bake/metrics", verdict.Unknown, "no-criteria")
	})
}

// Each reason has a page that says what to do.
func TestEveryReasonHasAPage(t *testing.T) {
	pages := []string{"bake-metric", "bake-ready"}
	for _, d := range docs {
		pages = append(pages, d)
	}
	for _, page := range pages {
		b, err := os.ReadFile("../../docs/checks/" + page + ".md")
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(b), "What to do") {
			t.Errorf("%s does not say what to do", page)
		}
	}
	for class := range troubles {
		if docs[string(class)] == "" {
			t.Errorf("%s has no page", class)
		}
	}
}

func TestNeedsWarm(t *testing.T) {
	for _, scrape := range []bool{false, true} {
		for _, compare := range []string{"", "before"} {
			o := Options{Metrics: []Metric{{Name: "m", Gauge: "g", Compare: compare}}, Sources: map[string]Spec{"s": {Source: &backend{scrape: scrape}}}}.WithDefaults()
			if want := scrape && compare == "before"; o.NeedsWarm() != want {
				t.Errorf("scrape %v, compare %q: %v", scrape, compare, !want)
			}
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{15 * time.Minute: "15m", 150 * time.Second: "2m30s", 24 * time.Hour: "24h", 90 * time.Minute: "1h30m", 450 * time.Millisecond: "450ms", 0: "0s"} {
		if got := short(d); got != want {
			t.Errorf("short(%s) = %q, want %q", time.Duration(d), got, want)
		}
	}
}

// What happened among no requests is no rate, and no quantile.
func TestNothingAmountsToNothing(t *testing.T) {
	quiet := []judge.Sample{{From: time.Unix(0, 0), To: time.Unix(60, 0), Buckets: []judge.Bucket{{Le: 1}, {Inf: true}}}}
	for name, m := range map[string]Metric{
		"errors":  {Bad: "bad", Total: "total"},
		"orders":  {Rate: "orders", Of: "requests"},
		"latency": {Histogram: "latency"},
	} {
		if got := m.amounts(quiet); got != "" {
			t.Errorf("%s: got %q, want nothing", name, got)
		}
		w := &watch{Metric: m, samples: quiet}
		if got := w.lately(); got != "- (no requests)" {
			t.Errorf("%s: got %q in the log", name, got)
		}
		if es, p99 := w.quantiles(judge.Judgement{}); len(es) > 0 || p99 != "" {
			t.Errorf("%s: got %v %q", name, es, p99)
		}
	}
}
