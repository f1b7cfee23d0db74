package judge

import (
	"math"
	"math/rand/v2"
)

var bounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 10}

// latency is a simulated histogram: a body about 80 ms and a tail of 3% about 350 ms, both log-normal.
type latency struct {
	r      *rand.Rand
	rps    float64
	wander float64 // sd of the log of the scale, correlated over 10 min
	mood   float64
	warm   bool                               // as the default band, at its edge
	slow   func(t float64) (float64, float64) // scale of the body and of the tail
}

func (l *latency) draw(from, dt float64) Sample {
	rho := math.Exp(-dt / 600)
	l.mood = rho*l.mood + math.Sqrt(1-rho*rho)*l.r.NormFloat64()
	body, tail := math.Exp(l.wander*l.mood), math.Exp(l.wander*l.mood)
	if from >= 0 && l.slow != nil {
		b, t := l.slow(from)
		body, tail = body*b, tail*t
	}
	if from >= 0 && l.warm {
		f := 1 + warmHeight*math.Exp(-(from+dt/2)/warmDecay)
		body, tail = body*f, tail*f
	}
	left, q := poisson(l.r, l.rps*dt), 1.0
	s := Sample{From: at(from), To: at(from + dt)}
	for _, b := range bounds {
		above := 0.97*upper(math.Log(b/0.08/body)/0.5) + 0.03*upper(math.Log(b/0.35/tail)/0.4)
		n := binomial(l.r, left, math.Min(1, math.Max(0, 1-above/q)))
		s.Buckets = append(s.Buckets, Bucket{Le: b, N: n})
		left, q = left-n, math.Max(above, 1e-300)
	}
	s.Buckets = append(s.Buckets, Bucket{Inf: true, N: left})
	return s
}

func upper(x float64) float64 { return 0.5 * math.Erfc(x/math.Sqrt2) }

func (l *latency) bake(spec Spec, window, step float64) (Judgement, float64) {
	spec.Start, spec.End = deployed, at(window)
	var before []Sample
	for t := -21600.0; t < 0; t += 60 {
		before = append(before, l.draw(t, 60))
	}
	s := New(spec, before)
	for t := 0.0; t < window; t += step {
		s.Add(l.draw(t, step))
		if j := s.Judge(); j.Status == Fail {
			return j, t + step
		}
	}
	return s.End(), window
}

// needle is a simulated gauge: an autoregressive process about 0.4 with sd 0.1.
type needle struct {
	r      *rand.Rand
	memory float64 // s
	mood   float64
	shift  float64 // after the deploy
}

func (n *needle) draw(from, dt float64) Sample {
	rho := math.Exp(-dt / n.memory)
	n.mood = rho*n.mood + math.Sqrt(1-rho*rho)*n.r.NormFloat64()
	v := 0.4 + 0.1*n.mood
	if from >= 0 {
		v += n.shift
	}
	return Sample{From: at(from), To: at(from + dt), Values: []float64{v}}
}

func (n *needle) bake(spec Spec, history, window, step float64) (Judgement, float64) {
	spec.Start, spec.End = deployed, at(window)
	var before []Sample
	for t := -history; t < 0; t += 60 {
		before = append(before, n.draw(t, 60))
	}
	s := New(spec, before)
	for t := 0.0; t < window; t += step {
		s.Add(n.draw(t, step))
		if j := s.Judge(); j.Status == Fail {
			return j, t + step
		}
	}
	return s.End(), window
}
