// Package record keeps deployments as data: the journal of this run, the ledger of all runs.
//
// The journal is the only truth of a run: the log, the summary, the reports and the ledger's record are rendered from it.
package record

import (
	"encoding/json"
	"time"

	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Version is the version of the journal's and the ledger's form. A reader refuses a newer one.
const Version = 1

// Type says what an entry holds.
type Type string

// The types of a journal entry, and what Data is.
const (
	TypePlan      Type = "plan"      // Plan: the first entry
	TypeAttempt   Type = "attempt"   // Attempt: a run took the journal up (again)
	TypeFinding   Type = "finding"   // verdict.Finding
	TypeMarker    Type = "marker"    // Marker
	TypeDeploy    Type = "deploy"    // release.Deploy: what is known of the interval by now
	TypeStage     Type = "stage"     // Stage: one has run; the findings since the stage before it are its own
	TypeImage     Type = "image"     // Image: what a reference stands for, verified
	TypeDiff      Type = "diff"      // diff.Result: every difference that was found, masked; the findings are entries of their own
	TypeBaseline  Type = "baseline"  // Samples
	TypeSample    Type = "sample"    // Samples
	TypeGap       Type = "gap"       // Gap
	TypeJudgement Type = "judgement" // judge.Judgement
	TypeNote      Type = "note"      // Note: a line of the live log
	TypeVerdict   Type = "verdict"   // Sealed: the last entry
)

// flushes reports whether an entry, and all before it, must be on the disk before the run goes on: those behind which something outside
// is changed (the deploy, a message to a tool), each judgement, the end. Findings alone change nothing: they are found again.
func (t Type) flushes() bool {
	switch t {
	case TypeMarker, TypeDeploy, TypeJudgement, TypeVerdict:
		return true
	}
	return false
}

// Entry is one line of the journal.
type Entry struct {
	V    int             `json:"v"`
	T    time.Time       `json:"t"`
	Type Type            `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Plan is what is going to be done, without secrets.
type Plan struct {
	DeployID string          `json:"deployId"`
	Release  release.Release `json:"release"`
	Stages   []string        `json:"stages"`
	Criteria string          `json:"criteria"` // sha256:... of what is asked for, so that a change in the middle is seen
	Window   time.Duration   `json:"window,omitempty"`
	Step     time.Duration   `json:"step,omitempty"`
	Version  string          `json:"version"`            // of bakegate
	Rollback string          `json:"rollback,omitempty"` // the command a person would run
	LastGood *LastGoodOf     `json:"lastGood,omitempty"` // where a rollback would go to, from the ledger
	// TraceParent is the trace that the first process of the deploy ran in (W3C Trace Context), "" if none: the later ones keep to it.
	TraceParent string `json:"traceParent,omitempty"`
}

// LastGoodOf is the last deploy of this service and environment that passed.
type LastGoodOf struct {
	DeployID string    `json:"deployId"`
	Version  string    `json:"version,omitempty"`
	Image    string    `json:"image,omitempty"`
	Digest   string    `json:"digest,omitempty"`
	At       time.Time `json:"at"`
}

// Attempt is one process that worked on the journal.
type Attempt struct {
	Command string `json:"command"` // run, begin, finish
	Run     string `json:"run,omitempty"`
	Resumed bool   `json:"resumed,omitempty"`
}

// Stage is one stage that has run: preflight, verify, diff, warm, mark, deploy or bake.
type Stage struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Error   string    `json:"error,omitempty"` // what kept it from its work
}

// Marker is what happened to a marker.
type Marker struct {
	Sink   string `json:"sink"`
	Intent bool   `json:"intent,omitempty"` // about to be sent: behind it the message may or may not have arrived
	Phase  string `json:"phase"`            // open, seal
	ID     string `json:"id,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Image is a reference and the digest that was verified for it.
type Image struct {
	Ref    string `json:"ref"`
	Digest string `json:"digest"`
	Pinned string `json:"pinned"` // repo@sha256:...
}

// Gap is an interval without data.
type Gap struct {
	Metric string    `json:"metric,omitempty"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"` // backend-down, no-data, nan...
	Detail string    `json:"detail,omitempty"`
}

// Note is a line of the live log.
type Note struct {
	Stage string `json:"stage,omitempty"`
	Text  string `json:"text"`
}

// Sealed is the end of a run.
type Sealed struct {
	verdict.Verdict
	Ended time.Time `json:"ended"`
	Open  bool      `json:"open,omitempty"` // the run goes on in another process: begin, or a window that is not over
}

// Record is one entry of the ledger: a deploy that started, or one that finished.
type Record struct {
	V        int               `json:"v"`
	Kind     string            `json:"kind"` // started, finished
	DeployID string            `json:"deployId"`
	Release  release.Release   `json:"release"`
	Images   map[string]string `json:"images,omitempty"` // reference -> verified digest
	Deploy   release.Deploy    `json:"deploy"`
	At       time.Time         `json:"at"` // when the record was written
	Verdict  verdict.Name      `json:"verdict,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Exit     int               `json:"exit,omitempty"`
	Criteria string            `json:"criteria,omitempty"`
	State    string            `json:"state,omitempty"` // of a started record: the digest under which the store keeps the configuration
	Tool     string            `json:"tool,omitempty"`
	// TraceParent is the plan's, for a finish whose journal is gone.
	TraceParent string `json:"traceParent,omitempty"`
}
