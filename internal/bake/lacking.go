package bake

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/verdict"
)

// lacking is when some of a service's processes gave no answer while others did. What the others count is judged, and can fail; it can't
// pass for those that nobody heard.
type lacking struct {
	trouble *trouble  // nil: all answer
	since   time.Time // the last poll that had all
	over    []Interval
	polled  time.Time
	polls   int // in a row without some
}

// lastingPolls is for how many polls at the end of the window a process must be silent to be taken for gone, and not for restarting.
const lastingPolls = 3

// lacks notes what a poll said of the processes that did not answer; nil: all did.
func (w *watch) lacks(t *trouble, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &w.lacking
	switch {
	case t != nil && l.trouble == nil:
		l.since, l.polls = later(l.polled, w.from), 0
		w.tell(Event{Kind: EventTrouble, Metric: w.Name, Reason: t.reason, Text: fmt.Sprintf("%s: %s", w.Name, t.text)})
	case t == nil && l.trouble != nil:
		l.over = joinInterval(l.over, Interval{From: l.since, To: now})
		w.tell(Event{Kind: EventRecovered, Metric: w.Name, Reason: l.trouble.reason, From: l.since, To: now,
			Text: fmt.Sprintf("%s: all processes answer again after %s", w.Name, short(now.Sub(l.since)))})
	}
	if t != nil {
		l.polls++
	}
	l.trouble, l.polled = t, now
}

// lacked are the parts of the window in which some processes were not heard.
func (w *watch) lacked() []Interval {
	if w.lacking.trouble == nil {
		return w.lacking.over
	}
	end := w.to
	if w.lacking.polled.Before(end) { // the bake ended early
		end = w.lacking.polled
	}
	return joinInterval(slices.Clone(w.lacking.over), Interval{From: w.lacking.since, To: end})
}

// unheard says why a window that is over is no evidence: processes were silent for most of it, or to its end.
func (w *watch) unheard() *trouble {
	missing := time.Duration(0)
	for _, i := range w.lacked() {
		missing += i.To.Sub(i.From)
	}
	l := w.lacking
	switch {
	case missing*2 > w.to.Sub(w.from):
		return &trouble{"partial", fmt.Sprintf("some of the service's processes gave no answer for %s of the %s", short(missing), short(w.to.Sub(w.from))), troubles["partial"].hint}
	case l.trouble != nil && l.polls >= lastingPolls:
		return l.trouble
	}
	return nil
}

// lackedNote tells of processes that were silent for a while.
func (w *watch) lackedNote() (verdict.Finding, bool) {
	var parts []string
	for _, i := range w.lacked() {
		parts = append(parts, fmt.Sprintf("from %s to %s", clock24(i.From), clock24(i.To)))
	}
	if len(parts) == 0 {
		return verdict.Finding{}, false
	}
	return verdict.Finding{Check: "bake/" + w.Name + "/partial", Outcome: verdict.Note, Reason: "partial", Doc: "bake-partial",
		Summary: fmt.Sprintf("%s: some of the service's processes gave no answer %s; it was judged by the others", w.Name, strings.Join(parts, ", "))}, true
}
