package bake

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// smallest is the smallest harm that the judge would prove in a window of as much traffic as there is now, if the harm came as evenly as
// its mean: half of the deploys that do so much harm are found.
func (l *looking) smallest(samples []judge.Sample) string {
	words, ok := map[judge.Kind]string{judge.Proportion: "+%s pp of failures", judge.Histogram: "+%s pp of slow requests", judge.Rates: "a loss of %s%%"}[l.kind()]
	switch {
	case !ok || !l.compares():
		return ""
	case !l.src.Traits().History:
		return "not known, for " + clean.Text(l.From) + " keeps no history (bakegate begin, or --warm, samples it before the deploy)"
	case len(samples) < leastSamples:
		return fmt.Sprintf("not known yet: the last %s have data in %d steps of %s, and it takes %d", short(liveBack), len(samples), short(l.plan.Options.Step), leastSamples)
	}
	proved := func(x float64) bool { return l.window(samples, x, 1).Status == judge.Fail }
	if !proved(0.9) {
		return "none: there is too little traffic for this window"
	}
	low, high := 1e-5, 0.9
	for range 20 {
		if mid := math.Sqrt(low * high); proved(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return fmt.Sprintf(words, number(100*high))
}

// lacks is why a window of as much traffic as there is now, in which nothing changes, would not pass; "" where it would, where twice as much
// would (an hour is not like another, and the bake knows more of the time before), and where nobody knows.
func (l *looking) lacks(samples []judge.Sample) string {
	judged := l.compares() || len(l.limits()) > 0 || l.SLO.Objective > 0
	if k := l.kind(); !judged || !l.src.Traits().History || len(samples) < leastSamples || k != judge.Proportion && k != judge.Histogram && k != judge.Rates {
		return ""
	}
	v := l.window(samples, 0, 1)
	for _, x := range []judge.Verdict{v, l.window(samples, 0, 2)} {
		if x.Status != judge.Unknown || x.Reason != judge.LowTraffic {
			return ""
		}
	}
	text := fmt.Sprintf("with as much traffic as now (%s events a minute), or twice as much, a window of %s is too little to exclude harm", number(l.live.PerMinute), short(l.plan.Options.Window))
	if long := time.Duration(v.Needed / l.live.PerMinute * float64(time.Minute)); l.kind() != judge.Rates && v.Needed > 0 && long < 30*24*time.Hour {
		text += fmt.Sprintf(": as it is now, it takes about %s more", short(max(long.Round(time.Minute), time.Minute)))
	}
	return text
}

// window has the judge see a window of so many times the traffic, in which a share x of the events is worse, and gives what it comes to.
func (l *looking) window(before []judge.Sample, x, times float64) judge.Verdict {
	o := l.plan.Options
	start := before[len(before)-1].To
	end := start.Add(o.Window)
	spec := judge.Spec{Name: l.Name, Kind: l.kind(), Limits: append(l.limits(), l.burns(o.Window)...), Compare: l.compares(), Start: start, End: end}
	d := newDeploy(judge.DeploySpec{Alpha: float64(o.Alpha), Start: start, End: end, Metrics: []judge.MetricSpec{l.metricSpec(spec)}}, slices.Values([]judge.History{{Before: before}}))
	usual := judge.Together(before)
	n := float64(len(before)) / times
	for t := start; t.Before(end); t = t.Add(o.Step) {
		s := judge.Sample{From: t, To: t.Add(o.Step), Bad: usual.Bad / n, Total: usual.Total / n, Of: usual.Of / n}
		switch l.kind() {
		case judge.Proportion:
			s.Bad = math.Min(s.Bad+x*s.Total, s.Total)
		case judge.Rates:
			s.Total *= 1 - x
		case judge.Histogram:
			s.Buckets, s.Total = slower(usual.Buckets, n, x), 0
		}
		d.Add(0, s)
		if v := d.Judge(); v.Status == judge.Fail {
			return v
		}
	}
	return d.End()
}

// slower moves a share of the events of each bucket into the last one.
func slower(buckets []judge.Bucket, n, x float64) []judge.Bucket {
	out := slices.Clone(buckets)
	moved := 0.0
	for i := range out {
		out[i].N /= n
		if i < len(out)-1 {
			moved += x * out[i].N
			out[i].N *= 1 - x
		}
	}
	if len(out) > 0 {
		out[len(out)-1].N += moved
	}
	return out
}

// What bake.preflight may say: what becomes of a metric whose traffic is too little for the window.
const (
	PreflightNote  = "note"
	PreflightBlock = "block"
)

// Foresee looks, before the deploy, whether a window of as much traffic as there is now can pass at all, where the user asks for it: a note, or
// a deploy that is not made. What nobody knows blocks nothing: a backend without an answer is told by Glance.
func Foresee(ctx context.Context, p Plan) (fs []verdict.Finding) {
	if p.Options.Preflight == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveLimit)
	defer cancel()
	out := make([]Live, len(p.Options.Metrics))
	var wg sync.WaitGroup
	for name, src := range p.Sources {
		if src.Traits().History { // another would remember what it saw of the old version
			wg.Go(func() { p.lookAt(ctx, name, src, out) })
		}
	}
	wg.Wait()
	outcome := map[string]verdict.Outcome{PreflightNote: verdict.Note, PreflightBlock: verdict.Fail}[p.Options.Preflight]
	for i, m := range p.Options.Metrics {
		if out[i].Lacks == "" || m.DryRun || m.Upstream {
			continue
		}
		fs = append(fs, verdict.Finding{Check: "preflight/" + m.Name, Outcome: outcome, Reason: judge.LowTraffic, Doc: "preflight-traffic",
			Summary: m.Name + ": " + out[i].Lacks,
			Hint:    "bake longer, watch something busier, or have bake.preflight say note: behind the deploy this would end inconclusive/low-traffic"})
	}
	return fs
}
