package judge

import "math"

// A service warms up, or gets its traffic pod by pod, in a way of its own, which its earlier deploys show: a step, a sawtooth, a decay.
// Its shape is learnt bin by bin, as the log of the ratio to what was expected, with the spread between the deploys.

// rampEdges are in s after the deploy.
var rampEdges = []float64{0, 15, 30, 45, 60, 90, 120, 150, 180, 240, 300, 420, 600, 900, 1200, 1800, math.Inf(1)}

// rampBin is one stretch after a deploy.
type rampBin struct {
	Log float64 `json:"log"` // mean log ratio
	Var float64 `json:"var"` // of what one more deploy adds to it
}

func (b rampBin) factor() float64 { return math.Exp(b.Log) }

// rampPartial is how much of the height of a warm-up may be another one next time, whatever five deploys say.
const (
	rampPartial = 0.25
	rampFew     = 3  // expected events in a bin, all deploys together, that show no shape
	rampEnough  = 40 // that show one by themselves
)

// earlier is one deploy of the past, reduced.
type earlier struct{ own, control *track }

// learnRamp fits the bins; nil where no deploy shows anything.
func learnRamp(es []earlier, down bool, n *noise) []rampBin {
	var bins []rampBin
	any := false
	for i := 0; i+1 < len(rampEdges); i++ {
		b, ok := rampOf(es, i, down, n)
		if !ok && len(bins) > 0 {
			b = bins[len(bins)-1]
		}
		any = any || ok
		bins = append(bins, b)
	}
	if !any {
		return nil
	}
	return bins
}

// rampOf fits the i-th bin. What its own events leave open is taken from it and its neighbours together: a quiet service warms up too.
func rampOf(es []earlier, i int, down bool, n *noise) (rampBin, bool) {
	own, ok := fitPart(es, i, i+1, n)
	if !ok {
		return rampBin{}, false
	}
	wide, first, last := own, i, i+1
	for wide.mu < rampEnough && (first > 0 || last < len(rampEdges)-1) {
		first, last = max(0, first-1), min(len(rampEdges)-1, last+1)
		wide, _ = fitPart(es, first, last, n)
	}
	log := shrink(wide.log, wide.chance)
	log += shrink(own.log-log, own.chance)
	if down == (log > 0) { // a service that was better after its deploys is not held to that
		log = 0
	}
	b := rampBin{log, betweenDeploys(own.rs, own.log, own.tau2)}
	return b.widened(own.log, own.mu, down), true
}

// rampPart is what earlier deploys show of some bins.
type rampPart struct {
	rs      []residual
	log, mu float64 // log ratio of all events to the expected ones, and how many those are
	tau2    float64
	chance  float64 // variance of the log
}

func fitPart(es []earlier, first, last int, n *noise) (p rampPart, ok bool) {
	from, to := rampEdges[first], math.Min(rampEdges[last], 1e9)
	for _, e := range es {
		if r, ok := e.after(from, to); ok {
			p.rs = append(p.rs, r)
		}
	}
	if len(p.rs) == 0 {
		return p, false
	}
	y := 0.0
	for _, r := range p.rs {
		y, p.mu = y+r.y, p.mu+r.expected()
	}
	p.log = math.Log((y + 1) / (p.mu + 1))
	p.tau2 = n.at(math.Min(to, from+1800)-from, p.rs[0].cmu > 0)
	p.chance = p.tau2/float64(len(p.rs)) + 1/(p.mu+1)
	return p, true
}

// after compares a stretch after an earlier deploy with the time before it, and with its control.
func (e earlier) after(from, to float64) (r residual, ok bool) {
	y, k := sumOver(e.own, from, to)
	ry, rk := e.own.sum(-1e9, 0)
	if !(k > 0) || !(rk > 0) {
		return r, false
	}
	r = residual{y: y, mu: k * (ry + 0.5) / (rk + 1), ref: ry}
	if e.control != nil && len(e.control.obs) > 0 {
		cy, ck := sumOver(e.control, from, to)
		rcy, rck := e.control.sum(-1e9, 0)
		if rck > 0 {
			r.cy, r.cmu, r.cref = cy, ck*(rcy+0.5)/(rck+1), rcy
		}
	}
	return r, true
}

// sumOver adds what was observed in steps whose middle is in (from, to].
func sumOver(t *track, from, to float64) (y, n float64) {
	for _, o := range t.obs {
		if mid := (o.From + o.To) / 2; mid > from && mid <= to && o.To > 0 {
			y, n = y+o.Y, n+o.N
		}
	}
	return y, n
}

// expected is the prediction, moved with the control as far as that has events.
func (r residual) expected() float64 {
	if !(r.cmu > 0) {
		return r.mu
	}
	return r.mu * (r.cy + 5) / (r.cmu + 5)
}

// shrink takes off twice what chance explains (James & Stein, 1961, positive part).
func shrink(log, chance float64) float64 {
	if log == 0 {
		return 0
	}
	return log * math.Max(0, 1-2*chance/(log*log))
}

// betweenDeploys is the variance between deploys beyond counting and the service's usual noise (DerSimonian & Laird, 1986), enlarged for
// being known from few of them: by the ratio of Student's to the normal quantile at 1%, squared.
func betweenDeploys(rs []residual, log, tau2 float64) float64 {
	got, want := 0.0, 0.0
	chance := 1 + math.Sqrt(2/float64(len(rs))) // the variance of so few may be a standard error above what it is
	for _, r := range rs {
		m := r.expected() * math.Exp(log)
		counts := m + m*m/(r.ref+0.5)
		if r.cmu > 0 {
			counts += m * m / (r.cmu + 5)
		}
		got += (r.y-m)*(r.y-m) - (counts+tau2*m*m)*chance
		want += m * m
	}
	if !(want > 0) {
		return 0
	}
	k := float64(len(rs))
	few := 1.0
	if k < 30 {
		few = math.Pow(1+2.2/math.Max(1, k-1.5), 2)
	}
	return math.Min(4, math.Max(0, got/want)*(1+1/k)*few)
}

// widened leaves open what shrink took off: few events do not prove a warm-up, nor that there is none.
func (b rampBin) widened(log, mu float64, down bool) rampBin {
	off := log - b.Log
	if down == (log > 0) || mu > rampFew {
		off = 0
	}
	b.Var = math.Max(b.Var, math.Pow(rampPartial*b.Log, 2)) + off*off
	return b
}

// rampAt is the bin at a time after the deploy. Without earlier deploys nobody knows how slow the first minutes are: a cold cache can move
// half of the requests to another mode, so that latency is hardly evidence until the default band is over and a half.
func (s *stream) rampAt(sec float64) rampBin {
	if s.Ramp == nil {
		if s.What != countSlow || s.warm <= 0 {
			return rampBin{}
		}
		t := sec / s.warm.Seconds()
		sd := 2 / (1 + math.Exp((t-1.5)*12))
		return rampBin{Var: sd * sd}
	}
	for i := range s.Ramp {
		if sec <= rampEdges[i+1] {
			return s.Ramp[i]
		}
	}
	return rampBin{}
}
