package main

import (
	"math"
	"slices"
)

// bad deploys: the new version makes it worse, by enough that it can be told within the bake.
func bad() []*class {
	return slices.Concat(failing(), slowing(), losing(), hiding())
}

// failing answer with errors.
func failing() []*class {
	return []*class{
		{name: "errors-x2", what: "twice the errors", shape: func(p *plan) {
			p.atLeast(100, 0.005)
			p.breaks(effect{errorsMore: 1})
		}},
		{name: "errors-x5", what: "five times the errors", shape: func(p *plan) {
			p.atLeast(60, 0.003)
			p.breaks(effect{errorsMore: 4})
		}},
		{name: "errors-1pp", what: "one request in a hundred fails more", shape: func(p *plan) {
			p.atLeast(60, 0.002)
			p.breaks(effect{errors: 0.01})
		}},
		{name: "errors-from-nothing", what: "0.02% errors become 0.4%", shape: func(p *plan) {
			p.atLeast(80, 0)
			p.fails(0.0002)
			p.breaks(effect{errors: 0.004})
		}},
		{name: "errors-tenant", what: "a quarter of one tenant's requests fail", shape: func(p *plan) {
			p.atLeast(60, 0.002)
			p.breaks(effect{tenant: 0.25})
		}},
		{name: "errors-zone", what: "6% of the requests fail in one zone of three", shape: func(p *plan) {
			p.atLeast(60, 0.002)
			p.spread(6, 3)
			p.breaks(effect{errors: 0.06}).where = func(o *pod) bool { return o.zone == 1 }
		}},
		{name: "errors-pod", what: "one pod fails a fifth of its requests", shape: func(p *plan) {
			p.atLeast(60, 0.002)
			p.spread(4, 2)
			p.breaks(effect{errors: 0.2}).where = func(o *pod) bool { return o.slot == 0 }
		}},
	}
}

// slowing take longer.
func slowing() []*class {
	return []*class{
		{name: "slow-median", what: "everything takes half as long again", shape: func(p *plan) { p.breaks(effect{slow: 0.5}) }},
		{name: "slow-tail", what: "the slowest 1% takes three times as long (5)", shape: func(p *plan) {
			p.atLeast(100, 0)
			p.breaks(effect{deep: 1})
		}},
		{name: "timeouts", what: "one request in a hundred reaches the time-out", shape: func(p *plan) {
			p.atLeast(60, 0)
			p.breaks(effect{hang: 0.01})
		}},
		{name: "leak", what: "slower and busier from minute to minute", shape: func(p *plan) {
			p.breaks(effect{slow: 1.2, cost: 0.3}).grows = math.Min(900, p.bake/2)
		}},
		{name: "cache-lost", what: "two thirds of the cache's hits are lost for good", shape: func(p *plan) { p.breaks(effect{miss: 0.66}) }},
		{name: "never-warm", what: "it starts as cold as ever, and stays so (1)", shape: func(p *plan) {
			p.warm = warmup{shape: p.warm.shape, lasts: p.dice.scale(60, 240), height: 0.5}
			p.breaks(effect{miss: 0.5})
		}},
	}
}

// losing lose requests, processes or customers.
func losing() []*class {
	return []*class{
		{name: "traffic-30", what: "30% of the requests do not come in (4)", shape: func(p *plan) { p.breaks(effect{lost: 0.3}) }},
		{name: "death", what: "after a while nothing comes in (4)", shape: func(p *plan) {
			p.breaks(effect{lost: 1}).onset = p.moment(0.02, 0.2)
		}},
		{name: "crash-loop", what: "one pod fails and crashes every minute or two (3)", shape: func(p *plan) {
			p.atLeast(100, 0.002)
			p.spread(4, 2)
			f := p.breaks(effect{})
			f.crash, f.where = tick*float64(p.count(4, 7)), func(o *pod) bool { return o.slot == 0 }
		}},
		{name: "business-10", what: "10% fewer business events (9)", shape: func(p *plan) {
			p.atLeast(200, 0)
			p.convert = 0.08
			p.breaks(effect{fewer: 0.1})
		}},
		{name: "business-30", what: "30% fewer business events (9)", shape: func(p *plan) {
			p.atLeast(80, 0)
			p.convert = math.Max(p.convert, 0.04)
			p.breaks(effect{fewer: 0.3})
		}},
		{name: "saturation", what: "each request costs 70% more (9)", shape: func(p *plan) {
			p.load = p.between(0.35, 0.5)
			p.breaks(effect{cost: 0.7})
		}},
	}
}

// hiding begin late, come and go, or happen while something else does.
func hiding() []*class {
	return []*class{
		{name: "late", what: "2% errors that begin five minutes after the deploy", shape: func(p *plan) {
			p.atLeast(60, 0.003)
			p.breaks(effect{errors: 0.02}).onset = tick * math.Round(math.Min(300, p.bake/3)/tick)
		}},
		{name: "late-slow", what: "everything takes 60% longer from the eighth minute on", shape: func(p *plan) {
			p.breaks(effect{slow: 0.6}).onset = tick * math.Round(math.Min(480, p.bake/3)/tick)
		}},
		{name: "comes-and-goes", what: "for a minute in every five, a tenth of the requests fail", shape: func(p *plan) {
			p.atLeast(60, 0.003)
			p.breaks(effect{errors: 0.1}).every = 300
		}},
		{name: "slow-pod", what: "one pod takes three times as long", shape: func(p *plan) {
			p.spread(4, 2)
			p.breaks(effect{slow: 2}).where = func(o *pod) bool { return o.slot == 0 }
		}},
		{name: "after-outage", what: "1% errors, and the history has an outage (6)", shape: func(p *plan) {
			p.atLeast(60, 0.003)
			p.outage()
			p.breaks(effect{errors: 0.01})
		}},
		{name: "rough-errors", what: "3% errors while three of the good classes happen", shape: func(p *plan) {
			rough(p)
			p.atLeast(60, 0.003)
			p.breaks(effect{errors: 0.03})
		}},
		{name: "fault-in-incident", what: "an incident is under way, and the version adds 4% errors (6)", shape: func(p *plan) {
			p.atLeast(60, 0.003)
			p.events = append(p.events, event{from: -p.between(8, 20) * minute, to: 2 * p.bake, edge: 30, errors: 0.01, slow: 0.3})
			p.breaks(effect{errors: 0.04})
		}},
		{name: "retry-storm", what: "it fails and hangs, and clients come back threefold (10)", shape: func(p *plan) {
			p.atLeast(60, 0)
			p.retry = 3
			p.breaks(effect{errors: 0.03, hang: 0.03})
		}},
		{name: "masked", what: "2.5 times the errors, while half of the traffic goes home as yesterday", shape: func(p *plan) {
			p.atLeast(120, 0.006)
			p.daily(event{from: 0, to: 6 * 3600, edge: 10 * minute, traffic: -0.55})
			p.breaks(effect{errorsMore: 1.5})
		}},
		{name: "stuck", what: "half of the old pods are gone, the new ones do not get ready", mode: rolling, shape: func(p *plan) {
			p.load = p.between(0.45, 0.55)
			p.breaks(effect{}).stuck = true
		}},
		{name: "everything-a-bit", what: "errors x1.5, 15% slower, 10% less business (9)", shape: func(p *plan) {
			p.atLeast(200, 0.01)
			p.convert = 0.06
			p.breaks(effect{errorsMore: 0.5, slow: 0.15, fewer: 0.1})
		}},
	}
}

// breaks gives the version its fault.
func (p *plan) breaks(e effect) *fault {
	p.fault = &fault{effect: e}
	return p.fault
}
