package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
)

// defaultWarm is how long a source without history is sampled before the deploy, where it is compared with before.
const defaultWarm = time.Minute

// bakePlan is the bake as far as it is known before the run.
func (l *loaded) bakePlan() bake.Plan {
	p := bake.Plan{Options: *l.file.Bake, Sources: map[string]metric.Source{}, Once: l.o.once,
		Vars: map[string]string{"service": l.release.Service, "environment": l.release.Environment, "version": l.release.Version}}
	for name, s := range l.file.Bake.Sources {
		p.Sources[name] = s.Source
	}
	_ = l.useSources() // a run looked at the error before anything; elsewhere each query tells it
	return p
}

// useSources gives the sources what they need from outside. Its error says which one can't be used: one that runs a command.
func (l *loaded) useSources() error {
	env := metric.Env{Dir: l.file.Dir, Getenv: l.app.env.get, AllowCommands: l.o.allowCommands}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(l.file.Bake.Sources)) {
		if w, ok := l.file.Bake.Sources[name].Source.(metric.Wants); ok {
			if err := w.Use(env); err != nil {
				errs = append(errs, fmt.Errorf("bake.sources.%s: %w", name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *session) bake(ctx context.Context, d release.Deploy) step.Baked {
	p := s.bakePlan()
	p.Deploy, p.Observe, p.Resume = d, s.observe, s.resume()
	for _, e := range record.Disturbed(s.here(), s.deployID) {
		p.Excluded = append(p.Excluded, bake.Interval{From: e.Started, To: e.Finished})
	}
	p.Earlier = s.earlierDeploys()
	if s.ledger != nil && d.Known() && s.mode != step.Alone {
		p.Superseded = s.superseded(d.Started)
	}
	end := s.platform.Section("bake", "Bake")
	defer end()
	res := bake.Run(ctx, p)
	return step.Baked{Findings: res.Findings, Serving: res.Serving, Pending: res.Pending, Aborted: res.Aborted, Superseded: res.Superseded}
}

// earlierDeploys are the deploys of this environment that passed, the oldest first.
func (s *session) earlierDeploys() (out []release.Deploy) {
	for _, r := range s.here() {
		if r.Kind == record.Finished && r.Verdict == verdict.NamePass && r.DeployID != s.deployID && r.Deploy.Known() {
			out = append(out, r.Deploy)
		}
	}
	return out
}

// superseded asks the ledger whether another deploy took over.
func (s *session) superseded(started time.Time) func(context.Context) (string, bool, error) {
	return func(ctx context.Context) (string, bool, error) {
		rs, err := s.ledger.List(ctx, s.file.Service, s.file.Environment)
		if err != nil {
			return "", false, err
		}
		r, ok := record.Newer(rs, s.deployID, started)
		return r.DeployID, ok, nil
	}
}

// resume is what an earlier process of this bake left. What it only sampled before the deploy counts for every command; its window's
// samples count when this run goes on with the same bake.
func (s *session) resume() bake.Resume {
	r := bake.Resume{Baseline: s.warmed, Samples: map[string]judge.Packed{}}
	if s.earlier == nil {
		return r
	}
	if r.Baseline == nil {
		r.Baseline = s.earlier.Baseline
	}
	r.Samples, r.Serving = s.earlier.Samples, s.earlier.Deploy.Serving
	return r
}

// warms says whether this command samples before the deploy a source that has no history.
func (s *session) warms() bool {
	return s.warmFor() > 0 && (s.mode == step.Begin || len(s.o.command) > 0) && s.deploy.Finished.IsZero()
}

// warmFor is for how long: as the flag says, else a minute where a comparison needs it.
func (s *session) warmFor() time.Duration {
	if s.o.warm >= 0 {
		return s.o.warm
	}
	if b := s.file.Bake; b != nil && b.NeedsWarm() {
		return defaultWarm
	}
	return 0
}

// hasHistory says whether some source of the bake can be asked for the past.
func (l *loaded) hasHistory() bool {
	for _, s := range l.file.Bake.Sources {
		if s.Source.Traits().History {
			return true
		}
	}
	return false
}

func (s *session) warmUp(ctx context.Context) {
	d := s.warmFor()
	s.note("bake", fmt.Sprintf("samples for %s what the service does before the deploy", d))
	p := s.bakePlan()
	p.Observe = s.observe
	s.warmed = bake.Warm(ctx, p, d)
}

// observe writes what the bake sees into the journal, and so into the log.
func (s *session) observe(e bake.Event) {
	var err error
	switch e.Kind {
	case bake.EventSample:
		err = s.journal.Append(record.TypeSample, report.Samples{Metric: e.Metric, Of: e.Of, Samples: e.Samples})
	case bake.EventBaseline:
		err = s.journal.Append(record.TypeBaseline, report.Samples{Metric: e.Metric, Of: e.Of, Samples: e.Samples})
	case bake.EventJudgement:
		err = s.journal.Append(record.TypeJudgement, e.Judgement)
	case bake.EventGap:
		err = s.journal.Append(record.TypeGap, record.Gap{Metric: e.Metric, From: e.From, To: e.To, Reason: e.Reason, Detail: e.Text})
	}
	if e.Text != "" && e.Kind != bake.EventGap {
		s.note("bake", e.Text)
	}
	if err != nil {
		fmt.Fprintf(s.app.stderr, "bakegate: %v\n", err)
	}
}

// advice separates what a bake does from what of it is unwise.
func advice(lines []string) (doing, unwise []string) {
	for _, line := range lines {
		if u, ok := strings.CutPrefix(line, "unwise: "); ok {
			unwise = append(unwise, u)
			continue
		}
		doing = append(doing, strings.TrimPrefix(line, "bake: "))
	}
	return doing, unwise
}
