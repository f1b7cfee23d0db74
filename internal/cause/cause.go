// Package cause ranks what may have caused a bad deploy, from the evidence that the stages found. It is pure and deterministic, and it
// says nothing rather than invent.
package cause

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Input is the evidence.
type Input struct {
	Findings []verdict.Finding
	Onsets   []Onset
	Deploy   release.Deploy
}

// Onset is since when a metric is worse.
type Onset struct {
	Metric string
	At     time.Time
}

// Candidate is one possible cause. Score orders candidates and means nothing else.
type Candidate struct {
	Cause    string
	Evidence string
	Score    int
}

func (c Candidate) String() string {
	if c.Evidence == "" {
		return c.Cause
	}
	return c.Cause + ": " + c.Evidence
}

// The scores: a direct proof beats a forbidden change, which beats an unexpected one, which beats coincidence in time.
const (
	proved      = 100
	forbidden   = 60
	unexpected  = 40
	coincidence = 10
)

// most bounds the list: a tired person reads five lines.
const most = 5

// Rank returns the candidates, the likeliest first.
func Rank(in Input) []Candidate {
	var cs []Candidate
	for _, f := range in.Findings {
		cs = append(cs, fromFinding(f)...)
	}
	cs = append(cs, inTime(in)...)
	sort.SliceStable(cs, func(i, j int) bool { return cs[i].Score > cs[j].Score })
	return cs[:min(len(cs), most)]
}

func fromFinding(f verdict.Finding) []Candidate {
	switch {
	case f.Outcome == verdict.Fail && strings.HasPrefix(f.Check, "verify/"):
		return []Candidate{{"the wrong artifact is live", f.Summary, proved}}
	case f.Outcome == verdict.Fail && f.External:
		return []Candidate{{"a cause outside this deploy", f.Summary, proved}}
	case f.Outcome == verdict.Fail && f.Check == "diff/forbid":
		return []Candidate{{"a forbidden change of the configuration", f.Summary, forbidden}}
	case f.Outcome == verdict.Note && f.Check == "diff/changes":
		return fromChanges(f)
	}
	return nil
}

// fromChanges names the configuration's unexpected changes, as many as fit.
func fromChanges(f verdict.Finding) []Candidate {
	var cs []Candidate
	for i, e := range f.Evidence {
		if i == most {
			break
		}
		text := e.What
		if e.Got != "" || e.Want != "" {
			text = fmt.Sprintf("%s: %s, before %s", e.What, orNothing(e.Got), orNothing(e.Want))
		}
		cs = append(cs, Candidate{"a change of the configuration", text, unexpected - i})
	}
	return cs
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// inTime says that a metric turned bad right behind the deploy: the new code itself, when nothing more specific is known.
func inTime(in Input) []Candidate {
	var late []string
	for _, o := range in.Onsets {
		if o.At.IsZero() || in.Deploy.Serving.IsZero() || o.At.Before(in.Deploy.Started) {
			continue
		}
		late = append(late, fmt.Sprintf("%s: worse, counted from %s on", o.Metric, since(o.At.Sub(in.Deploy.Serving))))
	}
	if len(late) == 0 {
		return nil
	}
	return []Candidate{{"the new version itself", strings.Join(late, "; "), coincidence}}
}

// since tells an onset as exactly as it is known: to the minute.
func since(d time.Duration) string {
	if d < time.Minute {
		return "the first minute of its serving"
	}
	return fmt.Sprintf("about %s after it began to serve", d.Round(time.Minute))
}
