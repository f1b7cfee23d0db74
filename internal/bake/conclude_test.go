package bake

import (
	"strings"
	"testing"

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
