// Package step runs the stages in their order and nothing else: preflight, verify, diff, mark, the deploy, bake, the verdict, and then
// what must happen on every way out. The stages come as functions, already wired to what they need.
package step

import (
	"context"
	"time"

	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Mode is which part of the flow a command runs.
type Mode string

// The modes.
const (
	Run    Mode = "run"    // all of it
	Begin  Mode = "begin"  // up to the deploy
	Finish Mode = "finish" // behind the deploy
	Alone  Mode = "alone"  // one stage, no ledger
)

// Plan is what one run does.
type Plan struct {
	Mode   Mode
	Record record.Plan // what the journal's first entry says
	Deploy release.Deploy
	// Deployed says that the new version is (or may be) live when the run starts: a wrong digest is then no longer blocked.
	Deployed bool
	// DeployFailed says that the deploy between begin and finish failed: there is nothing to bake, and its marker wants an end.
	DeployFailed bool
	Stages       Stages
	Policy       verdict.Policy
	Journal      *record.Journal
	Attempt      record.Attempt
	Ledger       record.Store // nil: none
	// Earlier is what the journal held before this run took it up.
	Earlier Earlier
}

// Earlier is what an earlier process of the same deploy left.
type Earlier struct {
	Findings []verdict.Finding
	Images   []record.Image
	Opened   bool // the started record is written
}

// Stages are the calls. A nil stage was not asked for.
type Stages struct {
	Preflight func(ctx context.Context) ([]verdict.Finding, error)
	Verify    func(ctx context.Context, deployed bool) ([]verdict.Finding, []record.Image, error)
	Diff      func(ctx context.Context) ([]verdict.Finding, error)
	// Keep keeps the configuration of the target with the ledger, and gives the digest by which the record names it.
	Keep   func(ctx context.Context) (digest string, err error)
	Open   func(ctx context.Context, m Marker) []verdict.Finding
	Warm   func(ctx context.Context)
	Deploy func(ctx context.Context) error
	// Confirm looks at the verified images again: when the deploy has just ended (end is false), and at the end of it all.
	Confirm func(ctx context.Context, images []record.Image, end bool) []verdict.Finding
	Bake    func(ctx context.Context, d release.Deploy) Baked
	Seal    func(ctx context.Context, m Marker) []verdict.Finding
}

// Marker is what a marker needs beside the release.
type Marker struct {
	Deploy  release.Deploy
	Images  []record.Image
	Ended   time.Time
	Verdict verdict.Verdict
}

// Baked is what the bake found.
type Baked struct {
	Findings   []verdict.Finding
	Serving    time.Time
	Pending    bool
	Aborted    bool
	Superseded string // by which deploy; "" by none
}

// Result is how the run ended.
type Result struct {
	Verdict verdict.Verdict
	Sealed  bool  // false where the run goes on in another process (begin, pending)
	Err     error // what kept bakegate from its work, with its chain
}
