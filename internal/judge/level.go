package judge

import (
	"math"
	"sort"
	"time"
)

// level judges a gauge (saturation, queue length) by the mean of its values against the highest that was usual before the deploy, in
// units of the gauge's own spread. It is slow on purpose: a gauge says less about harm than what users see.
type level struct {
	levelFit
	after   []obs // Y: sum of the values; N: how many
	window  float64
	longest float64 // s beyond High, now
	streak  int
}

// levelFit is what is known before the first sample.
type levelFit struct {
	Mean   float64 `json:"mean"`
	High   float64 `json:"high"`   // what is not held against the release
	Spread float64 `json:"spread"` // sd of five minutes' means
	Enough bool    `json:"enough"`
	Streak float64 `json:"streak,omitempty"` // s, the longest that history was beyond High
}

const (
	levelLeast = 240.0 // s beyond
	levelSteps = 4
)

func newLevel(d *DeploySpec, h History) *level {
	l := &level{window: d.window()}
	t := &track{}
	for _, x := range h.Before {
		if len(x.Values) > 0 {
			t.push(meanOf(x, d.Start))
		}
	}
	if len(t.obs) < gaugeHistory {
		return l
	}
	var v []float64
	for _, o := range t.obs {
		v = append(v, o.Y/o.N)
	}
	sort.Float64s(v)
	q := func(p float64) float64 { return v[int(p*float64(len(v)-1)+0.5)] }
	l.Mean, l.Enough = q(0.5), true
	l.Spread = math.Max((q(0.99)-q(0.5))/2.33, math.Max(0.02*math.Abs(l.Mean), 1e-9))
	l.High = q(0.99) + math.Max(math.Max(3*l.Spread, q(0.99)-q(0.5)), 0.5*math.Abs(l.Mean))
	l.Streak = longestAbove(t.obs, l.High)
	for _, e := range h.Previous { // as high as after earlier deploys is usual
		for _, x := range e.Samples {
			if len(x.Values) > 0 && x.From.After(e.Start) {
				o := meanOf(x, d.Start)
				l.High = math.Max(l.High, o.Y/o.N+l.Spread)
			}
		}
	}
	return l
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
	if o.Y/o.N <= l.High {
		l.longest, l.streak = 0, 0
		return
	}
	l.streak++
	l.longest += o.To - math.Max(0, o.From)
}

// weigh is the evidence, in nats, of the present streak: 3 for each stretch that is longer than any was in history, so that even a gauge
// that is judged alone has to stay there for longer than one.
func (l *level) weigh(load float64) float64 {
	least := math.Max(math.Min(levelLeast, l.window/3), 1.5*l.Streak)
	if !l.Enough || l.streak < levelSteps || l.longest < least {
		return 0
	}
	if load > loaded { // more traffic, more of everything
		n := l.after[len(l.after)-1]
		if n.Y/n.N < l.High*math.Max(1, math.Sqrt(load)) {
			return 0
		}
	}
	return 3 * l.longest / least
}
