package bake

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
)

// Live is what a metric shows now.
type Live struct {
	Metric    string        `json:"metric"`
	Value     string        `json:"value,omitempty"`     // over the time that was looked at
	Series    int           `json:"series"`              // that its queries selected
	Labels    []string      `json:"labels,omitempty"`    // that they carry
	Age       time.Duration `json:"age,omitempty"`       // of the newest point
	PerMinute float64       `json:"perMinute,omitempty"` // events: requests
	Before    string        `json:"before,omitempty"`    // how much there is of the time that it is compared with, where that is little
	Harm      string        `json:"harm,omitempty"`      // the smallest harm that a window of this traffic proves, or why nobody knows it
	Lacks     string        `json:"lacks,omitempty"`     // why a window of this traffic can't pass, whatever is deployed
	Wrong     []string      `json:"wrong,omitempty"`
	Groups    []Live        `json:"groups,omitempty"` // of a metric with by
}

// liveBack is how far back a look reaches, liveLimit how long it may take.
const (
	liveBack  = 2 * time.Hour
	liveLimit = time.Minute
	// leastSamples is how many a guess of what can be proved takes.
	leastSamples = 20
)

// Look asks each source for all of its metrics, one without history twice, and says what each of them shows now and what is wrong with
// it; behind them the same of ready-when.
func Look(ctx context.Context, p Plan) []Live {
	ctx, cancel := context.WithTimeout(ctx, liveLimit)
	defer cancel()
	out := make([]Live, len(p.Options.Metrics))
	var wg sync.WaitGroup
	ready := p.Options.ReadyWhen
	if ready != nil {
		out = append(out, Live{Metric: readyID, Wrong: []string{"there is no source " + clean.Text(ready.From)}})
	}
	for name, src := range p.Sources {
		wg.Go(func() {
			p.lookAt(ctx, name, src, out)
			if ready != nil && ready.From == name {
				out[len(out)-1] = p.lookReady(ctx, *ready)
			}
		})
	}
	wg.Wait()
	return out
}

func (p Plan) lookAt(ctx context.Context, name string, src metric.Source, out []Live) {
	qs := p.asked(name)
	if len(qs) == 0 {
		return
	}
	now := time.Now()
	g := grid{now.Add(-liveBack).Truncate(p.Options.Step), p.Options.Step}
	end := g.floor(now)
	var series []metric.Series
	var err error
	if src.Traits().History {
		series, err = src.Range(ctx, qs, g.start, now, p.Options.Step) // up to now: how old the newest point is, is no matter of whole steps
	} else {
		series, err = askTwice(ctx, src, qs, p.Options.Step)
		now = time.Now()
	}
	for i, m := range p.Options.Metrics {
		if m.From != name {
			continue
		}
		l := looking{Metric: m, plan: p, src: src, now: now, grid: g}
		if !src.Traits().History {
			l.grid, end = spanOf(m.own(series, p.Vars), now)
		}
		out[i] = l.look(series, end, troubleIn(err, m.Queries(p.Vars), name))
	}
}

// asked are the queries of all metrics that a source is asked for.
func (p Plan) asked(source string) (qs []metric.Query) {
	for _, m := range p.Options.Metrics {
		if m.From == source {
			qs = append(qs, m.Queries(p.Vars)...)
		}
	}
	return qs
}

// troubleIn is the trouble of one metric's queries.
func troubleIn(err error, qs []metric.Query, source string) *trouble {
	for _, q := range qs {
		if t := glancedAt(err, q, source); t != nil {
			return t
		}
	}
	return nil
}

// looking is the look at one metric.
type looking struct {
	Metric
	plan Plan
	src  metric.Source
	now  time.Time
	grid grid
	live Live
	// native says that buckets are where the events are: the largest one is no end.
	native bool
}

func (l *looking) look(all []metric.Series, end time.Time, t *trouble) Live {
	l.live.Metric = l.Name
	if t != nil {
		l.wrong("%s; %s", t.text, t.hint)
		if t.reason != string(metric.Partial) {
			return l.live
		}
	}
	own := l.own(all, l.plan.Vars)
	if l.waits(own) {
		l.live.Value = "nothing yet: it begins with the deploy"
		return l.live
	}
	l.points(own)
	l.live.Before = l.before(own)
	c := l.counts(l.grid, l.src.Traits().History, &selection{bad: string(l.Bad), total: string(l.Total)})
	samples := c.add(own, l.grid.start, end).samples
	if t := c.trouble(); t != nil {
		l.wrong("%s; %s", t.text, t.hint)
	}
	if len(samples) > 0 {
		l.measure(samples)
	}
	if l.By != "" {
		l.groups(own, end)
	}
	return l.live
}

// own are the series that the metric's queries selected.
func (m Metric) own(all []metric.Series, vars map[string]string) (own []metric.Series) {
	qs := m.Queries(vars)
	for _, s := range all {
		if slices.ContainsFunc(qs, func(q metric.Query) bool { return q.ID == s.Query }) {
			own = append(own, s)
		}
	}
	return own
}

// groups says what each group shows.
func (l *looking) groups(own []metric.Series, end time.Time) {
	s := newSplit(newGroups(l.Metric), l.Metric, l.grid, l.src.Traits().History)
	s.add(own, l.grid.start, end, slices.Clone, func(g *group, samples []judge.Sample) {
		l.live.Groups = append(l.live.Groups, Live{Metric: g.Name, Value: l.amounts(samples), PerMinute: perMinute(samples)})
	})
	if t := s.groups.trouble(); t != nil {
		l.wrong("%s; %s", t.text, t.hint)
	}
}

func (l *looking) wrong(format string, args ...any) {
	l.live.Wrong = append(l.live.Wrong, fmt.Sprintf(format, args...))
}

// points looks at what came as it came: how much, how old, and whether counters count.
func (l *looking) points(own []metric.Series) {
	l.live.Series, l.live.Labels = len(own), labelsOf(own)
	var newest time.Time
	steps, falls := 0, 0
	for _, s := range own {
		for i, x := range s.Points {
			newest = later(newest, x.T)
			l.native = l.native || x.Native != nil
			if i > 0 && !s.Deltas && !math.IsNaN(x.V) && !math.IsNaN(s.Points[i-1].V) {
				steps++
				falls += one(x.V < s.Points[i-1].V)
			}
		}
	}
	if newest.IsZero() {
		return
	}
	l.live.Age = max(0, l.now.Sub(newest))
	if l.live.Age > 5*time.Minute {
		l.wrong("its newest point is %s old: is it still scraped?", short(l.live.Age))
	}
	counts := l.kind() == judge.Proportion || l.kind() == judge.Histogram || l.kind() == judge.Rates
	if counts && steps >= 20 && falls*10 > steps {
		l.wrong("it falls in %d of %d steps, as a rate or a gauge does: a counter only grows. Name the counter itself, without rate(), or use gauge:", falls, steps)
	}
}

// measure says what the metric amounts to, and what could be proved with as much of it.
func (l *looking) measure(samples []judge.Sample) {
	l.live.PerMinute, l.live.Value = perMinute(samples), l.amounts(samples)
	if l.kind() == judge.Histogram {
		l.units(judge.Together(samples).Buckets)
	}
	l.live.Harm, l.live.Lacks = l.smallest(samples), l.lacks(samples)
}

// perMinute is how many events there were a minute.
func perMinute(samples []judge.Sample) float64 {
	all := judge.Together(samples)
	events := all.Total
	for _, b := range all.Buckets {
		events += b.N
	}
	if n := samples[len(samples)-1].To.Sub(samples[0].From).Minutes(); n > 0 {
		return events / n
	}
	return 0
}

// amounts says what samples amount to, "" where they amount to nothing.
func (m Metric) amounts(samples []judge.Sample) string {
	if len(samples) == 0 {
		return ""
	}
	all := judge.Together(samples)
	switch m.kind() {
	case judge.Proportion:
		if all.Total > 0 {
			return rate(judge.Proportion, all.Bad/all.Total)
		}
	case judge.Histogram:
		if p99 := m.quantile(all.Buckets, 0.99); p99 != "" {
			return "p50 " + m.quantile(all.Buckets, 0.5) + ", p99 " + p99
		}
	case judge.Rates:
		if m.Of != "" {
			if all.Of > 0 {
				return m.rate(all.Total / all.Of)
			}
			return ""
		}
		seconds := 0.0
		for _, s := range samples {
			seconds += s.To.Sub(s.From).Seconds()
		}
		return m.rate(all.Total / math.Max(seconds, 1))
	}
	if len(all.Values) == 0 {
		return ""
	}
	sum := 0.0
	for _, v := range all.Values {
		sum += v
	}
	return m.value(sum / float64(len(all.Values)))
}

// units looks whether a limit is in the histogram's unit: one that no bucket separates can neither fail nor pass.
func (l *looking) units(buckets []judge.Bucket) {
	n := len(buckets)
	if n < 3 || l.native {
		return
	}
	least, most := buckets[0].Le, buckets[n-2].Le
	for _, limit := range l.limits() {
		switch {
		case limit.Max > most:
			l.wrong("no bucket reaches the limit %s%s: the largest bound is %s, so that nothing can be seen to exceed it", quantileName(limit), limit.Text, l.value(most))
		case limit.Max < least:
			l.wrong("the limit %s%s is below the smallest bound, %s: is the histogram in milliseconds? Then write the number (500), without a unit", quantileName(limit), limit.Text, l.value(least))
		}
	}
}

// String is a line or more for people.
func (l Live) String() string {
	var shown []string
	if l.Value != "" {
		shown = append(shown, l.Value)
	}
	if l.PerMinute > 0 {
		shown = append(shown, number(l.PerMinute)+" events a minute")
	}
	if l.Series > 0 {
		of := ""
		if len(l.Labels) > 0 {
			of = " (labels " + clean.Cut(strings.Join(l.Labels, ", "), 200) + ")"
		}
		shown = append(shown, fmt.Sprintf("%d series%s, the newest point %s old", l.Series, of, short(l.Age)))
	}
	text := clean.Text(l.Metric) + ":"
	if len(shown) > 0 {
		text += " " + strings.Join(shown, ", ")
	}
	if l.Before != "" {
		text += "; there is only " + l.Before + " that it would be compared with"
	}
	if l.Harm != "" {
		text += "; the smallest harm that a window proves: " + l.Harm
	}
	if l.Lacks != "" {
		text += "; " + l.Lacks
	}
	return text
}
