package bake

import (
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/judge"
)

// What all metrics together come to shows in the metric that tells it: else the deploy would pass with every metric alone.
func TestEndedInViewOfAll(t *testing.T) {
	pass, fail, unknown := judge.Pass, judge.Fail, judge.Unknown
	for name, c := range map[string]struct {
		alone  judge.Status
		all    judge.Verdict
		want   judge.Status
		reason string
	}{
		"both pass":                       {pass, judge.Verdict{Status: pass}, pass, ""},
		"all are not sure, because of it": {pass, judge.Verdict{Status: unknown, Reason: judge.Unproved, Metric: "errors"}, unknown, judge.Unproved},
		"all are not sure, of another":    {pass, judge.Verdict{Status: unknown, Reason: judge.Unproved, Metric: "latency"}, pass, ""},
		"it fails alone":                  {fail, judge.Verdict{Status: pass}, pass, ""},
		"it fails alone, all unsure":      {fail, judge.Verdict{Status: unknown, Reason: judge.LowTraffic, Metric: "latency"}, unknown, judge.Unproved},
		"it fails in all":                 {pass, judge.Verdict{Status: fail, Metric: "errors"}, fail, ""},
	} {
		if got := ended(judge.Judgement{Metric: "errors", Status: c.alone}, c.all); got.Status != c.want || got.Reason != c.reason {
			t.Errorf("%s: got %s %s, want %s %s", name, got.Status, got.Reason, c.want, c.reason)
		}
	}
	numbers := "errors 0.21% (5 of 2,388) against 0.37% before"
	if got := ended(judge.Judgement{Metric: "errors", Status: unknown, Reason: judge.LowTraffic, Numbers: numbers}, judge.Verdict{Status: pass}); got.Status != pass || !strings.HasPrefix(got.Sentence, numbers+": over all") {
		t.Errorf("a pass without its numbers: %+v", got)
	}
}

// Of which metric there is too little, and how much more it takes, is said by what decides.
func TestTooLittleInViewOfAll(t *testing.T) {
	alone := judge.Judgement{Metric: "errors", Status: judge.Unknown, Reason: judge.LowTraffic, Needed: 900, Sentence: "needs about 900 more requests", Numbers: "errors 0%"}
	for name, c := range map[string]struct {
		all  judge.Judgement
		want judge.Judgement
	}{
		"fewer":   {judge.Judgement{Metric: "errors", Status: judge.Unknown, Reason: judge.LowTraffic, Needed: 40, Sentence: "needs about 40 more requests"}, judge.Judgement{Status: judge.Unknown, Reason: judge.LowTraffic, Needed: 40, Sentence: "needs about 40 more requests"}},
		"none":    {judge.Judgement{Metric: "errors", Status: judge.Pass}, alone},
		"in vain": {judge.Judgement{Metric: "errors", Status: judge.Unknown, Reason: judge.Unproved, Sentence: "looks worse"}, alone},
		"unknown": {judge.Judgement{Metric: "errors", Status: judge.Unknown, Reason: judge.NoData}, alone},
		"another": {judge.Judgement{Metric: "latency", Status: judge.Pass}, alone},
	} {
		got := ended(alone, judge.Verdict{Status: judge.Unknown, Reason: judge.LowTraffic, Metric: "latency", Metrics: []judge.Judgement{c.all}})
		if got.Status != c.want.Status || got.Reason != c.want.Reason || got.Needed != c.want.Needed || got.Sentence != c.want.Sentence {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPresent(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "about 5s", 17 * time.Second: "about 15s", 100 * time.Second: "about 1m40s", 3*time.Minute + 40*time.Second: "about 4m", 90 * time.Hour: "about 90h",
	} {
		if got := present(d); got != " ("+want+" at the present rate)" {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
	if got := present(1000 * time.Hour); got != "" {
		t.Errorf("nobody waits for that: %q", got)
	}
}
