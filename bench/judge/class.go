package main

// class is a kind of deploy.
type class struct {
	name  string
	what  string // what happens, in a line
	bad   bool
	mode  string // rolling or canary where it can only be the one; else they take turns
	shape func(*plan)
}

const (
	rolling = "rolling"
	canary  = "canary"

	allPods    = "all pods"
	oneVersion = "one version"
)

// classes are all of them: the good ones first.
func classes() []*class {
	cs := good()
	for _, c := range bad() {
		c.bad = true
		cs = append(cs, c)
	}
	return cs
}

// plan is what a class makes of an ordinary service and an ordinary deploy.
type plan struct {
	service
	dice
	bake     float64
	clock    float64 // the second of the day of the deploy
	fault    *fault
	events   []event
	glitches []glitch
}

// newPlan draws the service of a seed. The mode follows from the seed, so that two seeds show a class both ways.
func newPlan(c *class, seed uint64, bake int) *plan {
	d := newDice(seed, c.name)
	p := &plan{service: newService(d), dice: d, bake: float64(bake)}
	p.clock = tick * float64(d.IntN(day/tick))
	beside := c.mode == canary || c.mode == "" && seed%2 == 1
	if beside {
		p.service.pods = d.count(6, 12)
		p.canary = max(1, p.service.pods/4)
	}
	c.shape(p)
	return p
}

// more pods than the class needs of one place each.
func (p *plan) spread(pods, canary int) {
	p.service.pods = max(p.service.pods, pods)
	if p.canary > 0 {
		p.canary = max(p.canary, canary)
	}
}

// during is an event that begins within the first two thirds of the bake and lasts so long.
func (p *plan) during(low, high float64, e event) {
	e.from = p.between(0.05, 0.66) * p.bake
	e.to = e.from + p.between(low, high)
	p.events = append(p.events, e)
}

// daily is an event that was there a day ago too: the second time of two.
func (p *plan) daily(e event) {
	before := e
	before.from, before.to = e.from-day, e.to-day
	p.events = append(p.events, before, e)
}

// moment is a scrape in a part of the bake.
func (p *plan) moment(from, to float64) float64 {
	return tick * float64(int(p.between(from, to)*p.bake/tick))
}

// seen is the place of a pod that the canary group is made of.
func (p *plan) seen() int {
	if p.canary > 0 {
		return p.IntN(p.canary)
	}
	return p.IntN(p.service.pods)
}
