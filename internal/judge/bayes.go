package judge

import "math"

// harms are the sizes of harm looked for, as log factors beyond the null, with their prior weights. Density 1/(0.3+b)^2: its heavy tail
// costs an outage few nats, its peak finds small harms under much traffic. Where less is worse, the last one is death.
type harms struct{ b, logw []float64 }

func newHarms(b []float64, last float64) (h harms) {
	sum := 0.0
	w := make([]float64, len(b))
	for i := range b {
		lo, hi := 0.0, b[i]+0.3
		if i > 0 {
			lo = (b[i] + b[i-1]) / 2
		}
		if i+1 < len(b) {
			hi = (b[i] + b[i+1]) / 2
		}
		w[i] = 1/(0.3+lo) - 1/(0.3+hi)
		sum += w[i]
	}
	for i := range b {
		x := w[i] / sum * (1 - last)
		if i == len(b)-1 {
			x += last
		}
		h.b, h.logw = append(h.b, b[i]), append(h.logw, math.Log(x))
	}
	return h
}

var (
	harmsUp   = newHarms([]float64{0.05, 0.1, 0.17, 0.27, 0.42, 0.65, 1, 1.5, 2.2, 3.2, 4.6, 6.5}, 0)
	harmsDown = newHarms([]float64{0.03, 0.06, 0.1, 0.16, 0.25, 0.4, 0.65, 1, 1.6, 2.6, 12}, 0.15)
)

// The rate in a stretch is the expected one times a random effect, whose spread is the noise of the service, so that counts are negative
// binomial (Lawless, Canadian Journal of Statistics 15, 1987). A small part of the effect is much wider: noise has heavy tails.
const (
	heavyPart  = 0.01
	heavyScale = 6.0  // of the variance
	surprise   = 0.02 // prior that the control is in an incident of its own, at any height
)

// effect is one component of the random effect: mean, variance, log weight.
type effect struct{ mean, variance, logw float64 }

// weigh is the log of the e-value of a stretch: its likelihood averaged over harms beyond the null, over that at the null.
func (s *stream) weigh(st stretch) float64 {
	if !(st.mu > 0) || !(st.null > 0) {
		return 0
	}
	phi := s.Noise.Phi
	if s.What.perTrial() {
		phi *= math.Max(0.3, 1-st.null/math.Max(st.n, st.null))
	}
	es := s.effects(st)
	y, null := st.y/phi, st.null/phi
	most := math.Inf(1)
	if s.What.perTrial() {
		most = st.n / phi
	}
	h := harmsUp
	if s.Down {
		h = harmsDown
	}
	den := math.Inf(-1)
	num := math.Inf(-1)
	for _, e := range es {
		a := 1 / e.variance
		m := null * e.mean
		c := e.logw
		if len(es) > 1 {
			c += lgammaRatio(y, a) + a*math.Log(a)
		}
		best := m
		if s.Down == (y > m) { // the null is all that is no worse
			best = math.Max(y, 1e-9)
		}
		den = logAdd(den, c+negative(y, best, a))
		for i, b := range h.b {
			alt := m * math.Exp(b)
			if s.Down {
				alt = m * math.Exp(-b)
			}
			num = logAdd(num, c+h.logw[i]+negative(y, math.Min(alt, math.Max(most, m)), a))
		}
	}
	if math.IsInf(num, -1) || math.IsNaN(num-den) {
		return 0
	}
	return num - den
}

// negative is the log likelihood of y events where m are expected under a gamma effect of shape a, up to what does not depend on m.
func negative(y, m, a float64) float64 {
	m = math.Max(m, 1e-12)
	return y*math.Log(m) - (y+a)*math.Log(a+m)
}

func lgammaRatio(y, a float64) float64 {
	p, _ := math.Lgamma(y + a)
	q, _ := math.Lgamma(a)
	return p - q
}

// effects is the distribution of the random effect, given what the control saw: the control pins down what both share, be it within the
// usual noise or an incident of any height, and leaves what is the service's own.
func (s *stream) effects(st stretch) []effect {
	d := st.to - st.from
	ramp := st.ramp / st.mu
	known := 1 / (s.Ref.Events/s.Noise.Phi + 0.5)
	if !(st.cmu > 0) {
		v := s.Noise.at(d, false) + ramp*ramp + st.extra
		return s.underWay(effect{1, v + known, 0}, v)
	}
	own := s.Noise.at(d, true) + ramp*ramp + st.extra + known + 1/(s.Ref.ControlEvents/s.Noise.Phi+0.5)
	cy, cmu := st.cy/s.Noise.Phi, st.cmu/s.Noise.Phi
	var es []effect
	var ws [2]float64
	for i, v := range []float64{math.Max(s.Noise.at(d, false)-s.Noise.at(d, true)/2, 1e-4), 4} {
		a := 1 / v
		ws[i] = math.Log([]float64{1 - surprise, surprise}[i]) + lgammaRatio(cy, a) + a*math.Log(a) + negative(cy, cmu, a)
		es = append(es, effect{mean: (a + cy) / (a + cmu), variance: own + 1/(a+cy)})
	}
	all := logAdd(ws[0], ws[1])
	var out []effect
	for i := range es {
		es[i].logw = ws[i] - all
		if es[i].logw > -20 {
			out = append(out, heavy(es[i])...)
		}
	}
	return out
}

// underWay adds, where there is no control, the chance that an incident was under way when the deploy came.
func (s *stream) underWay(e effect, v float64) []effect {
	rest := 1.0
	var out []effect
	for _, u := range s.Under {
		rest -= u.Weight
		if u.Weight > 1e-9 {
			out = append(out, effect{u.Mean, v + u.Var, math.Log(u.Weight)})
		}
	}
	e.logw = math.Log(math.Max(rest, 1e-9))
	return append(heavy(e), out...)
}

// heavy adds the wide part.
func heavy(e effect) []effect {
	wide := effect{e.mean, math.Min(e.variance*heavyScale, 10), e.logw + math.Log(heavyPart)}
	e.logw += math.Log1p(-heavyPart)
	return []effect{e, wide}
}
