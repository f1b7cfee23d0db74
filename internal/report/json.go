package report

import (
	"encoding/json"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Schema is the version of verdict.json's form.
const Schema = 1

// Document is verdict.json.
type Document struct {
	Schema     int                `json:"schema"`
	Verdict    verdict.Name       `json:"verdict"`
	Reason     string             `json:"reason"`
	Exit       int                `json:"exit"`
	Mapped     string             `json:"mapped,omitempty"`
	Summary    string             `json:"summary"`
	Findings   []verdict.Finding  `json:"findings"`
	DeployID   string             `json:"deployId,omitempty"`
	Release    release.Release    `json:"release"`
	Deploy     release.Deploy     `json:"deploy"`
	Images     map[string]string  `json:"images,omitempty"`
	Judgements []judge.Judgement  `json:"judgements,omitempty"`
	Markers    []record.Marker    `json:"markers,omitempty"`
	Gaps       []record.Gap       `json:"gaps,omitempty"`
	Next       []string           `json:"next,omitempty"`
	LastGood   *record.LastGoodOf `json:"lastGood,omitempty"`
	Ended      time.Time          `json:"ended,omitzero"`
}

// Pending is what verdict.json holds from the start until the end: a run that was killed must not leave an earlier verdict behind.
func Pending(p record.Plan) Document {
	return Document{Schema: Schema, Verdict: verdict.NameError, Reason: "error/unfinished", Exit: verdict.NameError.ExitCode(),
		Summary: "the run has not ended, or it was killed", Findings: []verdict.Finding{}, DeployID: p.DeployID, Release: p.Release}
}

// Document is the report as data.
func (r *Report) Document() Document {
	d := Document{Schema: Schema, Verdict: r.Verdict.Name, Reason: r.Verdict.Reason, Exit: r.Verdict.Exit, Mapped: r.Verdict.Mapped,
		Summary: r.Verdict.Summary, Findings: r.Findings, DeployID: r.Plan.DeployID, Release: r.Plan.Release, Deploy: r.Deploy,
		Images: r.Images, Gaps: r.Gaps, Next: r.Next(), LastGood: r.Plan.LastGood, Ended: r.Verdict.Ended}
	if d.Findings == nil {
		d.Findings = []verdict.Finding{}
	}
	for _, m := range r.Markers {
		if !m.Intent {
			d.Markers = append(d.Markers, m)
		}
	}
	for _, m := range r.Metrics {
		if j, ok := r.Judgements[m]; ok {
			d.Judgements = append(d.Judgements, j)
		}
	}
	return d
}

// JSON is the document, indented, with a newline at its end.
func (d Document) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
}
