package judge

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

// A good deploy is rolled back with a chance of at most alpha, all metrics and all looks together.
func TestGoodDeploysAreNotRolledBack(t *testing.T) {
	for name, change := range map[string]func(*shop){
		"plain":            func(*shop) {},
		"noisy":            func(v *shop) { v.noise = 0.4 },
		"quiet":            func(v *shop) { v.rps = 1 },
		"warms up":         func(v *shop) { v.warm, v.known = 120, true },
		"warms up, unseen": func(v *shop) { v.warm = 100 },
		"controlled":       func(v *shop) { v.control, v.noise = true, 0.3 },
		"upstream breaks": func(v *shop) {
			v.control = true
			v.upstream = func(t float64) float64 {
				if t > 300 {
					return 20
				}
				return 1
			}
		},
		"incident under way": func(v *shop) {
			v.before = func(t float64, x *rates) {
				if t > -600 && t < 400 {
					x.errors *= 8
				}
			}
		},
		"bursts are usual": func(v *shop) {
			v.before = func(t float64, x *rates) {
				if m := math.Mod(t+86400, 1200); m < 60 {
					x.errors *= 10
				}
			}
		},
		"five minutes": func(v *shop) { v.bake, v.noise = 300, 0.3 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, failed, passed := seeds(12, 400), 0, 0
			for i := range n {
				v := newShop(uint64(i))
				change(v)
				switch x, _ := v.run(); x.Status {
				case Fail:
					failed++
					t.Logf("seed %d: %s", i, x.Sentence)
				case Pass:
					passed++
				}
			}
			if *large {
				t.Logf("%d runs: %d failed, %d passed", n, failed, passed)
			}
			if failed > mostFalse(n, 0.01) {
				t.Errorf("%d of %d were rolled back", failed, n)
			}
			if name != "quiet" && passed < n*7/10 {
				t.Errorf("%d of %d passed", passed, n)
			}
		})
	}
}

func TestBadDeploysAreRolledBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*shop)
		fault  func(t float64, x *rates)
		metric string
		within float64 // s, on average
	}{
		{"errors x5", nil, func(_ float64, x *rates) { x.errors *= 5 }, "errors", 180},
		{"errors x5, noisy", func(v *shop) { v.noise = 0.4 }, func(_ float64, x *rates) { x.errors *= 8 }, "errors", 300},
		{"errors x3, controlled", func(v *shop) { v.control = true }, func(_ float64, x *rates) { x.errors *= 6 }, "errors", 300},
		{"5% in a service that warms up", func(v *shop) { v.warm, v.known = 120, true }, func(_ float64, x *rates) { x.errors += 0.05 }, "errors", 60},
		{"late", nil, func(t float64, x *rates) {
			if t >= 450 {
				x.errors += 0.05
			}
		}, "errors", 520},
		{"slow tail", func(v *shop) { v.known = true }, func(_ float64, x *rates) { x.tail *= 2.5 }, "latency", 240},
		{"dead", nil, func(t float64, x *rates) {
			if t >= 300 {
				x.rps = 0
			}
		}, "traffic", 360},
		{"half of the traffic", nil, func(t float64, x *rates) { x.rps *= 0.5 }, "traffic", 480},
		{"a fifth of the orders", nil, func(t float64, x *rates) { x.orders *= 0.7 }, "orders", 600},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, found, wait := seeds(8, 200), 0, 0.0
			for i := range n {
				v := newShop(uint64(i))
				if c.change != nil {
					c.change(v)
				}
				v.fault = c.fault
				if x, sec := v.run(); x.Status == Fail && x.Metric == c.metric {
					found++
					wait += sec
				} else {
					t.Logf("seed %d: %s %s %s", i, x.Status, x.Metric, x.Sentence)
				}
			}
			if *large {
				t.Logf("%d of %d after %.0f s", found, n, wait/float64(max(1, found)))
			}
			if found < n*9/10 || wait/float64(max(1, found)) > c.within {
				t.Errorf("%d of %d were rolled back for %s after %.0f s on average; want %.0f s", found, n, c.metric, wait/float64(max(1, found)), c.within)
			}
		})
	}
}

// One bad scrape decides nothing, however bad; nor do two empty ones.
func TestOneScrapeDecidesNothing(t *testing.T) {
	for name, fault := range map[string]func(t float64, x *rates){
		"errors": func(t float64, x *rates) {
			if t == 300 {
				x.errors = 1
			}
		},
		"empty, then double": func(t float64, x *rates) {
			switch t {
			case 300, 315:
				x.rps = 0
			case 330:
				x.rps *= 3
			}
		},
		"slow": func(t float64, x *rates) {
			if t == 0 {
				x.tail = 0.9
			}
		},
	} {
		for i := range seeds(4, 100) {
			v := newShop(uint64(i))
			v.fault = fault
			if x, sec := v.run(); x.Status == Fail {
				t.Errorf("%s: rolled back after %.0f s: %s", name, sec, x.Sentence)
			}
		}
	}
}

// A metric that counts little is enough when it is clear, and one on trial never is.
func TestWeights(t *testing.T) {
	for _, c := range []struct {
		weight float64
		dry    bool
		want   Status
	}{{0.1, false, Fail}, {1, true, Pass}} {
		v := newShop(1)
		v.specs = append([]MetricSpec(nil), shopSpecs...)
		v.specs[0].Weight, v.specs[0].DryRun = c.weight, c.dry
		v.fault = func(_ float64, x *rates) { x.errors += 0.05 }
		x, _ := v.run()
		if x.Status != c.want {
			t.Errorf("weight %g, dry run %v: got %s (%s)", c.weight, c.dry, x.Status, x.Sentence)
		}
		if x.Metrics[0].Status != Fail {
			t.Errorf("dry run %v: the metric itself is %s", c.dry, x.Metrics[0].Status)
		}
	}
}

// A limit that the control breaks too is not this deploy's doing.
func TestControlBreaksTheLimitToo(t *testing.T) {
	for _, both := range []bool{true, false} {
		v := newShop(2)
		v.control = true
		v.specs = append([]MetricSpec(nil), shopSpecs...)
		v.specs[0].Compare, v.specs[0].Limits = false, []Limit{{Max: 0.02, HasMax: true, Text: "2%"}}
		if both {
			v.upstream = func(float64) float64 { return 50 }
		} else {
			v.fault = func(_ float64, x *rates) { x.errors *= 50 }
		}
		if x, _ := v.run(); x.Status != Fail || x.External != both {
			t.Errorf("both %v: got %s, external %v: %s", both, x.Status, x.External, x.Sentence)
		}
	}
}

func TestWithoutHistoryNothingPasses(t *testing.T) {
	v := newShop(3)
	v.history = 0
	if x, _ := v.run(); x.Status != Unknown || x.Reason != NoCriteria && x.Reason != NoBaseline {
		t.Errorf("got %s/%s: %s", x.Status, x.Reason, x.Sentence)
	}
}

func TestSeriesThatEnd(t *testing.T) {
	for _, control := range []bool{true, false} {
		v := newShop(4)
		v.control = control
		d := v.deploy()
		for s := 0.0; s < v.bake; s += 15 {
			if s < 300 {
				v.feed(d, s)
			} else if control {
				for i, x := range v.draw(s, 15, 0.8, false) {
					d.AddControl(i, x)
				}
			}
		}
		x := d.End()
		want := map[bool]Status{true: Fail, false: Unknown}[control]
		if x.Status != want {
			t.Errorf("control %v: got %s: %s", control, x.Status, x.Sentence)
		}
	}
}

// What is written down judges on as if it had never been.
func TestDeployStateRoundTrip(t *testing.T) {
	v := newShop(5)
	v.control, v.known = true, true
	v.fault = func(t float64, x *rates) { x.errors *= 1.5 }
	d := v.deploy()
	for s := 0.0; s < v.bake; s += 15 {
		v.feed(d, s)
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var again Deploy
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatal(err)
		}
		a, c := d.Judge(), again.Judge()
		if a.Status != c.Status || math.Abs(a.Evidence-c.Evidence) > 1e-9*a.Evidence {
			t.Fatalf("at %g s: %v became %v", s, a.Evidence, c.Evidence)
		}
		d = &again
	}
}

func TestDeployStateRefusesNonsense(t *testing.T) {
	b, err := json.Marshal(newShop(6).deploy())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{`"version":1`, `"version":9`}, {`"phi":1`, `"phi":-1`}, {`"metrics":[{"streams"`, `"metrics":[{},{"streams"`}} {
		var d Deploy
		if err := json.Unmarshal([]byte(strings.Replace(string(b), c[0], c[1], 1)), &d); err == nil {
			t.Errorf("%s was taken", c[1])
		}
	}
}

// More errors never make a deploy safer, and a step that is told in two halves says the same.
func TestMoreErrorsAreNeverSafer(t *testing.T) {
	for seed := range uint64(20) {
		v := newShop(seed)
		v.rps, v.noise, v.control = 20, 0.2, seed%2 == 0
		few, many := v.deploy(), (*Deploy)(nil)
		b, _ := json.Marshal(few)
		many = &Deploy{}
		if err := json.Unmarshal(b, many); err != nil {
			t.Fatal(err)
		}
		for s := 0.0; s < 600; s += 15 {
			own, control := v.shares()
			x := v.draw(s, 15, own, true)[0]
			few.Add(0, x)
			x.Bad = math.Min(x.Total, x.Bad+float64(v.r.IntN(4)))
			many.Add(0, x)
			if v.control {
				c := v.draw(s, 15, control, false)[0]
				few.AddControl(0, c)
				many.AddControl(0, c)
			}
			a, b := few.metrics[0].weigh(few).logE, many.metrics[0].weigh(many).logE
			if b < a-1e-6 {
				t.Fatalf("seed %d at %g s: %.4f nats with fewer errors, %.4f with more", seed, s, a, b)
			}
		}
	}
}

func TestSplittingAStepChangesLittle(t *testing.T) {
	v := newShop(7)
	v.step = 30
	v.fault = func(_ float64, x *rates) { x.errors *= 2 }
	whole := v.deploy()
	b, _ := json.Marshal(whole)
	halves := &Deploy{}
	if err := json.Unmarshal(b, halves); err != nil {
		t.Fatal(err)
	}
	for s := 0.0; s < v.bake; s += 30 {
		x := v.draw(s, 30, 1, true)[0]
		whole.Add(0, x)
		for k := range 2 {
			h := Sample{From: at(s + float64(k)*15), To: at(s + float64(k)*15 + 15), Bad: x.Bad / 2, Total: x.Total / 2}
			halves.Add(0, h)
		}
	}
	a, c := whole.metrics[0].weigh(whole).logE, halves.metrics[0].weigh(halves).logE
	if math.Abs(a-c) > 0.1*math.Max(1, math.Abs(a)) {
		t.Errorf("%.3f nats in whole steps, %.3f in halves", a, c)
	}
}

// A negative binomial of shape 1 is geometric; of shape 3 and mean 3 it takes 2 with chance 6/32.
func TestNegativeBinomial(t *testing.T) {
	for _, c := range []struct{ y, m, a, want float64 }{{0, 1, 1, 0.5}, {3, 1, 1, 0.0625}, {2, 3, 3, 0.1875}, {0, 5, 1e9, math.Exp(-5)}, {4, 2, 1e9, 0.0902235}} {
		l, _ := math.Lgamma(c.y + 1)
		got := math.Exp(lgammaRatio(c.y, c.a) + c.a*math.Log(c.a) + negative(c.y, c.m, c.a) - l)
		if math.Abs(got-c.want) > 1e-5 {
			t.Errorf("P(%g; mean %g, shape %g) = %g, want %g", c.y, c.m, c.a, got, c.want)
		}
	}
}

// The mean of the e-value under the null is at most 1, whatever the noise that the stream knows of.
func TestEvidenceIsAnEValue(t *testing.T) {
	r := newShop(8).r
	for _, sd := range []float64{0.05, 0.3, 0.8} {
		s := &stream{streamFit: streamFit{What: countBad, Slower: 1, Ref: reference{Rate: 0.01, Events: 1e6}, Noise: noise{Phi: 1, Shared: []float64{sd * sd, sd * sd, sd * sd, sd * sd, sd * sd}}}}
		sum, n := 0.0, 20000
		for range n {
			y := poisson(r, 200*gamma(r, 1/(sd*sd)))
			sum += math.Exp(math.Min(20, s.weigh(stretch{y: y, n: 20000, mu: 200, null: 200, to: 600})))
		}
		if mean := sum / float64(n); mean > 1.1 {
			t.Errorf("sd %g: the mean e-value is %.3f", sd, mean)
		}
	}
}

func FuzzDeploy(f *testing.F) {
	f.Add([]byte("several metrics, a control, earlier deploys and nonsense"), byte(7))
	f.Add([]byte{0, 9, 15, 0, 1, 0, 200, 0, 0, 15, 0, 9, 0, 200, 0, 0, 15, 0, 9, 0, 200, 1, 2, 3, 4}, byte(63))
	f.Fuzz(func(t *testing.T, b []byte, k byte) {
		r := &reader{b}
		spec := DeploySpec{Alpha: r.number(), Start: at(0), End: at(float64(r.next()) * 10)}
		var hs []History
		for i, kind := range []Kind{Proportion, Histogram, Rates, Gauge, Boolean, "?"} {
			if k>>i&1 == 1 {
				m := MetricSpec{Spec: Spec{Name: string(kind), Kind: kind, Compare: r.next()%4 != 0}, Weight: r.number(), DryRun: r.next()%8 == 0}
				if r.next()%2 == 0 {
					m.Limits = []Limit{{Max: r.number(), HasMax: true, Quantile: r.number()}}
				}
				spec.Metrics = append(spec.Metrics, m)
				hs = append(hs, fuzzHistory(r))
			}
		}
		d := NewDeploy(spec, slices.Values(hs))
		sec := 0.0
		for len(r.b) > 0 {
			i := int(r.next()) % 6
			d.Add(i, r.sample(&sec))
			d.AddControl(i, r.sample(&sec))
			checkVerdict(t, d.Judge(), false)
		}
		end := d.End()
		checkVerdict(t, end, true)
		out, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var again Deploy
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := again.End(); got.Status != end.Status || got.Evidence != end.Evidence {
			t.Fatalf("%+v became %+v", end, got)
		}
	})
}

func fuzzHistory(r *reader) (h History) {
	sec := -3600.0
	for range r.next() % 64 {
		h.Before = append(h.Before, r.sample(&sec))
	}
	sec = -3600.0
	for range r.next() % 16 {
		h.Control = append(h.Control, r.sample(&sec))
	}
	for range r.next() % 3 {
		e := Earlier{Start: at(-1e5)}
		sec = -1e5 - 100
		for range r.next() % 16 {
			e.Samples = append(e.Samples, r.sample(&sec))
		}
		h.Previous = append(h.Previous, e)
	}
	return h
}

func checkVerdict(t *testing.T, v Verdict, last bool) {
	t.Helper()
	for _, x := range []float64{v.Evidence, v.Needed} {
		if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
			t.Fatalf("%+v", v)
		}
	}
	if last == (v.Status == Continue) {
		t.Fatalf("last %v: %+v", last, v)
	}
}

func BenchmarkThousandMetricsOfADeploy(b *testing.B) {
	v := newShop(9)
	v.history = 7200
	hs := v.histories()
	var specs []MetricSpec
	var all []History
	for i := range 1000 {
		specs, all = append(specs, shopSpecs[i%2]), append(all, hs[i%2])
	}
	d := NewDeploy(DeploySpec{Alpha: 0.01, Start: at(0), End: at(900), Metrics: specs}, slices.Values(all))
	sec := 0.0
	b.ReportAllocs()
	for b.Loop() {
		xs := v.draw(sec, 15, 1, true)
		for i := range specs {
			d.Add(i, xs[i%2])
		}
		d.Judge()
		sec += 15
	}
}

func BenchmarkNewDeployWithADayOfHistory(b *testing.B) {
	v := newShop(9)
	v.history, v.known = 86400, true
	hs := v.histories()
	for b.Loop() {
		NewDeploy(DeploySpec{Alpha: 0.01, Start: at(0), End: at(900), Metrics: v.specs}, slices.Values(hs))
	}
}
