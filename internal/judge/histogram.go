package judge

import (
	"math"
	"slices"
	"sort"
)

// point is one point of a survival curve: the share S of events is above Le.
type point struct {
	Le float64 `json:"le"`
	S  float64 `json:"s"`
}

// tails are the shares of events, before the deploy, above the bounds that are watched, and what each counts for. The last one finds a
// slow path that is a mode of its own.
var tails = []struct {
	share, weight float64
	required      bool // harm there must be excluded before passing
}{{0.5, 0.2, false}, {0.05, 0.25, false}, {0.01, 0.35, true}, {0.002, 0.2, false}}

// survival interpolates linearly between the bounds; below the first one, from 0, where all events are above.
func survival(curve []point, x float64) float64 {
	lo := point{0, 1}
	for _, hi := range curve {
		if x <= hi.Le {
			if hi.Le <= lo.Le || x <= lo.Le {
				return lo.S
			}
			return lo.S + (hi.S-lo.S)*(x-lo.Le)/(hi.Le-lo.Le)
		}
		lo = hi
	}
	return lo.S
}

func same(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

// above reduces a histogram to the events above a bound. Those in a bucket that straddles it are not held against the release, and count
// against passing it in proportion to the part of the bucket above the bound (all of them in the last bucket, which has no end).
func above(s Sample, bound float64) step {
	out := step{from: s.From, to: s.To}
	lo := 0.0
	for _, b := range s.Buckets {
		out.total += b.N
		switch {
		case !b.Inf && (b.Le < bound || same(b.Le, bound)):
		case lo > bound || same(lo, bound):
			out.bad += b.N
			out.high += b.N
		case b.Inf:
			out.high += b.N
		default:
			out.high += b.N * (b.Le - bound) / (b.Le - lo)
		}
		lo = b.Le
	}
	out.high = math.Min(math.Max(out.high, out.bad), out.total)
	return out
}

// straddled returns the bucket bounds next to a bound that is none itself; hi is +Inf above the last. A bound within a bucket that is empty
// splits nothing.
func straddled(s Sample, bound float64) (lo, hi float64, yes bool) {
	for _, b := range s.Buckets {
		switch {
		case b.Inf:
			return lo, math.Inf(1), b.N > 0
		case same(b.Le, bound):
			return 0, 0, false
		case b.Le < bound:
			lo = b.Le
		default:
			return lo, b.Le, b.N > 0
		}
	}
	return lo, math.Inf(1), true
}

// fitHistogram plans the tests of a histogram: the quantile limits, and the tails of the distribution before the deploy.
func (f *fitted) fitHistogram(spec *Spec, before []Sample) {
	curve, total := curveOf(before)
	known := total >= leastBaseline
	if !known {
		curve = nil
	}
	for _, l := range spec.Limits {
		if !l.HasMax || l.HasMin || !(l.Quantile > 0 && l.Quantile < 1) {
			f.unjudged(l, "a histogram takes upper limits of quantiles")
			continue
		}
		f.Plans = append(f.Plans, plan{Rule: ruleSlow, Bound: l.Max, Allowed: 1 - l.Quantile, Text: limitText(l), Curve: curve, Known: known, Base: observe(beyond(before, l.Max))})
	}
	if !spec.Compare {
		return
	}
	if !known || len(curve) == 0 {
		f.missing(total)
		return
	}
	f.Plans = append(f.Plans, tailPlans(curve, before)...)
}

func beyond(before []Sample, bound float64) []step {
	hist := make([]step, 0, len(before))
	for _, s := range before {
		hist = append(hist, above(s, bound))
	}
	return hist
}

// tailPlans watches, for each tail, the lowest bound that at most its share of events was above, each bound once.
func tailPlans(curve []point, before []Sample) []plan {
	var plans []plan
	for _, t := range tails {
		i := sort.Search(len(curve), func(i int) bool { return curve[i].S <= 1.3*t.share })
		bound := curve[min(i, len(curve)-1)].Le
		if n := len(plans); n > 0 && plans[n-1].Bound == bound {
			plans[n-1].Weight += t.weight
			plans[n-1].Optional = plans[n-1].Optional && !t.required
			continue
		}
		plans = append(plans, plan{Rule: ruleScale, Compared: true, Known: true, Bound: bound, Weight: t.weight, Optional: !t.required, Curve: curve, Base: observe(beyond(before, bound))})
	}
	return plans
}

// curveOf is the survival curve of the whole history on the bounds at which every sample says how many events were above.
func curveOf(before []Sample) (curve []point, total float64) {
	some, total := withEvents(before)
	bounds := sharedBounds(some)
	for i, n := range slow(some, bounds) {
		curve = append(curve, point{bounds[i], math.Min(1, n/total)})
	}
	return curve, total
}

func withEvents(samples []Sample) (some []Sample, total float64) {
	for _, s := range samples {
		if n := above(s, 0).total; n > 0 {
			some = append(some, s)
			total += n
		}
	}
	return some, total
}

// slow is how many events were above each of some ascending bounds, as above counts them.
func slow(samples []Sample, bounds []float64) []float64 {
	out := make([]float64, len(bounds))
	for _, s := range samples {
		left, lo, i := above(s, 0).total, 0.0, 0
		for k, bound := range bounds {
			for i < len(s.Buckets) {
				b := s.Buckets[i]
				if (b.Inf || b.Le > bound && !same(b.Le, bound)) && (lo > bound || same(lo, bound)) {
					break
				}
				left, lo = left-b.N, b.Le
				i++
			}
			out[k] += math.Max(0, left)
		}
	}
	return out
}

// sharedBounds are the bounds of any sample that split no bucket of any other.
func sharedBounds(samples []Sample) []float64 {
	var all []float64
	for _, s := range samples {
		all = joinBounds(all, s.Buckets)
	}
	for _, s := range samples {
		all = unsplit(all, s.Buckets)
	}
	return all
}

// joinBounds adds the bounds of buckets to bounds; both ascend.
func joinBounds(bounds []float64, buckets []Bucket) []float64 {
	i, missing := 0, 0
	for _, b := range buckets {
		for i < len(bounds) && bounds[i] < b.Le && !same(bounds[i], b.Le) {
			i++
		}
		if !b.Inf && (i == len(bounds) || !same(bounds[i], b.Le)) {
			missing++
		}
	}
	if missing == 0 {
		return bounds
	}
	for _, b := range buckets {
		if !b.Inf {
			bounds = append(bounds, b.Le)
		}
	}
	sort.Float64s(bounds)
	return slices.CompactFunc(bounds, same)
}

// unsplit keeps the bounds that are buckets' own, or lie within a bucket that is empty.
func unsplit(bounds []float64, buckets []Bucket) []float64 {
	out := bounds[:0]
	i := 0
	for _, bound := range bounds {
		for i < len(buckets) && !buckets[i].Inf && buckets[i].Le < bound && !same(buckets[i].Le, bound) {
			i++
		}
		if i < len(buckets) && (buckets[i].N == 0 || !buckets[i].Inf && same(buckets[i].Le, bound)) {
			out = append(out, bound)
		}
	}
	return out
}

// Together is what samples amount to, as one of no time.
func Together(samples []Sample) (all Sample) {
	for _, s := range samples {
		all.Bad, all.Total, all.Of, all.Values = all.Bad+s.Bad, all.Total+s.Total, all.Of+s.Of, append(all.Values, s.Values...)
	}
	all.Buckets = bucketsOf(samples)
	return all
}

// bucketsOf puts the buckets of samples together, on the bounds that all of them share.
func bucketsOf(samples []Sample) (buckets []Bucket) {
	some, left := withEvents(samples)
	if len(some) == 0 {
		return nil
	}
	bounds := sharedBounds(some)
	for i, n := range slow(some, bounds) {
		buckets = append(buckets, Bucket{Le: bounds[i], N: math.Max(0, left-n)})
		left = n
	}
	return append(buckets, Bucket{Inf: true, N: left})
}

// Quantile estimates a quantile, by proportion within the bucket it falls into; NaN where there are no events. The last bucket has no upper
// bound: there it is the lower one, and open.
func Quantile(buckets []Bucket, q float64) (v float64, open bool) {
	total := 0.0
	for _, b := range buckets {
		total += b.N
	}
	if !(total > 0) {
		return math.NaN(), false
	}
	rest, low := q*total, 0.0
	for _, b := range buckets {
		if b.Inf {
			break
		}
		if rest <= b.N && b.N > 0 {
			return low + (b.Le-low)*rest/b.N, false
		}
		rest, low = rest-b.N, b.Le
	}
	return low, true
}
