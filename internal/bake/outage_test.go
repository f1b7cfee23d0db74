package bake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// outage makes the backend fail between two times after now.
func outage(from, to time.Duration, err error) func(time.Time) error {
	start := time.Now()
	return func(now time.Time) error {
		if d := now.Sub(start); d >= from && d < to {
			return err
		}
		return nil
	}
}

func TestBackendOutForTheWholeWindow(t *testing.T) {
	for _, class := range []metric.Trouble{metric.BackendDown, metric.Unauthorized, metric.Truncated, metric.TooMany, metric.LoadBalanced, metric.Undecided} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, js, start := shop(time.Now()), &judges{}, time.Now()
				src.down = outage(0, 24*time.Hour, errors.Join(&metric.QueryError{Query: "errors.bad", Trouble: class, Err: errors.New("x")}, &metric.QueryError{Query: "errors.total", Trouble: class, Err: errors.New("x")}))
				m := errorsMetric()
				m.Compare = "before"
				r := Run(t.Context(), plan(src, js, m))
				wantFinding(t, r, "bake/errors", verdict.Unknown, string(class))
				if took := time.Since(start); took < 15*time.Minute || took > 18*time.Minute {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// One address in front of several processes is refused as evidence, however late that shows.
func TestLoadBalancedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		src.down = outage(12*time.Minute, time.Hour, errors.Join(&metric.QueryError{Query: "errors.bad", Trouble: metric.LoadBalanced, Err: errors.New("x")}))
		r := Run(t.Context(), plan(src, js, errorsMetric()))
		wantFinding(t, r, "bake/errors", verdict.Unknown, "load-balanced")
	})
}

// What was missed is fetched later: the judge sees the same windows as without the outage.
func TestBackendOutForAThird(t *testing.T) {
	seen := map[bool][]judge.Sample{}
	for _, out := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			src, js := shop(time.Now()), &judges{}
			if out {
				src.down = outage(5*time.Minute, 10*time.Minute, errors.New("connection refused"))
			}
			var kinds []EventKind
			p := plan(src, js, errorsMetric())
			p.Observe = func(e Event) { kinds = append(kinds, e.Kind) }
			r := Run(t.Context(), p)
			wantFinding(t, r, "bake/errors", verdict.Pass, "")
			seen[out] = js.last["errors"].seen
			if got := slices.Contains(kinds, EventTrouble) && slices.Contains(kinds, EventRecovered); got != out {
				t.Errorf("trouble and recovery told: %v, want %v", got, out)
			}
			if len(r.Gaps) != 0 {
				t.Errorf("gaps %v: nothing is missing", r.Gaps)
			}
		})
	}
	sameSamples(t, seen[false], seen[true])
}

func TestBackendOutAtTheEndIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		src.down = outage(12*time.Minute, 16*time.Minute, errors.New("connection refused"))
		r := Run(t.Context(), plan(src, js, errorsMetric()))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		contiguous(t, js.last["errors"].seen, start, start.Add(15*time.Minute))
	})
}

// The backend itself was dead: there is nothing to fetch later.
func TestHoleInTheData(t *testing.T) {
	tests := []struct {
		from, to time.Duration
		outcome  verdict.Outcome
		reason   string
	}{
		{2 * time.Minute, 5 * time.Minute, verdict.Pass, ""},
		{2 * time.Minute, 11 * time.Minute, verdict.Unknown, "gap"},
		{12 * time.Minute, time.Hour, verdict.Pass, ""},
		{-time.Hour, time.Hour, verdict.Unknown, "no-data"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.from, tt.to), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, js, start := shop(time.Now()), &judges{}, time.Now()
				src.dead = func(x time.Time) bool { return !x.Before(start.Add(tt.from)) && x.Before(start.Add(tt.to)) }
				r := Run(t.Context(), plan(src, js, errorsMetric()))
				wantFinding(t, r, "bake/errors", tt.outcome, tt.reason)
				if len(r.Gaps) != 1 {
					t.Fatalf("gaps %v, want one", r.Gaps)
				}
				if tt.outcome == verdict.Pass {
					wantFinding(t, r, "bake/errors/gap", verdict.Note, "gap")
				}
				if tt.to < 15*time.Minute && js.last["errors"].after.Total != 90000 {
					t.Errorf("total %v: the difference over the hole is lost", js.last["errors"].after.Total)
				}
			})
		})
	}
}

func TestLagOfThreeMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		src.lag = 3 * time.Minute
		r := Run(t.Context(), plan(src, js, errorsMetric()))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		contiguous(t, js.last["errors"].seen, start, start.Add(15*time.Minute))
		if got := js.last["errors"].after.Total; got != 90000 {
			t.Errorf("total %v, want 90000", got)
		}
		if took := time.Since(start); took < 18*time.Minute || took > 19*time.Minute+30*time.Second {
			t.Errorf("took %s, want the window and the lag", took)
		}
	})
}

// One of two pods is half a minute later than the other: no window is closed before it has spoken.
func TestLatePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		slow := process{name: totalText, labels: map[string]string{"pod": "b", "code": "200"}, born: start.Add(-time.Hour), offset: 14 * time.Second, value: perSecond(10)}
		src.answers[totalText] = append(src.answers[totalText], slow)
		Run(t.Context(), plan(src, js, errorsMetric()))
		for _, s := range js.last["errors"].seen {
			if math.Abs(s.Total-3300) > 2 {
				t.Errorf("%s: total %v, want 3300", s.From, s.Total)
			}
		}
	})
}

func TestMetricsDoNotWaitForASlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast, slow, js := shop(time.Now()), shop(time.Now()), &judges{}
		slow.delay = 50 * time.Second
		p := plan(fast, js, errorsMetric())
		m := errorsMetric()
		m.Name, m.From = "slow", "other"
		p.Options.Metrics = append(p.Options.Metrics, m)
		p.Sources["other"] = slow
		r := Run(t.Context(), p)
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		wantFinding(t, r, "bake/slow", verdict.Pass, "")
		if fast.overlap.Load() || slow.overlap.Load() {
			t.Error("polls overlap")
		}
		if fast.calls < 30 || slow.calls > 25 {
			t.Errorf("%d and %d calls", fast.calls, slow.calls)
		}
	})
}

// A query that the backend refuses costs the others nothing, and the window is not fetched again and again for it.
func TestBrokenQueryBesideGoodOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		r := Run(t.Context(), plan(src, js, errorsMetric(), Metric{Name: "x", From: "prom", Gauge: "broken", Limit: &Limit{}}))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		wantFinding(t, r, "bake/x", verdict.Unknown, "bad-query")
	})
}

func TestCancelReturnsAtOnce(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			src, js, start := shop(time.Now()), &judges{}, time.Now()
			src.delay, src.deaf = 20*time.Second, deaf
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+31*time.Second)
			defer cancel()
			over := false
			p := plan(src, js, errorsMetric())
			p.Observe = func(Event) {
				if over {
					t.Error("an event behind the end")
				}
			}
			r := Run(ctx, p)
			over = true
			if late := time.Since(start) - (5*time.Minute + 31*time.Second); late > 100*time.Millisecond {
				t.Errorf("returned %s after the cancellation", late)
			}
			if !r.Aborted || r.Pending {
				t.Errorf("result %+v, want aborted", r)
			}
			wantFinding(t, r, "bake/errors", verdict.Note, "")
			time.Sleep(time.Minute)
		})
	}
}

func TestSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := shop(time.Now()), &judges{}, time.Now()
		p := plan(src, js, errorsMetric())
		asked := 0
		p.Superseded = func(context.Context) (string, bool, error) {
			asked++
			return "deploy\x1b[31m 7", time.Since(start) > 3*time.Minute, nil
		}
		r := Run(t.Context(), p)
		if r.Superseded != "deploy[31m 7" || r.Aborted {
			t.Errorf("superseded %q, aborted %v", r.Superseded, r.Aborted)
		}
		if took := time.Since(start); asked != 5 || took > 4*time.Minute+time.Second {
			t.Errorf("asked %d times in %s, want once a minute", asked, took)
		}
	})
}

func TestOncePendsUntilTheWindowIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		m := errorsMetric()
		m.Compare = "before"
		p := plan(src, js, m)
		p.Once = true
		look := func(pending bool) {
			t.Helper()
			start := time.Now()
			if r := Run(t.Context(), p); r.Pending != pending || time.Since(start) > time.Second {
				t.Errorf("pending %v in %s, want %v at once", r.Pending, time.Since(start), pending)
			}
		}
		time.Sleep(time.Minute)
		look(true)
		time.Sleep(5 * time.Minute)
		look(true)
		if n := len(js.last["errors"].seen); n < 10 {
			t.Errorf("%d samples after 6 minutes", n)
		}
		time.Sleep(10 * time.Minute)
		look(false)
		wantFinding(t, Run(t.Context(), p), "bake/errors", verdict.Pass, "")
	})
}

func TestOnceTellsABadDeployBeforeTheWindowIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		src.answers[badText] = src.answers[totalText]
		p := plan(src, js, errorsMetric())
		p.Once = true
		time.Sleep(3 * time.Minute)
		r := Run(t.Context(), p)
		wantFinding(t, r, "bake/errors", verdict.Fail, "")
		if r.Pending {
			t.Error("pending beside a failure")
		}
	})
}
