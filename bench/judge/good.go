package main

import (
	"math"
	"slices"
)

// good deploys: whatever happens, it is not the new version's doing. The numbers in brackets are the lessons of README.md.
func good() []*class {
	return slices.Concat(starting(), unseen(), restless(), crowded())
}

// starting start as new processes do.
func starting() []*class {
	return []*class{
		{name: "calm", what: "an ordinary service, an ordinary day", shape: func(*plan) {}},
		{name: "quiet", what: "0.5 to 3 requests/s", shape: func(p *plan) { p.rps = p.dice.scale(0.5, 3) }},
		{name: "better", what: "the new version halves errors and time", shape: func(p *plan) {
			p.fault = &fault{effect: effect{errorsMore: -0.5, slow: -0.2}}
		}},
		{name: "warm-step", what: "a cold cache that does not help until it is full (1)", shape: func(p *plan) { warms(p, step) }},
		{name: "warm-sawtooth", what: "a cold cache that is thrown away twice (1)", shape: func(p *plan) { warms(p, sawtooth) }},
		{name: "warm-ramp", what: "a cold cache that fills for minutes (1)", shape: func(p *plan) { warms(p, ramp) }},
		{name: "starting-errors", what: "a new process fails for half a minute (1)", shape: func(p *plan) { p.connect = p.between(0.01, 0.06) }},
		{name: "slow-rollout", what: "the new version's series appear pod by pod for minutes (2)", mode: rolling, shape: func(p *plan) {
			p.labelled, p.gap = true, p.between(25, 60)
		}},
		{name: "canary-ramp", what: "the canary gets its traffic little by little (2)", mode: canary, shape: func(p *plan) {
			p.service.ramp = p.between(90, 360)
		}},
	}
}

// unseen are seen badly.
func unseen() []*class {
	return []*class{
		{name: "scrape-stale", what: "scrapes that repeat the one before, then tell two ticks at once (3)", shape: staleScrapes},
		{name: "scrape-missing", what: "scrapes that are missing for up to three minutes (3)", shape: missingScrapes},
		{name: "series-missing", what: "one pod's series are gone for minutes, and come back (3)", shape: hiddenSeries},
		{name: "exporter-restart", what: "all counters begin anew, the service does not notice (3)", shape: func(p *plan) {
			for range p.count(1, 2) {
				t := p.moment(0.05, 0.95)
				p.glitches = append(p.glitches, glitch{from: t, how: zeroed}, glitch{from: t, how: zeroed, control: true})
			}
		}},
		{name: "pod-restart", what: "a machine is drained: one pod starts again, the sum falls partly (3)", shape: drained},
	}
}

// restless happen while traffic or a dependency moves.
func restless() []*class {
	return []*class{
		{name: "noisy-traffic", what: "traffic that always swings by a third (4)", shape: func(p *plan) {
			p.load = p.between(0.15, 0.25)
			p.burst, p.jitter = newWander(p.dice, p.between(0.15, 0.25), p.between(1, 4)*minute), p.between(0.08, 0.15)
		}},
		{name: "bursts", what: "traffic that drifts for ten minutes and comes back (4)", shape: func(p *plan) {
			p.burst = newWander(p.dice, p.between(0.1, 0.2), p.between(8, 15)*minute)
		}},
		{name: "slow-path-wanders", what: "the slow 1% is 0.6% or 1.6%, as ever (5)", shape: func(p *plan) { p.wanders = 0.5 }},
		{name: "incident-before", what: "an upstream incident began before the deploy and goes on (6)", shape: func(p *plan) {
			p.incident(-p.between(6, 20)*minute, 2*p.bake)
		}},
		{name: "incident-ends", what: "an upstream incident began before the deploy and ends in the bake (6)", shape: func(p *plan) {
			p.incident(-p.between(6, 20)*minute, p.moment(0.2, 0.7))
		}},
		{name: "incident-during", what: "an upstream incident begins in the bake, for both (6)", mode: canary, shape: func(p *plan) {
			p.incident(p.moment(0.05, 0.6), p.bake+1)
		}},
		{name: "morning", what: "traffic doubles within the hour, as yesterday (6)", shape: func(p *plan) {
			p.load = p.between(0.15, 0.25)
			p.daily(event{from: -p.between(5, 20) * minute, to: 4 * 3600, edge: p.between(25, 60) * minute, traffic: p.between(0.6, 1)})
		}},
		{name: "noisy-hour", what: "an hour that is wilder than others, every day (7)", shape: func(p *plan) {
			p.load = p.between(0.15, 0.25)
			p.habits.noisyFrom, p.habits.noisyFor = p.clock-5*minute, 70*minute
		}},
	}
}

// crowded happen while clients, schedules and neighbours do what they do.
func crowded() []*class {
	return []*class{
		{name: "marketing", what: "many come who do not buy (8)", shape: func(p *plan) {
			p.load = p.between(0.15, 0.25)
			more := p.between(0.5, 1)
			p.during(10*minute, 30*minute, event{edge: 2 * minute, traffic: more, dilute: more * 0.7 / (1 + more)})
		}},
		{name: "retry-waves", what: "clients that fail by themselves and come again, as often before (8, 10)", shape: func(p *plan) {
			p.retry, p.habits.waves = p.between(0.5, 1), 60
			size := p.between(0.1, 0.3)
			p.during(minute, 5*minute, event{edge: 30, traffic: size, errors: size * 0.05, dilute: size / 2})
		}},
		{name: "tenants", what: "two tenants that come and go, and fail more than others (7)", shape: visitors},
		{name: "cron-minute", what: "much comes in the first 15 s of each minute (10)", shape: func(p *plan) {
			p.load, p.habits.cronMinute = p.between(0.12, 0.2), p.between(0.5, 1.5)
		}},
		{name: "cron-hour", what: "much comes in the first minutes of each hour (10)", shape: func(p *plan) {
			p.habits.cronHour = p.between(0.4, 0.8)
			p.load = p.between(0.15, 0.25)
			p.clock = tick * float64(int((3600*float64(p.IntN(24)+1)-p.moment(0.05, 0.8))/tick))
		}},
		{name: "gc-pauses", what: "each pod stops for half a second every minute or two (10)", shape: func(p *plan) {
			p.habits.gcEvery, p.habits.gcPause = p.between(60, 120), p.between(0.3, 0.8)
		}},
		{name: "balancer-flap", what: "the balancer loses a third of the traffic for moments, every hour or so (10)", shape: func(p *plan) {
			p.habits.flaps, p.habits.flapDepth = 40, p.between(0.25, 0.45)
			p.during(15, minute, event{traffic: -p.habits.flapDepth})
		}},
		{name: "noisy-neighbour", what: "a pod is slow for some minutes, as some pod often is (10)", shape: func(p *plan) {
			p.spread(6, 3)
			p.habits.neighbours = 100
			p.during(minute, 5*minute, event{slow: p.between(0.3, 0.6), pod: 1 + p.seen()})
		}},
		{name: "errors-drift", what: "an error rate that wanders by a quarter within hours (6)", shape: func(p *plan) {
			p.atLeast(60, 0.005)
			p.mood = wander{sigma: 0.25, tau: 3600}
		}},
		{name: "outage-yesterday", what: "an outage hours ago is in the history (6)", shape: func(p *plan) { p.outage() }},
		{name: "memory-fills", what: "the saturation is memory: a new process fills it in minutes, as ever (1)", shape: func(p *plan) {
			p.memory = p.between(0.6, 0.9)
		}},
		{name: "one-pod-canary", what: "one pod of twelve, at few requests/s (2)", mode: canary, shape: func(p *plan) {
			p.service.pods, p.canary, p.rps = 12, 1, p.dice.scale(12, 40)
			p.service.ramp = p.between(30, 180)
		}},
		{name: "rough", what: "three of the other classes at once", shape: rough},
		{name: "autoscaling", what: "pods come and go with the traffic, each one cold at first", shape: func(p *plan) {
			p.autoscale, p.habits.surges = true, 12
			p.during(10*minute, 20*minute, event{edge: 2 * minute, traffic: p.between(0.3, 0.6)})
		}},
	}
}

func warms(p *plan, s shape) {
	p.warm = warmup{shape: s, lasts: p.dice.scale(30, 480), height: p.between(0.3, 1)}
}

// incident is one of a service that all requests need.
func (p *plan) incident(from, to float64) {
	p.events = append(p.events, event{from: from, to: to, edge: 30, errors: p.dice.scale(0.005, 0.04), slow: p.between(0.1, 0.8)})
}

func staleScrapes(p *plan) {
	p.habits.stale = 0.01
	for _, part := range [][2]float64{{0, 0.05}, {0.05, 0.5}, {0.5, 0.9}} {
		t := p.moment(part[0], part[1])
		p.glitches = append(p.glitches, glitch{from: t, to: t + tick, how: stale})
	}
}

func missingScrapes(p *plan) {
	p.habits.gaps = 0.01
	for _, part := range [][2]float64{{0, 0.2}, {0.35, 0.55}, {0.7, 0.85}} { // apart: together they would look like the end of the service
		t := p.moment(part[0], part[1])
		p.glitches = append(p.glitches, glitch{from: t, to: t + math.Min(tick*float64(p.count(1, 12)), p.bake/8), how: missing})
	}
}

func hiddenSeries(p *plan) {
	for _, part := range [][2]float64{{0.1, 0.4}, {0.5, 0.8}} {
		t := p.moment(part[0], part[1])
		p.glitches = append(p.glitches, glitch{from: t, to: t + p.between(30, 180), how: hidden, pod: p.seen()})
	}
}

func drained(p *plan) {
	p.spread(4, 2)
	p.labelled, p.habits.restarts = false, 8
	for range 2 {
		p.during(minute, minute, event{pod: 1 + p.seen(), reboot: true})
	}
}

func visitors(p *plan) {
	for i := range 2 {
		t := &p.tenants[i]
		t.visits, t.here, t.errors = 0.3, false, t.errors*p.between(1.5, 3)
	}
}

// outage is one that is over.
func (p *plan) outage() {
	from := -p.between(2, 20) * 3600
	p.events = append(p.events, event{from: from, to: from + p.between(10, 40)*minute, edge: 30, errors: p.between(0.05, 0.3), slow: p.between(0.5, 2), traffic: -0.3})
}

// rough takes three classes that can be together.
func rough(p *plan) {
	var all []*class
	for _, c := range good() {
		if c.mode == "" && c.name != "rough" && c.name != "quiet" && c.name != "better" {
			all = append(all, c)
		}
	}
	for _, i := range p.Perm(len(all))[:3] {
		all[i].shape(p)
	}
}
