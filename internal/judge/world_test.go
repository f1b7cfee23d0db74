package judge

import (
	"math"
	"math/rand/v2"
	"time"
)

// The worlds that the simulations draw from. Everything is seeded.

var deployed = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(sec float64) time.Time { return deployed.Add(time.Duration(sec * float64(time.Second))) }

// poisson draws a Poisson number: by inversion below 30, else by the normal approximation, whose relative error is below 1% there.
func poisson(r *rand.Rand, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean > 30 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	limit, k, p := math.Exp(-mean), 0.0, r.Float64()
	for p > limit {
		p *= r.Float64()
		k++
	}
	return k
}

// binomial draws a binomial number.
func binomial(r *rand.Rand, n, p float64) float64 {
	if n < 40 {
		k := 0.0
		for range int(n) {
			if r.Float64() < p {
				k++
			}
		}
		return k
	}
	if p > 0.5 {
		return n - binomial(r, n, 1-p)
	}
	if n*p < 30 {
		return math.Min(n, poisson(r, n*p))
	}
	return math.Min(n, math.Max(0, math.Round(n*p+math.Sqrt(n*p*(1-p))*r.NormFloat64())))
}

// gamma draws a gamma number of the given shape and mean 1 (Marsaglia & Tsang, 2000).
func gamma(r *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(r, shape+1) * (shape + 1) / shape * math.Pow(r.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	for {
		x := r.NormFloat64()
		v := math.Pow(1+x/math.Sqrt(9*d), 3)
		if v > 0 && math.Log(r.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v / shape
		}
	}
}

// service is what is simulated: a proportion.
type service struct {
	rps, p   float64
	phi      float64       // overdispersion of a step's errors
	warm     time.Duration // the release warms up as the default band says, at its edge
	wander   float64       // sd of the log of the error rate, correlated over 10 min
	fault    func(t, p float64) float64
	step     float64
	window   float64
	history  float64
	histStep float64
}

type traffic struct {
	service
	r    *rand.Rand
	mood float64
}

func (v service) with(seed uint64) *traffic {
	r := rand.New(rand.NewPCG(seed, 7))
	return &traffic{service: v, r: r, mood: r.NormFloat64()}
}

func (v *traffic) draw(from, dt float64) Sample {
	rho := math.Exp(-dt / 600)
	v.mood = rho*v.mood + math.Sqrt(1-rho*rho)*v.r.NormFloat64()
	n := poisson(v.r, v.rps*dt)
	p := v.p * math.Exp(v.wander*v.mood)
	if from >= 0 {
		w := warmAt(from+dt/2, v.warm)
		p = p*w.factor + w.add
		if v.fault != nil {
			p = v.fault(from+dt/2, p)
		}
	}
	if v.phi > 1 && n*p > 0 {
		p *= gamma(v.r, n*p/(v.phi-1)) // a gamma mixture: variance phi times the mean
	}
	return Sample{From: at(from), To: at(from + dt), Total: n, Bad: binomial(v.r, n, math.Min(p, 1))}
}

func (v *traffic) before() []Sample {
	var out []Sample
	for t := -v.history; t < 0; t += v.histStep {
		out = append(out, v.draw(t, v.histStep))
	}
	return out
}

// bake runs a deploy to its first failure or its end.
func (v *traffic) bake(spec Spec) (j Judgement, sec float64) {
	spec.Start, spec.End = deployed, at(v.window)
	s := New(spec, v.before())
	for t := 0.0; t < v.window; t += v.step {
		s.Add(v.draw(t, v.step))
		if j := s.Judge(); j.Status == Fail {
			return j, t + v.step
		}
	}
	return s.End(), v.window
}
