package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a deploy lacks is enough for a pass, at the rate seen, and half of it is not. Asking changes nothing.
func TestLacks(t *testing.T) {
	before := even(-86400, 60, 1440, 3, 3000)
	for name, spec := range map[string]Spec{
		"compared": {Name: "errors", Kind: Proportion, Compare: true},
		"limited":  {Name: "errors", Kind: Proportion, Limits: []Limit{{Max: 0.02, HasMax: true, Text: "2%"}}},
	} {
		begin := func(window float64) *Deploy {
			d := NewDeploy(DeploySpec{Alpha: 0.01, Start: deployed, End: at(window), Metrics: []MetricSpec{{Spec: spec}}}, slices.Values([]History{{Before: before}}))
			for _, x := range even(0, 15, 20, 0, 2) {
				d.Add(0, x)
			}
			return d
		}
		d := begin(300)
		l := d.Lacks()
		if l.Metric != "errors" || l.Needed < 10 || l.Unit != "requests" || math.Abs(l.Wait.Seconds()-l.Needed/40*300) > 1 {
			t.Fatalf("%s: got %+v", name, l)
		}
		if !strings.HasPrefix(l.String(), "errors needs about ") || !strings.HasSuffix(l.String(), " more requests") {
			t.Errorf("%s: got %q", name, l)
		}
		if again := d.Lacks(); again != l {
			t.Errorf("%s: got %+v, then %+v", name, l, again)
		}
		for share, want := range map[float64]Status{1: Pass, 0.5: Unknown} {
			long := begin(300 + l.Wait.Seconds())
			for _, x := range even(300, l.Wait.Seconds()/40, 40, 0, math.Ceil(l.Needed*share)/40) {
				long.Add(0, x)
			}
			if v := long.End(); v.Status != want {
				t.Errorf("%s: with %g of what is lacking: %s: %s; want %s", name, share, v.Status, v.Sentence, want)
			}
			if l := long.Lacks(); (l.Needed == 0) != (want == Pass) {
				t.Errorf("%s: with %g of what is lacking: %+v", name, share, l)
			}
		}
	}
}

// What has no say, or can do without, holds nobody up; of the others the longest wait is told, a rate's in seconds.
func TestLacksOfSeveral(t *testing.T) {
	of := func(name string, kind Kind) MetricSpec {
		return MetricSpec{Spec: Spec{Name: name, Kind: kind, Compare: true}}
	}
	dry, optional := of("dry", Proportion), of("optional", Proportion)
	dry.DryRun, optional.Optional = true, true
	d := NewDeploy(DeploySpec{Alpha: 0.01, Start: deployed, End: at(900), Metrics: []MetricSpec{dry, optional, of("traffic", Rates), of("much", Proportion)}},
		slices.Values([]History{{Before: even(-86400, 60, 1440, 3, 3000)}, {Before: even(-86400, 60, 1440, 3, 3000)}, {Before: even(-86400, 60, 1440, 0, 3)}, {Before: even(-86400, 60, 1440, 3, 3000)}}))
	for i, n := range []float64{1, 1, 3, 3000} {
		for _, x := range even(0, 60, 1, 0, n) {
			d.Add(i, x)
		}
	}
	if l := d.Lacks(); l.Metric != "traffic" || l.Unit != "seconds" || l.Wait < time.Second || fmt.Sprintf("%.0f", l.Wait.Seconds()) != fmt.Sprintf("%.0f", l.Needed) {
		t.Errorf("got %+v", l)
	}
}
