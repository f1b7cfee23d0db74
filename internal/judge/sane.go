package judge

import (
	"math"
	"slices"
	"sort"
)

// sane checks one sample: whether it is an observation, and whether it had to be clipped to be one.
func sane(kind Kind, x Sample) (out Sample, clipped, ok bool) {
	if !x.To.After(x.From) {
		return x, false, false
	}
	switch kind {
	case Proportion:
		if !isCount(x.Bad) || !isCount(x.Total) {
			return x, false, false
		}
		if clipped = x.Bad > x.Total; clipped {
			x.Bad = x.Total
		}
		x.Buckets, x.Values = nil, nil
	case Rates:
		if !isCount(x.Total) || !isCount(x.Of) {
			return x, false, false
		}
		x.Bad, x.Buckets, x.Values = 0, nil, nil
	case Histogram:
		x.Bad, x.Total, x.Values = 0, 0, nil
		if !saneBuckets(x.Buckets) {
			return x, false, false
		}
		x.Buckets = slices.Clone(x.Buckets)
		if n := len(x.Buckets); n > 0 {
			x.Buckets[n-1].Le = 0 // it has none, whatever stands there
		}
	default:
		x.Bad, x.Total, x.Buckets = 0, 0, nil
		x.Values = finiteValues(x.Values)
	}
	return x, clipped, true
}

func isCount(v float64) bool { return v >= 0 && v <= sampleMost }

func saneBuckets(b []Bucket) bool {
	if len(b) > bucketsMost {
		return false
	}
	for i, x := range b {
		if !isCount(x.N) || x.Inf != (i == len(b)-1) {
			return false
		}
		if !x.Inf && (!finite(x.Le) || x.Le < 0 || i > 0 && x.Le <= b[i-1].Le) {
			return false
		}
	}
	return true
}

// finiteValues leaves out what is no number, and what a step could not hold.
func finiteValues(v []float64) []float64 {
	out := make([]float64, 0, min(len(v), maxValues))
	for _, x := range v {
		if finite(x) && len(out) < maxValues {
			out = append(out, x)
		}
	}
	return out
}

// history is the sane part of the samples before the deploy, in time order and without overlaps.
func history(kind Kind, before []Sample) []Sample {
	out := make([]Sample, 0, len(before))
	for _, x := range before {
		if x, _, ok := sane(kind, x); ok {
			out = append(out, x)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].From.Before(out[j].From) })
	n := 0
	for _, x := range out {
		if n == 0 || !x.From.Before(out[n-1].To) {
			out[n] = x
			n++
		}
	}
	return out[:n]
}

// observed is how many events, or values, a sample holds.
func observed(kind Kind, x Sample) float64 {
	switch kind {
	case Proportion, Rates:
		return x.Total
	case Histogram:
		return math.Max(0, above(x, 0).total)
	}
	return float64(len(x.Values))
}
