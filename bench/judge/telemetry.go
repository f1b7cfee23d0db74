package main

import "math"

// group is the sum of the series of some pods, as a scrape tells it.
type group struct {
	Req int64     `json:"req"`
	Err int64     `json:"err"`
	Biz int64     `json:"biz"`
	Sat float64   `json:"sat"`
	Lat buckets64 `json:"lat"`
}

// row is a scrape. A group that told nothing is absent.
type row struct {
	T       int    `json:"t"`
	Canary  *group `json:"canary,omitempty"`
	Control *group `json:"control,omitempty"`
}

// how a scrape goes wrong.
const (
	missing = iota // it does not arrive
	stale          // it tells again what the one before told, and the next tells both ticks
	hidden         // one pod's series are not in it
	zeroed         // an exporter starts again: all counters begin anew, and the service does not notice
)

// glitch is a fault of the telemetry, not of the service.
type glitch struct {
	from, to float64
	how      int
	pod      int // whose series are hidden: its place
	control  bool
}

// tell is the scrape at t.
func (w *world) tell(t float64) row {
	w.zero(t)
	r := row{T: int(t), Canary: w.arrives(t, 0)}
	if w.canary > 0 {
		r.Control = w.arrives(t, 1)
	}
	return r
}

// arrives is what a group's scrape tells when something may go wrong with it: the canary's is 0, the control's 1.
func (w *world) arrives(t float64, i int) *group {
	g, u := w.sum(t, i == 1), w.scrape.Float64()
	how := -1
	switch {
	case u < w.habits.gaps:
		how = missing
	case u < w.habits.gaps+w.habits.stale:
		how = stale
	}
	for _, x := range w.glitches {
		if x.control == (i == 1) && t > x.from && t <= x.to && (x.how == missing || x.how == stale) {
			how = x.how
		}
	}
	switch {
	case how == missing:
		return nil
	case how == stale && w.told[i] != nil:
		return w.told[i]
	}
	w.told[i] = g
	return g
}

func (w *world) zero(t float64) {
	for _, x := range w.glitches {
		if x.how != zeroed || t <= x.from || t > x.from+tick {
			continue
		}
		for _, p := range w.pods {
			if w.control(p) == x.control {
				p.count = counters{}
			}
		}
	}
}

// sum adds what the group's pods tell; nil where there are none.
func (w *world) sum(t float64, control bool) *group {
	var all counters
	busy, n := 0.0, 0
	for _, p := range w.pods {
		if w.control(p) != control || !w.visible(p, t) {
			continue
		}
		all.add(&p.count)
		busy += math.Max(p.busy, w.fills(t-p.born))
		n++
	}
	if n == 0 {
		return nil
	}
	sat := busy/float64(n) + 0.02*w.scrape.NormFloat64()
	sat = math.Round(math.Min(1, math.Max(0, sat))*1e4) / 1e4
	return &group{all.req, all.err, all.biz, sat, all.lat}
}

// fills is the memory of a process of an age: fast at first, then for a day.
func (w *world) fills(age float64) float64 {
	return w.memory * (0.5 + 0.3*(1-math.Exp(-age/300)) + 0.2*math.Min(1, age/day))
}

// visible says whether a pod's series are in the scrape.
func (w *world) visible(p *pod, t float64) bool {
	if p.down > t { // it is gone, and so are its series
		return false
	}
	if w.labelled && t > 0 && !p.fresh && !w.control(p) { // the version before
		return false
	}
	for _, x := range w.glitches {
		if x.how == hidden && x.pod == p.slot && t > x.from && t <= x.to {
			return false
		}
	}
	return true
}
