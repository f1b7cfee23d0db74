package bake

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// estimate says how long what is missing takes to come at the rate of the window.
func (w *watch) estimate(j *judge.Judgement) {
	if j.Status != judge.Unknown || j.Reason != judge.LowTraffic || j.Needed <= 0 {
		return
	}
	total, seconds := 0.0, 0.0
	for _, s := range w.samples {
		n := s.Total
		if len(s.Buckets) > 0 {
			n = 0
		}
		for _, b := range s.Buckets {
			n += b.N
		}
		total += n
		seconds += s.To.Sub(s.From).Seconds()
	}
	if total > 0 {
		j.Sentence += present(time.Duration(min(j.Needed/total*seconds, 1e9) * float64(time.Second)))
	}
}

// told is the finding of a metric; one that has no effect on the deploy is a note, whatever it says.
func (w *watch) told(f verdict.Finding) verdict.Finding {
	if w.withoutEffect() {
		what := "dry run: decides nothing"
		if w.Upstream {
			what = "a dependency: decides nothing by itself"
		}
		f.Outcome, f.Reason, f.External = verdict.Note, "", false
		f.Summary += " (" + what + ")"
	}
	return f
}

// controlNotes tell of controls that were no help.
func (b *bake) controlNotes() (fs []verdict.Finding) {
	for _, c := range b.controls {
		c.mu.Lock()
		t := cmp.Or(c.asking.trouble, c.counts.trouble())
		c.mu.Unlock()
		whose := strings.TrimSuffix(c.Name, controlSuffix)
		if t == nil && c.groups.uncontrolled() {
			fs = append(fs, verdict.Finding{Check: "bake/" + c.Name, Outcome: verdict.Note, Doc: docOf(reasonGroups), Hint: "have the control's queries keep the label",
				Summary: fmt.Sprintf("the control of %s has no label %s: its groups were compared with the time before alone", whose, c.By)})
		}
		if t != nil {
			fs = append(fs, verdict.Finding{Check: "bake/" + c.Name, Outcome: verdict.Note, Doc: docOf(t.reason), Hint: t.hint,
				Summary: fmt.Sprintf("the control of %s is missing (%s): it was compared with the time before alone", whose, t.text)})
		}
	}
	return fs
}

// end has all together look for the last time.
func (b *bake) end() judge.Verdict {
	for _, w := range slices.Concat(b.watches, b.controls) {
		w.mu.Lock()
		if w.before != nil && !w.before.done { // it never came: judged as one without
			w.before.done, w.before.samples = true, nil
			w.settle()
		}
		w.explain()
		w.mu.Unlock()
	}
	return b.joint.end()
}

// ended is what a metric comes to at the end, in view of what all together come to.
func ended(j judge.Judgement, v judge.Verdict) judge.Judgement {
	alone := j.Status
	j = inView(j, v)
	switch {
	case j.Status == judge.Fail:
	case v.Status == judge.Pass && (alone == judge.Fail || j.Reason == judge.Unproved || j.Reason == judge.LowTraffic):
		j.Status, j.Reason, j.Needed = judge.Pass, "", 0
		j.Sentence = cmp.Or(j.Numbers, j.Metric) + ": over all metrics and all of the time that was watched, harm of the size that matters is excluded"
	case v.Status == judge.Unknown && j.Reason == judge.LowTraffic:
		j = tooLittle(j, v)
	case v.Status == judge.Unknown && v.Metric == j.Metric && alone != judge.Unknown:
		j.Status, j.Reason, j.Needed, j.Sentence = judge.Unknown, v.Reason, v.Needed, v.Sentence
	case alone == judge.Fail: // and all together are not sure
		j.Status, j.Reason = judge.Unknown, judge.Unproved
	}
	return j
}

// tooLittle is a metric of which there is too little by itself, where all together can't say what the deploy is: they know what it takes.
func tooLittle(j judge.Judgement, v judge.Verdict) judge.Judgement {
	i := slices.IndexFunc(v.Metrics, func(m judge.Judgement) bool { return m.Metric == j.Metric })
	if i < 0 {
		return j
	}
	if m := v.Metrics[i]; m.Reason == judge.LowTraffic && m.Needed > 0 {
		j.Needed, j.Sentence = m.Needed, m.Sentence
	}
	return j
}
