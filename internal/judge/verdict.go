package judge

import (
	"fmt"
	"math"
	"time"
)

// slack is what the bound of Ville leaves unused, in nats, in a bake of known length over several correlated metrics: the seeded
// simulations find far fewer false rollbacks than alpha without it.
const (
	slack     = 1.5
	slackLast = 2.65 // at the last look, after which nothing more is spent: 7 to 1
)

// Judge looks during the window: Fail or Continue, and Pass where DeploySpec.PassAfter allows it. End looks for the last time.
func (d *Deploy) Judge() Verdict { return d.look(false) }

// End looks for the last time: Pass, Fail or Unknown.
func (d *Deploy) End() Verdict { return d.look(true) }

// weighed is the evidence of one metric.
type weighed struct {
	logE     float64
	stream   *stream // that weighs most; nil: the limit, or a gauge's level
	onset    int
	moved    *shift  // that says more than the counts or the level do
	external float64 // nats that a limit is exceeded, which was so before or is so in the control
}

// gathered is the evidence of all metrics together, and who tells it.
type gathered struct {
	total   float64
	top     *watched
	why     weighed
	outside *watched // breaks a limit that was broken before, or that the control breaks too
}

func (d *Deploy) gather(v *Verdict) gathered {
	g := gathered{total: math.Inf(-1)}
	best, rest := math.Inf(-1), 1.0
	for _, w := range d.metrics {
		x := w.weigh(d)
		v.Metrics = append(v.Metrics, w.judgement(x))
		if w.share <= 0 {
			continue
		}
		rest -= w.share
		e := x.logE + math.Log(w.share)
		g.total = logAdd(g.total, e)
		if e > best {
			best, g.top, g.why = e, w, x
		}
		if x.external >= math.Log(1/d.spec.Alpha)+w.spec.chances() {
			g.outside = w
		}
	}
	if rest > 1e-9 {
		g.total = logAdd(g.total, math.Log(rest))
	}
	return g
}

func (d *Deploy) look(last bool) Verdict {
	v := Verdict{Status: Continue}
	g := d.gather(&v)
	v.Evidence = math.Exp(math.Min(g.total, 690))
	dead, nats, since := d.died()
	gone := d.vanished()
	fail := func(w *watched, text string) { v.Status, v.Metric, v.Sentence = Fail, w.spec.Name, text }
	switch {
	case g.top != nil && g.total >= d.bound(last):
		fail(g.top, g.top.tell(g.why, v.Evidence))
	case dead != nil && nats >= math.Log(1/(deadShare*d.spec.Alpha)):
		fail(dead, fmt.Sprintf("%s has ended: nothing %s", dead.spec.Name, after(seconds(since))))
	case gone != nil:
		fail(gone, fmt.Sprintf("%s is gone for %.0f s while the control still reports", gone.spec.Name, gone.missed(d)))
	case g.outside != nil:
		v.External = true
		fail(g.outside, g.outside.spec.Name+" exceeds its limit, and did so before the deploy or does so in the control: the deploy is not its cause")
	case last:
		d.conclude(&v, g, d.atEnd())
	default:
		d.passEarly(&v, g)
	}
	return v
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// bound is the evidence, in nats, at which the deploy is rolled back.
func (d *Deploy) bound(last bool) float64 {
	if last {
		return math.Log(1/d.spec.Alpha) - slackLast
	}
	return math.Log(1/d.spec.Alpha) - slack
}

// GoneAfter is how long absence is the telemetry's: after so much of it without any sample of the new version, while the control reports,
// the service is gone.
const GoneAfter = 225 * time.Second

// vanished is a metric whose series ended while the control's went on. A group that is gone is no evidence: it may have been drained.
func (d *Deploy) vanished() *watched {
	var gone *watched
	for _, w := range d.metrics {
		if w.spec.DryRun || w.spec.Among > 0 || w.LastControl.IsZero() {
			continue
		}
		if w.missed(d) < GoneAfter.Seconds() {
			return nil
		}
		gone = w
	}
	return gone
}

// last is when the metric was seen last, s after the deploy.
func (w *watched) last(d *DeploySpec) float64 {
	if w.Last.Before(d.Start) {
		return 0
	}
	return w.Last.Sub(d.Start).Seconds()
}

// missed is for how long the control reported alone, s.
func (w *watched) missed(d *Deploy) float64 {
	return w.LastControl.Sub(d.spec.Start).Seconds() - w.last(&d.spec)
}

// died is a metric whose traffic ended.
func (d *Deploy) died() (w *watched, nats, since float64) {
	for _, m := range d.metrics {
		if m.spec.Kind != Rates || m.spec.DryRun || len(m.streams) == 0 {
			continue
		}
		n, from := m.streams[0].dead()
		if n -= m.spec.chances(); n > nats {
			w, nats, since = m, n, from
		}
	}
	return w, nats, since
}

// weigh is the mean of the e-values of the metric's limits, streams and level. A limit that something else breaks is a bet that is void.
func (w *watched) weigh(d *Deploy) weighed {
	out := weighed{onset: -1}
	compared := len(w.streams) > 0 || w.level != nil
	if !compared && w.limits == nil {
		return out
	}
	total, best, share := math.Inf(-1), math.Inf(-1), 1.0
	if w.limits != nil {
		e, external := w.weighLimits()
		if external {
			out.external, e = e, 0
		}
		if compared {
			share = 0.5
			e += math.Log(1 - share)
		}
		total, best = e, e
	}
	for _, s := range w.streams {
		f := s.weighOnsets()
		e := f.logE + math.Log(share*s.Share/w.shares())
		total = logAdd(total, e)
		if e > best {
			best, out.stream, out.onset, out.moved = e, s, f.onset, f.moved
		}
	}
	if w.level != nil {
		e, moved := w.level.find(d.load())
		if e += math.Log(share); e > best {
			out.moved = moved
		}
		total = logAdd(total, e)
	}
	out.logE = total
	return out
}

func (w *watched) shares() (sum float64) {
	for _, s := range w.streams {
		sum += s.Share
	}
	return math.Max(sum, 1e-9)
}

// weighLimits is the evidence that a limit is exceeded, and whether something else than this deploy exceeds it.
func (w *watched) weighLimits() (logE float64, external bool) {
	if w.spec.Kind == Boolean {
		return math.Log(w.limits.up.evidence()), w.limits.fit.Down || w.controlExceeds()
	}
	l := w.limits.weighAll()
	return l.logE, l.worst != nil && l.worst.badBefore() || w.controlExceeds()
}

// controlExceeds says that the control breaks the limit too: the cause is not this deploy.
func (w *watched) controlExceeds() bool {
	if w.outside == nil {
		return false
	}
	if w.spec.Kind == Boolean {
		return w.outside.up.worst >= downSteps
	}
	return w.outside.weighAll().logE > excludeNats
}

// load is how many times the usual traffic there is, by the first metric that knows.
func (d *Deploy) load() float64 {
	for _, w := range d.metrics {
		if w.flow == nil || len(w.flow.opened) == 0 {
			continue
		}
		k := max(0, len(w.flow.opened)-5)
		if st := w.flow.stretchSince(k); st.mu > 0 {
			return st.y / st.mu
		}
	}
	return 1
}

// judgement is the metric alone, held to the deploy's whole budget.
func (w *watched) judgement(x weighed) Judgement {
	j := Judgement{Metric: w.spec.Name, Status: Continue, Evidence: math.Exp(math.Min(x.logE, 690))}
	if x.logE >= math.Log(1/w.spec.Alpha)-slack+w.spec.chances() {
		j.Status = Fail
	}
	if s := x.stream; s != nil && len(s.opened) > 0 {
		if j.Evidence < toldFrom { // nothing began: all of it is told
			x.onset = 0
		}
		st := s.stretchSince(max(0, x.onset))
		j.After = Rate{Value: st.y / math.Max(st.n, 1e-9), Events: st.y, Total: st.n}
		j.Before = Rate{Value: s.Ref.Rate, Events: s.Ref.Events}
		if x.moved != nil {
			j.After.Value, j.Before.Value = average(x.moved.after), average(x.moved.Before)
		}
		j.Sentence = w.tell(x, j.Evidence)
		if j.Status == Fail {
			j.Onset = w.spec.Start.Add(time.Duration(st.from * float64(time.Second)))
		}
	}
	return j
}
