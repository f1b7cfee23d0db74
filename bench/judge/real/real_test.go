package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write3 writes three days of a steady gauge with a labelled hour that is not.
func write3(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "realAWSCloudwatch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2014, 2, 14, 14, 30, 0, 0, time.UTC)
	b := []byte("timestamp,value\n")
	for i := range 3 * 288 {
		v := 40 + math.Sin(float64(i*i))
		if i >= 852 {
			v = 95
		}
		b = fmt.Appendf(b, "%s,%.3f\n", start.Add(time.Duration(i)*5*time.Minute).Format(time.DateTime), v)
	}
	at := func(i int) string { return start.Add(time.Duration(i)*5*time.Minute).Format(time.DateTime) + ".000000" }
	labels := fmt.Sprintf(`{"realAWSCloudwatch/ec2_cpu_utilization_x.csv": [[%q, %q]]}`, at(852), at(863))
	for name, content := range map[string][]byte{"ec2_cpu_utilization_x.csv": b, "combined_windows.json": []byte(labels), "unknown.csv": b} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSteadySeries(t *testing.T) {
	var first, second bytes.Buffer
	dir := write3(t)
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run([]string{"-data", dir, "-alarms", "-earlier", "2"}, out); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("two runs differ")
	}
	got := strings.Join(strings.Fields(first.String()), " ")
	// 48 windows after the first day, of which the labels touch one
	want := "realAWSCloudwatch/ec2_cpu_utilization_x gauge 47 0.0 (0.0-7.6) 0.0 (0.0-7.6) 0.0 (0.0-7.6) 100.0 (92.4-100.0) 100.0 (92.4-100.0) 100.0"
	if !strings.Contains(got, want) || strings.Contains(got, "unknown") {
		t.Errorf("got %s\nwant %s", first.String(), want)
	}
}

func TestMannWhitney(t *testing.T) {
	flat := []float64{10, 11, 10, 12, 11, 10, 12}
	for _, c := range []struct {
		name string
		x, y []float64
		want bool
	}{
		{"the same", flat, flat, false},
		{"all equal", []float64{5, 5, 5, 5, 5}, []float64{5, 5, 5, 5, 5}, false},
		{"constant and higher", []float64{6, 6, 6, 6, 6}, []float64{5, 5, 5, 5, 5}, true},
		{"double", []float64{20, 22, 20, 24, 22, 20, 24}, flat, true},
		{"half", []float64{5, 5.5, 5, 6, 5.5, 5, 6}, flat, false},
		{"one spike", []float64{100, 100, 100, 100, 100, 100, 100, 3}, []float64{1, 1, 1, 1, 1, 1, 1, 1}, true},
		{"one spike alone", []float64{1, 1, 1, 1, 1, 1, 1, 3}, []float64{1, 1, 1, 1, 1, 1, 1, 1}, false},
		{"nothing before", []float64{0, 1, 2, 1, 0, 0}, []float64{0, 0, 0, 0, 0, 0}, false},
	} {
		if got := kayentaDefault.isHigher(c.x, c.y); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
