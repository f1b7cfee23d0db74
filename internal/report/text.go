package report

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/cause"
	"github.com/bakegate/bakegate/internal/verdict"
)

// width is what every log can show without wrapping.
const width = 80

var outcomeWord = map[verdict.Outcome]string{
	verdict.Pass: "ok", verdict.Note: "note", verdict.Unknown: "unknown", verdict.Fail: "FAIL",
}

// Text writes the final block: the verdict first, then why, then what to do next.
func (r *Report) Text(w io.Writer, out string) error {
	var b strings.Builder
	v := r.Verdict
	fmt.Fprintln(&b, strings.Repeat("-", width))
	head := strings.ToUpper(string(v.Name))
	fmt.Fprintf(&b, "%s  %s  (exit %d%s)\n", head, v.Reason, v.Exit, mappedNote(v.Verdict))
	Paragraph(&b, "", v.Summary)
	r.why(&b)
	r.causes(&b)
	r.next(&b)
	if out != "" {
		fmt.Fprintf(&b, "\nEvidence: %s/journal.jsonl, %s/summary.md\n", out, out)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func mappedNote(v verdict.Verdict) string {
	if v.Mapped == "" {
		return ""
	}
	return ", set by on:"
}

// why lists the checks, the worst first.
func (r *Report) why(b *strings.Builder) {
	if len(r.Findings) == 0 {
		return
	}
	fmt.Fprintln(b, "\nWhy")
	named := map[string]bool{"": true} // a page is named once
	for _, f := range r.told() {
		Paragraph(b, fmt.Sprintf("  %-8s%-*s ", outcomeWord[f.Outcome], checkWidth, checkLabel(f)), f.Summary)
		if f.Outcome >= verdict.Note {
			r.evidence(b, f)
		}
		if page := page(f); !named[page] {
			Paragraph(b, "            see ", page)
			named[page] = true
		}
	}
}

// checkWidth is how wide the column of the checks is.
const checkWidth = 17

// checkLabel is the check's name, or its stage's where the name is too long for the column and the summary begins with it anyway, as a
// group's does.
func checkLabel(f verdict.Finding) string {
	stage, name, _ := strings.Cut(f.Check, "/")
	if utf8.RuneCountInString(f.Check) > checkWidth && strings.HasPrefix(f.Summary, name) {
		return stage
	}
	return f.Check
}

// told are the findings as people read them: the worst first, and what was cut short by another metric in one line.
func (r *Report) told() []verdict.Finding {
	var out, cut []verdict.Finding
	for _, f := range worstFirst(r.Findings) {
		if _, _, undecided := strings.Cut(f.Summary, " is not decided: "); undecided && f.Outcome == verdict.Note {
			cut = append(cut, f)
			continue
		}
		out = append(out, f)
	}
	if len(cut) == 0 {
		return out
	}
	var names []string
	for _, f := range cut {
		names = append(names, strings.TrimPrefix(f.Check, "bake/"))
	}
	_, why, _ := strings.Cut(cut[0].Summary, " is not decided: ")
	return append(out, verdict.Finding{Check: "bake", Outcome: verdict.Note, Summary: "not decided, because " + why + ": " + strings.Join(names, ", ")})
}

// maxEvidence bounds what the block shows of one finding; the rest is in the journal.
const maxEvidence = 8

func (r *Report) evidence(b *strings.Builder, f verdict.Finding) {
	for i, e := range f.Evidence {
		if i == maxEvidence {
			fmt.Fprintf(b, "            and %d more in the journal\n", len(f.Evidence)-i)
			break
		}
		Paragraph(b, "            ", evidenceLine(f.Check, e))
	}
	if f.Hint != "" {
		Paragraph(b, "            -> ", f.Hint)
	}
}

// page is where a finding that is no pass is explained; "" where nothing is asked of anybody.
func page(f verdict.Finding) string {
	if f.Outcome <= verdict.Note || f.Doc == "" {
		return ""
	}
	return "docs/checks/" + f.Doc + ".md"
}

// evidenceLine tells one piece of evidence. In a comparison of two states nothing is wanted: there is what was before and what is now.
func evidenceLine(check string, e verdict.Evidence) string {
	const got, want = "got ", "wanted "
	switch {
	case check == "diff/changes" && e.Got == "missing":
		return e.What + ": missing, was " + e.Want
	case check == "diff/changes" && e.Got != "" && e.Want == "nothing":
		return e.What + ": extra, is " + e.Got
	case check == "diff/changes" && e.Got != "" && e.Want != "":
		return e.What + ": " + e.Want + " -> " + e.Got
	case e.Got != "" && e.Want != "":
		return e.What + ": " + got + e.Got + ", " + want + e.Want
	case e.Got != "":
		return e.What + ": " + e.Got
	case e.Want != "":
		return e.What + ": " + want + e.Want
	}
	return e.What
}

func (r *Report) causes(b *strings.Builder) {
	cs := r.Causes()
	if len(cs) == 0 {
		return
	}
	fmt.Fprintln(b, "\nCandidate causes, the likeliest first")
	for i, c := range cs {
		Paragraph(b, fmt.Sprintf("  %d. ", i+1), c.String())
	}
}

// Causes ranks what may have caused the verdict; nil for one that needs no cause.
func (r *Report) Causes() []cause.Candidate {
	if n := r.Verdict.Name; n != verdict.NameRollback && n != verdict.NameHold {
		return nil
	}
	in := cause.Input{Findings: r.Findings, Deploy: r.Deploy}
	for _, m := range r.Metrics {
		if j := r.Judgements[m]; j.Status == "fail" && r.failed(m) && !j.BadBefore {
			in.Onsets = append(in.Onsets, cause.Onset{Metric: m, At: j.Onset})
		}
	}
	return cause.Rank(in)
}

// failed says whether a metric is one for which the deploy is rolled back: a dependency's is not.
func (r *Report) failed(metric string) bool {
	return slices.ContainsFunc(r.Findings, func(f verdict.Finding) bool { return f.Check == "bake/"+metric && f.Outcome == verdict.Fail })
}

func (r *Report) next(b *strings.Builder) {
	fmt.Fprintln(b, "\nNext")
	for _, s := range r.Next() {
		Paragraph(b, "  - ", s)
	}
}

// Next says what a person or the pipeline does now.
func (r *Report) Next() []string {
	return append(nextByVerdict(r), r.rollbackLines()...)
}

func nextByVerdict(r *Report) []string {
	switch r.Verdict.Name {
	case verdict.NamePass:
		return []string{"nothing: go on"}
	case verdict.NameRollback:
		return []string{"roll back: it got worse with this deploy, and no other cause is known"}
	case verdict.NameHold:
		return []string{"look at the cause above before you roll back: a person decides"}
	case verdict.NameInconclusive:
		if r.Verdict.Mapped != "" {
			return []string{"nothing is proved; the configuration maps this to exit " + fmt.Sprint(r.Verdict.Exit) + " (on: " + r.Verdict.Mapped + ")"}
		}
		next := []string{"the deploy is neither confirmed nor blamed: look at the service, then mend what is missing above"}
		if usual[r.Verdict.Reason] {
			next = append(next, "if that is how this service is, say so in the configuration: on: {"+r.Verdict.Reason+": pass}")
		}
		return next
	case verdict.NameBlocked:
		return []string{"nothing was deployed: mend what failed above and run again"}
	case verdict.NameSuperseded:
		return []string{"nothing: the newer deploy has its own bake"}
	case verdict.NameAborted:
		if !r.Deploy.Known() {
			return []string{"the run was cancelled before it deployed anything: run it again"}
		}
		return []string{"the run was cancelled, and the deploy may be live: roll back by hand, or watch the rest of it with bakegate run " +
			"--deploy-started TIME --deploy-finished TIME. The same command again is a new deploy"}
	case verdict.NameDeployFailed:
		return []string{"read the deploy command's own output above; the service may run a mixture of versions"}
	case verdict.NamePending:
		if r.Verdict.Reason == "pending/deploy" {
			return []string{"deploy, then run bakegate finish with the same out directory"}
		}
		return []string{"the window is not over: run bakegate finish --once again later"}
	}
	return []string{"bakegate could not do its work; this says nothing about the deploy. Mend the cause above and run again"}
}

// usual are reasons that a service may have with every deploy, and that say nothing of the monitoring.
var usual = map[string]bool{"inconclusive/low-traffic": true, "inconclusive/no-baseline": true, "inconclusive/unproved": true}

func (r *Report) rollbackLines() []string {
	n := r.Verdict.Name
	if !n.Failed() {
		return nil
	}
	var out []string
	if r.Plan.Rollback != "" && n == verdict.NameHold {
		out = append(out, "if you decide to roll back: "+r.Plan.Rollback)
	} else if r.Plan.Rollback != "" {
		out = append(out, "rollback command: "+r.Plan.Rollback)
	} else {
		out = append(out, "no rollback.command is configured: this is where it would stand")
	}
	if g := r.Plan.LastGood; g != nil {
		out = append(out, fmt.Sprintf("last good deploy: %s, %s", strings.Join(strings.Fields(g.Version+" "+g.Digest), " "), g.At.UTC().Format(time.RFC3339)))
	}
	return out
}

// worstFirst orders findings by severity, keeping their order within one.
func worstFirst(fs []verdict.Finding) []verdict.Finding {
	out := append([]verdict.Finding(nil), fs...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Outcome > out[j].Outcome })
	return out
}

// Paragraph writes text behind a prefix, wrapped at width, later lines indented to the prefix's length.
func Paragraph(b *strings.Builder, prefix, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	line, empty := prefix, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			fmt.Fprintln(b, strings.TrimRight(line, " "))
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}
