package main

import "math"

// pod is a process with its own counters.
type pod struct {
	slot  int     // its place in the deployment, from 0
	zone  int     // of three
	born  float64 // s
	fresh bool    // it runs the version that is deployed
	warm  warmup
	pause float64 // when it next collects garbage
	busy  float64 // of its capacity, in the last tick
	down  float64 // until when it does not serve

	count counters
}

// counters only grow, from the start of the process.
type counters struct {
	req, err, biz int64
	lat           buckets64
}

type buckets64 = [21]int64

func (c *counters) add(o *counters) {
	c.req += o.req
	c.err += o.err
	c.biz += o.biz
	for i := range c.lat {
		c.lat[i] += o.lat[i]
	}
}

// share of the traffic that the balancer gives it, before it is divided by all pods' shares.
func (p *pod) share(t, ramp float64) float64 {
	if t <= p.down {
		return 0
	}
	age := t - p.born
	if ramp <= 0 || age >= ramp {
		return 1
	}
	return 0.1 + 0.9*age/ramp
}

// serve lets a pod answer what it was given in the tick that ends at t, and returns what it counted.
func (w *world) serve(p *pod, expected, t float64, now *weather) counters {
	s, f := &w.service, w.fault.on(p, t)
	cold := p.warm.cold(t - p.born)
	hits := s.latency.hits * (1 - cold) * (1 - f.miss)
	expected *= 1 - f.lost
	cost := (1 + 0.6*(s.latency.hits-hits)) * (1 + f.cost)
	p.busy = s.load * cost * expected / (s.rps * tick / float64(s.pods))
	slowly := s.latency.slowly * now.wanders
	m := mix{
		slow: slowly * (1 - f.deep), deep: slowly * f.deep,
		stretch: now.slow * (1 + f.slow) * queue(p.busy) * w.near(p, t),
	}
	m.miss = (1 - hits) * (1 - slowly)
	m.pause = w.collects(p, t)
	fails := now.errors*(1+f.errorsMore) + f.errors + shed(p.busy) + f.tenant*now.tenants[1]
	if p.fresh || p.born > w.from {
		fails += s.connect * math.Exp(-(t-p.born)/20)
	}
	fails += w.dying(p, t)
	return w.answer(expected, math.Min(fails, 1), s.hang+f.hang, m, now, f)
}

// answer draws what came of the requests.
func (w *world) answer(expected, fails, hangs float64, m mix, now *weather, f effect) counters {
	var c counters
	s, d := &w.service, w.chance
	bad, hung := d.poisson(expected*fails), d.poisson(expected*hangs)
	c.lat[bucketOf(s.latency.timeout)] += hung
	failed := s.latency.fail.at(1)
	for range bad {
		c.lat[pickBucket(failed, d.Float64())]++
	}
	well, good := math.Max(0, 1-fails-hangs), int64(0)
	for i, p := range s.latency.of(m) {
		n := d.poisson(expected * well * p)
		c.lat[i] += n
		good += n
	}
	c.req, c.err = good+bad+hung, bad+hung
	// Somebody who tries again buys once: what is asked again seldom buys.
	buys := s.convert * now.dilute * (1 - 0.7*now.again) * (1 - f.fewer)
	c.biz = d.poisson(float64(good) * buys)
	return c
}

func pickBucket(b *buckets, u float64) int {
	for i, p := range b {
		if u -= p; u < 0 {
			return i
		}
	}
	return len(b) - 1
}

// queue is how much longer everything takes on a busy pod: little until it is nearly full.
func queue(busy float64) float64 {
	u := math.Min(busy, 0.93)
	return 1 + 0.3*math.Pow(u, 4)/(1-u)
}

// shed is the share of the requests that a pod beyond its capacity turns away.
func shed(busy float64) float64 {
	if busy <= 1 {
		return 0
	}
	return 1 - 1/busy
}

// collects is the share of the tick that a pod spends with its garbage.
func (w *world) collects(p *pod, t float64) float64 {
	h := &w.service.habits
	if t < p.pause {
		return 0
	}
	p.pause = t + h.gcEvery*(0.5+w.chance.Float64())
	return h.gcPause / tick * (0.5 + w.chance.Float64())
}

// near is how much a neighbour on the pod's machine slows it.
func (w *world) near(p *pod, t float64) float64 {
	x := 1.0
	for i := range w.events {
		if e := &w.events[i]; e.pod == p.slot+1 {
			x *= 1 + e.slow*e.strength(t)
		}
	}
	return x
}

// dying is the share of requests that fail in the tick before a crash.
func (w *world) dying(p *pod, t float64) float64 {
	if !w.crashes(p, t) || math.Mod(t-p.born, w.fault.crash) != w.fault.crash-tick {
		return 0
	}
	return 0.5
}

func (w *world) crashes(p *pod, t float64) bool {
	f := w.fault
	return f != nil && f.crash > 0 && p.fresh && t > f.onset && (f.where == nil || f.where(p))
}
