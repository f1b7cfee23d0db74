package verdict

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Name is one of the verdicts of the contract.
type Name string

// The verdicts, as the pipeline sees them.
const (
	NamePass         Name = "pass"
	NameRollback     Name = "rollback"
	NameHold         Name = "hold"
	NameInconclusive Name = "inconclusive"
	NameBlocked      Name = "blocked"
	NameSuperseded   Name = "superseded"
	NameAborted      Name = "aborted"
	NameDeployFailed Name = "deploy-failed"
	NamePending      Name = "pending"
	NameError        Name = "error"
	NameUsage        Name = "usage"
)

// exitCodes is the contract. Codes 2..9 are left free: Go's panic exits 2, and a crash must never read as a verdict.
var exitCodes = map[Name]int{
	NamePass: 0, NameError: 1,
	NameRollback: 10, NameHold: 11, NameInconclusive: 12, NameBlocked: 13, NameSuperseded: 14,
	NameAborted: 15, NameDeployFailed: 16, NamePending: 17, NameUsage: 64,
}

// ExitCode is the exit code that the contract gives a verdict.
func (n Name) ExitCode() int {
	if c, ok := exitCodes[n]; ok {
		return c
	}
	return exitCodes[NameError]
}

// Failed reports whether something was deployed that did not hold good.
func (n Name) Failed() bool { return n == NameRollback || n == NameHold || n == NameDeployFailed }

// Names lists every verdict by its exit code.
func Names() []Name {
	names := make([]Name, 0, len(exitCodes))
	for n := range exitCodes {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool { return names[i].ExitCode() < names[j].ExitCode() })
	return names
}

// Verdict is the answer.
type Verdict struct {
	Name    Name   `json:"verdict"`
	Reason  string `json:"reason"` // VERDICT/WHAT; just VERDICT for a pass
	Exit    int    `json:"exit"`   // after on:
	Summary string `json:"summary"`
	// Mapped says that on: changed the exit code, and names the entry that did.
	Mapped string `json:"mapped,omitempty"`
	// Deciding is the index of the finding that decided, -1 when an ending or nothing did.
	Deciding int `json:"deciding"`
}

// Ending is how the run came to its end, apart from what was found.
type Ending struct {
	Kind    Name   // NamePass: it ran to the end. Otherwise aborted, deploy-failed, superseded, pending or error
	What    string // the WHAT of the reason: "signal", "exit-3", "newer-deploy", "window-open", "registry"
	Summary string // one sentence
}

// Policy is what Decide must know beside the findings.
type Policy struct {
	Deployed     bool // the new version is (or may be) live: a failure can no longer be blocked
	Irreversible bool // rolling back is unsafe: a rollback becomes hold/irreversible
	Reversible   bool // the user says that it is safe, whatever was found
	// NoRollback is why an automatic rollback would be useless ("no-target", "loop"); empty: it is not.
	NoRollback string
	On         map[string]int // verdict or reason -> exit code
	// MarksOnly says that nothing but markers was asked for: a marker that fails is a note, and there is nothing to prove.
	MarksOnly bool
}

// Decide returns the verdict. Its precedence: a cancelled run and a failed deploy command say so; a deploy that was taken over
// needs nothing; then what is proved bad; then a run that could not do its work; then an open window; then missing evidence.
// Between findings of the same severity the first one decides, save that one which on: lets through never hides one that it does not.
func Decide(p Policy, end Ending, fs []Finding) Verdict {
	p.Irreversible = p.Irreversible || !p.Reversible && slices.ContainsFunc(fs, func(f Finding) bool { return f.Irreversible })
	switch end.Kind {
	case NameAborted, NameSuperseded:
		return p.ended(end)
	}
	if v, ok := p.proved(end, fs); ok {
		return v
	}
	switch end.Kind {
	case NameError, NamePending, NameDeployFailed:
		return p.ended(end)
	}
	if i := p.first(fs, Unknown, p.unknownReason); i >= 0 {
		return p.finding(NameInconclusive, p.unknownReason(fs[i]), fs[i].Summary, i)
	}
	if p.MarksOnly {
		return p.finding(NamePass, string(NamePass), "the tools were told; nothing else was asked for", -1)
	}
	if n := countPasses(fs); n == 0 {
		return p.finding(NameInconclusive, "inconclusive/nothing-checked", "no check ran, so nothing is proved", -1)
	}
	return p.finding(NamePass, string(NamePass), passSummary(fs), -1)
}

// proved looks for a Fail. A deploy command that failed is its own verdict even where a check failed too: what runs now is
// whatever that command left, and its own failure is what a person must see.
func (p Policy) proved(end Ending, fs []Finding) (Verdict, bool) {
	if end.Kind == NameDeployFailed {
		return Verdict{}, false
	}
	i := p.first(fs, Fail, p.failReason)
	if i < 0 {
		return Verdict{}, false
	}
	reason := p.failReason(fs[i])
	name, _, _ := strings.Cut(reason, "/")
	return p.finding(Name(name), reason, fs[i].Summary, i), true
}

func (p Policy) failReason(f Finding) string {
	switch {
	case !p.Deployed:
		return string(NameBlocked) + "/" + what(f)
	case f.External:
		return string(NameHold) + "/external"
	case p.Irreversible:
		return string(NameHold) + "/irreversible"
	case p.NoRollback != "":
		return string(NameHold) + "/" + p.NoRollback
	}
	return string(NameRollback) + "/" + what(f)
}

func (p Policy) unknownReason(f Finding) string { return string(NameInconclusive) + "/" + what(f) }

// first returns the index of the finding with this outcome that decides: the first that on: does not turn into success, else the
// first, else -1. An external cause decides only where nothing else failed.
func (p Policy) first(fs []Finding, o Outcome, reason func(Finding) string) int {
	best, bestRank := -1, 4
	for i, f := range fs {
		if f.Outcome != o {
			continue
		}
		rank := 0
		if f.External {
			rank = 1
		}
		name, _, _ := strings.Cut(reason(f), "/")
		if exit, _ := p.exit(Name(name), reason(f)); exit == 0 {
			rank += 2
		}
		if rank < bestRank {
			best, bestRank = i, rank
		}
	}
	return best
}

func (p Policy) ended(e Ending) Verdict {
	reason := string(e.Kind)
	if e.What != "" {
		reason += "/" + e.What
	}
	return p.finding(e.Kind, reason, e.Summary, -1)
}

func (p Policy) finding(n Name, reason, summary string, i int) Verdict {
	exit, mapped := p.exit(n, reason)
	return Verdict{Name: n, Reason: reason, Exit: exit, Mapped: mapped, Summary: summary, Deciding: i}
}

// exit applies on:, the reason before the verdict.
func (p Policy) exit(n Name, reason string) (code int, mapped string) {
	if c, ok := p.On[reason]; ok {
		return c, reason
	}
	if c, ok := p.On[string(n)]; ok {
		return c, string(n)
	}
	return n.ExitCode(), ""
}

func what(f Finding) string {
	if f.Reason != "" {
		return f.Reason
	}
	if _, w, ok := strings.Cut(f.Check, "/"); ok {
		return w
	}
	return f.Check
}

// CheckEarly is the note of a bake that passed before the end of its window: the verdict says so too, since it was asked for less.
const CheckEarly = "bake/pass-after"

// markers is how the checks of the markers begin.
const markers = "mark/"

func passSummary(fs []Finding) string {
	n, text := countPasses(fs), "the one check that was asked for passed"
	if n > 1 {
		text = fmt.Sprintf("all %d checks passed", n)
	}
	if slices.ContainsFunc(fs, func(f Finding) bool { return f.Outcome == Pass && strings.HasPrefix(f.Check, markers) }) {
		text += " (markers apart)"
	}
	early, notes := "", ""
	for _, f := range fs {
		switch {
		case f.Check == CheckEarly:
			what, _, _ := strings.Cut(f.Summary, ":")
			early = "; the bake " + what
		case f.Outcome == Note:
			notes = ", with notes"
		}
	}
	return text + notes + early
}

// countPasses counts what was looked at and is not wrong. A marker proves nothing about the deploy; differences that no rule forbids are
// noted, and the comparison was made.
func countPasses(fs []Finding) int {
	n := 0
	for _, f := range fs {
		if f.Outcome == Pass && !strings.HasPrefix(f.Check, markers) || f.Outcome == Note && f.Check == "diff/changes" {
			n++
		}
	}
	return n
}

// Worst is the worst outcome among the findings; Pass when there are none.
func Worst(fs []Finding) Outcome {
	w := Pass
	for _, f := range fs {
		w = max(w, f.Outcome)
	}
	return w
}
