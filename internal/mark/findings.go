package mark

import (
	"fmt"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Findings says what became of the markers: a Pass where the tool shows what was asked for, else a Note. A marker never fails a deploy.
func Findings(results []Result) []verdict.Finding {
	fs := make([]verdict.Finding, len(results))
	for i, r := range results {
		fs[i] = r.finding()
	}
	return fs
}

var done = map[Phase]string{PhaseOpen: "marked the start of the deploy", PhaseSeal: "marked the end of the deploy and its verdict"}

func (r Result) finding() verdict.Finding {
	f := verdict.Finding{Check: "mark/" + r.Sink, Outcome: verdict.Note, Doc: "mark", Hint: r.Hint}
	switch {
	case r.Err != nil && r.Uncertain:
		f.Summary = fmt.Sprintf("%s: it is not known whether the tool %s: %s", r.Sink, done[r.Phase], clean.Text(r.Err.Error()))
	case r.Err != nil:
		f.Summary = fmt.Sprintf("%s: the deploy's %s is not marked: %s", r.Sink, map[Phase]string{PhaseOpen: "start", PhaseSeal: "end"}[r.Phase], clean.Text(r.Err.Error()))
	case r.Uncertain:
		f.Summary = fmt.Sprintf("%s: nothing sent: %s", r.Sink, r.Skipped)
	case r.Warning != "":
		f.Summary = fmt.Sprintf("%s: %s, but: %s", r.Sink, done[r.Phase], clean.Text(r.Warning))
	case r.Skipped == AtEnd:
		f.Outcome = verdict.Pass
		f.Summary = fmt.Sprintf("%s: nothing to send yet: %s", r.Sink, r.Skipped)
	default:
		f.Outcome = verdict.Pass
		f.Summary = fmt.Sprintf("%s: %s", r.Sink, done[r.Phase])
		if r.Skipped != "" {
			f.Summary += " (" + r.Skipped + ")"
		}
	}
	if r.ID != "" {
		f.Evidence = []verdict.Evidence{{What: "marker", Got: r.ID}}
	}
	if r.Err != nil && f.Hint == "" {
		f.Hint = "the deploy goes on without this marker; check that the tool can be reached from the pipeline"
	}
	return f
}
