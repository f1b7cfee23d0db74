package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/ci"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/mark/sink"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
)

// The variables by which OpenTelemetry is carried from one process to the next.
const (
	traceParentVar = "TRACEPARENT"
	traceStateVar  = "TRACESTATE"
	resourceVar    = "OTEL_RESOURCE_ATTRIBUTES"
)

// carried is what puts the telemetry of a deploy's tools and of its workload beside the deploy.
type carried struct {
	traceParent string // of the deploy stage; "" where no tool shows it as a span
	resource    string // OTEL_RESOURCE_ATTRIBUTES of the workload
}

// carries makes it of what the journal says, so that begin, finish and the deploy command give the same.
func (l *loaded) carries(p record.Plan, images map[string]string) carried {
	m := markerOf(p, images)
	resource, _ := sink.ResourceAttributes(m, l.plainVar(resourceVar)) // warn told what is wrong with the job's
	return carried{traceParent: l.file.Mark.TraceParent(m), resource: resource}
}

// telemetry are the outputs for the step that deploys. Without a span of the deploy, the trace that the job runs in is passed on.
func (l *loaded) telemetry(r *report.Report) []ci.Output {
	var c carried
	if r.Plan.DeployID != "" { // else the journal can't be read
		c = l.carries(r.Plan, r.Images)
	}
	return []ci.Output{{Key: "traceparent", Value: cmp.Or(c.traceParent, l.plainVar(traceParentVar))}, {Key: "otel_resource_attributes", Value: c.resource}}
}

// markerOf is what a marker says of the deploy before it has begun.
func markerOf(p record.Plan, images map[string]string) sink.Marker {
	r := p.Release
	m := sink.Marker{DeployID: p.DeployID, Service: r.Service, Environment: r.Environment, Version: r.Version, Image: r.Image, Digest: r.Digest,
		Commit: r.Commit, Ref: r.Ref, Repository: r.Repository, RunURL: r.Run.URL, Actor: r.Run.Actor, Job: r.Run.Job, TraceParent: p.TraceParent}
	if d := images[r.Image]; d != "" {
		m.Digest = d
	}
	return m
}

// plainVar is a variable of the job that other processes may see: none that holds a secret of the configuration.
func (l *loaded) plainVar(name string) string {
	if l.secretNames()[name] {
		return ""
	}
	return l.app.env.get(name)
}

// traceParent is the trace that the first process of this deploy ran in: what it gave the deploy must be what the last one sends.
func (s *session) traceParent() string {
	switch {
	case s.earlier != nil:
		return s.earlier.Plan.TraceParent
	case s.lost != nil:
		return s.lost.TraceParent
	}
	return clean.Cut(s.plainVar(traceParentVar), 200)
}

// childEnv is the environment of the deploy command: the job's without the configuration's secrets, with what carries its telemetry.
func (s *session) childEnv() []string {
	var images map[string]string
	if r, err := readBack(s.o.out); err == nil {
		images = r.Images
	}
	c := s.carries(s.recordPlan(), images)
	without := s.secretNames()
	if c.traceParent != "" && !sameTrace(c.traceParent, s.app.env.get(traceParentVar)) {
		without[traceStateVar] = true // it is a part of the job's trace, and this is another
	}
	var set []string
	for name, value := range map[string]string{traceParentVar: c.traceParent, resourceVar: c.resource} {
		if value != "" {
			without[name] = true
			set = append(set, name+"="+value)
		}
	}
	return append(s.app.env.without(without), set...)
}

// sameTrace says whether two traceparents are of one trace: VERSION-TRACE-SPAN-FLAGS.
func sameTrace(a, b string) bool {
	x, y := strings.Split(strings.TrimSpace(a), "-"), strings.Split(strings.TrimSpace(b), "-")
	return len(x) > 1 && len(y) > 1 && x[1] == y[1]
}

// ran are the stages of the deploy as the journal has them. A deploy that another step made is one of them where its time is known.
func ran(r *report.Report, m step.Marker) []sink.Stage {
	var all []sink.Stage
	deployed := false
	for _, s := range r.Stages {
		k := sink.Stage{Name: s.Name, Started: s.Started, Ended: s.Ended, Failed: s.Error}
		for _, f := range s.Found {
			k.Findings = append(k.Findings, sink.Finding{Check: f.Check, Outcome: f.Outcome.String(), Summary: f.Summary, Failed: f.Outcome == verdict.Fail, At: f.At})
		}
		all = append(all, k)
		deployed = deployed || s.Name == sink.Deploying
	}
	if d := m.Deploy; !deployed && d.Known() && d.Finished.After(d.Started) {
		k := sink.Stage{Name: sink.Deploying, Started: d.Started, Ended: d.Finished}
		for _, s := range all { // begin takes its own time for the deploy's start, and goes on for a while
			if d.Source == "begin" && s.Ended.After(k.Started) && !s.Ended.After(d.Finished) {
				k.Started = s.Ended
			}
		}
		if m.Verdict.Name == verdict.NameDeployFailed {
			k.Failed = m.Verdict.Summary
		}
		all = append(all, k)
		slices.SortStableFunc(all, func(a, b sink.Stage) int { return a.Started.Compare(b.Started) })
	}
	return all
}

// configuration is what diff found that no rule expects.
func configuration(res *diff.Result) sink.Configuration {
	if res == nil {
		return sink.Configuration{}
	}
	c := sink.Configuration{Previous: res.Previous, Target: res.Target}
	for _, ch := range res.Unexpected() {
		c.Changes = append(c.Changes, sink.Change{Where: ch.Where(), From: ch.From, To: ch.To})
	}
	return c
}
