package judge

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestQuietServiceWarmsUp: with three events in a step no single bin of five deploys shows that there are half as many again at first, all of them
// together do; and that it ends.
func TestQuietServiceWarmsUp(t *testing.T) {
	const seeds = 20
	early, late, none := 0.0, 0.0, 0.0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 23))
		warm := func(t float64) float64 {
			if t < 240 {
				return 1.5
			}
			return 1
		}
		bins := learnRamp(quietDeploys(r, warm), false, &noise{Phi: 1, Shared: make([]float64, len(noiseLengths))})
		same := learnRamp(quietDeploys(r, func(float64) float64 { return 1 }), false, &noise{Phi: 1, Shared: make([]float64, len(noiseLengths))})
		for i, b := range bins {
			switch {
			case rampEdges[i+1] <= 240:
				early += b.Log / 9 / seeds
			case rampEdges[i] >= 420 && rampEdges[i+1] <= 1800:
				late += b.Log / 4 / seeds
			}
			none = math.Max(none, same[i].Log)
		}
	}
	if early < 0.27 || late > 0.05 || none > 0.5 {
		t.Errorf("got a log ratio of %.2f in the warm-up and %.2f behind it, and %.2f at most without one; want about %.2f, 0 and little", early, late, none, math.Log(1.5))
	}
}

func quietDeploys(r *rand.Rand, factor func(t float64) float64) (es []earlier) {
	for range 5 {
		own := &track{}
		for t := -900.0; t < 1800; t += 15 {
			f := 1.0
			if t >= 0 {
				f = factor(t)
			}
			own.push(obs{t, t + 15, poisson(r, 3*f), 15})
		}
		es = append(es, earlier{own: own})
	}
	return es
}
