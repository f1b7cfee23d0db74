package bake

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/verdict"
)

// summing gives increases over two minutes, each three quarters of a minute behind its end, once the metric has become wide.
type summing struct {
	*backend
	wide time.Time
}

const summed, settling = 2 * time.Minute, 45 * time.Second

func (s *summing) Range(ctx context.Context, qs []metric.Query, from, to time.Time, step time.Duration) ([]metric.Series, error) {
	if time.Now().Before(s.wide) {
		return s.backend.Range(ctx, qs, from, to, step)
	}
	raw, err := s.backend.Range(ctx, qs, from.Add(-summed), to, step)
	var out []metric.Series
	for _, q := range qs {
		x := metric.Series{Query: q.ID, Increase: summed}
		for end := from.Truncate(summed).Add(summed); !end.After(to) && !end.After(time.Now().Add(-settling)); end = end.Add(summed) {
			if v, any := increaseOf(raw, q.ID, end.Add(-summed), end); any {
				x.Points = append(x.Points, metric.Point{T: end.Add(-time.Millisecond), V: v})
			}
		}
		if len(x.Points) > 0 {
			out = append(out, x)
		}
	}
	return out, err
}

// increaseOf extrapolates as increase() does, for counters that do not restart and scrapes that are not missing.
func increaseOf(series []metric.Series, id string, from, to time.Time) (sum float64, any bool) {
	for _, s := range series {
		ps := slices.DeleteFunc(slices.Clone(s.Points), func(p metric.Point) bool { return p.T.Before(from) || !p.T.Before(to) })
		if n := len(ps); s.Query == id && n > 1 {
			sum += (ps[n-1].V - ps[0].V) * float64(to.Sub(from)) / float64(ps[n-1].T.Sub(ps[0].T))
			any = true
		}
	}
	return sum, any
}

// A metric is watched by increases alone, from the start or from the time on when its series become too many: windows are counted once,
// the bake ends soon behind its window, and what is bad is found.
func TestLiveIncreases(t *testing.T) {
	for _, c := range []struct {
		name     string
		from     time.Duration // when it becomes wide
		failing  bool
		outcome  verdict.Outcome
		min, max float64 // minutes that are counted
	}{
		{"good", -time.Hour, false, verdict.Pass, 12, 14},
		{"bad", -time.Hour, true, verdict.Fail, 2, 4},
		{"becomes wide", 7 * time.Minute, false, verdict.Pass, 11, 15},
		{"becomes wide and is bad", 7 * time.Minute, true, verdict.Fail, 0.2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Hour + 37*time.Second) // beside the windows
				start := time.Now()
				src, js := &summing{shop(start), start.Add(c.from)}, &judges{}
				if c.failing {
					src.answers[badText] = src.answers[totalText]
				}
				r := Run(t.Context(), plan(src, js, errorsMetric()))
				wantFinding(t, r, "bake/errors", c.outcome, "")
				got := js.last["errors"]
				checkSamples(t, got.seen)
				if minutes := got.after.Total / 6000; minutes < c.min || minutes > c.max || len(r.Gaps) != 0 {
					t.Errorf("%.2f minutes are counted, want %v to %v; gaps %v", minutes, c.min, c.max, r.Gaps)
				}
				if took := time.Since(start); took > 18*time.Minute {
					t.Errorf("took %s", took)
				} else {
					t.Logf("took %s, %.2f minutes counted", took, got.after.Total/6000)
				}
				f := find(t, r, "bake/errors")
				said := slices.ContainsFunc(f.Evidence, func(e verdict.Evidence) bool { return strings.Contains(e.Got, "sum(increase()) over 2m windows") })
				if said != (c.name != "becomes wide and is bad") {
					t.Errorf("evidence %v: is the weaker way named?", f.Evidence)
				}
			})
		})
	}
}
