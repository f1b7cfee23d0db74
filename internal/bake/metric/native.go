package metric

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
)

// NativeHistogram is one sample of a native histogram: how many events lay between which bounds. The bounds come with every sample and may
// be others in the next one.
type NativeHistogram struct {
	// Buckets lie apart from each other, in the order of their bounds. What lies between them is empty. The first one may begin at -Inf, the
	// last one end at +Inf.
	Buckets []NativeBucket
}

// NativeBucket counts what is above Lower and at most Upper.
type NativeBucket struct{ Lower, Upper, N float64 }

const (
	// maxNativeBuckets is how many buckets one sample may have; client libraries keep them at 160.
	maxNativeBuckets = 5000
	// maxNativeCount is the largest number that is a count of events.
	maxNativeCount = 1e18
	// finestSchema is the finest resolution that is kept: 8 buckets for a factor of 2, each 9% wide. What is finer costs memory and says
	// nothing more about a release.
	finestSchema = 3
)

// newNative makes a histogram of buckets in any order. Those of exponential resolution that is finer than the finest one are widened.
// Everything that is not above 0 is one bucket.
func newNative(buckets []NativeBucket) (*NativeHistogram, error) {
	all := make([]tallied, 0, len(buckets))
	for _, b := range buckets {
		switch {
		case !(b.Lower <= b.Upper) || math.IsInf(b.Upper, -1):
			return nil, fmt.Errorf("a bucket from %v to %v", b.Lower, b.Upper)
		case !(b.N >= 0 && b.N <= maxNativeCount):
			return nil, fmt.Errorf("a bucket counts %v events", b.N)
		case b.N > 0:
			all = append(all, tallied{NativeBucket: widened(b)})
		}
	}
	return &NativeHistogram{Buckets: plainBuckets(together(all))}, nil
}

// widened is the bucket at the resolution that is kept. Exponential bounds are made the same to the last bit, wherever they come from.
func widened(b NativeBucket) NativeBucket {
	if b.Lower <= 0 {
		return NativeBucket{math.Inf(-1), math.Max(b.Upper, 0), b.N}
	}
	perDoubling := math.Exp2(finestSchema)
	lo, hi := math.Log2(b.Lower)*perDoubling, math.Log2(b.Upper)*perDoubling
	width := math.Exp2(math.Round(math.Log2(hi - lo)))
	if !(hi > lo) || !(math.Abs(hi-lo-width) <= 1e-6*width) || math.Abs(hi/width-math.Round(hi/width)) > 1e-3 {
		return b // bounds of the user's own, or no end
	}
	return NativeBucket{math.Exp2(math.Floor(lo+1e-6) / perDoubling), math.Exp2(math.Ceil(hi-1e-6) / perDoubling), b.N}
}

// tallied is a bucket at two times.
type tallied struct {
	NativeBucket
	before float64
}

// together merges buckets that overlap, as those of another resolution do, so that all lie apart.
func together(all []tallied) []tallied {
	slices.SortFunc(all, func(a, b tallied) int { return cmp.Or(cmp.Compare(a.Lower, b.Lower), cmp.Compare(a.Upper, b.Upper)) })
	n := 0
	for _, b := range all {
		if n > 0 && overlap(all[n-1].NativeBucket, b.NativeBucket) {
			last := &all[n-1]
			last.Upper, last.N, last.before = math.Max(last.Upper, b.Upper), last.N+b.N, last.before+b.before
			continue
		}
		all[n] = b
		n++
	}
	return all[:n]
}

// overlap reports whether b, which does not begin before a, begins before a ends. Bounds that differ by a rounding are the same.
func overlap(a, b NativeBucket) bool {
	return a.Lower == b.Lower || a.Upper-b.Lower > 1e-9*math.Abs(b.Lower)
}

func plainBuckets(all []tallied) []NativeBucket {
	out := make([]NativeBucket, len(all))
	for i, b := range all {
		out[i] = b.NativeBucket
	}
	return out
}

// AddBuckets adds up what several processes counted. Where their resolutions differ, the coarser one is kept.
func AddBuckets(a, b []NativeBucket) []NativeBucket {
	all := make([]tallied, 0, len(a)+len(b))
	for _, x := range slices.Concat(a, b) {
		all = append(all, tallied{NativeBucket: x})
	}
	return plainBuckets(together(all))
}

// Count is the number of events.
func (h *NativeHistogram) Count() (n float64) {
	for _, b := range h.Buckets {
		n += b.N
	}
	return n
}

// String is its buckets.
func (h *NativeHistogram) String() string { return fmt.Sprint(h.Buckets) }

// Since is what was counted after an earlier sample of the same process. Where any bucket fell the process began anew, and everything
// came after.
func (h *NativeHistogram) Since(earlier *NativeHistogram) (counted []NativeBucket, restarted bool) {
	all := make([]tallied, 0, len(h.Buckets)+len(earlier.Buckets))
	for _, b := range h.Buckets {
		all = append(all, tallied{NativeBucket: b})
	}
	for _, b := range earlier.Buckets {
		all = append(all, tallied{NativeBucket{b.Lower, b.Upper, 0}, b.N})
	}
	for _, b := range together(all) {
		switch d := b.N - b.before; {
		case d < -1e-9*b.before: // counts of a sum of histograms are not whole
			return h.Buckets, true
		case d > 1e-9*b.before:
			counted = append(counted, NativeBucket{b.Lower, b.Upper, d})
		}
	}
	return counted, false
}

// reading is a sample of a series that may hold native histograms. Where native is there, v is its count.
type reading struct {
	sample
	native *NativeHistogram
	began  bool // see Point.Began
}

// fell reports whether a counter restarted after an earlier reading.
func (r reading) fell(before reading) bool {
	if r.began || r.native == nil || before.native == nil {
		return r.began || r.v < before.v
	}
	_, restarted := r.native.Since(before.native)
	return restarted
}

// histogramBase is the name under which a query's native samples come, "" for a query that is about no histogram.
func histogramBase(kind Kind, expr parser.Expr) string {
	vs, ok := unparen(expr).(*parser.VectorSelector)
	if kind != Histogram || !ok {
		return ""
	}
	return histogramName(vs)
}
