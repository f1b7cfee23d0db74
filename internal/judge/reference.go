package judge

import (
	"math"
	"sort"
)

// reference is what the new version is compared with: the rate of a stretch before the deploy, chosen among several by how well each
// would have predicted the rest of history.
type reference struct {
	Rate          float64 `json:"rate"`
	Events        float64 `json:"events"` // that the rate rests on
	Span          float64 `json:"span"`   // s before the deploy
	Control       float64 `json:"control,omitempty"`
	ControlEvents float64 `json:"controlEvents,omitempty"`
	Incident      bool    `json:"incident,omitempty"` // the last minutes before the deploy were worse, and are the reference alone
	Whole         float64 `json:"whole,omitempty"`    // rate of all history
}

// spans are the stretches that a reference may rest on, s; the last stands for all of history.
var spans = []float64{600, 1800, 7200, math.Inf(1)}

// past is what a fit looks at: the service itself and the control, before the deploy.
type past struct {
	own, control *track
	down         bool
	from, to     float64
	step         float64 // s
}

func newPast(own, control *track, down bool) *past {
	p := &past{own: own, control: control, down: down}
	p.from, p.to = own.span()
	var d []float64
	for i := max(0, len(own.obs)-50); i < len(own.obs); i++ {
		d = append(d, own.obs[i].To-own.obs[i].From)
	}
	sort.Float64s(d)
	if len(d) > 0 {
		p.step = math.Max(1, d[len(d)/2])
	}
	return p
}

func (p *past) controlled() bool { return p.control != nil && len(p.control.obs) > 0 }

// residual is how far a stretch of history lay from its prediction.
type residual struct {
	y, mu   float64 // events seen and predicted
	ref     float64 // events that the prediction rests on
	cy, cmu float64 // the control's
	cref    float64
}

// log is the log ratio of seen to predicted, positive where worse, and its counting variance (delta method); the control's is taken off
// where relative.
func (r residual) log(down, relative bool) (g, v float64) {
	g, v = logRatio(r.y, r.mu, down), 1/(r.mu+0.5)+1/(r.ref+0.5)
	if relative {
		g -= logRatio(r.cy, r.cmu, down)
		v += 1/(r.cmu+0.5) + 1/(r.cref+0.5)
	}
	if down {
		g = -g
	}
	return g, v
}

// logRatio is the log of y/mu. Where less is worse it is twice the difference of the square roots (Anscombe, Biometrika 35, 1948), which
// does not run away as counts near 0, as they do by chance where few are expected.
func logRatio(y, mu float64, down bool) float64 {
	if down {
		return 2 * (math.Sqrt((y+0.375)/(mu+0.375)) - 1)
	}
	return math.Log((y + 0.5) / (mu + 0.5))
}

// residuals predicts stretches of length d from the span before them, with the lag that a bake has.
func (p *past) residuals(span, d, bake float64) (rs []residual) {
	const most = 1500
	length := p.to - p.from
	back := span
	if math.IsInf(span, 1) {
		back = 0
	}
	first := p.from + back
	stride := p.whole(math.Max(d/2, (length-back-d)/most))
	lag := math.Max(0, math.Min(bake-d, 1800))
	rs = make([]residual, 0, min(most, max(0, int((p.to-d-first)/stride)+1)))
	for i, t := 0, first; t+d <= p.to+1e-3; i, t = i+1, t+stride {
		l := []float64{0, p.floor(lag / 2), p.floor(lag)}[i%3]
		if r, ok := p.residual(t, d, t-l, span); ok {
			rs = append(rs, r)
		}
	}
	return rs
}

// whole rounds a length up to whole steps, floor down: a stretch that cuts steps loses them.
func (p *past) whole(d float64) float64 { return p.step * math.Max(1, math.Ceil(d/p.step-1e-9)) }
func (p *past) floor(d float64) float64 { return p.step * math.Floor(d/p.step+1e-9) }

// residual compares [t, t+d] with the span that ends at end.
func (p *past) residual(t, d, end, span float64) (r residual, ok bool) {
	a, b := end-span, end
	if math.IsInf(span, 1) {
		a, b = p.from, p.to
	}
	if a < p.from-1e-3 {
		return r, false
	}
	y, n := p.own.sum(t, t+d)
	ry, rn := p.own.sum(a, b)
	if !(n > 0) || !(rn > 0) || !(ry > 0) {
		return r, false
	}
	r = residual{y: y, mu: n * ry / rn, ref: ry}
	if p.controlled() {
		cy, cn := p.control.sum(t, t+d)
		rcy, rcn := p.control.sum(a, b)
		if !(cn > 0) || !(rcn > 0) {
			return r, false
		}
		r.cy, r.cmu, r.cref = cy, cn*(rcy+0.5)/rcn, rcy
	}
	return r, true
}

// refer chooses the reference: the span that leaves the least variance over a bake, its own counting noise included.
func (p *past) refer(bake float64) (ref reference, n noise) {
	best := math.Inf(1)
	for _, span := range spans {
		if !math.IsInf(span, 1) && span > (p.to-p.from)/4 {
			continue
		}
		r := p.reference(span)
		if r.Events < 20 && !math.IsInf(span, 1) {
			continue
		}
		x := p.measure(span, bake)
		if cost := x.cost(bake, p.controlled()) + 1/(r.Events+0.5); cost < best*0.9 {
			best, ref, n = cost, r, x
		}
	}
	_, all := p.own.sum(p.from, p.to)
	y, _ := p.own.sum(p.from, p.to)
	if all > 0 {
		ref.Whole = y / all
	}
	return ref, n
}

func (p *past) reference(span float64) reference {
	a := math.Max(p.from, p.to-span)
	y, n := p.own.sum(a, p.to)
	r := reference{Events: y, Span: p.to - a}
	if n > 0 {
		r.Rate = (y + 0.5) / (n + 1)
		if y > 50 {
			r.Rate = y / n
		}
	}
	if p.controlled() {
		cy, cn := p.control.sum(a, p.to)
		r.ControlEvents = cy
		if cn > 0 {
			r.Control = (cy + 0.5) / (cn + 1)
			if cy > 50 {
				r.Control = cy / cn
			}
		}
	}
	return r
}

// underWay is an incident that may have been there when the deploy came: the rate of the last minutes, relative to the reference, its
// variance, and how likely it is given them.
type underWay struct {
	Mean   float64 `json:"mean"`
	Var    float64 `json:"var"`
	Weight float64 `json:"weight"`
}

const (
	underPrior = 0.004 // of each length, before looking
	underShape = 0.25  // of the prior of its height: anything
	underVar   = 0.1   // of the log of what it does next
)

// under weighs whether the last minutes before the deploy look like the reference or like an incident of any height.
func (p *past) under(ref *reference, n *noise) (us []underWay) {
	if p.controlled() || !(ref.Rate > 0) {
		return nil
	}
	for _, d := range []float64{180, 600, 1500} {
		y, k := p.own.sum(p.to-p.whole(d), p.to)
		mu := k * ref.Rate
		if !(mu > 0) {
			continue
		}
		usual := 1 / (n.at(d, false) + 1/(ref.Events+0.5))
		like := func(a float64) float64 { return lgammaRatio(y, a) + a*math.Log(a) + negative(y, mu, a) }
		w := math.Log(underPrior) + like(underShape) - like(usual)
		mean := (underShape + y) / (underShape + mu)
		if p.down == (mean > 1) { // it was better: that does not excuse what follows
			continue
		}
		us = append(us, underWay{mean, 1/(underShape+y) + underVar, math.Exp(math.Min(w, 20))})
	}
	sum := 1.0
	for _, u := range us {
		sum += u.Weight
	}
	for i := range us {
		us[i].Weight /= sum
	}
	return us
}

// incident looks whether something was under way already when the deploy came: the last minutes far worse than the reference, by the
// service's own noise. Then they are what "before" means, and what the incident does next is not the deploy's doing.
func (p *past) incident(ref *reference, n *noise) {
	for _, d := range []float64{600, 300, 180} {
		y, k := p.own.sum(p.to-d, p.to)
		if !(k > 0) || !(ref.Rate > 0) {
			continue
		}
		r := residual{y: y, mu: k * ref.Rate, ref: ref.Events}
		relative := p.controlled()
		if relative {
			cy, ck := p.control.sum(p.to-d, p.to)
			r.cy, r.cmu, r.cref = cy, ck*ref.Control, ref.ControlEvents
		}
		g, v := r.log(p.down, relative)
		if math.Abs(y-r.mu) < 10 || g < 0.2 || g < 4*math.Sqrt(v+n.at(d, relative)) {
			continue
		}
		ref.Incident = true
		ref.Rate = math.Max(y, 0.5) / k
		ref.Events = math.Max(1, y)
		n.Incident = math.Max(n.Incident, g*g/4)
		if relative { // what the control shares is left to it
			break
		}
	}
}
