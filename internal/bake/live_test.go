package bake

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
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
			"traffic": "traffic: 99.", "orders": "orders: 5%, ", "queue": "queue: 10", "unit": "p99 more than ",
		} {
			if text := got[name].String(); !strings.Contains(text, want) || len(got[name].Wrong) > 0 && name != "unit" {
				t.Errorf("%s: got %q %q, want %q", name, text, got[name].Wrong, want)
			}
		}
		for name, want := range map[string]string{"wave": "as a rate or a gauge does", "nothing": "matched", "unit": "is the histogram in milliseconds", "old": "its newest point is 1h",
			"broken": "refuses the query", "unseen": "matched nothing"} {
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

// A source without history is asked twice: a counter shows how fast it counts. One that is down is no "nothing".
func TestLookWithoutHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		page := shop(now)
		page.scrape, page.delay = true, 200*time.Millisecond
		page.answers["up"] = []process{{name: "up", born: now.Add(-time.Hour), value: constant(1)}}
		down := &backend{scrape: true, down: func(time.Time) error { return errors.New("connection refused") }}
		ms := []Metric{{Name: "errors", From: "page", Bad: badText, Total: totalText, Compare: "before", By: "code"}, {Name: "up", From: "page", Boolean: "up"},
			{Name: "slip", From: "page", Boolean: "ups"}, {Name: "off", From: "down", Boolean: "up"}, {Name: "gate", From: "gate", Boolean: "pass"}}
		p := Plan{Options: Options{Metrics: ms}.WithDefaults(), Sources: map[string]metric.Source{"page": page, "down": down, "gate": &backend{scrape: true, gate: true}}}
		ls := Look(t.Context(), p)
		for i, want := range []string{"errors: 0%, ", "up: 1, 1 series, the newest point ", "slip:", "off:", "gate: nothing yet: it begins with the deploy"} {
			if got := ls[i].String(); !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if l := ls[0]; math.Abs(l.PerMinute-6000) > 60 || l.Series != 3 || !slices.Equal(l.Labels, []string{"code", "pod"}) || !strings.Contains(l.Harm, "page keeps no history") || len(l.Groups) != 2 {
			t.Errorf("errors: got %+v", l)
		}
		for i, want := range []string{"", "", "matched nothing", "connection refused", ""} {
			if got := strings.Join(ls[i].Wrong, " "); !strings.Contains(got, want) || want == "" && got != "" {
				t.Errorf("%s: wrong is %q, want %q", ls[i].Metric, got, want)
			}
		}
		if page.calls != 2 || down.calls != 1 || time.Since(now) > 10*time.Second {
			t.Errorf("%d and %d calls in %s", page.calls, down.calls, time.Since(now))
		}
	})
}

// The newest point is as old as it is, however long the step; and what too little history does not say is told as such.
func TestLookIsOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := shop(time.Now())
		src.every = time.Second
		for _, ps := range src.answers {
			for i := range ps {
				ps[i].born = time.Now().Add(-5 * time.Minute)
			}
		}
		p := plan(src, &judges{}, Metric{Name: "errors", From: "prom", Bad: badText, Total: totalText, Compare: "before"})
		for range 4 {
			time.Sleep(7 * time.Second)
			l := Look(t.Context(), p)[0]
			if l.Age > time.Second {
				t.Errorf("the newest point is %s old, want a second at most", l.Age)
			}
			if !strings.Contains(l.Harm, "not known yet") || !strings.Contains(l.Harm, "it takes 20") {
				t.Errorf("the smallest harm: %q", l.Harm)
			}
		}
	})
}

// ready-when is asked before the deploy, too: what matches nothing then would be waited for behind it.
func TestReadyWhenBeforeTheDeploy(t *testing.T) {
	tests := map[string]struct {
		r            ReadyWhen
		shown, wrong string
	}{
		"the old version":  {ReadyWhen{Version: infoText}, `version="v1" in 1 series`, ""},
		"a slip":           {ReadyWhen{Version: "build_infos"}, "", "matches build_infos"},
		"another label":    {ReadyWhen{Version: infoText, Label: "tag"}, "", "have no label tag"},
		"a value":          {ReadyWhen{Query: infoText, AtLeast: Bound{V: 0.1, Set: true, Text: "10%"}}, "100% in 1 series", ""},
		"a query's slip":   {ReadyWhen{Query: "broken"}, "", "refuses the query"},
		"what will come":   {ReadyWhen{Query: `info{version="$version"}`}, "nothing yet: it asks for $version, which comes with the deploy", ""},
		"nothing of a sum": {ReadyWhen{Query: "nothing"}, "", "matches nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := readyPlan(rollout(time.Hour, 0), &judges{}, tt.r)
				ls := Look(t.Context(), p)
				l := ls[len(ls)-1]
				if l.Metric != "ready-when" || l.Value != tt.shown {
					t.Errorf("got %q, want %q", l, tt.shown)
				}
				fs := Glance(t.Context(), p)
				if (len(l.Wrong) > 0) != (tt.wrong != "") || len(fs) != len(l.Wrong) {
					t.Fatalf("wrong is %q, the glance says %v, want %q", l.Wrong, fs, tt.wrong)
				}
				if tt.wrong == "" {
					return
				}
				if !strings.Contains(l.Wrong[0], tt.wrong) || fs[0].Check != "preflight/ready-when" || fs[0].Outcome != verdict.Note || !strings.Contains(fs[0].Summary, tt.wrong) {
					t.Errorf("wrong is %q, the glance says %+v, want %q", l.Wrong, fs[0], tt.wrong)
				}
			})
		})
	}
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

// Before the deploy it is said, where that is asked for, which metric a window of as much traffic as now would not let pass.
func TestForesee(t *testing.T) {
	tests := []struct {
		name      string
		quiet     float64
		metric    Metric
		preflight string
		want      verdict.Outcome // Pass: nothing is found
	}{
		{"enough", 1, ownErrors, PreflightBlock, verdict.Pass},
		{"too little", 0.003, ownErrors, PreflightBlock, verdict.Fail},
		{"a note", 0.003, ownErrors, PreflightNote, verdict.Note},
		{"nobody asked", 0.003, ownErrors, "", verdict.Pass},
		{"too little for the limit", 0.001, with(ownErrors, func(m *Metric) { m.Compare, m.Limit = "", max1 }), PreflightBlock, verdict.Fail},
		{"enough for the limit", 1, with(ownErrors, func(m *Metric) { m.Compare, m.Limit = "", max1 }), PreflightBlock, verdict.Pass},
		{"too little in a dry run", 0.003, with(ownErrors, func(m *Metric) { m.DryRun = true }), PreflightBlock, verdict.Pass},
		{"nothing is known", 1, with(ownErrors, func(m *Metric) { m.Bad, m.Total = "x", "y" }), PreflightBlock, verdict.Pass},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := jointPlan(jointWorld{quiet: tt.quiet}, tt.metric)
				p.Options.Preflight = tt.preflight
				fs := Foresee(t.Context(), p)
				if worst := verdict.Worst(fs); worst != tt.want || len(fs) != one(tt.want != verdict.Pass) {
					t.Fatalf("got %+v, want %s", fs, tt.want)
				}
				for _, f := range fs {
					if f.Reason != judge.LowTraffic || !strings.Contains(f.Summary, "too little to exclude harm") {
						t.Errorf("got %+v", f)
					}
				}
			})
		})
	}
}
