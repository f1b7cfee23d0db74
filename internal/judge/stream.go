package judge

import (
	"math"
	"sort"
	"time"
)

// obs is a sample reduced to what a stream counts, its times in seconds after the deploy: y events of n, where n is trials (requests), or
// seconds for a rate in time.
type obs struct {
	From, To, Y, N float64
}

// track is a series of observations in time order with running sums, so that any stretch of it is summed at once.
type track struct {
	obs    []obs
	cy, cn []float64 // running sums; one more than obs
}

func (t *track) push(o obs) {
	if len(t.cy) == 0 {
		t.cy, t.cn = append(t.cy, 0), append(t.cn, 0)
	}
	k := len(t.obs)
	t.obs = append(t.obs, o)
	t.cy, t.cn = append(t.cy, t.cy[k]+o.Y), append(t.cn, t.cn[k]+o.N)
}

// sum adds what was observed within [from, to].
func (t *track) sum(from, to float64) (y, n float64) {
	if t == nil || len(t.obs) == 0 {
		return 0, 0
	}
	const eps = 1e-3
	i := sort.Search(len(t.obs), func(i int) bool { return t.obs[i].From >= from-eps })
	j := sort.Search(len(t.obs), func(j int) bool { return t.obs[j].To > to+eps })
	if j <= i {
		return 0, 0
	}
	return t.cy[j] - t.cy[i], t.cn[j] - t.cn[i]
}

func (t *track) span() (from, to float64) {
	if t == nil || len(t.obs) == 0 {
		return 0, 0
	}
	return t.obs[0].From, t.obs[len(t.obs)-1].To
}

// what a stream counts.
type what string

const (
	countBad    what = "bad"    // bad events of all
	countSlow   what = "slow"   // events above Bound of all
	countRate   what = "rate"   // events per second
	countEvents what = "events" // events among requests
)

// stream is one comparison: counts after the deploy against what they were before, in the control, and after earlier deploys.
type stream struct {
	streamFit
	onsets
	after   []obs // kept to write the state down
	due     track // events (Y), and how many were expected (N)
	control track
	window  float64 // s
	warm    time.Duration
	flow    *stream // events per second of the same metric
}

// streamFit is everything a stream knows before the first sample, so that it can be written down and read back.
type streamFit struct {
	What     what       `json:"what"`
	Bound    float64    `json:"bound,omitempty"`
	Share    float64    `json:"share"` // of the metric's evidence
	Down     bool       `json:"down,omitempty"`
	Required bool       `json:"required,omitempty"` // harm must be excluded here before passing
	Slower   float64    `json:"slower,omitempty"`   // factor on the rate when everything is marginScale slower
	Curve    []point    `json:"curve,omitempty"`
	Ref      reference  `json:"ref"`
	Noise    noise      `json:"noise"`
	Ramp     []rampBin  `json:"ramp,omitempty"` // learned warm-up; none: the default band
	Under    []underWay `json:"under,omitempty"`
	Idle     float64    `json:"idle,omitempty"`    // s, the longest that history went without an event
	Clump    float64    `json:"clump,omitempty"`   // of a rate: variance of a minute over that of independent events
	Penalty  float64    `json:"penalty,omitempty"` // nats that history, replayed, showed to be no evidence
}

func (s *stream) reduce(x Sample, start time.Time) obs { return reduce(s.What, s.Bound, x, start) }

func reduce(w what, bound float64, x Sample, start time.Time) obs {
	o := obs{From: x.From.Sub(start).Seconds(), To: x.To.Sub(start).Seconds()}
	switch w {
	case countBad:
		o.Y, o.N = x.Bad, x.Total
	case countSlow:
		s := above(x, bound)
		o.Y, o.N = s.bad, s.total
	case countEvents:
		o.Y, o.N = x.Total, x.Of
	default:
		o.Y, o.N = x.Total, o.To-o.From
		if len(x.Buckets) > 0 {
			o.Y = above(x, 0).total
		}
		if x.Of > 0 {
			o.Y = x.Of
		}
	}
	return o
}

func reduceAll(w what, bound float64, xs []Sample, start time.Time) *track {
	t := &track{}
	for _, x := range xs {
		t.push(reduce(w, bound, x, start))
	}
	return t
}

// perTrial says that events are a share of trials, so that their rate ends at 1.
func (w what) perTrial() bool { return w == countBad || w == countSlow }

// expect gives what is expected of an observation, and the most (or, where less is worse, the least) that is not held against the
// release.
func (s *stream) expect(o obs) (mu, null float64) {
	mid := (math.Max(0, o.From) + math.Max(0, o.To)) / 2
	r := s.Ref.Rate * s.rampAt(mid).factor()
	band := warmth{1, 0}
	if s.Ramp == nil {
		band = warmAt(mid, s.warm)
	}
	return o.N * math.Min(r, s.top(r)), o.N * s.nullRate(r, band)
}

// top is where a rate ends.
func (s *stream) top(r float64) float64 {
	if !s.What.perTrial() {
		return math.Inf(1)
	}
	return (1 + s.Ref.Rate) / 2
}

// nullRate applies the practical margins and the default warm-up band.
func (s *stream) nullRate(r float64, w warmth) float64 {
	switch s.What {
	case countBad:
		r = r*math.Max(marginRatio, w.factor) + marginAdd + w.add
	case countSlow:
		f := s.Slower
		if w.factor > marginScale {
			f = math.Max(f, s.slowerBy(w.factor))
		}
		r = r*f + marginAdd
	case countEvents:
		r *= (1 - marginEvents) / math.Sqrt(w.factor)
	default:
		if s.Down {
			return r * (1 - marginTraffic) / (w.factor * w.factor)
		}
		return r * (1 + marginTraffic) * w.factor
	}
	if s.What.perTrial() {
		r = inside(math.Min(r, (1+s.Ref.Rate)/2))
	}
	return r
}

const (
	marginEvents  = 0.01 // business events among requests
	marginTraffic = 0.10
)

// slowerBy is the factor on the share of slow events if everything took factor times as long.
func (s *stream) slowerBy(factor float64) float64 {
	at := survival(s.Curve, s.Bound)
	if !(at > 0) {
		return factor
	}
	return math.Max(1, math.Min(survival(s.Curve, s.Bound/factor)/at, 1e4))
}
