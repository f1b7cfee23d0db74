package main

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// dice is a stream of chance. Each part of the simulation has a stream of its own, named: what one part draws does not move what
// another draws, so that a service with a fault and the same service without meet the same day.
type dice struct{ *rand.Rand }

func newDice(seed uint64, name string) dice {
	h := fnv.New64a()
	h.Write([]byte(name))
	return dice{rand.New(rand.NewPCG(seed, h.Sum64()))}
}

func (d dice) between(low, high float64) float64 { return low + (high-low)*d.Float64() }

// scale draws between low and high, each factor as likely as the other.
func (d dice) scale(low, high float64) float64 { return low * math.Pow(high/low, d.Float64()) }

func (d dice) count(low, high int) int { return low + d.IntN(high-low+1) }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// poisson counts what happens when mean is expected. Above 40 the normal curve is as good and does not depend on the mean's size.
func (d dice) poisson(mean float64) int64 {
	if mean <= 0 {
		return 0
	}
	if mean > 40 {
		return int64(math.Max(0, math.Round(mean+math.Sqrt(mean)*d.NormFloat64())))
	}
	u, p, n := d.Float64(), math.Exp(-mean), int64(0)
	for u > p && n < 400 {
		u -= p
		n++
		p *= mean / float64(n)
	}
	return n
}

// gamma draws from a gamma distribution of mean 1 (Marsaglia and Tsang, 2000); shape must be 1 or more.
func (d dice) gamma(shape float64) float64 {
	a := shape - 1.0/3
	c := 1 / math.Sqrt(9*a)
	for {
		x := d.NormFloat64()
		v := math.Pow(1+c*x, 3)
		if v > 0 && math.Log(d.Float64()) < x*x/2+a-a*v+a*math.Log(v) {
			return a * v / shape
		}
	}
}

// arrivals are the moments of a Poisson process with so many a day.
func (d dice) arrivals(perDay, from, to float64) []float64 {
	var at []float64
	for t := from; perDay > 0; {
		t += d.ExpFloat64() * day / perDay
		if t >= to {
			break
		}
		at = append(at, t)
	}
	return at
}

// wander is a value that drifts and comes back (Ornstein-Uhlenbeck): what makes neighbouring minutes alike.
type wander struct{ sigma, tau, x float64 }

func newWander(d dice, sigma, tau float64) wander { return wander{sigma, tau, sigma * d.NormFloat64()} }

// step moves it on by a tick; louder multiplies how far it goes.
func (w *wander) step(d dice, louder float64) float64 {
	keep := math.Exp(-tick / w.tau)
	w.x = keep*w.x + louder*w.sigma*math.Sqrt(1-keep*keep)*d.NormFloat64()
	return w.x
}
