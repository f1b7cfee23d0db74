package main

import (
	"fmt"
	"math"
	"slices"
)

// before is how long an earlier deploy is told before it happened: what the protocol says.
const before = 885.0

// trace is a deploy as a judge gets it, and what it does not get.
type trace struct {
	class *class
	seed  uint64
	mode  string
	group string // what the canary's series are: of all pods, or of one version's
	bake  int
	onset float64

	history  []row   // a row a minute of the day before
	previous [][]row // earlier good deploys, a row every tick
	samples  []row

	truth []flow // from an hour before the deploy
}

// wish is which deploy is to be simulated.
type wish struct {
	class   *class
	seed    uint64
	bake    int
	past    float64 // s of history
	earlier int     // deploys before this one
	healthy bool    // without the fault, and otherwise the same
}

// whole is a deploy as the protocol tells it: with a day of history and five earlier deploys.
func whole(c *class, seed uint64, bake int) wish {
	return wish{class: c, seed: seed, bake: bake, past: day, earlier: 5}
}

// simulate makes a wish true.
func simulate(x wish) *trace {
	p := newPlan(x.class, x.seed, x.bake)
	tr := &trace{class: x.class, seed: x.seed, mode: rolling, group: allPods, bake: x.bake}
	if p.canary > 0 {
		tr.mode = canary
	}
	if p.labelled {
		tr.group = oneVersion
	}
	for i := range x.earlier {
		tr.previous = append(tr.previous, earlier(p, x.seed, i))
	}
	w := p.world(x.seed, "deploy", -x.past)
	w.clock, w.events, w.glitches = p.clock, slices.Clone(p.events), p.glitches
	if p.fault != nil {
		tr.onset = p.fault.onset
		if !x.healthy {
			w.fault = p.fault
		}
	}
	w.run(func(t float64, truth flow) {
		if t > -3600 {
			tr.truth = append(tr.truth, truth)
		}
		switch r := w.tell(t); {
		case t > 0:
			tr.samples = append(tr.samples, r)
		case math.Mod(t, minute) == 0:
			tr.history = append(tr.history, r)
		}
	})
	return tr
}

// earlier is a good deploy of the same service at another time.
func earlier(p *plan, seed uint64, i int) []row {
	w := p.world(seed, fmt.Sprintf("earlier %d", i), -before-tick)
	w.clock = tick * float64(w.sky.IntN(day/tick))
	var rows []row
	w.run(func(t float64, _ flow) { rows = append(rows, w.tell(t)) })
	return rows
}

// world is the plan's service from a moment on.
func (p *plan) world(seed uint64, name string, from float64) *world {
	sky := newDice(seed, p.name(name, "sky"))
	w := &world{service: p.service, from: from, to: p.bake, sky: sky, chance: newDice(seed, p.name(name, "chance")), scrape: newDice(seed, p.name(name, "scrape"))}
	w.tenants = slices.Clone(p.tenants)
	w.warm = p.warm.again(sky)
	return w
}

// name tells the streams of one class's worlds from another's: the service's traffic is as good as its name.
func (p *plan) name(parts ...any) string { return fmt.Sprint(append(parts, p.rps, p.peak)...) }
