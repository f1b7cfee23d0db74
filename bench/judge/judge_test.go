package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// As a judge this program says to every message what its environment holds; after the last it ends.
func TestMain(m *testing.M) {
	said := os.Getenv("BENCH_JUDGE_SAYS")
	if said == "" {
		os.Exit(m.Run())
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	for _, line := range strings.Split(said, "\n") {
		if !in.Scan() {
			return
		}
		fmt.Println(line)
	}
}

func TestJudgeProcess(t *testing.T) {
	for _, x := range []struct{ says, want, err string }{
		{`{"verdict":"continue"}` + "\n" + `{"verdict":"continue"}` + "\n" + `{"verdict":"rollback","why":"x"}`, "rollback at 30", ""},
		{`{"verdict":"continue"}`, "", "the judge ended"},
		{`{"verdict":"maybe"}`, "", `the judge said "maybe"`},
		{`oh`, "", `the judge said "oh"`},
	} {
		t.Setenv("BENCH_JUDGE_SAYS", x.says)
		j, err := startProcess(t.Context(), os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		v, err := hear(j, short(classOf(t, "calm"), 1, false))
		j.close()
		if got := fmt.Sprintf("%s at %d", v.Verdict, v.t); err == nil && got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
		if x.err == "" && err != nil || x.err != "" && (err == nil || !strings.Contains(err.Error(), x.err)) {
			t.Errorf("%s: got error %v, want %q", x.says, err, x.err)
		}
	}
}

func TestWilson(t *testing.T) {
	for _, x := range []struct {
		k, n      int
		low, high float64
	}{{0, 10, 0, 27.75}, {10, 10, 72.25, 100}, {5, 100, 2.15, 11.18}} {
		low, high := wilson(x.k, x.n)
		if math.Abs(low-x.low) > 0.01 || math.Abs(high-x.high) > 0.01 {
			t.Errorf("%d of %d: got %.2f to %.2f, want %.2f to %.2f", x.k, x.n, low, high, x.low, x.high)
		}
	}
}

func TestScore(t *testing.T) {
	g, b := &class{name: "g"}, &class{name: "b", bad: true}
	s := scoreOf([]*result{
		{class: g, verdict: verdict{answer{Verdict: pass}, 1800}},
		{class: g, verdict: verdict{answer{Verdict: rollback}, 60}},
		{class: b, onset: 300, verdict: verdict{answer{Verdict: rollback}, 300}},
		{class: b, onset: 300, verdict: verdict{answer{Verdict: rollback}, 360}},
		{class: b, verdict: verdict{answer{Verdict: pass}, 1800}},
		{class: b, verdict: verdict{answer{Verdict: inconclusive}, 1800}},
	})
	if s.allGood.wrong != 1 || s.allBad.wrong != 1 || s.allBad.detected != 1 || s.allBad.passed != 1 || s.allBad.delay() != 60 {
		t.Errorf("got %+v and %+v", s.allGood, s.allBad)
	}
	sooner := scoreOf([]*result{{class: g, bake: 1800, verdict: verdict{answer{Verdict: pass}, 600}}, {class: g, bake: 1800, verdict: verdict{answer{Verdict: pass}, 1800}}})
	var out bytes.Buffer
	if err := sooner.print(&out); err != nil || !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "all good 2 50.0 (9.5-90.5) 33.3") {
		t.Errorf("passes before the end: %v\n%s", err, &out)
	}
	if m := s.misses(bars{2, 8, 85, 7}); len(m) != 4 {
		t.Errorf("got %q, want all four bounds missed", m)
	}
	if m := s.misses(bars{50, 50, 25, 25}); m != nil {
		t.Errorf("got %q, want none", m)
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	path := filepath.Join(t.TempDir(), "traces.csv")
	if err := run(t.Context(), []string{"-judge", "naive", "-seeds", "2", "-workers", "2", "-case", "calm,death", "-bake", "600", "-csv", path}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"calm", "all good", "death", "all bad", "good, rolling, ", "bad, canary, "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, &out)
		}
	}
	rows, err := os.ReadFile(path)
	if err != nil || bytes.Count(rows, []byte("\n")) != 5 {
		t.Errorf("got %q, %v; want a heading and four traces", rows, err)
	}
	err = run(t.Context(), []string{"-judge", "naive", "-seeds", "2", "-case", "canary-ramp", "-check"}, &out)
	if err == nil || !strings.Contains(err.Error(), "bounds missed") {
		t.Errorf("-check: got %v, want bounds missed", err)
	}
	for _, args := range [][]string{{"-bake", "100"}, {"-case", "no-such"}, {"-seeds", "0"}, {"x"}} {
		if err := run(t.Context(), args, &out); err == nil {
			t.Errorf("%q: want an error", args)
		}
	}
}
