package bake

import (
	"context"
	"errors"
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

// gate decides after a while, for all of the time since it began; at is 0 for never.
type gate struct {
	begun time.Time
	at    time.Duration
	value float64
}

func (*gate) Check(metric.Query) error { return nil }
func (*gate) Traits() metric.Traits    { return metric.Traits{} }

func (g *gate) Range(_ context.Context, qs []metric.Query, from, to time.Time, step time.Duration) ([]metric.Series, error) {
	if g.begun.IsZero() {
		g.begun = time.Now()
	}
	if g.at == 0 || time.Since(g.begun) < g.at {
		return nil, &metric.QueryError{Query: qs[0].ID, Trouble: metric.Undecided, Err: errors.New("in progress")}
	}
	s := metric.Series{Query: qs[0].ID, Notes: []string{"rule monitors"}}
	for at := g.begun; !at.After(time.Now()); at = at.Add(step) {
		if !at.Before(from) && at.Before(to) {
			s.Points = append(s.Points, metric.Point{T: at, V: g.value})
		}
	}
	return []metric.Series{s}, nil
}

// A decision of the backend's own counts for all of the time that it took; where there is none, nothing is proved.
func TestGate(t *testing.T) {
	for _, c := range []struct {
		name    string
		at      time.Duration
		value   float64
		outcome verdict.Outcome
		text    string
	}{
		{"passes late", 9 * time.Minute, 1, verdict.Pass, "alerts"},
		{"fails late", 9 * time.Minute, 0, verdict.Fail, ": rule monitors"},
		{"fails at once", time.Second, 0, verdict.Fail, ": rule monitors"},
		{"passes at once", time.Second, 1, verdict.Pass, "alerts"},
		{"never decides", 0, 1, verdict.Unknown, "has not decided yet: in progress"},
		{"decides behind the window", time.Hour, 1, verdict.Unknown, "has not decided yet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{Window: 10 * time.Minute, Step: 15 * time.Second, Alpha: 0.01, Metrics: []Metric{{Name: "alerts", From: "dd", Boolean: `service:a`}}}
				r := Run(t.Context(), Plan{Options: o, Sources: map[string]metric.Source{"dd": &gate{at: c.at, value: c.value}}, Deploy: release.Deploy{Started: time.Now().Add(-time.Minute), Finished: time.Now()}})
				if f := r.Findings[0]; f.Outcome != c.outcome || !strings.Contains(f.Summary, c.text) {
					t.Errorf("got %v", r.Findings)
				}
			})
		})
	}
}
