package judge

import (
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// Packed holds samples, in the order in which they were added, until somebody learns from them: a day of all metrics is most of what a bake
// holds, and takes less than a tenth of the room so. A copy does not see what is added to the original; only one of them may be added to. Its
// bytes are no format: they are for the process that made them.
type Packed struct {
	n    int
	base time.Time // the beginning of the first one; the others move with it
	data []byte
	last frame
}

// frame is what a sample is written relative to: the one before it.
type frame struct {
	end, length time.Duration // since base
	buckets     []Bucket      // whose bounds the next one has, unless it says otherwise
}

// What stands in front of a sample: which of its fields follow.
const (
	hasBad byte = 1 << iota
	hasTotal
	hasOf
	isPartial
	hasBuckets
	newBounds // those of the buckets before do not fit
	hasValues
)

// Pack packs samples.
func Pack(samples []Sample) (p Packed) {
	p.Add(samples...)
	return p
}

// Add takes more of them.
func (p *Packed) Add(samples ...Sample) {
	for _, x := range samples {
		if p.n == 0 {
			p.base = x.From
		}
		p.write(x)
		p.n++
	}
}

func (p *Packed) write(x Sample) {
	bounds := len(x.Buckets) > 0 && !slices.EqualFunc(x.Buckets, p.last.buckets, sameBound)
	p.data = append(p.data, bit(x.Bad != 0, hasBad)|bit(x.Total != 0, hasTotal)|bit(x.Of != 0, hasOf)|bit(x.Partial, isPartial)|
		bit(len(x.Buckets) > 0, hasBuckets)|bit(bounds, newBounds)|bit(len(x.Values) > 0, hasValues))
	from, length := x.From.Sub(p.base), x.To.Sub(x.From)
	p.data = binary.AppendVarint(p.data, int64(from-p.last.end))
	p.data = binary.AppendVarint(p.data, int64(length-p.last.length))
	p.last.end, p.last.length = from+length, length
	for _, v := range []float64{x.Bad, x.Total, x.Of} {
		if v != 0 {
			p.number(v)
		}
	}
	if bounds {
		p.bounds(x.Buckets)
	}
	for _, b := range x.Buckets {
		p.number(b.N)
	}
	if len(x.Values) > 0 {
		p.data = binary.AppendUvarint(p.data, uint64(len(x.Values)))
		for _, v := range x.Values {
			p.number(v)
		}
	}
}

func bit(yes bool, b byte) byte {
	if yes {
		return b
	}
	return 0
}

func sameBound(a, b Bucket) bool { return a.Inf == b.Inf && a.Le == b.Le }

func (p *Packed) bounds(buckets []Bucket) {
	p.last.buckets = slices.Clone(buckets)
	p.data = binary.AppendUvarint(p.data, uint64(len(buckets)))
	for _, b := range buckets {
		p.data = append(p.data, bit(b.Inf, 1))
		p.number(b.Le)
	}
}

// number writes a count, as most numbers are, in a few bytes, and any other in nine.
func (p *Packed) number(v float64) {
	if v >= 0 && v < 1<<53 && v == math.Trunc(v) {
		p.data = binary.AppendUvarint(p.data, uint64(v)+1)
		return
	}
	p.data = append(p.data, 0)
	p.data = binary.LittleEndian.AppendUint64(p.data, math.Float64bits(v))
}

// Len is how many there are.
func (p Packed) Len() int { return p.n }

// Newest is the time of the last one.
func (p Packed) Newest() (from, to time.Time) {
	return p.base.Add(p.last.end - p.last.length), p.base.Add(p.last.end)
}

// Moved are the same samples, later by some time.
func (p Packed) Moved(by time.Duration) Packed {
	p.base = p.base.Add(by)
	return p
}

// Samples unpacks all of them.
func (p Packed) Samples() []Sample {
	if p.n == 0 {
		return nil
	}
	u := unpacking{data: p.data}
	out := make([]Sample, p.n)
	for i := range out {
		out[i] = u.sample(p.base)
	}
	return out
}

// unpacking is a look through what was packed.
type unpacking struct {
	data []byte
	last frame
}

func (u *unpacking) sample(base time.Time) (x Sample) {
	has := u.byte()
	from := u.last.end + u.duration()
	u.last.length += u.duration()
	u.last.end = from + u.last.length
	x.From, x.To, x.Partial = base.Add(from), base.Add(u.last.end), has&isPartial != 0
	if has&hasBad != 0 {
		x.Bad = u.number()
	}
	if has&hasTotal != 0 {
		x.Total = u.number()
	}
	if has&hasOf != 0 {
		x.Of = u.number()
	}
	if has&newBounds != 0 {
		u.bounds()
	}
	if has&hasBuckets != 0 {
		x.Buckets = slices.Clone(u.last.buckets)
		for i := range x.Buckets {
			x.Buckets[i].N = u.number()
		}
	}
	if has&hasValues != 0 {
		x.Values = make([]float64, u.count())
		for i := range x.Values {
			x.Values[i] = u.number()
		}
	}
	return x
}

func (u *unpacking) bounds() {
	u.last.buckets = make([]Bucket, u.count())
	for i := range u.last.buckets {
		u.last.buckets[i] = Bucket{Inf: u.byte() != 0, Le: u.number()}
	}
}

func (u *unpacking) byte() byte {
	b := u.data[0]
	u.data = u.data[1:]
	return b
}

func (u *unpacking) count() uint64 {
	v, n := binary.Uvarint(u.data)
	u.data = u.data[n:]
	return v
}

func (u *unpacking) duration() time.Duration {
	v, n := binary.Varint(u.data)
	u.data = u.data[n:]
	return time.Duration(v)
}

func (u *unpacking) number() float64 {
	if n := u.count(); n > 0 {
		return float64(n - 1)
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(u.data))
	u.data = u.data[8:]
	return v
}
