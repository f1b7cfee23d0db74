package main

import "math"

// world is one service around one deploy, which is at t = 0.
type world struct {
	service
	from, to float64
	clock    float64 // the second of the day at t = 0
	events   []event
	fault    *fault

	sky    dice // what is around: the same with and without a fault
	chance dice // of the requests
	scrape dice // of the telemetry
	pods   []*pod
	old    int // pods that the rollout has not reached yet
	begun  bool
	calm   int // minutes in which fewer pods would do

	failed   float64 // requests of the last tick that failed: some come again
	slowPath wander
	glitches []glitch
	told     [2]*group // what was last scraped
}

// flow is what happened in a tick, as nobody can see it: the truth of the tests.
type flow struct {
	t    float64
	seen counters // by the pods of the canary group
	beside,
	busy float64 // requests of the control; how busy the canary group is
}

// run simulates from w.from to w.to, and calls each tick.
func (w *world) run(each func(t float64, truth flow)) {
	w.start()
	for t := w.from + tick; t <= w.to; t += tick {
		w.rollOut(t)
		w.restart(t)
		now := w.weatherAt(t)
		each(t, w.step(t, &now))
		if w.autoscale && math.Mod(t, minute) == 0 {
			w.scale(t)
		}
	}
}

func (w *world) start() {
	w.events = append(w.events, w.habits.events(w.sky, w.from, w.to, w.service.pods)...)
	w.burst = newWander(w.sky, w.burst.sigma, w.burst.tau)
	for i := range w.tenants {
		a := &w.tenants[i].activity
		*a = newWander(w.sky, a.sigma, a.tau)
	}
	w.mood = newWander(w.sky, w.mood.sigma, math.Max(w.mood.tau, tick))
	w.slowPath = wander{sigma: w.wanders, tau: 300}
	for i := range w.service.pods {
		w.pods = append(w.pods, w.newPod(i, w.from-day))
	}
}

func (w *world) newPod(slot int, t float64) *pod {
	return &pod{slot: slot, zone: slot % 3, born: t, down: math.Inf(-1), warm: w.warm, pause: t + w.chance.Float64()*w.habits.gcEvery}
}

// step gives a tick's requests to the pods.
func (w *world) step(t float64, now *weather) flow {
	total := 0.0
	for _, p := range w.pods {
		total += p.share(t, w.ramp)
	}
	truth, n := flow{t: t}, 0.0
	w.failed = 0
	for _, p := range w.pods {
		given := 0.0
		if total > 0 {
			given = now.rate * p.share(t, w.ramp) / total
		}
		c := w.serve(p, given, t, now)
		p.count.add(&c)
		w.failed += float64(c.err)
		if w.control(p) {
			truth.beside += float64(c.req)
			continue
		}
		truth.seen.add(&c)
		if p.down <= t {
			truth.busy += p.busy
			n++
		}
	}
	truth.busy /= math.Max(n, 1)
	return truth
}

// control says whether the pod runs beside the canary.
func (w *world) control(p *pod) bool { return w.canary > 0 && p.slot >= w.canary }

// rollOut replaces the pods one by one, as a new one is there before an old one goes.
func (w *world) rollOut(t float64) {
	if t <= 0 {
		return
	}
	if !w.begun {
		w.begun, w.old = true, len(w.pods)
		if w.canary > 0 {
			w.old = w.canary
		}
	}
	reached := int((t - tick) / w.gap)
	for i, p := range w.pods {
		if p.fresh || i > reached || i >= w.old {
			continue
		}
		if w.fault != nil && w.fault.stuck && 2*i >= w.old { // the old pod went, and the new one never gets ready
			p.down = w.to
			p.count = counters{}
			continue
		}
		w.pods[i] = w.newPod(p.slot, t-tick)
		w.pods[i].fresh = true
	}
}

// restart starts processes again: by habit, and where a version crashes.
func (w *world) restart(t float64) {
	for _, p := range w.pods {
		u := w.chance.Float64()
		crash := w.crashes(p, t) && t-p.born >= w.fault.crash
		habit := u < w.habits.restarts/float64(w.service.pods)*tick/day
		if p.down > t || !crash && !habit && !w.rebooted(p, t) {
			continue
		}
		p.born, p.down, p.count = t, t, counters{}
	}
}

// rebooted says whether the pod's machine is drained in this tick.
func (w *world) rebooted(p *pod, t float64) bool {
	for i := range w.events {
		if e := &w.events[i]; e.reboot && e.pod == p.slot+1 && t > e.from && t <= e.from+tick {
			return true
		}
	}
	return false
}

// scale adds pods when those that are there are busy, and takes them away after five calm minutes.
func (w *world) scale(t float64) {
	busy := 0.0
	for _, p := range w.pods {
		busy += p.busy
	}
	busy /= float64(len(w.pods))
	target := w.load * 1.05
	switch {
	case busy > target*1.15 && len(w.pods) < 3*w.service.pods:
		w.calm = 0
		for range int(math.Ceil(float64(len(w.pods)) * (busy/target - 1))) {
			p := w.newPod(len(w.pods), t)
			p.fresh = w.begun && w.canary == 0
			w.pods = append(w.pods, p)
		}
	case busy < target*0.7 && len(w.pods) > w.service.pods:
		if w.calm++; w.calm >= 5 {
			w.calm = 0
			w.pods = w.pods[:len(w.pods)-1]
		}
	default:
		w.calm = 0
	}
}
