// Package sink tells one observability tool about a deploy. One file a tool, one line in Sinks.
package sink

import (
	"context"
	"time"
)

// Marker is what is told. Text from outside was sanitised before.
type Marker struct {
	DeployID    string
	Service     string
	Environment string
	Version     string
	Image       string
	Digest      string
	Commit      string
	Ref         string // of the commit: refs/heads/main, main, refs/tags/v1
	Repository  string
	RunURL      string
	Actor       string
	Started     time.Time // the deploy's start
	Ended       time.Time // zero in Open; in Seal the end of the bake
	Verdict     string    // "" in Open
	Reason      string
	Summary     string
	Job         string // the pipeline's name for the job
	// TraceParent is the trace that the pipeline runs in (W3C Trace Context, the variable TRACEPARENT); "" if there is none.
	TraceParent string
	Stages      []Stage       // in Seal: what has run, in order
	Changes     Configuration // what diff found
	Remedied    []string      // in Seal of a deploy that is good: the ids of those that failed before it, since the last good one
	Rollback    bool          // this deploy brings back what was good before
}

// Stage is one stage of the run: preflight, verify, diff, warm, mark, deploy or bake.
type Stage struct {
	Name           string
	Started, Ended time.Time
	Failed         string // why, "" where it came to its end
	Findings       []Finding
}

// Deploying is the name of the stage in which the new version is deployed.
const Deploying = "deploy"

// Finding is what a stage found.
type Finding struct {
	Check, Outcome, Summary string
	Failed                  bool
	At                      time.Time
}

// Configuration is how the configuration that is deployed differs from the previous one, masked. Its texts were sanitised before.
type Configuration struct {
	Previous, Target string // what was compared
	Changes          []Change
}

// Change is one difference. A value that one side does not have is "".
type Change struct{ Where, From, To string }

// Traits is what a sink's API can do. Where it can do none, the promise is at most one message per deploy and phase, kept by the
// journal and the ledger.
type Traits struct {
	// Find says that a marker is not doubled when it is told again: Open and Seal look for one with this deploy id before they make one,
	// or the API itself takes a second one for the first.
	Find   bool
	Update bool // Seal changes the marker that Open made; otherwise it sends a second message of its own
	AtEnd  bool // the tool takes a deploy only as a whole: Open sends nothing, Seal all of it
}

// Sink is one tool.
type Sink interface {
	// Open tells that the deploy starts and returns the marker's id in the tool ("" where the API gives none). With Traits.Find, a
	// marker of this deploy that is there already is taken, not doubled. A *Warning says that the marker was made, but not as asked;
	// of any other error, Uncertain says whether the message may have arrived all the same.
	Open(ctx context.Context, m Marker) (id string, err error)
	// Seal tells the end and the verdict. id is what Open returned, "" if it failed or is not known any more: with Traits.Find the
	// marker is looked for, otherwise a sealed one is made. Its errors are those of Open.
	Seal(ctx context.Context, id string, m Marker) error
	Traits() Traits
}

// Tracer is a Sink that shows the deploy as a trace, to which the spans of the deploy's own tools can belong.
type Tracer interface {
	// TraceParent is the stage's span that Seal will send, as W3C Trace Context. Of a marker it needs DeployID and TraceParent.
	TraceParent(m Marker, stage string) string
}

// Lister is a Sink whose tool can be asked for the deploys that it knows.
type Lister interface {
	// List gives the deploys of a service and environment that started in [from, to), the oldest first, with what is known of their end.
	List(ctx context.Context, of Marker, from, to time.Time) ([]Marker, error)
}

// Build makes a sink from its options. decode fills the sink's own options struct strictly; no I/O happens here.
type Build func(decode func(options any) error) (Sink, error)

// Sinks are the tools by the name of their block.
var Sinks = map[string]Build{
	"cdevents":    buildCDEvents,
	"datadog":     buildDatadog,
	"file":        buildFile,
	"github":      buildGitHub,
	"gitlab":      buildGitLab,
	"grafana":     buildGrafana,
	"honeycomb":   buildHoneycomb,
	"newrelic":    buildNewRelic,
	"otlp":        buildOTLP,
	"pagerduty":   buildPagerDuty,
	"pushgateway": buildPushgateway,
	"sentry":      buildSentry,
	"slack":       buildSlack,
	"teams":       buildTeams,
	"webhook":     buildWebhook,
}
