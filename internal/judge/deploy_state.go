package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

const deployVersion = 1

// savedDeploy is a deploy as it is written down: what was learnt, and the counts since, reduced to what the streams keep.
type savedDeploy struct {
	Version int            `json:"version"`
	Spec    DeploySpec     `json:"spec"`
	Metrics []savedWatched `json:"metrics"`
	Calm    calm           `json:"calm,omitzero"`
}

type savedWatched struct {
	Streams []savedStream `json:"streams,omitempty"`
	Flow    *savedStream  `json:"flow,omitempty"` // where it is not the first stream
	Level   *savedLevel   `json:"level,omitempty"`
	Limits  *State        `json:"limits,omitempty"`
	Outside *State        `json:"outside,omitempty"`
	Missing string        `json:"missing,omitempty"`
	Seen    seen          `json:"seen"`
}

type savedStream struct {
	Fit     streamFit `json:"fit"`
	After   []obs     `json:"after,omitempty"`
	Control []obs     `json:"control,omitempty"`
}

type savedLevel struct {
	Fit   levelFit `json:"fit"`
	After []obs    `json:"after,omitempty"`
}

func (s *stream) save() savedStream {
	return savedStream{s.streamFit, s.after, s.control.obs}
}

// MarshalJSON writes what was learnt from history and the samples since.
func (d *Deploy) MarshalJSON() ([]byte, error) {
	out := savedDeploy{Version: deployVersion, Spec: d.spec, Calm: d.calm}
	for _, w := range d.metrics {
		s := savedWatched{Limits: w.limits, Outside: w.outside, Missing: w.missing, Seen: w.seen}
		for _, x := range w.streams {
			s.Streams = append(s.Streams, x.save())
		}
		if w.flow != nil && (len(w.streams) == 0 || w.flow != w.streams[0]) {
			f := w.flow.save()
			s.Flow = &f
		}
		if w.level != nil {
			s.Level = &savedLevel{w.level.levelFit, w.level.after}
		}
		out.Metrics = append(out.Metrics, s)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads it again. It refuses another version and numbers that NewDeploy could not have written.
func (d *Deploy) UnmarshalJSON(b []byte) error {
	var in savedDeploy
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("judge state: %w", err)
	}
	if in.Version != deployVersion {
		return fmt.Errorf("judge state: got version %d, want %d: start the bake again", in.Version, deployVersion)
	}
	if len(in.Metrics) != len(in.Spec.Metrics) {
		return fmt.Errorf("judge state: got %d metrics, want %d", len(in.Metrics), len(in.Spec.Metrics))
	}
	*d = Deploy{spec: tidyDeploy(in.Spec), calm: in.Calm}
	for i, m := range in.Metrics {
		w, err := m.restore(d.spec.Metrics[i], &d.spec)
		if err != nil {
			return fmt.Errorf("judge state: metric %d: %w", i, err)
		}
		d.metrics = append(d.metrics, w)
	}
	d.split()
	return nil
}

func (m *savedWatched) restore(spec MetricSpec, d *DeploySpec) (*watched, error) {
	w := &watched{spec: spec, limits: m.Limits, outside: m.Outside, missing: m.Missing, seen: m.Seen}
	if len(m.Streams) > plansMost {
		return nil, errors.New("too many streams")
	}
	for _, s := range m.Streams {
		x, err := s.restore(d)
		if err != nil {
			return nil, err
		}
		w.streams = append(w.streams, x)
	}
	if m.Flow != nil {
		x, err := m.Flow.restore(d)
		if err != nil {
			return nil, err
		}
		w.flow = x
	}
	w.link()
	if m.Level != nil {
		f := m.Level.Fit
		if !finite(f.High) || !finite(f.Near) || !finite(f.Spread) || !finite(f.Mean) || !(f.Streak >= 0) || !(f.Warm >= 0) {
			return nil, errors.New("a gauge's level is not finite")
		}
		w.level = &level{levelFit: f, window: d.window()}
		for _, o := range m.Level.After {
			w.level.push(o)
		}
	}
	return w, nil
}

func (s *savedStream) restore(d *DeploySpec) (*stream, error) {
	if err := s.Fit.check(); err != nil {
		return nil, err
	}
	x := &stream{streamFit: s.Fit, window: d.window(), warm: d.WarmUp}
	x.plan(x.window)
	for _, o := range s.After {
		if !o.sane() {
			return nil, errors.New("a count is out of its range")
		}
		x.add(o)
	}
	for _, o := range s.Control {
		if !o.sane() {
			return nil, errors.New("a count is out of its range")
		}
		x.addControl(o)
	}
	return x, nil
}

func (o obs) sane() bool {
	return o.To > o.From && math.Abs(o.From) < 1e12 && math.Abs(o.To) < 1e12 && isCount(o.Y) && isCount(o.N)
}

func (f *streamFit) check() error {
	for _, v := range []float64{f.Bound, f.Share, f.Slower, f.Penalty, f.Ref.Rate, f.Ref.Events, f.Ref.Span, f.Ref.Control, f.Ref.ControlEvents, f.Noise.Phi, f.Noise.Incident, f.Idle, f.Clump} {
		if !(v >= 0 && v <= maxCount) {
			return errors.New("a number is out of its range")
		}
	}
	if f.Noise.Phi < 1 || f.Slower < 1 {
		return errors.New("a factor is out of its range")
	}
	for _, vs := range [][]float64{f.Noise.Shared, f.Noise.Own} {
		if n := len(vs); n != 0 && n != len(noiseLengths) {
			return errors.New("the noise has the wrong length")
		}
		for _, v := range vs {
			if !(v >= 0 && v <= 100) {
				return errors.New("the noise is out of its range")
			}
		}
	}
	if n := len(f.Ramp); n != 0 && n != len(rampEdges)-1 {
		return errors.New("the warm-up has the wrong length")
	}
	for _, b := range f.Ramp {
		if !(math.Abs(b.Log) <= 50 && b.Var >= 0 && b.Var <= 100) {
			return errors.New("the warm-up is out of its range")
		}
	}
	for _, u := range f.Under {
		if !(u.Mean > 0 && u.Mean <= maxCount && u.Var > 0 && u.Var <= 100 && u.Weight >= 0 && u.Weight <= 1) || len(f.Under) > 3 {
			return errors.New("an incident is out of its range")
		}
	}
	for _, c := range f.Curve {
		if !(c.S >= 0 && c.S <= 1) || !finite(c.Le) {
			return errors.New("a latency curve is out of its range")
		}
	}
	return nil
}
