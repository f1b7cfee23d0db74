package metric

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// matched is a source whose queries name alerts by matchers of their labels.
type matched struct {
	alarms
	look func(context.Context, []*labels.Matcher) (sighting, error)
}

// Traits implements Source.
func (*matched) Traits() Traits { return Traits{Boolean: true} }

// Check implements Source.
func (*matched) Check(q Query) error {
	if err := q.only("alerts fire or do not: write boolean", Gauge); err != nil {
		return err
	}
	_, err := alertMatchers(q.Text, values{check: true})
	return err
}

// Range implements Source.
func (m *matched) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return m.watch(ctx, queries, from, to, step, func(ctx context.Context, q Query) (sighting, error) {
		ms, err := alertMatchers(q.Text, q.with(step))
		if err != nil {
			return sighting{}, troublef(BadQuery, "%w", err)
		}
		return m.look(ctx, ms)
	})
}

// alertMatchers reads matchers, with or without braces around them. A name before the braces is the alert's.
func alertMatchers(text string, v values) ([]*labels.Matcher, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "{") {
		text = "{" + text + "}"
	}
	expr, err := compilePromQL(Query{Kind: Counter, Text: text}, durations{step: 30 * time.Second, rate: 2 * time.Minute}, v)
	if err != nil {
		return nil, fmt.Errorf("%w (want matchers of alerts, as in {service=\"$service\",severity=\"page\"})", err)
	}
	vs, err := rawSelector(expr, "alerts are named by matchers")
	if err != nil {
		return nil, err
	}
	for _, m := range vs.LabelMatchers {
		if m.Name == model.MetricNameLabel {
			m.Name = model.AlertNameLabel
		}
	}
	return vs.LabelMatchers, nil
}
