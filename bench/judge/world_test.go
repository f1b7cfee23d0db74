package main

import (
	"encoding/json"
	"testing"
)

const (
	testBake = 1800
	testPast = 3660 // s: a day, and earlier deploys, are for judges
)

func classOf(t *testing.T, name string) *class {
	t.Helper()
	for _, c := range classes() {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("no class %q", name)
	return nil
}

func short(c *class, seed uint64, healthy bool) *trace {
	return simulate(wish{class: c, seed: seed, bake: testBake, past: testPast, healthy: healthy})
}

// told is all that a judge would be told.
func told(t *testing.T, tr *trace) string {
	t.Helper()
	b, err := json.Marshal([]any{tr.start(), tr.samples})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSameSeedSameDeploy(t *testing.T) {
	for _, name := range []string{"calm", "autoscaling", "scrape-stale", "crash-loop"} {
		c := classOf(t, name)
		again := wish{class: c, seed: 7, bake: testBake, past: testPast, earlier: 1}
		first := told(t, simulate(again))
		if first != told(t, simulate(again)) {
			t.Errorf("%s: the same seed told two stories", name)
		}
		if first == told(t, short(c, 9, false)) {
			t.Errorf("%s: two seeds told the same story", name)
		}
	}
}

// A fault must not reach back: until it begins, the deploy is the one without it.
func TestNothingChangesBeforeTheFault(t *testing.T) {
	for _, c := range bad() {
		sick, well := short(c, 2, false), short(c, 2, true)
		for i, f := range sick.truth {
			if f.t <= sick.onset && f != well.truth[i] {
				t.Errorf("%s: at %g s, before the fault at %g s, got %+v, want %+v", c.name, f.t, sick.onset, f, well.truth[i])
				break
			}
		}
	}
}

func TestShapeOfATrace(t *testing.T) {
	for seed := range uint64(2) {
		tr := simulate(whole(classOf(t, "errors-x5"), seed, 600))
		if n := len(tr.history); n != 1440 || tr.history[0].T != -86340 || tr.history[n-1].T != 0 {
			t.Errorf("history: got %d rows", n)
		}
		if n := len(tr.samples); n != 40 || tr.samples[0].T != 15 || tr.samples[n-1].T != 600 {
			t.Errorf("samples: got %d rows", n)
		}
		if len(tr.previous) != 5 {
			t.Fatalf("got %d earlier deploys, want 5", len(tr.previous))
		}
		for _, rows := range tr.previous {
			if n := len(rows); n != 100 || rows[0].T != -885 || rows[n-1].T != 600 {
				t.Errorf("an earlier deploy: got %d rows from %d", n, rows[0].T)
			}
		}
		if beside := tr.history[5].Control != nil; beside != (tr.mode == canary) {
			t.Errorf("%s: control %v", tr.mode, beside)
		}
	}
}

// A process's counters grow until it starts again; a request is in one bucket.
func TestCountersOnlyGrow(t *testing.T) {
	for _, name := range []string{"calm", "pod-restart", "crash-loop", "autoscaling"} {
		for seed := range uint64(2) {
			p := newPlan(classOf(t, name), seed, testBake)
			w := p.world(seed, "deploy", -testPast)
			w.clock, w.events, w.fault = p.clock, p.events, p.fault
			counted := map[*pod]counters{}
			born := map[*pod]float64{}
			w.run(func(at float64, _ flow) {
				for _, p := range w.pods {
					if was := counted[p]; born[p] == p.born && fell(was, p.count) {
						t.Errorf("%s: at %g s the counters of pod %d fell without a start", name, at, p.slot)
					}
					counted[p], born[p] = p.count, p.born
					if sum(p.count.lat[:]) != p.count.req || p.count.err > p.count.req {
						t.Errorf("%s: %d requests, %d errors, %d in buckets", name, p.count.req, p.count.err, sum(p.count.lat[:]))
					}
				}
			})
		}
	}
}

func fell(was, is counters) bool {
	for i := range is.lat {
		if is.lat[i] < was.lat[i] {
			return true
		}
	}
	return is.req < was.req || is.err < was.err || is.biz < was.biz
}

func sum(xs []int64) int64 {
	n := int64(0)
	for _, x := range xs {
		n += x
	}
	return n
}

// The naive judge cries wolf at the good deploys and finds the gross faults: the world is neither easy nor hopeless.
func TestTheWorldIsHard(t *testing.T) {
	gross := map[string]bool{"errors-x5": true, "errors-zone": true, "timeouts": true, "retry-storm": true, "death": true, "stuck": true}
	wrong, n := 0, 0
	for _, c := range classes() {
		if c.bad && !gross[c.name] {
			continue
		}
		found := 0
		for seed := uint64(1); seed <= 3; seed++ {
			tr := short(c, seed, false)
			v, err := hear(&naive{}, tr)
			if err != nil {
				t.Fatal(err)
			}
			if v.Verdict == rollback {
				found++
			}
		}
		if c.bad && found < 2 {
			t.Errorf("%s: the naive judge found %d of 3", c.name, found)
		}
		if !c.bad {
			wrong, n = wrong+found, n+3
		}
	}
	if got := percent(wrong, n); got < 20 {
		t.Errorf("the naive judge rolls back %.0f%% of the good deploys: that is too easy a world", got)
	}
}
