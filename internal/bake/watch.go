package bake

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// watch is one metric under observation. Its source's goroutine is the only writer.
type watch struct {
	Metric
	queries  []metric.Query
	spec     judge.Spec
	grid     grid
	newJudge func(judge.Spec, []judge.Sample) judging
	tell     func(Event)
	warm     bool // samples are the baseline of a bake to come
	index    int  // of the metric among all
	control  bool // it watches what runs beside the new version
	joint    *joint
	groups   *groups // nil without by

	mu      sync.Mutex // guards what follows: the result may be taken while a source hangs
	counts  counts
	selects *selection
	arrival arrival
	cursor  time.Time // everything before is counted
	from    time.Time // the window begins
	known   time.Time // windows that end before only prime: they lie before the bake, or an earlier process counted them
	to      time.Time // and ends
	samples []judge.Sample
	fed     int // samples that the judge has
	given   int // samples that the judgement of all has
	empty   []Interval
	before  *baseline   // nil: not compared, or no "before" is known
	earlier []*baseline // earlier deploys, the newest first
	state   judging
	partial bool             // state knows the limits alone: the baseline is still being fetched
	fresh   *judge.Judgement // not told yet
	latest  *judge.Judgement
	failed  bool
	split   *split // of the window
	worst   string // what a line says of the worst group
	// settledGroups is how many groups the judgement of all knows the history of.
	settledGroups int
	// dependency says that it failed together with an upstream.
	dependency bool
	asking     asking
	lacking    lacking
	notes      []string // of the backend, about the window
}

// asking is how the backend answers.
type asking struct {
	trouble *trouble
	since   time.Time
	silent  bool // "no data" was said
}

// take counts what a poll returned up to the last closed window. Everything that came in by `complete` is final, whatever the
// watermark says.
func (w *watch) take(series []metric.Series, now, complete time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recovered(now)
	w.arrival.see(series, now)
	edge := w.closed(complete)
	if edge.After(w.cursor) {
		w.count(series, edge)
	}
	if w.cursor.After(w.from) {
		w.note(series)
	}
	w.silence(now)
	w.explain()
}

// maxNotes is how much a backend may say about a metric beside its numbers.
const maxNotes = 10

func (w *watch) note(series []metric.Series) {
	for _, s := range series {
		for _, n := range s.Notes {
			if len(w.notes) < maxNotes && !slices.Contains(w.notes, n) {
				w.notes = append(w.notes, n)
			}
		}
	}
}

// closed is the end of the last window that can be judged.
func (w *watch) closed(complete time.Time) time.Time {
	mark := later(w.arrival.watermark(), complete)
	if mark.IsZero() {
		return w.cursor
	}
	if !mark.Before(w.to) {
		return w.to
	}
	return w.grid.floor(mark)
}

func (w *watch) count(series []metric.Series, edge time.Time) {
	w.counts.scraped(w.arrival.interval)
	w.split.scraped(w.arrival.interval)
	from := w.cursor
	b := w.counts.add(series, from, edge)
	w.cursor = edge
	for _, e := range b.empty {
		if e.From = later(e.From, w.known); e.From.Before(e.To) {
			w.empty = joinInterval(w.empty, e)
		}
	}
	kind := EventSample
	if w.warm {
		kind = EventBaseline
	}
	if fresh := w.unseen(b.samples); len(fresh) > 0 {
		w.samples = append(w.samples, fresh...)
		w.tell(Event{Kind: kind, Metric: w.Name, Samples: fresh})
	}
	w.split.add(series, from, edge, w.unseen, func(g *group, fresh []judge.Sample) {
		w.split.keep(g, fresh)
		w.tell(Event{Kind: kind, Metric: w.split.name(g), Of: w.Name, Samples: fresh})
	})
}

// unseen is what of the samples no earlier process counted.
func (w *watch) unseen(samples []judge.Sample) (fresh []judge.Sample) {
	for _, s := range samples {
		if s.To.After(w.known) {
			s.From = later(s.From, w.known)
			fresh = append(fresh, s)
		}
	}
	return fresh
}

// explain has the metric explain itself by what is new, and gives it to the judgement of all.
func (w *watch) explain() {
	if w.failed || w.warm || w.counts.trouble() != nil {
		return
	}
	if w.given < len(w.samples) {
		w.joint.observe(w.index, w.control, w.samples[w.given:])
		w.given = len(w.samples)
	}
	w.giveGroups()
	switch {
	case w.control:
		return
	case w.kind() == judge.Rates: // explained by all together alone
		w.fresh = &judge.Judgement{Metric: w.Name, Status: judge.Continue}
		return
	case !w.ready() || w.fed == len(w.samples):
		return
	}
	for ; w.fed < len(w.samples); w.fed++ {
		w.state.Add(w.samples[w.fed])
	}
	j := w.state.Judge()
	j.Metric = w.Name
	w.fresh = &j
}

// tellJudgement tells what is new of the metric, as all together see it.
func (w *watch) tellJudgement(v judge.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fresh == nil {
		return
	}
	j := w.inView(*w.fresh, v)
	w.fresh, w.worst = nil, w.worstGroup(v)
	text := ""
	if w.latest == nil || w.latest.Status != j.Status {
		text = judgementText(j)
	}
	w.latest = &j
	w.tell(Event{Kind: EventJudgement, Metric: w.Name, Judgement: w.kinded(&j), Text: text})
}

// kinded says of which kind of metric a judgement is, and in which unit, for whoever draws it.
func (w *watch) kinded(j *judge.Judgement) *judge.Judgement {
	j.Kind, j.Unit = w.kind(), w.unit()
	return j
}

// decides notes that the deploy is rolled back because of this metric.
func (w *watch) decides(v judge.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed, w.dependency = true, v.Reason != ""
	if w.latest == nil || w.latest.Status != judge.Fail {
		j := judge.Judgement{Metric: w.Name, Status: judge.Continue}
		if w.latest != nil {
			j = *w.latest
		}
		j = w.inView(j, v)
		w.latest = &j
		w.tell(Event{Kind: EventJudgement, Metric: w.Name, Judgement: w.kinded(&j), Text: judgementText(j)})
	}
}

// inView is the judgement of this metric in view of what all together say. What has no effect on the deploy speaks for itself.
func (w *watch) inView(j judge.Judgement, v judge.Verdict) judge.Judgement {
	if w.kind() == judge.Rates && w.index < len(v.Metrics) {
		j = v.Metrics[w.index]
		j.Metric, j.Criteria = w.Name, "before the deploy"
		if v.Status == judge.Fail && v.Metric == w.Name {
			j.Status = judge.Continue // told in the words of all together
		}
	}
	if !w.withoutEffect() {
		j = inView(j, v)
	}
	return w.dated(j)
}

// dated says what was compared with, where that is not the time before the deploy.
func (w *watch) dated(j judge.Judgement) judge.Judgement {
	if w.back() == 0 {
		return j
	}
	then := strings.ReplaceAll(w.Compare, "-", " ")
	r := strings.NewReplacer("before the deploy", "at the same time "+then, " before (", " at the same time "+then+" (")
	j.Sentence, j.Criteria = r.Replace(j.Sentence), r.Replace(j.Criteria)
	return j
}

func (w *watch) withoutEffect() bool { return w.DryRun || w.Upstream }

// inView is what a metric says of itself, in view of what all together say: they alone decide that it fails.
func inView(j judge.Judgement, v judge.Verdict) judge.Judgement {
	switch {
	case v.Status == judge.Fail && v.Metric == j.Metric:
		if j.Status != judge.Fail {
			j.Status, j.Sentence, j.Evidence = judge.Fail, v.Sentence, v.Evidence
		}
		j.BadBefore = v.External
		if v.Reason != "" {
			j.Sentence += "; " + v.Reason
		}
	case j.Status == judge.Fail:
		j.Status = judge.Continue
	}
	return j
}

// ready makes the judge that explains. While the baseline is on its way, the limits are judged alone, and the whole again once it is there.
func (w *watch) ready() bool {
	waiting := w.before != nil && !w.before.done
	if w.state != nil && w.partial == waiting {
		return true
	}
	spec := w.spec
	var before []judge.Sample
	switch {
	case waiting && len(spec.Limits) == 0:
		return false
	case waiting:
		spec.Compare = false
	case w.before != nil:
		before = w.before.moved(nil).Samples()
	}
	w.state, w.partial, w.fed = w.newJudge(spec, before), waiting, 0
	return true
}

// fail notes that the backend gave no answer. The windows stay open: they are fetched later.
func (w *watch) fail(t *trouble, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.asking.trouble; a == nil || a.reason != t.reason {
		w.tell(Event{Kind: EventTrouble, Metric: w.Name, Reason: t.reason, Text: fmt.Sprintf("%s: %s", w.Name, t.text)})
	}
	if w.asking.trouble == nil {
		w.asking.since = now
	}
	w.asking.trouble = t
}

func (w *watch) recovered(now time.Time) {
	a := w.asking
	if a.trouble == nil {
		return
	}
	w.asking.trouble = nil
	w.tell(Event{Kind: EventRecovered, Metric: w.Name, Reason: a.trouble.reason, From: a.since, To: now,
		Text: fmt.Sprintf("%s: answers again after %s; what was missed is fetched now", w.Name, short(now.Sub(a.since)))})
}

// silence says once that a metric gives nothing, early enough for a person to repair a selector while the bake runs.
func (w *watch) silence(now time.Time) {
	if w.asking.silent || now.Before(w.from.Add(time.Minute)) {
		return
	}
	t := w.counts.trouble()
	if t == nil && w.groups != nil {
		t = w.groups.trouble()
	}
	if t != nil {
		w.asking.silent = true
		w.tell(Event{Kind: EventTrouble, Metric: w.Name, Reason: t.reason, Text: fmt.Sprintf("%s: %s", w.Name, t.text)})
	}
}
