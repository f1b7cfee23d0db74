package bake

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/verdict"
)

const infoText = "build_info"

// rollout is a shop whose version v1 is replaced by v2: v2 comes up and, later, v1 goes.
func rollout(up, gone time.Duration) *backend {
	now := time.Now()
	src := shop(now)
	old := process{name: infoText, labels: map[string]string{"version": "v1"}, born: now.Add(-time.Hour), value: constant(1)}
	if gone > 0 {
		old.died = now.Add(gone)
	}
	src.answers[infoText] = []process{old, {name: infoText, labels: map[string]string{"version": "v2"}, born: now.Add(up), value: constant(1)}}
	return src
}

func readyPlan(src *backend, js *judges, r ReadyWhen) Plan {
	p := plan(src, js, errorsMetric())
	p.Options.ReadyWhen = &r
	p.Options = p.Options.WithDefaults()
	p.Vars = map[string]string{"version": "v2"}
	return p
}

func TestClockStartsWhenTheNewVersionServesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js, start := rollout(2*time.Minute, 6*time.Minute), &judges{}, time.Now()
		r := Run(t.Context(), readyPlan(src, js, ReadyWhen{Version: infoText}))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		if after := r.Serving.Sub(start); after < 6*time.Minute || after > 7*time.Minute {
			t.Errorf("serving after %s, want soon after 6m", after)
		}
		contiguous(t, js.last["errors"].seen, r.Serving, r.Serving.Add(15*time.Minute))
	})
}

func TestNotServing(t *testing.T) {
	tests := map[string]struct {
		src  func() *backend
		r    ReadyWhen
		want string
	}{
		"the new version never comes":  {func() *backend { return rollout(time.Hour, 0) }, ReadyWhen{Version: infoText}, `version="v1" still reports`},
		"the old version never goes":   {func() *backend { return rollout(time.Minute, 0) }, ReadyWhen{Version: infoText}, `version="v1" still reports`},
		"the selector matches nothing": {func() *backend { return rollout(time.Minute, 0) }, ReadyWhen{Version: "nothing"}, "matches nothing"},
		"the value stays 0": {func() *backend {
			src := rollout(0, 0)
			src.answers["q"] = []process{{born: time.Now(), value: constant(0)}}
			return src
		}, ReadyWhen{Query: "q"}, "is 0"},
		"the backend is down": {func() *backend {
			src := rollout(0, time.Minute)
			src.down = func(time.Time) error { return errors.New("refused") }
			return src
		}, ReadyWhen{Version: infoText}, "refused"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := Run(t.Context(), readyPlan(tt.src(), &judges{}, tt.r))
				wantFinding(t, r, "bake/ready", verdict.Unknown, "not-serving")
				if f := find(t, r, "bake/ready"); !strings.Contains(f.Summary, tt.want) {
					t.Errorf("summary %q, want %q in it", f.Summary, tt.want)
				}
				if took := time.Since(start); took < 10*time.Minute || took > 10*time.Minute+10*time.Second || !r.Serving.IsZero() {
					t.Errorf("took %s, serving %s", took, r.Serving)
				}
			})
		})
	}
}

func TestReadyQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, start := rollout(0, 0), time.Now()
		src.answers["q"] = []process{{born: start, value: func(age time.Duration) float64 { return float64(int(age / (3 * time.Minute))) }}}
		r := Run(t.Context(), readyPlan(src, &judges{}, ReadyWhen{Query: "q"}))
		if after := r.Serving.Sub(start); after < 3*time.Minute || after > 4*time.Minute {
			t.Errorf("serving after %s, want 3m", after)
		}
	})
}

func TestCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		r := Run(ctx, readyPlan(rollout(time.Hour, 0), &judges{}, ReadyWhen{Version: infoText}))
		if !r.Aborted || time.Since(start) > time.Minute+100*time.Millisecond || len(r.Findings) != 0 {
			t.Errorf("result %+v in %s", r, time.Since(start))
		}
	})
}

func TestOnceWaitsAcrossCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := readyPlan(rollout(time.Hour, 0), &judges{}, ReadyWhen{Version: infoText})
		p.Once = true
		if r := Run(t.Context(), p); !r.Pending || len(r.Findings) != 0 {
			t.Errorf("the first look: %+v, want pending", r)
		}
		time.Sleep(11 * time.Minute)
		r := Run(t.Context(), p)
		wantFinding(t, r, "bake/ready", verdict.Unknown, "not-serving")
		if r.Pending {
			t.Error("pending behind the time-out")
		}
	})
}

// A source that hangs and does not look at its context keeps nobody waiting.
func TestCancelWhileADeafSourceIsAskedForReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, start := rollout(time.Hour, 0), time.Now()
		src.delay, src.deaf = time.Hour, true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := Run(ctx, readyPlan(src, &judges{}, ReadyWhen{Version: infoText}))
		if took := time.Since(start); !r.Aborted || took > time.Minute+100*time.Millisecond {
			t.Errorf("took %s, aborted %v", took, r.Aborted)
		}
		time.Sleep(2 * time.Hour) // the source returns
	})
}

// The clock starts when the new version receives its share of the traffic, whatever it shows before: nothing, no requests at all, less.
func TestClockStartsAtTheCanarysWeight(t *testing.T) {
	weight := func(steps map[time.Duration]float64, last float64) func(time.Duration) float64 {
		return func(age time.Duration) float64 {
			v, at := last, 24*time.Hour
			for until, w := range steps {
				if age < until && until < at {
					v, at = w, until
				}
			}
			return v
		}
	}
	tests := map[string]struct {
		bound Bound
		value func(time.Duration) float64
		after time.Duration // of the deploy's end; 0: never
		says  string
	}{
		"a share":               {Bound{V: 0.1, Set: true, Text: "10%"}, weight(map[time.Duration]float64{2 * time.Minute: 0, 6 * time.Minute: 0.05}, 0.1), 5 * time.Minute, ""},
		"no requests at first":  {Bound{V: 0.1, Set: true, Text: "10%"}, weight(map[time.Duration]float64{4 * time.Minute: math.NaN()}, 0.5), 3 * time.Minute, ""},
		"a weight of a hundred": {Bound{V: 25, Set: true, Text: "25"}, weight(map[time.Duration]float64{3 * time.Minute: 5}, 50), 2 * time.Minute, ""},
		"it stays below":        {Bound{V: 0.1, Set: true, Text: "10%"}, weight(nil, 0.05), 0, "ready-when is 5%, want at least 10%"},
		"nothing but NaN":       {Bound{V: 0.1, Set: true, Text: "10%"}, weight(nil, math.NaN()), 0, "matches nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, js, start := shop(time.Now()), &judges{}, time.Now()
				src.answers["weight"] = []process{{labels: map[string]string{"canary": "yes"}, born: start.Add(-time.Minute), value: tt.value}}
				r := Run(t.Context(), readyPlan(src, js, ReadyWhen{Query: "weight", AtLeast: tt.bound}))
				if tt.after == 0 {
					wantFinding(t, r, "bake/ready", verdict.Unknown, "not-serving")
					if f := find(t, r, "bake/ready"); !strings.Contains(f.Summary, tt.says) {
						t.Errorf("got %q, want %q in it", f.Summary, tt.says)
					}
					return
				}
				wantFinding(t, r, "bake/errors", verdict.Pass, "")
				if after := r.Serving.Sub(start); after < tt.after || after > tt.after+time.Minute {
					t.Errorf("serving after %s, want soon after %s", after, tt.after)
				}
				contiguous(t, js.last["errors"].seen, r.Serving, r.Serving.Add(15*time.Minute))
			})
		})
	}
}
