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
	// TraceParent is the trace that the pipeline runs in (W3C Trace Context, the variable TRACEPARENT); "" if there is none.
	TraceParent string
}

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
