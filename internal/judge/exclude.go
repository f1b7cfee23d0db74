package judge

import (
	"fmt"
	"math"
	"slices"
)

// suspicious is the evidence, in nats, at which a metric that is not proved to be worse is not passed either.
const (
	suspicious      = 0.2  // of one metric
	suspiciousTotal = 1e-6 // of all together: 0, but for rounding
	goneShare       = 0.1  // of the window
)

// asked is what a look asks for before it passes.
type asked struct {
	seen    float64 // s after the deploy, up to which all is to be seen
	nats    float64 // by which harm is to be excluded
	suspect float64 // of one metric: the evidence, in nats, from which on it looks worse
	recent  float64 // s, at the end, that are to exclude harm by themselves, and nothing may be above what is always allowed; 0: no matter
}

// atEnd is what the last look asks for.
func (d *Deploy) atEnd() asked {
	return asked{seen: d.spec.window(), nats: excludeNats, suspect: suspicious}
}

// conclude passes where nothing looks worse and harm of the size that matters is excluded everywhere.
func (d *Deploy) conclude(v *Verdict, g gathered, a asked) {
	v.Status = Pass
	judged := false
	for i, w := range d.metrics {
		reason, needed, text := w.conclude(d, a)
		v.Metrics[i].conclude(reason, needed, text)
		if w.spec.DryRun {
			continue
		}
		judged = judged || w.judged()
		if reason == "" || reason != Unproved && w.spec.Optional {
			continue
		}
		if v.Status == Pass || reason == Unproved && v.Reason != Unproved {
			v.Status, v.Reason, v.Metric, v.Needed, v.Sentence = Unknown, reason, w.spec.Name, needed, text
		}
	}
	switch {
	case !judged:
		v.Status, v.Reason, v.Sentence = Unknown, NoCriteria, "nothing is judged"
	case v.Status == Pass && g.total > suspiciousTotal: // whoever looks worst tells it
		v.Status, v.Reason, v.Metric = Unknown, Unproved, g.top.spec.Name
		v.Sentence = v.Metric + ": all metrics together look worse than they were, this one most, and that is not proved"
		v.Metrics[slices.Index(d.metrics, g.top)].conclude(Unproved, 0, v.Sentence)
	case v.Status == Pass:
		v.Sentence = "harm is excluded"
	}
}

// gone is how long a metric may have been silent at the end of so many seconds.
func gone(seen float64) float64 { return math.Max(90, goneShare*seen) }

// conclude notes what one metric comes to at the end.
func (j *Judgement) conclude(reason string, needed float64, text string) {
	switch {
	case j.Status == Fail:
	case reason == "":
		j.Status = Pass
	default:
		j.Status, j.Reason, j.Needed = Unknown, reason, needed
		if text != "" {
			j.Sentence = text
		}
	}
}

// conclude says why a metric does not pass; "" where it does. Of many groups one always looks a little worse than it was.
func (w *watched) conclude(d *Deploy, a asked) (reason string, needed float64, text string) {
	reason, needed, text = w.concludeAlone(d, a)
	if w.spec.Among > 0 && reason == Unproved && w.doubt(d) <= a.suspect+w.spec.chances() {
		return LowTraffic, 0, fmt.Sprintf("%s: too little to say anything of it by itself", w.spec.Name)
	}
	return reason, needed, text
}

// doubt is the evidence of whatever of the metric looks worst, in nats.
func (w *watched) doubt(d *Deploy) float64 {
	most := math.Inf(-1)
	if w.limits != nil {
		most, _ = w.weighLimits()
	}
	for _, s := range w.streams {
		most = math.Max(most, s.weighOnsets().logE)
	}
	if w.level != nil {
		most = math.Max(most, w.level.weigh(d.load()))
	}
	return most
}

func (w *watched) concludeAlone(d *Deploy, a asked) (reason string, needed float64, text string) {
	if !w.judged() {
		if w.spec.Compare && w.missing != "" {
			return NoBaseline, 0, w.spec.Name + ": " + w.missing
		}
		return NoCriteria, 0, w.spec.Name + " has neither a limit nor a comparison"
	}
	if w.Events == 0 && w.level == nil {
		return NoData, 0, w.spec.Name + " had no data in the window"
	}
	if end := a.seen; w.last(&d.spec) < end-gone(end) {
		return NoData, 0, fmt.Sprintf("%s had no data in the last %.0f s", w.spec.Name, end-w.last(&d.spec))
	}
	if w.limits != nil {
		if j := w.limits.end(a.nats); j.Status == Unknown {
			return j.Reason, j.Needed, j.Sentence
		}
	}
	for _, s := range w.streams {
		if reason, needed = s.conclude(a); reason != "" {
			return reason, needed, s.tell(&w.spec.Spec, s.stretchSince(0)) + ": " + a.because(reason, needed, s.unit())
		}
	}
	if w.level != nil && w.level.weigh(d.load()) > 0 {
		return Unproved, 0, w.spec.Name + " is higher than it was"
	}
	return "", 0, ""
}

// because says why something does not pass.
func (a asked) because(reason string, needed float64, unit string) string {
	if reason == LowTraffic && needed >= 1 {
		return fmt.Sprintf("too little to exclude harm, needs about %s more %s", about(needed), unit)
	}
	if reason == LowTraffic {
		return "too little to exclude harm"
	}
	if a.recent > 0 {
		return "not as good, at all times, as a pass before the end takes"
	}
	return "it looks worse than it may be, and that is not proved"
}

func (s *stream) conclude(a asked) (reason string, needed float64) {
	if f := s.weighOnsets(); f.logE > a.suspect {
		return Unproved, 0
	}
	if a.recent > 0 && len(s.opened) > 0 && !s.quiet(a.recent) {
		return Unproved, 0
	}
	if !s.Required || len(s.opened) == 0 {
		return "", 0
	}
	if s.excluded(a) {
		return "", 0
	}
	st := s.stretchSince(0)
	s.adjust(&st)
	if needed = s.needed(st); needed == 0 {
		return Unproved, 0
	}
	return LowTraffic, needed
}

// excluded says that harm is excluded by all that was seen, or by at least its last half alone.
func (s *stream) excluded(a asked) bool {
	for k := range s.opened {
		st := s.stretchSince(k)
		if k > 0 && st.to-st.from < a.seen/2 {
			break
		}
		s.adjust(&st)
		if s.excludes(st) >= a.nats {
			return true
		}
	}
	return false
}

// harm is how many events would be harm of the size that matters.
func (s *stream) harm(st stretch, sd float64) float64 {
	usual := math.Max(1, math.Exp(3.5*sd)/harmRatio) // a service that doubles by itself is not held to a doubling
	switch s.What {
	case countBad:
		return math.Min(math.Max(usual*harmRatio*st.mu, st.mu+harmAdd*st.n), (st.mu+st.n)/2)
	case countSlow:
		return math.Min(math.Max(usual*harmSlow*st.mu, st.mu+harmAdd*st.n), (st.mu+st.n)/2)
	}
	if s.Down {
		return st.mu / harmRatio / usual
	}
	return st.mu * harmRatio * usual
}

// excludes is by how many nats that harm explains the counts worse than what is seen does.
func (s *stream) excludes(st stretch) float64 {
	if !(st.mu > 0) {
		return 0
	}
	relative := st.cmu > 0
	sd := math.Sqrt(s.Noise.at(st.to-st.from, relative))      // a warm-up only makes it worse: what is low is low
	known := math.Min(0.05, 1/(s.Ref.Events/s.Noise.Phi+0.5)) // harm that is absolute needs no baseline
	a := 1 / (sd*sd + known)
	mean := s.effects(st)[0].mean
	m := s.harm(st, sd) * mean
	if s.Down == (st.y < m) {
		return 0
	}
	phi := s.Noise.Phi
	y := math.Max(st.y, 1e-9) / phi
	return negative(y, y, a) - negative(y, m/phi, a)
}

// needed is how many more events, at the rate seen so far, would exclude harm; 0 where no number would.
func (s *stream) needed(st stretch) float64 {
	for f := 1.25; f < 1e6; f *= 1.25 {
		x := st
		x.y, x.n, x.mu, x.null, x.ramp = st.y*f, st.n*f, st.mu*f, st.null*f, st.ramp*f
		x.cy, x.cmu = st.cy*f, st.cmu*f
		if s.excludes(x) >= excludeNats {
			return math.Ceil(st.n * (f - 1))
		}
	}
	return 0
}
