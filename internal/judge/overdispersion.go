package judge

import (
	"math"
	"sort"
	"time"
)

const (
	maxCount      = 1e18 // of all history together
	assumedPhi    = 1.5  // where history is too short to measure it
	assumedTau    = 0.1
	leastTau      = 0.02
	maxTau        = 2.0
	driftWindow   = 30 * time.Minute
	recentWindows = 4 // of driftWindow: the recent baseline is the last two hours
	leastBaseline = 50
)

// blocks are the lengths at which overdispersion is looked for: bursts of a minute hide at 15 s and show at 5 min.
var blocks = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}

// baseline is what history says of one proportion.
type baseline struct {
	Bad      float64 `json:"bad"`
	Total    float64 `json:"total"`
	Phi      float64 `json:"phi"` // variance over the binomial variance, at least 1
	Tau      float64 `json:"tau"` // sd of the log rate of a window of 30 min about its prediction
	Recent   bool    `json:"recent,omitempty"`
	Incident bool    `json:"incident,omitempty"` // the last 10 min were worse than the rest, and are the baseline alone
	Assumed  bool    `json:"assumed,omitempty"`  // Phi was not measured
}

// observe fits a baseline to history in time order.
func observe(hist []step) baseline {
	all := total(hist)
	b := baseline{Bad: math.Min(all.bad, all.total), Total: all.total}
	phi, known := dispersion(hist)
	b.Phi, b.Assumed = phi, !known
	b.drift(hist)
	b.incident(hist)
	return b
}

func total(hist []step) (s sums) {
	for _, h := range hist {
		s.bad += h.bad
		s.high += h.high
		s.total += h.total
	}
	return s
}

// group sums the steps by blocks of length d.
func group(hist []step, d time.Duration) []step {
	var out []step
	var last int64
	for i, h := range hist {
		k := h.from.Sub(hist[0].from).Nanoseconds() / int64(d)
		if i == 0 || k != last {
			out, last = append(out, step{from: h.from}), k
		}
		o := &out[len(out)-1]
		o.to = h.to
		o.bad += h.bad
		o.total += h.total
	}
	return out
}

// dispersion is the largest phi over the block lengths, and whether it could be measured. Blocks are compared with their own half hour, so
// that a day curve counts as drift and not as noise. The estimate is that of moments, sum of squares over its binomial expectation
// (McCullagh & Nelder, Generalized Linear Models, 4.5), pooled over the half hours, which stays unbiased where events are rare.
func dispersion(hist []step) (phi float64, known bool) {
	phi = 1
	for _, d := range blocks {
		var got, want, freedom, events float64
		for _, w := range split(group(hist, d), driftWindow) {
			s := total(w)
			if s.total <= 0 || len(w) < 2 {
				continue
			}
			r := s.bad / s.total
			freedom += float64(len(w) - 1)
			events += math.Min(s.bad, s.total-s.bad)
			for _, x := range w {
				e := x.bad - x.total*r
				got += e * e
				want += x.total * r * (1 - r) * (1 - x.total/s.total)
			}
		}
		if freedom >= 8 && events >= 20 && want > 0 {
			known = true
			phi = math.Max(phi, got/want)
		}
	}
	if !known {
		return assumedPhi, false
	}
	return math.Min(phi, maxCount), true
}

// split cuts history at multiples of d after its start.
func split(hist []step, d time.Duration) [][]step {
	var out [][]step
	var last int64
	for i, h := range hist {
		k := h.from.Sub(hist[0].from).Nanoseconds() / int64(d)
		if i == 0 || k != last {
			out, last = append(out, nil), k
		}
		out[len(out)-1] = append(out[len(out)-1], h)
	}
	return out
}

// drift measures how far a half hour lies from what the baseline predicts, beyond its counting noise, for two predictions: the whole of
// history, and the two hours before. The one that leaves less uncertainty becomes the baseline.
func (b *baseline) drift(hist []step) {
	b.Tau = assumedTau
	w := group(hist, driftWindow)
	if len(w) < 6 || b.Bad <= 0 || b.Bad >= b.Total {
		return
	}
	p := b.Bad / b.Total
	var got, want float64
	for _, x := range w {
		e := x.bad - x.total*p
		got += e*e - b.Phi*x.total*p*(1-p)
		want += x.total * p * x.total * p
	}
	b.Tau = tauOf(got, want, len(w))
	if len(w) < 10 {
		return
	}
	recent := total(w[len(w)-recentWindows:])
	tau := recentTau(w, p, b.Phi)
	if tau*tau+b.Phi/(recent.bad+0.5) < b.Tau*b.Tau+b.Phi/(b.Bad+0.5) && recent.total >= leastBaseline {
		b.Bad, b.Total, b.Tau, b.Recent = math.Min(recent.bad, recent.total), recent.total, tau, true
	}
}

func recentTau(w []step, p, phi float64) float64 {
	var got, want float64
	for i := recentWindows; i < len(w); i++ {
		before := total(w[i-recentWindows : i])
		if before.total <= 0 {
			continue
		}
		x := w[i]
		e := x.bad - x.total*before.bad/before.total
		got += e*e - phi*p*(1-p)*(x.total+x.total*x.total/before.total)
		want += x.total * p * x.total * p
	}
	return tauOf(got, want, len(w)-recentWindows)
}

func tauOf(got, want float64, n int) float64 {
	if !(want > 0) {
		return assumedTau
	}
	tau := math.Sqrt(math.Max(0, got/want) * (1 + 2/float64(n)))
	return math.Min(maxTau, math.Max(leastTau, tau))
}

// incident looks whether something was under way already when the deploy came: the last ten minutes far above the rest. Then they are
// what "before" means.
func (b *baseline) incident(hist []step) {
	if len(hist) == 0 || b.Total <= 0 {
		return
	}
	from := hist[len(hist)-1].to.Add(-10 * time.Minute)
	i := sort.Search(len(hist), func(i int) bool { return !hist[i].from.Before(from) })
	last, rest := total(hist[i:]), total(hist[:i])
	if last.bad < 10 || last.total < leastBaseline || rest.total < leastBaseline {
		return
	}
	p := b.Bad / b.Total
	sd := math.Sqrt(b.Phi*last.total*p*(1-p) + math.Pow(b.Tau*last.total*p, 2))
	if last.bad > 1.5*last.total*p && last.bad-last.total*p > 4*sd {
		b.Bad, b.Total, b.Incident = math.Min(last.bad, last.total), last.total, true
	}
}
