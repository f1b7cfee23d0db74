// Package bake watches the deploy: it polls the metrics through the window, turns what the backends hold into counts, and has them
// judged. It decides nothing: internal/judge judges, verdict.Decide decides.
package bake

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
)

// Options is the bake section of the configuration.
type Options struct {
	Window   time.Duration   `yaml:"window"`  // how long the new version is watched, default 15m
	Step     time.Duration   `yaml:"step"`    // how often it is judged, default 30s
	WarmUp   *time.Duration  `yaml:"warm-up"` // how long a fresh process may be slower and a little more faulty, default 5m; 0s: not at all
	Alpha    Ratio           `yaml:"alpha"`   // chance of a false rollback of a good deploy, all metrics and looks together, default 1%
	Baseline Baseline        `yaml:"baseline"`
	Sources  map[string]Spec `yaml:"sources"`
	Metrics  []Metric        `yaml:"metrics"`
	// Require are the classes of signals without which a bake is not worth its name: errors, latency, traffic, business, saturation, health.
	Require []string `yaml:"require"`
	// Extend is how much longer is watched where the window ends with too little traffic to say anything.
	Extend time.Duration `yaml:"extend"`
	// PassAfter is how long is watched at least where a bake may pass before its window ends; 0: it may not.
	PassAfter time.Duration `yaml:"pass-after"`
	// Preflight is what becomes, before the deploy, of a metric whose traffic is too little for the window to pass: "" nothing, note, block.
	Preflight string `yaml:"preflight"`
	// ReadyWhen is when the new version serves; without it the deploy's end counts.
	ReadyWhen *ReadyWhen `yaml:"ready-when"`
}

// Baseline is the history before the deploy that "before" means.
type Baseline struct {
	Window  time.Duration `yaml:"window"` // default 24h
	Gap     time.Duration `yaml:"gap"`    // left out right before the deploy's start, default one step
	Exclude []Interval    `yaml:"exclude"`
}

// Interval is left out of the baseline: an earlier deploy, an incident.
type Interval struct {
	From time.Time `yaml:"from,required"` // RFC 3339
	To   time.Time `yaml:"to,required"`
}

// ReadyWhen says how the bake knows that the new version serves. Exactly one of Query and Version is set.
type ReadyWhen struct {
	From    string        `yaml:"from"`     // source; may be left out where there is only one
	Query   Text          `yaml:"query"`    // serves when it returns something and every value is not 0, or at least AtLeast
	AtLeast Bound         `yaml:"at-least"` // of Query: the share of the traffic, or the number, from which on the version is watched
	Version Text          `yaml:"version"`  // selector of series that carry the version in Label: serves when $version is there and alone
	Label   string        `yaml:"label"`    // default "version"
	Timeout time.Duration `yaml:"timeout"`  // default 10m; then the bake is inconclusive/not-serving
}

// Metric is one thing that is watched. Exactly one of Bad with Total, Histogram, Rate, Gauge, Boolean and Expr is set.
type Metric struct {
	Name      string `yaml:"name,required"`
	From      string `yaml:"from"`      // source; may be left out where there is only one
	Bad       Text   `yaml:"bad"`       // selector of counters: the failed ones...
	Total     Text   `yaml:"total"`     // ...of these
	Histogram Text   `yaml:"histogram"` // base name and labels of a histogram, without _bucket
	Rate      Text   `yaml:"rate"`      // selector of counters of what should keep coming: requests, orders
	Of        Text   `yaml:"of"`        // of a rate: the requests that its events are counted among
	Worse     string `yaml:"worse"`     // of a rate: down (default) or up
	Gauge     Text   `yaml:"gauge"`     // selector of gauges
	Boolean   Text   `yaml:"boolean"`   // must not be 0: up{...}
	Expr      Text   `yaml:"expr"`      // one value in the source's own language, the weaker evidence
	Limit     *Limit `yaml:"limit"`
	Hard      *Limit `yaml:"hard"`    // acts at once, on one window
	Compare   string `yaml:"compare"` // before
	SLO       SLO    `yaml:"slo"`     // of bad and total: an objective, whose budget must not burn
	// Control is what runs beside the new version, by the same kind of queries: what happens to both is not this deploy's doing.
	Control *Control `yaml:"control"`

	// By is a label of the series (zone): each of its values is judged by itself too, and the worst decides.
	By       string  `yaml:"by"`
	Weight   float64 `yaml:"weight"`   // share of the evidence relative to the other metrics, default 1
	Critical bool    `yaml:"critical"` // three times its share
	DryRun   bool    `yaml:"dry-run"`  // judged and told, without effect
	// Upstream says that this is a dependency's: it never rolls anything back, and where it fails, what fails with it is held.
	Upstream bool   `yaml:"upstream"`
	Class    string `yaml:"class"` // errors, latency, traffic, business, saturation, health; by default from what is queried
}

// Pack is an item of metrics that stands for the ready metrics of a pack.
type Pack struct {
	Pack    string   `yaml:"pack,required"`
	Select  Text     `yaml:"select,required"` // label matchers of the service, without braces
	Control Text     `yaml:"control"`         // label matchers of what runs beside the new version
	From    string   `yaml:"from"`            // source; may be left out where there is only one
	Name    string   `yaml:"name"`            // what the metrics' names begin with, default the pack's
	Without []string `yaml:"without"`         // metrics that are left out
}

// Control selects the same things of what runs beside the new version: stable replicas, another region.
type Control struct {
	Bad       Text `yaml:"bad"`
	Total     Text `yaml:"total"`
	Histogram Text `yaml:"histogram"`
	Rate      Text `yaml:"rate"`
	Of        Text `yaml:"of"`
}

// SLO is an objective: 99.9% or 99.9%/28d.
type SLO struct {
	Objective float64 // share of good events
	Text      string
}

// UnmarshalText reads an objective. Its period says how much budget there is, not how fast it may burn.
func (o *SLO) UnmarshalText(t []byte) error {
	text := strings.TrimSpace(string(t))
	share, _, _ := strings.Cut(text, "/")
	v, err := parseBound(strings.TrimSpace(share))
	if err != nil || !strings.HasSuffix(strings.TrimSpace(share), "%") || v <= 0.5 || v >= 1 {
		return fmt.Errorf("%q is no objective: want a share of good events above 50%% and below 100%%, e.g. 99.9%% or 99.9%%/28d", clean.Cut(text, 40))
	}
	*o = SLO{v, text}
	return nil
}

// Text is a query. $service, $environment, $version and $step stand in it and are escaped by the source; ${NAME} is the environment.
type Text string

// QueryText marks the type for the configuration's reader: "$$" and "$name" stay as they are.
func (Text) QueryText() {}

// Limit is absolute. Written as a scalar it is Max.
type Limit struct {
	Max Bound `yaml:"max"` // of a proportion: a ratio (1%); of a gauge or expression: a number
	Min Bound `yaml:"min"` // of a gauge or expression
	P50 Bound `yaml:"p50"` // of a histogram: half of the requests are faster than this
	P90 Bound `yaml:"p90"`
	P95 Bound `yaml:"p95"`
	P99 Bound `yaml:"p99"`
	// P999 is the 99.9th percentile.
	P999 Bound `yaml:"p99.9"`
}

// UnmarshalText reads the scalar form.
func (l *Limit) UnmarshalText(b []byte) error { return l.Max.UnmarshalText(b) }

// Bound is a number that may be left out. "1%" is 0.01, "500ms" is 0.5 (seconds), "250" is 250.
type Bound struct {
	V    float64
	Set  bool
	Text string // as written, for messages
}

// UnmarshalText reads a number, a percentage or a duration.
func (b *Bound) UnmarshalText(t []byte) error {
	s := strings.TrimSpace(string(t))
	v, err := parseBound(s)
	if err != nil {
		return err
	}
	*b = Bound{V: v, Set: true, Text: s}
	return nil
}

func parseBound(s string) (float64, error) {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		v, err := parseFinite(p)
		return v / 100, err
	}
	if v, err := parseFinite(s); err == nil {
		return v, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d.Seconds(), nil
	}
	return 0, fmt.Errorf("%q is neither a number (250), a percentage (1%%) nor a duration (500ms)", s)
}

func parseFinite(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || v != v || v > 1e300 || v < -1e300 {
		return 0, fmt.Errorf("%q is not a finite number", s)
	}
	return v, nil
}

// Ratio is a share of one: "1%" or 0.01.
type Ratio float64

// UnmarshalText reads a percentage or a number from 0 to 1.
func (r *Ratio) UnmarshalText(t []byte) error {
	v, err := parseBound(strings.TrimSpace(string(t)))
	if err != nil || v < 0 || v > 1 {
		return fmt.Errorf("%q is not a share: want a percentage from 0%% to 100%%, or a number from 0 to 1", t)
	}
	*r = Ratio(v)
	return nil
}

// Spec is a source in the configuration: `prometheus: {url: ...}`.
type Spec struct {
	Kind   string
	Source metric.Source
}

// Choices lists the keys that may stand in the block.
func (*Spec) Choices() []string {
	names := make([]string, 0, len(metric.Sources))
	for n := range metric.Sources {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Choose builds the source named by the block's key.
func (s *Spec) Choose(kind string, decode func(any) error) error {
	src, err := metric.Sources[kind](decode)
	if err != nil {
		return err
	}
	s.Kind, s.Source = kind, src
	return nil
}
