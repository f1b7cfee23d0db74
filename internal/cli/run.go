package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os/exec"
	"time"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify"
)

func runCommand(ctx context.Context, a *app, args []string) int {
	return a.step(ctx, step.Run, "run", args, nil)
}

func beginCommand(ctx context.Context, a *app, args []string) int {
	return a.step(ctx, step.Begin, "begin", args, nil)
}

func finishCommand(ctx context.Context, a *app, args []string) int {
	return a.step(ctx, step.Finish, "finish", args, func(fs *flag.FlagSet, o *options) {
		fs.BoolVar(&o.once, "once", false, "judge what is there by now and end; exit 17 while the window is open")
		fs.BoolVar(&o.deployFailed, "deploy-failed", false, "the deploy step failed: seal the marker and the record with that, and watch nothing")
	})
}

func stageCommand(name string) func(context.Context, *app, []string) int {
	return func(ctx context.Context, a *app, args []string) int {
		return a.step(ctx, step.Alone, name, args, func(fs *flag.FlagSet, o *options) {
			if name == "mark" {
				fs.StringVar(&o.seal, "seal", "", "`VERDICT` with which the marker is sealed; without it the marker is opened")
			}
		})
	}
}

// step runs one command of the flow.
func (a *app) step(ctx context.Context, mode step.Mode, name string, args []string, extra func(*flag.FlagSet, *options)) int {
	o, err := a.parse(name, args, extra)
	if err != nil {
		return a.exit(err)
	}
	if len(o.command) > 0 && mode != step.Run {
		return a.usage(fmt.Errorf("a command behind -- belongs to bakegate run, not to %s", name))
	}
	if len(o.command) > 0 {
		if _, err := exec.LookPath(o.command[0]); err != nil {
			return a.usage(fmt.Errorf("the deploy command behind --: %w", err))
		}
	}
	o.warms = mode == step.Begin || mode == step.Finish || len(o.command) > 0
	o.deployed = mode == step.Finish
	l, err := a.load(ctx, o)
	if ctx.Err() != nil {
		return a.report(verdict.NameAborted, errors.New("the run was cancelled before it began"))
	}
	if err != nil {
		return a.exit(err)
	}
	if live := mode == step.Finish || mode == step.Run && len(o.command) == 0; l.ledgerErr != nil && !live {
		return a.exit(l.ledgerErr)
	}
	if o.once && l.file.Bake != nil && !l.hasHistory() {
		return a.usage(errors.New("finish --once looks back at what happened since the deploy, and no source of the bake keeps history " +
			"(scrape does not): use bakegate finish, which stays, or a backend that keeps it"))
	}
	if mode == step.Alone && name == "verify" && l.file.Verify != nil { // the registry answers while the journal is opened
		verify.Ahead(ctx, l.file.Verify.Images, l.registry)
	}
	s, err := l.prepare(mode, name)
	if err != nil {
		return a.exit(err)
	}
	if s.done != nil { // sealed before: say it again, do nothing
		return l.publish(*s.done, s.done.Verdict.Exit)
	}
	defer s.journal.Close()
	l.warn()
	s.warnUnknownDeploy()
	result := step.Do(ctx, s.plan())
	return l.finish(result)
}

// session is one run's way from what was asked for to a plan.
type session struct {
	*loaded
	mode     step.Mode
	name     string
	deployID string
	earlier  *report.Report // what the journal held; nil when there was none
	lost     *record.Record // the ledger's started record of a run whose journal is gone
	journal  *record.Journal
	deploy   release.Deploy
	live     *report.Live
	done     *report.Report
	began    time.Time
	warmed   map[string]judge.Packed // what was sampled before the deploy by this process
	target   *diff.Tree              // the configuration that is deployed; nil before diff has read it
	changes  *diff.Result            // what diff found; nil before
}

// prepare takes up what an earlier process of this deploy left, and opens the journal. Nothing was written before.
func (l *loaded) prepare(mode step.Mode, name string) (*session, error) {
	s := &session{loaded: l, mode: mode, name: name, live: report.NewLive(l.log(), l.o.verbose), began: time.Now().UTC()}
	if err := s.selects(); err != nil {
		return nil, err
	}
	prior, err := priorReport(l.o.out)
	if err != nil {
		return nil, err
	}
	if err := s.identify(prior); err != nil || s.done != nil {
		return s, err
	}
	if err := s.knowVersion(); err != nil {
		return nil, err
	}
	if err := s.interval(); err != nil {
		return nil, err
	}
	return s, s.openJournal()
}

// selects refuses a command whose stage was not configured.
func (s *session) selects() error {
	f := s.file
	has := map[string]bool{"verify": f.Verify != nil, "diff": f.Diff != nil, "mark": len(f.Mark) > 0, "bake": f.Bake != nil}
	if s.mode == step.Alone && !has[s.name] {
		return usagef("bakegate %s: the configuration has no %s section, and no flag says what to do", s.name, s.name)
	}
	if s.mode != step.Alone && !has["verify"] && !has["diff"] && !has["bake"] {
		return usagef("there is nothing to check: the configuration has none of verify, diff and bake")
	}
	if s.bakes() {
		if err := s.useSources(); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// bakes says whether this command has to do with the bake.
func (s *session) bakes() bool {
	return s.file.Bake != nil && (s.mode != step.Alone || s.name == "bake")
}

// priorReport reads the journal that is there; nil for none.
func priorReport(out string) (*report.Report, error) {
	r, err := readBack(out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the journal of an earlier run can't be read: %w (move it away to start afresh)", err)
	}
	return r, nil
}

// interval puts together what is known of when the deploy happened. Flags beat what an earlier process knew, which beats the CI job's
// start; it is never silently now.
func (s *session) interval() error {
	started, finished, err := s.o.times()
	if err != nil {
		return err
	}
	switch {
	case s.earlier != nil:
		s.deploy = s.earlier.Deploy
	case s.lost != nil:
		s.deploy = s.lost.Deploy
		s.deploy.Source = "ledger"
	}
	if !started.IsZero() {
		s.deploy.Started, s.deploy.Source = started, "flag"
	}
	if !finished.IsZero() {
		s.deploy.Finished, s.deploy.Serving, s.deploy.FinishedSource = finished, time.Time{}, ""
	}
	if s.mode == step.Finish && s.deploy.Finished.IsZero() {
		s.deploy.Finished, s.deploy.FinishedSource = time.Now().UTC(), release.Finish
	}
	if job := s.release.Run.Started; !s.deploy.Known() && s.afterDeploy() && !job.IsZero() {
		s.deploy.Started, s.deploy.Source = job, "job"
	}
	return nil
}

// afterDeploy says whether somebody else's deploy is live already when this run starts.
func (s *session) afterDeploy() bool {
	switch s.mode {
	case step.Finish:
		return true
	case step.Begin:
		return false
	case step.Run:
		return len(s.o.command) == 0 || !s.deploy.Finished.IsZero()
	}
	return s.name == "bake" || s.o.started != "" || s.o.finished != ""
}

func (s *session) openJournal() error {
	var err error
	if s.earlier != nil {
		s.journal, err = record.Continue(s.o.out, s.live.Entry)
	} else {
		s.journal, err = record.Create(s.o.out, s.live.Entry)
	}
	if err != nil {
		return err
	}
	return s.platformBegin()
}

// plan is the whole of what step.Do gets.
func (s *session) plan() step.Plan {
	p := step.Plan{Mode: s.mode, Record: s.recordPlan(), Deploy: s.deploy, Deployed: s.afterDeploy(), DeployFailed: s.o.deployFailed, Stages: s.stages(),
		Policy: s.policy(), Journal: s.journal, Ledger: s.ledger,
		Attempt: record.Attempt{Command: s.name, Run: s.release.Run.Attempt, Resumed: s.earlier != nil && s.mode != step.Finish || s.lost != nil}}
	if s.earlier != nil {
		p.Earlier = step.Earlier{Findings: s.earlier.FindingsBut(s.name), Opened: s.earlier.Deploy.Known()}
		for ref, digest := range s.earlier.Images {
			p.Earlier.Images = append(p.Earlier.Images, record.Image{Ref: ref, Digest: digest})
		}
	}
	if s.lost != nil {
		p.Earlier.Opened = true
	}
	return p
}

func (s *session) recordPlan() record.Plan {
	p := record.Plan{DeployID: s.deployID, Release: s.release, Stages: s.stageNames(), Criteria: s.file.Digest(), Version: Version,
		TraceParent: s.traceParent()}
	if b := s.file.Bake; b != nil {
		p.Window, p.Step = b.Window, b.Step
	}
	if r := s.file.Rollback; r != nil {
		p.Rollback = r.Command
	}
	if g, ok := record.LastGood(s.here(), s.deployID); ok {
		p.LastGood = &record.LastGoodOf{DeployID: g.DeployID, Version: g.Release.Version, Image: g.Release.Image, Digest: g.Release.Digest, At: g.At}
	}
	return p
}

// stageNames says what this command does, for the log.
func (s *session) stageNames() []string {
	if s.mode == step.Alone {
		return []string{s.name}
	}
	var names []string
	add := func(ok bool, name string) {
		if ok {
			names = append(names, name)
		}
	}
	f := s.file
	before := s.mode != step.Finish
	add(f.Verify != nil && before, "verify")
	add(f.Diff != nil && before, "diff")
	add(len(f.Mark) > 0, "mark")
	add(len(s.o.command) > 0, "deploy")
	add(f.Bake != nil && s.mode != step.Begin, "bake")
	return names
}

func (s *session) policy() verdict.Policy {
	p := verdict.Policy{On: s.file.ExitCodes()}
	if r := s.file.Rollback; r != nil && r.Reversible != nil {
		p.Irreversible, p.Reversible = !*r.Reversible, *r.Reversible
	}
	p.MarksOnly = s.mode == step.Alone && s.name == "mark"
	return p
}
