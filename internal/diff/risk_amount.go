package diff

import (
	"math"
	"strconv"
	"strings"
)

// amountOf reads a number or a quantity: 3, 0.5, 500m, 1Gi, 1e3. A percentage is none.
func amountOf(n *Node) (float64, bool) {
	if !isScalar(n) {
		return 0, false
	}
	return amount(n.Value)
}

func amount(s string) (float64, bool) {
	r, ok := quantity(s)
	if !ok {
		return 0, false
	}
	f, _ := r.Float64()
	return f, !math.IsInf(f, 0)
}

// muchLower leaves out what rounding makes: 1500Mi and 1.5Gi are meant to be the same limit.
func muchLower(x both) bool {
	a, okA := amountOf(x.a)
	b, okB := amountOf(x.b)
	return lower(x) && !(okA && okB && b > 0.97*a)
}

// lower says whether the target's amount is below that of previous: both amounts, or both percentages.
func lower(x both) bool {
	if !isScalar(x.a) || !isScalar(x.b) || x.a.Value == x.b.Value {
		return false
	}
	a, okA := percentage(x.a)
	b, okB := percentage(x.b)
	if !okA || !okB {
		a, okA = amountOf(x.a)
		b, okB = amountOf(x.b)
	}
	return okA && okB && a-b > 1e-9*math.Abs(a)
}

func percentage(n *Node) (float64, bool) {
	if !isScalar(n) || !strings.HasSuffix(n.Value, "%") {
		return 0, false
	}
	return amount(strings.TrimSuffix(n.Value, "%"))
}

// sizes are the classes of cloud machines, the smallest first: db.t4g.small, cache.m6g.2xlarge.
var sizes = []string{"nano", "micro", "small", "medium", "large", "xlarge"}

// sizeOf gives the size of a machine class, each step about twice the one before: xlarge is 6, 2xlarge 7, n1-standard-4 4. It is 0 where
// it can't be read.
func sizeOf(class string) float64 {
	last := class[strings.LastIndexByte(class, '.')+1:]
	for i, s := range sizes {
		if last == s {
			return float64(i + 1)
		}
	}
	if n, ok := strings.CutSuffix(last, "xlarge"); ok {
		if v, err := strconv.Atoi(n); err == nil && v > 1 && v < 1000 {
			return 6 + math.Log2(float64(v))
		}
		return 0
	}
	if i := strings.LastIndexByte(class, '-'); i >= 0 && strings.Count(class, "-") >= 2 {
		if v, err := strconv.Atoi(class[i+1:]); err == nil && v > 0 && v < 100_000 {
			return math.Log2(float64(v)) + 2
		}
	}
	return 0
}
