package judge

import "math"

// stretch is what a stream saw since a candidate onset.
type stretch struct {
	y, n, mu float64 // events, trials (or seconds), events expected
	null     float64 // the most (least) events that are not held against the release
	ramp     float64 // sum of mu times the spread of the warm-up
	worse    int     // steps beyond null
	steps    int
	from, to float64 // s after the deploy
	cy, cmu  float64 // the control's events, and how many were expected
	extra    float64 // variance of the log of what is expected, where it rests on another stream
	top      part    // the step that is furthest beyond null
}

// part is one step of a stretch.
type part struct{ y, n, mu, null, ramp, length float64 }

func (p part) beyond(down bool) float64 {
	if down {
		return p.null - p.y
	}
	return p.y - p.null
}

func (a stretch) since(b stretch) stretch {
	a.y, a.n, a.mu, a.null, a.ramp = a.y-b.y, a.n-b.n, a.mu-b.mu, a.null-b.null, a.ramp-b.ramp
	a.worse, a.steps = a.worse-b.worse, a.steps-b.steps
	a.from = b.to
	return a
}

// without leaves out the step that is furthest beyond null: what one scrape alone shows is no evidence.
func (a stretch) without() stretch {
	p := a.top
	a.y, a.n, a.mu, a.null, a.ramp = math.Max(0, a.y-p.y), a.n-p.n, a.mu-p.mu, a.null-p.null, a.ramp-p.ramp
	a.to -= p.length
	return a
}

// onsets keeps the sums at each candidate onset: the deploy, then every spacing.
type onsets struct {
	total   stretch
	opened  []stretch // sums when the onset was opened
	tops    []part    // of each
	spacing float64
	planned int
	sum     float64 // of the weights after the first
}

func (o *onsets) plan(window float64) {
	o.spacing = math.Max(1, math.Min(60, window/20))
	o.planned = max(1, int(math.Ceil(window/o.spacing)))
	if o.planned > maxOnsets {
		o.planned, o.spacing = maxOnsets, window/maxOnsets
	}
	for k := 1; k < o.planned; k++ {
		o.sum += 1 / (float64(k) + 3)
	}
}

// open opens a candidate onset with a step that begins at from.
func (o *onsets) open(from float64) {
	n := len(o.opened)
	if n >= o.planned || n > 0 && from < o.opened[n-1].to+o.spacing-1e-6 {
		return
	}
	t := o.total
	t.to = math.Max(0, from)
	o.opened, o.tops = append(o.opened, t), append(o.tops, part{})
}

// add counts one step.
func (s *stream) add(x obs) {
	s.after = append(s.after, x)
	s.shift.add(x)
	s.open(x.From)
	mu, null := s.expect(x)
	sd := math.Sqrt(s.rampAt((math.Max(0, x.From) + x.To) / 2).Var)
	p := part{x.Y, x.N, mu, null, mu * convex(sd), x.To - math.Max(0, x.From)}
	s.due.push(obs{math.Max(0, x.From), x.To, x.Y, mu})
	t := &s.total
	t.y, t.n, t.mu, t.null, t.ramp = t.y+p.y, t.n+p.n, t.mu+p.mu, t.null+p.null, t.ramp+p.ramp
	t.steps++
	t.to = x.To
	if p.beyond(s.Down) > 0 {
		t.worse++
	}
	for k := range s.tops {
		if s.tops[k].length == 0 || p.beyond(s.Down) > s.tops[k].beyond(s.Down) {
			s.tops[k] = p
		}
	}
}

// convex is what a step of uncertain height adds to the spread of a sum: a step that may be e^2 times as high makes the sum uncertain,
// however few steps are like it.
func convex(sd float64) float64 { return math.Expm1(1.5*sd) / 1.5 }

func (s *stream) addControl(x obs) { s.control.push(x) }

// stretchSince gives the counts since the k-th onset.
func (s *stream) stretchSince(k int) stretch {
	st := s.total.since(s.opened[k])
	st.top = s.tops[k]
	if s.Ref.Control > 0 && len(s.control.obs) > 0 {
		y, n := s.control.sum(st.from, st.to)
		st.cy, st.cmu = y, n*s.Ref.Control
	}
	return st
}

// within gives what was counted and expected from one time to another: the flow may lack steps that another stream of the metric has.
func (s *stream) within(from, to float64) (st stretch) {
	st.from, st.to = from, to
	st.y, st.mu = s.due.sum(from, to)
	if s.Ref.Control > 0 && len(s.control.obs) > 0 {
		y, n := s.control.sum(from, to)
		st.cy, st.cmu = y, n*s.Ref.Control
	}
	return st
}

// onsetWeight is the prior share of an onset: half on the deploy, the rest falling with time, since what a deploy breaks shows early.
func (o *onsets) onsetWeight(k int) float64 {
	switch {
	case o.planned == 1:
		return 1
	case k == 0:
		return 0.5
	}
	return 0.5 / (float64(k) + 3) / o.sum
}

// found is what a stream found: the log of its e-value, and since when.
type found struct {
	logE  float64
	onset int
	best  float64 // log e-value of that onset alone
	moved *shift  // nil: the counts say more
}

// weighOnsets averages over the candidate onsets; a bet not placed yet is worth 1.
func (s *stream) weighOnsets() found {
	f := found{logE: math.Inf(-1), onset: -1, best: math.Inf(-1)}
	rest := 1.0
	for k := range s.opened {
		e := s.weighOnset(k)
		w := s.onsetWeight(k)
		rest -= w
		f.logE = logAdd(f.logE, math.Log(w)+e)
		if w := e + math.Log(w); w > f.best {
			f.best, f.onset = w, k
		}
	}
	if rest > 1e-12 {
		f.logE = logAdd(f.logE, math.Log(rest))
	}
	if e := s.shift.weigh(1); e > math.Max(0, f.logE) {
		f.logE, f.onset, f.moved = e, 0, s.shift
	}
	return f
}

// leaveOne is how many times the evidence may be what it is without its worst step: two equal steps pass, one scrape does not.
const leaveOne = 2.5

func (s *stream) weighOnset(k int) float64 {
	st := s.stretchSince(k)
	if st.steps == 0 {
		return 0
	}
	s.adjust(&st)
	e := s.weigh(st)
	if e <= 0 {
		return e
	}
	if !s.enoughIn(st) {
		return 0
	}
	e = math.Min(e, leaveOne*math.Max(0, s.weigh(st.without())))
	return math.Max(0, e-s.Penalty)
}

// enoughIn holds back what no odds should outweigh: one step, or a handful of events.
func (s *stream) enoughIn(st stretch) bool {
	switch {
	case st.worse < 2, s.What == countRate && st.worse < 3: // two empty scrapes in a row happen
		return false
	case s.Down:
		return true
	}
	return st.y-st.null >= 5 && (s.What != countRate || st.worse >= s.burst(st))
}

// burst is the fewest steps of a rate that rises by itself and falls again, so that they are no evidence: at most eight, or six tenths of the bake.
func (s *stream) burst(st stretch) int {
	step := (st.to - st.from) / float64(st.steps)
	return max(3, min(8, int(0.6*s.window/step)))
}

// adjust moves the null with the load: a service that gets much more traffic than it had may be slower, and orders do not grow with
// requests that a campaign or retries add.
func (s *stream) adjust(st *stretch) {
	if s.flow == nil {
		return
	}
	load := s.flow.within(st.from, st.to)
	expected := load.mu
	if load.cmu > 0 {
		expected *= (load.cy + 1) / (load.cmu + 1)
	}
	if !(expected > 0) || !(load.y > 0) {
		return
	}
	scale := 1.0
	switch x := load.y / expected; {
	case s.What == countEvents && x > dilution:
		scale = dilution / x
		st.extra = s.flow.Noise.at(st.to-st.from, load.cmu > 0)
		if load.cmu > 0 {
			st.extra += 1 / (load.cy + 1)
		}
	case s.What == countSlow && x > loaded && load.cmu == 0:
		scale = s.slowerBy(1 + loadedSlower*math.Log2(x))
	}
	st.mu, st.null, st.ramp = st.mu*scale, st.null*scale, st.ramp*scale
	st.top.mu, st.top.null = st.top.mu*scale, st.top.null*scale
}

const (
	dilution     = 1.05 // more requests than this over the usual are not held to bring orders
	loaded       = 1.3
	loadedSlower = 0.1 // how much slower at double the load
)
