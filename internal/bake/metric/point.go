package metric

import (
	"encoding/json"
	"errors"
)

// point is a point that may have no value: [time, value], where the time is seconds or milliseconds since 1970 or a text as RFC 3339.
type point struct {
	sample
	ok bool // it has a value; null is no data, and never 0
}

// UnmarshalJSON checks the shape.
func (p *point) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return errors.New("a point is not [time, value]")
	}
	var v *float64
	if err := json.Unmarshal(pair[1], &v); err != nil {
		return errors.New("a point's value is neither a number nor null")
	}
	var err error
	if p.ms, err = jsonMilli(pair[0]); err != nil {
		return err
	}
	if p.ok = v != nil; p.ok {
		p.v = *v
	}
	return nil
}

func jsonMilli(b json.RawMessage) (int64, error) {
	var s string
	if json.Unmarshal(b, &s) == nil {
		return textMilli(s)
	}
	var n *float64
	if err := json.Unmarshal(b, &n); err != nil || n == nil {
		return 0, errors.New("a point's time is neither a number nor a text")
	}
	return numberMilli(*n)
}
