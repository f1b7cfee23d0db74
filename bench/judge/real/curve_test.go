package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCurve: on a steady series no setting has a false alarm, and a least effect that is more than the harm finds none of it.
func TestCurve(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-data", write3(t), "-curve", "-deploys", "10"}, &out); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"gauge bakegate alpha 0.01 10 0.00 100.00 100.00",
		"gauge Mann-Whitney z 2.33, effect x1 10 0.00 100.00 100.00",
		"gauge Mann-Whitney z 2.33, effect x2.5 10 0.00 0.00 100.00",
		"gauge best Mann-Whitney as few as alpha 0.01 10 0.00 100.00 100.00",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s", out.String(), want)
		}
	}
}

func TestTable(t *testing.T) {
	odd, err := oddRows("no such file", time.Time{})
	if err != nil || len(odd) > 0 {
		t.Errorf("without labels: got %v, %v", odd, err)
	}
	dir := t.TempDir() + "/Dataset2"
	table := dir + "/test/service1.csv"
	for name, content := range map[string]string{table: "1,5,0\n2,5,0\n3,5,0\n", dir + "/test_label/service1.csv": "0\n1.0\n0\n"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := load(dir, "")
	if err != nil || len(all) != 1 {
		t.Fatalf("got %d series, %v; want the one column that moves", len(all), err)
	}
	s := all[0]
	if s.name != "Dataset2/test/service1#00" || len(s.points) != 3 || s.points[2].value != 3 || s.step != longestStep || len(s.odd) != 1 {
		t.Errorf("got %+v", s)
	}
}
