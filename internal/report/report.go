// Package report renders a run from its journal: the live log, the final block, JSON and Markdown. Everything is made from the same
// entries, so that no two renderings can disagree, and any of them can be made again later.
package report

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Samples is the data of a baseline or sample entry.
type Samples struct {
	Metric  string         `json:"metric"`
	Of      string         `json:"of,omitempty"` // the metric of which Metric is a group
	Samples []judge.Sample `json:"samples"`
}

// Report is what a journal says, in the order in which people ask.
type Report struct {
	Plan       record.Plan
	Attempts   []record.Attempt
	Deploy     release.Deploy
	Findings   []verdict.Finding
	Markers    []record.Marker
	Baseline   map[string]judge.Packed
	Samples    map[string]judge.Packed
	Metrics    []string          // in the order in which they were first seen
	Groups     map[string]string // of these, the groups: whose
	Judgements map[string]judge.Judgement
	Gaps       []record.Gap
	Images     map[string]string // reference -> verified digest
	Stages     []StageRun        // every one that has run, those of earlier attempts too, in their order
	Verdict    record.Sealed
	HasVerdict bool
	but        map[string][]verdict.Finding
	First      time.Time // of the first and the last entry
	Last       time.Time
}

// StageRun is one stage that has run, and what it found.
type StageRun struct {
	record.Stage
	Found []Found
}

// Found is a finding and when it was written down.
type Found struct {
	verdict.Finding
	At time.Time
}

// From reads a journal's entries: what an earlier attempt of the same command found is replaced by what the later one found. An error of
// theirs is returned as it is.
func From(entries iter.Seq2[record.Entry, error]) (*Report, error) {
	r := &Report{Baseline: map[string]judge.Packed{}, Samples: map[string]judge.Packed{}, Groups: map[string]string{},
		Judgements: map[string]judge.Judgement{}, Images: map[string]string{}}
	b := builder{r: r}
	n := 0
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		n++
		if err := b.add(e); err != nil {
			return nil, fmt.Errorf("entry %d (%s): %w", n, e.Type, err)
		}
	}
	r.Findings = b.findings("")
	r.but = map[string][]verdict.Finding{}
	for _, a := range b.attempts {
		r.but[a.command] = b.findings(a.command)
	}
	return r, nil
}

type attempted struct {
	command  string
	findings []verdict.Finding
}

type builder struct {
	r        *Report
	attempts []attempted
	found    []Found // since the last stage
}

func (b *builder) add(e record.Entry) error {
	r := b.r
	if r.First.IsZero() {
		r.First = e.T
	}
	r.Last = e.T
	switch e.Type {
	case record.TypePlan:
		return json.Unmarshal(e.Data, &r.Plan)
	case record.TypeAttempt:
		return b.attempt(e.Data)
	case record.TypeFinding:
		return b.finding(e)
	case record.TypeStage:
		return b.stage(e.Data)
	case record.TypeMarker:
		return appendTo(e.Data, &r.Markers)
	case record.TypeDeploy:
		return json.Unmarshal(e.Data, &r.Deploy)
	case record.TypeImage:
		var i record.Image
		err := json.Unmarshal(e.Data, &i)
		r.Images[i.Ref] = i.Digest
		return err
	case record.TypeBaseline:
		return b.samples(e.Data, r.Baseline)
	case record.TypeSample:
		return b.samples(e.Data, r.Samples)
	case record.TypeJudgement:
		var j judge.Judgement
		err := json.Unmarshal(e.Data, &j)
		b.seen(j.Metric)
		r.Judgements[j.Metric] = j
		return err
	case record.TypeGap:
		return appendTo(e.Data, &r.Gaps)
	case record.TypeVerdict:
		r.HasVerdict = true
		return json.Unmarshal(e.Data, &r.Verdict)
	}
	return nil // notes, and types that a newer bakegate of the same version added
}

func appendTo[T any](data []byte, to *[]T) error {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*to = append(*to, v)
	return nil
}

// attempt begins a new attempt; a verdict from before it no longer counts, nor do the samples of one that starts over.
func (b *builder) attempt(data []byte) error {
	if err := appendTo(data, &b.r.Attempts); err != nil {
		return err
	}
	a := b.r.Attempts[len(b.r.Attempts)-1]
	b.attempts = append(b.attempts, attempted{command: a.Command})
	b.r.HasVerdict, b.r.Verdict, b.found = false, record.Sealed{}, nil
	return nil
}

func (b *builder) finding(e record.Entry) error {
	if len(b.attempts) == 0 {
		b.attempts = append(b.attempts, attempted{})
	}
	a := &b.attempts[len(b.attempts)-1]
	if err := appendTo(e.Data, &a.findings); err != nil {
		return err
	}
	b.found = append(b.found, Found{Finding: a.findings[len(a.findings)-1], At: e.T})
	return nil
}

// stage takes the findings since the stage before it.
func (b *builder) stage(data []byte) error {
	s := StageRun{Found: b.found}
	b.found = nil
	err := json.Unmarshal(data, &s.Stage)
	b.r.Stages = append(b.r.Stages, s)
	return err
}

// findings keeps, of several attempts of one command, those of the last; none of the command but.
func (b *builder) findings(but string) []verdict.Finding {
	last := map[string]int{}
	for i, a := range b.attempts {
		last[a.command] = i
	}
	var fs []verdict.Finding
	for i, a := range b.attempts {
		if last[a.command] == i && (but == "" || a.command != but) {
			fs = append(fs, a.findings...)
		}
	}
	return lastOfMarkers(fs)
}

// lastOfMarkers keeps, of what a tool was told at the start and at the end, the end.
func lastOfMarkers(fs []verdict.Finding) []verdict.Finding {
	last := map[string]int{}
	for i, f := range fs {
		last[f.Check] = i
	}
	var out []verdict.Finding
	for i, f := range fs {
		if Stage(f.Check) != "mark" || last[f.Check] == i {
			out = append(out, f)
		}
	}
	return out
}

func (b *builder) samples(data []byte, to map[string]judge.Packed) error {
	var s Samples
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if b.seen(s.Metric); s.Of != "" {
		b.r.Groups[s.Metric] = s.Of
	}
	have := to[s.Metric]
	for _, n := range s.Samples {
		if last, _ := have.Newest(); have.Len() > 0 && !n.From.After(last) {
			have = judge.Packed{} // an attempt that started over
		}
		have.Add(n)
	}
	to[s.Metric] = have
	return nil
}

func (b *builder) seen(metric string) {
	for _, m := range b.r.Metrics {
		if m == metric {
			return
		}
	}
	b.r.Metrics = append(b.r.Metrics, metric)
}

// Stage is the part of a check's name before the slash.
func Stage(check string) string {
	s, _, _ := strings.Cut(check, "/")
	return s
}

// Sealed reports whether the run came to its end: nothing goes on with it.
func (r *Report) Sealed() bool { return r.HasVerdict && !r.Verdict.Open }

// FindingsBut are the findings of the attempts of other commands: what counts for a new attempt of this one.
func (r *Report) FindingsBut(command string) []verdict.Finding {
	if fs, ok := r.but[command]; ok {
		return fs
	}
	return r.Findings
}

// Unfinished gives the report of a run that has no verdict yet, or was killed, the verdict that says so.
func (r *Report) Unfinished() {
	r.Verdict.Verdict = verdict.Verdict{Name: verdict.NameError, Reason: "error/unfinished", Exit: verdict.NameError.ExitCode(),
		Summary: "the run has not ended, or it was killed", Deciding: -1}
}
