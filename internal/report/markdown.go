package report

import (
	"fmt"
	"io"
	"math"
	"slices"
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
	b.WriteString("### Next\n\n")
	for _, s := range nextByVerdict(r) {
		fmt.Fprintf(&b, "- %s\n", escape(s))
	}
	r.rollbackMarkdown(&b)
	b.WriteString("\n")
	r.facts(&b)
	r.checks(&b)
	r.charts(&b)
	r.details(&b)
	if cs := r.Causes(); len(cs) > 0 {
		b.WriteString("### Candidate causes\n\n")
		for i, c := range cs {
			fmt.Fprintf(&b, "%d. %s\n", i+1, escape(c.String()))
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// charts draws the metrics that failed, and the others folded away; a group that did not fail is in its metric's chart.
func (r *Report) charts(b *strings.Builder) {
	var rest strings.Builder
	for _, m := range r.Metrics {
		switch {
		case strings.HasSuffix(m, "/control"): // what runs beside the new version
		case r.failed(m):
			r.chart(b, m)
		case r.Groups[m] != "":
		default:
			r.chart(&rest, m)
		}
	}
	if rest.Len() > 0 {
		fmt.Fprintf(b, "<details><summary>charts of the other metrics</summary>\n\n%s</details>\n\n", rest.String())
	}
}

func (r *Report) rollbackMarkdown(b *strings.Builder) {
	lines := r.rollbackLines()
	for _, s := range lines {
		if what, cmd, ok := strings.Cut(s, ": "); ok && cmd == r.Plan.Rollback {
			fmt.Fprintf(b, "- %s:\n\n%s\n", what, fence(cmd))
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
	for _, f := range r.told() {
		fmt.Fprintf(b, "| %s | %s | %s |\n", escape(f.Check), outcomeMark[f.Outcome], escape(f.Summary))
	}
	b.WriteString("\n")
}

func (r *Report) details(b *strings.Builder) {
	for _, f := range r.told() {
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
		if page := page(f); page != "" {
			fmt.Fprintf(b, "\nSee %s\n", escape(page))
		}
		b.WriteString("\n</details>\n\n")
	}
}

// maxPoints bounds a chart: more can neither be read nor rendered.
const maxPoints = 60

// chart draws what a metric did after the deploy, and what it did before as a level line.
func (r *Report) chart(b *strings.Builder, metric string) {
	after, j := r.Samples[metric].Samples(), r.Judgements[metric]
	ys, unit := points(after, j.Kind)
	if len(ys) < 2 {
		return
	}
	ys = thin(ys)
	span := after[len(after)-1].To.Sub(after[0].From)
	was, known := level(r.Baseline[metric].Samples(), j.Kind)
	fmt.Fprintf(b, "### %s\n\n", escape(metric))
	if j.Sentence != "" {
		fmt.Fprintf(b, "%s\n\n", escape(j.Sentence))
	}
	title := "after the deploy"
	if known {
		title += " (the level line is before)"
	}
	b.WriteString("```mermaid\nxychart-beta\n")
	fmt.Fprintf(b, "  title \"%s %s\"\n", mermaidText(metric), title)
	fmt.Fprintf(b, "  x-axis \"minutes\" 0 --> %.3g\n", span.Minutes())
	if j.Unit != "" {
		unit += ", " + string(j.Unit)
	}
	fmt.Fprintf(b, "  y-axis \"%s\"\n", mermaidText(unit))
	fmt.Fprintf(b, "  line [%s]\n", numbers(ys))
	if known {
		fmt.Fprintf(b, "  line [%s]\n", numbers(slices.Repeat([]float64{was}, len(ys))))
	}
	b.WriteString("```\n\n")
}

// points turns samples into what is drawn: the percentage of bad events, the 99th percentile, or the mean of values.
func points(samples []judge.Sample, k judge.Kind) (ys []float64, unit string) {
	among := slices.ContainsFunc(samples, func(s judge.Sample) bool { return s.Of > 0 })
	for _, s := range samples {
		if among && s.Of == 0 { // no requests, and so no share of them
			continue
		}
		if y, u := point(s, k); u != "" {
			ys, unit = append(ys, y), u
		}
	}
	return ys, unit
}

func point(s judge.Sample, k judge.Kind) (y float64, unit string) {
	switch {
	case k == judge.Rates && s.Of > 0:
		return 100 * s.Total / s.Of, "percent of requests"
	case k == judge.Rates:
		return s.Total / max(s.To.Sub(s.From).Seconds(), 1), "per second"
	case len(s.Values) > 0:
		return mean(s.Values), "value"
	case len(s.Buckets) > 0:
		if y, _ := judge.Quantile(s.Buckets, 0.99); !math.IsNaN(y) {
			return y, "99th percentile"
		}
	case s.Total > 0:
		return 100 * s.Bad / s.Total, "percent"
	}
	return 0, ""
}

// level is what all samples of the time before amount to.
func level(before []judge.Sample, k judge.Kind) (y float64, known bool) {
	if len(before) == 0 {
		return 0, false
	}
	all := judge.Together(before)
	for _, s := range before { // holes are no part of it
		all.To = all.To.Add(s.To.Sub(s.From))
	}
	y, unit := point(all, k)
	return y, unit != ""
}

func mean(vs []float64) float64 {
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	return sum / float64(len(vs))
}

// thin averages neighbours until at most maxPoints are left.
func thin(ys []float64) (out []float64) {
	per := (len(ys) + maxPoints - 1) / maxPoints
	for i := 0; i < len(ys); i += per {
		out = append(out, mean(ys[i:min(i+per, len(ys))]))
	}
	return out
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
