package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// result is a trace and its verdict, without the trace's rows.
type result struct {
	class *class
	mode  string
	group string
	seed  uint64
	onset float64
	bake  int
	verdict
}

// early says that a bad deploy was rolled back before it was bad: a false alarm.
func (r *result) early() bool { return r.class.bad && r.Verdict == rollback && float64(r.t) <= r.onset }

// wrong is a rollback that was not deserved.
func (r *result) wrong() bool { return r.Verdict == rollback && (!r.class.bad || r.early()) }

// saved is how much of the bake a pass before its end did without, s.
func (r *result) saved() int {
	if r.Verdict != pass {
		return 0
	}
	return max(0, r.bake-r.t)
}

func (r *result) detected() bool { return r.class.bad && r.Verdict == rollback && !r.early() }

// tally counts results.
type tally struct {
	name                                  string
	n, wrong, detected, passed, undecided int
	sooner, saved, baked                  int // passed before the end; s of the bakes that spared; s of all bakes
	delays                                []float64
}

func (t *tally) add(r *result) {
	t.n++
	t.baked, t.saved = t.baked+r.bake, t.saved+r.saved()
	if r.saved() > 0 {
		t.sooner++
	}
	switch {
	case r.wrong():
		t.wrong++
	case r.detected():
		t.detected++
		t.delays = append(t.delays, float64(r.t)-r.onset)
	case r.Verdict == pass:
		t.passed++
	default:
		t.undecided++
	}
}

func (t *tally) delay() float64 {
	if len(t.delays) == 0 {
		return math.NaN()
	}
	slices.Sort(t.delays)
	return t.delays[len(t.delays)/2]
}

func percent(k, n int) float64 { return 100 * float64(k) / float64(max(n, 1)) }

// wilson is the 95% interval of a share, in percent.
func wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 100
	}
	const z = 1.96
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return 100 * math.Max(0, mid-half), 100 * math.Min(1, mid+half)
}

func limits(k, n int) string {
	low, high := wilson(k, n)
	return fmt.Sprintf("%.1f (%.1f-%.1f)", percent(k, n), low, high)
}

// score is the tallies of a run.
type score struct {
	good, bad       []*tally
	allGood, allBad tally
	totals          []*tally // of each mode
}

func scoreOf(results []*result) *score {
	s := &score{}
	s.allGood.name, s.allBad.name = "all good", "all bad"
	for _, r := range results {
		list, all := &s.good, &s.allGood
		kind := "good"
		if r.class.bad {
			list, all, kind = &s.bad, &s.allBad, "bad"
		}
		all.add(r)
		named(list, r.class.name).add(r)
		named(&s.totals, kind+", "+r.mode+", "+r.group).add(r)
	}
	return s
}

func named(list *[]*tally, name string) *tally {
	for _, t := range *list {
		if t.name == name {
			return t
		}
	}
	t := &tally{name: name}
	*list = append(*list, t)
	return t
}

// print writes the tables.
func (s *score) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, "good deploys\tn\tfalse rollback %\tpassed %\tinconclusive %")
	for _, t := range append(s.good, &s.allGood) {
		fmt.Fprintf(w, "%s\t%d\t%s\t%.1f\t%.1f\n", t.name, t.n, limits(t.wrong, t.n), percent(t.passed, t.n), percent(t.undecided, t.n))
	}
	fmt.Fprintln(w, "\t\t\t\t")
	fmt.Fprintln(w, "bad deploys\tn\tdetected %\tpromoted %\tinconclusive %\tmedian delay s\ttoo early %")
	for _, t := range append(s.bad, &s.allBad) {
		badLine(w, t)
	}
	fmt.Fprintln(w, "\t\t\t\t\t\t")
	fmt.Fprintln(w, "totals\tn\tfalse or too early %\tdetected %\tpassed %\tinconclusive %")
	slices.SortFunc(s.totals, func(a, b *tally) int { return strings.Compare(b.name, a.name) })
	for _, t := range s.totals {
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\n", t.name, t.n, percent(t.wrong, t.n), percent(t.detected, t.n), percent(t.passed, t.n), percent(t.undecided, t.n))
	}
	if g, b := &s.allGood, &s.allBad; g.sooner+b.sooner > 0 {
		fmt.Fprintln(w, "\t\t\t\t\t")
		fmt.Fprintln(w, "passed before the end\tn\t%\tof all time spared %")
		for _, t := range []*tally{g, b} {
			fmt.Fprintf(w, "%s\t%d\t%s\t%.1f\n", t.name, t.n, limits(t.sooner, t.n), percent(t.saved, t.baked))
		}
	}
	return w.Flush()
}

func badLine(w io.Writer, t *tally) {
	delay := "-"
	if d := t.delay(); !math.IsNaN(d) {
		delay = fmt.Sprintf("%.0f", d)
	}
	fmt.Fprintf(w, "%s\t%d\t%s\t%.1f\t%.1f\t%s\t%.1f\n", t.name, t.n, limits(t.detected, t.n), percent(t.passed, t.n), percent(t.undecided, t.n), delay, percent(t.wrong, t.n))
}

// bars are the bounds of -check, in percent.
type bars struct{ wrong, worst, detected, promoted float64 }

// misses are the bounds that the score does not keep.
func (s *score) misses(b bars) []string {
	var m []string
	if got := percent(s.allGood.wrong, s.allGood.n); got > b.wrong {
		m = append(m, fmt.Sprintf("false rollbacks %.1f%%, want at most %g%%", got, b.wrong))
	}
	for _, t := range s.good {
		if got := percent(t.wrong, t.n); got > b.worst {
			m = append(m, fmt.Sprintf("false rollbacks of %s %.1f%%, want at most %g%%", t.name, got, b.worst))
		}
	}
	if s.allBad.n == 0 {
		return m
	}
	if got := percent(s.allBad.detected, s.allBad.n); got < b.detected {
		m = append(m, fmt.Sprintf("detected %.1f%%, want at least %g%%", got, b.detected))
	}
	if got := percent(s.allBad.passed, s.allBad.n); got > b.promoted {
		m = append(m, fmt.Sprintf("promoted %.1f%%, want at most %g%%", got, b.promoted))
	}
	return m
}
