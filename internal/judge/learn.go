package judge

import (
	"fmt"
	"math"
	"sort"
	"time"
)

const leastSteps = 8 // of history

func newWatched(d *DeploySpec, m MetricSpec, h History) *watched {
	w := &watched{spec: m}
	h.Before, h.Control = history(m.Kind, h.Before), history(m.Kind, h.Control)
	h.Before = until(h.Before, d.Start)
	h.Control = until(h.Control, d.Start)
	if len(m.Limits) > 0 || m.Kind == Boolean {
		limits := m.Spec
		limits.Compare = false
		w.limits = New(limits, h.Before)
		if len(h.Control) > 0 {
			w.outside = New(limits, h.Control)
		}
	}
	if m.Compare {
		w.learn(d, h)
	}
	return w
}

// until drops what reaches into the deploy.
func until(xs []Sample, start time.Time) []Sample {
	n := sort.Search(len(xs), func(i int) bool { return xs[i].To.After(start) })
	return xs[:n]
}

func (w *watched) learn(d *DeploySpec, h History) {
	events := 0.0
	for _, x := range h.Before {
		events += observed(w.spec.Kind, x)
	}
	if len(h.Before) < leastSteps || events < leastBaseline && w.spec.Kind != Gauge {
		w.missing = "there is no history before the deploy"
		if events > 0 {
			w.missing = fmt.Sprintf("there are only %s events before the deploy (at least %d are needed)", count(events), leastBaseline)
		}
		return
	}
	switch w.spec.Kind {
	case Proportion:
		w.follow(d, h, streamFit{What: countBad, Share: 1, Required: true})
	case Histogram:
		w.followTails(d, h)
	case Rates:
		w.followRate(d, h)
	case Gauge:
		w.level = newLevel(d, h)
		return
	}
	if w.flow == nil {
		w.flow = w.newStream(d, h, streamFit{What: countRate, Down: true})
	}
	w.link()
}

// link lets the streams see the metric's load.
func (w *watched) link() {
	if w.flow == nil && len(w.streams) > 0 && w.streams[0].What == countRate && w.streams[0].Down {
		w.flow = w.streams[0]
	}
	for _, s := range w.streams {
		if s != w.flow {
			s.flow = w.flow
		}
	}
}

func (w *watched) follow(d *DeploySpec, h History, f streamFit) {
	s := w.newStream(d, h, f)
	w.streams = append(w.streams, s)
}

// followTails watches, for each tail, the lowest bound that at most its share of events was above, each bound once.
func (w *watched) followTails(d *DeploySpec, h History) {
	curve, _ := curveOf(h.Before)
	if len(curve) == 0 {
		w.missing = "its buckets before the deploy differ from one another"
		return
	}
	for _, t := range tails {
		i := sort.Search(len(curve), func(i int) bool { return curve[i].S <= 1.3*t.share })
		i = min(i, len(curve)-1)
		if n := len(w.streams); n > 0 && w.streams[n-1].Bound == curve[i].Le {
			w.streams[n-1].Share += t.weight
			w.streams[n-1].Required = w.streams[n-1].Required || t.required
			continue
		}
		w.follow(d, h, streamFit{What: countSlow, Bound: curve[i].Le, Share: t.weight, Required: t.required, Curve: curve})
	}
}

func (w *watched) followRate(d *DeploySpec, h History) {
	down := w.spec.Direction != Up
	of := false
	for _, x := range h.Before {
		of = of || x.Of > 0
	}
	if of {
		w.follow(d, h, streamFit{What: countEvents, Down: down, Share: 1, Required: true})
		return
	}
	w.follow(d, h, streamFit{What: countRate, Down: down, Share: 1, Required: true})
	w.link()
}

// newStream learns a stream from history: reference, noise, warm-up, and how it would have judged history.
func (w *watched) newStream(d *DeploySpec, h History, f streamFit) *stream {
	s := &stream{streamFit: f, window: d.window(), warm: d.WarmUp}
	s.Slower = 1
	if len(s.Curve) > 0 {
		s.Slower = s.slowerBy(marginScale)
	}
	p := newPast(reduceAll(f.What, f.Bound, h.Before, d.Start), reduceAll(f.What, f.Bound, h.Control, d.Start), f.Down)
	s.Ref, s.Noise = p.refer(s.window)
	if f.What == countRate {
		s.Idle, s.Clump = p.idle(), p.dispersion()
	}
	s.Ramp = s.learnFrom(h.Previous)
	s.Penalty = s.replay(p)
	p.incident(&s.Ref, &s.Noise)
	s.Under = p.under(&s.Ref, &s.Noise)
	if f.What == countRate && f.Share > 0 && !p.controlled() {
		s.Shift = s.shifts(p.own, d, h.Previous)
	}
	s.begin()
	return s
}

// begin makes ready for the first sample.
func (s *stream) begin() {
	s.plan(s.window)
	s.shift = s.Shift.start()
}

// shifts learns how the rate shifts by itself; nil where too few events tell.
func (s *stream) shifts(t *track, d *DeploySpec, previous []Earlier) *shiftFit {
	f := newShift(t, s.Down, d)
	if f == nil || average(f.Before)*f.Block < shiftEvents {
		return nil
	}
	f.allow(previous, s.reduce)
	return f
}

func (s *stream) learnFrom(previous []Earlier) []rampBin {
	var es []earlier
	for _, p := range previous {
		es = append(es, earlier{reduceAll(s.What, s.Bound, p.Samples, p.Start), reduceAll(s.What, s.Bound, p.Control, p.Start)})
	}
	return learnRamp(es, s.Down, &s.Noise)
}

// replay judges stretches of history as if a deploy had come before them, and gives the nats by which the most suspicious exceeds what
// chance explains in so many.
func (s *stream) replay(p *past) float64 {
	lengths := []float64{60, 120, 300, 600, 1200, 1800}
	var worst []float64
	bake := math.Min(s.window, 1800)
	back := s.Ref.Span
	if back > (p.to-p.from)*0.9 {
		back = 0
	}
	stride := p.whole(math.Max(bake, (p.to-p.from)/60))
	for t := p.from + back; t+bake <= p.to+1e-3; t += stride {
		top := 0.0
		for _, onset := range []float64{0, p.floor(bake / 3), p.floor(2 * bake / 3)} {
			for _, d := range lengths {
				d = p.whole(d)
				if d < p.step*2 || onset+d > bake+1e-3 {
					continue
				}
				if st, ok := s.replayed(p, t, onset, d); ok {
					top = math.Max(top, s.weigh(st))
				}
			}
		}
		worst = append(worst, top)
	}
	if len(worst) < 4 {
		return 0
	}
	sort.Float64s(worst)
	// one incident in history is an incident, not noise
	at := worst[len(worst)-1-len(worst)/25]
	return math.Max(0, at-math.Log(float64(len(worst)))-1)
}

func (s *stream) replayed(p *past, t, onset, d float64) (st stretch, ok bool) {
	span := s.Ref.Span
	if span > (p.to-p.from)*0.9 {
		span = math.Inf(1)
	}
	r, ok := p.residual(t+onset, d, t, span)
	if !ok || !(s.Ref.Rate > 0) {
		return st, false
	}
	y, n := p.own.sum(t+onset, t+onset+d)
	rate := r.mu / n
	st = stretch{y: y, n: n, mu: r.mu, null: n * s.nullRate(rate, warmth{1, 0}), to: d}
	if p.controlled() {
		st.cy, st.cmu = r.cy, r.cmu
	}
	return st, true
}
