package judge

import "math"

// Unit is what the bounds of a histogram and the values of a gauge are in; "" where nobody knows.
type Unit string

// The units that are written for people.
const (
	Seconds Unit = "s"
	Bytes   Unit = "bytes"
)

// Text writes a value: 250 ms, 1.5 s, 200 MB; as it is, where the unit is not known.
func (u Unit) Text(v float64) string {
	switch a := math.Abs(v); {
	case u == Seconds && a > 0 && a < 1e-3:
		return plain(v*1e6) + " µs"
	case u == Seconds && a > 0 && a < 1:
		return plain(v*1e3) + " ms"
	case u == Seconds:
		return plain(v) + " s"
	case u == Bytes && a < 1e15:
		return bytesText(v, a)
	}
	return plain(v)
}

func bytesText(v, a float64) string {
	for _, p := range []struct {
		size float64
		name string
	}{{1e12, " TB"}, {1e9, " GB"}, {1e6, " MB"}, {1e3, " kB"}} {
		if a >= p.size {
			return plain(v/p.size) + p.name
		}
	}
	return plain(v) + " bytes"
}
