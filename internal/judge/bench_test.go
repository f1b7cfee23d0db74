package judge

import (
	"math/rand/v2"
	"testing"
	"time"
)

// One step of a thousand metrics: a sample each, and a look.
func benchmarkStep(b *testing.B, states []*State, sample func(from float64) Sample) {
	sec := 0.0
	b.ReportAllocs()
	for b.Loop() {
		x := sample(sec)
		for _, s := range states {
			s.Add(x)
			s.Judge()
		}
		sec += 15
	}
}

func BenchmarkThousandProportions(b *testing.B) {
	v := service{rps: 50, p: 0.001, histStep: 60, history: 86400}.with(1)
	before := v.before()
	var states []*State
	for range 1000 {
		states = append(states, New(window(errorsSpec, 900), before))
	}
	benchmarkStep(b, states, func(from float64) Sample { return v.draw(from, 15) })
}

func BenchmarkThousandHistograms(b *testing.B) {
	l := &latency{r: rand.New(rand.NewPCG(1, 1)), rps: 50, wander: 0.02}
	var before []Sample
	for t := -21600.0; t < 0; t += 60 {
		before = append(before, l.draw(t, 60))
	}
	spec := window(Spec{Name: "latency", Kind: Histogram, Compare: true, WarmUp: 5 * time.Minute, Limits: []Limit{{Quantile: 0.99, Max: 1, HasMax: true}}}, 900)
	var states []*State
	for range 1000 {
		states = append(states, New(spec, before))
	}
	benchmarkStep(b, states, func(from float64) Sample { return l.draw(from, 15) })
}

func BenchmarkNewWithADayOfHistory(b *testing.B) {
	before := service{rps: 50, p: 0.001, histStep: 60, history: 86400}.with(1).before()
	for b.Loop() {
		New(errorsSpec, before)
	}
}
