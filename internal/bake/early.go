package bake

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// errPassed ends the polls where the bake passes before its window ends (pass-after).
var errPassed = errors.New("harm is excluded")

// passes ends the bake where all together pass before the end of the window, and every metric would by itself: by all that was to be seen
// until now, without a gap, a trouble or a history that is still on its way. It reports whether it did.
func (b *bake) passes(v judge.Verdict) bool {
	if v.Status != judge.Pass || verdict.Worst(b.findings) > verdict.Note {
		return false
	}
	var seen time.Time
	for _, w := range slices.Concat(b.watches, b.controls) {
		if b.watches[w.index].withoutEffect() {
			continue
		}
		to, ok := w.sound(v)
		if !ok {
			return false
		}
		if seen.IsZero() || to.Before(seen) {
			seen = to
		}
	}
	if !b.joint.pass(seen) {
		return false
	}
	for _, w := range slices.Concat(b.watches, b.controls) {
		w.cut()
	}
	if f, ok := b.passedEarly(); ok {
		b.observer.tell(Event{Kind: EventNote, Text: f.Summary})
	}
	b.cancel(errPassed)
	return true
}

// sound reports whether the metric would pass by what was seen of it, all of which is there, and up to when that is.
func (w *watch) sound(v judge.Verdict) (to time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.asking.trouble != nil, w.counts.trouble() != nil, w.fetching() != nil, len(w.lacked()) > 0, len(w.gaps(false)) > 0, w.lostGroup():
		return w.cursor, false
	case w.control:
		return w.cursor, !w.groups.uncontrolled()
	}
	f, _ := w.conclude(true, nil, v)
	fs, _ := w.concludeGroups(true, v)
	return w.cursor, verdict.Worst(append(fs, f)) <= verdict.Note
}

// lostGroup reports whether one of the groups fell silent.
func (w *watch) lostGroup() bool {
	return slices.ContainsFunc(w.groups.all(), func(g *group) bool {
		seen := w.split.samples(g)
		if len(seen) == 0 {
			return w.justThere(w.before.of(g))
		}
		return w.cursor.Sub(seen[len(seen)-1].To) >= w.shortestGap()
	})
}

// cut ends the metric's window where it was seen to.
func (w *watch) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = w.cursor
}

// passedEarly says so, for the report and the verdict.
func (b *bake) passedEarly() (f verdict.Finding, yes bool) {
	if b.joint == nil {
		return f, false
	}
	seen := b.joint.passedAt()
	if seen.IsZero() {
		return f, false
	}
	from, to := b.planned()
	return verdict.Finding{Check: verdict.CheckEarly, Outcome: verdict.Note, Doc: "bake-pass-after",
		Summary:  fmt.Sprintf("passed after %s of %s: harm of the size that matters is excluded; what begins later was not watched", short(seen.Sub(from)), short(to.Sub(from))),
		Evidence: []verdict.Evidence{{What: "watched until", Got: seen.UTC().Format(time.RFC3339)}, {What: "pass-after", Got: short(b.Options.PassAfter)}}}, true
}

// goesOn is what all together say where the bake goes on though they pass: nothing yet.
func goesOn(v judge.Verdict) judge.Verdict {
	if v.Status != judge.Pass {
		return v
	}
	v.Status, v.Metrics = judge.Continue, slices.Clone(v.Metrics)
	for i := range v.Metrics {
		if v.Metrics[i].Status != judge.Fail {
			v.Metrics[i].Status = judge.Continue
		}
	}
	return v
}
