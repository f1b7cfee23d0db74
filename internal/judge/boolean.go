package judge

import (
	"math"
	"time"
)

// A boolean is down in a step in which more than half of its values are 0. downChance is how often a good service reads so by accident
// (a scrape that fell into a restart); downSteps of them in a row are no accident.
const (
	downSteps  = 3
	downChance = 0.05
	blipShare  = 0.1 // of the values may have been 0, if the service is up at the end
)

// liveness counts the steps of a boolean.
type liveness struct {
	steps, down int // seen; down in a row, now
	worst       int // the longest row
	since       time.Time
	worstSince  time.Time
	up          int // all 1, in a row, now
	zeros, all  float64
	to          time.Time
}

func (l *liveness) add(x Sample) {
	if len(x.Values) == 0 {
		return
	}
	zeros := 0.0
	for _, v := range x.Values {
		if v == 0 {
			zeros++
		}
	}
	n := float64(len(x.Values))
	l.steps++
	l.zeros += zeros
	l.all += n
	l.up++
	if zeros > 0 {
		l.up = 0
	}
	gap := l.steps > 1 && x.From.Sub(l.to) > 3*x.To.Sub(x.From)
	l.to = x.To
	if 2*zeros <= n {
		l.down = 0
		return
	}
	if l.down == 0 || gap {
		l.down, l.since = 0, x.From
	}
	l.down++
	if l.down > l.worst {
		l.worst, l.worstSince = l.down, l.since
	}
}

// wasDown says whether history ends in a row of steps that were down.
func wasDown(before []Sample) bool {
	var l liveness
	for _, x := range before {
		l.add(x)
	}
	return l.down >= downSteps
}

// evidence is the likelihood ratio of the longest row to downChance per step.
func (l *liveness) evidence() float64 { return math.Pow(1/downChance, float64(min(l.worst, 200))) }

// judgeBoolean fails on a row of downSteps, and passes what was up throughout, but for a blip.
func (s *State) judgeBoolean(j *Judgement, last bool) {
	l := &s.up
	j.Criteria = "must not be 0"
	j.Evidence = l.evidence()
	if l.all > 0 {
		j.After = Rate{Value: 1 - l.zeros/l.all, Events: l.all - l.zeros, Total: l.all}
	}
	if l.zeros > 0 {
		j.Warnings = append(j.Warnings, pluralf(int(l.zeros), "value was 0", "values were 0"))
	}
	switch {
	case l.worst >= downSteps:
		j.Status, j.Onset, j.BadBefore = Fail, l.worstSince, s.fit.Down
	case !last:
		j.Status = Continue
	case l.steps == 0:
		j.Status, j.Reason = Unknown, NoData
	case l.steps < downSteps:
		j.Status, j.Reason, j.Needed = Unknown, LowTraffic, float64(downSteps-l.steps)
	case l.up >= downSteps && l.zeros <= blipShare*l.all:
		j.Status = Pass
	default:
		j.Status, j.Reason = Unknown, Unproved
	}
	j.Sentence = s.explainBoolean(j)
}
