package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
	"github.com/bakegate/bakegate/internal/diff/policy"
	"github.com/bakegate/bakegate/internal/diff/source"
	"github.com/bakegate/bakegate/internal/heap"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/verdict"
)

// diff compares the configuration that is deployed with the previous one.
func (s *session) diff(ctx context.Context) ([]verdict.Finding, error) {
	defer heap.Ample()()
	d := s.file.Diff
	opts := diff.Options{Rules: d.Rules, Today: time.Now().UTC(), Key: d.Key}
	var err error
	if opts.Rules.Policies, err = s.policies(ctx); err != nil {
		return nil, err
	}
	shared := format.NewDocuments()
	previous, perr := s.snapshot(ctx, d.Previous, shared)
	if perr != nil && !errors.Is(perr, source.ErrNoState) {
		return nil, perr
	}
	target, err := s.snapshot(ctx, d.Target, shared)
	if err != nil {
		return nil, err
	}
	s.target = &target
	var res diff.Result
	if perr != nil {
		res = opts.Alone(target, strings.TrimSuffix(perr.Error(), ": "+source.ErrNoState.Error()))
	} else {
		res = opts.Compare(previous, target)
	}
	s.changes = &res
	asked, err := s.engines(ctx, target, previous)
	return append(res.Findings, asked...), errors.Join(err, s.keepResult(res))
}

func (s *session) snapshot(ctx context.Context, spec *source.Spec, shared *format.Documents) (diff.Tree, error) {
	spec.Use(source.Env{Dir: s.file.Dir, Getenv: s.app.env.get, Registry: s.registry, Stdin: os.Stdin, AllowCommands: s.o.allowCommands, State: s.recordedState,
		Documents: shared})
	return spec.Source.Snapshot(ctx)
}

// policies are the objects of diff.policies.
func (s *session) policies(ctx context.Context) ([]diff.Object, error) {
	if s.file.Diff.Policies == nil {
		return nil, nil
	}
	t, err := s.snapshot(ctx, s.file.Diff.Policies, nil)
	if err != nil {
		return nil, fmt.Errorf("diff.policies: %w", err)
	}
	return t.Objects, nil
}

// engines asks the policy engines that are configured. One that can't be asked is an error: its silence is no consent.
func (s *session) engines(ctx context.Context, target, previous diff.Tree) ([]verdict.Finding, error) {
	d := s.file.Diff
	if d.Conftest == nil && d.Kyverno == nil {
		return nil, nil
	}
	docs, err := diff.Documents(target)
	if err != nil {
		return nil, err
	}
	env := policy.Env{Dir: s.file.Dir, Getenv: s.app.env.get, AllowCommands: s.o.allowCommands}
	about := policy.Target{Documents: docs, Redact: diff.Redactor(target, previous)}
	var fs []verdict.Finding
	var errs []error
	if d.Conftest != nil {
		got, err := d.Conftest.Run(ctx, env, about)
		fs, errs = append(fs, got...), append(errs, err)
	}
	if d.Kyverno != nil {
		got, err := d.Kyverno.Run(ctx, env, about)
		fs, errs = append(fs, got...), append(errs, err)
	}
	return fs, errors.Join(errs...)
}

// resultName is the file of all differences in the out directory.
const resultName = "diff.json"

// journalChanges is how many differences the journal holds; a line of it is bounded, and all of them are in the file.
const journalChanges = 2000

// keepResult writes every difference, masked, for whoever wants to see them side by side.
func (s *session) keepResult(res diff.Result) error {
	b, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return fmt.Errorf("the result of diff: %w", err)
	}
	if err := s.write(resultName, append(b, '\n')); err != nil {
		return fmt.Errorf("the result of diff: %w", err)
	}
	res.Findings = nil // entries of their own
	res.Changes = res.Changes[:min(len(res.Changes), journalChanges)]
	return s.journal.Append(record.TypeDiff, res)
}

// keep keeps the target's configuration with the ledger, without its secrets.
func (s *session) keep(ctx context.Context) (string, error) {
	if s.target == nil {
		return "", errors.New("diff did not come to an end")
	}
	b, err := diff.EncodeState(*s.target, s.file.Diff.Key)
	if err != nil {
		return "", err
	}
	return s.ledger.PutState(ctx, b)
}

// recordedState is what the last good deploy of an environment ("": this one) was configured with.
func (s *session) recordedState(ctx context.Context, environment string) ([]byte, string, error) {
	switch {
	case s.ledger == nil:
		return nil, "", errors.New("there is no ledger: say under record where the deploys are recorded")
	case s.ledgerErr != nil:
		return nil, "", s.ledgerErr
	}
	if environment == "" {
		environment = s.file.Environment
	}
	var there []record.Record
	for _, r := range s.records {
		if r.Release.Environment == environment {
			there = append(there, r)
		}
	}
	good, ok := record.LastGood(there, s.deployID)
	if !ok {
		return nil, "", fmt.Errorf("no deploy of %s%s is recorded that passed: %w", clean.Cut(s.file.Service, 100), where(environment), source.ErrNoState)
	}
	name := fmt.Sprintf("the deploy of %s%s", good.At.UTC().Format(time.DateOnly), where(environment))
	if v := good.Release.Version; v != "" {
		name = fmt.Sprintf("the deploy of %s (%s)%s", good.At.UTC().Format(time.DateOnly), v, where(environment))
	}
	started, _ := record.Of(there, good.DeployID)
	if started.State == "" {
		return nil, "", fmt.Errorf("%s has no configuration in its record: %w", name, source.ErrNoState)
	}
	b, err := s.ledger.State(ctx, started.State)
	return b, name, err
}
