package judge

import (
	"reflect"
	"testing"
)

// sampleOf makes a sample of bounds and counts in turn; the last count is that beyond the last bound.
func sampleOf(ns ...float64) (s Sample) {
	for i := 0; i+1 < len(ns); i += 2 {
		s.Buckets = append(s.Buckets, Bucket{Le: ns[i], N: ns[i+1]})
	}
	s.Buckets = append(s.Buckets, Bucket{Inf: true, N: ns[len(ns)-1]})
	return s
}

// Bounds that split no bucket of any sample are those at which all say how many were above. One within an empty bucket splits nothing.
func TestSharedBounds(t *testing.T) {
	for name, c := range map[string]struct {
		samples []Sample
		want    []float64
	}{
		"none":                   {nil, nil},
		"the same":               {[]Sample{sampleOf(1, 5, 2, 3, 0), sampleOf(1, 1, 2, 0, 0)}, []float64{1, 2}},
		"one splits the other":   {[]Sample{sampleOf(1, 5, 2, 3, 0), sampleOf(2, 4, 0)}, []float64{2}},
		"one splits what is 0":   {[]Sample{sampleOf(1, 5, 2, 3, 0), sampleOf(0.5, 4, 2, 0, 0)}, []float64{1, 2}},
		"beyond the last":        {[]Sample{sampleOf(1, 5, 2, 3, 0), sampleOf(1, 4, 0)}, []float64{1, 2}},
		"beyond the last, not 0": {[]Sample{sampleOf(1, 5, 2, 3, 0), sampleOf(1, 4, 1)}, []float64{1}},
		"below the first":        {[]Sample{sampleOf(1, 5, 2, 3, 0), sampleOf(1.5, 0, 2, 3, 0)}, []float64{1, 2}},
		"nothing in common":      {[]Sample{sampleOf(1, 5, 3), sampleOf(2, 5, 3)}, nil},
		"a rounding apart":       {[]Sample{sampleOf(1, 5, 3), sampleOf(1+1e-12, 5, 3)}, []float64{1}},
	} {
		if got := sharedBounds(c.samples); len(got) != len(c.want) || len(got) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestTogether(t *testing.T) {
	got := Together([]Sample{sampleOf(1, 5, 2, 3, 2), {Bad: 1, Total: 2, Of: 3, Values: []float64{4}}, sampleOf(0.5, 4, 2, 0, 6), {Bad: 1, Values: []float64{5}}})
	if want := (Sample{Bad: 2, Total: 2, Of: 3, Values: []float64{4, 5}, Buckets: sampleOf(1, 9, 2, 3, 8).Buckets}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Together(nil); !reflect.DeepEqual(got, Sample{}) {
		t.Errorf("nothing: got %v", got)
	}
}

func TestStraddled(t *testing.T) {
	s := sampleOf(1, 5, 2, 0, 4, 3, 0)
	for bound, want := range map[float64]bool{0.5: true, 1: false, 1.5: false, 2: false, 3: true, 4: false, 9: false} {
		if _, _, got := straddled(s, bound); got != want {
			t.Errorf("%v: got %v, want %v", bound, got, want)
		}
	}
	s.Buckets[3].N = 1
	if lo, _, got := straddled(s, 9); !got || lo != 4 {
		t.Errorf("beyond the last bound: got %v from %v", got, lo)
	}
}

// All bounds at once are what they are one by one.
func TestSlow(t *testing.T) {
	samples := []Sample{sampleOf(0, 1, 1, 5, 2, 0, 4, 3, 7), sampleOf(0.5, 1, 1, 2, 3, 5, 0), {}, sampleOf(3)}
	bounds := []float64{0, 0.2, 0.5, 1, 1 + 1e-12, 1.5, 2, 3, 4, 9}
	for i, got := range slow(samples, bounds) {
		want := 0.0
		for _, s := range samples {
			want += above(s, bounds[i]).bad
		}
		if got != want {
			t.Errorf("above %v: got %v, want %v", bounds[i], got, want)
		}
	}
}
