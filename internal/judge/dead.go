package judge

import "math"

// Death is told from counts alone: no event at all for so long that chance explains it in less than a part of alpha, over the whole
// bake. Given phi, the variance of a minute's events over that of independent ones, a stretch where mu are expected is empty with
// chance e^(-mu ln(phi)/(phi-1)) (negative binomial), and a run of empty steps may begin at each step of the bake (union bound). Noise
// that multiplies the rate makes it small, never nothing, so that it is not allowed for beyond phi.
const (
	deadShare = 1.0 // of alpha: the evidence of all metrics is measured to leave nearly all of it unused
	deadSteps = 3   // two empty scrapes in a row happen
	deadEarly = 600 // s
)

// dead is the log of 1/p that the present run of empty steps is chance, and since when.
func (s *stream) dead() (nats, since float64) {
	n := len(s.after)
	i := n
	for i > 0 && s.after[i-1].Y == 0 {
		i--
	}
	if n-i < deadSteps || !s.Down || s.What != countRate {
		return 0, 0
	}
	var st stretch
	st.from, st.to = math.Max(0, s.after[i].From), s.after[n-1].To
	for _, o := range s.after[i:] {
		mu, _ := s.expect(o)
		st.mu += mu
		st.ramp += mu * math.Sqrt(s.rampAt((math.Max(0, o.From)+o.To)/2).Var)
	}
	if !(st.mu > 0) || st.to-st.from <= 1.5*s.Idle {
		return 0, 0
	}
	mu := st.mu * s.least(st)
	if s.Ref.Control > 0 && len(s.control.obs) > 0 {
		mu *= math.Min(1.5, s.controlLevel(st.from, st.to))
	} else { // a quiet hour is not death
		mu *= math.Exp(-2 * math.Sqrt(s.Noise.at(st.to-st.from, false)))
	}
	if s.Noise.Incident > 0 {
		mu /= 2
	}
	phi := math.Max(1.02, s.Clump)
	step := (st.to - st.from) / float64(n-i)
	begins := 1 + s.runs(st.from)/step*-math.Expm1(-mu/float64(n-i)) // a run begins behind a step with events
	return mu*math.Log(phi)/(phi-1) - math.Log(begins), st.from
}

const deadPast = 300.0 // s before the run that show how much traffic this deploy has got

// least is the part of the expected events that may be held against the run. Earlier deploys that began with
// more or less traffic leave open how many were due, as a gamma distribution of their spread; what this one had got before closes that
// again. No event has then the chance (1+v*due)^(-1/v), the negative binomial's.
func (s *stream) least(st stretch) float64 {
	sd := st.ramp / st.mu
	if sd == 0 {
		return 1
	}
	y, mu := s.due.sum(st.from-deadPast, st.from)
	if y == 0 { // it may begin later than any before
		return math.Max(0, 1-math.Min(2*sd, 2*st.mu*sd*sd))
	}
	shape := 1 / (sd * sd)
	due := st.mu * math.Min(1, (shape+y)/(shape+mu))
	v := 1 / (shape + mu)
	return math.Log1p(v*due) / v / st.mu
}

// controlLevel is the control's rate relative to its reference: that of the last ten minutes, unless it fell in the stretch itself.
func (s *stream) controlLevel(from, to float64) float64 {
	level := func(from float64) (m, cmu, y float64) {
		y, k := s.control.sum(from, to)
		cmu = k * s.Ref.Control
		return (y + 5) / (cmu + 5), cmu, y
	}
	long, _, _ := level(math.Min(from, to-600))
	short, cmu, y := level(from)
	if usual := cmu * long; y < usual-2*math.Sqrt(usual) {
		return short
	}
	return long
}

// runs is the time, s, that the union bound is over: nine tenths of the budget belong to runs that begin in the first ten minutes, where what
// a deploy breaks shows, however long the bake is.
func (s *stream) runs(from float64) float64 {
	switch {
	case s.window <= deadEarly:
		return s.window
	case from <= deadEarly:
		return deadEarly / 0.9
	}
	return (s.window - deadEarly) / 0.1
}

// idle is the longest that history went without an event, s.
func (p *past) idle() (longest float64) {
	from := math.Inf(-1)
	for _, o := range p.own.obs {
		if o.Y > 0 || o.From > from+3*p.step && from > math.Inf(-1) && longest == 0 {
			from = o.To
			continue
		}
		if !math.IsInf(from, -1) {
			longest = math.Max(longest, o.To-from)
		}
	}
	return longest
}

// dispersion is the variance of a minute's events over the Poisson one, about half an hour's mean or what the control predicts.
func (p *past) dispersion() float64 {
	rs := p.residuals(1800, p.whole(60), 0)
	got, want := 0.0, 0.0
	for _, r := range rs {
		mu := r.mu
		v := mu + mu*mu/(r.ref+1)
		if r.cmu > 0 {
			mu *= (r.cy + 1) / (r.cmu + 1)
			v = mu + mu*mu*(1/(r.cy+1)+1/(r.ref+1)+1/(r.cref+1))
		}
		e := r.y - mu
		got += math.Min(e*e, 25*v)
		want += v
	}
	if len(rs) < 20 || !(want > 0) {
		return 2
	}
	return math.Max(1, got/want)
}
