package judge

import (
	"math"
	"slices"
	"time"
)

// A deploy may pass before the end of its window where the user allows it. What begins later is then not seen, by choice; what has begun must be:
// such a pass asks for more than one at the end does. Harm is excluded by the logarithm of the number of looks more, since each of them is
// a chance of its own to let a bad deploy through (union bound); nothing looks worse at all; the last part excludes harm by itself, so
// that what has just begun is not hidden by the quiet before it; everything was seen without a hole; and all of that at two looks in a row.
const (
	earlyRow    = 2
	earlyRecent = 1.0 / 3 // of the time that was seen
	earlyStep   = 30 * time.Second
)

// calm is in how many looks in a row a pass was possible, up to what time after the deploy, s.
type calm struct {
	At  float64 `json:"at"`
	Row int     `json:"row"`
}

// passEarly passes where all that the end would ask for is there, and more. Where that may be and is not so, the sentence says why.
func (d *Deploy) passEarly(v *Verdict, g gathered) {
	if d.spec.PassAfter <= 0 {
		return
	}
	seen, ok := d.seenWhole()
	if seen < max(d.spec.PassAfter, d.spec.WarmUp).Seconds() || seen >= d.spec.window() {
		d.calm = calm{}
		return
	}
	if !ok {
		d.calm, v.Sentence = calm{}, "not all of it was seen"
		return
	}
	e := *v
	e.Metrics = slices.Clone(v.Metrics)
	d.conclude(&e, g, d.asksEarly(seen))
	switch {
	case e.Status != Pass:
		d.calm, v.Sentence = calm{}, e.Sentence
		return
	case seen > d.calm.At:
		d.calm.At = seen
		d.calm.Row++
	}
	if d.calm.Row >= earlyRow {
		*v = e
	}
}

// asksEarly is what a look asks for when so many seconds were seen.
func (d *Deploy) asksEarly(seen float64) asked {
	step := d.spec.Step
	if step <= 0 {
		step = earlyStep
	}
	looks := math.Max(1, (d.spec.window()-d.spec.PassAfter.Seconds())/step.Seconds())
	return asked{seen: seen, nats: excludeNats + math.Log(looks), recent: earlyRecent * seen}
}

// seenWhole is up to when all metrics that count were seen, s after the deploy, and whether that was without a hole: neither silence, nor
// a stretch or a last step in which nothing happened at all, nor a control that is late.
func (d *Deploy) seenWhole() (seen float64, whole bool) {
	seen, newest, lacks := math.Inf(1), 0.0, false
	for _, w := range d.metrics {
		if w.spec.DryRun || w.spec.Optional || !w.judged() {
			continue
		}
		last := w.last(&d.spec)
		seen, newest = math.Min(seen, last), math.Max(newest, last)
		late := w.controlled() && w.LastControl.Sub(d.spec.Start).Seconds() < last-gone(last)
		lacks = lacks || late || w.Partial || w.Hole > gone(last) || w.LastEvent.Before(w.Last)
	}
	return seen, !lacks && newest-seen < GoneAfter.Seconds()
}

// quiet says that neither all that was seen nor the last part of it, of at least so many seconds, is beyond what is always allowed, and that
// the last part excludes harm by itself.
func (s *stream) quiet(recent float64) bool {
	last := 0
	for k := range s.opened {
		if st := s.stretchSince(k); st.to-st.from >= recent {
			last = k
		}
	}
	for _, k := range []int{0, last} {
		st := s.stretchSince(k)
		s.adjust(&st)
		allowed := st.null
		if st.cmu > 0 && st.mu > 0 { // moved with the control
			allowed *= s.effects(st)[0].mean
		}
		if s.Down && st.y < allowed || !s.Down && st.y > allowed {
			return false
		}
		if k == last && s.Required && s.excludes(st) < excludeNats {
			return false
		}
	}
	return true
}

// observe notes what a sample shows, whatever it is compared with.
func (w *watched) observe(x Sample, start time.Time) {
	n := observed(w.kind(), x)
	w.Last, w.Partial = x.To, x.Partial
	w.Events += n
	if n > 0 {
		w.Hole = math.Max(w.Hole, x.From.Sub(latest(w.LastEvent, start)).Seconds())
		w.LastEvent = x.To
	}
}

// controlled says that something runs beside it.
func (w *watched) controlled() bool {
	return slices.ContainsFunc(w.streams, func(s *stream) bool { return s.Ref.Control > 0 })
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
