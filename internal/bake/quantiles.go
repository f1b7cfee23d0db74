package bake

import (
	"math"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// What a histogram is judged by, the share of events above a bound, decides well and says little to people: they think in quantiles.

// quantile says where a quantile lies, "" where there are no events.
func (m Metric) quantile(buckets []judge.Bucket, q float64) string {
	switch v, open := judge.Quantile(buckets, q); {
	case math.IsNaN(v):
		return ""
	case open:
		return "more than " + m.value(v)
	default:
		return m.value(estimated(v))
	}
}

// estimated leaves two significant digits: a bucket says no more.
func estimated(v float64) float64 {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64)
	return v
}

// quantiles tell how they have moved since a metric is worse, or since the deploy; p99 is that one alone.
func (w *watch) quantiles(j judge.Judgement) (es []verdict.Evidence, p99 string) {
	if w.kind() != judge.Histogram || len(w.samples) == 0 {
		return nil, ""
	}
	since := w.samples
	for len(since) > 1 && since[0].From.Before(j.Onset) {
		since = since[1:]
	}
	after, before := judge.Together(since), judge.Together(w.before.of(nil).Samples())
	var now, then []string
	for _, q := range []float64{0.5, 0.95, 0.99} {
		now, then = append(now, w.quantile(after.Buckets, q)), append(then, w.quantile(before.Buckets, q))
	}
	all, p99 := strings.Join(now, ", "), now[2]
	if p99 == "" {
		return nil, ""
	}
	if then[2] != "" {
		all, p99 = all+"; before "+strings.Join(then, ", "), p99+", before "+then[2]
	}
	return []verdict.Evidence{{What: "p50, p95, p99", Got: all}}, "p99 " + p99
}
