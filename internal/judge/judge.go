// Package judge says whether a metric is worse than it may be: samples in, judgement and its reasons out. It is pure: no I/O, no
// clock, no global state.
package judge

import "time"

// Kind is the shape of a metric.
type Kind string

// The kinds of a metric.
const (
	Proportion Kind = "proportion" // Bad of Total events
	Histogram  Kind = "histogram"  // events by bucket
	Gauge      Kind = "gauge"      // values that have a bound
	Boolean    Kind = "boolean"    // values that must not be 0
)

// Spec says how one metric is judged. A metric with neither Limits nor Compare is never passed: it is compared with nothing.
type Spec struct {
	Name    string        `json:"name"`
	Kind    Kind          `json:"kind"`
	Unit    Unit          `json:"unit,omitempty"`
	Limits  []Limit       `json:"limits,omitempty"`
	Compare bool          `json:"compare,omitempty"` // no worse than before the deploy
	Alpha   float64       `json:"alpha"`             // this metric's share of the chance of a false rollback, all looks together
	WarmUp  time.Duration `json:"warmUp"`            // how long the default warm-up band lasts; 0: none
	Start   time.Time     `json:"start"`             // when the new version began to serve: t = 0 of the warm-up
	End     time.Time     `json:"end"`               // the end of the window
}

// Limit is absolute.
type Limit struct {
	// Quantile is the share of events that must be at most Max (0.99 for p99) for a histogram; 0 for the other kinds.
	Quantile float64 `json:"quantile,omitempty"`
	Max      float64 `json:"max,omitempty"` // of a proportion: the ratio; of a histogram: the bound in its unit; of a gauge: the value
	Min      float64 `json:"min,omitempty"`
	HasMax   bool    `json:"hasMax,omitempty"`
	HasMin   bool    `json:"hasMin,omitempty"`
	Text     string  `json:"text,omitempty"` // as the user wrote it
}

// Sample is what was observed in [From, To). It is closed: it never changes afterwards.
type Sample struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Bad     float64   `json:"bad,omitempty"`
	Total   float64   `json:"total,omitempty"`
	Buckets []Bucket  `json:"buckets,omitempty"` // by Le ascending, the last is +Inf; counts of the bucket alone, not cumulative
	Of      float64   `json:"of,omitempty"`      // of a rate: the requests that its Total events are counted among
	Values  []float64 `json:"values,omitempty"`  // of a gauge or boolean: one per series, or one per scrape of a single series
	Partial bool      `json:"partial,omitempty"` // what a process counted is missing, since less than GoneAfter
}

// Bucket counts the events above the previous bucket's bound and at most Le. The last one has Inf set and Le 0.
type Bucket struct {
	Le  float64 `json:"le,omitempty"`
	Inf bool    `json:"inf,omitempty"`
	N   float64 `json:"n"`
}

// Status is a judgement in one word.
type Status string

// The statuses.
const (
	Continue Status = "continue" // nothing is proved yet (never from the last look)
	Pass     Status = "pass"     // harm of the size that matters is excluded
	Fail     Status = "fail"     // it is worse, beyond the budget for being wrong
	Unknown  Status = "unknown"  // the window is over and too little is known; Reason says what is missing
)

// The reasons of an Unknown.
const (
	LowTraffic = "low-traffic" // too few events to exclude harm
	NoBaseline = "no-baseline" // there is no history to compare with
	NoData     = "no-data"     // nothing was observed
	NoCriteria = "no-criteria" // neither a limit nor a comparison
	Unproved   = "unproved"    // it looks worse than it may be, and that is not proved: more traffic of this kind would not pass either
)

// Judgement is the answer for one metric, with everything that an explanation needs.
type Judgement struct {
	Metric    string    `json:"metric"`
	Kind      Kind      `json:"kind,omitempty"`
	Unit      Unit      `json:"unit,omitempty"`
	Status    Status    `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	Sentence  string    `json:"sentence"` // one sentence: the rates, the difference, its interval, the evidence, the onset
	Numbers   string    `json:"-"`        // the part of a sentence that says what was seen and what was usual
	Criteria  string    `json:"criteria"` // what decided: "limit 1%", "before the deploy"
	Before    Rate      `json:"before,omitzero"`
	After     Rate      `json:"after,omitzero"`
	Low       float64   `json:"low,omitempty"` // interval of the difference After-Before (or of After, for a limit) at Level
	High      float64   `json:"high,omitempty"`
	Level     float64   `json:"level,omitempty"`     // its confidence, e.g. 0.99
	Evidence  float64   `json:"evidence"`            // e-value: how many times likelier the samples are under harm than under the null; it fails at 1/Alpha
	Onset     time.Time `json:"onset,omitzero"`      // since when, where it fails
	Needed    float64   `json:"needed,omitempty"`    // events still needed to pass, for LowTraffic
	BadBefore bool      `json:"badBefore,omitempty"` // the limit was exceeded before the deploy too: the cause is not this deploy
	Warnings  []string  `json:"warnings,omitempty"`
}

// Rate is Events of Total (for a gauge: the mean, and the number of values).
type Rate struct {
	Value  float64 `json:"value"`
	Events float64 `json:"events,omitempty"`
	Total  float64 `json:"total,omitempty"`
}
