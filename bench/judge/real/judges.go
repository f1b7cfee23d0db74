package main

import (
	"cmp"
	"math"
	"slices"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/judge"
)

// defaultAlpha is bakegate's.
const defaultAlpha = 0.01

// learn prepares bakegate's judge for a deploy with this as its only metric, with the defaults that it has for users but for alpha.
func learn(r reading, d deploy, alpha float64) *judge.Deploy {
	spec := judge.DeploySpec{Alpha: alpha, Start: d.after[0].at, End: d.after[len(d.after)-1].to, WarmUp: bake.DefaultWarmUp}
	m := judge.MetricSpec{Spec: judge.Spec{Name: r.name, Kind: r.kind, Compare: true}, Direction: r.direction}
	spec.Metrics = []judge.MetricSpec{m}
	h := judge.History{Before: r.samples(d.before, 1)}
	for _, e := range d.earlier {
		h.Previous = append(h.Previous, judge.Earlier{Start: e.after[0].at, Samples: append(r.samples(e.before, 1), r.samples(e.after, 1)...)})
	}
	return judge.NewDeploy(spec, slices.Values([]judge.History{h}))
}

// play looks after each sample, as a bake does.
func play(j *judge.Deploy, samples []judge.Sample) judge.Verdict {
	for _, x := range samples {
		j.Add(0, x)
		if v := j.Judge(); v.Status == judge.Fail {
			return v
		}
	}
	return j.End()
}

// kayenta is a classifier by Mann and Whitney's test, and how strict it is.
type kayenta struct {
	confidence float64 // normal quantile
	effect     float64 // least ratio of the means that counts; Kayenta's effect size
}

const tolerance = 0.25

// Kayenta's defaults: the quantile of 0.99, both ends of 98%.
var kayentaDefault = kayenta{2.3263478740408408, 1}

// worse says whether the classifier would call the window worse than as many points before it.
func (k kayenta) worse(r reading, d deploy, factor float64) bool {
	sign := 1.0
	if r.direction == judge.Down {
		sign = -1
	}
	x := values(d.after, sign*factor)
	y := values(d.before[max(0, len(d.before)-len(d.after)):], sign)
	ratio := mean(x) / mean(y)
	if r.direction == judge.Down {
		ratio = 1 / ratio
	}
	return (k.effect <= 1 || ratio >= k.effect) && k.isHigher(x, y)
}

func values(ps []point, factor float64) []float64 {
	out := make([]float64, len(ps))
	for i, p := range ps {
		out[i] = p.value * factor
	}
	return out
}

// isHigher is the rule: the lower end of the confidence interval of the shift of x against y is above a quarter of the shift's estimate
// (Hodges & Lehmann: the median of all differences). An effect relative to a mean of 0 is undefined, and passes.
func (k kayenta) isHigher(x, y []float64) bool {
	if mean(x) == 0 || mean(y) == 0 {
		return false
	}
	var ds []float64
	for _, a := range x {
		for _, b := range y {
			ds = append(ds, a-b)
		}
	}
	slices.Sort(ds)
	n := len(ds)
	shift := (ds[(n-1)/2] + ds[n/2]) / 2
	return k.lowerEnd(x, y, ds) > tolerance*math.Abs(shift)
}

func mean(v []float64) (m float64) {
	for _, x := range v {
		m += x / float64(len(v))
	}
	return m
}

// lowerEnd is the least shift that the test does not reject, found by halving.
func (k kayenta) lowerEnd(x, y, ds []float64) float64 {
	lo, hi := ds[0], ds[len(ds)-1]
	for range 60 {
		mid := (lo + hi) / 2
		if score(x, y, mid) > k.confidence {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// score is the standardised rank sum of x less shift among both, corrected for ties and continuity.
func score(x, y []float64, shift float64) float64 {
	type ranked struct {
		v     float64
		fromX float64 // 1 or 0
	}
	var all []ranked
	for _, v := range x {
		all = append(all, ranked{v - shift, 1})
	}
	for _, v := range y {
		all = append(all, ranked{v, 0})
	}
	slices.SortFunc(all, func(a, b ranked) int { return cmp.Compare(a.v, b.v) })
	sum, ties := 0.0, 0.0
	for i, k := 0, 0; i < len(all); i = k {
		in := 0.0
		for k = i; k < len(all) && all[k].v == all[i].v; k++ {
			in += all[k].fromX
		}
		t := float64(k - i)
		ties += t*t*t - t
		sum += in * float64(i+k+1) / 2
	}
	return standard(sum, ties, float64(len(x)), float64(len(y)))
}

func standard(sum, ties, n, m float64) float64 {
	off := sum - n*(n+1)/2 - n*m/2
	variance := n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1)))
	if variance <= 0 {
		return 0
	}
	return (off - math.Copysign(math.Min(0.5, math.Abs(off)), off)) / math.Sqrt(variance)
}
