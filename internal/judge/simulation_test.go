package judge

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var large = flag.Bool("large", false, "run the simulations with many more seeds, and print their figures")

func seeds(few, many int) int {
	if *large {
		return many
	}
	return few
}

// tallyOf counts what a simulation came to.
type tallyOf struct {
	n    int
	by   map[Status]int
	wait float64 // s until failure, summed
}

func (y *tallyOf) add(j Judgement, sec float64) {
	if y.by == nil {
		y.by = map[Status]int{}
	}
	y.n++
	y.by[j.Status]++
	if j.Status == Fail {
		y.wait += sec
	}
}

func (y *tallyOf) rate(s Status) float64 { return float64(y.by[s]) / float64(max(1, y.n)) }

func (y *tallyOf) String() string {
	return fmt.Sprintf("%d runs: fail %.4f after %.0f s, pass %.3f, unknown %.3f", y.n, y.rate(Fail), y.wait/float64(max(1, y.by[Fail])), y.rate(Pass), y.rate(Unknown))
}

var errorsSpec = Spec{Name: "errors", Kind: Proportion, Alpha: 0.01, Compare: true, WarmUp: 5 * time.Minute, Limits: []Limit{{Max: 0.05, HasMax: true, Text: "5%"}}}

// mostFalse is the largest number of false failures of n that a chance of alpha explains, with three standard errors.
func mostFalse(n int, alpha float64) int {
	m := float64(n) * alpha
	return int(m + 3*math.Sqrt(m))
}

func TestGoodDeploysAreNotFailed(t *testing.T) {
	kinds := map[string]func(*service){
		"plain":           func(*service) {},
		"warms up":        func(v *service) { v.warm = 5 * time.Minute },
		"overdispersed":   func(v *service) { v.phi = 3 },
		"both":            func(v *service) { v.phi, v.warm = 3, 5*time.Minute },
		"wandering":       func(v *service) { v.wander = 0.3 },
		"short history":   func(v *service) { v.history, v.phi = 900, 1.5 },
		"no warm-up band": func(v *service) { v.phi = 3 },
	}
	for name, change := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all tallyOf
			for _, rps := range []float64{0.2, 5, 50, 500} {
				var busy tallyOf
				for _, p := range []float64{0, 1e-4, 1e-3, 1e-2} {
					for i := range seeds(6, 300) {
						v := service{rps: rps, p: p, step: []float64{15, 30}[i%2], window: 900, history: 43200, histStep: 60}
						change(&v)
						spec := errorsSpec
						if name == "no warm-up band" {
							spec.WarmUp = 0
						}
						j, sec := v.with(uint64(1000*p*1e4) + uint64(i)).bake(spec)
						all.add(j, sec)
						busy.add(j, sec)
					}
				}
				if *large {
					t.Logf("%g rps: %s", rps, &busy)
				}
				if rps >= 50 && busy.rate(Pass) < 0.9 {
					t.Errorf("%g rps: %s; want at least 90%% passed", rps, &busy)
				}
			}
			if all.by[Fail] > mostFalse(all.n, 0.01) {
				t.Errorf("%s; want at most 1%% failed", &all)
			}
		})
	}
}

func TestBadDeploysAreFound(t *testing.T) {
	for _, c := range []struct {
		name     string
		rps, p   float64
		fault    func(t, p float64) float64
		warm     time.Duration
		phi      float64
		found    float64 // share
		within   float64 // s, on average
		promoted float64 // at most
	}{
		{"0.1% to 5%", 50, 0.001, func(_, _ float64) float64 { return 0.05 }, 5 * time.Minute, 1, 1, 60, 0},
		{"0.1% to 5%, overdispersed", 50, 0.001, func(_, _ float64) float64 { return 0.05 }, 5 * time.Minute, 3, 1, 60, 0},
		{"1% doubled", 50, 0.01, func(_, p float64) float64 { return 2 * p }, 5 * time.Minute, 1, 0.95, 500, 0},
		{"1% doubled, no band", 50, 0.01, func(_, p float64) float64 { return 2 * p }, 0, 1, 0.95, 250, 0},
		{"0.1% times five", 50, 0.001, func(_, p float64) float64 { return 5 * p }, 5 * time.Minute, 1, 0.95, 400, 0.05},
		{"from minute 5 on", 50, 0.001, func(s, p float64) float64 {
			if s < 300 {
				return p
			}
			return 0.05
		}, 5 * time.Minute, 1, 1, 360, 0},
		{"5% at 5 rps", 5, 0.001, func(_, p float64) float64 { return p + 0.05 }, 5 * time.Minute, 1, 1, 90, 0},
		{"all at 0.2 rps", 0.2, 0.001, func(_, _ float64) float64 { return 1 }, 5 * time.Minute, 1, 1, 120, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var all tallyOf
			for i := range seeds(20, 1000) {
				v := service{rps: c.rps, p: c.p, phi: c.phi, fault: c.fault, step: 15, window: 900, history: 43200, histStep: 60}
				spec := errorsSpec
				spec.WarmUp = c.warm
				all.add(v.with(uint64(i)).bake(spec))
			}
			if *large {
				t.Log(&all)
			}
			if all.rate(Fail) < c.found || all.wait/float64(max(1, all.by[Fail])) > c.within || all.rate(Pass) > c.promoted {
				t.Errorf("%s; want %g failed within %g s, at most %g passed", &all, c.found, c.within, c.promoted)
			}
		})
	}
}

// The demo: seconds instead of minutes, hardly any history.
func TestDemo(t *testing.T) {
	spec := Spec{Name: "errors", Kind: Proportion, Alpha: 0.01, Compare: true, Limits: []Limit{{Max: 0.02, HasMax: true, Text: "2%"}}}
	for _, history := range []float64{10, 20} {
		var good, bad tallyOf
		for i := range seeds(100, 5000) {
			v := service{rps: 200, p: 0.001, step: 1, histStep: 1, window: 15, history: history}
			good.add(v.with(uint64(i)).bake(spec))
			v.fault = func(_, _ float64) float64 { return 0.2 }
			bad.add(v.with(uint64(i)).bake(spec))
		}
		if *large {
			t.Logf("history %g s: good %s; bad %s", history, &good, &bad)
		}
		if good.rate(Pass) < 0.99 || bad.rate(Fail) < 1 || bad.wait/float64(bad.n) > 3 {
			t.Errorf("history %g s: good %s; bad %s", history, &good, &bad)
		}
	}
}

func TestLatency(t *testing.T) {
	both := func(x float64) func(float64) (float64, float64) {
		return func(float64) (float64, float64) { return x, x }
	}
	for _, c := range []struct {
		name        string
		rps, wander float64
		warm        bool
		slow        func(float64) (float64, float64)
		status      Status
		share       float64 // at least
	}{
		{"good", 50, 0.02, false, nil, Pass, 0.9},
		{"good, wandering", 50, 0.06, false, nil, Pass, 0.9},
		{"good, warming up", 50, 0.02, true, nil, Pass, 0.7},
		{"good, busy and warming up", 500, 0.04, true, nil, Pass, 0.7},
		{"x1.5", 50, 0.02, false, both(1.5), Fail, 0.95},
		{"x1.5, slow service", 5, 0.02, false, both(1.5), Fail, 0.8},
		{"x3", 50, 0.02, false, both(3), Fail, 1},
		{"tail x2", 50, 0.02, false, func(float64) (float64, float64) { return 1, 2 }, Fail, 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var all tallyOf
			for i := range seeds(8, 300) {
				l := &latency{r: rand.New(rand.NewPCG(uint64(i), 3)), rps: c.rps, wander: c.wander, warm: c.warm, slow: c.slow}
				all.add(l.bake(Spec{Name: "latency", Kind: Histogram, Alpha: 0.01, Compare: true, WarmUp: 5 * time.Minute, Limits: []Limit{{Quantile: 0.99, Max: 1, HasMax: true, Text: "1s"}}}, 900, 15))
			}
			if *large {
				t.Log(&all)
			}
			if all.rate(c.status) < c.share || c.status == Pass && all.by[Fail] > mostFalse(all.n, 0.01) {
				t.Errorf("%s; want %s for at least %g", &all, c.status, c.share)
			}
		})
	}
}

// A gauge follows itself for minutes; a limit two standard deviations off is crossed now and then by a good release.
func TestGauges(t *testing.T) {
	for _, c := range []struct {
		name                   string
		memory, history, shift float64
		compare                bool
		status                 Status
		share                  float64
	}{
		{"white", 1, 86400, 0, false, Pass, 0.9},
		{"a minute", 60, 86400, 0, false, Pass, 0.9},
		{"ten minutes", 600, 86400, 0, false, Pass, 0.85},
		{"ten minutes, no history", 600, 0, 0, false, Pass, 0.85},
		{"half an hour", 1800, 86400, 0, false, Pass, 0.85},
		{"ten minutes, compared", 600, 86400, 0, true, Pass, 0.95},
		{"moved", 60, 86400, 0.5, false, Fail, 0.95},
		{"moved, no history", 60, 0, 0.5, false, Fail, 0.95},
		{"moved, compared", 600, 86400, 0.5, true, Fail, 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var all tallyOf
			for i := range seeds(40, 3000) {
				n := &needle{r: rand.New(rand.NewPCG(uint64(i), 3)), memory: c.memory, shift: c.shift}
				n.mood = n.r.NormFloat64()
				spec := Spec{Name: "load", Kind: Gauge, Alpha: 0.01, Compare: c.compare, WarmUp: 5 * time.Minute}
				if !c.compare {
					spec.Limits = []Limit{{Max: 0.6, HasMax: true, Text: "0.6"}}
				}
				all.add(n.bake(spec, c.history, 900, 15))
			}
			if *large {
				t.Log(&all)
			}
			if all.rate(c.status) < c.share || c.status == Pass && all.by[Fail] > mostFalse(all.n, 0.03) {
				t.Errorf("%s; want %s for at least %g", &all, c.status, c.share)
			}
		})
	}
}
