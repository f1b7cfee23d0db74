package bake

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// conclude turns what each metric came to into findings.
func (b *bake) conclude(r *Result) {
	r.Findings = append(r.Findings, b.findings...)
	var decided string
	for _, w := range b.watches {
		if w.hasFailed() {
			decided = w.Name
		}
		if g := w.failedGroup(); g != nil {
			decided = g.Name
		}
	}
	over := !r.Aborted && r.Superseded == "" && !r.Pending && decided == ""
	var v judge.Verdict
	if over && b.joint != nil {
		v = b.end()
	}
	for _, w := range b.watches {
		w.mu.Lock()
		gaps := w.gaps(over)
		w.tellGaps(gaps)
		r.Gaps = append(r.Gaps, gaps...)
		f, j := w.conclude(over, gaps, v)
		w.tellEnd(j)
		fs, js := w.concludeGroups(over, v)
		lacked, some := w.lackedNote()
		w.mu.Unlock()
		if j != nil {
			r.Judgements = append(r.Judgements, *j)
		}
		if f.Outcome != verdict.Fail && !over && f.Check == "" {
			f = undecided(f, w.Name, decided, r)
		}
		r.Findings, r.Judgements = append(append(r.Findings, f), fs...), append(r.Judgements, js...)
		if f.Outcome == verdict.Unknown || w.withoutEffect() {
			continue
		}
		if note, ok := gapNote(w.Name, gaps); ok {
			r.Findings = append(r.Findings, note)
		}
		if some {
			r.Findings = append(r.Findings, lacked)
		}
	}
	r.Findings = append(r.Findings, b.controlNotes()...)
	if f, ok := b.passedEarly(); ok && over {
		r.Findings = append(r.Findings, f)
	}
	if note, ok := b.shortNote(); ok {
		r.Findings = append(r.Findings, note)
	}
	if len(b.Options.Metrics) == 0 {
		r.Findings = append(r.Findings, verdict.Finding{Check: "bake/metrics", Outcome: verdict.Unknown, Reason: judge.NoCriteria, Doc: "bake-no-criteria",
			Summary: "no metric is named: nothing was watched", Hint: "name at least one metric under bake.metrics"})
	}
}

// undecided is a metric whose window was cut short: it proves nothing, and is not to blame for that.
func undecided(f verdict.Finding, name, decided string, r *Result) verdict.Finding {
	why := "the window is not over"
	switch {
	case decided != "":
		why = "the bake ended when " + decided + " failed"
	case r.Aborted:
		why = "the bake was cancelled"
	case r.Superseded != "":
		why = "another deploy took over"
	}
	n := verdict.Finding{Check: "bake/" + name, Outcome: verdict.Note, Doc: f.Doc, Summary: name + " is not decided: " + why}
	if f.Outcome == verdict.Unknown && f.Reason != "" {
		n.Summary += "; so far: " + f.Summary
	}
	return n
}

// conclude is the metric's finding and judgement. What is proved stays proved; what the data cannot carry is unknown, with the
// reason; everything else is the judge's. It tells nobody: what passes early is asked before it is sure.
func (w *watch) conclude(over bool, gaps []Gap, v judge.Verdict) (verdict.Finding, *judge.Judgement) {
	if w.failed {
		return w.judged(*w.latest), w.latest
	}
	if t := w.noEvidence(gaps, over); t != nil {
		return w.told(w.unknown(t)), w.latest
	}
	if t := w.unheard(); over && t != nil && v.Status != judge.Fail { // what the others prove is proved
		return w.told(w.unknown(t)), w.latest
	}
	if !over && w.withoutEffect() && w.latest != nil && w.latest.Status == judge.Fail {
		return w.told(w.judged(*w.latest)), w.latest // that it got worse is worth knowing, whatever ended the bake
	}
	if !over {
		f := verdict.Finding{Outcome: verdict.Unknown, Doc: "bake-metric"}
		if w.latest != nil {
			f.Evidence = w.evidence(*w.latest)
		}
		return f, w.latest
	}
	if w.kind() == judge.Rates {
		j := w.inView(judge.Judgement{Metric: w.Name}, v)
		return w.told(w.judged(j)), w.kinded(&j)
	}
	if !w.ready() {
		return w.unknown(&trouble{judge.NoCriteria, "neither a limit nor a comparison", "give the metric a limit: or compare: before"}), nil
	}
	for ; w.fed < len(w.samples); w.fed++ {
		w.state.Add(w.samples[w.fed])
	}
	j := w.state.End()
	j.Metric = w.Name
	switch {
	case w.withoutEffect():
	case w.Control != nil && j.Status == judge.Fail && v.Status != judge.Fail:
		j.BadBefore = true
		j.Sentence += "; what runs beside it got worse as much"
	default:
		j = ended(j, v)
	}
	w.estimate(&j)
	j = w.dated(j)
	return w.told(w.judged(j)), w.kinded(&j)
}

// tellEnd tells what the metric came to, where that is news.
func (w *watch) tellEnd(j *judge.Judgement) {
	if j == nil || j == w.latest {
		return
	}
	w.latest = j
	w.tell(Event{Kind: EventJudgement, Metric: w.Name, Judgement: j, Text: judgementText(*j)})
}

// noEvidence is why what was observed cannot be judged at all.
func (w *watch) noEvidence(gaps []Gap, over bool) *trouble {
	missing := time.Duration(0)
	for _, g := range gaps {
		missing += g.To.Sub(g.From)
	}
	asked, data := w.asking.trouble, w.counts.trouble()
	half := missing*2 > w.to.Sub(w.from)
	switch {
	case asked != nil && (len(w.samples) == 0 || half || asked.reason == string(metric.LoadBalanced)):
		return asked
	case data != nil && !(data.reason == judge.NoData && len(w.samples) > 0):
		return data
	case over && half:
		return &trouble{"gap", fmt.Sprintf("there is no data for %s of the %s", short(missing), short(w.to.Sub(w.from))), "see why the backend has nothing there: was it down, or was the service not scraped"}
	case over && len(w.samples) == 0:
		return &trouble{judge.NoData, "nothing was observed in the window", "see whether the service is scraped, and whether its series have at least two points in the window"}
	}
	return nil
}

func (w *watch) unknown(t *trouble) verdict.Finding {
	return verdict.Finding{Check: "bake/" + w.Name, Outcome: verdict.Unknown, Reason: t.reason, Summary: w.Name + ": " + t.text, Hint: t.hint,
		Evidence: append(w.asked(), w.noted()...), Doc: docOf(t.reason)}
}

// noted is what the backend said beside its numbers.
func (w *watch) noted() (es []verdict.Evidence) {
	for _, n := range w.notes {
		es = append(es, verdict.Evidence{What: "note", Got: n})
	}
	return es
}

// asked is the queries, for a reader who looks for the mistake in them.
func (w *watch) asked() (es []verdict.Evidence) {
	for _, q := range w.queries {
		es = append(es, verdict.Evidence{What: q.ID, Got: clean.Cut(q.Text, 300)})
	}
	return es
}

// judged is a judgement as a finding. A comparison without anything to compare with is never a pass.
func (w *watch) judged(j judge.Judgement) verdict.Finding {
	f := verdict.Finding{Check: "bake/" + w.Name, Summary: named(w.Name, j.Sentence), Doc: "bake-metric"}
	quantiles, p99 := w.quantiles(j)
	f.Evidence = slices.Concat(w.evidence(j), quantiles, w.noted())
	if p99 != "" && j.Status != judge.Pass { // what people think in comes first
		f.Summary = w.Name + " " + p99 + "; " + strings.TrimPrefix(j.Sentence, w.Name+" ")
	}
	switch j.Status {
	case judge.Fail:
		f.Outcome, f.External = verdict.Fail, j.BadBefore
		if len(w.notes) > 0 && w.kind() == judge.Boolean {
			f.Summary += ": " + w.notes[0] // what it was that is not so: the alert's name
		}
		f.Hint = w.remedy(f.External)
		return f
	case judge.Pass:
		if !w.compares() || w.hasBefore() {
			f.Outcome = verdict.Pass
			return f
		}
		j.Reason = judge.NoBaseline
	}
	f.Outcome, f.Reason = verdict.Unknown, j.Reason
	if f.Reason == "" {
		f.Reason = judge.LowTraffic
	}
	f.Doc, f.Hint = docOf(f.Reason), hints[f.Reason]
	if f.Reason == judge.NoBaseline {
		w.explainBaseline(&f)
	}
	return f
}

// remedy says what to do about a metric that failed.
func (w *watch) remedy(external bool) string {
	const no = "rolling back will probably not help: "
	switch {
	case w.Upstream:
		return "look at " + w.Name + " itself: the service depends on it"
	case external && w.dependency:
		return no + "look at what the service depends on first"
	case external && w.Control != nil:
		return no + "look for what the new version and its control have in common"
	case external:
		return no + "it was as bad before the deploy; look for the cause outside of it"
	case w.Rate != "" && w.Of == "" && w.Worse != "up":
		return "see whether requests still reach the new version: readiness, routes, the load balancer"
	case w.Rate != "":
		return "do by hand what these events come from: place an order, sign in"
	}
	return "look at what this version changed on the requests that are bad"
}

func (w *watch) hasBefore() bool {
	return w.before != nil && w.before.fetched > 0 && w.before.trouble == nil
}

// explainBaseline says why there is nothing to compare with: a backend that did not answer is another thing than a new service.
func (w *watch) explainBaseline(f *verdict.Finding) {
	switch b := w.before; {
	case b == nil:
		f.Summary = w.Name + ": deploy time unknown, so nobody knows what was before it"
	case b.trouble != nil:
		f.Reason, f.Doc, f.Hint = b.trouble.reason, docOf(b.trouble.reason), b.trouble.hint
		f.Summary = w.Name + ": the time before the deploy: " + b.trouble.text
	case b.fetched == 0:
		f.Summary = w.Name + ": there is nothing from before the deploy to compare with"
	case b.shortened() != "":
		f.Hint = "there is little history yet: it will be longer with the next deploy; a limit holds without any"
	default:
		f.Hint = "these events are rare here: compare over a longer time (baseline.window), or leave the metric to a dry run"
	}
}

var hints = map[string]string{
	judge.LowTraffic: "bake longer, or map inconclusive/low-traffic under on:, for a service that is this quiet",
	judge.NoBaseline: "a first deploy has nothing to compare with: leave compare out for it, or map inconclusive/no-baseline under on:; a scraped service needs `bakegate begin`, or `bakegate run -- COMMAND`",
	judge.NoData:     "see whether the service is scraped, and compare the query with what it exports",
	judge.Unproved:   "look at the service: it looks worse, but that is within what chance and noise do; watch it longer or roll back by hand",
	judge.NoCriteria: "give the metric a limit: or compare: before",
}

// evidence lists the numbers behind a judgement.
func (m Metric) evidence(j judge.Judgement) (es []verdict.Evidence) {
	k := m.kind()
	add := func(what, got, want string) { es = append(es, verdict.Evidence{What: what, Got: got, Want: want}) }
	if j.Before.Total > 0 || k == judge.Rates && j.Before.Value > 0 {
		add("before", m.counted(j.Before), "")
	}
	if j.After.Total > 0 {
		add("after", m.counted(j.After), "")
	}
	if j.Criteria != "" {
		add("held to", clean.Text(j.Criteria), "")
	}
	if j.Level > 0 {
		what, unit := "level", func(v float64) string { return rate(k, v) }
		if strings.HasPrefix(j.Criteria, "before") {
			what, unit = "difference", func(v float64) string { return difference(k, v) }
		}
		add(fmt.Sprintf("%s (%s%% sure)", what, number(j.Level*100)), unit(j.Low)+" to "+unit(j.High), "")
	}
	if j.Evidence > 0 {
		add("evidence", odds(j.Evidence), "")
	}
	if !j.Onset.IsZero() && !(j.BadBefore && strings.HasPrefix(j.Criteria, "limit")) { // one that was exceeded before began before
		add("since", j.Onset.UTC().Format(time.RFC3339), "")
	}
	for _, t := range j.Warnings {
		add("warning", t, "")
	}
	return es
}

func (m Metric) counted(r judge.Rate) string {
	k := m.kind()
	switch {
	case k == judge.Rates && r.Total == 0:
		return m.rate(r.Value)
	case k == judge.Rates && m.Of == "":
		return fmt.Sprintf("%s (%s in %s)", m.rate(r.Value), number(r.Events), short(time.Duration(r.Total*float64(time.Second))))
	case k == judge.Rates:
		return fmt.Sprintf("%s (%s among %s requests)", m.rate(r.Value), number(r.Events), number(r.Total))
	}
	if k == judge.Proportion || k == judge.Histogram {
		return fmt.Sprintf("%s (%s of %s)", rate(k, r.Value), number(r.Events), number(r.Total))
	}
	return fmt.Sprintf("%s (%s)", m.value(r.Value), plural(int(min(r.Total, 1e15)), "value"))
}

// docs names the page of each reason that has one of its own.
var docs = map[string]string{
	"selector": "bake-selector", "selectors": "bake-selectors", "several-series": "bake-several-series", "nan": "bake-nan", "buckets": "bake-buckets", "gap": "bake-gap",
	judge.NoData: "bake-no-data", judge.NoBaseline: "bake-no-baseline", judge.LowTraffic: "bake-low-traffic", judge.NoCriteria: "bake-no-criteria", reasonGroups: "bake-groups",
	string(metric.BackendDown): "bake-backend-down", string(metric.Unauthorized): "bake-unauthorized", string(metric.BadQuery): "bake-bad-query",
	string(metric.Truncated): "bake-truncated", string(metric.TooMany): "bake-too-many", string(metric.LoadBalanced): "bake-load-balanced",
	string(metric.Partial):   "bake-partial",
	string(metric.Undecided): "bake-undecided",
}

func docOf(reason string) string {
	if d := docs[reason]; d != "" {
		return d
	}
	return "bake-metric"
}

// severalSeries is the trouble of an expression that a source may find before the counts do.
const severalSeries metric.Trouble = "several-series"

// troubles says for people what each trouble of a source means.
var troubles = map[metric.Trouble]struct{ text, hint string }{
	metric.BackendDown:  {"does not answer", "see whether the backend runs and can be reached from the pipeline, then run the bake again"},
	metric.Unauthorized: {"refuses the credentials", "renew the token, or give it the right to read metrics"},
	metric.BadQuery:     {"refuses the query", "repair the query: try it in the backend's own query page"},
	metric.Truncated:    {"answered only in part, and a part is no evidence", "see which shard or store is down, or narrow the selector"},
	metric.TooMany:      {"has more series than can be judged one by one", "narrow the selector, or name an aggregated counter"},
	severalSeries:       {"answered with several series where one value was meant", "aggregate the expression (sum, max, avg without labels), or use gauge: for a value per series"},
	metric.Partial:      {"answered without some of the service's processes", "see why these processes can't be read: a process that is gone, or that is too busy to answer, is harm that its own counters don't show"},
	metric.Undecided:    {"has not decided yet", "bake longer than the backend's own evaluation takes: a decision that comes too late is none"},
	metric.LoadBalanced: {"is one address in front of several processes: its counters jump between them", "scrape each process by itself (urls or dns), or read them through Prometheus"},
}

func troubleOf(class metric.Trouble, source string, err error) *trouble {
	t, ok := troubles[class]
	if !ok {
		class, t = metric.BackendDown, troubles[metric.BackendDown]
	}
	detail := err
	var q *metric.QueryError
	if errors.As(err, &q) && q.Err != nil {
		detail = q.Err
	}
	return &trouble{string(class), fmt.Sprintf("%s %s: %s", source, t.text, clean.Cut(detail.Error(), 500)), cmp.Or(hintOf(err), t.hint)}
}

// hintOf says what to do about a cause that asks for something else than its class; "" for every other.
func hintOf(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, metric.ErrNoToken):
		return "give the source a token (or what else it takes to say who asks), and see that the pipeline passes it to this job"
	case errors.Is(err, metric.ErrNoPath):
		return "repair the source's url: the server answers, but there is nothing at this path"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "see whether the name of the host is right, and whether the pipeline's network knows it"
	case errors.Is(err, fs.ErrNotExist):
		return "see whether the file is there in this job: a checkout, an artifact or a mount may be missing"
	}
	return ""
}
