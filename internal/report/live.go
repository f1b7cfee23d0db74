package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Live writes the log while a run goes on: one line an entry that a person wants to see. It is fed with the journal's entries as they
// are written, so that the log says what the journal says.
type Live struct {
	mu      sync.Mutex
	w       io.Writer
	verbose bool
}

// NewLive makes a log. verbose adds what is normally left to the journal.
func NewLive(w io.Writer, verbose bool) *Live { return &Live{w: w, verbose: verbose} }

// Entry shows one entry. An entry that cannot be read is left out: the journal's reader reports it.
func (l *Live) Entry(e record.Entry) {
	stage, text := l.line(e)
	if text == "" {
		return
	}
	var b strings.Builder
	Paragraph(&b, fmt.Sprintf("%s %-9s ", e.T.UTC().Format("15:04:05"), stage), text)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, b.String())
}

func (l *Live) line(e record.Entry) (stage, text string) {
	switch e.Type {
	case record.TypePlan:
		return plan(e.Data)
	case record.TypeFinding:
		return finding(e.Data)
	case record.TypeMarker:
		return l.marker(e.Data)
	case record.TypeDeploy:
		return deploy(e.Data)
	case record.TypeNote:
		var n record.Note
		_ = json.Unmarshal(e.Data, &n)
		return n.Stage, n.Text
	case record.TypeGap:
		var g record.Gap
		_ = json.Unmarshal(e.Data, &g)
		return "bake", g.Detail
	case record.TypeAttempt:
		var a record.Attempt
		if _ = json.Unmarshal(e.Data, &a); a.Resumed {
			return "run", "goes on where an earlier run of this deploy stopped"
		}
	}
	return "", ""
}

func plan(data []byte) (string, string) {
	var p record.Plan
	_ = json.Unmarshal(data, &p)
	what := p.Release.Service
	if p.Release.Version != "" {
		what += " " + p.Release.Version
	}
	if p.Release.Environment != "" {
		what += " to " + p.Release.Environment
	}
	what = strings.TrimSpace(what)
	if len(p.Stages) > 0 { // begin may have none before the deploy
		what += ": " + strings.Join(p.Stages, ", ")
	}
	return "plan", fmt.Sprintf("%s (deploy %s)", what, p.DeployID)
}

func finding(data []byte) (string, string) {
	var f verdict.Finding
	_ = json.Unmarshal(data, &f)
	stage := Stage(f.Check)
	if stage == "bake" { // the bake told it when it was judged
		return "", ""
	}
	return stage, fmt.Sprintf("%-4s %s", outcomeWord[f.Outcome], f.Summary)
}

func (l *Live) marker(data []byte) (string, string) {
	var m record.Marker
	_ = json.Unmarshal(data, &m)
	if !l.verbose { // the findings say it
		return "", ""
	}
	verb := map[string]string{"open": "opened", "seal": "sealed"}[m.Phase]
	switch {
	case m.Intent:
		verb = "about to be " + verb
	case m.Error != "":
		return "mark", fmt.Sprintf("%s: the marker was not %s: %s", m.Sink, verb, m.Error)
	}
	return "mark", fmt.Sprintf("%s: the marker is %s", m.Sink, verb)
}

func deploy(data []byte) (string, string) {
	var d release.Deploy
	_ = json.Unmarshal(data, &d)
	switch {
	case !d.Serving.IsZero(): // the bake told it
	case !d.Finished.IsZero() && d.FinishedSource == release.Finish:
		return "deploy", fmt.Sprintf("finished by %s, when bakegate finish began", d.Finished.UTC().Format("15:04:05"))
	case !d.Finished.IsZero():
		return "deploy", fmt.Sprintf("finished at %s (known from: %s)", d.Finished.UTC().Format("15:04:05"), d.Source)
	case !d.Started.IsZero():
		return "deploy", fmt.Sprintf("started at %s (known from: %s)", d.Started.UTC().Format("15:04:05"), d.Source)
	}
	return "", ""
}
