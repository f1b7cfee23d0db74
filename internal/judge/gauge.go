package judge

import (
	"math"
	"sort"
	"time"
)

// A gauge is judged by the time it spends beyond its bound, counted in minutes, so that a step of 5 s weighs a twelfth of a minute: its
// values follow each other closely, and looking more often shows nothing new. The share of time allowed is small, the overdispersion is
// that of history, and no evidence counts unless the gauge is beyond the bound now, for at least runSteps steps and runTime, and for longer
// than it ever was before the deploy (up to streakMost: an old incident is no licence).
const (
	shareUnknown = 0.20 // allowed share of the time without history
	shareLeast   = 0.05
	gaugePhi     = 1.5 // at least: a gauge that crosses its bound stays there for a while
	gaugePhiMost = 3.0 // beyond that the streaks of history say more
	runSteps     = 3
	runTime      = time.Minute
	streakMost   = 10 * time.Minute
	gaugeSteps   = 5 // sampled steps before a gauge can pass
	gaugeHistory = 30
	maxValues    = 10000
)

// run is the present streak of steps beyond the bound.
type run struct {
	steps    int
	from, to time.Time
	seen     int // steps with values, all together
}

func (r *run) add(s step) {
	if s.total <= 0 {
		return
	}
	r.seen++
	if s.bad <= 0 {
		r.steps = 0
		return
	}
	if r.steps == 0 || s.from.Sub(r.to) > 3*s.to.Sub(s.from) { // a gap: what was in it nobody knows
		r.steps, r.from = 0, s.from
	}
	r.steps++
	r.to = s.to
}

// persistent says that the streak is longer than chance and than the longest one before the deploy.
func (r *run) persistent(before time.Duration) bool {
	d := r.to.Sub(r.from)
	return r.steps >= runSteps && d >= runTime && d > min(before, streakMost)
}

// longest is the longest streak of history.
func longest(hist []step) (d time.Duration) {
	var r run
	for _, h := range hist {
		if r.add(h); r.steps > 0 {
			d = max(d, r.to.Sub(r.from))
		}
	}
	return d
}

// duration reduces a sample of values to minutes beyond the bound: the step's whole length where more than half of the values are, and,
// against passing, at least their share of it.
func duration(s Sample, bound float64, below bool) step {
	out := step{from: s.From, to: s.To}
	if len(s.Values) == 0 {
		return out
	}
	over := 0.0
	for _, v := range s.Values {
		if below && v < bound || !below && v > bound {
			over++
		}
	}
	share := over / float64(len(s.Values))
	out.total = s.To.Sub(s.From).Minutes()
	if share > 0.5 {
		out.bad = out.total
	}
	out.high = math.Max(out.bad, share*out.total)
	return out
}

// fitGauge plans the tests of a gauge: each bound of each limit, and the 99th percentile of history.
func (f *fitted) fitGauge(spec *Spec, before []Sample) {
	below := len(spec.Limits) > 0
	for _, l := range spec.Limits {
		below = below && l.HasMin && !l.HasMax
		if l.Quantile != 0 || !l.HasMax && !l.HasMin {
			f.unjudged(l, "a gauge takes a lower or an upper limit")
			continue
		}
		if l.HasMax {
			f.Plans = append(f.Plans, gaugePlan(before, l.Max, false, limitText(l)))
		}
		if l.HasMin {
			f.Plans = append(f.Plans, gaugePlan(before, l.Min, true, limitText(l)))
		}
	}
	if !spec.Compare {
		return
	}
	bound, ok := usualBound(before, below)
	if !ok {
		f.Missing = "its history before the deploy is shorter than 30 steps, or it never moved"
		return
	}
	p := gaugePlan(before, bound, below, "")
	p.Compared = true
	f.Plans = append(f.Plans, p)
}

func gaugePlan(before []Sample, bound float64, below bool, text string) plan {
	hist := make([]step, 0, len(before))
	for _, s := range before {
		hist = append(hist, duration(s, bound, below))
	}
	p := plan{Rule: ruleShare, Bound: bound, Below: below, Text: text, Base: observe(hist), Allowed: shareUnknown}
	p.Known = p.Base.Total >= 10 // min
	p.Base.Phi = math.Min(gaugePhiMost, math.Max(gaugePhi, p.Base.Phi))
	p.Streak = longest(hist)
	if p.Base.Total >= 60 {
		p.Allowed = math.Min(shareUnknown, math.Max(shareLeast, 2*p.Base.Bad/p.Base.Total))
	}
	return p
}

// usualBound is the 99th percentile of history (the 1st where low is bad) and a margin: half of its distance from the median, or a tenth
// of its size, whichever is more.
func usualBound(before []Sample, below bool) (bound float64, ok bool) {
	var v []float64
	steps := 0
	for _, s := range before {
		if len(s.Values) > 0 {
			steps++
			v = append(v, s.Values...)
		}
	}
	if steps < gaugeHistory {
		return 0, false
	}
	sort.Float64s(v)
	if v[0] == 0 && v[len(v)-1] == 0 {
		return 0, false
	}
	q := func(p float64) float64 { return v[int(p*float64(len(v)-1)+0.5)] }
	if below {
		bound = q(0.01) - math.Max(0.5*(q(0.5)-q(0.01)), 0.1*math.Abs(q(0.01)))
	} else {
		bound = q(0.99) + math.Max(0.5*(q(0.99)-q(0.5)), 0.1*math.Abs(q(0.99)))
	}
	return bound, !math.IsInf(bound, 0) && !math.IsNaN(bound)
}

// mean is the mean of all values and their number.
func mean(samples []Sample) Rate {
	var r Rate
	for _, s := range samples {
		for _, v := range s.Values {
			r.Total++
			r.Value += (v - r.Value) / r.Total
		}
	}
	return r
}
