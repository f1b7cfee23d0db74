package judge

import (
	"math"
)

// ciLevel is the confidence of the interval that is told.
const ciLevel = 0.99

// Judge looks during the window: Fail, or Continue. It changes nothing.
func (s *State) Judge() Judgement { return s.look(false, excludeNats) }

// End looks for the last time: Pass, Fail or Unknown.
func (s *State) End() Judgement { return s.end(excludeNats) }

// end looks for the last time, and passes where harm is excluded by so many nats.
func (s *State) end(nats float64) Judgement { return s.look(true, nats) }

func (s *State) look(last bool, nats float64) Judgement {
	j := Judgement{Metric: s.spec.Name, Status: Continue, Before: s.fit.Before, Warnings: s.warnings()}
	if s.spec.Kind == Boolean {
		s.judgeBoolean(&j, last)
		return j
	}
	v := s.weighAll()
	j.Evidence = math.Exp(math.Min(v.logE, 690))
	switch {
	case v.worst != nil && v.logE >= math.Log(1/s.spec.Alpha):
		j.Status = Fail
		s.tellFail(&j, v)
	case !last:
		s.tellSoFar(&j)
	default:
		s.conclude(&j, nats)
	}
	return j
}

// verdict is the evidence of all tests together.
type verdict struct {
	logE  float64
	worst *test // the one that weighs most
	onset int
}

// weighAll is the weighted mean of the tests' e-values, which is an e-value whatever their dependence (Vovk & Wang, Annals of
// Statistics 49(3), 2021). The test told is the one that weighs most; before a limit that was exceeded already comes a comparison that
// proves harm by itself, since that one is this deploy's doing.
func (s *State) weighAll() verdict {
	v := verdict{logE: math.Inf(-1), onset: -1}
	best, bound := math.Inf(-1), math.Log(1/s.spec.Alpha)
	for _, t := range s.tests {
		f := t.weighEvidence()
		e := f.logE + math.Log(t.Weight)
		v.logE = logAdd(v.logE, e)
		if f.onset < 0 {
			continue
		}
		rank := e
		if t.badBefore() && e >= bound {
			rank = bound / 2 // it fails, but tells less than another that fails too
		}
		if rank > best {
			best, v.worst, v.onset = rank, t, f.onset
		}
	}
	if len(s.tests) == 0 {
		v.logE = 0
	}
	return v
}

// badBefore says that the limit was exceeded before the deploy too.
func (t *test) badBefore() bool {
	return !t.Compared && t.Known && t.Base.Total > 0 && t.Base.Bad/t.Base.Total > t.allowedBefore()
}

func (t *test) allowedBefore() float64 {
	if t.Rule == ruleShare {
		return 0.5 // a gauge: most of the time
	}
	return t.Allowed
}

// outcome is what the last look finds of one test that did not fail.
type outcome struct {
	*test
	counts sums
	status Status
	reason string
	needed float64
}

// conclude passes where every test excludes harm.
func (s *State) conclude(j *Judgement, nats float64) {
	j.Status = Unknown
	switch {
	case len(s.fit.Unjudged) > 0 || len(s.tests) == 0 && s.fit.Missing == "":
		j.Reason = NoCriteria
	case s.events == 0:
		j.Reason = NoData
	case s.fit.Missing != "":
		j.Reason = NoBaseline
	}
	var out []outcome
	for _, t := range s.tests {
		out = append(out, t.conclude(nats))
	}
	if j.Reason == "" {
		settle(j, out)
	}
	j.Warnings = append(j.Warnings, s.worseNotes()...)
	s.tellEnd(j, out)
}

// settle takes the first reason not to pass, what looks bad before what is unknown.
func settle(j *Judgement, out []outcome) {
	j.Status = Pass
	for _, o := range out {
		if o.status == Pass || o.Optional && o.reason != Unproved {
			continue
		}
		j.Status = Unknown
		if j.Reason != Unproved {
			j.Reason = o.reason
		}
		j.Needed = math.Max(j.Needed, o.needed)
	}
	if j.Reason == Unproved {
		j.Needed = 0
	}
}

// conclude says whether the test excludes harm.
func (t *test) conclude(nats float64) outcome {
	if t.Rule == ruleShare {
		return t.concludeGauge(nats)
	}
	o := outcome{test: t, counts: t.passing(nats)}
	bad, n := o.counts.high, o.counts.total
	over := n > 0 && !t.Compared && bad/n > t.Allowed
	switch {
	case over || t.lateHarm():
		o.status, o.reason = Unknown, Unproved
	case t.excluded(bad, n) >= nats:
		o.status = Pass
	default:
		o.status, o.reason, o.needed = Unknown, LowTraffic, t.needed(bad, n)
		if o.needed == 0 && n > 0 {
			o.reason = Unproved
		}
	}
	return o
}

// concludeGauge passes a gauge that is within its bound at the end, was so for all but the share allowed, and for which being beyond it
// half of the time is excluded, steps counted.
func (t *test) concludeGauge(nats float64) outcome {
	o := outcome{test: t, counts: t.sums}
	share, n := 0.0, float64(t.run.seen)
	if t.sums.total > 0 {
		share = t.sums.high / t.sums.total
	}
	switch {
	case n < gaugeSteps:
		o.status, o.reason, o.needed = Unknown, LowTraffic, gaugeSteps-n
	case share > shareUnknown || t.run.steps >= runSteps || n*divergence(share, t.harmRate(0)) < nats:
		o.status, o.reason = Unknown, Unproved
	default:
		o.status = Pass
	}
	return o
}
