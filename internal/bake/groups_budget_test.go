package bake

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

// groupsWorld is a service of n groups with as much traffic together, each with noise of its own; the first gets worse by a factor.
type groupsWorld struct {
	n            int
	rps, p, sway float64
	worse        float64
	r            *rand.Rand
	level        []float64
}

func poisson(r *rand.Rand, mu float64) float64 {
	if mu > 50 {
		return math.Max(0, math.Round(mu+math.Sqrt(mu)*r.NormFloat64()))
	}
	k, p := 0.0, r.Float64()
	for least := math.Exp(-mu); p > least; k++ {
		p *= r.Float64()
	}
	return k
}

// draw gives the sample of the whole, then those of the groups.
func (w *groupsWorld) draw(from time.Time, step time.Duration, factor float64) []judge.Sample {
	out := make([]judge.Sample, w.n+1)
	for i := range out {
		out[i].From, out[i].To = from, from.Add(step)
	}
	for z := range w.n {
		w.level[z] = 0.98*w.level[z] + w.sway*w.r.NormFloat64()
		rate := w.p * math.Exp(w.level[z])
		if z == 0 {
			rate *= factor
		}
		total := poisson(w.r, w.rps/float64(w.n)*step.Seconds())
		bad := math.Min(total, poisson(w.r, total*rate))
		out[z+1].Bad, out[z+1].Total = bad, total
		out[0].Bad, out[0].Total = out[0].Bad+bad, out[0].Total+total
	}
	return out
}

func (w *groupsWorld) bake() judge.Verdict {
	const step = 30 * time.Second
	start := time.Unix(1_800_000_000, 0)
	m := judge.MetricSpec{Spec: judge.Spec{Name: "errors", Kind: judge.Proportion, Compare: true}}
	spec := judge.DeploySpec{Alpha: 0.01, Start: start, End: start.Add(15 * time.Minute), Metrics: []judge.MetricSpec{m}}
	of := []int{whole}
	for range w.n {
		spec.Metrics, of = append(spec.Metrics, m), append(of, 0)
	}
	shareGroups(spec.Metrics, of)
	before := make([]judge.History, w.n+1)
	for t := start.Add(-4 * time.Hour); t.Before(start.Add(-time.Minute)); t = t.Add(time.Minute) {
		for i, s := range w.draw(t, time.Minute, 1) {
			before[i].Before = append(before[i].Before, s)
		}
	}
	d := judge.NewDeploy(spec, slices.Values(before))
	for t := start; t.Before(spec.End); t = t.Add(step) {
		for i, s := range w.draw(t, step, w.worse) {
			d.Add(i, s)
		}
		if v := d.Judge(); v.Status == judge.Fail {
			return v
		}
	}
	return d.End()
}

// Groups share one budget: however many there are, good deploys are not rolled back more often, nor left without a verdict; one group that
// fails is found.
func TestGroupsShareOneBudget(t *testing.T) {
	const deploys = 12
	for _, n := range []int{3, 12} {
		rolled, passed, found := 0, 0, 0
		for seed := range uint64(deploys) {
			world := func(worse float64) *groupsWorld {
				return &groupsWorld{n: n, rps: 60, p: 0.004, sway: 0.03, worse: worse, r: rand.New(rand.NewPCG(seed, uint64(n))), level: make([]float64, n)}
			}
			good, bad := world(1).bake(), world(20).bake()
			rolled, passed = rolled+one(good.Status == judge.Fail), passed+one(good.Status == judge.Pass)
			found += one(bad.Status == judge.Fail)
		}
		if rolled > 0 || passed < deploys*8/10 || found < deploys {
			t.Errorf("%d groups: %d of %d good deploys rolled back, %d passed; %d bad ones found", n, rolled, deploys, passed, found)
		}
	}
}
