package main

import "math"

// event is something that happens around the service for a while, whichever version runs.
type event struct {
	from, to float64
	edge     float64 // s until it is there in full, and until it is gone
	traffic  float64 // more (or less) of it: 0.5 is half as much again
	errors   float64 // added to the error rate
	slow     float64 // everything takes so much longer
	dilute   float64 // share of the business events of a request that are missing
	pod      int     // it meets one pod only: its number, from 1
	reboot   bool    // the pod starts again when it begins
}

// strength is how much of the event a tick has that ends at t.
func (e *event) strength(t float64) float64 {
	in := math.Min(t, e.to) - math.Max(t-tick, e.from)
	if in <= 0 {
		return 0
	}
	if e.edge > 0 {
		in *= math.Min(1, math.Min(t-e.from, e.to-t+tick)/e.edge)
	}
	return in / tick
}

// weather is what a tick brings to every pod.
type weather struct {
	rate    float64 // requests of the tick, retries included
	again   float64 // share of them that are retries
	errors  float64 // share that fails: the tenants' mix, and what is around
	slow    float64 // factor on every time
	dilute  float64 // factor on the business events
	wanders float64 // factor on the slow path's share
	tenants []float64
}

// events of the habits, between two moments.
func (h *habits) events(d dice, from, to float64, pods int) []event {
	var es []event
	for _, t := range d.arrivals(h.flaps, from, to) { // the balancer loses some of its targets, and finds them again
		es = append(es, event{from: t, to: t + d.between(15, 60), traffic: -h.flapDepth * d.between(0.7, 1)})
	}
	for _, t := range d.arrivals(h.neighbours, from, to) {
		es = append(es, event{from: t, to: t + d.between(1, 8)*minute, slow: d.between(0.3, 1), pod: 1 + d.IntN(pods)})
	}
	for _, t := range d.arrivals(h.waves, from, to) { // clients that fail by themselves, and try again
		size := d.between(0.1, 0.3)
		es = append(es, event{from: t, to: t + d.between(1, 5)*minute, edge: 30, traffic: size, errors: size * 0.05, dilute: size / 2})
	}
	for _, t := range d.arrivals(h.surges, from, to) {
		es = append(es, event{from: t, to: t + d.between(10, 40)*minute, edge: 2 * minute, traffic: d.between(0.3, 0.8)})
	}
	return es
}

// loud is how much wilder this moment is than others.
func (h *habits) loud(clock float64) float64 {
	if h.noisyFor > 0 && math.Mod(clock-h.noisyFrom+2*day, day) < h.noisyFor {
		return 3
	}
	return 1
}

// weatherAt moves the world on by a tick.
func (w *world) weatherAt(t float64) weather {
	s, d := &w.service, w.sky
	clock := math.Mod(w.clock+t+2*day, day)
	loud := s.habits.loud(clock - tick)
	now := weather{slow: 1, dilute: 1, wanders: math.Exp(w.slowPath.step(d, 1))}
	mix, fail := w.visits(&now, loud)
	rate := s.rps * tick * s.curve(clock) * math.Exp(s.burst.step(d, loud)) * mix * d.gamma(1/(s.jitter*s.jitter))
	now.errors = fail / mix * math.Exp(w.mood.step(d, 1))
	rate *= w.cron(&now, clock)
	for i := range w.events {
		rate *= now.meets(&w.events[i], t)
	}
	more := w.failed * s.retry
	now.rate = rate + more
	now.again = more / now.rate
	return now
}

// visits moves the tenants on: who is there, how much they ask, how much of it fails.
func (w *world) visits(now *weather, loud float64) (mix, fail float64) {
	now.tenants = make([]float64, len(w.service.tenants))
	for i := range w.service.tenants {
		n := &w.service.tenants[i]
		asks := n.share * math.Exp(n.activity.step(w.sky, loud))
		u := w.sky.Float64()
		if n.visits > 0 {
			const stay = 10 * minute
			leaves, comes := tick/stay, tick/stay*n.visits/(1-n.visits)
			n.here = n.here && u > leaves || !n.here && u < comes
			if !n.here {
				asks = 0
			}
		}
		now.tenants[i] = asks
		mix += asks
		fail += asks * n.errors
	}
	for i := range now.tenants {
		now.tenants[i] /= mix
	}
	return mix, fail
}

// cron is the work that comes by the clock.
func (w *world) cron(now *weather, clock float64) float64 {
	h, more := &w.service.habits, 1.0
	if h.cronMinute > 0 && math.Mod(clock-tick+day, minute) < tick {
		more += h.cronMinute
		now.slow *= 1.15
	}
	if h.cronHour > 0 && math.Mod(clock-tick+day, 3600) < 150 {
		more += h.cronHour
		now.slow *= 1.3
		now.errors += 0.002
		now.dilute /= 1 + h.cronHour
	}
	return more
}

// meets adds an event, and returns the factor on the traffic. What meets one pod is asked for there.
func (now *weather) meets(e *event, t float64) float64 {
	x := e.strength(t)
	if x == 0 || e.pod > 0 {
		return 1
	}
	now.errors += x * e.errors
	now.slow *= 1 + x*e.slow
	now.dilute *= 1 - x*e.dilute
	return 1 + x*e.traffic
}
