package bake

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
)

// short writes a duration for people: 15m, 2m30s, 450ms.
func short(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(time.Second)
	} else {
		d = d.Round(time.Millisecond)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func clock24(t time.Time) string { return t.UTC().Format("15:04:05Z") }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// number writes a value with three significant digits.
func number(v float64) string {
	if a := math.Abs(v); a >= 1000 && a < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// rate writes what a metric of this kind measures.
func rate(k judge.Kind, v float64) string {
	if k == judge.Proportion || k == judge.Histogram {
		return number(v*100) + "%"
	}
	return number(v)
}

// difference writes how far two of them are apart: shares in percentage points.
func difference(k judge.Kind, v float64) string {
	if k == judge.Proportion || k == judge.Histogram {
		return number(v*100) + " pp"
	}
	return number(v)
}

func judgementText(j judge.Judgement) string {
	if j.Status == judge.Continue {
		return ""
	}
	return named(j.Metric, j.Sentence)
}

// named puts a metric's name in front of a sentence that does not begin with it.
func named(name, sentence string) string {
	if strings.HasPrefix(sentence, name) {
		return sentence
	}
	return name + ": " + sentence
}

// odds writes an e-value. Behind so many digits nothing is told any more.
func odds(e float64) string {
	if e > 1e15 {
		return "more than 1e15:1"
	}
	return number(e) + ":1"
}

// heartbeat says in one line where the bake stands: "2m30s of 15m: errors 0.11% (limit 1%), latency ok".
func (b *bake) heartbeat(now time.Time) string {
	from, to := b.window()
	parts := make([]string, len(b.watches))
	for i, w := range b.watches {
		parts[i] = w.line()
	}
	if !slices.ContainsFunc(parts, func(p string) bool { return !strings.HasSuffix(p, " waiting for data") }) && len(parts) > 1 {
		parts = []string{"no data from any metric yet"}
	}
	text := fmt.Sprintf("%s of %s: %s", short(min(max(now.Sub(from), 0), to.Sub(from)).Round(time.Second)), short(to.Sub(from)), strings.Join(parts, ", "))
	switch l, why := b.joint.lacks(), b.joint.notYet(); {
	case l.Needed > 0:
		text += fmt.Sprintf("; to pass, %s%s", l, present(l.Wait))
	case why != "":
		text += "; does not pass yet: " + clean.Cut(why, 200)
	}
	return text
}

// present says how long something takes; nothing for what nobody waits for.
func present(d time.Duration) string {
	if d > 30*24*time.Hour {
		return ""
	}
	step := time.Minute
	if d < 2*step {
		step = 5 * time.Second
	}
	return fmt.Sprintf(" (about %s at the present rate)", short(max(d.Round(step), step)))
}

func (w *watch) line() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch t := w.problem(); {
	case t != nil:
		return w.Name + " " + t.reason
	case w.latest == nil || len(w.samples) == 0:
		return w.Name + " waiting for data"
	}
	j := w.latest
	s := w.Name
	if now := w.lately(); now != "" {
		s += " " + now
	} else if j.Status != judge.Fail && j.Evidence < doubtful {
		s += " ok"
	}
	switch {
	case j.Status == judge.Fail:
		s += " worse"
	case j.Evidence >= doubtful:
		s += " worse?"
	}
	if w.kind() == judge.Proportion && len(w.spec.Limits) > 0 {
		s += " (limit " + w.spec.Limits[0].Text + ")"
	}
	if w.worst != "" {
		s += " (" + w.worst + ")"
	}
	return s
}

// doubtful is the evidence from which on a line says that something may be worse.
const doubtful = 5

// lately is what the metric measured in the last minute, "" where that is no one number.
func (w *watch) lately() string {
	var last []judge.Sample
	seconds := 0.0
	for _, s := range slices.Backward(w.samples) {
		if seconds >= 60 {
			break
		}
		last = append(last, s)
		seconds += s.To.Sub(s.From).Seconds()
	}
	now := w.amounts(last)
	switch k := w.kind(); {
	case k == judge.Boolean:
		return ""
	case now == "" && k != judge.Gauge:
		return "- (no requests)"
	case k == judge.Histogram: // the tail alone: a line has room for one
		return "p99 " + w.quantile(judge.Together(last).Buckets, 0.99)
	}
	return now
}

// rate writes what this metric measures: of a rate events a second, or the share of requests that they are counted among.
func (m Metric) rate(v float64) string {
	switch {
	case m.Rate != "" && m.Of != "":
		return rate(judge.Proportion, v)
	case m.Rate != "":
		return number(v) + "/s"
	}
	return rate(m.kind(), v)
}

// problem is why the metric says nothing at the moment: no answer, or an answer that is no evidence.
func (w *watch) problem() *trouble {
	if w.asking.trouble != nil {
		return w.asking.trouble
	}
	if w.asking.silent {
		return w.counts.trouble()
	}
	return nil
}
