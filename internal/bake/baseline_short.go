package bake

import (
	"fmt"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// shortShare is the share of the time that was asked for below which a history is worth a word.
const shortShare = 0.25

// shortened says how much there is of a history, "" where it is enough.
func shortened(have, asked time.Duration) string {
	if have <= 0 || float64(have) >= shortShare*float64(asked) {
		return ""
	}
	return fmt.Sprintf("%s of the %s", short(have), short(asked))
}

// begins notes where the history begins, whatever of it is left out.
func (b *baseline) begins(samples []judge.Sample) {
	if b.first.IsZero() && len(samples) > 0 {
		b.first = samples[0].From
	}
}

// shortened says how much there is of the time before the deploy, where that is much less than was asked for.
func (b *baseline) shortened() string {
	if b == nil || !b.done || b.trouble != nil || b.first.IsZero() {
		return ""
	}
	return shortened(b.to.Sub(b.first), b.to.Sub(b.from))
}

// shortNote tells once of all metrics that are compared with much less than was asked for.
func (b *bake) shortNote() (verdict.Finding, bool) {
	var parts []string // in the order of the metrics
	of := map[string][]string{}
	for _, w := range b.watches {
		w.mu.Lock()
		have := w.before.shortened()
		w.mu.Unlock()
		if have == "" {
			continue
		}
		if of[have] == nil {
			parts = append(parts, have)
		}
		of[have] = append(of[have], w.Name)
	}
	for i, have := range parts {
		parts[i] = have + " (" + strings.Join(of[have], ", ") + ")"
	}
	return verdict.Finding{Check: "bake/baseline", Outcome: verdict.Note, Doc: "bake-no-baseline",
		Summary: "of the time before the deploy that was asked for there is only " + strings.Join(parts, ", ") + ": what is usual is known that well",
		Hint:    "with time there will be more of it; where the backend keeps no more, baseline.window can be as short"}, len(parts) > 0
}

// before says how much there is of the time that the metric is compared with, where that is little. A look does not reach back for all of it.
func (l *looking) before(own []metric.Series) string {
	if !l.compares() || l.back() > 0 || !l.src.Traits().History {
		return ""
	}
	first := l.now
	for _, s := range own {
		if len(s.Points) > 0 && s.Points[0].T.Before(first) {
			first = s.Points[0].T
		}
	}
	have := l.now.Sub(first)
	if have > liveBack-max(2*l.grid.step, time.Minute) {
		return ""
	}
	return shortened(have, l.plan.Options.Baseline.Window)
}
