package bake

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
)

// pastWorld is a service whose processes are replaced at each deploy, and whose bad deploys fail a share of the requests until the next.
type pastWorld struct {
	begin time.Time
	bad   []time.Time // each lasts an hour
}

func (w pastWorld) failing(t time.Time) bool {
	return slices.ContainsFunc(w.bad, func(b time.Time) bool { return !t.Before(b) && t.Before(b.Add(time.Hour)) })
}

// backend counts 50 requests a second, one in a thousand of which fails, and one in ten while a bad deploy is live.
func (w pastWorld) backend() *backend {
	errs := func(age time.Duration) float64 {
		n := 0.0
		for t := w.begin; t.Before(w.begin.Add(age)); t = t.Add(15 * time.Second) {
			n += 0.75
			if w.failing(t) {
				n += 75
			}
		}
		return math.Floor(n)
	}
	table := map[time.Duration]float64{}
	cached := func(age time.Duration) float64 {
		if _, ok := table[age]; !ok {
			table[age] = errs(age)
		}
		return table[age]
	}
	return &backend{every: 15 * time.Second, answers: map[string][]process{
		"bad":   {{name: "requests_total", labels: map[string]string{"code": "500"}, born: w.begin, value: cached}},
		"total": {{name: "requests_total", labels: map[string]string{"code": "500"}, born: w.begin, value: cached}, {name: "requests_total", labels: map[string]string{"code": "200"}, born: w.begin, value: perSecond(50)}},
	}}
}

func backtestOf(src metric.Source, past ...Past) Backtest {
	zero := time.Duration(0)
	o := Options{Window: 10 * time.Minute, Step: 30 * time.Second, WarmUp: &zero, Baseline: Baseline{Window: 2 * time.Hour},
		Metrics: []Metric{{Name: "errors", From: "m", Bad: "bad", Total: "total", Compare: "before"}}}.WithDefaults()
	return Backtest{Options: o, Sources: map[string]metric.Source{"m": src}, Past: past}
}

func TestBacktest(t *testing.T) {
	now := time.Now().Truncate(time.Minute)
	begin := now.Add(-48 * time.Hour)
	at := func(h float64) time.Time { return begin.Add(time.Duration(h * float64(time.Hour))) }
	w := pastWorld{begin: begin, bad: []time.Time{at(20), at(30)}}
	src := w.backend()
	past := []Past{{Started: at(30), Truth: Bad}, {Started: at(6), Truth: Good}, {Started: at(20), Truth: Bad}, {Started: at(10), Truth: None}, {Started: at(46), Truth: Good}}
	var told []int
	b := backtestOf(src, past...)
	b.Progress = func(done, _ int) { told = append(told, done) }
	rs, err := b.Run(t.Context())
	if err != nil || len(rs) != len(past) {
		t.Fatalf("%d replays, %v", len(rs), err)
	}
	for i, want := range []string{ReplayPass, ReplayPass, ReplayRollback, ReplayRollback, ReplayPass} {
		r := rs[i]
		if r.Verdict != want {
			t.Errorf("%s (%s): got %s (%s), want %s", r.Started, r.Truth, r.Verdict, r.Why, want)
		}
		if want == ReplayRollback && (r.At.Sub(r.Serving) > 5*time.Minute || r.By[0] != "errors" || r.Why == "") {
			t.Errorf("it was rolled back at %s by %v: %s", r.At, r.By, r.Why)
		}
	}
	if !slices.Equal(told, []int{1, 2, 3, 4, 5}) {
		t.Errorf("progress %v", told)
	}
	sum := b.Options.Summarise(rs)
	if sum.Good.N != 0 || sum.Good.Of != 3 || sum.Bad.N != 2 || sum.Bad.Of != 2 || sum.Delay <= 0 || sum.Metrics[0].Caught != 2 {
		t.Errorf("%+v", sum)
	}
	for i, r := range src.ranges { // what was fetched once is not fetched again
		if i > 0 && r.From.Before(src.ranges[i-1].To) {
			t.Errorf("%s to %s was fetched again", r.From, r.To)
		}
	}
}

// A replay must say what the bake would have said, at the time at which it would have said it: what it hides from the judge is everything
// behind the window.
func TestBacktestSeesOnlyItsTime(t *testing.T) {
	now := time.Now().Truncate(time.Minute)
	begin := now.Add(-12 * time.Hour)
	w := pastWorld{begin: begin, bad: []time.Time{begin.Add(5*time.Hour + 11*time.Minute)}} // right behind the window
	rs, err := backtestOf(w.backend(), Past{Started: begin.Add(5 * time.Hour), Truth: Good}).Run(t.Context())
	if err != nil || rs[0].Verdict != ReplayPass {
		t.Errorf("%+v %v", rs, err)
	}
}

func TestBacktestWithoutData(t *testing.T) {
	old := time.Now().Add(-1000 * time.Hour)
	rs, err := backtestOf(&backend{every: 15 * time.Second}, Past{Started: old, Truth: Bad}).Run(t.Context())
	if err != nil || rs[0].Verdict != ReplayInconclusive || rs[0].Metrics[0].Status != judge.Unknown {
		t.Errorf("%+v %v", rs, err)
	}
	down := &backend{every: 15 * time.Second, down: func(time.Time) error { return errors.New("refused") }}
	if _, err := backtestOf(down, Past{Started: old}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a backend that is down: %v", err)
	}
	if _, err := backtestOf(&backend{scrape: true}, Past{Started: old}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "keeps no history") {
		t.Errorf("a source without history: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rs, err := backtestOf(&backend{every: 15 * time.Second}, Past{Started: old}).Run(ctx); err == nil || len(rs) > 0 {
		t.Errorf("cancelled: %v %v", rs, err)
	}
}

func TestAdvice(t *testing.T) {
	o := backtestOf(nil).Options
	o.Metrics[0].Limit = &Limit{Max: Bound{V: 0.01, Set: true, Text: "1%"}}
	var rs []Replayed
	for i := range 100 {
		r := Replayed{Past: Past{Started: time.Unix(int64(i)*7200, 0), Truth: None}, Verdict: ReplayPass, Metrics: []judge.Judgement{{Status: judge.Pass, After: judge.Rate{Value: 0.005, Total: 1}}}}
		switch {
		case i%10 == 0:
			r.Verdict, r.By = ReplayRollback, []string{"errors"}
			r.Metrics[0] = judge.Judgement{Status: judge.Fail, After: judge.Rate{Value: 0.05, Total: 100}}
		case i%3 == 0:
			r.Verdict = ReplayInconclusive
			r.Metrics[0] = judge.Judgement{Status: judge.Unknown, Reason: judge.LowTraffic}
		}
		rs = append(rs, r)
	}
	s := o.Summarise(rs)
	text := strings.Join(s.Advice, "\n")
	for _, want := range []string{"errors alarms where nothing is wrong: 10 of 100 times, 10 of them alone", "errors is beyond its limit in 10 of 100 windows", "errors has no verdict in 30 of 100 windows (low-traffic)"} {
		if !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %s", text, want)
		}
	}
	if s.Good.N != 10 || s.Good.Upper < 0.1 || s.Good.Upper > 0.2 {
		t.Errorf("%+v", s.Good)
	}
}

// Wilson's interval (Brown, Cai, DasGupta 2001, table): 0 of 10 has the one-sided upper end 0.213.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		n, of int
		want  float64
	}{{0, 10, 0.2130}, {10, 10, 1}, {5, 100, 0.0979}, {0, 0, 1}} {
		if got := wilson(c.n, c.of); math.Abs(got-c.want) > 0.002 {
			t.Errorf("%d of %d: got %.4f, want %.4f", c.n, c.of, got, c.want)
		}
	}
}

// A replay passes before the end of the window where the bake would have.
func TestBacktestPassesEarly(t *testing.T) {
	begin := time.Now().Truncate(time.Minute).Add(-48 * time.Hour)
	at := func(h float64) time.Time { return begin.Add(time.Duration(h * float64(time.Hour))) }
	bad, late := at(20), at(30).Add(6*time.Minute)
	src := pastWorld{begin: begin, bad: []time.Time{bad, late}}.backend()
	b := backtestOf(src, Past{Started: at(6), Truth: Good}, Past{Started: bad, Truth: Bad}, Past{Started: at(30), Truth: Bad})
	for _, after := range []time.Duration{0, 4 * time.Minute} {
		b.Options.PassAfter = after
		rs, err := b.Run(t.Context())
		if err != nil || len(rs) != 3 {
			t.Fatalf("%d replays, %v", len(rs), err)
		}
		s := b.Options.Summarise(rs)
		early := after > 0
		want := []string{ReplayPass, ReplayRollback, ReplayRollback}
		if early {
			want[2] = ReplayPass // it began to fail in the seventh minute
		}
		for i, r := range rs {
			if watched := r.At.Sub(r.Serving); r.Verdict != want[i] || r.Verdict == ReplayPass && (watched < 6*time.Minute) != early {
				t.Errorf("pass-after %s, replay %d: got %s after %s, want %s: %s", after, i, r.Verdict, watched, want[i], r.Why)
			}
		}
		if early != (s.Early.N == 2 && s.EarlyBad == 1) || !early && s.Early.N > 0 {
			t.Errorf("pass-after %s: %d passed early, %d of them bad", after, s.Early.N, s.EarlyBad)
		}
	}
}
