package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Time limits of the way out. A runner kills 10 s after it cancels, so that a cancelled run must be done in 5.
const (
	endLimit       = 45 * time.Second
	endLimitCancel = 3500 * time.Millisecond
)

// Do runs the plan. This is the flow; everything else in the package serves one of these lines.
func Do(ctx context.Context, p Plan) Result {
	r := &run{Plan: p, deployed: p.Deployed, findings: p.Earlier.Findings, images: p.Earlier.Images, end: verdict.Ending{Kind: verdict.NamePass}}
	r.log(record.TypePlan, p.Record)
	r.log(record.TypeAttempt, p.Attempt)
	if r.Deploy != (release.Deploy{}) { // else nothing is known of it, and nothing need wait for the disk
		r.log(record.TypeDeploy, r.Deploy)
	}
	if r.ask(ctx) && r.warm(ctx) && r.open(ctx) && r.deploy(ctx) {
		r.confirm(ctx, false)
		r.bake(ctx)
		r.confirm(ctx, true)
	}
	return r.close(ctx)
}

type run struct {
	Plan
	findings []verdict.Finding
	images   []record.Image
	end      verdict.Ending
	err      error // the first thing that kept bakegate from its work
	deployed bool
	opened   bool
}

// ask runs the stages that speak before the deploy. It reports whether the deploy may go on.
func (r *run) ask(ctx context.Context) bool {
	if s := r.Stages.Preflight; s != nil {
		r.timed("preflight", func() error {
			fs, err := s(ctx)
			r.found(fs, in("record", err))
			return err
		})
	}
	if s := r.Stages.Verify; s != nil {
		r.timed("verify", func() error {
			fs, images, err := s(ctx, r.deployed)
			r.found(fs, in("verify", err))
			r.verified(images)
			return err
		})
	}
	if s := r.Stages.Diff; s != nil {
		r.timed("diff", func() error {
			fs, err := s(ctx)
			r.found(fs, in("diff", err))
			return err
		})
	}
	if r.cancelled(ctx) {
		return false
	}
	if r.deployed {
		// It is live: tell the tools, and watch it even where verify could not do its work. What is proved bad needs no bake.
		if verdict.Worst(r.findings) == verdict.Fail {
			r.open(ctx)
			return false
		}
		return true
	}
	return r.err == nil && verdict.Worst(r.findings) <= verdict.Note
}

// timed runs a stage and notes when it ran. What it found stands in front of that note.
func (r *run) timed(name string, stage func() error) {
	s := record.Stage{Name: name, Started: time.Now().UTC()}
	if err := stage(); err != nil {
		s.Error = clean.Text(err.Error())
	}
	s.Ended = time.Now().UTC()
	r.log(record.TypeStage, s)
}

func (r *run) verified(images []record.Image) {
	if len(images) > 0 {
		r.images = images
	}
	for _, i := range images {
		r.log(record.TypeImage, i)
	}
}

// warm samples, before the deploy, what keeps no history.
func (r *run) warm(ctx context.Context) bool {
	if s := r.Stages.Warm; s != nil {
		r.timed("warm", func() error { s(ctx); return nil })
	}
	return !r.cancelled(ctx)
}

// open tells the ledger and the tools that the deploy starts, once. It reports whether the run may go on: a ledger that cannot be
// written stops a deploy that has not begun.
func (r *run) open(ctx context.Context) bool {
	if r.opened || r.cancelled(ctx) {
		return !r.cancelled(ctx)
	}
	r.begun()
	if r.Ledger != nil && !r.Earlier.Opened && (r.Mode == Run || r.Mode == Begin) {
		started := r.entry(record.Started, verdict.Verdict{})
		started.State = r.keep(ctx)
		if err := r.Ledger.Put(ctx, started); err != nil {
			r.found(nil, in("record", err))
			if !r.deployed {
				return false
			}
		}
	}
	r.opened = true
	if s := r.Stages.Open; s != nil {
		r.timed("mark", func() error {
			r.found(s(ctx, Marker{Deploy: r.Deploy, Images: r.images}), nil)
			return nil
		})
	}
	return true
}

// keep keeps the target's configuration. Without it the next deploy has nothing to compare with, which is no reason to stop this one.
func (r *run) keep(ctx context.Context) (digest string) {
	s := r.Stages.Keep
	if s == nil {
		return ""
	}
	digest, err := s(ctx)
	if err != nil {
		r.log(record.TypeNote, record.Note{Stage: "record", Text: clean.Text("the ledger keeps no configuration of this deploy: " + err.Error())})
	}
	return digest
}

// begun notes the deploy's start where this run is what starts it.
func (r *run) begun() {
	if r.Deploy.Known() {
		return
	}
	switch {
	case r.Stages.Deploy != nil:
		r.know(release.Deploy{Started: time.Now().UTC(), Source: "command"})
	case r.Mode == Begin:
		r.know(release.Deploy{Started: time.Now().UTC(), Source: "begin"})
	}
}

// deploy runs the user's command where there is one. It reports whether there is something to bake.
func (r *run) deploy(ctx context.Context) bool {
	if s := r.Stages.Deploy; s != nil && r.Deploy.Finished.IsZero() {
		if r.cancelled(ctx) {
			return false
		}
		r.deployed = true
		var err error
		r.timed("deploy", func() error { err = s(ctx); return err })
		d := r.Deploy
		d.Finished = time.Now().UTC()
		r.know(d)
		if r.cancelled(ctx) {
			return false
		}
		if err != nil {
			r.end = verdict.Ending{Kind: verdict.NameDeployFailed, What: "command", Summary: clean.Text(err.Error())}
			return false
		}
	}
	if r.DeployFailed {
		r.end = verdict.Ending{Kind: verdict.NameDeployFailed, What: "step", Summary: "the deploy step between begin and finish failed"}
		return false
	}
	if r.Mode == Begin {
		r.end = verdict.Ending{Kind: verdict.NamePending, What: "deploy", Summary: "the deploy may go on; bakegate finish watches it"}
		return false
	}
	return !r.cancelled(ctx)
}

// justNow is how long behind the deploy's end a look still tells what the runtime found. finish --once and a resumed run come later.
const justNow = time.Minute

// confirm looks again at what was verified: behind a deploy of ours, whether the tag moved while it ran; at the end, whether that is what
// runs. A run that ended otherwise, or that proved something bad, has nothing to confirm.
func (r *run) confirm(ctx context.Context, end bool) {
	s := r.Stages.Confirm
	ours := (r.Stages.Deploy != nil || r.Mode == Finish) && time.Since(r.Deploy.Finished) < justNow
	if s == nil || len(r.images) == 0 || !end && !ours || r.end.Kind != verdict.NamePass || verdict.Worst(r.findings) == verdict.Fail || r.cancelled(ctx) {
		return
	}
	r.timed("verify", func() error {
		fs := s(ctx, r.images, end)
		if !r.cancelled(ctx) {
			r.found(fs, nil)
		}
		return nil
	})
}

// bake watches the new version.
func (r *run) bake(ctx context.Context) {
	s := r.Stages.Bake
	if s == nil {
		return
	}
	var b Baked
	r.timed("bake", func() error {
		b = s(ctx, r.Deploy)
		r.found(b.Findings, nil)
		return nil
	})
	if !b.Serving.IsZero() && !b.Serving.Equal(r.Deploy.Serving) {
		d := r.Deploy
		d.Serving = b.Serving
		r.know(d)
	}
	switch {
	case b.Superseded != "":
		r.end = verdict.Ending{Kind: verdict.NameSuperseded, What: "newer-deploy",
			Summary: fmt.Sprintf("deploy %s took over: what the metrics show is no longer this deploy", b.Superseded)}
	case b.Aborted:
		r.cancelled(ctx)
	case b.Pending:
		r.end = verdict.Ending{Kind: verdict.NamePending, What: "window-open", Summary: "the window is not over yet, and nothing is proved bad"}
	}
}

// close happens on every way out, cancellation included: the verdict, the markers, the ledger, the journal.
func (r *run) close(ctx context.Context) Result {
	limit := endLimit
	if ctx.Err() != nil {
		limit = endLimitCancel
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer stop()
	v := r.decide()
	sealed := v.Name != verdict.NamePending
	if sealed {
		r.seal(ctx, v)
	}
	if r.Mode == Begin && !sealed {
		v.Exit = 0 // the deploy may go on
	}
	r.log(record.TypeVerdict, record.Sealed{Verdict: v, Ended: time.Now().UTC(), Open: !sealed})
	return Result{Verdict: v, Sealed: sealed, Err: r.err}
}

func (r *run) decide() verdict.Verdict {
	if r.err != nil && r.end.Kind == verdict.NamePass {
		r.end = verdict.Ending{Kind: verdict.NameError, What: errorWhat(r.err), Summary: clean.Text(r.err.Error())}
	}
	return verdict.Decide(r.policy(), r.end, r.findings)
}

func (r *run) policy() verdict.Policy {
	p := r.Policy
	p.Deployed = r.deployed
	return p
}

// seal tells the tools and the ledger the end. A run that was blocked never opened a marker, and leaves none.
func (r *run) seal(ctx context.Context, v verdict.Verdict) {
	m := Marker{Deploy: r.Deploy, Images: r.images, Ended: time.Now().UTC(), Verdict: v}
	done := make(chan struct{})
	go func() { // beside the markers: a tool that hangs must not cost the record
		defer close(done)
		if r.Ledger != nil && r.Mode != Alone {
			if err := r.Ledger.Put(ctx, r.entry(record.Finished, v)); err != nil {
				r.log(record.TypeNote, record.Note{Stage: "record", Text: clean.Text("the ledger has no finished record of this deploy: " + err.Error())})
			}
		}
	}()
	if s := r.Stages.Seal; s != nil && (r.opened || r.Mode == Finish || r.Mode == Alone) {
		for _, f := range s(ctx, m) {
			r.log(record.TypeFinding, f)
		}
	}
	<-done
}

func (r *run) entry(kind string, v verdict.Verdict) record.Record {
	images := map[string]string{}
	for _, i := range r.images {
		images[i.Ref] = i.Digest
	}
	return record.Record{V: record.Version, Kind: kind, DeployID: r.Record.DeployID, Release: r.Record.Release, Images: images,
		Deploy: r.Deploy, At: time.Now().UTC(), Verdict: v.Name, Reason: v.Reason, Exit: v.Exit, Criteria: r.Record.Criteria, Tool: r.Record.Version,
		TraceParent: r.Record.TraceParent}
}

func (r *run) know(d release.Deploy) {
	r.Deploy = d
	r.log(record.TypeDeploy, d)
}

func (r *run) found(fs []verdict.Finding, err error) {
	for _, f := range fs {
		f = r.letThrough(f)
		r.findings = append(r.findings, f)
		r.log(record.TypeFinding, f)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		r.fault(err)
	}
}

// letThrough turns a finding that on: lets pass before the deploy into a note: the deploy goes on, and what happens behind it has
// verdicts of its own.
func (r *run) letThrough(f verdict.Finding) verdict.Finding {
	if r.deployed || r.Mode == Alone || f.Outcome < verdict.Unknown {
		return f
	}
	if v := verdict.Decide(r.policy(), r.end, []verdict.Finding{f}); v.Exit == 0 {
		f.Outcome = verdict.Note
		f.Summary += " (let through by on: " + v.Mapped + ")"
	}
	return f
}

func (r *run) fault(err error) {
	if r.err == nil {
		r.err = err
	}
	r.log(record.TypeNote, record.Note{Stage: "error", Text: clean.Text(err.Error())})
}

// log appends to the journal. A journal that cannot be written is a run without evidence: it is an error, kept but not repeated.
func (r *run) log(t record.Type, data any) {
	if err := r.Journal.Append(t, data); err != nil && r.err == nil {
		r.err = err
	}
}

// cancelled notes that the run was cancelled.
func (r *run) cancelled(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	r.end = verdict.Ending{Kind: verdict.NameAborted, What: "signal", Summary: "the run was cancelled"}
	return true
}

// stageError is an error that knows the stage in which bakegate could not do its work: the WHAT of its reason.
type stageError struct {
	stage string
	err   error
}

func (e *stageError) Error() string { return e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

func in(stage string, err error) error {
	if err == nil {
		return nil
	}
	return &stageError{stage, err}
}

func errorWhat(err error) string {
	var s *stageError
	if errors.As(err, &s) {
		return s.stage
	}
	return "journal"
}
