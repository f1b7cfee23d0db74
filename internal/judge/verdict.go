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
	slackLast = 2.2 // at the last look, after which nothing more is spent
)

// Judge looks during the window: Fail or Continue. End looks for the last time.
func (d *Deploy) Judge() Verdict { return d.look(false) }

// End looks for the last time: Pass, Fail or Unknown.
func (d *Deploy) End() Verdict { return d.look(true) }

// weighed is the evidence of one metric.
type weighed struct {
	logE    float64
	limit   bool // the limit says so, not the comparison
	stream  *stream
	onset   int
	outside bool
}

func (d *Deploy) look(last bool) Verdict {
	v := Verdict{Status: Continue}
	total, best := math.Inf(-1), math.Inf(-1)
	var top *watched
	var why weighed
	rest := 1.0
	for _, w := range d.metrics {
		x := w.weigh(d)
		v.Metrics = append(v.Metrics, w.judgement(x))
		if w.share > 0 {
			rest -= w.share
			e := x.logE + math.Log(w.share)
			total = logAdd(total, e)
			if e > best {
				best, top, why = e, w, x
			}
		}
	}
	if rest > 1e-9 {
		total = logAdd(total, math.Log(rest))
	}
	dead, nats, since := d.died()
	v.Evidence = math.Exp(math.Min(total, 690))
	switch {
	case top != nil && total >= d.bound(last):
		v.Status, v.Metric, v.External = Fail, top.spec.Name, why.outside
		v.Sentence = top.tell(why, v.Evidence)
	case dead != nil && nats >= math.Log(1/(deadShare*d.spec.Alpha)):
		v.Status, v.Metric = Fail, dead.spec.Name
		v.Sentence = fmt.Sprintf("%s: none since %.0f s after the deploy", dead.spec.Name, since)
	case d.vanished() != nil:
		w := d.vanished()
		v.Status, v.Metric = Fail, w.spec.Name
		v.Sentence = fmt.Sprintf("%s is gone for %.0f s while the control still reports", w.spec.Name, w.missed(d))
	case last:
		d.conclude(&v, total)
	}
	return v
}

// bound is the evidence, in nats, at which the deploy is rolled back.
func (d *Deploy) bound(last bool) float64 {
	if last {
		return math.Log(1/d.spec.Alpha) - slackLast
	}
	return math.Log(1/d.spec.Alpha) - slack
}

const goneAfter = 225 // s without any sample of the new version, while the control reports

// vanished is a metric whose series ended while the control's went on.
func (d *Deploy) vanished() *watched {
	var gone *watched
	for _, w := range d.metrics {
		if w.spec.DryRun || w.LastControl.IsZero() {
			continue
		}
		if w.missed(d) < goneAfter {
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
		if n, from := m.streams[0].dead(); n > nats {
			w, nats, since = m, n, from
		}
	}
	return w, nats, since
}

func (w *watched) weigh(d *Deploy) weighed {
	out := weighed{logE: 0, onset: -1}
	if len(w.streams) == 0 && w.level == nil && w.limits == nil {
		return out
	}
	total, best := math.Inf(-1), math.Inf(-1)
	compared := 1.0
	if w.limits != nil {
		compared = 0.5
		if len(w.streams) == 0 && w.level == nil {
			compared = 0
		}
		l := w.limits.weighAll()
		if w.spec.Kind == Boolean {
			l.logE = math.Log(w.limits.up.evidence())
			out.outside = w.limits.fit.Down
		}
		e := l.logE + math.Log(1-compared)
		total, best = e, e
		out.limit, out.outside = true, out.outside || l.worst != nil && l.worst.badBefore() || w.controlExceeds()
	}
	sum := 0.0
	for _, s := range w.streams {
		sum += s.Share
	}
	for _, s := range w.streams {
		f := s.weighOnsets()
		e := f.logE + math.Log(compared*s.Share/sum)
		total = logAdd(total, e)
		if e > best {
			best, out.stream, out.onset, out.limit, out.outside = e, s, f.onset, false, false
		}
	}
	if w.level != nil {
		total = logAdd(total, w.level.weigh(d.load())+math.Log(compared))
	}
	out.logE = total
	return out
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
	if x.logE >= math.Log(1/w.spec.Alpha)-slack {
		j.Status = Fail
	}
	if s := x.stream; s != nil && len(s.opened) > 0 {
		st := s.stretchSince(max(0, x.onset))
		j.After = Rate{Value: st.y / math.Max(st.n, 1e-9), Events: st.y, Total: st.n}
		j.Before = Rate{Value: s.Ref.Rate, Events: s.Ref.Events}
		j.Sentence = w.tell(x, j.Evidence)
		if j.Status == Fail {
			j.Onset = w.spec.Start.Add(time.Duration(st.from * float64(time.Second)))
		}
	}
	return j
}
