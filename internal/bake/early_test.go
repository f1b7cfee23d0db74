package bake

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

const (
	earlyWindow = 30 * time.Minute
	earlyAfter  = 10 * time.Minute
)

// earlyPlan bakes for half an hour, and may pass after ten minutes.
func earlyPlan(w jointWorld, ms ...Metric) Plan {
	p := jointPlan(w, ms...)
	p.Options.Window, p.Options.PassAfter = earlyWindow, earlyAfter
	return p
}

// What is sure passes soon; whatever is not all there, or not sure, waits for the end as it would without.
func TestPassAfter(t *testing.T) {
	within := func(from, to time.Duration) func(time.Time) bool {
		begin := time.Now()
		return func(now time.Time) bool { return now.Sub(begin) >= from && now.Sub(begin) < to }
	}
	const soon, late = earlyAfter + 2*time.Minute, earlyWindow - time.Second
	tests := []struct {
		name    string
		world   jointWorld
		metrics []Metric
		change  func(*backend, *Plan)
		from    time.Duration // it is watched for so long at least
		to      time.Duration // and at most; 0: to the end
		outcome verdict.Outcome
		waits   string // what the log says why it does not pass yet
	}{
		{"all is well", jointWorld{}, []Metric{ownErrors, traffic, orders}, nil, earlyAfter, soon, verdict.Note, ""},
		{"it is not asked for", jointWorld{}, []Metric{ownErrors, traffic}, func(_ *backend, p *Plan) { p.Options.PassAfter = 0 }, late, 0, verdict.Pass, ""},
		{"errors", jointWorld{errors: true}, []Metric{ownErrors, traffic}, nil, 0, 0, verdict.Fail, ""},
		{"a quiet service needs longer", jointWorld{quiet: 0.013}, []Metric{ownErrors}, nil, earlyAfter + 2*time.Minute, late, verdict.Note, "a pass before the end takes"},
		{"a quieter one all of the window", jointWorld{quiet: 0.0085}, []Metric{ownErrors}, nil, late, 0, verdict.Pass, ""},
		{"one that is too quiet", jointWorld{quiet: 0.003}, []Metric{ownErrors}, nil, late, 0, verdict.Unknown, "errors "},
		{"nobody scraped for a while", jointWorld{}, []Metric{ownErrors, traffic}, func(b *backend, _ *Plan) { b.dead = within(4*time.Minute, 8*time.Minute) }, late, 0, verdict.Note, "not all of it was seen"},
		{"the backend is down for a while", jointWorld{}, []Metric{ownErrors, traffic}, func(b *backend, _ *Plan) {
			down := within(9*time.Minute, 15*time.Minute)
			b.down = func(now time.Time) error { return failing(down(now)) }
		}, 15 * time.Minute, 17 * time.Minute, verdict.Note, ""},
		{"another backend never answers", jointWorld{}, []Metric{ownErrors}, func(b *backend, p *Plan) {
			addOther(p, &backend{every: b.every, answers: b.answers, down: func(time.Time) error { return failing(true) }}, traffic)
		}, late, 0, verdict.Unknown, ""},
		{"another backend is minutes behind", jointWorld{}, []Metric{ownErrors}, func(b *backend, p *Plan) {
			addOther(p, &backend{every: b.every, answers: b.answers, lag: 2 * time.Minute}, traffic)
		}, earlyAfter, soon, verdict.Note, ""},
		{"another backend has nothing any more", jointWorld{}, []Metric{ownErrors}, func(b *backend, p *Plan) {
			addOther(p, &backend{every: b.every, answers: b.answers, dead: within(8*time.Minute, 12*time.Hour)}, traffic)
		}, late, 0, verdict.Unknown, ""},
		{"a dry run has no data", jointWorld{}, []Metric{ownErrors, with(traffic, func(m *Metric) { m.Name, m.Rate, m.DryRun = "none", "none", true })}, nil, earlyAfter, soon, verdict.Note, ""},
		{"the control has no data", jointWorld{}, []Metric{with(withControl, func(m *Metric) { m.Control = &Control{Bad: "none", Total: "none"} })}, nil, late, 0, verdict.Note, ""},
		{"beside its control", jointWorld{}, []Metric{withControl}, nil, earlyAfter, soon, verdict.Note, ""},
		{"the time before is not known", jointWorld{}, []Metric{with(ownErrors, func(m *Metric) { m.Compare, m.Limit = "before", max1 })}, func(_ *backend, p *Plan) { p.Deploy.Started = time.Time{} }, late, 0, verdict.Unknown, ""},
		{"an objective", jointWorld{}, []Metric{with(ownErrors, func(m *Metric) { m.Compare, m.SLO = "", SLO{0.99, "99%"} })}, nil, earlyAfter, soon, verdict.Note, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := earlyPlan(tt.world, tt.metrics...)
				if tt.change != nil {
					tt.change(p.Sources["prom"].(*backend), &p)
				}
				waits := ""
				p.Observe = func(e Event) {
					if e.Kind == EventHeartbeat {
						_, why, _ := strings.Cut(e.Text, "; does not pass yet: ")
						_, lacks, _ := strings.Cut(e.Text, "; to pass, ")
						waits = cmp.Or(why, lacks, waits)
					}
				}
				r := Run(t.Context(), p)
				if !strings.Contains(waits, tt.waits) {
					t.Errorf("it says that it waits for %q, want %q", waits, tt.waits)
				}
				watched, text := r.WindowTo.Sub(r.WindowFrom), findingsText(r)
				if worst := verdict.Worst(r.Findings); worst != tt.outcome || watched < tt.from || tt.to > 0 && watched > tt.to || r.Aborted {
					t.Errorf("watched for %s, want %s to %s; got %s, want %s:\n%s", watched, tt.from, tt.to, worst, tt.outcome, text)
				}
				if early := strings.Contains(text, "note bake/pass-after: passed after "); early != (tt.outcome == verdict.Note && watched < earlyWindow) {
					t.Errorf("it says that it passed early: %v:\n%s", early, text)
				}
			})
		})
	}
}

func findingsText(r Result) string {
	var text []string
	for _, f := range r.Findings {
		text = append(text, f.Outcome.String()+" "+f.Check+": "+f.Summary)
	}
	return strings.Join(text, "\n")
}

func failing(yes bool) error {
	if yes {
		return errors.New("connection refused")
	}
	return nil
}

// addOther has a metric read from another backend.
func addOther(p *Plan, b *backend, m Metric) {
	m.From = "other"
	p.Sources["other"] = b
	p.Options.Metrics = append(p.Options.Metrics, m)
}

// What begins behind an early pass is not seen. That is what was asked for.
func TestPassAfterDoesNotSeeWhatComesLater(t *testing.T) {
	for _, after := range []time.Duration{0, earlyAfter} {
		synctest.Test(t, func(t *testing.T) {
			p := earlyPlan(jointWorld{}, ownErrors)
			p.Options.PassAfter = after
			b := p.Sources["prom"].(*backend)
			b.answers["errors"] = append(b.answers["errors"], process{name: "errors", labels: map[string]string{"pod": "late"}, born: time.Now().Add(15 * time.Minute), value: perSecond(20)})
			r := Run(t.Context(), p)
			if got, want := verdict.Worst(r.Findings) == verdict.Fail, after == 0; got != want {
				t.Errorf("pass-after %s: it fails %v, want %v", after, got, want)
			}
		})
	}
}

// finish --once comes back: while it is too early it is pending, and then it passes at the first look at which it may.
func TestPassAfterOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := earlyPlan(jointWorld{}, ownErrors, traffic)
		p.Once = true
		for _, c := range []struct {
			at      time.Duration
			pending bool
		}{{5 * time.Minute, true}, {10*time.Minute + 20*time.Second, true}, {12 * time.Minute, false}} {
			time.Sleep(time.Until(p.Deploy.Finished.Add(c.at)))
			r := Run(t.Context(), p)
			if early := strings.Contains(findingsText(r), "bake/pass-after"); r.Pending != c.pending || early == c.pending {
				t.Errorf("after %s: pending %v, early %v:\n%s", c.at, r.Pending, early, findingsText(r))
			}
		}
	})
}

// A bake that goes on where an earlier process stopped passes as it would have: with what that one saw, and not before.
func TestPassAfterResumed(t *testing.T) {
	for _, stopped := range []time.Duration{5 * time.Minute, 10*time.Minute + 20*time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p := earlyPlan(jointWorld{}, ownErrors, traffic)
			begin := time.Now()
			r := Resume{Samples: map[string]judge.Packed{}, Baseline: map[string]judge.Packed{}}
			p.Observe = func(e Event) {
				switch e.Kind {
				case EventSample:
					leave(r.Samples, e)
				case EventBaseline:
					leave(r.Baseline, e)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), stopped)
			defer cancel()
			if killed := Run(ctx, p); !killed.Aborted {
				t.Fatalf("it ended by itself:\n%s", findingsText(killed))
			}
			r.Serving = begin
			p.Resume, p.Observe = r, nil
			got := Run(t.Context(), p)
			if watched := got.WindowTo.Sub(begin); verdict.Worst(got.Findings) != verdict.Note || watched < earlyAfter || watched > earlyAfter+2*time.Minute {
				t.Errorf("stopped after %s: watched for %s:\n%s", stopped, watched, findingsText(got))
			}
		})
	}
}

// Each group is looked at too: one that looks worse, or falls silent, has the bake go on.
func TestPassAfterByGroup(t *testing.T) {
	for name, c := range map[string]struct {
		worse, silent time.Duration // of zone b, since the deploy; 0: never
		early         bool
	}{"all is well": {0, 0, true}, "one falls silent": {0, 7 * time.Minute, false}, "one fails": {7 * time.Minute, 0, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := earlyPlan(jointWorld{}, with(ownErrors, func(m *Metric) { m.By = "zone" }))
				b, now := p.Sources["prom"].(*backend), time.Now()
				born := now.Add(-72 * time.Hour)
				for query, perSec := range map[string]float64{"requests": 100, "errors": 0.2} {
					b.answers[query] = nil
					for _, zone := range []string{"a", "b"} {
						x := process{name: query, labels: map[string]string{"zone": zone, "pod": zone + "1"}, born: born, value: perSecond(perSec)}
						if zone == "b" && c.silent > 0 {
							x.died = now.Add(c.silent)
						}
						b.answers[query] = append(b.answers[query], x)
					}
				}
				if c.worse > 0 {
					b.answers["errors"] = append(b.answers["errors"], process{name: "errors", labels: map[string]string{"zone": "b", "pod": "b2"}, born: now.Add(c.worse), value: perSecond(1)})
				}
				r := Run(t.Context(), p)
				if early := strings.Contains(findingsText(r), "bake/pass-after"); early != c.early {
					t.Errorf("it passes early: %v, want %v:\n%s", early, c.early, findingsText(r))
				}
			})
		})
	}
}
