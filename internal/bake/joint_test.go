package bake

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// jointWorld is a service of 100 requests and 5 orders a second, its stable replicas, and the database that both depend on. What goes
// wrong does so three minutes after the deploy.
type jointWorld struct {
	noRequests, noOrders, errors, stableErrors, dbErrors bool
	quiet                                                float64 // share of the usual traffic; 0: all
}

const troubleAfter = 3 * time.Minute

func (w jointWorld) backend(now time.Time) *backend {
	born, wrong := now.Add(-72*time.Hour), now.Add(troubleAfter)
	share := w.quiet
	if share == 0 {
		share = 1
	}
	counter := func(name string, perSec float64, ends bool) process {
		value := perSecond(perSec * share)
		if ends {
			full := value
			value = func(age time.Duration) float64 { return full(min(age, wrong.Sub(born))) }
		}
		return process{name: name, labels: map[string]string{"pod": name}, born: born, value: value}
	}
	more := func(name string, perSec float64) process {
		return process{name: name, labels: map[string]string{"pod": "new" + name}, born: wrong, value: perSecond(perSec)}
	}
	b := &backend{every: 15 * time.Second, answers: map[string][]process{
		"requests": {counter("requests", 100, w.noRequests)}, "orders": {counter("orders", 5, w.noOrders)}, "errors": {counter("errors", 0.2, false)},
		"stable": {counter("stable", 400, false)}, "stable-errors": {counter("stable-errors", 0.8, false)},
		"db": {counter("db", 300, false)}, "db-errors": {counter("db-errors", 0.3, false)},
	}}
	add := func(on bool, name string, perSec float64) {
		if on {
			b.answers[name] = append(b.answers[name], more(name, perSec))
		}
	}
	add(w.errors, "errors", 5)
	add(w.stableErrors, "stable-errors", 20)
	add(w.dbErrors, "db-errors", 15)
	return b
}

var (
	ownErrors   = Metric{Name: "errors", Bad: "errors", Total: "requests", Compare: "before"}
	traffic     = Metric{Name: "traffic", Rate: "requests", Compare: "before"}
	orders      = Metric{Name: "orders", Rate: "orders", Of: "requests", Compare: "before"}
	database    = Metric{Name: "database", Bad: "db-errors", Total: "db", Compare: "before", Upstream: true}
	withControl = Metric{Name: "errors", Bad: "errors", Total: "requests", Compare: "before", Control: &Control{Bad: "stable-errors", Total: "stable"}}
)

func with(m Metric, change func(*Metric)) Metric {
	change(&m)
	return m
}

// What all metrics together decide, with the real judge.
func TestJoint(t *testing.T) {
	tests := []struct {
		name     string
		world    jointWorld
		metrics  []Metric
		outcome  verdict.Outcome // the worst
		external bool
		says     string
	}{
		{"all is well", jointWorld{}, []Metric{ownErrors, traffic, orders}, verdict.Pass, false, ""},
		{"errors", jointWorld{errors: true}, []Metric{ownErrors, traffic, database}, verdict.Fail, false, "errors"},
		{"no requests any more", jointWorld{noRequests: true, noOrders: true}, []Metric{traffic}, verdict.Fail, false, "traffic"},
		{"no orders any more", jointWorld{noOrders: true}, []Metric{orders, traffic}, verdict.Fail, false, "orders"},
		{"the database fails too", jointWorld{errors: true, dbErrors: true}, []Metric{ownErrors, database}, verdict.Fail, true, "database, which this depends on, got worse too"},
		{"the database alone", jointWorld{dbErrors: true}, []Metric{ownErrors, database}, verdict.Note, false, "a dependency: decides nothing by itself"},
		{"the stable replicas fail too", jointWorld{errors: true, stableErrors: true}, []Metric{withControl}, verdict.Fail, true, "what runs beside it got worse as much"},
		{"the new version alone", jointWorld{errors: true}, []Metric{withControl}, verdict.Fail, false, "errors"},
		{"in a dry run", jointWorld{errors: true}, []Metric{with(ownErrors, func(m *Metric) { m.DryRun = true }), traffic}, verdict.Note, false, "dry run: decides nothing"},
		{"beyond a hard limit", jointWorld{errors: true}, []Metric{with(ownErrors, func(m *Metric) { m.Compare, m.Limit, m.Hard = "", max99, max1 })}, verdict.Fail, false, "beyond the hard limit 1%"},
		{"the budget of an objective burns", jointWorld{errors: true}, []Metric{with(ownErrors, func(m *Metric) { m.Compare, m.SLO = "", SLO{0.998, "99.8%"} })}, verdict.Fail, false, "errors"},
		{"it does not", jointWorld{}, []Metric{with(ownErrors, func(m *Metric) { m.Compare, m.SLO = "", SLO{0.998, "99.8%"} })}, verdict.Pass, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := jointPlan(tt.world, tt.metrics...)
				r := Run(t.Context(), p)
				worst := verdict.Worst(r.Findings)
				var text []string
				external := false
				for _, f := range r.Findings {
					text = append(text, f.Outcome.String()+" "+f.Check+": "+f.Summary)
					external = external || f.External
				}
				if worst != tt.outcome || external != tt.external || !strings.Contains(strings.Join(text, "\n"), tt.says) {
					t.Errorf("got %s, external %v:\n%s\nwant %s, external %v, with %q", worst, external, strings.Join(text, "\n"), tt.outcome, tt.external, tt.says)
				}
			})
		})
	}
}

var (
	max1  = &Limit{Max: Bound{V: 0.01, Set: true, Text: "1%"}}
	max99 = &Limit{Max: Bound{V: 0.99, Set: true, Text: "99%"}}
)

func jointPlan(w jointWorld, ms ...Metric) Plan {
	for i := range ms {
		ms[i].From = "prom"
	}
	p := plan(w.backend(time.Now()), nil, ms...)
	p.newJudge, p.newDeploy = nil, nil
	return p
}

// A window that ends with too little traffic is watched on, once.
func TestExtend(t *testing.T) {
	for _, extend := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			p := jointPlan(jointWorld{quiet: 0.003}, ownErrors)
			p.Options.Window, p.Options.Extend = 5*time.Minute, extend
			begin, told := time.Now(), ""
			p.Observe = func(e Event) {
				if e.Kind == EventNote {
					told += e.Text
				}
			}
			r := Run(t.Context(), p)
			took := time.Since(begin)
			f := find(t, r, "bake/errors")
			switch {
			case extend == 0 && (f.Outcome != verdict.Unknown || took > 10*time.Minute || !strings.Contains(f.Summary, "at the present rate")):
				t.Errorf("without: %s after %s: %s", f.Outcome, took, f.Summary)
			case extend > 0 && (took < extend || !strings.Contains(told, "watching 1h longer") || r.WindowTo.Sub(r.WindowFrom) < extend || f.Outcome != verdict.Pass):
				t.Errorf("extended: %s after %s, told %q: %s", f.Outcome, took, told, f.Summary)
			}
		})
	}
}

// A service that fails five in a hundred for its first four minutes did so at each of its earlier deploys: that is how it starts, and no
// harm. What lasts is.
func TestWarmUpIsLearned(t *testing.T) {
	const startsUp = 4 * time.Minute
	for _, c := range []struct {
		name    string
		earlier int
		lasts   time.Duration
		want    verdict.Outcome
	}{{"learned", 5, startsUp, verdict.Pass}, {"nothing to learn from", 0, startsUp, verdict.Fail}, {"it lasts this time", 5, time.Hour, verdict.Fail}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				src := jointWorld{}.backend(now)
				p := plan(src, nil, with(ownErrors, func(m *Metric) { m.From = "prom" }))
				p.newJudge, p.newDeploy = nil, nil
				p.Options.Window, p.Options.Baseline.Window = 10*time.Minute, 6*time.Hour
				for i := range 5 {
					d := now.Add(-time.Duration(5-i) * 9 * time.Hour)
					src.answers["errors"] = append(src.answers["errors"], starting(d, startsUp, i))
					if i < c.earlier {
						p.Earlier = append(p.Earlier, release.Deploy{Started: d.Add(-time.Minute), Finished: d, Serving: d})
					}
					p.Excluded = append(p.Excluded, Interval{From: d, To: d.Add(time.Hour)})
				}
				src.answers["errors"] = append(src.answers["errors"], starting(now, c.lasts, 9))
				r := Run(t.Context(), p)
				if f := find(t, r, "bake/errors"); f.Outcome != c.want {
					t.Errorf("got %s, want %s: %s", f.Outcome, c.want, f.Summary)
				}
			})
		})
	}
}

// starting counts 5 failures a second for some time after a start, with what was counted standing still behind it.
func starting(at time.Time, long time.Duration, n int) process {
	full := perSecond(5)
	return process{name: "errors", labels: map[string]string{"pod": "start" + string(rune('a'+n))}, born: at, value: func(age time.Duration) float64 { return full(min(age, long)) }}
}

// Every day at this hour a batch fails one request in fifty, for hours. Against the minutes before that is harm, against yesterday it is not;
// and twice as much is.
func TestYesterday(t *testing.T) {
	for _, c := range []struct {
		compare string
		factor  float64
		want    verdict.Outcome
		says    string
	}{{"before", 1, verdict.Fail, "errors"}, {"yesterday", 1, verdict.Pass, "at the same time yesterday"}, {"yesterday", 4, verdict.Fail, "at the same time yesterday"}} {
		t.Run(c.compare, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				src := jointWorld{}.backend(now)
				batch := func(at time.Time, perSec float64, n int) process {
					full := perSecond(perSec)
					return process{name: "errors", labels: map[string]string{"pod": "batch" + string(rune('a'+n))}, born: at, value: func(age time.Duration) float64 { return full(min(age, 3*time.Hour)) }}
				}
				for d := range 3 {
					src.answers["errors"] = append(src.answers["errors"], batch(now.Add(-time.Duration(d+1)*24*time.Hour), 2, d))
				}
				src.answers["errors"] = append(src.answers["errors"], batch(now, 2*c.factor, 9))
				p := plan(src, nil, with(ownErrors, func(m *Metric) { m.From, m.Compare = "prom", c.compare }))
				p.newJudge, p.newDeploy = nil, nil
				p.Options.Baseline.Window = 24 * time.Hour
				if c.compare == "yesterday" {
					p.Options.Baseline.Window = 15 * time.Minute
				}
				zero := time.Duration(0)
				p.Options.WarmUp = &zero
				r := Run(t.Context(), p)
				if f := find(t, r, "bake/errors"); f.Outcome != c.want || !strings.Contains(f.Summary, c.says) {
					t.Errorf("got %s, want %s with %q: %s", f.Outcome, c.want, c.says, f.Summary)
				}
			})
		})
	}
}
