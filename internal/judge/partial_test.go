package judge

import (
	"slices"
	"testing"
	"time"
)

// TestPartial: of three processes one or all are missing from the sum. That less is counted is no loss of traffic; that nothing is, is.
func TestPartial(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	spec := DeploySpec{Alpha: 0.01, Start: start, End: start.Add(15 * time.Minute)}
	spec.Metrics = []MetricSpec{{Spec: Spec{Name: "traffic", Kind: Rates, Compare: true}}}
	at := func(i int) time.Time { return start.Add(time.Duration(i) * 15 * time.Second) }
	var h History
	for i := -960; i < 0; i++ {
		h.Before = append(h.Before, Sample{From: at(i), To: at(i + 1), Total: float64(300 + i*i%17)})
	}
	for _, c := range []struct {
		name    string
		total   float64
		partial bool
		want    Status
	}{
		{"a third is missing", 200, true, Pass},
		{"a third is lost", 200, false, Fail},
		{"nothing is counted", 0, true, Fail},
	} {
		d := NewDeploy(spec, slices.Values([]History{h}))
		v := Verdict{Status: Continue}
		for i := 0; i < 60 && v.Status == Continue; i++ {
			x := Sample{From: at(i), To: at(i + 1), Total: float64(300 + i*i%17)}
			if i >= 20 && i < 32 {
				x.Total, x.Partial = c.total, c.partial
			}
			d.Add(0, x)
			v = d.Judge()
		}
		if v.Status == Continue {
			v = d.End()
		}
		if v.Status != c.want {
			t.Errorf("%s: got %s (%s), want %s", c.name, v.Status, v.Sentence, c.want)
		}
	}
}
