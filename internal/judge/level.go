package judge

import (
	"math"
	"sort"
	"time"
)

// level judges a gauge (saturation, queue length) by two bounds: the highest that was usual before the deploy, and how high it may be so
// soon, by how it is now and how far it ever rose within a bake. It has to stay beyond one of them: a gauge says less about harm than
// what users see. One that rises as a whole, and is beyond neither at each step, is left to its shift.
type level struct {
	levelFit
	after      []obs // Y: sum of the values; N: how many
	window     float64
	high, near streak // beyond High, beyond Near
	shift      *shift
}

// levelFit is what is known before the first sample.
type levelFit struct {
	Mean   float64   `json:"mean"`
	High   float64   `json:"high"`           // what is not held against the release
	Near   float64   `json:"near,omitempty"` // nor is what is lower than this, so soon; 0: not known
	Warm   float64   `json:"warm,omitempty"` // s in which Near says nothing: nobody knows how this service starts
	Spread float64   `json:"spread"`         // sd of what it stays above
	Enough bool      `json:"enough"`
	Streak float64   `json:"streak,omitempty"` // s, the longest that history was beyond High
	Shift  *shiftFit `json:"shift,omitempty"`  // none: history is too short
}

const (
	levelLeast = 240.0 // s beyond
	levelSteps = 4
	nearPast   = 3600.0 // s before the deploy that are "now"
	nearMargin = 1.5    // as much again by half is no harm by itself
	nearMore   = 1.25   // of what history shows: it shows one day, and the next has moments of its own
)

// streak is how long a gauge has been beyond a bound, now.
type streak struct {
	steps  int
	length float64 // s
}

func (s *streak) add(o obs, bound float64) {
	if o.Y/o.N <= bound {
		*s = streak{}
		return
	}
	s.steps++
	s.length += o.To - math.Max(0, o.From)
}

func newLevel(d *DeploySpec, h History) *level {
	l := &level{window: d.window()}
	t := &track{}
	for _, x := range h.Before {
		if len(x.Values) > 0 {
			t.push(meanOf(x, d.Start))
		}
	}
	v := t.lows(l.least())
	if len(t.obs) < gaugeHistory || len(v) == 0 {
		return l
	}
	l.Near = t.soon(v, l.window)
	sort.Float64s(v)
	q := func(p float64) float64 { return v[int(p*float64(len(v)-1)+0.5)] }
	l.Mean, l.Enough = q(0.5), true
	l.Spread = math.Max((q(0.99)-q(0.5))/2.33, math.Max(0.02*math.Abs(l.Mean), 1e-9))
	l.High = q(0.99) + math.Max(math.Max(3*l.Spread, q(0.99)-q(0.5)), 0.5*math.Abs(l.Mean))
	l.High = math.Max(l.High, q(1)+l.Spread)
	l.Streak = longestAbove(t.obs, l.High)
	if len(h.Previous) == 0 {
		l.Warm = d.WarmUp.Seconds()
	}
	if l.Shift = newShift(t, false, d); l.Shift != nil {
		l.Shift.allow(h.Previous, meanOf)
	}
	l.shift = l.Shift.start()
	for _, e := range h.Previous { // as high as after earlier deploys is usual
		for _, x := range e.Samples {
			if len(x.Values) > 0 && x.From.After(e.Start) {
				o := meanOf(x, d.Start)
				l.lift(o.Y/o.N + l.Spread)
			}
		}
	}
	return l
}

// lift allows a value.
func (l *level) lift(v float64) {
	l.High = math.Max(l.High, v)
	if l.Near > 0 {
		l.Near = math.Max(l.Near, v)
	}
}

// least is the shortest streak that is evidence, s.
func (l *level) least() float64 { return math.Min(levelLeast, l.window/3) }

// lows are the lowest means within each stretch as long as a streak must be: a streak is what is held against the release, and the spikes of
// history, however many, are none.
func (t *track) lows(length float64) []float64 {
	var v []float64
	for i := range t.obs {
		low, k := math.Inf(1), i
		for k < len(t.obs) && (k-i < levelSteps || t.obs[k-1].To-t.obs[i].From < length) {
			low = math.Min(low, t.obs[k].Y/t.obs[k].N)
			k++
		}
		if k-i < levelSteps {
			break
		}
		v = append(v, low)
	}
	return v
}

// soon is how high the lows may be within a bake, by the last hour's mean and how far they rose above that of any hour of history: what is
// usual at noon is not usual at night. 0 where history is too short to say.
func (t *track) soon(lows []float64, window float64) float64 {
	const moments = 288 // of history that are looked at
	mean := func(at float64) float64 {
		y, n := t.sum(at-nearPast, at)
		return y / n // NaN where there is nothing
	}
	rise, known := 0.0, 0
	for i := 0; i < len(lows); i += max(1, len(lows)/moments) {
		at, top := t.obs[i].From, 0.0
		for k := i; k < len(lows) && t.obs[k].From < at+window; k++ {
			top = math.Max(top, lows[k])
		}
		if m := mean(at); m > 0 {
			rise, known = math.Max(rise, top/m), known+1
		}
	}
	now := mean(t.obs[len(t.obs)-1].To)
	if known < moments/3 || !(now > 0) {
		return 0
	}
	return now * math.Max(nearMargin, nearMore*rise)
}

// longestAbove is the longest streak beyond a bound, s.
func longestAbove(os []obs, bound float64) (longest float64) {
	run := 0.0
	for _, o := range os {
		if o.Y/o.N <= bound {
			run = 0
			continue
		}
		run += o.To - o.From
		longest = math.Max(longest, run)
	}
	return longest
}

func meanOf(x Sample, start time.Time) obs {
	o := obs{From: x.From.Sub(start).Seconds(), To: x.To.Sub(start).Seconds()}
	for _, v := range x.Values {
		o.Y, o.N = o.Y+v, o.N+1
	}
	return o
}

func (l *level) add(x Sample, start time.Time) {
	if len(x.Values) > 0 {
		l.push(meanOf(x, start))
	}
}

func (l *level) push(o obs) {
	l.after = append(l.after, o)
	l.shift.add(o)
	l.high.add(o, l.High)
	if l.Near > 0 && o.From >= l.Warm {
		l.near.add(o, l.Near)
	}
}

// weigh is the evidence, in nats, of the present streaks and the shift.
func (l *level) weigh(load float64) float64 {
	e, _ := l.find(load)
	return e
}

// find is the evidence, and the shift where that says most. A streak beyond High must be longer than any was in history.
func (l *level) find(load float64) (nats float64, moved *shift) {
	if !l.Enough {
		return 0, nil
	}
	nats = math.Max(l.held(l.high, l.High, load, math.Max(l.least(), 1.5*l.Streak)), l.held(l.near, l.Near, load, l.least()))
	if e := l.shift.weigh(load); e > nats {
		return e, l.shift
	}
	return nats, nil
}

// held gives 3 nats for each stretch that is as long as a streak must be, so that even a gauge that is judged alone has to stay there for
// longer than one.
func (l *level) held(s streak, bound, load, least float64) float64 {
	if s.steps < levelSteps || s.length < least {
		return 0
	}
	if n := l.after[len(l.after)-1]; load > loaded && n.Y/n.N < bound*load { // more traffic, more of everything
		return 0
	}
	return 3 * s.length / least
}
