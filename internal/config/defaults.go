package config

import (
	"time"

	"github.com/bakegate/bakegate/internal/bake"
)

// defaultStep gives a window of less than five minutes ten looks, at most one a second.
func defaultStep(window time.Duration) time.Duration {
	if window >= 5*time.Minute {
		return bake.DefaultStep
	}
	return min(max(window/10, time.Second), bake.DefaultStep).Truncate(time.Second)
}

// defaults fills what the file leaves out. Unlike bake.Options.WithDefaults, which sees values alone, an explicit 0 stays, to be
// reported or meant.
func (v *validator) defaults() {
	b := v.f.Bake
	if b == nil {
		return
	}
	if !v.has("bake.window") {
		b.Window = bake.DefaultWindow
	}
	if !v.has("bake.step") {
		b.Step = defaultStep(b.Window)
	}
	if b.WarmUp == nil {
		warmUp := bake.DefaultWarmUp
		b.WarmUp = &warmUp
	}
	if !v.has("bake.alpha") {
		b.Alpha = bake.DefaultAlpha
	}
	if !v.has("bake.baseline.window") {
		b.Baseline.Window = bake.DefaultBaseline
	}
	if !v.has("bake.baseline.gap") {
		b.Baseline.Gap = b.Step
	}
	r := b.ReadyWhen
	if r == nil {
		return
	}
	if !v.has("bake.ready-when.timeout") {
		r.Timeout = bake.DefaultReady
	}
	if !v.has("bake.ready-when.label") {
		r.Label = bake.DefaultLabel
	}
}
