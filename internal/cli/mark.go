package cli

import (
	"context"

	"github.com/bakegate/bakegate/internal/mark"
	"github.com/bakegate/bakegate/internal/mark/sink"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
)

type markStage func(context.Context, step.Marker) []verdict.Finding

// markStages are the two calls, by what this command does: bakegate mark makes one of them.
func (s *session) markStages() (open, seal markStage) {
	open = func(ctx context.Context, m step.Marker) []verdict.Finding {
		k := s.marker(m)
		k.Changes = configuration(s.changes)
		return s.told(mark.Open(ctx, s.file.Mark, k, s.messages(s.journalled()), s.intent))
	}
	seal = func(ctx context.Context, m step.Marker) []verdict.Finding {
		k, r := s.marker(m), s.journalled()
		k.Stages = ran(r, m)
		return s.told(mark.Seal(ctx, s.file.Mark, k, s.messages(r), s.intent))
	}
	switch {
	case s.mode == step.Alone && s.o.seal != "":
		seal := seal // the returned function is the result of the same name by the time it is called
		return nil, func(ctx context.Context, m step.Marker) []verdict.Finding {
			m.Verdict = verdict.Verdict{Name: verdict.Name(s.o.seal), Reason: s.o.seal, Summary: "sealed by hand"}
			return seal(ctx, m)
		}
	case s.mode == step.Alone:
		return open, nil
	case s.mode == step.Finish: // begin opened it; what failed then is made when it is sealed
		return nil, seal
	case s.mode == step.Begin: // a blocked deploy leaves no marker, and one that goes on is sealed by finish
		return open, nil
	}
	return open, seal
}

// journalled is the journal as it stands.
func (s *session) journalled() *report.Report {
	r, err := readBack(s.o.out)
	if err != nil {
		return &report.Report{}
	}
	return r
}

// messages are what this deploy told the tools by now, from the journal; where that is lost, the ledger says that there may be some.
func (s *session) messages(r *report.Report) mark.Told {
	told := mark.Told{}
	if s.lost != nil { // the ledger says that the deploy started, and nobody knows what the tools were told then
		for _, m := range s.file.Mark {
			told.Add(m.Kind, mark.PhaseOpen, true, "", "")
		}
	}
	for _, m := range r.Markers {
		told.Add(m.Sink, mark.Phase(m.Phase), m.Intent, m.ID, m.Error)
	}
	return told
}

// intent writes down that a message is about to be sent: behind it, nobody can say that it was not.
func (s *session) intent(tool string, phase mark.Phase) error {
	return s.journal.Append(record.TypeMarker, record.Marker{Sink: tool, Phase: string(phase), Intent: true})
}

// told writes down what became of the messages. One whose fate is not known leaves its intent open.
func (s *session) told(results []mark.Result) []verdict.Finding {
	for _, r := range results {
		if r.Uncertain || r.Skipped != "" {
			continue
		}
		m := record.Marker{Sink: r.Sink, Phase: string(r.Phase), ID: r.ID}
		if r.Err != nil {
			m.Error = r.Err.Error()
		}
		if err := s.journal.Append(record.TypeMarker, m); err != nil {
			s.note("mark", err.Error())
		}
	}
	return mark.Findings(results)
}

func (s *session) marker(m step.Marker) sink.Marker {
	images := map[string]string{}
	for _, i := range m.Images {
		images[i.Ref] = i.Digest
	}
	k := markerOf(s.recordPlan(), images)
	k.Started, k.Ended = m.Deploy.Started, m.Ended
	k.Verdict, k.Reason, k.Summary = string(m.Verdict.Name), m.Verdict.Reason, m.Verdict.Summary
	if m.Verdict.Name == verdict.NamePass {
		failed, rollback := record.Remedied(s.here(), k.DeployID, k.Digest)
		for _, r := range failed {
			k.Remedied = append(k.Remedied, r.DeployID)
		}
		k.Rollback = rollback
	}
	if k.Started.IsZero() { // a marker needs a time; the run's own start is when somebody noticed
		k.Started = s.began
	}
	return k
}
