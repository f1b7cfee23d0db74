package bake

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

func find(t *testing.T, r Result, check string) verdict.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding %q in %+v", check, r.Findings)
	return verdict.Finding{}
}

func wantFinding(t *testing.T, r Result, check string, o verdict.Outcome, reason string) {
	t.Helper()
	if f := find(t, r, check); f.Outcome != o || f.Reason != reason {
		t.Errorf("%s is %s, reason %q, want %s, %q: %s", check, f.Outcome, f.Reason, o, reason, f.Summary)
	}
}

// contiguous checks that the judge saw every window once, in order, from the first to the last.
func contiguous(t *testing.T, ss []judge.Sample, from, to time.Time) {
	t.Helper()
	for _, s := range ss {
		if !s.From.Equal(from) {
			t.Errorf("a sample begins at %s, want %s", s.From, from)
		}
		from = s.To
	}
	if !from.Equal(to) {
		t.Errorf("the samples end at %s, want %s", from, to)
	}
}

func TestGoodDeployPassesAtTheWindowsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		m := errorsMetric()
		m.Compare = "before"
		r := Run(t.Context(), plan(src, js, m))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		j := js.last["errors"]
		contiguous(t, j.seen, start, start.Add(15*time.Minute))
		if got := j.after; got.Total != 15*60*100 || got.Events != 180 {
			t.Errorf("%v of %v, want 180 of 90000", got.Events, got.Total)
		}
		if took := time.Since(start); took < 15*time.Minute || took > 15*time.Minute+45*time.Second {
			t.Errorf("took %s", took)
		}
		// 3 h of history before the deploy's start and one step, in steps of a minute; the first window only primes.
		if n := len(j.before); n < 178 || n > 180 {
			t.Errorf("%d samples of the baseline, want 179", n)
		}
		if last := j.before[len(j.before)-1]; last.To.After(start.Add(-time.Minute - 30*time.Second)) {
			t.Errorf("the baseline ends at %s, behind the deploy's start less a step", last.To)
		}
		if src.overlap.Load() {
			t.Error("polls overlap")
		}
		if len(r.Judgements) != 1 || len(r.Gaps) != 0 || r.Pending || r.Aborted {
			t.Errorf("result %+v", r)
		}
	})
}

func TestBadDeployFailsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		burst := process{name: totalText, labels: map[string]string{"pod": "a", "code": "503"}, born: start.Add(4*time.Minute + 5*time.Second), value: perSecond(50)}
		src.answers[totalText] = append(src.answers[totalText], burst)
		src.answers[badText] = append(src.answers[badText], burst)
		other := Metric{Name: "up", From: "prom", Boolean: totalText}
		r := Run(t.Context(), plan(src, js, errorsMetric(), other))
		wantFinding(t, r, "bake/errors", verdict.Fail, "")
		wantFinding(t, r, "bake/up", verdict.Note, "")
		if took := time.Since(start); took < 4*time.Minute || took > 5*time.Minute+30*time.Second {
			t.Errorf("took %s, want soon after the first 503", took)
		}
	})
}

// The first failure's series appears in the window: its first point counts from 0, and the time before is zero events.
func TestFirstFailuresSeriesAppearsInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		src.answers[totalText] = src.answers[totalText][:1]
		first := process{name: totalText, labels: badLabels, born: start.Add(5 * time.Minute), value: func(age time.Duration) float64 { return 7 }}
		src.answers[badText] = []process{first}
		src.answers[totalText] = append(src.answers[totalText], first)
		r := Run(t.Context(), plan(src, js, errorsMetric()))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		if got := js.last["errors"].after.Events; got != 7 {
			t.Errorf("%v bad events, want 7", got)
		}
	})
}

// A service that nobody observed before: its series are of unknown age for a scrape and a half, and what appears then is new.
func TestFailuresOfAFirstDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		js, start := &judges{}, time.Now()
		ok := process{name: totalText, labels: okLabels, born: start.Add(-time.Second), value: perSecond(10)}
		bad := process{name: totalText, labels: badLabels, born: start.Add(65 * time.Second), value: func(time.Duration) float64 { return 4 }}
		src := &backend{every: 15 * time.Second, answers: map[string][]process{totalText: {ok, bad}, badText: {bad}}}
		r := Run(t.Context(), plan(src, js, errorsMetric()))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		if got := js.last["errors"].after.Events; got != 4 {
			t.Errorf("%v bad events, want 4", got)
		}
	})
}

func TestSelectorThatNeverMatched(t *testing.T) {
	tests := map[string]struct{ bad, total Text }{
		"another name":  {"http_request_failures_total", totalText},
		"another label": {`http_requests_total{status=~"5.."}`, totalText},
		"total":         {badText, "nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, js := shop(time.Now()), &judges{}
				m := errorsMetric()
				m.Bad, m.Total = tt.bad, tt.total
				r := Run(t.Context(), plan(src, js, m))
				wantFinding(t, r, "bake/errors", verdict.Unknown, "selector")
			})
		})
	}
}

func TestDataIsNoEvidence(t *testing.T) {
	now := func() time.Time { return time.Now().Add(-time.Hour) }
	tests := []struct {
		name, reason string
		m            Metric
		answers      func() map[string][]process
	}{
		{"nothing at all", "no-data", errorsMetric(), func() map[string][]process { return nil }},
		{"NaN", "nan", Metric{Name: "errors", From: "prom", Gauge: "g", Limit: &Limit{Max: Bound{V: 1, Set: true}}},
			func() map[string][]process {
				return map[string][]process{"g": {{born: now(), value: constant(math.NaN())}}}
			}},
		{"several series", "several-series", Metric{Name: "errors", From: "prom", Expr: "g", Limit: &Limit{Max: Bound{V: 1, Set: true}}},
			func() map[string][]process {
				return map[string][]process{"g": {{labels: okLabels, born: now(), value: constant(0)}, {labels: badLabels, born: now(), value: constant(0)}}}
			}},
		{"bad is no part of total", "selectors", errorsMetric(), func() map[string][]process {
			return map[string][]process{totalText: {{name: totalText, labels: okLabels, born: now(), value: perSecond(1)}}, badText: {{name: totalText, labels: badLabels, born: now(), value: perSecond(5)}}}
		}},
		{"a bad query", "bad-query", Metric{Name: "errors", From: "prom", Gauge: "broken", Limit: &Limit{Max: Bound{V: 1, Set: true}}}, func() map[string][]process { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, js := shop(time.Now()), &judges{}
				src.answers = tt.answers()
				r := Run(t.Context(), plan(src, js, tt.m))
				wantFinding(t, r, "bake/errors", verdict.Unknown, tt.reason)
				if f := find(t, r, "bake/errors"); f.Hint == "" || f.Summary == "" {
					t.Errorf("finding without a hint or summary: %+v", f)
				}
			})
		})
	}
}

// Two old pods are replaced by two new ones, one after the other.
func TestRollingReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		js, start := &judges{}, time.Now()
		pod := func(name string, born, died time.Duration, n float64) process {
			p := process{name: totalText, labels: map[string]string{"pod": name, "code": "200"}, born: start.Add(born), offset: 3 * time.Second, value: perSecond(n)}
			if died != 0 {
				p.died = start.Add(died)
			}
			return p
		}
		src := &backend{every: 15 * time.Second, answers: map[string][]process{totalText: {
			pod("a1", -50*time.Hour, 2*time.Minute, 20), pod("b1", -60*time.Hour, 4*time.Minute, 20), pod("a2", 2*time.Minute, 0, 20), pod("b2", 4*time.Minute, 0, 20),
		}}}
		r := Run(t.Context(), plan(src, js, errorsMetric()))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		// What an old pod counted behind its last scrape is unknowable: less than a scrape interval each.
		if got := js.last["errors"].after.Total; got > 36000 || got < 36000-2*15*20 {
			t.Errorf("total %v, want just below 36000", got)
		}
	})
}

// A second process goes on where the first was killed, and comes to the same samples.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		m := errorsMetric()
		m.Compare = "before"
		p := plan(src, js, m)
		kept := Resume{Samples: map[string]judge.Packed{}, Baseline: map[string]judge.Packed{}}
		p.Observe = func(e Event) {
			switch e.Kind {
			case EventSample:
				leave(kept.Samples, e)
			case EventBaseline:
				leave(kept.Baseline, e)
			case EventServing:
				kept.Serving = e.From
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
		defer cancel()
		Run(ctx, p)
		first, baseline := kept.Samples["errors"].Len(), kept.Baseline["errors"].Len()
		time.Sleep(3 * time.Minute)
		p.Resume = kept
		p.Resume.Samples = maps.Clone(kept.Samples)
		r := Run(t.Context(), p)
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		contiguous(t, js.last["errors"].seen, start, start.Add(15*time.Minute))
		contiguous(t, kept.Samples["errors"].Samples(), start, start.Add(15*time.Minute))
		if got := js.last["errors"].after; got.Total != 90000 || got.Events != 180 {
			t.Errorf("%v of %v, want 180 of 90000", got.Events, got.Total)
		}
		if first == 0 || kept.Baseline["errors"].Len() != baseline {
			t.Errorf("%d samples kept, baseline %d and then %d", first, baseline, kept.Baseline["errors"].Len())
		}
	})
}

// leave keeps what an event tells, for a later process.
func leave(to map[string]judge.Packed, e Event) {
	p := to[e.Metric]
	p.Add(e.Samples...)
	to[e.Metric] = p
}

func TestScrapeWarmsUpAndBakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		src.scrape = true
		m := errorsMetric()
		m.Compare = "before"
		p := plan(src, js, m)
		warm := Warm(t.Context(), p, 2*time.Minute)
		if n := warm["errors"].Len(); n != 4 && n != 3 {
			t.Fatalf("%d samples of the warm-up, want one a step", n)
		}
		p.Deploy.Started = time.Now()
		p.Deploy.Finished = time.Now()
		p.Resume.Baseline = warm
		start := time.Now()
		r := Run(t.Context(), p)
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		if took := time.Since(start); took < 15*time.Minute || took > 16*time.Minute {
			t.Errorf("took %s", took)
		}
		if got := js.last["errors"]; len(got.before) != warm["errors"].Len() || math.Abs(got.after.Total-90000) > 3100 {
			t.Errorf("before %d samples, total %v", len(got.before), got.after.Total)
		}
	})
}

func TestScrapeThatComesLateStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		src.scrape = true
		p := plan(src, js, errorsMetric())
		var notes []string
		p.Observe = func(e Event) { notes = append(notes, e.Text) }
		time.Sleep(10 * time.Minute)
		start := time.Now()
		r := Run(t.Context(), p)
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		if time.Since(start) < 15*time.Minute || !strings.Contains(strings.Join(notes, "\n"), "has no history") {
			t.Errorf("took %s, said %q", time.Since(start), notes)
		}
	})
}

func TestUnknownDeployTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		m := errorsMetric()
		m.Compare = "before"
		p := plan(src, js, m)
		p.Deploy.Started, p.Deploy.Finished = time.Time{}, time.Time{}
		r := Run(t.Context(), p)
		wantFinding(t, r, "bake/baseline", verdict.Unknown, "no-baseline")
		wantFinding(t, r, "bake/errors", verdict.Unknown, "no-baseline")
	})
}

func TestNothingBeforeTheDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		src.dead = func(x time.Time) bool { return x.Before(start.Add(-time.Minute)) }
		m := errorsMetric()
		m.Compare = "before"
		r := Run(t.Context(), plan(src, js, m))
		wantFinding(t, r, "bake/errors", verdict.Unknown, "no-baseline")
	})
}

// That there is much less than was asked for is told, in the bake and in a look; what is left out on purpose is no lack.
func TestShortBefore(t *testing.T) {
	m := errorsMetric()
	m.Compare = "before"
	for name, c := range map[string]struct {
		lives time.Duration
		out   time.Duration
		want  string
	}{
		"a new service": {20 * time.Minute, 0, "19m of the 3h (errors)"},
		"enough":        {time.Hour, 0, ""},
		"left out":      {4 * time.Hour, 170 * time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, start := shop(time.Now()), time.Now()
				src.dead = func(x time.Time) bool { return x.Before(start.Add(-c.lives)) }
				p := plan(src, &judges{}, m)
				p.Excluded = []Interval{{From: start.Add(-4 * time.Hour), To: start.Add(-4*time.Hour + c.out)}}
				if got := Look(t.Context(), p)[0].Before; (got != "") != (c.want != "") {
					t.Errorf("the look says %q", got)
				}
				told := ""
				for _, f := range Run(t.Context(), p).Findings {
					if f.Check == "bake/baseline" {
						told += f.Summary
						if f.Outcome != verdict.Note {
							t.Errorf("got %+v, want a note", f)
						}
					}
				}
				if (told != "") != (c.want != "") || !strings.Contains(told, c.want) {
					t.Errorf("the bake says %q, want %q", told, c.want)
				}
			})
		})
	}
}

func TestBaselineLeavesOutEarlierDeploys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		m := errorsMetric()
		m.Compare = "before"
		p := plan(src, js, m)
		out := Interval{From: start.Add(-2 * time.Hour), To: start.Add(-time.Hour)}
		p.Excluded = []Interval{out}
		Run(t.Context(), p)
		before := js.last["errors"].before
		if n := len(before); n < 115 || n > 120 {
			t.Errorf("%d samples, want about two hours", n)
		}
		for _, s := range before {
			if s.To.After(out.From) && s.From.Before(out.To) {
				t.Errorf("a sample of the excluded time: %s", s.From)
			}
		}
	})
}

// The history fails for ten minutes and is fetched then: the verdict is the one it would have had.
func TestBaselineIsFetchedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		src.down = outage(0, 10*time.Minute, errors.New("connection refused"))
		m := errorsMetric()
		m.Compare = "before"
		r := Run(t.Context(), plan(src, js, m))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		if n := len(js.last["errors"].before); n < 178 {
			t.Errorf("%d samples of the baseline", n)
		}
	})
}
