package judge

import "math"

// The grid of log odds ratios on which likelihoods are kept: gamma is the log of the odds of a bad event over the odds that the null
// allows at that moment. Points are sinh-spaced: 0.002 apart near 0, a tenth of their size further out, so that one grid resolves both a
// rate that is 1% too high under millions of requests and one that is ten thousand times too high under twenty.
const (
	gridBelow = 40
	gridAbove = 64
	gridN     = gridBelow + 1 + gridAbove
	gridScale = 0.02
	gridStep  = 0.1108 // asinh(12/gridScale)/gridAbove: the last point is 12, from 0.01% to 94%
)

var grid = func() (g [gridN]float64) {
	for j := range g {
		g[j] = gridScale * math.Sinh(gridStep*float64(j-gridBelow))
	}
	return g
}()

// expGrid is e^gamma.
var expGrid = func() (g [gridN]float64) {
	for j := range g {
		g[j] = math.Exp(grid[j])
	}
	return g
}()

// weights is a distribution on the grid.
type weights [gridN]float64

// put adds weight w at gamma, shared by the two neighbouring points in proportion, so that the mean is kept.
func (d *weights) put(gamma, w float64) {
	pos := math.Asinh(gamma/gridScale)/gridStep + gridBelow
	if !(pos > 0) {
		d[0] += w
		return
	}
	if pos >= gridN-1 {
		d[gridN-1] += w
		return
	}
	j := int(pos)
	if gamma < grid[j] { // rounding
		j = max(j-1, 0)
	}
	f := (gamma - grid[j]) / (grid[j+1] - grid[j])
	f = math.Min(1, math.Max(0, f))
	d[j] += w * (1 - f)
	d[j+1] += w * f
}

// logs returns the logarithms of the weights scaled to sum 1; -Inf where there is none.
func (d *weights) logs() (l weights) {
	sum := 0.0
	for _, w := range d {
		sum += w
	}
	for j, w := range d {
		l[j] = math.Inf(-1)
		if w > 0 {
			l[j] = math.Log(w / sum)
		}
	}
	return l
}

// harmPrior is the distribution of how much worse a bad release is: a density of 1/(0.3+beta)^2 over beta > 0, the log odds ratio above
// the null. Its heavy tail costs a total outage few nats, and its peak at 0 finds small harms under much traffic. Any prior gives a valid
// e-value; this one only decides which harms are found soonest.
var harmPrior = func() (w weights) {
	for j := gridBelow + 1; j < gridN; j++ {
		lo := (grid[j] + grid[j-1]) / 2
		hi := grid[j] + (grid[j]-grid[j-1])/2
		w[j] = 1/(0.3+lo) - 1/(0.3+hi)
	}
	return w
}()

// worse is the distribution null plus an independent harm.
func worse(null weights) (alt weights) {
	for i, w := range null {
		if w < 1e-12 {
			continue
		}
		for j := gridBelow + 1; j < gridN; j++ {
			alt.put(grid[i]+grid[j], w*harmPrior[j])
		}
	}
	return alt
}

// logMean is the log of the sum over the grid of e^(logw+ll-from), a weighted mean of likelihoods.
func logMean(logw *weights, ll, from *[gridN]float64) float64 {
	top := math.Inf(-1)
	var x [gridN]float64
	for j := range x {
		x[j] = logw[j] + ll[j] - from[j]
		if x[j] > top {
			top = x[j]
		}
	}
	if math.IsInf(top, -1) {
		return top
	}
	sum := 0.0
	for _, v := range x {
		if v > top-40 {
			sum += math.Exp(v - top)
		}
	}
	return top + math.Log(sum)
}

// logAdd is log(e^a + e^b).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

func odds(p float64) float64     { return p / (1 - p) }
func fromOdds(o float64) float64 { return o / (1 + o) }

// inside keeps a probability away from 0 and 1, where logarithms end.
func inside(p float64) float64 {
	if !(p > 1e-7) {
		return 1e-7
	}
	return math.Min(p, 1-1e-7)
}
