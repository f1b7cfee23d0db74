package judge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// jumpy is a series of points of a minute that jumps by itself: log-normal, sd 0.5 from point to point, around a level of its own.
type jumpy struct {
	kind  Kind
	r     *rand.Rand
	level func(sec float64) float64 // after (before: negative) the deploy
}

func (j *jumpy) samples(from, to float64) (out []Sample) {
	for s := from; s < to; s += 60 {
		v := j.level(s) * math.Exp(0.5*j.r.NormFloat64())
		x := Sample{From: at(s), To: at(s + 60), Total: math.Round(v)}
		if j.kind == Gauge {
			x.Total, x.Values = 0, []float64{v}
		}
		out = append(out, x)
	}
	return out
}

// changed is a level that changes with the deploy, from sec on.
func changed(factor, sec float64) func(float64) float64 {
	return func(s float64) float64 {
		if s >= sec {
			return 100 * factor
		}
		return 100
	}
}

func daily(s float64) float64 { // much more from the deploy's hour on, each day
	switch {
	case s >= 0:
		return 250
	case math.Mod(s+10*86400, 86400) < 3600:
		return 300
	}
	return 100
}

// shiftOf is the shift of a deploy's only metric.
func shiftOf(d *Deploy) *shift {
	if l := d.metrics[0].level; l != nil {
		return l.shift
	}
	return d.metrics[0].streams[0].shift
}

func TestShift(t *testing.T) {
	spec := DeploySpec{Alpha: 0.01, Start: at(0), End: at(1800), WarmUp: 5 * time.Minute}
	for _, c := range []struct {
		name      string
		kind      Kind
		direction Direction
		level     func(float64) float64
		earlier   float64 // how many times as much there was after an earlier deploy; 0: none
		want      int     // fails, of ten
	}{
		{"nothing", Rates, Down, changed(1, 0), 0, 0},
		{"nothing, up", Rates, Up, changed(1, 0), 0, 0},
		{"nothing, a gauge", Gauge, "", changed(1, 0), 0, 0},
		{"half", Rates, Down, changed(0.5, 0), 0, 7},
		{"twice", Rates, Up, changed(2, 0), 0, 7},
		{"twice, a gauge", Gauge, "", changed(2, 0), 0, 7},
		{"twice is not less", Rates, Down, changed(2, 0), 0, 0},
		{"half is not more", Gauge, "", changed(0.5, 0), 0, 0},
		{"twice as after an earlier deploy", Rates, Up, changed(2, 0), 2, 0},
		{"twice, and an earlier deploy changed nothing", Rates, Up, changed(2, 0), 1, 7},
		{"twice already before", Gauge, "", changed(2, -600), 0, 0},
		{"more at this hour, as yesterday", Gauge, "", daily, 0, 0},
		{"three times, while it starts", Gauge, "", func(s float64) float64 {
			if s >= 0 && s < 300 {
				return 300
			}
			return 100
		}, 0, 0},
	} {
		fails := 0
		for seed := range uint64(10) {
			j := &jumpy{c.kind, rand.New(rand.NewPCG(seed, 17)), c.level}
			h := History{Before: j.samples(-86400, 0)}
			if c.earlier > 0 {
				e := &jumpy{c.kind, j.r, changed(c.earlier, 0)}
				h.Previous = []Earlier{{Start: at(0), Samples: e.samples(-7200, 1800)}}
			}
			s := spec
			s.Metrics = []MetricSpec{{Spec: Spec{Name: "jobs", Kind: c.kind, Compare: true}, Direction: c.direction}}
			d := NewDeploy(s, slices.Values([]History{h}))
			most := 0.0
			for _, x := range j.samples(0, 1800) {
				d.Add(0, x)
				most = math.Max(most, shiftOf(d).weigh(1))
			}
			if most >= d.bound(true) {
				fails++
			}
		}
		if c.want > 0 && fails < c.want || c.want == 0 && fails > 0 {
			t.Errorf("%s: %d of 10 fail, want %d", c.name, fails, c.want)
		}
	}
}

// What it says is the same in the steps of a source as in those of history, and after it was written down.
func TestShiftStateAndSteps(t *testing.T) {
	j := &jumpy{Rates, rand.New(rand.NewPCG(3, 17)), changed(2, 0)}
	spec := DeploySpec{Alpha: 0.01, Start: at(0), End: at(1800), WarmUp: 5 * time.Minute}
	spec.Metrics = []MetricSpec{{Spec: Spec{Name: "jobs", Kind: Rates, Compare: true}, Direction: Up}}
	whole := NewDeploy(spec, slices.Values([]History{{Before: j.samples(-86400, 0)}}))
	quarters := &Deploy{}
	for _, x := range j.samples(0, 1800) {
		b, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		if x.From.Equal(at(0)) {
			if err := json.Unmarshal(b, quarters); err != nil {
				t.Fatal(err)
			}
		}
		whole = &Deploy{}
		if err := json.Unmarshal(b, whole); err != nil {
			t.Fatal(err)
		}
		whole.Add(0, x)
		for k := range 4 {
			y := Sample{From: x.From.Add(time.Duration(k) * 15 * time.Second), Total: x.Total / 4}
			y.To = y.From.Add(15 * time.Second)
			quarters.Add(0, y)
		}
	}
	a, b := shiftOf(whole).weigh(1), shiftOf(quarters).weigh(1)
	if a < 3 || math.Abs(a-b) > 1e-9 {
		t.Errorf("%v nats in whole steps, %v in quarters, want the same and at least 3", a, b)
	}
	if got := shiftOf(whole).tell(&spec.Metrics[0].Spec); !strings.HasPrefix(got, "jobs 3.") || !strings.HasSuffix(got, "/s in the hours before the deploy") {
		t.Error(got)
	}
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`"before":[-1,`, `"before":[1e300,`} {
		if err := json.Unmarshal([]byte(strings.Replace(string(out), `"before":[`, bad, 1)), &Deploy{}); err == nil {
			t.Errorf("a state with %s was taken", bad)
		}
	}
}

// A shift needs history, events and no control.
func TestShiftIsNotLookedAt(t *testing.T) {
	spec := DeploySpec{Alpha: 0.01, Start: at(0), End: at(1800), WarmUp: 5 * time.Minute}
	spec.Metrics = []MetricSpec{{Spec: Spec{Name: "jobs", Kind: Rates, Compare: true}}}
	few := func(float64) float64 { return 1 }
	for _, c := range []struct {
		name    string
		from    float64
		level   func(float64) float64
		control bool
		end     float64
		want    bool
	}{
		{"a day", -86400, changed(1, 0), false, 1800, true},
		{"two hours", -7200, changed(1, 0), false, 1800, false},
		{"an event a minute", -86400, few, false, 1800, false},
		{"a control", -86400, changed(1, 0), true, 1800, false},
		{"shorter than the warm-up", -86400, changed(1, 0), false, 300, false},
	} {
		j := &jumpy{Rates, rand.New(rand.NewPCG(1, 17)), c.level}
		h := History{Before: j.samples(c.from, 0)}
		if c.control {
			h.Control = j.samples(c.from, 0)
		}
		s := spec
		s.End = at(c.end)
		if got := NewDeploy(s, slices.Values([]History{h})).metrics[0].streams[0].Shift != nil; got != c.want {
			t.Errorf("%s: looked at: %v, want %v", c.name, got, c.want)
		}
	}
}

// Earlier deploys without a value, or with what is no number, change nothing.
func TestShiftAfterNoDeploy(t *testing.T) {
	j := &jumpy{Gauge, rand.New(rand.NewPCG(1, 17)), changed(1, 0)}
	spec := DeploySpec{Alpha: 0.01, Start: at(0), End: at(1800), Metrics: []MetricSpec{{Spec: Spec{Name: "cpu", Kind: Gauge, Compare: true}}}}
	before := j.samples(-86400, 0)
	want := shiftOf(NewDeploy(spec, slices.Values([]History{{Before: before}}))).Bound
	for _, vs := range [][]float64{nil, {math.NaN()}, {-1e9}} {
		e := Earlier{Start: at(0)}
		for s := 0.0; s < 1800; s += 60 {
			e.Samples = append(e.Samples, Sample{From: at(s), To: at(s + 60), Values: vs})
		}
		d := NewDeploy(spec, slices.Values([]History{{Before: before, Previous: []Earlier{e}}}))
		if got := shiftOf(d).Bound; got != want {
			t.Errorf("%v: bound %v, want %v", vs, got, want)
		}
		if _, err := json.Marshal(shiftOf(d).shiftFit); err != nil {
			t.Errorf("%v: %v", vs, err)
		}
	}
}

// Of four and four all apart the rank sum is 8 above its mean of 18, whose variance is 12 (Mann & Whitney, 1947).
func TestRanks(t *testing.T) {
	low, high := []float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}
	up, down := &shiftFit{}, &shiftFit{Down: true}
	near(t, "higher", up.ranks(high, low), 8/math.Sqrt(12), 1e-9)
	near(t, "lower", down.ranks(low, high), 8/math.Sqrt(12), 1e-9)
	near(t, "not higher", up.ranks(low, high), -8/math.Sqrt(12), 1e-9)
	near(t, "within the margin", up.ranks([]float64{1.05, 1.05}, []float64{1, 1}), -2/math.Sqrt(5.0/3), 1e-9)
	near(t, "zeros", down.ranks([]float64{0, 0}, []float64{0, 0}), 0, 1e-9)
}

// A burst of eight steps is no evidence that a rate is higher: it may have passed by itself.
func TestBurst(t *testing.T) {
	for _, c := range []struct {
		window float64
		steps  int
		want   int
	}{{1800, 10, 8}, {300, 4, 3}, {720, 3, 7}, {480, 4, 4}} {
		s := &stream{window: c.window}
		if got := s.burst(stretch{steps: c.steps, to: 60 * float64(c.steps)}); got != c.want {
			t.Errorf("of %g s: got %d, want %d", c.window, got, c.want)
		}
	}
}
