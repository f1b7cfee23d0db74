package judge

import (
	"math"
	"sort"
	"time"
)

// shift judges what no likelihood fits: a rate or a gauge that jumps by itself. It asks by ranks whether what follows the deploy lies beyond
// the hours before it (Mann & Whitney, Annals of Mathematical Statistics 18, 1947), and holds that against the release only where the mean
// moved further than after the moments of history, each of them taken for a deploy: how often a series moves by itself is counted there.
// A rate that has a control is compared with that instead.
type shift struct {
	shiftFit
	after []float64
	part  block // the last one, not whole yet
}

// shiftFit is what is known before the first sample.
type shiftFit struct {
	Before []float64 `json:"before"` // rates of the blocks before the deploy
	Down   bool      `json:"down,omitempty"`
	Block  float64   `json:"block"`          // s
	Warm   float64   `json:"warm,omitempty"` // s after the deploy that say nothing
	Steps  int       `json:"steps"`          // fewest blocks that are looked at
	Bound  float64   `json:"bound"`          // log ratio that is held against the release
	Day    float64   `json:"day,omitempty"`  // rate a day before, in what was the bake then; 0: not known
}

const (
	shiftPast    = 7200.0 // s before the deploy that are compared with
	shiftDay     = 86400.0
	shiftBlock   = 60.0 // s, the shortest
	shiftBlocks  = 60   // most in a bake
	shiftSteps   = 4    // fewest
	shiftPart    = 0.75 // of the bake behind the warm-up has to be seen: what passes is no harm
	shiftMoments = 288  // of history that are looked at
	shiftEvents  = 2    // fewest in a block before the deploy: the ranks of fewer are ties
	shiftRanks   = 2.8  // standard errors of the rank sum
	shiftQuiet   = 0.97 // of the moments of history moved less than the bound
	shiftFloor   = 0.1  // of the mean before: a ratio to nothing says nothing
)

var (
	shiftLeast  = math.Log(1.5) // less is no harm by itself
	shiftLooked = math.Log(1.2) // less is not looked at
)

// newShift learns from history; nil where that is too short to say how far the series moves by itself.
func newShift(t *track, down bool, d *DeploySpec) *shiftFit {
	window, warm := d.window(), d.WarmUp.Seconds()
	p := newPast(t, nil, down)
	f := &shiftFit{Down: down, Block: p.whole(math.Max(shiftBlock, window/shiftBlocks)), Warm: warm}
	f.Steps = max(shiftSteps, int(shiftPart*(window-warm)/f.Block+0.5))
	bs := blocksOf(t.obs, f.Block)
	f.Before = ratesOf(bs, p.to-shiftPast, p.to)
	moved := f.moved(bs, int(window/f.Block+1e-9))
	if len(moved) < shiftMoments/4 || !f.sane() {
		return nil
	}
	if y, n := t.sum(warm-shiftDay, window-shiftDay); n > 0 {
		f.Day = y / n
	}
	sort.Float64s(moved)
	f.Bound = math.Max(shiftLeast, moved[int(shiftQuiet*float64(len(moved)-1))])
	return f
}

// allow lifts the bound to what earlier deploys showed: as far as they moved the series is usual.
func (f *shiftFit) allow(previous []Earlier, reduce func(Sample, time.Time) obs) {
	for _, e := range previous {
		t := &track{}
		for _, x := range e.Samples {
			t.push(reduce(x, e.Start))
		}
		bs := blocksOf(t.obs, f.Block)
		before, after := ratesOf(bs, -shiftPast, 0), ratesOf(bs, f.Warm, math.Inf(1))
		if len(before) < shiftSteps {
			before = f.Before
		}
		for k := f.Steps; k <= len(after); k++ {
			if g := f.ratio(after[:k], before) + shiftLooked; g > f.Bound && finite(g) {
				f.Bound = g
			}
		}
	}
}

// sane says whether there is enough before the deploy, and no more than newShift gives.
func (f *shiftFit) sane() bool {
	for _, v := range f.Before {
		if !(v >= 0) || !finite(v) {
			return false
		}
	}
	n := len(f.Before)
	return n >= 2*shiftSteps && n <= 2*shiftPast/shiftBlock && average(f.Before) > 0 &&
		f.Block >= 1 && finite(f.Block) && f.Warm >= 0 && finite(f.Warm) && f.Day >= 0 && finite(f.Day) && f.Steps >= shiftSteps && f.Bound >= 0 && finite(f.Bound)
}

func (f *shiftFit) start() *shift {
	if f == nil {
		return nil
	}
	return &shift{shiftFit: *f}
}

// moved is how far the series moved after each moment of history, looked at as a bake is.
func (f *shiftFit) moved(bs []block, window int) (moved []float64) {
	vs := ratesOf(bs, math.Inf(-1), math.Inf(1))
	near, warm := int(shiftPast/f.Block+0.5), int(math.Ceil(f.Warm/f.Block-1e-9))
	most := window - warm
	for i := max(2*shiftSteps, near/2); i+window <= len(bs) && f.Steps <= most; i += max(1, len(bs)/shiftMoments) {
		if bs[i+window-1].to-bs[i].from > 1.5*float64(window)*f.Block { // a gap
			continue
		}
		before, after, top := vs[max(0, i-near):i], vs[i+warm:i+window], 0.0
		for _, k := range []int{f.Steps, (f.Steps + most) / 2, most} {
			top = math.Max(top, f.beyond(after[:k], before))
		}
		moved = append(moved, top)
	}
	return moved
}

// ratio is the log ratio of the means, positive where worse. Where the last blocks before were worse already they are what is compared with:
// what was under way is not the deploy's doing.
func (f *shiftFit) ratio(after, before []float64) float64 {
	all, last := average(before), average(before[max(0, len(before)-shiftSteps):])
	floor := math.Max(shiftFloor*all, 1e-9) // finite where all is 0
	if f.Down {
		return f.logRatio(average(after), math.Min(all, last), floor)
	}
	return f.logRatio(average(after), math.Max(all, last), floor)
}

func (f *shiftFit) logRatio(after, before, floor float64) float64 {
	g := math.Log((after + floor) / (before + floor))
	if f.Down {
		return -g
	}
	return g
}

// beyond is the log ratio where the ranks say that the blocks after lie beyond those before, and 0 elsewhere.
func (f *shiftFit) beyond(after, before []float64) float64 {
	g := f.ratio(after, before)
	if !(g >= shiftLooked) || f.ranks(after, before) < shiftRanks {
		return 0
	}
	return g
}

// ranks is the standardised rank sum of what should be higher, less a margin, among both; ties only make it smaller.
func (f *shiftFit) ranks(high, low []float64) float64 {
	if f.Down {
		high, low = low, high
	}
	u := 0.0
	for _, a := range high {
		for _, b := range low {
			switch b *= 1 + marginTraffic; {
			case a > b:
				u++
			case a == b:
				u += 0.5
			}
		}
	}
	n, m := float64(len(high)), float64(len(low))
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}

func (s *shift) add(o obs) {
	if s == nil || o.From < s.Warm-1e-3 {
		return
	}
	if s.part = s.part.plus(o); s.part.length() >= s.Block-1e-3 {
		s.after = append(s.after, s.part.rate())
		s.part = block{}
	}
}

// weigh gives 3 nats for a shift as far as the bound, and more for more: history is too short to say how rare that is. More traffic makes
// more of everything.
func (s *shift) weigh(load float64) float64 {
	if s == nil || len(s.after) < s.Steps {
		return 0
	}
	bound := s.Bound
	if load > loaded {
		bound += math.Log(load)
	}
	if s.Day > 0 && s.logRatio(average(s.after), s.Day, shiftFloor*s.Day) < shiftLooked { // a curve of the day
		return 0
	}
	if g := s.beyond(s.after, s.Before); g >= bound {
		return 3 * g / bound
	}
	return 0
}

// block is a few steps together: those of the bake may be shorter than those of history.
type block struct{ from, to, y, n float64 }

func (b block) length() float64 { return b.to - b.from }
func (b block) rate() float64   { return b.y / b.n }

// plus adds a step; one behind a gap begins anew.
func (b block) plus(o obs) block {
	if b.n == 0 || o.From > b.to+1e-3 {
		b = block{from: o.From}
	}
	return block{b.from, o.To, b.y + o.Y, b.n + o.N}
}

func blocksOf(os []obs, length float64) (out []block) {
	var b block
	for _, o := range os {
		if !(o.N > 0) {
			continue
		}
		if b = b.plus(o); b.length() >= length-1e-3 {
			out = append(out, b)
			b = block{}
		}
	}
	return out
}

// ratesOf are the rates of the blocks within [from, to].
func ratesOf(bs []block, from, to float64) (vs []float64) {
	for _, b := range bs {
		if b.from >= from-1e-3 && b.to <= to+1e-3 {
			vs = append(vs, b.rate())
		}
	}
	return vs
}

func average(vs []float64) (m float64) {
	for _, v := range vs {
		m += v / float64(len(vs))
	}
	return m
}
