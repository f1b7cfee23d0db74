// Package metric reads what a metrics backend observed. One file a backend (a large one has several that begin with its name), one line in
// Sources.
//
// A source fetches and says what it got; it never judges. What it returns are samples as the backend holds them, with their own
// timestamps: raw counters, not rates.
package metric

import (
	"context"
	"fmt"
	"time"
)

// Kind is the shape of what a query returns.
type Kind string

// The kinds of a query.
const (
	Counter   Kind = "counter"   // a selector of counters, read raw and differenced by the bake
	Histogram Kind = "histogram" // the base name and labels of a histogram: the source reads its _bucket counters (label le), or native samples
	Gauge     Kind = "gauge"     // a selector or expression whose value is taken as it is
	Expr      Kind = "expr"      // an expression of the backend's language: one value, the weaker evidence
)

// Query is one thing to ask. Text is in the source's language and still holds $service, $environment, $version and $step: the source
// puts Vars in, escaped for its own language, so that no value can change the query's structure.
type Query struct {
	ID   string // the caller's name for it, given back in Series.Query
	Kind Kind
	Text string
	Vars map[string]string
}

// Point is one sample at the time the backend gives it.
type Point struct {
	T      time.Time
	V      float64
	Native *NativeHistogram // a native histogram; V is then the number of its events
	// Began says of a counter that its process began to count after the point before, although it does not show: it is no smaller.
	Began bool
}

// Series is one series that a query selected, its points in the order of time. Points with NaN and stale markers are given as they
// are (V is NaN): the caller says what they mean.
type Series struct {
	Query  string            // Query.ID
	Labels map[string]string // without the metric's name; a histogram's bucket keeps its le
	Name   string            // the metric's name, "" for an expression
	Points []Point
	// Deltas says of a counter that each point is what was counted since the point before, up to its time, and not a running total:
	// there is no difference to take. Backends that keep counts per interval say so, and Points stand at the ends of their intervals.
	Deltas bool
	// Late says of a counter that it may have counted long before its first point: the process was there, and was not seen.
	Late bool
	// Notes are what the source has to say beside the numbers, for people: the name of the alert that fires, what a backend left out. They are
	// clean, short and few, and decide nothing.
	Notes []string
}

// Source reads one backend.
type Source interface {
	// Range returns what each query observed at times t with from <= t < to. A missed poll is fetched later, never lost: asking twice
	// for the same closed window gives the same points. step is a resolution for backends and kinds (Expr) that have no raw samples.
	//
	// A query that matched nothing gives no series and no error. The error joins one *QueryError per query that failed; series of
	// the queries that did not fail, and of those whose trouble is Partial, are returned beside it.
	Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error)
	// Check looks at a query without asking the backend: syntax, and that its form suits its kind. It says what was got, what was
	// wanted and what to do. It is called when the configuration is loaded.
	Check(q Query) error
	// Traits says what this backend can do.
	Traits() Traits
}

// Background is a source that also works between two calls (probe): what it counts there is in the next answer of Range.
type Background interface {
	// Start begins the work and returns at once. It ends with ctx, or with stop, which returns when all of it has ended. What was
	// counted stays, and a later Start goes on from it.
	Start(ctx context.Context) (stop func())
}

// Apart is a source without history that can be asked beside what it watches.
type Apart interface {
	// Apart gives a source that has seen nothing, and of which this one learns nothing; nil where there can be none.
	Apart() Source
}

// Counting is a source that counts by intervals itself.
type Counting interface {
	// Zeros reports whether it says 0 where it counted nothing for a query: an answer to bad without a failure is no empty one.
	Zeros(q Query) bool
}

// Traits is what the bake must know of a backend.
type Traits struct {
	// History is false for a source that only knows what it saw itself (scrape, probe): there is no "before" unless it sampled before.
	History bool
	// FromDeploy is true for a source that has nothing to say before the deploy: it decides on this one.
	FromDeploy bool
	// Labels is true for a source whose queries can return several series that are told apart by labels.
	Labels bool
	// Scrapes is how often the backend scrapes, where the configuration says so; 0: it is not known.
	Scrapes time.Duration
	// Boolean is true for a source that says 1 or 0 and has nothing else.
	Boolean bool
}

// Trouble classifies why a query has no answer. Each is a reason of its own, none is data, none is a verdict.
type Trouble string

// The troubles of a query.
const (
	BackendDown  Trouble = "backend-down"  // connection refused, time-out, 5xx, HTML instead of JSON
	Unauthorized Trouble = "unauthorized"  // 401, 403
	BadQuery     Trouble = "bad-query"     // the backend refused the query
	Truncated    Trouble = "truncated"     // a partial response, a reply above the cap, warnings that say so
	TooMany      Trouble = "too-many"      // more series than can be judged one by one
	Undecided    Trouble = "undecided"     // a decision of the backend's own, to which it has not come yet
	LoadBalanced Trouble = "load-balanced" // one address answers for several processes: its counters jump between them
	// Partial is the one trouble beside which there are series: some of several processes gave no answer, and the others did.
	Partial Trouble = "partial"
)

// QueryError is the failure of one query.
type QueryError struct {
	Query   string // Query.ID
	Trouble Trouble
	Err     error // what was got, what was wanted, where, without secrets
}

func (e *QueryError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Query, e.Trouble, e.Err) }

func (e *QueryError) Unwrap() error { return e.Err }

// Env is what sources need from outside. No source reads the environment.
type Env struct {
	Dir    string // relative paths start here: the configuration's folder
	Getenv func(string) string
	// AllowCommands says that the person who starts bakegate lets sources run commands. It must never come from the configuration, which
	// a pull request can edit.
	AllowCommands bool
}

// Wants is a Source that needs something from outside. Use is called before the first Range; its error says that the source can't be used.
type Wants interface{ Use(Env) error }

// Build makes a source from its options. decode fills the source's own options struct strictly; no I/O happens here.
type Build func(decode func(options any) error) (Source, error)

// apart makes a source again out of its options.
func apart[O any, S Source](options O, make_ func(O) (S, error)) Source {
	s, err := make_(options)
	if err != nil { // of options that were good before: a file is gone
		return nil
	}
	return s
}

// built is the Build of a source whose options have these defaults, and which looks at them when it is made.
func built[O any, S Source](defaults O, make_ func(O) (S, error)) Build {
	return func(decode func(any) error) (Source, error) {
		o := defaults
		if err := decode(&o); err != nil {
			return nil, err
		}
		s, err := make_(o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// Sources are the backends by the name of their block.
var Sources = map[string]Build{
	"alertmanager":     buildAlertmanager,
	"cloudwatch":       buildCloudWatch,
	"datadog":          buildDatadog,
	"datadog-gate":     buildDatadogGate,
	"datadog-monitors": buildDatadogMonitors,
	"elasticsearch":    buildElasticsearch,
	"exec":             buildExec,
	"grafana":          buildGrafana,
	"grafana-alerts":   buildGrafanaAlerts,
	"graphite":         buildGraphite,
	"influxdb":         buildInfluxDB,
	"newrelic":         buildNewRelic,
	"probe":            buildProbe,
	"prometheus":       buildPrometheus,
	"scrape":           buildScrape,
	"web":              buildWeb,
}
