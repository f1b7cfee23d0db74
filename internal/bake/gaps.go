package bake

import (
	"fmt"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// gaps are the parts of the window in which nothing was observed. What is merely between two scrapes is none.
func (w *watch) gaps(over bool) (gs []Gap) {
	empty := append([]Interval(nil), w.empty...)
	if over && w.cursor.Before(w.to) {
		empty = joinInterval(empty, Interval{From: later(w.cursor, w.from), To: w.to})
	}
	for _, e := range empty {
		if e.To.Sub(e.From) < w.shortestGap() {
			continue
		}
		g := Gap{Metric: w.Name, From: e.From, To: e.To, Reason: judge.NoData}
		if w.asking.trouble != nil && e.To.After(w.cursor) {
			g.Reason = w.asking.trouble.reason
		}
		gs = append(gs, g)
	}
	return gs
}

// shortestGap is how long nothing has to come for it to be more than the time between two scrapes.
func (w *watch) shortestGap() time.Duration {
	return max(2*w.grid.step, time.Duration(missedScrapes*float64(w.arrival.interval)))
}

func (w *watch) tellGaps(gs []Gap) {
	for _, g := range gs {
		w.tell(Event{Kind: EventGap, Metric: w.Name, Reason: g.Reason, From: g.From, To: g.To, Text: fmt.Sprintf("%s: no data from %s to %s", w.Name, clock24(g.From), clock24(g.To))})
	}
}

func gapNote(name string, gs []Gap) (verdict.Finding, bool) {
	if len(gs) == 0 {
		return verdict.Finding{}, false
	}
	parts := make([]string, len(gs))
	for i, g := range gs {
		parts[i] = fmt.Sprintf("from %s to %s", clock24(g.From), clock24(g.To))
	}
	return verdict.Finding{Check: "bake/" + name + "/gap", Outcome: verdict.Note, Reason: "gap", Doc: "bake-gap",
		Summary: fmt.Sprintf("%s: no data %s; it was judged by what there is", name, strings.Join(parts, ", "))}, true
}
