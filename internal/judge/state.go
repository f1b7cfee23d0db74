package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	version      = 1
	defaultAlpha = 0.01
	sampleMost   = 1e12 // events in one sample; more is not a count
	bucketsMost  = 1000
	plansMost    = 200
	afterMost    = 1 << 20
)

// State is one metric under judgement. It marshals to JSON and back; what comes back judges on as if it had never been written. It is not
// safe for concurrent use. The zero State judges nothing: every look is Unknown.
type State struct {
	spec  Spec
	fit   fitted
	after []Sample
	tests []*test
	up    liveness
	start time.Time
	last  time.Time
	tally
}

// tally counts what was added.
type tally struct {
	events  float64 // events, or values
	ignored int     // samples that are no observation
	clipped int     // samples with more bad events than events
	coarse  bool    // a limit lies between two bucket bounds
	moved   bool    // the buckets are not those of the history
	partly  bool    // some but not most values were beyond a gauge's bound
}

// fitted is what New learnt from history.
type fitted struct {
	Plans    []plan   `json:"plans"`
	Missing  string   `json:"missing,omitempty"`  // a comparison is asked for and this is missing
	Unjudged []string `json:"unjudged,omitempty"` // criteria that cannot be judged
	Before   Rate     `json:"before,omitzero"`    // of a gauge
	Down     bool     `json:"down,omitempty"`     // a boolean was 0 before the deploy already
	Notes    []string `json:"notes,omitempty"`
}

func (f *fitted) unjudged(l Limit, why string) {
	f.Unjudged = append(f.Unjudged, fmt.Sprintf("limit %s: %s", limitText(l), why))
}

func (f *fitted) missing(total float64) {
	f.Missing = "there is no history before the deploy"
	if total > 0 {
		f.Missing = fmt.Sprintf("there are only %s events before the deploy (at least %d are needed)", count(total), leastBaseline)
	}
}

// New prepares the judgement of one metric from the samples before the deploy, in any order. Alpha outside (0, 1) is taken as 0.01.
// Without Start the window begins with the first sample.
func New(spec Spec, before []Sample) *State {
	s := &State{spec: tidy(spec)}
	s.fit = fit(&s.spec, history(s.spec.Kind, before))
	s.begin()
	return s
}

// tidy replaces what cannot be calculated with.
func tidy(spec Spec) Spec {
	if !(spec.Alpha > 0 && spec.Alpha < 1) {
		spec.Alpha = defaultAlpha
	}
	spec.WarmUp = max(0, spec.WarmUp)
	limits := spec.Limits
	spec.Limits = nil
	for i, l := range limits {
		if i >= plansMost/4 {
			break
		}
		if !finite(l.Max) || !finite(l.Min) || !finite(l.Quantile) {
			l = Limit{Text: l.Text} // no bound at all: it is told as a criterion that cannot be judged
		}
		spec.Limits = append(spec.Limits, l)
	}
	return spec
}

func finite(v float64) bool { return math.Abs(v) <= 1e150 }

func fit(spec *Spec, before []Sample) (f fitted) {
	switch spec.Kind {
	case Proportion:
		f.fitProportion(spec, before)
	case Histogram:
		f.fitHistogram(spec, before)
	case Gauge:
		f.fitGauge(spec, before)
		f.Before = mean(before)
	case Boolean:
		f.Down = wasDown(before)
	default:
		f.Unjudged = append(f.Unjudged, fmt.Sprintf("kind %q is not known", spec.Kind))
	}
	f.share()
	f.note()
	return f
}

// share splits the evidence: half to the limits, half to the comparison, the weights within each kept.
func (f *fitted) share() {
	var sum [2]float64
	side := func(p *plan) int {
		if p.Compared {
			return 1
		}
		return 0
	}
	for i := range f.Plans {
		p := &f.Plans[i]
		if p.Weight == 0 {
			p.Weight = 1
		}
		sum[side(p)] += p.Weight
	}
	half := 1.0
	if sum[0] > 0 && sum[1] > 0 {
		half = 0.5
	}
	for i := range f.Plans {
		p := &f.Plans[i]
		p.Weight *= half / sum[side(p)]
	}
}

// begin builds the tests from what was fitted. A plan that cannot be calculated with is told, not judged.
func (s *State) begin() {
	s.start = s.spec.Start
	for _, p := range s.fit.Plans {
		if err := p.prepare(); err != nil {
			s.fit.Unjudged = append(s.fit.Unjudged, err.Error())
			continue
		}
		s.tests = append(s.tests, newTest(p, &s.spec))
	}
}

// Add takes the next closed sample. It ignores (and tells) what is no observation: NaN, negative counts, an interval that is empty or
// that overlaps the sample before.
func (s *State) Add(x Sample) {
	x, clipped, ok := sane(s.spec.Kind, x)
	if !ok || x.From.Before(s.last) || len(s.after) >= afterMost {
		s.ignored++
		return
	}
	if !s.spec.Start.IsZero() && !x.To.After(s.spec.Start) {
		return // the old version
	}
	if clipped {
		s.clipped++
	}
	s.after = append(s.after, x)
	s.count(x)
}

func (s *State) count(x Sample) {
	if s.start.IsZero() {
		s.start = x.From
	}
	s.last = x.To
	sec := math.Max(0, x.From.Add(x.To.Sub(x.From)/2).Sub(s.start).Seconds())
	s.events += observed(s.spec.Kind, x)
	if s.spec.Kind == Boolean {
		s.up.add(x)
		return
	}
	for _, t := range s.tests {
		t.add(s.reduce(t, x), sec)
	}
}

// reduce turns a sample into what one test counts.
func (s *State) reduce(t *test, x Sample) step {
	switch s.spec.Kind {
	case Proportion:
		return proportionStep(x)
	case Histogram:
		if _, _, between := straddled(x, t.Bound); between && len(x.Buckets) > 0 {
			s.coarse = s.coarse || !t.Compared
			s.moved = s.moved || t.Compared
		}
		return above(x, t.Bound)
	}
	d := duration(x, t.Bound, t.Below)
	s.partly = s.partly || d.high > 0 && d.bad == 0
	return d
}

type saved struct {
	Version int      `json:"version"`
	Spec    Spec     `json:"spec"`
	Fit     fitted   `json:"fit"`
	After   []Sample `json:"after"`
	Ignored int      `json:"ignored,omitempty"`
	Clipped int      `json:"clipped,omitempty"`
}

// MarshalJSON writes what was learnt from history and the samples since.
func (s *State) MarshalJSON() ([]byte, error) {
	return json.Marshal(saved{version, s.spec, s.fit, s.after, s.ignored, s.clipped})
}

// UnmarshalJSON reads it again. It refuses another version and numbers that New could not have written.
func (s *State) UnmarshalJSON(b []byte) error {
	var in saved
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("judge state: %w", err)
	}
	if in.Version != version {
		return fmt.Errorf("judge state: got version %d, want %d: start the bake again", in.Version, version)
	}
	if err := in.Fit.check(); err != nil {
		return fmt.Errorf("judge state: %w", err)
	}
	*s = State{spec: tidy(in.Spec), fit: in.Fit}
	s.begin()
	for _, x := range in.After {
		s.Add(x)
	}
	s.ignored, s.clipped = in.Ignored, in.Clipped
	return nil
}

func (f *fitted) check() error {
	if len(f.Plans) > plansMost {
		return fmt.Errorf("got %d tests, want at most %d", len(f.Plans), plansMost)
	}
	sum := 0.0
	for i := range f.Plans {
		p := f.Plans[i]
		if err := p.prepare(); err != nil {
			return fmt.Errorf("test %d: %w", i, err)
		}
		switch p.Rule {
		case ruleRatio, ruleScale, ruleLimit, ruleSlow, ruleShare:
		default:
			return fmt.Errorf("test %d: rule %q is not known", i, p.Rule)
		}
		sum += p.Weight
	}
	if sum > 1+1e-9 {
		return errors.New("the tests' weights sum to more than 1")
	}
	return nil
}
