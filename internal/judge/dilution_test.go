package judge

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestDilution: many come who do not buy. That orders are fewer among requests is no harm where they are as many as ever; also where a process
// was missing from the sum at first, so that less is known of the requests than of the orders.
func TestDilution(t *testing.T) {
	for _, c := range []struct {
		name         string
		more, orders float64 // factors on requests and orders from the sixth minute on
		want         Status
	}{
		{"a campaign", 1.8, 1.15, Pass},
		{"fewer buy", 1, 0.6, Fail},
		{"a campaign, and fewer buy", 1.8, 0.5, Fail},
	} {
		for seed := range uint64(10) {
			if v := diluted(seed, c.more, c.orders); v.Status != c.want {
				t.Errorf("%s, seed %d: got %s (%s), want %s", c.name, seed, v.Status, v.Sentence, c.want)
			}
		}
	}
}

func diluted(seed uint64, more, orders float64) Verdict {
	r := rand.New(rand.NewPCG(seed, 17))
	end := 1200.0
	spec := DeploySpec{Alpha: 0.01, Start: at(0), End: at(end), WarmUp: 5 * time.Minute}
	spec.Metrics = []MetricSpec{{Spec: Spec{Name: "orders", Kind: Rates, Compare: true}}}
	draw := func(t, dt, more, orders float64) Sample {
		return Sample{From: at(t), To: at(t + dt), Of: poisson(r, 60*more*dt), Total: poisson(r, 4*orders*dt)}
	}
	var h History
	for t := -21600.0; t < 0; t += 60 {
		h.Before = append(h.Before, draw(t, 60, 1, 1))
	}
	d := NewDeploy(spec, slices.Values([]History{h}))
	for t := 0.0; t < end; t += 15 {
		x := draw(t, 15, 1, 1)
		if t >= 360 {
			x = draw(t, 15, more, orders)
		}
		x.Partial = t < 120
		d.Add(0, x)
		if v := d.Judge(); v.Status == Fail {
			return v
		}
	}
	return d.End()
}
