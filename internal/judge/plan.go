package judge

import (
	"errors"
	"math"
	"time"
)

// rule says what a test's null is.
type rule string

const (
	ruleRatio rule = "ratio" // proportion, no worse than before
	ruleScale rule = "scale" // share of events above a bound, no slower than before
	ruleLimit rule = "limit" // proportion, at most a limit
	ruleSlow  rule = "slow"  // share of events above a bound, at most 1-q
	ruleShare rule = "share" // share of time a gauge spends beyond a bound
)

// The practical margins: what is worse by less than this is not harm, whatever the traffic proves.
const (
	marginRatio = 1.1
	marginAdd   = 0.0001 // 0.01 percentage points
	marginScale = 1.08
	harmRatio   = 2.0
	harmSlow    = 3.0
	harmAdd     = 0.01 // one percentage point
	excludeNats = 2.3  // log 10: a harm that is ten times less likely than what was seen is excluded
)

// plan is everything a test knows before the first sample, so that it can be written down and read back.
type plan struct {
	Rule     rule    `json:"rule"`
	Weight   float64 `json:"weight"`             // share of the evidence
	Bound    float64 `json:"bound,omitempty"`    // of a histogram or gauge: what is beyond it is bad
	Below    bool    `json:"below,omitempty"`    // of a gauge: beyond is below
	Compared bool    `json:"compared,omitempty"` // with before the deploy, not with a limit
	Allowed  float64 `json:"allowed,omitempty"`  // the share that a limit allows
	Optional bool    `json:"optional,omitempty"` // no need to exclude harm here before passing
	Text     string  `json:"text,omitempty"`     // the limit as the user wrote it
	// Streak is the longest time that a gauge spent beyond the bound before the deploy.
	Streak time.Duration `json:"streak,omitempty"`
	Curve  []point       `json:"curve,omitempty"` // of a histogram: its survival before the deploy
	Known  bool          `json:"known,omitempty"` // there is a baseline
	Base   baseline      `json:"base"`
	base   normalised    // derived from Base
}

// normalised is the baseline as the tests use it.
type normalised struct {
	Phi   float64
	rate  float64 // posterior mean, Jeffreys prior
	shape float64 // of the log-gamma distribution of the rate's relative error, overdispersion included
	tau   float64
}

// prepare checks what may have been read from outside and derives what is not written down.
func (p *plan) prepare() error {
	b := p.Base
	for _, v := range []float64{p.Weight, p.Bound, p.Allowed, b.Bad, b.Total, b.Phi, b.Tau} {
		if math.IsNaN(v) || math.Abs(v) > 1e300 {
			return errors.New("a number is not finite")
		}
	}
	if b.Bad < 0 || b.Total < 0 || b.Bad > b.Total || b.Total > maxCount || p.Weight < 0 || p.Weight > 1 || p.Allowed < 0 || p.Allowed > 1 || b.Tau < 0 || b.Tau > maxTau || b.Phi > maxCount {
		return errors.New("a number is out of its range")
	}
	for _, c := range p.Curve {
		if !(c.S >= 0 && c.S <= 1) || math.IsNaN(c.Le) || math.Abs(c.Le) > 1e300 {
			return errors.New("a latency curve is out of its range")
		}
	}
	phi := math.Max(1, b.Phi)
	shape := b.Bad/phi + 0.5
	p.base = normalised{Phi: phi, shape: shape, rate: shape / (b.Total/phi + 1), tau: b.Tau}
	return nil
}

// nullAt is the highest rate that is not held against the release while the warm-up is w.
func (p *plan) nullAt(w warmth) float64 {
	r := p.base.rate
	switch p.Rule {
	case ruleRatio:
		return inside(math.Min(r*math.Max(marginRatio, w.factor)+marginAdd+w.add, (1+r)/2))
	case ruleScale:
		return inside(r + p.slowed(math.Max(marginScale, w.factor)) + marginAdd)
	case ruleLimit:
		return inside(math.Min(p.Allowed*w.factor+w.add, math.Max(p.Allowed, 0.5)))
	case ruleSlow:
		return inside(p.slowAllowed(w))
	}
	return inside(math.Min(p.Allowed+0.2*(w.factor-1), 0.9))
}

// slowed is how much the share of slow events would grow if everything took factor times as long.
func (p *plan) slowed(factor float64) float64 {
	return math.Max(0, survival(p.Curve, p.Bound/factor)-survival(p.Curve, p.Bound))
}

// slowAllowed is the share of slow events that a limit allows: in the warm-up what the baseline would show if it were that much slower,
// or, where there is none, the third power of the factor (a log-normal tail at p99 grows about so).
func (p *plan) slowAllowed(w warmth) float64 {
	if w.factor <= 1 {
		return p.Allowed
	}
	if len(p.Curve) > 0 {
		return math.Max(p.Allowed, survival(p.Curve, p.Bound/w.factor))
	}
	return math.Max(p.Allowed, math.Min(0.5, p.Allowed*w.factor*w.factor*w.factor))
}

// nullWeights spreads the null over what the baseline leaves open: the rate before the deploy is known up to a log-gamma error (the
// posterior of a rate under Jeffreys' prior, its counts divided by phi) and a drift that is normal on the log scale with sd tau.
func (p *plan) nullWeights() (d weights) {
	if !p.Compared || p.Rule == ruleShare {
		d.put(0, 1)
		return d
	}
	steady := odds(p.nullAt(warmth{1, 0}))
	r := p.base.rate
	rest := fromOdds(steady) - r // what the margins add to the rate
	for _, u := range p.errors() {
		scale := math.Exp(u.x)
		moved := inside(math.Min(r*scale+rest*math.Max(1, math.Min(scale, 1.5)), (1+r*math.Min(scale, 1/r))/2))
		d.put(math.Log(odds(moved)/steady), u.w)
	}
	return d
}

type weighted struct{ x, w float64 }

// errors lists the log errors of the baseline's rate with their weights.
func (p *plan) errors() []weighted {
	const n, m = 60, 8
	a, tau := p.base.shape, p.base.tau
	sd := 1 / math.Sqrt(a)
	lo, hi := -math.Min(5*sd, 5), math.Min(5*sd, 3)
	var out []weighted
	for i := 0; i <= n; i++ {
		u := lo + (hi-lo)*float64(i)/n
		w := math.Exp(-logGammaPenalty(a, u))
		if tau == 0 {
			out = append(out, weighted{u, w})
			continue
		}
		for j := -m; j <= m; j++ {
			z := 4 * float64(j) / m
			out = append(out, weighted{u + tau*z, w * math.Exp(-z*z/2)})
		}
	}
	return out
}

// logGammaPenalty is minus the log density, up to a constant, of the log of a gamma variable of mean 1 and shape a; 0 at its peak.
func logGammaPenalty(a, u float64) float64 { return a * (math.Expm1(u) - u) }
