package judge

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %.10g, want %.10g", what, got, want)
	}
}

// Wilson's interval solves (p-h)^2 = z^2 h(1-h)/n; the figures for 81 of 263 are those of Newcombe (1998), table I.
func TestWilson(t *testing.T) {
	lo, hi := wilson(81, 263, 1, zOf(0.95))
	near(t, "low of 81/263", lo, 0.2553, 5e-5)
	near(t, "high of 81/263", hi, 0.3662, 5e-5)
	lo, hi = wilson(0, 20, 1, zOf(0.95))
	near(t, "low of 0/20", lo, 0, 1e-12)
	near(t, "high of 0/20", hi, 0.1611, 5e-5)
	for _, c := range [][2]float64{{5, 100}, {300, 301}, {1, 1e6}} {
		lo, hi := wilson(c[0], c[1], 1, 2.5)
		p := c[0] / c[1]
		for _, h := range []float64{lo, hi} {
			near(t, "root", (p-h)*(p-h), 6.25*h*(1-h)/c[1], 1e-9)
		}
	}
}

// Newcombe (Statistics in Medicine 17, 1998, 873-890), table II: 56/70 - 48/80 by method 10 is 0.0524 to 0.3339.
func TestNewcombe(t *testing.T) {
	lo, hi := newcombe(sums{bad: 56, total: 70}, sums{bad: 48, total: 80}, 1, zOf(0.95))
	near(t, "low", lo, 0.0524, 5e-5)
	near(t, "high", hi, 0.3339, 5e-5)
}

func TestNormalQuantile(t *testing.T) {
	near(t, "z(0.95)", zOf(0.95), 1.959963984540054, 1e-12)
	near(t, "z(0.99)", zOf(0.99), 2.575829303548901, 1e-12)
}

// The divergence against its definition on exact logarithms, and its limits at 0 and 1.
func TestDivergence(t *testing.T) {
	near(t, "0.5||0.25", divergence(0.5, 0.25), 0.5*math.Log(2)+0.5*math.Log(2.0/3), 1e-15)
	near(t, "0||0.01", divergence(0, 0.01), -math.Log(0.99), 1e-15)
	near(t, "1||0.2", divergence(1, 0.2), math.Log(5), 1e-15)
	near(t, "equal", divergence(0.3, 0.3), 0, 1e-15)
}

// The log-gamma error of the baseline: the shares of the weights below some points against the exact tail of the gamma distribution,
// which for a whole shape is a Poisson sum: P(G <= x) = 1 - sum_{k<a} e^-x x^k/k!.
func TestBaselineErrorIsGamma(t *testing.T) {
	for _, a := range []float64{1, 3, 20} {
		p := plan{base: normalised{shape: a}}
		var sum, below [4]float64
		at := []float64{0.5, 1, 1.5, 2}
		for _, w := range p.errors() {
			for i, x := range at {
				sum[i] += w.w
				if math.Exp(w.x) <= x {
					below[i] += w.w
				}
			}
		}
		for i, x := range at {
			exact, term := 1.0, math.Exp(-a*x)
			for k := 0.0; k < a; k++ {
				exact -= term
				term *= a * x / (k + 1)
			}
			near(t, "gamma tail", below[i]/sum[i], exact, 0.04) // 60 points
		}
	}
}

// The likelihood kept on the grid is the binomial one up to a constant.
func TestGridLikelihood(t *testing.T) {
	p := plan{Rule: ruleLimit, Allowed: 0.02}
	if err := p.prepare(); err != nil {
		t.Fatal(err)
	}
	x := newTest(p, &Spec{})
	x.add(step{from: at(0), to: at(15), bad: 7, total: 100}, 7)
	exact := func(gamma float64) float64 {
		q := fromOdds(odds(0.02) * math.Exp(gamma))
		return 7*math.Log(q) + 93*math.Log(1-q) - 7*math.Log(0.02) - 93*math.Log(0.98)
	}
	for j := range grid {
		near(t, "log likelihood", x.cum[j], exact(grid[j]), 1e-9)
	}
}

func TestGridKeepsTheMean(t *testing.T) {
	for _, g := range []float64{-0.3, -0.001, 0, 0.0004, 0.05, 1, 7.7} {
		var w weights
		w.put(g, 2)
		sum, m := 0.0, 0.0
		for j := range w {
			sum += w[j]
			m += w[j] * grid[j]
		}
		near(t, "weight", sum, 2, 1e-12)
		near(t, "mean", m/sum, g, 1e-9)
	}
	var w weights
	w.put(-50, 1)
	w.put(50, 1)
	near(t, "ends", w[0]+w[gridN-1], 2, 0)
}

// An e-value's mean is at most 1 under the null, and (Ville) it reaches 1/alpha with a chance of at most alpha, looked at after every
// step. At the very edge of the null, alpha of 20% so that it does happen; the mean is taken at a stopping time, where the inequality
// still holds.
func TestEvidenceAtTheEdgeOfTheNull(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const runs, alpha = 1500, 0.2
	crossed, mean := 0, 0.0
	for range runs {
		p := plan{Rule: ruleLimit, Allowed: 0.02, Weight: 1, Base: baseline{Phi: 1}}
		if err := p.prepare(); err != nil {
			t.Fatal(err)
		}
		x := newTest(p, &Spec{Start: deployed, End: at(600)})
		e := 1.0
		for s := 0.0; s < 600 && e < 1/alpha; s += 30 {
			x.add(step{from: at(s), to: at(s + 30), bad: binomial(r, 500, 0.02), total: 500}, s+15)
			e = math.Exp(x.weighEvidence().logE)
		}
		mean += e / runs
		if e >= 1/alpha {
			crossed++
		}
	}
	if crossed == 0 || crossed > mostFalse(runs, alpha) {
		t.Errorf("crossed in %d of %d, want some, at most %d", crossed, runs, mostFalse(runs, alpha))
	}
	if mean > 1.25 || mean < 0.3 {
		t.Errorf("mean e-value %.3f, want at most 1 within its error", mean)
	}
}

// Overdispersion is found where there is some, and the slow half of the variation is called drift.
func TestDispersion(t *testing.T) {
	for _, c := range []struct {
		name        string
		phi, lo, hi float64
	}{
		{"independent", 1, 1, 1.4},
		{"bursts", 3, 2.6, 4.2},
		{"heavier bursts", 8, 6.5, 12},
	} {
		v := service{rps: 50, p: 0.01, phi: c.phi, histStep: 60, history: 86400}
		got := observe(steps(v.with(4).before()))
		if got.Phi < c.lo || got.Phi > c.hi || got.Assumed {
			t.Errorf("%s: phi %.2f, want %g to %g", c.name, got.Phi, c.lo, c.hi)
		}
		if got.Tau > 0.1 {
			t.Errorf("%s: tau %.3f, want nearly none", c.name, got.Tau)
		}
	}
}

func steps(samples []Sample) (out []step) {
	for _, s := range samples {
		out = append(out, proportionStep(s))
	}
	return out
}

func TestDriftAndIncident(t *testing.T) {
	curve := service{rps: 50}.with(1)
	var day []Sample
	for i := range 1440 {
		curve.p = 0.01 * (1.5 + math.Sin(2*math.Pi*float64(i)/1440))
		day = append(day, curve.draw(60*float64(i)-86400, 60))
	}
	b := observe(steps(day))
	if !b.Recent || b.Phi > 2 {
		t.Errorf("a day curve: %+v; want the recent hours as baseline, and no bursts", b)
	}
	calm := service{rps: 50, p: 0.001, histStep: 60, history: 86400}.with(2).before()
	if b := observe(steps(calm)); b.Recent || b.Incident || b.Total < 4e6 {
		t.Errorf("a calm day: %+v; want all of it as baseline", b)
	}
	for i := len(calm) - 10; i < len(calm); i++ {
		calm[i].Bad = math.Round(calm[i].Total * 0.04)
	}
	if b := observe(steps(calm)); !b.Incident || math.Abs(b.Bad/b.Total-0.04) > 0.002 {
		t.Errorf("an incident: %+v; want its rate as baseline", b)
	}
}

func TestWarmUpScales(t *testing.T) {
	for _, sec := range []float64{0, 60, 200} {
		a, b := warmAt(sec, 5*time.Minute), warmAt(2*sec, 10*time.Minute)
		near(t, "factor", a.factor, 1+2.1*math.Exp(-sec/160), 1e-12)
		near(t, "added", a.add, 0.004*math.Exp(-sec/60), 1e-12)
		near(t, "stretched", b.factor, a.factor, 1e-12)
	}
	if w := warmAt(0, 0); w != (warmth{1, 0}) {
		t.Errorf("no warm-up: %+v", w)
	}
}
