package judge

import (
	"slices"
	"strings"
	"testing"
)

func TestUnitText(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Seconds, 0.25, "250 ms"}, {Seconds, 0.0005, "500 µs"}, {Seconds, 0, "0 s"}, {Seconds, 2.5, "2.5 s"}, {Seconds, 300, "300 s"}, {Seconds, -0.1, "-100 ms"},
		{Bytes, 2e8, "200 MB"}, {Bytes, 123456789, "123.5 MB"}, {Bytes, 1 << 30, "1.074 GB"}, {Bytes, 12, "12 bytes"}, {Bytes, 2048, "2.048 kB"}, {Bytes, 3e12, "3 TB"}, {Bytes, 1e18, "1e+18"},
		{"", 0.25, "0.25"},
	} {
		if got := c.unit.Text(c.v); got != c.want {
			t.Errorf("%g %s: got %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

// Sentences write a bound with its unit, by one metric and by all.
func TestUnitInSentences(t *testing.T) {
	buckets := func(from, dt float64, n int, slow float64) (out []Sample) {
		for i := range n {
			out = append(out, Sample{From: at(from + float64(i)*dt), To: at(from + float64(i+1)*dt), Buckets: []Bucket{{Le: 0.1, N: 1000 - slow}, {Le: 0.25, N: slow / 2}, {Inf: true, N: slow / 2}}})
		}
		return out
	}
	spec := window(Spec{Name: "latency", Kind: Histogram, Compare: true, Unit: Seconds}, 300)
	before, after := buckets(-3600, 30, 120, 10), buckets(0, 15, 20, 400)
	if j := baked(spec, before, after); !strings.HasPrefix(j.Sentence, "latency above ") || !strings.Contains(j.Sentence, " ms for ") {
		t.Errorf("alone: %s", j.Sentence)
	}
	d := NewDeploy(DeploySpec{Alpha: 0.01, Start: deployed, End: at(300), Metrics: []MetricSpec{{Spec: spec}}}, slices.Values([]History{{Before: before}}))
	for _, x := range after {
		d.Add(0, x)
	}
	if v := d.Judge(); v.Status != Fail || !strings.Contains(v.Sentence, " ms for ") {
		t.Errorf("all: %s: %s", v.Status, v.Sentence)
	}
}
