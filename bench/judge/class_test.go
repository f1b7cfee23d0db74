package main

import (
	"math"
	"slices"
	"testing"
)

// view is what the requests of some minutes were like.
type view struct {
	ticks                   float64
	requests, errors, buys  float64 // a tick, of requests, of requests
	mean, slow, busy, swing float64 // ms; share above a second; of the capacity; spread of the ticks' traffic
}

// viewOf looks at the canary group's truth after from, until to.
func viewOf(tr *trace, from, to float64) view {
	var c counters
	var v view
	var each []float64
	for _, f := range tr.truth {
		if f.t > from && f.t <= to {
			c.add(&f.seen)
			v.busy += f.busy
			each = append(each, float64(f.seen.req))
		}
	}
	v.ticks = float64(len(each))
	v.requests, v.errors, v.buys = float64(c.req)/v.ticks, share(c.err, c.req), share(c.biz, c.req)
	v.busy /= v.ticks
	v.slow = share(sum(c.lat[17:]), c.req)
	for i, n := range c.lat[:20] {
		v.mean += 0.8 * bounds[i] * share(n, c.req)
	}
	for _, x := range each {
		v.swing += math.Pow(x/v.requests-1, 2) / v.ticks
	}
	v.swing = math.Sqrt(v.swing)
	return v
}

// sickAndWell are the means over seeds of a bad class with its fault and without, in the last part of the bake.
func sickAndWell(c *class, seeds uint64, from float64) (sick, well view) {
	for seed := range seeds {
		for _, x := range []struct {
			healthy bool
			to      *view
		}{{false, &sick}, {true, &well}} {
			v := viewOf(short(c, seed, x.healthy), from, testBake)
			n := float64(seeds)
			x.to.requests += v.requests / n
			x.to.errors += v.errors / n
			x.to.buys += v.buys / n
			x.to.mean += v.mean / n
			x.to.slow += v.slow / n
			x.to.busy += v.busy / n
		}
	}
	return sick, well
}

// Each bad class does what its name says, measured against the same deploy without the fault.
func TestFaultsAreWhatTheySay(t *testing.T) {
	type both struct{ sick, well view }
	seen := map[string]both{}
	type measure func(sick, well view) float64
	errorsTimes := func(s, w view) float64 { return s.errors / w.errors }
	errorsMore := func(s, w view) float64 { return s.errors - w.errors }
	requests := func(s, w view) float64 { return s.requests / w.requests }
	buys := func(s, w view) float64 { return s.buys / w.buys }
	mean := func(s, w view) float64 { return s.mean / w.mean }
	slow := func(s, w view) float64 { return s.slow / w.slow }
	busy := func(s, w view) float64 { return s.busy / w.busy }
	for _, x := range []struct {
		class     string
		of        measure
		low, high float64
	}{
		{"errors-x2", errorsTimes, 1.7, 2.2},
		{"errors-x5", errorsTimes, 4, 5.3},
		{"errors-1pp", errorsMore, 0.008, 0.012},
		{"errors-from-nothing", errorsMore, 0.003, 0.005},
		{"errors-tenant", errorsMore, 0.03, 0.08},
		{"errors-zone", errorsMore, 0.01, 0.04},
		{"errors-pod", errorsMore, 0.015, 0.11},
		{"slow-median", mean, 1.3, 1.7},
		{"slow-tail", slow, 5, 40},
		{"slow-tail", mean, 1, 2},
		{"timeouts", errorsMore, 0.008, 0.012},
		{"leak", mean, 2, 5},
		{"leak", busy, 1.2, 1.4},
		{"cache-lost", mean, 1.3, 6},
		{"never-warm", mean, 1.2, 5},
		{"traffic-30", requests, 0.65, 0.75},
		{"death", requests, 0, 0},
		{"crash-loop", errorsMore, 0.004, 0.1},
		{"business-10", buys, 0.87, 0.93},
		{"business-30", buys, 0.66, 0.74},
		{"saturation", busy, 1.6, 1.8},
		{"late", errorsMore, 0.015, 0.025},
		{"late-slow", mean, 1.3, 2},
		{"comes-and-goes", errorsMore, 0.015, 0.025},
		{"slow-pod", mean, 1.2, 2.2},
		{"after-outage", errorsMore, 0.008, 0.012},
		{"rough-errors", errorsMore, 0.025, 0.035},
		{"fault-in-incident", errorsMore, 0.033, 0.047},
		{"retry-storm", requests, 1.1, 1.6},
		{"retry-storm", errorsMore, 0.05, 0.07},
		{"masked", errorsTimes, 2, 2.7},
		{"masked", requests, 0.95, 1.05},
		{"stuck", busy, 1.7, 2.3},
		{"everything-a-bit", errorsTimes, 1.35, 1.6},
	} {
		if _, ok := seen[x.class]; !ok {
			sick, well := sickAndWell(classOf(t, x.class), 3, testBake/2)
			seen[x.class] = both{sick, well}
		}
		sick, well := seen[x.class].sick, seen[x.class].well
		if got := x.of(sick, well); got < x.low || got > x.high {
			t.Errorf("%s: got %.4f, want %g to %g (%+v, without the fault %+v)", x.class, got, x.low, x.high, sick, well)
		}
	}
}

// Each good class shows what its name says, in most of the seeds.
func TestGoodDeploysAreWhatTheySay(t *testing.T) {
	late := func(tr *trace) view { return viewOf(tr, testBake-600, testBake) }
	first := func(tr *trace) view { return viewOf(tr, 0, minute) }
	hour := func(tr *trace) view { return viewOf(tr, -3600, 0) }
	bake := func(tr *trace) view { return viewOf(tr, 0, testBake) }
	cold := func(tr *trace) bool { return viewOf(tr, 15, 90).mean > 1.05*late(tr).mean }
	for name, shows := range map[string]func(tr *trace) bool{
		"quiet":             func(tr *trace) bool { return bake(tr).requests < 5*tick },
		"better":            func(tr *trace) bool { return late(tr).mean < 0.9*hour(tr).mean },
		"warm-step":         cold,
		"warm-sawtooth":     cold,
		"warm-ramp":         cold,
		"starting-errors":   func(tr *trace) bool { return viewOf(tr, 0, 45).errors > late(tr).errors+0.001 },
		"slow-rollout":      func(tr *trace) bool { return seenRequests(tr, 0, 4) < 0.5*seenRequests(tr, 100, 104) },
		"canary-ramp":       func(tr *trace) bool { return first(tr).requests < 0.6*late(tr).requests },
		"scrape-stale":      func(tr *trace) bool { return repeats(tr) >= 2 },
		"scrape-missing":    func(tr *trace) bool { return absent(tr) >= 3 },
		"series-missing":    func(tr *trace) bool { return falls(tr, 12) >= 2 },
		"exporter-restart":  func(tr *trace) bool { return falls(tr, 0) >= 1 },
		"pod-restart":       func(tr *trace) bool { return falls(tr, 2) >= 1 },
		"noisy-traffic":     func(tr *trace) bool { return bake(tr).swing > 0.12 },
		"bursts":            func(tr *trace) bool { return hour(tr).swing > 0.08 },
		"slow-path-wanders": func(tr *trace) bool { return bake(tr).slow < 0.02 },
		"incident-before":   func(tr *trace) bool { return late(tr).errors > viewOf(tr, -3600, -1300).errors+0.003 },
		"incident-ends": func(tr *trace) bool {
			return viewOf(tr, -120, 0).errors > viewOf(tr, testBake-300, testBake).errors+0.003
		},
		"incident-during": func(tr *trace) bool { return late(tr).errors > hour(tr).errors+0.003 },
		"morning":         func(tr *trace) bool { return late(tr).requests > 1.1*viewOf(tr, -3600, -1500).requests },
		"noisy-hour":      func(tr *trace) bool { return bake(tr).swing > 1.2*viewOf(tr, -3000, -600).swing },
		"marketing":       func(tr *trace) bool { return crowd(tr) > 1.25 },
		"memory-fills":    func(tr *trace) bool { return tr.samples[100].Canary.Sat > tr.samples[20].Canary.Sat },
		"one-pod-canary":  func(tr *trace) bool { return bake(tr).requests < 4*tick },
		"cron-minute":     func(tr *trace) bool { return bake(tr).swing > 0.15 },
		"cron-hour":       func(tr *trace) bool { return crowd(tr) > 1.2 },
		"balancer-flap":   func(tr *trace) bool { return lull(tr) < 0.85 },
	} {
		c, shown := classOf(t, name), 0
		for seed := range uint64(4) {
			if shows(short(c, seed, false)) {
				shown++
			}
		}
		if shown < 3 {
			t.Errorf("%s: %d of 4 deploys show what it is", name, shown)
		}
	}
}

// seenRequests is what a judge is told of the requests between two samples; a group that is absent has none.
func seenRequests(tr *trace, from, to int) float64 {
	g := func(i int) float64 {
		if tr.samples[i].Canary == nil {
			return 0
		}
		return float64(tr.samples[i].Canary.Req)
	}
	return g(to) - g(from)
}

func repeats(tr *trace) int {
	n := 0
	for i, r := range tr.samples[1:] {
		if was := tr.samples[i]; r.Canary != nil && was.Canary != nil && r.Canary.Req > 0 && *r.Canary == *was.Canary {
			n++
		}
	}
	return n
}

func absent(tr *trace) int {
	n := 0
	for _, r := range tr.samples {
		if r.Canary == nil {
			n++
		}
	}
	return n
}

// falls counts the samples after some that have fewer requests than the one before.
func falls(tr *trace, after int) int {
	n, was := 0, int64(0)
	for i, r := range tr.samples {
		if r.Canary == nil {
			continue
		}
		if i > after && r.Canary.Req < was {
			n++
		}
		was = r.Canary.Req
	}
	return n
}

// crowd and lull are the most and the least of a minute's traffic, as a share of the middle.
func crowd(tr *trace) float64 { m := minutes(tr); return m[len(m)-1] / m[len(m)/2] }
func lull(tr *trace) float64  { m := minutes(tr); return m[0] / m[len(m)/2] }

func minutes(tr *trace) []float64 {
	var m []float64
	for t := 180.0; t < testBake; t += minute { // the first minutes are the rollout's
		m = append(m, viewOf(tr, t, t+minute).requests)
	}
	slices.Sort(m)
	return m
}
