package judge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// even makes n samples of dt seconds from the given second on.
func even(from, dt float64, n int, bad, total float64) (out []Sample) {
	for i := range n {
		out = append(out, Sample{From: at(from + float64(i)*dt), To: at(from + float64(i+1)*dt), Bad: bad, Total: total})
	}
	return out
}

func window(spec Spec, sec float64) Spec {
	spec.Start, spec.End = deployed, at(sec)
	if spec.Alpha == 0 {
		spec.Alpha = 0.01
	}
	return spec
}

func baked(spec Spec, before, after []Sample) Judgement {
	s := New(spec, before)
	for _, x := range after {
		s.Add(x)
	}
	return s.End()
}

func TestProportion(t *testing.T) {
	limit := []Limit{{Max: 0.01, HasMax: true, Text: "1%"}}
	compare := window(Spec{Name: "errors", Kind: Proportion, Compare: true}, 900)
	limited := window(Spec{Name: "errors", Kind: Proportion, Limits: limit}, 900)
	both := compare
	both.Limits = limit
	clean := even(-86400, 60, 1440, 0, 3000)
	usual := even(-86400, 60, 1440, 3, 3000)
	broken := even(-86400, 60, 1440, 90, 3000)
	one := even(0, 15, 60, 0, 750)
	one[7].Bad = 1
	burst := even(0, 15, 60, 0, 750)
	burst[7].Bad = 40
	for _, c := range []struct {
		name          string
		spec          Spec
		before, after []Sample
		status        Status
		reason        string
		external      bool
	}{
		{"one error after a clean day", compare, clean, one, Pass, "", false},
		{"one bad step", compare, clean, burst, Pass, "", false},
		{"20 of 100 after a clean day", compare, clean, even(0, 15, 2, 10, 50), Fail, "", false},
		{"as before", compare, usual, even(0, 15, 60, 1, 750), Pass, "", false},
		{"as before, within the limit", both, usual, even(0, 15, 60, 1, 750), Pass, "", false},
		{"ten times", both, usual, even(0, 15, 60, 8, 750), Fail, "", false},
		{"over the limit", limited, nil, even(0, 15, 60, 15, 750), Fail, "", false},
		{"over the limit, also before", limited, broken, even(0, 15, 60, 22, 750), Fail, "", true},
		{"over the limit before, worse now", both, broken, even(0, 15, 60, 200, 750), Fail, "", false},
		{"at the limit", limited, nil, even(0, 15, 60, 7.8, 750), Unknown, Unproved, false},
		{"few requests", compare, usual, even(0, 15, 60, 0, 1), Unknown, LowTraffic, false},
		{"no requests", both, usual, even(0, 15, 60, 0, 0), Unknown, NoData, false},
		{"no samples", both, usual, nil, Unknown, NoData, false},
		{"no history", compare, nil, even(0, 15, 60, 1, 750), Unknown, NoBaseline, false},
		{"no history, within the limit", both, nil, even(0, 15, 60, 1, 750), Unknown, NoBaseline, false},
		{"no history, over the limit", both, nil, even(0, 15, 60, 30, 750), Fail, "", false},
		{"no criteria", window(Spec{Name: "errors", Kind: Proportion}, 900), usual, even(0, 15, 60, 1, 750), Unknown, NoCriteria, false},
		{"a lower limit", window(Spec{Name: "errors", Kind: Proportion, Limits: []Limit{{Min: 0.9, HasMin: true}}}, 900), usual, even(0, 15, 60, 1, 750), Unknown, NoCriteria, false},
		{"none allowed, none seen", window(Spec{Name: "errors", Kind: Proportion, Limits: []Limit{{HasMax: true, Text: "0"}}}, 900), nil, even(0, 15, 60, 0, 1000), Pass, "", false},
		{"none allowed, some seen", window(Spec{Name: "errors", Kind: Proportion, Limits: []Limit{{HasMax: true, Text: "0"}}}, 900), nil, even(0, 15, 60, 1, 1000), Fail, "", false},
		{"a third more, much traffic, bursts", compare, bursty(even(-86400, 60, 1440, 20, 3000)), even(0, 15, 60, 10, 750), Pass, "", false},
	} {
		j := baked(c.spec, c.before, c.after)
		if j.Status != c.status || j.Reason != c.reason || j.BadBefore != c.external {
			t.Errorf("%s: got %s %s (bad before: %v): %s; want %s %s", c.name, j.Status, j.Reason, j.BadBefore, j.Sentence, c.status, c.reason)
		}
		wellFormed(t, c.name, j)
	}
}

// bursty doubles the errors of every other step.
func bursty(s []Sample) []Sample {
	for i := 0; i < len(s); i += 2 {
		s[i].Bad *= 2
	}
	return s
}

// wellFormed holds what every judgement promises.
func wellFormed(t *testing.T, name string, j Judgement) {
	t.Helper()
	if strings.TrimSpace(j.Sentence) == "" || strings.ContainsAny(j.Sentence, "\n") || strings.HasSuffix(j.Sentence, ".") {
		t.Errorf("%s: sentence %q", name, j.Sentence)
	}
	if strings.Contains(j.Sentence, "NaN") || strings.Contains(j.Sentence, "Inf") || strings.Contains(j.Sentence, "%!") {
		t.Errorf("%s: sentence %q", name, j.Sentence)
	}
	if (j.Status == Unknown) != (j.Reason != "") {
		t.Errorf("%s: status %s with reason %q", name, j.Status, j.Reason)
	}
	if j.Needed < 0 || j.Evidence < 0 {
		t.Errorf("%s: needed %g, evidence %g", name, j.Needed, j.Evidence)
	}
	if _, err := json.Marshal(j); err != nil { // which refuses NaN and Inf
		t.Errorf("%s: %v", name, err)
	}
}

// However much traffic proves it, what is worse by less than the practical margin is no harm.
func TestPracticalMargins(t *testing.T) {
	errs := window(Spec{Name: "errors", Kind: Proportion, Compare: true}, 900)
	before := even(-86400, 60, 1440, 30000, 3000000)
	if j := baked(errs, before, even(0, 15, 60, 8200, 750000)); j.Status != Pass { // 1.09 times
		t.Errorf("1.09 times: %s: %s", j.Status, j.Sentence)
	}
	if j := baked(errs, before, even(0, 15, 60, 9400, 750000)); j.Status != Fail { // 1.25 times
		t.Errorf("1.25 times: %s: %s", j.Status, j.Sentence)
	}
	lat := window(Spec{Name: "latency", Kind: Histogram, Compare: true}, 900)
	for scale, want := range map[float64]Status{1.06: Pass, 1.3: Fail} {
		l := &latency{r: rand.New(rand.NewPCG(9, 9)), rps: 20000, slow: func(float64) (float64, float64) { return scale, scale }}
		if j, _ := l.bake(lat, 900, 15); j.Status != want {
			t.Errorf("%g times as slow: %s: %s; want %s", scale, j.Status, j.Sentence, want)
		}
	}
}

// Harm that begins late and is not proved yet does not pass on the strength of the quiet minutes before it.
func TestLateHarmDoesNotPass(t *testing.T) {
	spec := window(Spec{Name: "errors", Kind: Proportion, Compare: true}, 900)
	before := even(-86400, 60, 1440, 10, 1000)
	for bad, want := range map[float64]Status{2.5: Pass, 4.75: Unknown, 25: Fail} {
		j := baked(spec, before, slices.Concat(even(0, 15, 48, 2.5, 250), even(720, 15, 12, bad, 250)))
		if j.Status != want {
			t.Errorf("%g of 250 in the last three minutes: %s: %s; want %s", bad, j.Status, j.Sentence, want)
		}
	}
}

// What Needed asks for is enough, at the rate seen, and little less is not.
func TestNeeded(t *testing.T) {
	spec := window(Spec{Name: "errors", Kind: Proportion, Compare: true}, 900)
	before := even(-86400, 60, 1440, 3, 3000)
	seen := even(0, 15, 20, 0, 2)
	j := baked(spec, before, seen)
	if j.Reason != LowTraffic || j.Needed < 10 {
		t.Fatalf("got %s %s, %g needed", j.Status, j.Reason, j.Needed)
	}
	for share, want := range map[float64]Status{1.0: Pass, 0.9: Unknown} {
		more := even(300, 15, 40, 0, math.Ceil(j.Needed*share)/40)
		if got := baked(spec, before, slices.Concat(seen, more)); got.Status != want {
			t.Errorf("with %g of what is needed: %s: %s; want %s", share, got.Status, got.Sentence, want)
		}
	}
}

// Splitting the samples in two, counts and time, changes no decision and hardly the evidence.
func TestSplittingSamplesChangesNothing(t *testing.T) {
	for seed := range uint64(12) {
		v := service{rps: 20, p: 0.005, step: 30, window: 600, history: 43200, histStep: 60}
		if seed%2 == 1 {
			v.fault = func(_, p float64) float64 { return 3 * p }
		}
		x := v.with(seed)
		before := x.before()
		spec := window(errorsSpec, 600)
		whole, halves := New(spec, before), New(spec, before)
		for s := 0.0; s < 600; s += 30 {
			a := x.draw(s, 30)
			whole.Add(a)
			b := Sample{From: a.From, To: at(s + 15), Bad: math.Floor(a.Bad / 2), Total: math.Floor(a.Total / 2)}
			halves.Add(b)
			halves.Add(Sample{From: b.To, To: a.To, Bad: a.Bad - b.Bad, Total: a.Total - b.Total})
		}
		j, k := whole.End(), halves.End()
		if j.Status != k.Status || math.Abs(math.Log(j.Evidence/k.Evidence)) > 0.3 {
			t.Errorf("seed %d: %s (%g) whole, %s (%g) in halves", seed, j.Status, j.Evidence, k.Status, k.Evidence)
		}
	}
}

var severity = map[Status]int{Pass: 0, Unknown: 1, Fail: 2}

// One more error, wherever it falls, never makes a release look safer.
func TestMoreErrorsNeverHelp(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 150 {
		total := math.Pow(10, 1+2.5*r.Float64())
		before := even(-43200, 60, 720, math.Floor(total*0.02*r.Float64()), 4*total)
		after := even(0, 30, 10, 0, total)
		for i := range after {
			after[i].Bad = math.Floor(total * 0.06 * r.Float64() * r.Float64())
		}
		spec := window(errorsSpec, 300)
		spec.WarmUp = time.Duration(r.IntN(2)) * time.Minute
		a := baked(spec, before, after)
		worse := slices.Clone(after)
		i := r.IntN(len(worse))
		worse[i].Bad = math.Min(worse[i].Total, worse[i].Bad+1+math.Floor(total*0.02*r.Float64()))
		b := baked(spec, before, worse)
		if severity[b.Status] < severity[a.Status] || b.Evidence < a.Evidence*(1-1e-6) {
			t.Fatalf("%s (%g) became %s (%g) by more errors in step %d", a.Status, a.Evidence, b.Status, b.Evidence, i)
		}
	}
}

func TestStateSurvivesJSON(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		draw func(from, dt float64) Sample
	}{
		{"proportion", errorsSpec, service{rps: 30, p: 0.01, phi: 2}.with(3).draw},
		{"histogram", Spec{Name: "latency", Kind: Histogram, Compare: true, Limits: []Limit{{Quantile: 0.99, Max: 0.45, HasMax: true, Text: "450ms"}}}, (&latency{r: rand.New(rand.NewPCG(1, 1)), rps: 20}).draw},
		{"gauge", Spec{Name: "load", Kind: Gauge, Compare: true, Limits: []Limit{{Max: 0.5, HasMax: true}}}, (&needle{r: rand.New(rand.NewPCG(1, 1)), memory: 60}).draw},
		{"boolean", Spec{Name: "up", Kind: Boolean}, func(from, dt float64) Sample {
			return Sample{From: at(from), To: at(from + dt), Values: []float64{1, math.Mod(from, 2)}}
		}},
	} {
		var before []Sample
		for s := -7200.0; s < 0; s += 60 {
			before = append(before, c.draw(s, 60))
		}
		straight := New(window(c.spec, 600), before)
		resumed := New(window(c.spec, 600), before)
		for s := 0.0; s < 600; s += 15 {
			x := c.draw(s, 15)
			straight.Add(x)
			resumed.Add(x)
			b, err := json.Marshal(resumed)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			resumed = new(State)
			if err := json.Unmarshal(b, resumed); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			resumed.Add(x) // seen already: told, not counted
			resumed.ignored = 0
			if a, b := straight.Judge(), resumed.Judge(); !reflect.DeepEqual(a, b) {
				t.Fatalf("%s at %g s:\n%+v\n%+v", c.name, s, a, b)
			}
		}
		if a, b := straight.End(), resumed.End(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n%+v\n%+v", c.name, a, b)
		}
	}
}

func TestStateRefusesWhatItDidNotWrite(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"version":2}`, "got version 2, want 1"},
		{`{"version":1,"fit":{"plans":[{"rule":"magic","weight":1,"base":{}}]}}`, `rule "magic" is not known`},
		{`{"version":1,"fit":{"plans":[{"rule":"limit","weight":2,"base":{}}]}}`, "out of its range"},
		{`{"version":1,"fit":{"plans":[{"rule":"limit","weight":1,"base":{}},{"rule":"limit","weight":1,"base":{}}]}}`, "sum to more than 1"},
		{`{"version":1,"fit":{"plans":[{"rule":"ratio","weight":1,"base":{"bad":-1}}]}}`, "out of its range"},
		{`[]`, "cannot unmarshal"},
	} {
		var s State
		if err := json.Unmarshal([]byte(c.in), &s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.in, err, c.want)
		}
	}
	if j := new(State).End(); j.Status != Unknown || j.Reason != NoCriteria {
		t.Errorf("the zero State: %+v", j)
	}
}

func TestOddSamplesAreTold(t *testing.T) {
	spec := window(errorsSpec, 900)
	s := New(spec, even(-43200, 60, 720, 3, 3000))
	for _, x := range even(0, 15, 30, 1, 750) {
		s.Add(x)
	}
	was := s.Judge()
	for _, x := range []Sample{
		{From: at(450), To: at(465), Bad: math.NaN(), Total: 10},
		{From: at(450), To: at(465), Bad: 1, Total: math.Inf(1)},
		{From: at(450), To: at(465), Bad: -1, Total: 10},
		{From: at(450), To: at(450), Bad: 1, Total: 10},
		{From: at(430), To: at(460), Bad: 100, Total: 100},
	} {
		s.Add(x)
	}
	s.Add(Sample{From: at(-30), To: at(-15), Bad: 100, Total: 100})
	j := s.Judge()
	if j.Evidence != was.Evidence || !slices.Contains(j.Warnings, "6 samples were ignored: not a count, or overlapping the one before") {
		t.Errorf("evidence %g, was %g; warnings %q", j.Evidence, was.Evidence, j.Warnings)
	}
}
