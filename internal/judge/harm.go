package judge

import "math"

// harmRate is the smallest rate that would be harm, if the baseline's rate were e^u times what it seems.
func (p *plan) harmRate(u float64) float64 {
	r := math.Min(p.base.rate*math.Exp(u), 1)
	h := 0.0
	switch p.Rule {
	case ruleRatio:
		h = math.Max(harmRatio*r, r+harmAdd)
	case ruleScale:
		h = math.Max(harmSlow*r, r+harmAdd)
	case ruleLimit, ruleSlow:
		return inside(math.Min(math.Max(harmRatio*p.Allowed, p.Allowed+marginAdd), (1+p.Allowed)/2))
	default:
		return 0.5
	}
	return inside(math.Min(h, (1+r)/2))
}

// excluded is by how many nats the least harm is less likely than the observed rate: the profile likelihood over what the baseline
// leaves open (Wilks; Pawitan, In All Likelihood, 2001, ch. 3). It is 0 where the observed rate is itself harm.
func (p *plan) excluded(bad, total float64) float64 {
	if total <= 0 {
		return 0
	}
	if !p.Compared || p.Rule == ruleShare {
		return p.distance(bad, total, p.harmRate(0))
	}
	a := 1 / (1/p.base.shape + p.base.tau*p.base.tau)
	sd := 1 / math.Sqrt(a)
	least := math.Inf(1)
	for i := 0; i <= 40; i++ {
		u := -5 * sd * float64(i) / 40
		least = math.Min(least, p.distance(bad, total, p.harmRate(u))+logGammaPenalty(a, u))
	}
	return least
}

// distance is the quasi log likelihood ratio of the observed rate to h, 0 where it is not below h.
func (p *plan) distance(bad, total, h float64) float64 {
	q := bad / total
	if q >= h {
		return 0
	}
	return total * divergence(q, h) / p.base.Phi
}

// divergence is the Kullback-Leibler divergence of Bernoulli(q) from Bernoulli(h), in nats.
func divergence(q, h float64) float64 {
	d := 0.0
	if q > 0 {
		d += q * math.Log(q/h)
	}
	if q < 1 {
		d += (1 - q) * math.Log((1-q)/(1-h))
	}
	return math.Max(0, d)
}

// needed is how many more events, at the rate seen so far, would exclude harm; 0 where no number would.
func (p *plan) needed(bad, total float64) float64 {
	q := p.Allowed / 2
	if p.Compared {
		q = p.base.rate
	}
	if total > 0 {
		q = bad / total
	}
	const most = 1e12
	if p.excluded(q*most, most) < excludeNats {
		return 0
	}
	lo, hi := total, most
	for range 80 {
		mid := math.Sqrt(math.Max(lo, 1) * hi)
		if p.excluded(q*mid, mid) >= excludeNats {
			hi = mid
		} else {
			lo = mid
		}
	}
	return math.Ceil(math.Max(0, hi-total))
}

// passing are the counts that passing rests on: those after the warm-up where they alone exclude harm or the whole does not, so that
// neither a warm-up hides a doubling nor a short window without one goes unused.
func (t *test) passing(nats float64) sums {
	if t.excluded(t.settled.high, t.settled.total) >= nats {
		return t.settled
	}
	return t.sums
}

// lateHarm says that since one of the candidate onsets harm explains the counts ten times better than the null does.
func (t *test) lateHarm() bool {
	steady := t.nullAt(warmth{1, 0})
	h := t.harmRate(0)
	for k := range t.marks {
		s := t.sums.since(t.marks[k].sums)
		calm := warmAt(float64(t.marks[k].minute)*t.spacing, t.warm).settled()
		if calm && t.enough(s) && favours(s, steady, h, t.base.Phi) {
			return true
		}
	}
	return false
}

func favours(s sums, null, harm, phi float64) bool {
	if s.total <= 0 || harm <= null {
		return false
	}
	best := math.Min(null, math.Max(s.bad/s.total, 1e-7))
	ll := func(p float64) float64 { return s.bad*math.Log(p) + (s.total-s.bad)*math.Log1p(-p) }
	return (ll(harm)-ll(best))/phi >= excludeNats
}
