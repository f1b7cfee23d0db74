package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Markdown writes the job's summary.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	v := r.Verdict
	fmt.Fprintf(&b, "## bakegate: %s\n\n", v.Name)
	fmt.Fprintf(&b, "**%s** (`%s`, exit %d%s)\n\n", escape(v.Summary), v.Reason, v.Exit, mappedNote(v.Verdict))
	r.facts(&b)
	r.checks(&b)
	r.details(&b)
	for _, m := range r.Metrics {
		chart(&b, m, r.Samples[m], r.Judgements[m])
	}
	if cs := r.Causes(); len(cs) > 0 {
		b.WriteString("### Candidate causes\n\n")
		for i, c := range cs {
			fmt.Fprintf(&b, "%d. %s\n", i+1, escape(c.String()))
		}
		b.WriteString("\n")
	}
	b.WriteString("### Next\n\n")
	for _, s := range nextByVerdict(r) {
		fmt.Fprintf(&b, "- %s\n", escape(s))
	}
	r.rollbackMarkdown(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) rollbackMarkdown(b *strings.Builder) {
	lines := r.rollbackLines()
	for _, s := range lines {
		if cmd, ok := strings.CutPrefix(s, "rollback command: "); ok {
			fmt.Fprintf(b, "- rollback command:\n\n%s\n", fence(cmd))
			continue
		}
		fmt.Fprintf(b, "- %s\n", escape(s))
	}
}

// fence puts text into a code block that the text cannot close.
func fence(s string) string {
	ticks := "```"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	return "  " + ticks + "sh\n  " + s + "\n  " + ticks
}

func (r *Report) facts(b *strings.Builder) {
	rel := r.Plan.Release
	rows := [][2]string{{"Service", rel.Service}, {"Environment", rel.Environment}, {"Version", rel.Version}, {"Image", rel.Image},
		{"Deploy", r.Plan.DeployID}, {"Started", stamp(r.Deploy.Started)}, {"Serving since", stamp(r.Deploy.Serving)}, {"Ended", stamp(r.Verdict.Ended)}}
	b.WriteString("| | |\n|---|---|\n")
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(b, "| %s | %s |\n", row[0], escape(row[1]))
		}
	}
	b.WriteString("\n")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

var outcomeMark = map[verdict.Outcome]string{verdict.Pass: "✅ ok", verdict.Note: "ℹ️ note", verdict.Unknown: "❔ unknown", verdict.Fail: "❌ **fail**"}

func (r *Report) checks(b *strings.Builder) {
	if len(r.Findings) == 0 {
		return
	}
	b.WriteString("| Check | | What was found |\n|---|---|---|\n")
	for _, f := range worstFirst(r.Findings) {
		fmt.Fprintf(b, "| %s | %s | %s |\n", escape(f.Check), outcomeMark[f.Outcome], escape(f.Summary))
	}
	b.WriteString("\n")
}

func (r *Report) details(b *strings.Builder) {
	for _, f := range worstFirst(r.Findings) {
		if f.Outcome < verdict.Note || len(f.Evidence) == 0 && f.Hint == "" {
			continue
		}
		fmt.Fprintf(b, "<details><summary>%s</summary>\n\n", escape(f.Check))
		for i, e := range f.Evidence {
			if i == 5*maxEvidence {
				fmt.Fprintf(b, "- and %d more in the journal\n", len(f.Evidence)-i)
				break
			}
			fmt.Fprintf(b, "- %s\n", escape(evidenceLine(f.Check, e)))
		}
		if f.Hint != "" {
			fmt.Fprintf(b, "\n%s\n", escape(f.Hint))
		}
		b.WriteString("\n</details>\n\n")
	}
}

// maxPoints bounds a chart: more can neither be read nor rendered.
const maxPoints = 60

// chart draws what a metric did after the deploy, and what it did before as a level line.
func chart(b *strings.Builder, metric string, samples []judge.Sample, j judge.Judgement) {
	ys, unit := points(samples)
	if len(ys) < 2 {
		return
	}
	ys, per := thin(ys)
	step := samples[0].To.Sub(samples[0].From) * time.Duration(per)
	fmt.Fprintf(b, "### %s\n\n", escape(metric))
	if j.Sentence != "" {
		fmt.Fprintf(b, "%s\n\n", escape(j.Sentence))
	}
	b.WriteString("```mermaid\nxychart-beta\n")
	fmt.Fprintf(b, "  title \"%s after the deploy%s\"\n", mermaidText(metric), beforeNote(j))
	fmt.Fprintf(b, "  x-axis \"minutes\" 0 --> %.3g\n", step.Minutes()*float64(len(ys)))
	fmt.Fprintf(b, "  y-axis \"%s\"\n", unit)
	fmt.Fprintf(b, "  line [%s]\n", numbers(ys))
	if j.Before.Total > 0 {
		fmt.Fprintf(b, "  line [%s]\n", numbers(level(j.Before.Value*scale(unit), len(ys))))
	}
	b.WriteString("```\n\n")
}

func beforeNote(j judge.Judgement) string {
	if j.Before.Total > 0 {
		return " (the level line is before)"
	}
	return ""
}

func level(v float64, n int) []float64 {
	ys := make([]float64, n)
	for i := range ys {
		ys[i] = v
	}
	return ys
}

const percent = "percent"

func scale(unit string) float64 {
	if unit == percent {
		return 100
	}
	return 1
}

// points turns samples into what is drawn: the percentage of bad events, the mean of values, or the events a second.
func points(samples []judge.Sample) (ys []float64, unit string) {
	for _, s := range samples {
		switch {
		case len(s.Values) > 0:
			ys, unit = append(ys, mean(s.Values)), "value"
		case len(s.Buckets) > 0:
			n := 0.0
			for _, k := range s.Buckets {
				n += k.N
			}
			ys, unit = append(ys, n/max(s.To.Sub(s.From).Seconds(), 1e-9)), "events a second"
		case s.Total > 0:
			ys, unit = append(ys, 100*s.Bad/s.Total), percent
		}
	}
	return ys, unit
}

func mean(vs []float64) float64 {
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	return sum / float64(len(vs))
}

// thin averages neighbours until at most maxPoints are left; per is how many became one.
func thin(ys []float64) (out []float64, per int) {
	per = (len(ys) + maxPoints - 1) / maxPoints
	for i := 0; i < len(ys); i += per {
		out = append(out, mean(ys[i:min(i+per, len(ys))]))
	}
	return out, per
}

func numbers(ys []float64) string {
	parts := make([]string, len(ys))
	for i, y := range ys {
		parts[i] = fmt.Sprintf("%.4g", y)
		if strings.ContainsAny(parts[i], "eNI") { // mermaid reads plain numbers only
			parts[i] = fmt.Sprintf("%.6f", y)
		}
	}
	return strings.Join(parts, ", ")
}

func mermaidText(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("\"`;#%{}[]<>\\", r) {
			return -1
		}
		return r
	}, s)
}

var escaper = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "`", "'", "@", "&#64;", "[", "&#91;", "]", "&#93;",
	"*", "\\*", "_", "\\_", "\n", " ", "\r", " ")

// escape makes text inert in Markdown: no HTML, no link, no mention, no table cell that ends early.
func escape(s string) string { return escaper.Replace(s) }
