package judge

import (
	"fmt"
	"math"
	"time"
)

// toldFrom is the evidence from which on it is told, with since when.
const toldFrom = 2

// tell says what one metric is held against, with what was expected of it; the evidence and since when only where it looks worse.
func (w *watched) tell(x weighed, evidence float64) string {
	if x.moved != nil {
		return fmt.Sprintf("%s, evidence %s, %s", x.moved.tell(&w.spec.Spec), oddsOf(evidence), after(seconds(x.moved.Warm)))
	}
	if x.stream == nil && w.limits != nil && w.spec.Kind != Boolean {
		if v := w.limits.weighAll(); v.worst != nil && v.onset >= 0 {
			j := Judgement{Evidence: evidence}
			w.limits.tellFail(&j, v)
			return j.Sentence
		}
	}
	if x.stream == nil || len(x.stream.opened) == 0 {
		return fmt.Sprintf("%s is not as usual, evidence %s", w.spec.Name, oddsOf(evidence))
	}
	st := x.stream.stretchSince(max(0, x.onset))
	x.stream.adjust(&st)
	text := x.stream.tell(&w.spec.Spec, st)
	if x.onset < 0 || evidence < toldFrom {
		return text
	}
	return fmt.Sprintf("%s, evidence %s, %s", text, oddsOf(evidence), after(time.Duration(st.from*float64(time.Second))))
}

// tell says what the mean was before and is now.
func (s *shift) tell(spec *Spec) string {
	text := func(v float64) string {
		if spec.Kind == Gauge {
			return spec.Unit.Text(v)
		}
		return plain(v) + "/s"
	}
	return fmt.Sprintf("%s %s, %s in the hours before the deploy", spec.Name, text(average(s.after)), text(average(s.Before)))
}

// tell says what was counted, beside what was expected: by the time before, the control and how earlier deploys warmed up.
func (s *stream) tell(spec *Spec, st stretch) string {
	name := spec.Name
	n, mu := math.Max(st.n, 1e-9), st.mu
	if st.mu > 0 && st.cmu > 0 { // moved with the control
		mu *= s.effects(st)[0].mean
	}
	got, want := st.y/n, mu/n
	switch s.What {
	case countRate:
		return fmt.Sprintf("%s %s/s, expected %s/s", name, plain(got), plain(want))
	case countEvents:
		return fmt.Sprintf("%s in %s of requests, expected %s", name, percent(min(1, got)), percent(min(1, want)))
	case countSlow:
		return fmt.Sprintf("%s above %s for %s of requests, expected %s", name, spec.Unit.Text(s.Bound), percent(min(1, got)), percent(min(1, want)))
	}
	return fmt.Sprintf("%s %s (%s of %s), expected %s", name, percent(min(1, got)), count(st.y), count(st.n), percent(min(1, want)))
}
