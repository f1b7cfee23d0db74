package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// percent writes a share for people: two significant digits, and as many near 100% as it takes not to say 100% of what is less.
func percent(p float64) string {
	if p > 0.99 && p < 1 {
		return digits(100*p, decimals(100*(1-p))) + "%"
	}
	return two(100*p) + "%"
}

// points writes a difference of shares in percentage points, signed.
func points(d float64) string { return signed(d) + " pp" }

func signed(d float64) string {
	s := two(100 * math.Abs(d))
	switch {
	case s == "0":
		return s
	case d < 0:
		return "-" + s
	}
	return "+" + s
}

// two writes a number that is not negative with two significant digits, at least to the unit; below a millionth it is 0.
func two(v float64) string {
	if !(v >= 1e-6) {
		return "0"
	}
	return digits(v, decimals(v))
}

func decimals(v float64) int {
	if !(v > 0) {
		return 0
	}
	_, exp, _ := strings.Cut(strconv.FormatFloat(v, 'e', 1, 64), "e") // rounded first: 0.0996 is 0.10, not 0.100
	e, _ := strconv.Atoi(exp)
	return min(7, max(0, 1-e))
}

func digits(v float64, d int) string { return strconv.FormatFloat(v, 'f', d, 64) }

// plain writes a bound or a mean as it is, to four significant digits.
func plain(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// count writes a number of events with thousands separated.
func count(v float64) string {
	if v >= 1e15 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// about rounds up to two significant digits.
func about(v float64) string {
	if v < 100 {
		return count(math.Ceil(v))
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return count(math.Ceil(v/unit-1e-9) * unit)
}

// oddsOf writes an e-value as odds.
func oddsOf(e float64) string {
	switch {
	case e > 1e15:
		return "more than 1e15:1"
	case e >= 1e5:
		return strings.NewReplacer("e+0", "e", "e+", "e").Replace(strconv.FormatFloat(e, 'e', 0, 64)) + ":1"
	case e >= 1:
		return count(e) + ":1"
	}
	return "below 1:1"
}

// after writes how long after the deploy something began.
func after(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "counted from the deploy on"
	case d < 2*time.Minute:
		return fmt.Sprintf("counted from about %d s after the deploy on", 5*int(math.Round(d.Seconds()/5)))
	}
	return fmt.Sprintf("counted from about %s min after the deploy on", count(d.Minutes()))
}

func pluralf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(float64(n)) + " " + many
}
