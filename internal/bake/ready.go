package bake

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// serving is what is known of the new version.
type serving uint8

const (
	notYet serving = iota // it does not serve; a single look or a cancelled wait
	serves
	never // it does not serve, and was waited for
)

const (
	readyEvery    = 10 * time.Second
	readyLookback = 5 * time.Minute
	// readyFresh is how far behind the newest point a series may be to count as alive, where the scrape interval is not known.
	readyFresh = time.Minute
)

// waitServing sets the time at which the bake's clock starts. It is never silently "now": an unknown deploy is a finding where it
// matters.
func (b *bake) waitServing(ctx context.Context) serving {
	b.needDeploy()
	switch d := b.Deploy; {
	case !b.Resume.Serving.IsZero():
		b.serving = b.Resume.Serving
	case b.Options.ReadyWhen != nil && d.Serving.IsZero():
		return b.poll(ctx, *b.Options.ReadyWhen)
	case !d.Serving.IsZero():
		b.serving = d.Serving
	case !d.Finished.IsZero():
		b.serving = d.Finished
	case d.Known():
		b.serving = d.Started
	default:
		b.serving = b.started
	}
	return serves
}

// needDeploy says that "before the deploy" means nothing when nobody knows when that was.
func (b *bake) needDeploy() {
	if b.Deploy.Known() || !b.ComparesHistory() {
		return
	}
	b.findings = append(b.findings, verdict.Finding{Check: "bake/baseline", Outcome: verdict.Unknown, Reason: "no-baseline", Doc: "bake-no-baseline",
		Summary: DeployUnknown, Hint: SayDeploy})
}

// What is said where a comparison needs to know when the deploy was, and nobody does.
const (
	DeployUnknown = "deploy time unknown: nobody knows what was before the deploy"
	SayDeploy     = "run the deploy behind `bakegate run --`, between `bakegate begin` and `finish`, or say --deploy-started"
)

// ComparesHistory reports whether a metric is compared with what its backend kept from before the deploy.
func (p Plan) ComparesHistory() bool {
	return slices.ContainsFunc(p.Options.Metrics, func(m Metric) bool {
		s := p.Sources[m.From]
		return m.compares() && (s == nil || s.Traits().History) // what is not there is told by its queries
	})
}

// poll asks until the new version serves, or until the time is over. A single look counts the time from the deploy's end.
func (b *bake) poll(ctx context.Context, r ReadyWhen) serving {
	limit := b.started.Add(r.Timeout)
	if d := later(b.Deploy.Started, b.Deploy.Finished); b.Once && !d.IsZero() {
		limit = d.Add(r.Timeout)
	}
	for said := ""; ctx.Err() == nil; sleep(ctx, min(b.Options.Step, readyEvery)) {
		ok, why := b.ready(ctx, r)
		if ctx.Err() != nil {
			break
		}
		now := time.Now()
		if ok {
			b.serving = now.UTC().Truncate(time.Millisecond)
			return serves
		}
		if !now.Before(limit) {
			b.notServing(r, why)
			return never
		}
		if why != said {
			said = why
			b.observer.tell(Event{Kind: EventNote, Text: "waiting until the new version serves: " + why})
		}
		if b.Once {
			break
		}
	}
	return notYet
}

func (b *bake) notServing(r ReadyWhen, why string) {
	b.findings = append(b.findings, verdict.Finding{Check: "bake/ready", Outcome: verdict.Unknown, Reason: "not-serving", Doc: "bake-ready",
		Summary:  fmt.Sprintf("the new version did not serve within %s: %s", short(r.Timeout), why),
		Evidence: []verdict.Evidence{{What: "ready-when", Got: why, Want: b.wanted(r)}},
		Hint:     "see whether the rollout is stuck, and whether ready-when selects what the new version reports"})
}

func (b *bake) wanted(r ReadyWhen) string {
	if r.Version != "" {
		return clean.Cut(fmt.Sprintf("%s=%q alone in %s", r.Label, b.Vars["version"], r.Version), 300)
	}
	if r.AtLeast.Set {
		return clean.Cut(string(r.Query)+" is at least "+r.AtLeast.Text, 300)
	}
	return clean.Cut(string(r.Query)+" gives something, and nothing that is 0", 300)
}

// ready asks once. A backend that fails is not a version that serves.
func (b *bake) ready(ctx context.Context, r ReadyWhen) (ok bool, why string) {
	if r.Version != "" && b.Vars["version"] == "" {
		return false, "the version that is deployed is not known (--version)"
	}
	alive, err := b.askReady(ctx, b.source(r.From), r)
	if err != nil {
		return false, "the question failed: " + clean.Text(err.Error())
	}
	if len(alive) == 0 {
		return false, "ready-when matches nothing"
	}
	if r.Version != "" {
		return versionAlone(alive, r.Label, b.Vars["version"])
	}
	for _, s := range alive {
		switch v := s.Points[len(s.Points)-1].V; {
		case r.AtLeast.Set && v < r.AtLeast.V:
			return false, "ready-when is " + r.AtLeast.like(v) + ", want at least " + r.AtLeast.Text
		case !r.AtLeast.Set && v == 0:
			return false, "ready-when is 0 for " + clean.Cut(fmt.Sprint(s.Name, s.Labels), 200)
		}
	}
	return true, ""
}

// askReady gives the series of ready-when that report now.
func (p Plan) askReady(ctx context.Context, src metric.Source, r ReadyWhen) ([]metric.Series, error) {
	now := time.Now()
	to := now
	if !src.Traits().History {
		to = now.Add(p.Options.Step)
	}
	limited, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	series, err := rangeOrEnd(limited, src, r.Queries(p.Vars), now.Add(-readyLookback), to, p.Options.Step)
	if err != nil {
		return nil, err
	}
	return aliveSeries(series), nil
}

// like writes a value as the bound is written: a share as a percentage.
func (b Bound) like(v float64) string {
	if strings.HasSuffix(b.Text, "%") {
		return number(100*v) + "%"
	}
	return number(v)
}

func versionAlone(alive []metric.Series, label, version string) (ok bool, why string) {
	found := 0
	for _, s := range alive {
		if v := s.Labels[label]; v != version {
			return false, fmt.Sprintf("%s=%q still reports", label, clean.Cut(v, 100))
		}
		found++
	}
	return found > 0, ""
}

// aliveSeries are the series that still report: their last point is neither a stale marker nor older than that of others by more
// than a missed scrape.
func aliveSeries(series []metric.Series) (alive []metric.Series) {
	var a arrival
	a.see(series, time.Now())
	fresh := readyFresh
	if a.interval > 0 {
		fresh = time.Duration(missedScrapes * float64(a.interval))
	}
	for _, s := range series {
		n := len(s.Points)
		if n > 0 && !math.IsNaN(s.Points[n-1].V) && a.latest.Sub(s.Points[n-1].T) <= fresh {
			alive = append(alive, s)
		}
	}
	return alive
}

// rangeOrEnd is src.Range, save that it returns with ctx whether the source looks at it or not.
func rangeOrEnd(ctx context.Context, src metric.Source, qs []metric.Query, from, to time.Time, step time.Duration) ([]metric.Series, error) {
	type answer struct {
		series []metric.Series
		err    error
	}
	got := make(chan answer, 1)
	go func() {
		series, err := src.Range(ctx, qs, from, to, step)
		got <- answer{series, err}
	}()
	select {
	case a := <-got:
		return a.series, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
