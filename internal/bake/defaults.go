package bake

import (
	"time"
)

// The defaults of the bake section.
const (
	DefaultWindow   = 15 * time.Minute
	DefaultStep     = 30 * time.Second
	DefaultWarmUp   = 5 * time.Minute
	DefaultAlpha    = Ratio(0.01)
	DefaultBaseline = 24 * time.Hour
	DefaultReady    = 10 * time.Minute
	DefaultLabel    = "version"
)

// WithDefaults returns o with every value that was left out filled in. A source that was left out is the only one there is.
// It changes nothing that o shares with others.
func (o Options) WithDefaults() Options {
	setDefault(&o.Window, DefaultWindow)
	setDefault(&o.Step, DefaultStep)
	setDefault(&o.Alpha, DefaultAlpha)
	setDefault(&o.Baseline.Window, DefaultBaseline)
	setDefault(&o.Baseline.Gap, o.Step)
	if o.WarmUp == nil {
		d := DefaultWarmUp
		o.WarmUp = &d
	}
	only := o.onlySource()
	o.Metrics = append([]Metric(nil), o.Metrics...)
	for i := range o.Metrics {
		setDefault(&o.Metrics[i].From, only)
	}
	if o.ReadyWhen != nil {
		r := *o.ReadyWhen
		setDefault(&r.From, only)
		setDefault(&r.Label, DefaultLabel)
		setDefault(&r.Timeout, DefaultReady)
		o.ReadyWhen = &r
	}
	return o
}

// NeedsWarm reports whether a metric is compared with the time before the deploy, and read from a source that has to be sampled then
// (Warm), because nobody can ask it later.
func (o Options) NeedsWarm() bool {
	for _, m := range o.Metrics {
		if s := o.Sources[m.From].Source; m.compares() && s != nil && !s.Traits().History {
			return true
		}
	}
	return false
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o Options) onlySource() string {
	if len(o.Sources) == 1 {
		for n := range o.Sources {
			return n
		}
	}
	return ""
}
