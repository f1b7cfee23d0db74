package main

import "math"

const (
	tick   = 15.0    // s: the simulation's step, and the scrape's
	day    = 86400.0 // s
	minute = 60.0
)

// service is what does not change from one deploy to the next.
type service struct {
	pods int
	rps  float64 // of the whole service, over the day

	peak, swing float64 // the day curve: the second of the day with most traffic, and how far it swings
	burst       wander  // of the logarithm of the traffic
	jitter      float64 // the spread of a tick on its own (gamma)
	tenants     []tenant
	convert     float64 // business events of a request
	retry       float64 // how many requests come again for one that failed

	latency latency
	wanders float64 // how far the slow path's share goes up and down
	hang    float64 // share of requests that reach the time-out
	load    float64 // how busy a pod is at the mean rate
	memory  float64 // of its limit: what a process has filled after a day; 0 is not looked at
	mood    wander  // of the logarithm of the error rate
	connect float64 // errors of a process that has just started: connections, pools

	warm      warmup
	gap       float64 // s between one pod's replacement and the next
	ramp      float64 // s until the balancer gives a new pod its whole share
	canary    int     // pods of the canary; 0 is a rolling deploy
	labelled  bool    // the series carry the version: after the deploy only new pods are seen
	autoscale bool
	habits    habits
}

// tenant is a customer with its own share of the traffic and its own way of failing.
type tenant struct {
	share, errors float64
	activity      wander
	visits        float64 // 0: always there; else the share of the time when it is, in visits of about ten minutes
	here          bool
}

// habits are the service's bad moments. They are in the history and in earlier deploys too.
type habits struct {
	gcEvery, gcPause    float64 // s, for each pod
	flaps, flapDepth    float64 // a day; the traffic that is missing meanwhile
	neighbours          float64 // a day: another machine's guest slows a pod
	waves               float64 // a day: clients that fail and try again
	cronMinute          float64 // more traffic in the first 15 s of a minute
	cronHour            float64 // more traffic in the first minutes of an hour
	noisyFrom, noisyFor float64 // second of the day, s: an hour that is not like the others
	gaps, stale         float64 // share of the scrapes that are missing, that repeat the one before
	restarts            float64 // a day: a pod's process starts again
	surges              float64 // a day: many come for a while
}

// newService draws an ordinary service; a class changes what it is about.
func newService(d dice) service {
	s := service{
		pods: d.count(4, 10), rps: d.scale(30, 250),
		peak: d.between(0, day), swing: d.between(0.15, 0.5),
		burst: newWander(d, d.between(0.03, 0.07), d.between(2, 10)*minute), jitter: d.between(0.02, 0.05),
		convert: d.between(0.02, 0.08), retry: d.between(0, 0.4),
		latency: newLatency(d), wanders: 0.1, hang: d.between(0, 0.0004), load: d.between(0.2, 0.35), connect: d.between(0, 0.004),
		warm: warmup{shape: shape(d.IntN(4)), lasts: d.between(30, 120), height: d.between(0.05, 0.3)},
		gap:  d.between(8, 30), ramp: d.between(0, 30), labelled: d.chance(0.5),
	}
	s.habits = habits{
		gcEvery: d.between(120, 900), gcPause: d.between(0.05, 0.2),
		flaps: d.between(0, 3), flapDepth: d.between(0.1, 0.3), neighbours: d.between(0, 1), waves: d.between(0, 1),
		gaps: 0.002, stale: 0.001, restarts: d.between(0, 1),
	}
	s.tenants = newTenants(d, d.count(5, 12), d.scale(0.002, 0.015))
	return s
}

// newTenants share the traffic as Zipf's law has it, and fail at errors on average, each in its own way.
func newTenants(d dice, n int, errors float64) []tenant {
	ts := make([]tenant, n)
	shares, rate := 0.0, 0.0
	for i := range ts {
		ts[i] = tenant{share: 1 / float64(i+2), errors: math.Exp(0.7 * d.NormFloat64()), here: true}
		ts[i].activity = newWander(d, d.between(0.05, 0.2), d.between(5, 20)*minute)
		shares += ts[i].share
		rate += ts[i].share * ts[i].errors
	}
	for i := range ts {
		ts[i].errors *= errors * shares / rate
		ts[i].share /= shares
	}
	return ts
}

// fails sets the error rate of all tenants together.
func (s *service) fails(rate float64) {
	old := 0.0
	for _, t := range s.tenants {
		old += t.share * t.errors
	}
	for i := range s.tenants {
		s.tenants[i].errors *= rate / old
	}
}

// atLeast raises traffic and errors to where a fault can be told from chance within the bake.
func (s *service) atLeast(rps, errors float64) {
	s.rps = math.Max(s.rps, rps)
	old := 0.0
	for _, t := range s.tenants {
		old += t.share * t.errors
	}
	s.fails(math.Max(old, errors))
}

// curve is the traffic at a second of the day, 1 on average.
func (s *service) curve(clock float64) float64 {
	return 1 + s.swing*math.Cos(2*math.Pi*(clock-s.peak)/day)
}

// shape is how a cold cache becomes warm.
type shape int

const (
	ramp     shape = iota // it fills evenly
	step                  // nothing helps until everything is there
	sawtooth              // it fills, is thrown away, fills again
	curved                // fast at first, slow at last
)

// warmup is the way of a process from cold to warm.
type warmup struct {
	shape  shape
	lasts  float64 // s
	height float64 // share of the hits that are lost when it is cold
}

// cold is the share of hits that a process of this age does not have.
func (w warmup) cold(age float64) float64 {
	if age >= w.lasts {
		return 0
	}
	left := 1 - age/w.lasts
	switch w.shape {
	case step:
		return w.height
	case sawtooth:
		return w.height * left * (1 - math.Mod(3*age/w.lasts, 1)*0.8)
	case curved:
		return w.height * math.Exp(-4*age/w.lasts)
	default:
		return w.height * left
	}
}

// another deploy of the same service: nearly the same warm-up.
func (w warmup) again(d dice) warmup {
	w.lasts *= d.between(0.8, 1.2)
	w.height = math.Min(1, w.height*d.between(0.85, 1.15))
	return w
}
