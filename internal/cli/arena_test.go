package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// arenaScript is a bake in which every request fails from the third minute on, with a gap, a scrape that came twice, and a process that
// went missing from the sum.
func arenaScript(t *testing.T, bad bool) string {
	t.Helper()
	var b strings.Builder
	say := func(v any) {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(j, 10))
	}
	group := func(req, errors float64) map[string]any {
		return map[string]any{"req": req, "err": errors, "biz": req / 25, "sat": req/1e6 - float64(int(req/1e6)), "lat": []float64{req * 0.9, req * 0.09, req * 0.01}}
	}
	row := func(sec, req, errors float64) map[string]any {
		return map[string]any{"type": "sample", "t": sec, "canary": group(req, errors)}
	}
	var history []any
	for s := -7200.0; s <= 0; s += 60 {
		history = append(history, row(s, (s+7200)*50, (s+7200)*0.05))
	}
	say(map[string]any{"type": "start", "interval": 15, "history_step": 60, "bake": 900, "alpha": 0.01, "control": false, "bounds_ms": []float64{100, 500}, "history": history, "previous": []any{}})
	for s := 15.0; s <= 900; s += 15 {
		errors := s * 0.05
		if bad && s > 180 {
			errors += (s - 180) * 50
		}
		switch {
		case s == 60: // a gap
			say(map[string]any{"type": "sample", "t": s})
		case s == 75: // the scrape of 45 s again
			say(row(s, 45*50, 45*0.05))
		case s >= 90 && s < 120: // a tenth of the processes is missing
			say(row(s, s*45, s*0.045))
		default:
			say(row(s, s*50, errors))
		}
	}
	say(map[string]any{"type": "end"})
	return b.String()
}

func TestArena(t *testing.T) {
	for _, bad := range []bool{false, true} {
		script := arenaScript(t, bad)
		var out bytes.Buffer
		if err := arena(strings.NewReader(script), &out, 0); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Count(out.String(), "\n"), strings.Count(script, "\n"); got != want {
			t.Fatalf("%d answers to %d messages", got, want)
		}
		if got := strings.Contains(out.String(), `"rollback"`); got != bad {
			t.Errorf("bad %v: rolled back %v: %s", bad, got, out.String())
		}
	}
}

func TestArenaWantsAStart(t *testing.T) {
	if err := arena(strings.NewReader(`{"type":"end"}`), &bytes.Buffer{}, 0); err == nil {
		t.Error("an end without a start was taken")
	}
}

// It passes before the end where it is told that it may, and not otherwise.
func TestArenaPassesEarly(t *testing.T) {
	for after, want := range map[time.Duration]bool{0: false, 6 * time.Minute: true} {
		var out bytes.Buffer
		if err := arena(strings.NewReader(arenaScript(t, false)), &out, after); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if got := strings.Contains(strings.Join(lines[:len(lines)-1], "\n"), `"pass"`); got != want {
			t.Errorf("from %s on: it passes before the end %v, want %v: %s", after, got, want, out.String())
		}
	}
}
