package bake

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// firing is a source of alerts: one begins to fire at a time.
type firing struct{ from time.Time }

func (*firing) Check(metric.Query) error { return nil }
func (*firing) Traits() metric.Traits    { return metric.Traits{History: true} }

func (f *firing) Range(_ context.Context, qs []metric.Query, from, to time.Time, step time.Duration) (out []metric.Series, _ error) {
	for _, q := range qs {
		s := metric.Series{Query: q.ID}
		for at := from.Truncate(step); at.Before(to) && !at.After(time.Now()); at = at.Add(step) {
			v := 1.0
			if !f.from.IsZero() && !at.Before(f.from) {
				v = 0
				s.Notes = []string{"HighErrorRate {service=checkout}"}
			}
			if !at.Before(from) {
				s.Points = append(s.Points, metric.Point{T: at, V: v})
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// The verdict names the alert that fired; what a backend says beside its numbers is evidence.
func TestNotes(t *testing.T) {
	for name, after := range map[string]time.Duration{"fires": time.Minute, "quiet": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &firing{}
				if after > 0 {
					src.from = time.Now().Add(after)
				}
				o := Options{Window: 10 * time.Minute, Step: 15 * time.Second, Alpha: 0.01, Metrics: []Metric{{Name: "alerts", From: "alerts", Boolean: `service="checkout"`}}}
				r := Run(t.Context(), Plan{Options: o, Sources: map[string]metric.Source{"alerts": src}, Deploy: release.Deploy{Started: time.Now().Add(-time.Minute), Finished: time.Now()}})
				text := fmt.Sprint(r.Findings)
				f := r.Findings[0]
				if after == 0 {
					if f.Outcome != verdict.Pass || strings.Contains(text, "HighErrorRate") {
						t.Errorf("got %v", r.Findings)
					}
					return
				}
				if f.Outcome != verdict.Fail || !strings.HasSuffix(f.Summary, ": HighErrorRate {service=checkout}") || !strings.Contains(text, "{note HighErrorRate {service=checkout} ") {
					t.Errorf("got %v", r.Findings)
				}
			})
		})
	}
}

func TestNotesAreBounded(t *testing.T) {
	w := &watch{}
	for i := range 100 {
		w.note([]metric.Series{{Notes: []string{fmt.Sprint("note ", i/2)}}, {Notes: []string{fmt.Sprint("note ", i/2)}}})
	}
	if len(w.notes) != maxNotes || w.notes[9] != "note 9" || len(w.noted()) != maxNotes {
		t.Errorf("got %q", w.notes)
	}
}
