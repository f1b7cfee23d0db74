package judge

import (
	"fmt"
	"math"
)

// note writes down what is to be told of history with every judgement.
func (f *fitted) note() {
	seen := map[string]bool{}
	say := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if !seen[text] {
			seen[text] = true
			f.Notes = append(f.Notes, text)
		}
	}
	if len(f.Plans) == 0 {
		return
	}
	p := &f.Plans[0] // the tests of one metric have much the same history
	for i := range f.Plans {
		if f.Plans[i].Compared && !f.Plans[i].Optional {
			p = &f.Plans[i]
			break
		}
	}
	if p.Rule == ruleShare {
		return
	}
	b := p.Base
	switch {
	case b.Incident:
		say("it was already much worse in the last 10 min before the deploy, so that it is compared with those alone")
	case b.Recent:
		say("the baseline drifts: only its last 2 h are compared with")
	}
	if p.Known && !b.Assumed && b.Phi > 1.5 {
		say("its bad events come in bursts: variance %s times that of independent events, so that the evidence counts as that much less", two(b.Phi))
	}
	if p.Compared && b.Tau > 0.3 && !b.Incident {
		say("the baseline drifts by about %s from one half hour to another", percent(math.Expm1(b.Tau)))
	}
	if p.Compared && b.Bad < leastBaseline {
		say("few events: only %s bad of %s before the deploy", count(b.Bad), count(b.Total))
	}
}

// warnings are the notes on history and what was odd in the window.
func (s *State) warnings() []string {
	w := append([]string(nil), s.fit.Notes...)
	for _, u := range s.fit.Unjudged {
		w = append(w, "not judged: "+u)
	}
	if s.ignored > 0 {
		w = append(w, pluralf(s.ignored, "sample was", "samples were")+" ignored: not a count, or overlapping the one before")
	}
	if s.clipped > 0 {
		w = append(w, pluralf(s.clipped, "sample had", "samples had")+" more bad events than events")
	}
	if s.moved {
		w = append(w, "the bucket bounds are not those of before the deploy, so that the comparison sees less")
	}
	if s.partly {
		w = append(w, "some of its series, but not most, were beyond the bound")
	}
	return append(w, s.coarseNotes()...)
}

// coarseNotes name the bucket bounds next to a limit that is none.
func (s *State) coarseNotes() (w []string) {
	if !s.coarse {
		return nil
	}
	for _, t := range s.tests {
		if lo, hi, between := s.lastStraddled(t.Bound); !t.Compared && between {
			end := s.spec.Unit.Text(hi)
			if math.IsInf(hi, 1) {
				end = "infinity"
			}
			w = append(w, fmt.Sprintf("the limit %s is no bucket bound: only what is above %s counts against the release, and what lies between %s and %s is split by proportion before it passes", t.Text, end, s.spec.Unit.Text(lo), end))
		}
	}
	return w
}

// lastStraddled is the bucket around a bound in the last sample that has events there.
func (s *State) lastStraddled(bound float64) (lo, hi float64, yes bool) {
	for i := len(s.after) - 1; i >= 0 && !yes; i-- {
		if len(s.after[i].Buckets) > 0 {
			lo, hi, yes = straddled(s.after[i], bound)
		}
	}
	return lo, hi, yes
}

// worseNotes tell of a rate above the margin that is not proved.
func (s *State) worseNotes() (w []string) {
	for _, t := range s.tests {
		if t.Rule != ruleRatio || t.sums.total <= 0 || t.sums.bad < 5 {
			continue
		}
		c := t.sums
		if p := ratio(c); p > t.nullAt(warmth{1, 0}) && t.base.rate > 0 && t.Base.Bad > 0 {
			w = append(w, fmt.Sprintf("the rate is %s times what it was before", two(p*t.Base.Total/t.Base.Bad)))
		}
	}
	return w
}
