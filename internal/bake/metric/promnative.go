package metric

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// UnmarshalJSON reads a native histogram as Prometheus' API gives it: [1700000000.123,{"count":"3","sum":"1","buckets":[[0,"0.5","1","3"]]}].
// A bucket is [rule, lower, upper, count]; the rule says which of the bounds belong to it. Empty ones are left out. A count that is no
// number is no data (NaN); what has another shape is an error.
func (r *reading) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return fmt.Errorf("histogram %q is not [time,{...}]", cut(b))
	}
	var h struct {
		Count   string        `json:"count"`
		Buckets nativeBuckets `json:"buckets"`
	}
	if err := json.Unmarshal(pair[1], &h); err != nil {
		return fmt.Errorf("histogram %q: %w", cut(pair[1]), err)
	}
	one, err := parseSample(fmt.Appendf(nil, "%s,%q", pair[0], h.Count))
	if err != nil {
		return err
	}
	*r = reading{sample: one}
	if r.native, err = newNative(h.Buckets); err != nil {
		r.native, r.v = nil, math.NaN()
		return nil
	}
	r.v = r.native.Count() // not its own count: events that are no number are in no bucket
	return nil
}

// nativeBuckets decodes [[0,"0.5","1","3"],...]. By hand, as samples: a day of histograms has millions of buckets.
type nativeBuckets []NativeBucket

// UnmarshalJSON gets valid JSON, the decoder saw to that; it checks the shape.
func (s *nativeBuckets) UnmarshalJSON(b []byte) error {
	*s = (*s)[:0]
	if b = bytes.TrimSpace(b); string(b) == "null" {
		return nil
	}
	if len(b) < 2 || b[0] != '[' {
		return errors.New("buckets are not a list")
	}
	for b = b[1 : len(b)-1]; ; {
		if b = bytes.TrimLeft(b, ", \t\r\n"); len(b) == 0 {
			return nil
		}
		end := bytes.IndexByte(b, ']')
		if b[0] != '[' || end < 0 {
			return fmt.Errorf("bucket %q is not [rule,lower,upper,count]", cut(b))
		}
		one, err := parseNativeBucket(b[1:end])
		if err != nil {
			return err
		}
		if len(*s) >= maxNativeBuckets {
			return troublef(BadQuery, "a native histogram has more than %d buckets", maxNativeBuckets)
		}
		*s = append(*s, one)
		b = b[end+1:]
	}
}

func parseNativeBucket(b []byte) (NativeBucket, error) {
	fields := bytes.Split(b, []byte{','})
	if len(fields) != 4 {
		return NativeBucket{}, fmt.Errorf("bucket %q is not [rule,lower,upper,count]", cut(b))
	}
	var n [3]float64
	for i, f := range fields[1:] {
		v, err := strconv.ParseFloat(string(bytes.Trim(f, " \t\r\n\"")), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return NativeBucket{}, fmt.Errorf("bucket %q: %q is not a number", cut(b), cut(f))
		}
		n[i] = v
	}
	return NativeBucket{n[0], n[1], n[2]}, nil
}
