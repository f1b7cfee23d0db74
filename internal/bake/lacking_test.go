package bake

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/verdict"
)

// severalProcesses answers without some of its processes for a while.
type severalProcesses struct {
	*backend
	from, to time.Time
}

func (s *severalProcesses) Range(ctx context.Context, qs []metric.Query, from, to time.Time, step time.Duration) ([]metric.Series, error) {
	got, err := s.backend.Range(ctx, qs, from, to, step)
	if now := time.Now(); now.Before(s.from) || !now.Before(s.to) {
		return got, err
	}
	errs := []error{err}
	for _, q := range qs {
		errs = append(errs, &metric.QueryError{Query: q.ID, Trouble: metric.Partial, Err: errors.New("1 of 3 processes give no answer")})
	}
	return got, errors.Join(errs...)
}

// What the others count can fail the deploy; it passes only if the silent ones were not silent for long.
func TestSomeProcessesAreSilent(t *testing.T) {
	tests := []struct {
		name     string
		from, to time.Duration
		bad      float64
		outcome  verdict.Outcome
		reason   string
		note     bool
	}{
		{"none", 0, 0, 0.2, verdict.Pass, "", false},
		{"for a while", 3 * time.Minute, 7 * time.Minute, 0.2, verdict.Pass, "", true},
		{"for most of it", 2 * time.Minute, 12 * time.Minute, 0.2, verdict.Unknown, "partial", false},
		{"to the end", 12 * time.Minute, time.Hour, 0.2, verdict.Unknown, "partial", false},
		{"to the end, just so", 14*time.Minute + 45*time.Second, time.Hour, 0.2, verdict.Pass, "", true},
		{"while the others fail", 0, time.Hour, 10, verdict.Fail, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				src := &severalProcesses{shop(now), now.Add(tt.from), now.Add(tt.to)}
				src.scrape = true
				bad := process{name: totalText, labels: badLabels, born: now.Add(-time.Hour), value: perSecond(tt.bad)}
				src.answers[totalText][1], src.answers[badText] = bad, []process{bad}
				var kinds []EventKind
				p := plan(src, &judges{}, errorsMetric())
				p.Observe = func(e Event) { kinds = append(kinds, e.Kind) }
				r := Run(t.Context(), p)
				wantFinding(t, r, "bake/errors", tt.outcome, tt.reason)
				has := slices.ContainsFunc(r.Findings, func(f verdict.Finding) bool { return f.Check == "bake/errors/partial" })
				if has != tt.note {
					t.Errorf("a note on the silent ones: %v, want %v", has, tt.note)
				}
				if told := slices.Contains(kinds, EventTrouble); told != (tt.to > 0) {
					t.Errorf("told: %v", told)
				}
			})
		})
	}
}
