package judge

import "math"

// wilson is the score interval of a proportion at z standard errors, its counts divided by phi (Wilson, JASA 22, 1927; Brown, Cai &
// DasGupta, Statistical Science 16(2), 2001). No events: [0, 1].
func wilson(bad, n, phi, z float64) (lo, hi float64) {
	n /= phi
	if !(n > 0) {
		return 0, 1
	}
	p := bad / phi / n
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(math.Max(0, p*(1-p)/n+z*z/(4*n*n)))
	return math.Max(0, math.Min(p, mid-half)), math.Min(1, math.Max(p, mid+half))
}

// newcombe is the interval of the difference of two independent proportions, after - before, from their score intervals (Newcombe,
// Statistics in Medicine 17, 1998, method 10). It holds for one look at counts chosen beforehand: it explains a judgement and decides
// nothing.
func newcombe(after, before sums, phi, z float64) (lo, hi float64) {
	l1, u1 := wilson(after.bad, after.total, phi, z)
	l2, u2 := wilson(before.bad, before.total, phi, z)
	p1, p2 := ratio(after), ratio(before)
	return p1 - p2 - math.Hypot(p1-l1, u2-p2), p1 - p2 + math.Hypot(u1-p1, p2-l2)
}

func ratio(s sums) float64 {
	if !(s.total > 0) {
		return 0
	}
	return math.Min(1, s.bad/s.total)
}

// zOf is the two-sided normal quantile of a confidence level.
func zOf(level float64) float64 { return math.Sqrt2 * math.Erfinv(level) }
