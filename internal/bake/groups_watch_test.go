package bake

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Every kind of metric has groups: what happens in one zone is found there, and nothing is where nothing happens.
func TestGroupsOfEveryKind(t *testing.T) {
	deploy := func() time.Time { return time.Now().Add(troubleAfter) }
	les := map[string]float64{"0.1": 0.9, "1": 0.999, "+Inf": 1}
	in := func(zone, le string) map[string]string {
		l := map[string]string{"zone": zone, "pod": zone + "-1"}
		if le != "" {
			l["le"] = le
		}
		return l
	}
	// each gives the series of a query: what it counts, or is, before and after, in zone b and elsewhere
	counters := func(before, after float64) func(now time.Time) []process {
		return func(now time.Time) (ps []process) {
			born, wrong := now.Add(-72*time.Hour), deploy()
			for _, z := range []string{"a", "b", "c"} {
				ps = append(ps, process{name: "x", labels: in(z, ""), born: born, value: func(age time.Duration) float64 {
					early := min(age, wrong.Sub(born))
					rate := before
					if z == "b" {
						rate = after
					}
					return float64(int(before*early.Seconds() + rate*(age-early).Seconds()))
				}})
			}
			return ps
		}
	}
	gauges := func(before, after float64) func(now time.Time) []process {
		return func(now time.Time) (ps []process) {
			born, wrong := now.Add(-72*time.Hour), deploy()
			for i, z := range []string{"a", "b", "c"} {
				ps = append(ps, process{name: "x", labels: in(z, ""), born: born, value: func(age time.Duration) float64 {
					if z == "b" && age >= wrong.Sub(born) {
						return after
					}
					return before * (1 + 0.05*float64((int(age.Seconds())/15+i)%7))
				}})
			}
			return ps
		}
	}
	slow := func(share float64) func(now time.Time) []process {
		return func(now time.Time) (ps []process) {
			born, wrong := now.Add(-72*time.Hour), deploy()
			for _, z := range []string{"a", "b", "c"} {
				for le, below := range les {
					ps = append(ps, process{name: "x_bucket", labels: in(z, le), born: born, value: func(age time.Duration) float64 {
						early := min(age, wrong.Sub(born))
						part := below
						if z == "b" && le != "+Inf" {
							part -= share
						}
						return float64(int(50*below*early.Seconds() + 50*part*(age-early).Seconds()))
					}})
				}
			}
			return ps
		}
	}
	tests := []struct {
		name      string
		metric    Metric
		good, bad func(time.Time) []process
	}{
		{"histogram", Metric{Name: "latency", Histogram: "q", Compare: "before"}, slow(0), slow(0.2)},
		{"rate", Metric{Name: "traffic", Rate: "q", Compare: "before"}, counters(50, 50), counters(50, 0)},
		{"gauge", Metric{Name: "queue", Gauge: "q", Limit: &Limit{Max: Bound{V: 100, Set: true, Text: "100"}}}, gauges(10, 10), gauges(10, 500)},
		{"boolean", Metric{Name: "up", Boolean: "q"}, gauges(1, 1), gauges(1, 0)},
	}
	for _, tt := range tests {
		for name, world := range map[string]func(time.Time) []process{"good": tt.good, "bad": tt.bad} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					m := tt.metric
					m.From, m.By = "prom", "zone"
					b := &backend{every: 15 * time.Second, answers: map[string][]process{"q": world(time.Now())}}
					r := Run(t.Context(), groupsPlan(b, m))
					text := told(r.Findings)
					if failed := strings.Contains(text, "fail bake/"+m.Name+" in zone b ("+m.Name+")"); failed != (name == "bad") {
						t.Errorf("%s: failed is %v:\n%s", name, failed, text)
					}
					if name == "good" && verdict.Worst(r.Findings) > verdict.Note {
						t.Error(text)
					}
				})
			})
		}
	}
}

// A control stands beside each group: what happens to a zone's stable replicas too is not this deploy's doing.
func TestGroupsWithControl(t *testing.T) {
	for _, stable := range []float64{0.001, 0.2} {
		synctest.Test(t, func(t *testing.T) {
			now := time.Now()
			b := zones(now, steady("a", 100), worsening("b", 50, 0.2))
			beside := zones(now, steady("a", 400), worsening("b", 200, stable))
			b.answers["stable"], b.answers["stable-bad"] = beside.answers[totalText], beside.answers[badText]
			m := with(byZone, func(m *Metric) { m.Control = &Control{Bad: "stable-bad", Total: "stable"} })
			r := Run(t.Context(), groupsPlan(b, m))
			text := told(r.Findings)
			if blamed := strings.Contains(text, "fail bake/errors in zone b (errors)") && !strings.Contains(text, "[external]"); blamed != (stable < 0.1) {
				t.Errorf("stable replicas at %v: blamed is %v:\n%s", stable, blamed, text)
			}
		})
	}
}

// A control whose series do not have the label is none for the groups; that is told, and they are judged without.
func TestGroupsWithoutControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		b := zones(now, steady("a", 100), steady("b", 50))
		beside := zones(now, zone{rate: 400, bad: 0.001, later: 0.001})
		b.answers["stable"], b.answers["stable-bad"] = beside.answers[totalText], beside.answers[badText]
		r := Run(t.Context(), groupsPlan(b, with(byZone, func(m *Metric) { m.Control = &Control{Bad: "stable-bad", Total: "stable"} })))
		text := told(r.Findings)
		if !strings.Contains(text, "the control of errors has no label zone") || !strings.Contains(text, "harm is excluded in a, b") || verdict.Worst(r.Findings) > verdict.Note {
			t.Error(text)
		}
	})
}

// A bake that goes on where another process stopped says what it would have said in one go.
func TestGroupsResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := zones(time.Now(), steady("a", 100), worsening("b", 1, 0.08), steady("c", 100))
		p := groupsPlan(b, byZone)
		left := Resume{Samples: map[string]judge.Packed{}, Baseline: map[string]judge.Packed{}}
		p.Observe = func(e Event) {
			switch e.Kind {
			case EventServing:
				left.Serving = e.From
			case EventSample:
				leave(left.Samples, e)
			case EventBaseline:
				leave(left.Baseline, e)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		Run(ctx, p)
		if left.Samples["errors in zone b"].Len() == 0 || left.Baseline["errors in zone b"].Len() == 0 {
			t.Fatal("the groups were not told")
		}
		p.Resume, p.Observe = left, nil
		whole := groupsPlan(b, byZone)
		whole.Deploy, whole.Resume.Serving = p.Deploy, left.Serving
		again, fresh := told(Run(t.Context(), p).Findings), told(Run(t.Context(), whole).Findings)
		if again != fresh || !strings.Contains(fresh, "fail bake/errors in zone b") {
			t.Errorf("gone on:\n%s\nin one go:\n%s", again, fresh)
		}
	})
}

// A source without history is sampled before the deploy, the groups too.
func TestGroupsWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := zones(time.Now().Add(6*time.Minute), steady("a", 100), steady("b", 80))
		b.scrape = true
		p := groupsPlan(b, byZone)
		p.Resume.Baseline = Warm(t.Context(), p, 6*time.Minute)
		if p.Resume.Baseline["errors in zone b"].Len() < 10 {
			t.Fatalf("%d samples of a zone", p.Resume.Baseline["errors in zone b"].Len())
		}
		p.Deploy = release.Deploy{Started: time.Now(), Finished: time.Now()}
		if text := told(Run(t.Context(), p).Findings); !strings.Contains(text, "harm is excluded in a, b") {
			t.Error(text)
		}
	})
}

func TestGroupsInALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		look := func(zs ...zone) Live { return Look(t.Context(), groupsPlan(zones(time.Now(), zs...), byZone))[0] }
		l := look(steady("a", 100), zone{name: "b", rate: 10, bad: 0.05, later: 0.05})
		if len(l.Groups) != 2 || !strings.HasPrefix(l.Groups[1].String(), "errors in zone b: 5") || len(l.Wrong) > 0 {
			t.Errorf("got %v, %q", l.Groups, l.Wrong)
		}
		if l := look(zone{rate: 100}); len(l.Wrong) != 1 || !strings.Contains(l.Wrong[0], "they have code, pod") {
			t.Errorf("without zones: got %q", l.Wrong)
		}
	})
}

// What is wrong with the label is told before the deploy.
func TestGroupsInAGlance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if fs := Glance(t.Context(), groupsPlan(zones(time.Now(), steady("a", 100)), byZone)); len(fs) != 0 {
			t.Errorf("got %s", told(fs))
		}
		fs := Glance(t.Context(), groupsPlan(zones(time.Now(), zone{rate: 100, bad: 0.01}), byZone))
		if len(fs) != 1 || !strings.Contains(told(fs), "has the label zone") {
			t.Errorf("without zones: got %s", told(fs))
		}
	})
}

func TestBacktestOfGroups(t *testing.T) {
	now := time.Now().Truncate(time.Minute)
	b := zones(now.Add(-3*time.Hour), steady("a", 100), worsening("b", 1, 0.15), steady("c", 100))
	m := with(byZone, func(m *Metric) { m.From = "m" })
	back := backtestOf(b, Past{Started: now.Add(-6 * time.Hour), Truth: None}, Past{Started: now.Add(-3 * time.Hour), Truth: Bad})
	back.Options.Metrics = []Metric{m}
	rs, err := back.Run(t.Context())
	if err != nil || len(rs) != 2 {
		t.Fatal(rs, err)
	}
	if rs[0].Verdict != ReplayPass || rs[1].Verdict != ReplayRollback || rs[1].By[0] != "errors" || !strings.Contains(rs[1].Why, "errors in zone b") {
		t.Errorf("got %+v", rs)
	}
	if s := back.Options.Summarise(rs); s.Metrics[0].Caught != 1 || len(s.Metrics) != 1 {
		t.Errorf("got %+v", s)
	}
	back.Options.Metrics[0].By = "region"
	if rs, _ := back.Run(t.Context()); rs[0].Verdict != ReplayInconclusive || !strings.Contains(rs[0].Why, "has the label region") {
		t.Errorf("without the label: got %+v", rs[0])
	}
}

// What is shared among a metric and its groups adds up to the metric's weight.
func TestShareGroups(t *testing.T) {
	specs := []judge.MetricSpec{{Weight: 3}, {}, {Weight: 3}, {Weight: 3}, {Weight: 3}}
	parts := shareGroups(specs, []int{whole, whole, 0, 0, unjudged})
	if specs[0].Weight != 1.5 || specs[1].Weight != 1 || specs[2].Weight != 0.75 || specs[3].Weight != 0.75 || specs[2].Among != 2 || specs[0].Among != 0 || specs[4].Among == 0 {
		t.Errorf("got %+v", specs)
	}
	if parts[0] != 0.5 || parts[1] != 1 || parts[2] != 0.25 {
		t.Errorf("got %v", parts)
	}
}

// A first deploy has nothing to compare with: the metric says so, and its groups say nothing else.
func TestGroupsOfAFirstDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := zone{name: "a", rate: 100, bad: 0.001, later: 0.001, from: 10 * time.Second}
		r := Run(t.Context(), groupsPlan(zones(time.Now(), first), byZone))
		if text := told(r.Findings); len(r.Findings) != 1 || !strings.Contains(text, "unknown bake/errors (no-baseline)") {
			t.Error(text)
		}
	})
}

// Whatever a label holds, its group has a name that is safe to print, and under which a later process finds it again.
func FuzzGroupNames(f *testing.F) {
	for _, s := range []string{"eu-west-1a", "", " ", "\x1b[31m", "a in zone b", strings.Repeat("x", 500), "\xff\xfe", "a\nb"} {
		f.Add(s, s+"2")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		gs := newGroups(byZone)
		for _, value := range []string{a, b, a} {
			g := gs.of(metric.Series{Query: "errors.bad", Labels: map[string]string{"zone": value}})
			if g == nil {
				continue
			}
			known, ok := strings.CutPrefix(g.Name, byZone.prefix())
			if !ok || gs.named(known) != g || clean.Text(g.Name) != g.Name || len(g.Name) > 500 {
				t.Errorf("%q: the group is %q", value, g.Name)
			}
		}
		if n := len(gs.all()); n > 2 {
			t.Errorf("%d groups of two values", n)
		}
	})
}
