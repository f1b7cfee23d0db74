package judge

import (
	"math"
	"time"
)

// step is a sample reduced to what one test counts.
type step struct {
	from, to time.Time
	bad      float64 // certainly bad: what counts against the release
	high     float64 // possibly bad: what counts against passing it; at least bad
	total    float64
}

// mark remembers the sums at a candidate onset: what came after it is the difference to now.
type mark struct {
	at     time.Time
	minute int
	cum    [gridN]float64
	sums
}

// sums are running totals.
type sums struct {
	bad, high, total float64
	excess           float64 // bad events above what the null expects
	worse            int     // steps with an excess
}

func (s sums) since(o sums) sums {
	return sums{s.bad - o.bad, s.high - o.high, s.total - o.total, s.excess - o.excess, s.worse - o.worse}
}

// test watches one proportion and weighs the evidence that it is above its null.
//
// Per candidate onset it keeps an e-process: the likelihood of the counts averaged over harms, divided by the likelihood averaged over
// the null, i.e. over what the baseline leaves open (its own uncertainty and drift). The average of the e-processes over the onsets,
// half of it on the deploy, is an e-process too, so that by Ville's inequality it reaches 1/alpha with a chance of at most alpha
// however often one looks (Lindon & Malek, arXiv 2011.03567; Ramdas et al., Statistical Science 38(4), 2023). The chance is that over
// history and window together. It is exact for independent events and phi = 1. Dividing the log likelihood by phi (Wedderburn,
// Biometrika 61, 1974) makes it smaller for those, and is an approximation for bursts, which the simulations check.
type test struct {
	plan
	null, alt weights // logarithms
	warm      time.Duration
	onsets    int     // candidate onsets planned
	spacing   float64 // between them, s
	cum       [gridN]float64
	sums
	settled sums // the part after the warm-up
	marks   []mark
	run     run
}

const maxOnsets = 60

func newTest(p plan, spec *Spec) *test {
	t := &test{plan: p, warm: spec.WarmUp, spacing: 60, onsets: 30}
	if window := spec.End.Sub(spec.Start).Seconds(); !spec.Start.IsZero() && window > 0 {
		t.spacing = math.Max(60, window/maxOnsets)
		t.onsets = max(1, int(math.Ceil(window/t.spacing)))
	}
	null := p.nullWeights()
	alt := worse(null)
	t.null, t.alt = null.logs(), alt.logs()
	return t
}

// add counts one step, whose middle is sec seconds after the start.
func (t *test) add(s step, sec float64) {
	w := warmAt(sec, t.warm)
	null := t.nullAt(w)
	t.markOnset(s.from, sec)
	t.run.add(s)
	if s.total <= 0 {
		return
	}
	t.weigh(s, null)
	d := sums{bad: s.bad, high: s.high, total: s.total, excess: s.bad - s.total*null}
	if d.excess > 0 {
		d.worse = 1
	}
	t.sums = t.sums.plus(d)
	if w.settled() {
		t.settled = t.settled.plus(d)
	}
}

func (s sums) plus(o sums) sums {
	return sums{s.bad + o.bad, s.high + o.high, s.total + o.total, s.excess + o.excess, s.worse + o.worse}
}

// markOnset opens a candidate onset with the first step and with the first step of each later minute.
func (t *test) markOnset(at time.Time, sec float64) {
	minute := int(math.Min(sec/t.spacing, 1e6))
	if n := len(t.marks); n > 0 && (minute <= t.marks[n-1].minute || n >= t.onsets) {
		return
	}
	t.marks = append(t.marks, mark{at: at, minute: minute, cum: t.cum, sums: t.sums})
}

// weigh adds the step's quasi log likelihood, y*gamma - n*log(1 + odds*(e^gamma - 1)/(1 + odds)), which is binomial up to what does not
// depend on gamma.
func (t *test) weigh(s step, null float64) {
	for j := range t.cum {
		t.cum[j] += (s.bad*grid[j] - s.total*math.Log1p(null*(expGrid[j]-1))) / t.base.Phi
	}
}

// finding is what a test found: the log of its e-value, and since when the counts are worse.
type finding struct {
	logE  float64
	onset int // index into marks, -1 where there is none
}

// weighEvidence averages over the candidate onsets. An onset whose counts are too few to act on, whatever their odds, counts at most 1.
func (t *test) weighEvidence() finding {
	f := finding{logE: math.Inf(-1), onset: -1}
	best := math.Inf(-1)
	for k := range t.marks {
		m := &t.marks[k]
		e := logMean(&t.alt, &t.cum, &m.cum) - logMean(&t.null, &t.cum, &m.cum)
		if !t.enough(t.sums.since(m.sums)) {
			e = math.Min(e, 0)
		}
		w := math.Log(t.onsetWeight(k))
		f.logE = logAdd(f.logE, w+e)
		if e > best {
			best, f.onset = e, k
		}
	}
	if rest := t.unopened(); rest > 0 {
		f.logE = logAdd(f.logE, math.Log(rest))
	}
	return f
}

func (t *test) onsetWeight(k int) float64 {
	switch {
	case t.onsets == 1:
		return 1
	case k == 0:
		return 0.5
	}
	return 0.5 / float64(t.onsets-1)
}

// unopened is the weight of the onsets that have not come yet: a bet not placed is worth 1.
func (t *test) unopened() float64 {
	if len(t.marks) == 0 {
		return 1
	}
	return float64(t.onsets-len(t.marks)) * t.onsetWeight(1)
}

// enough holds back what no odds should outweigh: one step alone (a scrape that came twice) or a handful of events.
func (t *test) enough(s sums) bool {
	if t.Rule == ruleShare {
		return t.run.persistent(t.Streak)
	}
	return s.worse >= 2 && s.excess >= 5
}
