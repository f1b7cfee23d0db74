package judge

import (
	"encoding/binary"
	"math"
	"reflect"
	"testing"
	"time"
)

var packs = map[string][]Sample{
	"nothing": nil,
	"counts":  {{From: at(0), To: at(60), Bad: 1, Total: 200}, {From: at(60), To: at(120), Total: 190}, {From: at(120), To: at(180)}},
	"a hole":  {{From: at(0), To: at(60), Total: 5}, {From: at(300), To: at(315), Total: 5, Of: 7, Partial: true}},
	"back":    {{From: at(600), To: at(660), Total: 1}, {From: at(0), To: at(-1), Total: 2}}, // of a journal that somebody edited
	"buckets": {
		{From: at(0), To: at(60), Buckets: []Bucket{{Le: 0.1, N: 3}, {Le: 0.25, N: 2.5}, {Inf: true}}},
		{From: at(60), To: at(120), Buckets: []Bucket{{Le: 0.1, N: 4}, {Le: 0.25}, {Inf: true, N: 1e12}}},
		{From: at(120), To: at(180)},
		{From: at(180), To: at(240), Buckets: []Bucket{{Le: 0.1, N: 4}, {Le: 0.25}, {Inf: true, N: 1}}},
		{From: at(240), To: at(300), Buckets: []Bucket{{Le: 0.5, N: 4}, {Inf: true}}},
	},
	"values": {{From: at(0), To: at(15), Values: []float64{0.5, -1, 1e300, 1 << 53, 1<<53 + 2, math.Inf(-1)}}, {From: at(15), To: at(30), Values: []float64{7}}},
}

func TestPacked(t *testing.T) {
	for name, want := range packs {
		p := Pack(want)
		got := p.Samples()
		if !reflect.DeepEqual(got, want) || p.Len() != len(want) {
			t.Errorf("%s: got %d of them: %+v, want %+v", name, p.Len(), got, want)
		}
		from, to := p.Newest()
		if n := len(want); n > 0 && (!from.Equal(want[n-1].From) || !to.Equal(want[n-1].To)) {
			t.Errorf("%s: the newest is from %s to %s, want %+v", name, from, to, want[n-1])
		}
	}
}

// A copy stays what it was.
func TestPackedCopies(t *testing.T) {
	all := packs["buckets"]
	p := Pack(all[:2])
	before, later := p, p.Moved(time.Hour)
	p.Add(all[2:]...)
	if got := before.Samples(); !reflect.DeepEqual(got, all[:2]) {
		t.Errorf("the copy: got %+v, want %+v", got, all[:2])
	}
	if got := p.Samples(); !reflect.DeepEqual(got, all) {
		t.Errorf("got %+v, want %+v", got, all)
	}
	if got := later.Samples(); len(got) != 2 || !got[1].To.Equal(all[1].To.Add(time.Hour)) || !reflect.DeepEqual(got[1].Buckets, all[1].Buckets) {
		t.Errorf("moved: got %+v", got)
	}
}

// A day of a metric takes little: it is why samples are packed.
func TestPackedSize(t *testing.T) {
	var counts, buckets Packed
	for i := range 1440 {
		x := Sample{From: at(float64(60 * i)), To: at(float64(60*i + 60)), Bad: float64(i % 7), Total: float64(1000 + i)}
		counts.Add(x)
		x.Bad, x.Total = 0, 0
		for le := range 20 {
			x.Buckets = append(x.Buckets, Bucket{Le: float64(le), N: float64((i + 1) * le % 300), Inf: le == 19})
		}
		buckets.Add(x)
	}
	if a, b := cap(counts.data), cap(buckets.data); a > 16<<10 || b > 96<<10 {
		t.Errorf("a day takes %d bytes, of a histogram %d", a, b)
	}
}

// Whatever the numbers are, they come back.
func FuzzPacked(f *testing.F) {
	f.Add([]byte("a few counts and more"), uint8(0))
	f.Add(binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN())), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, shape uint8) {
		next := func() (v float64) {
			var b [8]byte
			data = data[copy(b[:], data):]
			if v = math.Float64frombits(binary.LittleEndian.Uint64(b[:])); shape&1 != 0 {
				v = float64(b[0])
			}
			return v
		}
		var want []Sample
		for len(data) > 0 && len(want) < 100 {
			moment := func() time.Time { return at(float64(int32(math.Float64bits(next()))) / 1000) }
			x := Sample{From: moment(), To: moment(), Bad: next(), Total: next(), Of: next(), Partial: shape&2 != 0}
			for range int(shape>>2) % 5 {
				x.Buckets = append(x.Buckets, Bucket{Le: next(), N: next(), Inf: shape&16 != 0})
			}
			for range int(shape>>5) % 4 {
				x.Values = append(x.Values, next())
			}
			want = append(want, x)
		}
		got := Pack(want).Samples()
		if len(got) != len(want) {
			t.Fatalf("got %d samples, want %d", len(got), len(want))
		}
		for i, x := range want {
			if !alike(got[i], x) {
				t.Errorf("sample %d: got %+v, want %+v", i, got[i], x)
			}
		}
	})
}

// alike compares bit by bit: no NaN equals another.
func alike(a, b Sample) bool {
	numbers := func(x Sample) (vs []uint64) {
		for _, v := range append([]float64{x.Bad, x.Total, x.Of}, x.Values...) {
			vs = append(vs, math.Float64bits(v+0)) // +0 for -0
		}
		for _, k := range x.Buckets {
			vs = append(vs, math.Float64bits(k.Le+0), math.Float64bits(k.N+0))
		}
		return vs
	}
	bounds := func(k, l Bucket) bool { return k.Inf == l.Inf }
	same := len(a.Buckets) == len(b.Buckets) && len(a.Values) == len(b.Values)
	for i := range a.Buckets {
		same = same && bounds(a.Buckets[i], b.Buckets[i])
	}
	return same && a.From.Equal(b.From) && a.To.Equal(b.To) && a.Partial == b.Partial && reflect.DeepEqual(numbers(a), numbers(b))
}
