package aws

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// Timestamp is a time in an AWS reply: seconds since the epoch as a number with a fraction, or RFC 3339 as text.
type Timestamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		return nil
	case float64:
		return t.fromSeconds(v)
	case string:
		return t.fromText(v)
	}
	return fmt.Errorf("%s is no time: want seconds since 1970 or RFC 3339", clean.Cut(string(b), 40))
}

func (t *Timestamp) fromSeconds(v float64) error {
	const latest = 253402300799 // the year 9999
	if v < 0 || v > latest {
		return fmt.Errorf("%g seconds since 1970 are no time", v)
	}
	whole, part := math.Modf(v)
	t.Time = time.Unix(int64(whole), int64(part*1000)*int64(time.Millisecond)).UTC()
	return nil
}

func (t *Timestamp) fromText(v string) error {
	if v == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return fmt.Errorf("%q is no time: want RFC 3339", clean.Cut(v, 40))
	}
	t.Time = at.UTC()
	return nil
}
