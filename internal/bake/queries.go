package bake

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// Queries are what the bake asks a source for this metric. It is also what metric.Source.Check is to see when the configuration is
// loaded.
func (m Metric) Queries(vars map[string]string) []metric.Query {
	switch {
	case m.Bad != "" || m.Total != "":
		return []metric.Query{
			{ID: m.Name + ".bad", Kind: metric.Counter, Text: string(m.Bad), Vars: vars},
			{ID: m.Name + ".total", Kind: metric.Counter, Text: string(m.Total), Vars: vars},
		}
	case m.Rate != "":
		qs := []metric.Query{{ID: m.Name + ".rate", Kind: metric.Counter, Text: string(m.Rate), Vars: vars}}
		if m.Of != "" {
			qs = append(qs, metric.Query{ID: m.Name + ".of", Kind: metric.Counter, Text: string(m.Of), Vars: vars})
		}
		return qs
	case m.Histogram != "":
		return []metric.Query{{ID: m.Name, Kind: metric.Histogram, Text: string(m.Histogram), Vars: vars}}
	case m.Expr != "":
		return []metric.Query{{ID: m.Name, Kind: metric.Expr, Text: string(m.Expr), Vars: vars}}
	case m.Boolean != "":
		return []metric.Query{{ID: m.Name, Kind: metric.Gauge, Text: string(m.Boolean), Vars: vars}}
	}
	return []metric.Query{{ID: m.Name, Kind: metric.Gauge, Text: string(m.Gauge), Vars: vars}}
}

// readyID names the question whether the new version serves, as the configuration does.
const readyID = "ready-when"

// key is what the user wrote before a query of the metric: bad, total, boolean.
func (m Metric) key(q metric.Query) string {
	switch part := strings.TrimPrefix(q.ID, m.Name+"."); {
	case part != q.ID:
		return part
	case m.Boolean != "":
		return "boolean"
	}
	return string(q.Kind)
}

// Queries are what the bake asks to know whether the new version serves.
func (r ReadyWhen) Queries(vars map[string]string) []metric.Query {
	text := r.Query
	if r.Version != "" {
		text = r.Version
	}
	return []metric.Query{{ID: readyID, Kind: metric.Gauge, Text: string(text), Vars: vars}}
}

// kind is how the judge sees the metric.
func (m Metric) kind() judge.Kind {
	switch {
	case m.Bad != "" || m.Total != "":
		return judge.Proportion
	case m.Histogram != "":
		return judge.Histogram
	case m.Boolean != "":
		return judge.Boolean
	case m.Rate != "":
		return judge.Rates
	}
	return judge.Gauge
}

// class is what kind of signal the metric is.
func (m Metric) class() string {
	if m.Class != "" {
		return m.Class
	}
	switch m.kind() {
	case judge.Proportion:
		return "errors"
	case judge.Histogram:
		return "latency"
	case judge.Boolean:
		return "health"
	case judge.Rates:
		if m.Of != "" {
			return "business"
		}
		return "traffic"
	}
	return "saturation"
}

// Classes are the classes of signals.
func Classes() []string {
	return []string{"errors", "latency", "traffic", "business", "saturation", "health"}
}

// Lacks are the required classes of which there is no metric that counts.
func (o Options) Lacks() []string {
	var out []string
	for _, c := range o.Require {
		if !slices.ContainsFunc(o.Metrics, func(m Metric) bool { return m.class() == c && !m.DryRun && !m.Upstream }) {
			out = append(out, c)
		}
	}
	return out
}

// controlMetric is the control as a metric of its own, which is asked for and counted in the same way.
func (m Metric) controlMetric() Metric {
	c := m.Control
	return Metric{Name: m.Name + controlSuffix, From: m.From, Bad: c.Bad, Total: c.Total, Histogram: c.Histogram, Rate: c.Rate, Of: c.Of, Compare: m.Compare, By: m.By}
}

// controlSuffix is in no name of a metric.
const controlSuffix = "/control"

// Burn rates at which an objective is given up (Beyer et al., The Site Reliability Workbook, 2018, chapter 5): 14.4 times the budget empties
// that of 30 days in two days, 6 times in five. The slower one needs half an hour to be told.
const (
	fastBurn, slowBurn = 14.4, 6
	slowBurnWindow     = 30 * time.Minute
)

// burns are the limits that an objective means.
func (m Metric) burns(window time.Duration) []judge.Limit {
	if m.SLO.Objective == 0 {
		return nil
	}
	limit := func(times float64) judge.Limit {
		return judge.Limit{Max: times * (1 - m.SLO.Objective), HasMax: true, Text: fmt.Sprintf("%s (%s times the budget of the SLO %s)", rate(judge.Proportion, times*(1-m.SLO.Objective)), number(times), m.SLO.Text)}
	}
	if window >= slowBurnWindow {
		return []judge.Limit{limit(slowBurn)}
	}
	return []judge.Limit{limit(fastBurn)}
}

// limits are the metric's absolute limits as the judge takes them.
func (m Metric) limits() []judge.Limit {
	l := m.Limit
	if l == nil {
		return nil
	}
	if m.kind() == judge.Histogram {
		return l.quantiles()
	}
	j := judge.Limit{Max: l.Max.V, HasMax: l.Max.Set, Min: l.Min.V, HasMin: l.Min.Set}
	switch {
	case j.HasMax && j.HasMin:
		j.Text = l.Min.Text + " to " + l.Max.Text
	case j.HasMax:
		j.Text = l.Max.Text
	case j.HasMin:
		j.Text = "at least " + l.Min.Text
	default:
		return nil
	}
	return []judge.Limit{j}
}

// hardLimits are those that act at once.
func (m Metric) hardLimits() []judge.Limit {
	m.Limit = m.Hard
	return m.limits()
}

func (l Limit) quantiles() (ls []judge.Limit) {
	for _, q := range []struct {
		q float64
		b Bound
	}{{0.5, l.P50}, {0.9, l.P90}, {0.95, l.P95}, {0.99, l.P99}, {0.999, l.P999}} {
		if q.b.Set {
			ls = append(ls, judge.Limit{Quantile: q.q, Max: q.b.V, HasMax: true, Text: q.b.Text})
		}
	}
	return ls
}

// compares reports whether the metric is compared with the time before the deploy.
func (m Metric) compares() bool { return m.Compare != "" }

// back is how far back the time lies that a metric is compared with: 0 for right before the deploy.
func (m Metric) back() time.Duration { return comparisons[m.Compare] }

// comparisons are what compare: may say.
var comparisons = map[string]time.Duration{"before": 0, "yesterday": 24 * time.Hour, "last-week": 7 * 24 * time.Hour}

// Comparisons lists them.
func Comparisons() []string { return []string{"before", "yesterday", "last-week"} }

// counts makes what turns the metric's points into samples. history says how soon a series that appears is a new one.
func (m Metric) counts(g grid, history bool, sel *selection) counts {
	c := clock{grace: g.step / 2}
	if history {
		c.grace = primeSpan / 2
	}
	switch m.kind() {
	case judge.Proportion:
		return &proportion{spans: spans{grid: g}, clock: c, badID: m.Name + ".bad", totalID: m.Name + ".total", selects: sel}
	case judge.Histogram:
		return &histogram{spans: spans{grid: g}, clock: c}
	case judge.Rates:
		return newRates(m, g, c)
	}
	return &values{grid: g, one: m.Expr != ""}
}

// metricSpec is the metric as the judgement of all takes it.
func (m Metric) metricSpec(spec judge.Spec) judge.MetricSpec {
	return judge.MetricSpec{Spec: spec, Weight: m.Weight, Critical: m.Critical, DryRun: m.DryRun || m.Upstream, Direction: judge.Direction(m.Worse)}
}
