package metric

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func nativeOfBuckets(t *testing.T, bs ...NativeBucket) *NativeHistogram {
	t.Helper()
	h, err := newNative(bs)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var below = math.Inf(-1)

func TestNewNative(t *testing.T) {
	for name, c := range map[string]struct {
		in, want []NativeBucket
		err      string
	}{
		"in any order, empty ones left out": {in: []NativeBucket{{2, 4, 3}, {1, 2, 0}, {0.5, 1, 1}}, want: []NativeBucket{{0.5, 1, 1}, {2, 4, 3}}},
		"what is not above 0 is one":        {in: []NativeBucket{{-4, -2, 1}, {-1e-3, 1e-3, 2}, {-2, -1, 4}, {1, 2, 8}}, want: []NativeBucket{{below, 1e-3, 7}, {1, 2, 8}}},
		"finer than the finest":             {in: []NativeBucket{{math.Exp2(1. / 32), math.Exp2(2. / 32), 1}, {math.Exp2(3. / 32), math.Exp2(4. / 32), 2}}, want: []NativeBucket{{1, math.Exp2(1. / 8), 3}}},
		"the finest stay":                   {in: []NativeBucket{{1, math.Exp2(1. / 8), 1}, {math.Exp2(1. / 8), math.Exp2(2. / 8), 2}}, want: []NativeBucket{{1, math.Exp2(1. / 8), 1}, {math.Exp2(1. / 8), math.Exp2(2. / 8), 2}}},
		"coarse ones stay":                  {in: []NativeBucket{{1, 16, 1}, {16, 256, 2}}, want: []NativeBucket{{1, 16, 1}, {16, 256, 2}}},
		"bounds of the user's own":          {in: []NativeBucket{{below, 0.1, 1}, {0.1, 0.25, 2}, {0.25, math.Inf(1), 3}}, want: []NativeBucket{{below, 0.1, 1}, {0.1, 0.25, 2}, {0.25, math.Inf(1), 3}}},
		"a rounding is no overlap":          {in: []NativeBucket{{1, 2 * (1 + 1e-15), 1}, {2, 4, 2}}, want: []NativeBucket{{1, 2, 1}, {2, 4, 2}}},
		"overlapping ones":                  {in: []NativeBucket{{1, 2, 1}, {1.5, 3, 2}, {3, 5, 4}}, want: []NativeBucket{{1, 3, 3}, {3, 5, 4}}},
		"infinite and overlapping":          {in: []NativeBucket{{1, math.Inf(1), 1}, {3, 5, 4}}, want: []NativeBucket{{1, math.Inf(1), 5}}},
		"negative":                          {in: []NativeBucket{{1, 2, -1}}, err: "counts -1 events"},
		"NaN":                               {in: []NativeBucket{{1, 2, math.NaN()}}, err: "counts NaN events"},
		"too many":                          {in: []NativeBucket{{1, 2, 1e19}}, err: "counts 1e+19 events"},
		"upside down":                       {in: []NativeBucket{{2, 1, 1}}, err: "a bucket from 2 to 1"},
		"a bound that is NaN":               {in: []NativeBucket{{math.NaN(), 1, 1}}, err: "a bucket from NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := newNative(c.in)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %s", err, c.err)
				}
				return
			}
			if err != nil || !nearBuckets(h.Buckets, c.want) {
				t.Errorf("got %v, %v, want %v", h, err, c.want)
			}
		})
	}
}

func nearBuckets(a, b []NativeBucket) bool {
	near := func(x, y float64) bool { return x == y || math.Abs(x-y) <= 1e-9*math.Abs(x) }
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !near(a[i].Lower, b[i].Lower) || !near(a[i].Upper, b[i].Upper) || !near(a[i].N, b[i].N) {
			return false
		}
	}
	return true
}

func TestNativeSince(t *testing.T) {
	fine := []NativeBucket{{1, math.Exp2(1. / 8), 3}, {math.Exp2(1. / 8), math.Exp2(2. / 8), 5}}
	for name, c := range map[string]struct {
		before, now, want []NativeBucket
		restarted         bool
	}{
		"it went on":                       {before: []NativeBucket{{1, 2, 3}}, now: []NativeBucket{{1, 2, 5}, {2, 4, 1}}, want: []NativeBucket{{1, 2, 2}, {2, 4, 1}}},
		"nothing":                          {before: fine, now: fine},
		"a bucket fell":                    {before: []NativeBucket{{1, 2, 3}, {2, 4, 1}}, now: []NativeBucket{{1, 2, 2}, {2, 4, 9}}, want: []NativeBucket{{1, 2, 2}, {2, 4, 9}}, restarted: true},
		"a bucket is gone":                 {before: []NativeBucket{{1, 2, 3}}, now: []NativeBucket{{2, 4, 9}}, want: []NativeBucket{{2, 4, 9}}, restarted: true},
		"coarser now":                      {before: fine, now: []NativeBucket{{1, math.Exp2(2. / 8), 9}}, want: []NativeBucket{{1, math.Exp2(2. / 8), 1}}},
		"finer now":                        {before: []NativeBucket{{1, math.Exp2(2. / 8), 6}}, now: fine, want: []NativeBucket{{1, math.Exp2(2. / 8), 2}}},
		"a wider zero bucket":              {before: []NativeBucket{{below, 0, 1}, {0.5, 1, 2}, {1, 2, 3}}, now: []NativeBucket{{below, 1, 4}, {1, 2, 3}}, want: []NativeBucket{{below, 1, 1}}},
		"sums of histograms are not whole": {before: []NativeBucket{{1, 2, 3e6}}, now: []NativeBucket{{1, 2, 3e6 - 1e-6}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, restarted := nativeOfBuckets(t, c.now...).Since(nativeOfBuckets(t, c.before...))
			if !nearBuckets(got, c.want) || restarted != c.restarted {
				t.Errorf("got %v, %v, want %v, %v", got, restarted, c.want, c.restarted)
			}
		})
	}
}

func TestNativeJSON(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []NativeBucket
		err  string
	}{
		"as Prometheus writes it": {text: `[1795250241.3,{"count":"6","sum":"0.4","buckets":[[3,"-1e-39","1e-39","1"],[1,"-2","-1","2"],[0,"0.5","1","3"]]}]`, want: []NativeBucket{{below, 1e-39, 3}, {0.5, 1, 3}}},
		"no buckets":              {text: `[1,{"count":"0","sum":"0"}]`},
		"buckets that are null":   {text: `[1,{"count":"0","sum":"0","buckets":null}]`},
		"infinite":                {text: `[1,{"count":"3","sum":"0","buckets":[[0,"1","+Inf","3"]]}]`, want: []NativeBucket{{1, math.Inf(1), 3}}},
		"no pair":                 {text: `[1]`, err: "is not [time,{...}]"},
		"no object":               {text: `[1,2]`, err: "cannot unmarshal"},
		"no time":                 {text: `["x",{"count":"1"}]`, err: "the time is not in seconds"},
		"no count":                {text: `[1,{"buckets":[]}]`, err: "the value is not a number"},
		"a bucket of three":       {text: `[1,{"count":"1","buckets":[[0,"1","2"]]}]`, err: "is not [rule,lower,upper,count]"},
		"a bucket of words":       {text: `[1,{"count":"1","buckets":[[0,"1","x","2"]]}]`, err: "is not a number"},
		"too many":                {text: `[1,{"count":"1","buckets":[` + strings.Repeat(`[0,"1","2","1"],`, maxNativeBuckets) + `[0,"1","2","1"]]}]`, err: "more than 5000 buckets"},
	} {
		t.Run(name, func(t *testing.T) {
			var r reading
			err := json.Unmarshal([]byte(c.text), &r)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %s", err, c.err)
				}
				return
			}
			if err != nil || r.native == nil || !nearBuckets(r.native.Buckets, c.want) || r.v != r.native.Count() {
				t.Errorf("got %+v, %v, want %v", r, err, c.want)
			}
		})
	}
	var r reading
	if err := json.Unmarshal([]byte(`[1,{"count":"NaN","buckets":[[0,"1","2","-3"]]}]`), &r); err != nil || r.native != nil || r.v == r.v {
		t.Errorf("counts that are none: got %+v, %v, want no data", r, err)
	}
}

// nativeFrom makes buckets out of bytes: place, width, and how many events.
func nativeFrom(data []byte) (bs []NativeBucket) {
	for i := 0; i+3 <= len(data) && i < 600; i += 3 {
		width := math.Exp2(float64(data[i+1]%8) - 5)
		place := float64(int8(data[i])) * width
		b := NativeBucket{math.Exp2(place), math.Exp2(place + width), float64(data[i+2])}
		switch data[i+1] >> 5 {
		case 6:
			b.Lower = -b.Upper
		case 7:
			b.Upper *= 1.3 // bounds of nobody's
		}
		bs = append(bs, b)
	}
	return bs
}

// FuzzNative holds for any two samples: buckets lie apart in their order, nothing is negative, no event is lost or made up.
func FuzzNative(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6}, []byte{1, 2, 9, 4, 5, 6})
	f.Add([]byte{1, 0xc2, 3, 4, 0xe5, 6}, []byte{1, 3, 9, 250, 5, 6})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		a, b := nativeOfBuckets(t, nativeFrom(one)...), nativeOfBuckets(t, nativeFrom(two)...)
		sum := &NativeHistogram{Buckets: AddBuckets(a.Buckets, b.Buckets)}
		wellFormed(t, a.Buckets)
		wellFormed(t, sum.Buckets)
		if got, want := sum.Count(), a.Count()+b.Count(); math.Abs(got-want) > 1e-6 {
			t.Errorf("the sum has %v events, want %v", got, want)
		}
		counted, restarted := b.Since(a)
		wellFormed(t, counted)
		want := b.Count()
		if !restarted {
			want -= a.Count()
		}
		if got := (&NativeHistogram{Buckets: counted}).Count(); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v events since, restarted %v, want %v", got, restarted, want)
		}
		if counted, restarted := sum.Since(a); restarted || math.Abs((&NativeHistogram{Buckets: counted}).Count()-b.Count()) > 1e-6 {
			t.Errorf("more events are no restart: got %v, %v, want the %v of the second", counted, restarted, b.Count())
		}
	})
}

func wellFormed(t *testing.T, bs []NativeBucket) {
	t.Helper()
	for i, b := range bs {
		if !(b.Lower <= b.Upper) || b.N < 0 || i > 0 && b.Lower < bs[i-1].Upper*(1-1e-8) {
			t.Errorf("bucket %d of %v", i, bs)
		}
	}
}

// FuzzNativeJSON holds for any text: no panic, and what is read is well-formed.
func FuzzNativeJSON(f *testing.F) {
	f.Add([]byte(`[1795250241.3,{"count":"6","sum":"0.4","buckets":[[3,"-1e-39","1e-39","1"],[1,"-2","-1","2"],[0,"0.5","1","3"]]}]`))
	f.Add([]byte(`[1,{"count":"NaN","buckets":[[0,"1","+Inf","1e30"]]}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r reading
		if json.Unmarshal(text, &r) != nil || r.native == nil {
			return
		}
		wellFormed(t, r.native.Buckets)
		if again, _ := newNative(r.native.Buckets); !reflect.DeepEqual(plainCounts(again.Buckets), plainCounts(r.native.Buckets)) {
			t.Errorf("read again: %v, was %v", again.Buckets, r.native.Buckets)
		}
	})
}

func plainCounts(bs []NativeBucket) (n []float64) {
	for _, b := range bs {
		n = append(n, b.N)
	}
	return n
}
