package bake

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
)

// usualScrape is the scrape interval that most Prometheus servers have, or a shorter one, where the configuration does not say it.
const usualScrape = 15 * time.Second

// Describe says for `bakegate check` what a bake would do, without asking any backend: what is polled, and what is unwise. A line
// that begins with "unwise: " is advice.
func Describe(p Plan) []string {
	b := &bake{Plan: p, observer: &observer{}}
	lines := []string{fmt.Sprintf("bake: %s in steps of %s, false rollbacks at most %s of good deploys", short(p.Options.Window), short(p.Options.Step), rate(judge.Proportion, float64(p.Options.Alpha)))}
	if o := p.Options; o.PassAfter > 0 {
		lines = append(lines, fmt.Sprintf("passes from %s on where harm is excluded by %s times more than the end asks for, twice in a row; what begins later is not seen",
			short(o.PassAfter), number(math.Ceil(float64(o.Window-o.PassAfter)/float64(o.Step)))))
	}
	if r := p.Options.ReadyWhen; r != nil {
		lines = append(lines, fmt.Sprintf("ready when: %s (at most %s)", b.wanted(*r), short(r.Timeout)))
	}
	if does, ok := map[string]string{PreflightNote: "is noted", PreflightBlock: "blocks the deploy"}[p.Options.Preflight]; ok {
		lines = append(lines, "before the deploy, a metric that has too little traffic for the window "+does)
	}
	for _, m := range p.Options.Metrics {
		lines = append(lines, b.describe(m))
	}
	for _, a := range b.advice() {
		lines = append(lines, "unwise: "+a)
	}
	return lines
}

func (b *bake) describe(m Metric) string {
	s := fmt.Sprintf("metric %s from %s:", clean.Text(m.Name), clean.Text(m.From))
	for _, q := range m.Queries(b.Vars) {
		s += fmt.Sprintf(" %s %s", m.key(q), clean.Cut(q.Text, 200))
	}
	for _, l := range append(m.limits(), m.burns(b.Options.Window)...) {
		s += ", limit " + quantileName(l) + l.Text
	}
	for _, l := range m.hardLimits() {
		s += ", hard limit " + quantileName(l) + l.Text
	}
	if m.compares() {
		s += ", compared with " + b.comparedWith(m)
	}
	if m.By != "" {
		s += ", each " + clean.Text(m.By) + " by itself too"
	}
	if m.Control != nil {
		s += ", beside its control"
	}
	switch {
	case m.Upstream:
		s += " (upstream: without effect, but what fails with it is held)"
	case m.DryRun:
		s += " (dry run)"
	case m.Critical:
		s += " (critical)"
	}
	return s
}

// comparedWith says what there will be to compare with. A source without history knows what it was asked before the deploy.
func (b *bake) comparedWith(m Metric) string {
	switch long := short(b.Options.Baseline.Window); {
	case !b.source(m.From).Traits().History && m.back() > 0:
		return "nothing: " + clean.Text(m.From) + " keeps no history"
	case !b.source(m.From).Traits().History:
		return "what is sampled right before the deploy (bakegate begin, or --warm)"
	case m.Compare == "yesterday":
		return long + " up to the same time yesterday"
	case m.Compare == "last-week":
		return long + " up to the same time last week"
	default:
		return long + " before the deploy"
	}
}

// scrapes is how often the backends behind the metrics scrape, the slowest of them: as their configuration says, else as is usual. 0: none
// of them does.
func (b *bake) scrapes() (every time.Duration, whose string) {
	for _, m := range b.Options.Metrics {
		src := b.source(m.From)
		t := src.Traits()
		if _, counts := src.(metric.Counting); counts || !t.History {
			continue
		}
		i, name := t.Scrapes, "the scrape interval of "+clean.Text(m.From)
		if i == 0 {
			i, name = usualScrape, "the usual scrape interval"
		}
		if i > every {
			every, whose = i, name
		}
	}
	return every, whose
}

func (b *bake) advice() (as []string) {
	o := b.Options
	every, whose := b.scrapes()
	if o.Window < 4*o.Step {
		as = append(as, fmt.Sprintf("the window (%s) has fewer than 4 steps (%s): little can be proved in it", short(o.Window), short(o.Step)))
	}
	if o.Window < 4*every {
		as = append(as, fmt.Sprintf("the window (%s) has fewer than 4 scrapes: %s is %s", short(o.Window), whose, short(every)))
	}
	if o.Step < every {
		as = append(as, fmt.Sprintf("the step (%s) is below %s (%s): steps without a new sample are joined to the next one", short(o.Step), whose, short(every)))
	}
	if len(o.Metrics) > 0 && !slices.ContainsFunc(o.Metrics, func(m Metric) bool { return m.kind() != judge.Boolean }) {
		as = append(as, "only health (boolean) is watched: a service that answers every request with an error is up; name errors or latency too")
	}
	for _, m := range o.Metrics {
		as = append(as, b.adviceOn(m)...)
	}
	return as
}

func (b *bake) adviceOn(m Metric) (as []string) {
	say := func(format string, args ...any) {
		as = append(as, clean.Text(m.Name)+": "+fmt.Sprintf(format, args...))
	}
	traits := b.source(m.From).Traits()
	history := traits.History
	switch {
	case !m.compares() && len(m.limits())+len(m.burns(b.Options.Window)) == 0 && m.kind() != judge.Boolean:
		say("neither limit nor compare: it can never pass")
	case m.back() > 0 && !history:
		say("%s has no history: nothing is known of %s", m.From, m.Compare)
	case m.compares() && !history && b.Resume.Baseline[m.Name].Len() == 0:
		say("%s has no history, so compare: before needs samples from before the deploy: use `bakegate begin` or --warm", m.From)
	}
	if !history && b.Once {
		say("%s has no history, so a single look (--once) sees nothing of the window", m.From)
	}
	if m.compares() && slices.Contains(fleeting, m.By) {
		say("by: %s has other values after each deploy, of which nothing is known from before: zone, region and cluster stay", m.By)
	}
	if m.Expr != "" {
		say("an expression is weaker evidence than counters: bad and total, or a histogram, say how many requests stand behind a number")
	}
	if m.kind() == judge.Proportion && !b.zeros(m) {
		sel := &selection{bad: string(m.Bad), total: string(m.Total)}
		if t := sel.trouble(); t != nil {
			say("bad does not select from total's metric: while no failure was ever counted, the verdict is inconclusive/selector")
		}
	}
	return as
}

// zeros reports whether the source says 0 where nothing failed.
func (b *bake) zeros(m Metric) bool {
	c, ok := b.source(m.From).(metric.Counting)
	return ok && c.Zeros(m.Queries(b.Vars)[0])
}

// fleeting are labels that change with a deploy.
var fleeting = []string{"pod", "pod_name", "container", "container_id", "instance", "version", "replicaset"}

// quantileName is "p99 " for a limit on the 99th percentile, and nothing for another one.
func quantileName(l judge.Limit) string {
	if l.Quantile == 0 {
		return ""
	}
	return "p" + number(l.Quantile*100) + " "
}
