package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// shop is a simulated service with errors, latency, traffic and orders, for the joint judge. Everything is seeded.
type shop struct {
	rps, p   float64
	noise    float64 // sd of the log error rate, correlated over 10 min
	control  bool
	warm     float64                 // s; errors and latency are three times as high at first
	known    bool                    // earlier deploys are known
	history  float64                 // s
	bake     float64                 // s
	step     float64                 // s
	upstream func(t float64) float64 // factor on the errors of both
	fault    func(t float64, x *rates)
	before   func(t float64, x *rates) // what goes on in history too
	specs    []MetricSpec
	r        *rand.Rand
	mood     float64
}

// rates are what one group does in one step.
type rates struct{ rps, errors, slow, tail, orders float64 }

var shopSpecs = []MetricSpec{
	{Spec: Spec{Name: "errors", Kind: Proportion, Compare: true}, Weight: 3},
	{Spec: Spec{Name: "latency", Kind: Histogram, Compare: true}, Weight: 3},
	{Spec: Spec{Name: "traffic", Kind: Rates, Compare: true}, Weight: 2},
	{Spec: Spec{Name: "orders", Kind: Rates, Compare: true}, Weight: 1.5, Optional: true},
}

func newShop(seed uint64) *shop {
	return &shop{rps: 50, p: 0.002, history: 21600, bake: 900, step: 15, specs: shopSpecs, r: rand.New(rand.NewPCG(seed, 11))}
}

// draw makes the samples of one group over [t, t+dt), t in s after that deploy, whose own start is at zero.
func (v *shop) draw(t, dt, share float64, deployed bool) []Sample {
	k := math.Exp(-dt / 600)
	v.mood = k*v.mood + math.Sqrt(1-k*k)*v.r.NormFloat64()
	x := rates{v.rps * share, v.p * math.Exp(v.noise*v.mood), 0.05, 0.01, 0.03}
	if v.before != nil {
		v.before(t, &x)
	}
	if v.upstream != nil && t >= 0 {
		x.errors *= v.upstream(t)
	}
	if deployed && v.warm > 0 {
		f := 1 + 2*math.Exp(-t/v.warm)
		x.errors, x.slow, x.tail = x.errors*f, x.slow*f, x.tail*f
	}
	if deployed && v.fault != nil {
		v.fault(t, &x)
	}
	n := poisson(v.r, x.rps*dt)
	bad := binomial(v.r, n, math.Min(1, x.errors))
	tail := binomial(v.r, n, math.Min(1, x.tail))
	slow := binomial(v.r, n-tail, math.Min(1, x.slow))
	fast := binomial(v.r, n-tail-slow, 0.5)
	from, to := at(t), at(t+dt)
	return []Sample{
		{From: from, To: to, Bad: bad, Total: n},
		{From: from, To: to, Buckets: []Bucket{{Le: 0.05, N: fast}, {Le: 0.1, N: n - tail - slow - fast}, {Le: 0.25, N: slow}, {Le: 1, N: tail}, {Inf: true}}},
		{From: from, To: to, Total: n},
		{From: from, To: to, Total: binomial(v.r, n, x.orders), Of: n},
	}
}

func (v *shop) shares() (own, control float64) {
	if v.control {
		return 0.2, 0.8
	}
	return 1, 0
}

// histories are the time before, and five earlier deploys.
func (v *shop) histories() []History {
	hs := make([]History, len(v.specs))
	own, control := v.shares()
	for t := -v.history; t < 0; t += 60 {
		mood := v.mood
		for i, x := range v.draw(t, 60, own, false) {
			hs[i].Before = append(hs[i].Before, x)
		}
		if v.control {
			v.mood = mood
			for i, x := range v.draw(t, 60, control, false) {
				hs[i].Control = append(hs[i].Control, x)
			}
		}
	}
	for k := 0; v.known && k < 5; k++ {
		v.earlier(hs)
	}
	return hs
}

func (v *shop) earlier(hs []History) {
	fault, upstream := v.fault, v.upstream
	v.fault, v.upstream = nil, nil
	own, _ := v.shares()
	es := make([]Earlier, len(hs))
	for t := -900.0; t < 1800; t += 15 {
		for i, x := range v.draw(t, 15, own, t >= 0) {
			es[i].Samples = append(es[i].Samples, x)
		}
	}
	for i := range hs {
		es[i].Start = at(0)
		hs[i].Previous = append(hs[i].Previous, es[i])
	}
	v.fault, v.upstream = fault, upstream
}

func (v *shop) deploy() *Deploy {
	spec := DeploySpec{Alpha: 0.01, Start: at(0), End: at(v.bake), WarmUp: 5 * time.Minute, Metrics: v.specs}
	return NewDeploy(spec, slices.Values(v.histories()))
}

// feed gives one step to the judge.
func (v *shop) feed(d *Deploy, t float64) {
	own, control := v.shares()
	mood := v.mood
	for i, x := range v.draw(t, v.step, own, true) {
		d.Add(i, x)
	}
	if v.control {
		v.mood = mood
		for i, x := range v.draw(t, v.step, control, false) {
			d.AddControl(i, x)
		}
	}
}

// run bakes, looking at every step.
func (v *shop) run() (Verdict, float64) {
	d := v.deploy()
	for t := 0.0; t < v.bake; t += v.step {
		v.feed(d, t)
		if x := d.Judge(); x.Status == Fail {
			return x, t + v.step
		}
	}
	return d.End(), v.bake
}
