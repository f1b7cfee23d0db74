package judge

import (
	"math"
	"slices"
	"testing"
	"time"
)

// TestLevel: a gauge with a curve of the day, four times as high at noon as at night, and a spike each hour.
func TestLevel(t *testing.T) {
	const day = 5760 // steps of 15 s
	usual := func(i int) float64 {
		v := 25 - 15*math.Cos(2*math.Pi*float64(i)/day)
		if i%240 < 2 {
			v *= 3
		}
		return v + float64(i*i%7)/10
	}
	for _, c := range []struct {
		name    string
		hour    float64 // of the deploy
		after   func(i int, v float64) float64
		earlier bool // a deploy of yesterday did the same
		want    Status
	}{
		{"nothing at night", 1, func(_ int, v float64) float64 { return v }, false, Pass},
		{"the morning rises, as yesterday's", 7, func(_ int, v float64) float64 { return v }, false, Pass},
		{"noon's level at night", 1, func(int, float64) float64 { return 40 }, false, Fail},
		{"noon's level at night, for three minutes", 1, func(i int, v float64) float64 {
			if i > 40 && i <= 52 {
				return 40
			}
			return v
		}, false, Pass},
		{"noon's level at night, while it starts", 1, func(i int, v float64) float64 {
			if i < 20 {
				return 40
			}
			return v
		}, false, Pass},
		{"noon's level at night, as an earlier deploy", 1, func(int, float64) float64 { return 40 }, true, Pass},
		{"twice of noon's at noon", 12, func(_ int, v float64) float64 { return 2 * v }, false, Fail},
		{"a third more", 1, func(_ int, v float64) float64 { return 1.33 * v }, false, Pass},
	} {
		start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.hour * float64(time.Hour)))
		first := int(c.hour * 240)
		sample := func(i int, v float64) Sample {
			from := start.Add(time.Duration(i) * 15 * time.Second)
			return Sample{From: from, To: from.Add(15 * time.Second), Values: []float64{v}}
		}
		var h History
		for i := -day; i < 0; i++ {
			h.Before = append(h.Before, sample(i, usual(first+i)))
		}
		if c.earlier {
			e := Earlier{Start: start.Add(-15 * 24 * time.Hour)}
			for i := range 120 {
				x := sample(i, c.after(i, usual(first+i)))
				x.From, x.To = x.From.Add(-15*24*time.Hour), x.To.Add(-15*24*time.Hour)
				e.Samples = append(e.Samples, x)
			}
			h.Previous = []Earlier{e}
		}
		spec := DeploySpec{Alpha: 0.01, Start: start, End: start.Add(30 * time.Minute), WarmUp: 5 * time.Minute}
		spec.Metrics = []MetricSpec{{Spec: Spec{Name: "cpu", Kind: Gauge, Compare: true}}}
		d := NewDeploy(spec, slices.Values([]History{h}))
		v := Verdict{Status: Continue}
		for i := 0; i < 120 && v.Status == Continue; i++ {
			d.Add(0, sample(i, c.after(i, usual(first+i))))
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
