package judge

import (
	"slices"
	"strings"
	"testing"
)

// A deploy that is not passed is told by a metric, also where each alone would pass: a reader needs to know which, and so do the findings.
func TestWhoeverDoesNotPassIsNamed(t *testing.T) {
	v := newShop(1)
	d := v.deploy()
	for s := 0.0; s < v.bake; s += v.step {
		v.feed(d, s)
	}
	if x := d.End(); x.Status != Pass {
		t.Fatalf("a good deploy is %s: %s", x.Status, x.Sentence)
	}
	var x Verdict
	g := d.gather(&x)
	g.total = suspiciousTotal + 0.1
	if d.conclude(&x, g, d.atEnd()); x.Status != Unknown || x.Reason != Unproved || x.Metric != g.top.spec.Name || !strings.HasPrefix(x.Sentence, x.Metric+": all metrics together") {
		t.Errorf("got %s %s of %q: %s", x.Status, x.Reason, x.Metric, x.Sentence)
	}
	if i := slices.Index(d.metrics, g.top); x.Metrics[i].Reason != Unproved {
		t.Errorf("its own judgement is %+v", x.Metrics[i])
	}
}
