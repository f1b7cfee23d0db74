package judge

import (
	"fmt"
	"strings"
)

func limitText(l Limit) string {
	if l.Text != "" {
		return l.Text
	}
	switch {
	case l.HasMax && l.HasMin:
		return plain(l.Min) + " to " + plain(l.Max)
	case l.HasMin:
		return plain(l.Min)
	}
	return plain(l.Max)
}

// criterion names what a test holds the release to.
func (t *test) criterion() string {
	switch {
	case t.Compared:
		return "before the deploy"
	case t.Rule == ruleSlow:
		return fmt.Sprintf("limit p%s %s", quantileName(t.Allowed), t.Text)
	}
	return "limit " + t.limit()
}

// quantileName turns the share above a quantile into the quantile's name: 0.01 is 99, 0.001 is 99.9.
func quantileName(share float64) string { return strings.TrimPrefix(plainQuantile(100*(1-share)), "p") }

func plainQuantile(q float64) string { return fmt.Sprintf("p%.6g", q) }

// limit is a limit as the user wrote it; a bare share is told as a percentage.
func (t *test) limit() string {
	if t.Rule == ruleLimit && !strings.ContainsAny(t.Text, "%") {
		return percent(t.Allowed)
	}
	return t.Text
}

// subject opens the sentence: the metric's name and its rate.
func (s *State) subject(t *test, c sums) string {
	p := percent(ratio(c))
	switch t.Rule {
	case ruleSlow:
		return fmt.Sprintf("%s above %s for %s of requests", s.spec.Name, t.Text, p)
	case ruleScale:
		return fmt.Sprintf("%s above %s for %s of requests", s.spec.Name, s.spec.Unit.Text(t.Bound), p)
	case ruleShare:
		word := "above"
		if t.Below {
			word = "below"
		}
		return fmt.Sprintf("%s %s %s for %s of the time", s.spec.Name, word, s.spec.Unit.Text(t.Bound), p)
	}
	return s.spec.Name + " " + p
}

// compared says what was seen, against what, with the interval; it sets the judgement's rates and interval.
func (s *State) compared(j *Judgement, t *test, c sums) string {
	j.After = Rate{Value: ratio(c), Events: c.bad, Total: c.total}
	j.Criteria = t.criterion()
	before := sums{bad: t.Base.Bad, total: t.Base.Total}
	if t.Known {
		j.Before = Rate{Value: ratio(before), Events: before.bad, Total: before.total}
	}
	if t.Rule == ruleShare {
		return s.gaugeCompared(j, t, c)
	}
	if c.total <= 0 {
		return s.spec.Name + " had no requests"
	}
	j.Level = ciLevel
	z := zOf(ciLevel)
	if t.Compared {
		j.Low, j.High = newcombe(c, before, t.base.Phi, z)
		return fmt.Sprintf("%s vs %s before (%s, 99%% CI %s to %s)", s.subject(t, c), percent(j.Before.Value), points(j.After.Value-j.Before.Value), signed(j.Low), points(j.High))
	}
	j.Low, j.High = wilson(c.bad, c.total, t.base.Phi, z)
	return fmt.Sprintf("%s against %s (99%% CI %s to %s)", s.subject(t, c), t.against(), percent(j.Low), percent(j.High))
}

func (t *test) against() string {
	if t.Rule == ruleSlow {
		return fmt.Sprintf("at most %s by its limit p%s %s", percent(t.Allowed), quantileName(t.Allowed), t.Text)
	}
	return "a limit of " + t.limit()
}

func (s *State) gaugeCompared(j *Judgement, t *test, c sums) string {
	j.Before, j.After = s.fit.Before, mean(s.after)
	if c.total <= 0 {
		return s.spec.Name + " had no values"
	}
	what := "its limit " + t.limit()
	if t.Compared {
		what = "the usual before the deploy"
	}
	return fmt.Sprintf("%s (%s; mean %s)", s.subject(t, c), what, s.spec.Unit.Text(j.After.Value))
}

func (s *State) tellFail(j *Judgement, v verdict) {
	t, m := v.worst, &v.worst.marks[v.onset]
	c := t.sums.since(m.sums)
	text := s.compared(j, t, c)
	j.Numbers = text
	j.Onset = m.at
	j.BadBefore = t.badBefore()
	d := m.at.Sub(s.start)
	if v.onset == 0 && m.minute == 0 {
		d = 0
	}
	j.Sentence = fmt.Sprintf("%s, evidence %s, %s", text, oddsOf(j.Evidence), after(d))
	if j.BadBefore {
		j.Sentence = fmt.Sprintf("%s, but it was %s before the deploy too: the deploy is not its cause", text, t.beforeText())
	}
}

func (t *test) beforeText() string {
	p := percent(t.Base.Bad / t.Base.Total)
	switch t.Rule {
	case ruleSlow:
		return "so for " + p + " of requests"
	case ruleShare:
		return "so for " + p + " of the time"
	}
	return p
}

// main is the test that a look tells: the comparison (at the tail that must be fine), else the limit.
func (s *State) main() *test {
	var first *test
	for _, t := range s.tests {
		if t.Compared && !t.Optional {
			return t
		}
		if first == nil {
			first = t
		}
	}
	return first
}

func (s *State) tellSoFar(j *Judgement) {
	t := s.main()
	if t == nil {
		j.Sentence = s.spec.Name + " cannot be judged so far"
		if s.fit.Missing != "" {
			j.Sentence += ", since " + s.fit.Missing
		}
		return
	}
	j.Sentence = fmt.Sprintf("%s, evidence of harm %s so far", s.compared(j, t, t.sums), oddsOf(j.Evidence))
}

// tellEnd writes the sentence of a Pass or an Unknown.
func (s *State) tellEnd(j *Judgement, out []outcome) {
	if tell := s.told(j, out); tell != nil {
		if j.Reason == LowTraffic {
			j.Needed = tell.needed // as the sentence says
		}
		c := tell.counts
		c.bad = c.high // what counts against passing
		j.Numbers = s.compared(j, tell.test, c)
		j.Sentence = j.Numbers + ": " + s.because(j, tell, out)
		if j.Status == Pass {
			j.Criteria = allCriteria(out)
		}
		return
	}
	switch j.Reason {
	case NoCriteria:
		j.Sentence = s.spec.Name + " has neither a limit nor a comparison that can be judged"
		if len(s.fit.Unjudged) > 0 {
			j.Sentence = s.spec.Name + " cannot be judged: " + strings.Join(s.fit.Unjudged, "; ")
		}
	case NoData:
		j.Sentence = s.spec.Name + " had no data in the window, so that nothing is known"
	default:
		j.Sentence = fmt.Sprintf("%s cannot be compared with before the deploy: %s", s.spec.Name, s.fit.Missing)
	}
}

// told is the outcome that the sentence is about.
func (s *State) told(j *Judgement, out []outcome) *outcome {
	if j.Reason == NoCriteria || j.Reason == NoData || j.Reason == NoBaseline && len(out) == 0 {
		return nil
	}
	main := s.main()
	var tell *outcome
	for i := range out {
		o := &out[i]
		if j.Status == Unknown && o.reason == j.Reason && (tell == nil || o.test == main || o.needed > tell.needed) {
			tell = o
		}
		if (j.Status == Pass || j.Reason == NoBaseline) && (tell == nil || o.test == main) {
			tell = o
		}
	}
	return tell
}

// because ends the sentence.
func (s *State) because(j *Judgement, o *outcome, out []outcome) string {
	switch {
	case j.Status == Pass:
		return s.excludes(o, out)
	case j.Reason == NoBaseline:
		return "the limit is not proved to be exceeded, and the comparison is not possible, since " + s.fit.Missing
	case j.Reason == LowTraffic && o.Rule == ruleShare:
		return "too few steps to tell, needs " + pluralf(int(o.needed), "more step", "more steps")
	case j.Reason == LowTraffic:
		return fmt.Sprintf("too few requests to exclude %s, needs about %s more requests", o.harm(), about(o.needed))
	}
	return "it looks worse than it may be, and that is not proved"
}

// excludes says what a pass rests on, the limits after the comparison.
func (s *State) excludes(o *outcome, out []outcome) string {
	text := o.harm()
	if o.Rule == ruleShare {
		text = "staying there"
	}
	for _, x := range out {
		if o.Compared && !x.Compared && x.Rule != ruleShare {
			text += " or " + x.harm()
			break
		}
	}
	return text + " is excluded (10:1)"
}

// harm names the least harm.
func (t *test) harm() string {
	switch {
	case !t.Compared && t.Rule == ruleSlow:
		return fmt.Sprintf("twice the share that p%s %s allows", quantileName(t.Allowed), t.Text)
	case !t.Compared:
		return "twice the limit of " + t.limit()
	case t.base.rate > harmAdd && t.Rule == ruleRatio:
		return "a doubling"
	case t.Rule == ruleScale && t.base.rate > harmAdd/(harmSlow-1):
		return "three times as many"
	}
	return "a rise by 1 pp"
}

func allCriteria(out []outcome) string {
	var names []string
	seen := map[string]bool{}
	for _, o := range out {
		if n := o.criterion(); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return strings.Join(names, " and ")
}

func (s *State) explainBoolean(j *Judgement) string {
	name := s.spec.Name
	switch {
	case j.Status == Fail:
		text := fmt.Sprintf("%s was 0 in %d steps in a row, evidence %s, %s", name, s.up.worst, oddsOf(j.Evidence), after(j.Onset.Sub(s.start)))
		if j.BadBefore {
			text += ", but it was 0 before the deploy too: the deploy is not its cause"
		}
		return text
	case j.Reason == NoData:
		return name + " had no data in the window, so that nothing is known"
	case j.Reason == LowTraffic:
		return fmt.Sprintf("%s was seen in %s only, needs %s", name, pluralf(s.up.steps, "step", "steps"), pluralf(int(j.Needed), "more step", "more steps"))
	case j.Reason == Unproved:
		return fmt.Sprintf("%s was 0 in %s of its values, too often to pass and not long enough to fail", name, percent(1-j.After.Value))
	case j.Status == Pass:
		return fmt.Sprintf("%s was 1 in %s of its values over %s", name, percent(j.After.Value), pluralf(s.up.steps, "step", "steps"))
	}
	return fmt.Sprintf("%s was 1 in %s of its values so far", name, percent(j.After.Value))
}
