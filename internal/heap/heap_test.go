package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// The first collection puts Go's own setting back: a long bake must not live with a heap of nine times its needs.
func TestRelaxedOnlyUntilTheFirstCollection(t *testing.T) {
	before := debug.SetGCPercent(usual)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	relax()
	if got := debug.SetGCPercent(first); got != first {
		t.Fatalf("before the first collection: got %d, want %d", got, first)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
		if got := debug.SetGCPercent(usual); got == usual {
			return
		}
		debug.SetGCPercent(first)
	}
	t.Fatal("it is still relaxed behind the first collections")
}

func TestWithin(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	done := Within(64 << 20)
	if got := debug.SetMemoryLimit(-1); got != 64<<20 {
		t.Errorf("got a limit of %d bytes, want 64 MiB", got)
	}
	done()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("behind it: got a limit of %d bytes, want %d as before", got, before)
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	defer Within(64 << 20)()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("where the user set one: got %d bytes, want it left alone", got)
	}
}

// More is left uncollected while it is asked for, and not before the first collection, which has a setting of its own.
func TestAmple(t *testing.T) {
	t.Setenv("GOGC", "")
	now := func() int {
		p := debug.SetGCPercent(usual)
		debug.SetGCPercent(p)
		return p
	}
	state := func(settled bool) (was bool) {
		relaxed.mu.Lock()
		defer relaxed.mu.Unlock()
		was, relaxed.settled = relaxed.settled, settled
		return was
	}
	for end := time.Now().Add(10 * time.Second); !state(false) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC() // the process' own first collection
	}
	before := now()
	defer func() { state(true); debug.SetGCPercent(before) }()
	debug.SetGCPercent(first)
	done := Ample()
	if got := now(); got != first {
		t.Errorf("before the first collection: got %d, want %d", got, first)
	}
	relaxed.settle()
	if got := now(); got != ample {
		t.Errorf("behind it: got %d, want %d", got, ample)
	}
	if done(); now() != usual {
		t.Errorf("at the end: got %d, want %d", now(), usual)
	}
	t.Setenv("GOGC", "50")
	if Ample()(); now() != usual {
		t.Errorf("where the user set it: got %d, want it left alone", now())
	}
}
