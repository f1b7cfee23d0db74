package metric

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// statuses are the HTTP statuses that a probe takes for a success, as ranges: "2xx", "200", "200-204, 304".
type statuses [][2]int

// UnmarshalText reads the list.
func (s *statuses) UnmarshalText(b []byte) error {
	*s = nil
	for part := range strings.SplitSeq(string(b), ",") {
		r, ok := statusRange(strings.TrimSpace(part))
		if !ok {
			return fmt.Errorf("got %s, want statuses from 100 to 599: 200, 2xx, 200-204, or several with a comma between", clean.Cut(strconv.Quote(string(b)), 100))
		}
		*s = append(*s, r)
	}
	return nil
}

func statusRange(text string) (r [2]int, ok bool) {
	low, high, between := strings.Cut(text, "-")
	if class, found := strings.CutSuffix(strings.ToLower(text), "xx"); found {
		low, high, between = class+"00", class+"99", true
	}
	if !between {
		high = low
	}
	r[0], r[1] = statusCode(low), statusCode(high)
	return r, r[0] > 0 && r[0] <= r[1]
}

// statusCode reads one status, 0 for none.
func statusCode(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || len(strings.TrimSpace(text)) != 3 || n < 100 || n > 599 {
		return 0
	}
	return n
}

func (s statuses) has(code int) bool {
	if len(s) == 0 {
		return code >= 200 && code <= 299
	}
	for _, r := range s {
		if code >= r[0] && code <= r[1] {
			return true
		}
	}
	return false
}

// String is the list as it may be written.
func (s statuses) String() string {
	if len(s) == 0 {
		return "2xx"
	}
	parts := make([]string, len(s))
	for i, r := range s {
		parts[i] = strconv.Itoa(r[0])
		if r[1] != r[0] {
			parts[i] += "-" + strconv.Itoa(r[1])
		}
	}
	return strings.Join(parts, ", ")
}
