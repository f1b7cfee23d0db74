package diff

import (
	"math/big"
	"strconv"
	"strings"
	"time"
)

// quantity reads a Kubernetes quantity exactly: 500m, 1Gi, 1e3, 0.5 (k8s.io/apimachinery/pkg/api/resource: a sign, a decimal number, and a
// binary suffix, a decimal one or an exponent).
func quantity(s string) (*big.Rat, bool) {
	if s == "" || len(s) > 64 {
		return nil, false
	}
	end := len(s)
	for end > 0 && !(s[end-1] >= '0' && s[end-1] <= '9' || s[end-1] == '.') {
		end--
	}
	number, suffix := s[:end], s[end:]
	if i := strings.IndexAny(number, "eE"); i > 0 && suffix == "" { // an exponent; E alone is exa
		number, suffix = s[:i], s[i:]
	}
	scale, ok := scaleOf(suffix)
	if !ok || !isDecimal(number) {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return nil, false
	}
	return r.Mul(r, scale), true
}

// isDecimal says whether a text is digits with at most one point, and a sign in front.
func isDecimal(s string) bool {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	whole, part, _ := strings.Cut(s, ".")
	return len(whole)+len(part) > 0 && digits(whole) && digits(part)
}

var (
	decimalPowers = map[string]int64{"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
	binaryPowers  = map[string]uint{"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
)

// maxExponent bounds the work: Kubernetes keeps no number above 2^63-1, and none below 10^-9.
const maxExponent = 400

func scaleOf(suffix string) (*big.Rat, bool) {
	if p, ok := binaryPowers[suffix]; ok {
		return new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), p)), true
	}
	p, ok := decimalPowers[suffix]
	if !ok {
		if len(suffix) < 2 || suffix[0] != 'e' && suffix[0] != 'E' {
			return nil, false
		}
		n, err := strconv.Atoi(suffix[1:])
		if err != nil || n < -maxExponent || n > maxExponent {
			return nil, false
		}
		p = int64(n)
	}
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(max(p, -p)), nil))
	if p < 0 {
		power.Inv(power)
	}
	return power, true
}

// duration reads a time with its units: 90s, 1m30s, 1.5h, 7d, 2w. A number alone has no unit, and is none.
func duration(s string) (time.Duration, bool) {
	if s == "" || len(s) > 32 || digits(s) || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	if n, err := strconv.ParseUint(s[:len(s)-1], 10, 16); err == nil {
		switch s[len(s)-1] {
		case 'd':
			return time.Duration(n) * 24 * time.Hour, true
		case 'w':
			return time.Duration(n) * 7 * 24 * time.Hour, true
		}
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}
