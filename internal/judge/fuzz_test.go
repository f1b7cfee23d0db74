package judge

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"
	"time"
)

// reader makes numbers, of all kinds, from bytes.
type reader struct{ b []byte }

func (r *reader) next() byte {
	if len(r.b) == 0 {
		return 0
	}
	x := r.b[0]
	r.b = r.b[1:]
	return x
}

func (r *reader) number() float64 {
	switch k := r.next(); k % 8 {
	case 0:
		return float64(r.next())
	case 1:
		return float64(r.next()) / 256
	case 2:
		return math.NaN()
	case 3:
		return math.Inf(1 - int(r.next()%2)*2)
	case 4:
		return -float64(r.next())
	case 5:
		return math.Pow(10, float64(int8(r.next())))
	case 6:
		if len(r.b) >= 8 {
			v := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
			r.b = r.b[8:]
			return v
		}
	}
	return float64(r.next()) * 1000
}

func (r *reader) sample(t *float64) Sample {
	dt := float64(int8(r.next()))
	s := Sample{From: at(*t), To: at(*t + dt), Bad: r.number(), Total: r.number()}
	*t += math.Max(dt, -3)
	for range r.next() % 6 {
		s.Buckets = append(s.Buckets, Bucket{Le: r.number(), N: r.number()})
	}
	if n := len(s.Buckets); n > 0 && r.next()%8 != 0 {
		s.Buckets[n-1].Inf = true
		if r.next()%4 != 0 { // mostly in order
			for i := range s.Buckets[:n-1] {
				s.Buckets[i].Le = float64(i+1) / 4
			}
		}
	}
	for range r.next() % 5 {
		s.Values = append(s.Values, r.number())
	}
	return s
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte("proportion, a limit and a comparison"), byte(0))
	f.Add([]byte{1, 0, 5, 2, 3, 15, 0, 1, 0, 200, 0, 0, 15, 0, 9, 0, 200, 0, 0, 15, 0, 9, 0, 200}, byte(3))
	f.Fuzz(func(t *testing.T, b []byte, k byte) {
		r := &reader{b}
		spec := Spec{Name: "x", Kind: []Kind{Proportion, Histogram, Gauge, Boolean, "?"}[k%5], Compare: k&8 != 0, Alpha: r.number(), WarmUp: time.Duration(r.number())}
		if k&16 != 0 {
			spec.Start, spec.End = at(r.number()), at(float64(r.next())*10)
		}
		for range r.next() % 4 {
			spec.Limits = append(spec.Limits, Limit{Quantile: r.number(), Max: r.number(), Min: r.number(), HasMax: r.next()%4 != 0, HasMin: r.next()%4 == 0})
		}
		sec := -3600.0
		var before []Sample
		for range r.next() {
			before = append(before, r.sample(&sec))
		}
		s := New(spec, before)
		sec = 0
		for len(r.b) > 0 {
			s.Add(r.sample(&sec))
			checkJudgement(t, s.Judge(), false)
		}
		end := s.End()
		checkJudgement(t, end, true)
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again State
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := again.End(); got.Status != end.Status || got.Evidence != end.Evidence {
			t.Fatalf("%+v became %+v", end, got)
		}
	})
}

func checkJudgement(t *testing.T, j Judgement, last bool) {
	t.Helper()
	for _, v := range []float64{j.Evidence, j.Low, j.High, j.Needed, j.Before.Value, j.After.Value} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%+v", j)
		}
	}
	if last && j.Status == Continue || !last && j.Status != Continue && j.Status != Fail {
		t.Fatalf("last %v: %+v", last, j)
	}
	wellFormed(t, "fuzz", j)
}

func FuzzState(f *testing.F) {
	b, err := json.Marshal(New(errorsSpec, even(-3600, 60, 60, 1, 100)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"spec":{"kind":"gauge"},"fit":{"plans":[{"rule":"share","weight":1,"bound":1,"base":{"phi":2}}]},"after":[{"values":[1]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s State
		if json.Unmarshal(b, &s) != nil {
			return
		}
		s.Add(Sample{From: at(0), To: at(15), Bad: 1, Total: 10, Values: []float64{2}, Buckets: []Bucket{{Le: 1, N: 2}, {Inf: true}}})
		checkJudgement(t, s.Judge(), false)
		checkJudgement(t, s.End(), true)
	})
}
