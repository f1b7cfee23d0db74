package cli

import (
	"context"
	"time"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/heap"
	"github.com/bakegate/bakegate/internal/preflight"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify"
)

// stages wires each stage that this command runs to what it needs.
func (s *session) stages() step.Stages {
	var st step.Stages
	f := s.file
	before, behind := s.mode != step.Finish, s.mode != step.Begin
	wants := func(name string) bool { return s.mode != step.Alone || s.name == name }
	switch {
	case s.ledgerErr != nil:
		st.Preflight = func(context.Context) ([]verdict.Finding, error) { return nil, s.ledgerErr }
	case s.mode == step.Run, s.mode == step.Begin:
		st.Preflight = s.preflight
	case s.earlier != nil:
		st.Preflight = s.sameCriteria
	}
	if f.Verify != nil && before && wants("verify") {
		st.Verify = s.verify
	}
	if f.Verify != nil && behind && (s.mode != step.Alone || s.name == "verify" && s.afterDeploy()) {
		st.Confirm = s.confirm
	}
	if f.Diff != nil && before && wants("diff") {
		st.Diff = s.diff
		if s.ledger != nil && s.mode != step.Alone {
			st.Keep = s.keep
		}
	}
	if len(f.Mark) > 0 && wants("mark") {
		st.Open, st.Seal = s.markStages()
	}
	if len(s.o.command) > 0 {
		st.Deploy = s.deployCommand
	}
	if s.bakes() {
		if behind {
			st.Bake = s.bake
		}
		if s.warms() {
			st.Warm = s.warmUp
		}
	}
	return st
}

// preflight looks at the past, and at what the bake will watch.
func (s *session) preflight(ctx context.Context) ([]verdict.Finding, error) {
	fs := s.past()
	if s.file.Bake != nil && !s.afterDeploy() {
		fs = append(append(fs, bake.Glance(ctx, s.bakePlan())...), bake.Foresee(ctx, s.bakePlan())...)
	}
	return fs, nil
}

// past is what the ledger knows of other deploys.
func (s *session) past() []verdict.Finding {
	p := preflight.Past{Configured: s.ledger != nil}
	for _, r := range s.here() {
		if r.DeployID == s.deployID {
			continue
		}
		o := &preflight.Other{DeployID: r.DeployID, Version: r.Release.Version, Reason: r.Reason, At: r.At}
		switch {
		case r.Kind == record.Started:
			if _, f := record.Of(s.here(), r.DeployID); f.DeployID == "" {
				p.Running = o
			}
		case r.Release.Digest != "" && r.Release.Digest == s.release.Digest && (r.Verdict == verdict.NameRollback || r.Verdict == verdict.NameHold):
			p.Failed = o
		}
	}
	return preflight.Run(p, time.Now())
}

// sameCriteria says so when what is asked for changed between begin and finish.
func (s *session) sameCriteria(context.Context) ([]verdict.Finding, error) {
	return preflight.Criteria(s.earlier.Plan.Criteria, s.file.Digest()), nil
}

// verifyOptions are the verify section, with what it needs from here.
func (s *session) verifyOptions() verify.Options {
	o := *s.file.Verify
	o.Use(verify.Env{Getenv: s.app.env.get, Release: s.release, GitHubToken: s.app.gitHubToken(), Version: Version})
	return o
}

// confirm looks at the verified images again.
func (s *session) confirm(ctx context.Context, images []record.Image, end bool) []verdict.Finding {
	verified := make([]verify.Verified, 0, len(images))
	for _, i := range images {
		verified = append(verified, verify.Verified{Ref: i.Ref, Digest: i.Digest})
	}
	return verify.Recheck(ctx, s.verifyOptions(), s.built, verified, s.registry, end)
}

// verifyMemory is in bytes. With what is not the heap's, it keeps the process within 128 MiB on whatever a registry sends.
const verifyMemory = 75 << 20

func (s *session) verify(ctx context.Context, deployed bool) ([]verdict.Finding, []record.Image, error) {
	phase := verify.BeforeDeploy
	if deployed {
		phase = verify.AfterDeploy
	}
	defer heap.Within(verifyMemory)()
	res, err := verify.Run(ctx, s.verifyOptions(), s.built, s.registry, phase)
	var images []record.Image
	for _, i := range res.Images {
		if i.Digest != "" {
			images = append(images, record.Image{Ref: i.Ref, Digest: i.Digest, Pinned: i.Pinned})
		}
	}
	return res.Findings, images, err
}

// deployCommand runs the command behind --. Its output stands in the log as it is; what it prints cannot command the runner.
func (s *session) deployCommand(ctx context.Context) error {
	s.note("deploy", "runs "+clean.Cut(s.o.command[0], 200))
	fold := s.platform.Section("deploy", "Deploy")
	defer fold()
	log, end := s.platform.Bracket()
	defer end()
	return runChild(ctx, s.o.command, s.childEnv(), log)
}

// secretNames are the variables that hold the configuration's secrets: a child command gets none of them.
func (l *loaded) secretNames() map[string]bool {
	names := map[string]bool{"INPUT_GITHUB_TOKEN": true, "BAKEGATE_INPUT_GITHUB_TOKEN": true}
	for _, n := range l.file.SecretNames() {
		names[n] = true
	}
	return names
}

func (s *session) note(stage, text string) {
	_ = s.journal.Append(record.TypeNote, record.Note{Stage: stage, Text: clean.Text(text)})
}
