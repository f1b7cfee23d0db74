package bake

import (
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// plainSelector is a metric's name, alone or with matchers: what is computed has the unit of nobody's name.
var plainSelector = lazyregexp.New(`^\s*([A-Za-z_:][A-Za-z0-9_:]*)\s*(\{[^{}]*\})?\s*$`)

// unit is what the metric's bounds and values are in, as its name or its limits say; "" where they do not.
func (m Metric) unit() judge.Unit {
	k := m.kind()
	if k != judge.Histogram && k != judge.Gauge {
		return ""
	}
	name := ""
	if found := plainSelector.FindStringSubmatch(string(m.Histogram) + string(m.Gauge)); found != nil {
		name = found[1]
	}
	ends := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
	switch {
	case ends("_timestamp_seconds"), ends("_start_time_seconds"), ends("_milliseconds"), ends("_ms"): // a time of day; what limits are not in
		return ""
	case ends("_seconds"):
		return judge.Seconds
	case ends("_bytes"):
		return judge.Bytes
	}
	for _, l := range append(m.limits(), m.hardLimits()...) {
		if d, err := time.ParseDuration(l.Text); err == nil && d != 0 { // 500ms: it was read as seconds
			return judge.Seconds
		}
	}
	return ""
}

// value writes a bound or a value of the metric.
func (m Metric) value(v float64) string { return valueIn(m.unit(), v) }

func valueIn(u judge.Unit, v float64) string {
	if u == "" {
		return number(v)
	}
	return u.Text(v)
}
