package judge

import (
	"math"
	"sort"
)

// noise is how far this service's log rate lies from its prediction beyond counting, by the length of the stretch looked at: bursts
// of a minute count little over half an hour, a drift counts much.
type noise struct {
	Shared   []float64 `json:"shared"`        // variance at noiseLengths: of the service against its own past
	Own      []float64 `json:"own,omitempty"` // of the service against the control
	Phi      float64   `json:"phi"`           // variance of rare events over that of independent ones, at least 1
	Incident float64   `json:"incident,omitempty"`
	Assumed  bool      `json:"assumed,omitempty"` // history is too short to measure it
}

// noiseLengths are in s.
var noiseLengths = []float64{60, 120, 300, 600, 1800}

const (
	noiseLeast   = 0.02 // sd of the log rate
	noiseMost    = 3.0
	noiseAssumed = 0.15
	noiseRare    = 4 // expected events in a stretch, below which its log ratio says nothing
)

// measure fits the noise about the predictions that rest on a span.
func (p *past) measure(span, bake float64) noise {
	n := noise{Phi: 1}
	known := 0
	for _, d := range noiseLengths {
		rs := p.residuals(span, p.whole(d), math.Max(bake, d))
		shared, phi, ok := spread(rs, p.down, false)
		if ok {
			known++
		}
		n.Shared = append(n.Shared, shared)
		n.Phi = math.Max(n.Phi, phi)
		if p.controlled() {
			own, _, _ := spread(rs, p.down, true)
			n.Own = append(n.Own, own)
		}
	}
	if known == 0 {
		n.Assumed, n.Phi = true, assumedPhi
	}
	fill(n.Shared)
	fill(n.Own)
	falling(n.Shared)
	falling(n.Own)
	return n
}

// falling lets no shorter stretch be quieter than a longer one, whose mean it is a part of.
func falling(v []float64) {
	for i := len(v) - 2; i >= 0; i-- {
		v[i] = math.Max(v[i], v[i+1])
	}
}

// fill takes what could not be measured (-1) from the next shorter length, or else the longer, or else what is usual.
func fill(v []float64) {
	last := -1.0
	for i := range v {
		if v[i] < 0 {
			v[i] = last
		}
		last = v[i]
	}
	for i := len(v) - 1; i >= 0; i-- {
		if v[i] < 0 {
			v[i] = last
		}
		if v[i] < 0 {
			v[i] = noiseAssumed * noiseAssumed
		}
		last = v[i]
	}
}

// spread is the variance of log ratios beyond counting, from the upper quantiles (the side that a bad release would be on), each
// scaled as if normal, the largest taken: tails that are heavier than normal count as they are, while one incident in a day of history
// does not hide the next one. -1 where too little is known.
func spread(rs []residual, down, relative bool) (tau2, phi float64, known bool) {
	const least = noiseLeast * noiseLeast
	if len(rs) < 8 {
		return -1, 1, false
	}
	mus := make([]float64, 0, len(rs))
	for _, r := range rs {
		m := r.mu
		if relative {
			m = math.Min(m, r.cmu)
		}
		mus = append(mus, m)
	}
	sort.Float64s(mus)
	if mus[len(mus)/2] < noiseRare {
		return rareSpread(rs, relative)
	}
	gs := make([]float64, len(rs))
	v := 0.0
	for i, r := range rs {
		g, x := r.log(down, relative)
		gs[i] = g
		v += x / float64(len(rs))
	}
	sort.Float64s(gs)
	tau2 = least
	for _, q := range []struct{ p, z float64 }{{0.8, 0.8416}, {0.9, 1.2816}, {0.95, 1.6449}, {0.98, 2.0537}, {0.99, 2.3263}} {
		if float64(len(gs))*(1-q.p) < 2 {
			break
		}
		x := math.Max(0, gs[int(q.p*float64(len(gs)-1))]) / q.z
		tau2 = math.Max(tau2, x*x-v)
	}
	// what few stretches show may be less than what there is
	tau2 *= 1 + 3/float64(len(rs))
	return math.Min(tau2, noiseMost*noiseMost), 1, true
}

// rareSpread is the overdispersion phi of rare events, by moments (McCullagh & Nelder, Generalized Linear Models, 4.5), the most extreme
// fiftieth of stretches cut.
func rareSpread(rs []residual, relative bool) (tau2, phi float64, known bool) {
	var e []float64
	events, want := 0.0, 0.0
	for _, r := range rs {
		mu := r.mu
		if relative && r.cmu > 0 {
			mu *= (r.cy + 2) / (r.cmu + 2)
		}
		e = append(e, (r.y-mu)*(r.y-mu))
		want += mu + mu*mu/(r.ref+0.5)
		events += r.y
	}
	if events < 20 || !(want > 0) {
		return -1, 1, false
	}
	sort.Float64s(e)
	top := e[int(0.98*float64(len(e)-1))]
	got := 0.0
	for _, x := range e {
		got += math.Min(x, math.Max(top, 1))
	}
	return -1, math.Max(1, got/want), true
}

// at interpolates the variance over a length in s. Below a minute it grows as if seconds were independent: history has no finer look.
func (n *noise) at(d float64, relative bool) float64 {
	v := n.Shared
	if relative && len(n.Own) > 0 {
		v = n.Own
	}
	if len(v) != len(noiseLengths) {
		return noiseAssumed * noiseAssumed
	}
	if d <= noiseLengths[0] {
		return v[0]*math.Min(4, noiseLengths[0]/math.Max(d, 1)) + n.Incident
	}
	for i := 1; i < len(v); i++ {
		if d <= noiseLengths[i] {
			f := math.Log(d/noiseLengths[i-1]) / math.Log(noiseLengths[i]/noiseLengths[i-1])
			return v[i-1] + f*(v[i]-v[i-1]) + n.Incident
		}
	}
	return v[len(v)-1] + n.Incident
}

// cost weighs a span by the variance it leaves at ten minutes and at half an hour.
func (n *noise) cost(bake float64, relative bool) float64 {
	return (n.at(math.Min(300, bake), relative) + n.at(math.Min(1800, bake), relative)) / 2
}
