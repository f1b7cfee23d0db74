package bake

import (
	"errors"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/judge"
	"github.com/bakegate/bakegate/internal/verdict"
)

// The real judge behind the real loop: a steady service passes, one that gets worse fails, one that was worse before is external.
func TestWithTheRealJudge(t *testing.T) {
	tests := []struct {
		name     string
		extra    func(start time.Time) []process // failures beside the usual ones
		outcome  verdict.Outcome
		external bool
	}{
		{"steady", func(time.Time) []process { return nil }, verdict.Pass, false},
		{"worse", func(start time.Time) []process {
			return []process{{name: totalText, labels: map[string]string{"pod": "a", "code": "503"}, born: start.Add(3 * time.Minute), value: perSecond(5)}}
		}, verdict.Fail, false},
		{"as bad before", func(start time.Time) []process {
			return []process{{name: totalText, labels: map[string]string{"pod": "a", "code": "503"}, born: start.Add(-50 * time.Hour), value: perSecond(5)}}
		}, verdict.Fail, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := shop(time.Now())
				more := tt.extra(time.Now())
				src.answers[badText] = append(src.answers[badText], more...)
				src.answers[totalText] = append(src.answers[totalText], more...)
				m := errorsMetric()
				m.Compare = "before"
				p := plan(src, nil, m)
				p.newJudge, p.newDeploy = nil, nil
				r := Run(t.Context(), p)
				f := find(t, r, "bake/errors")
				if f.Outcome != tt.outcome || f.External != tt.external {
					t.Errorf("%s, external %v, want %s, %v: %s", f.Outcome, f.External, tt.outcome, tt.external, f.Summary)
				}
				if len(f.Evidence) == 0 {
					t.Error("no evidence")
				}
			})
		})
	}
}

func TestTroublesOneByOneAreNeverAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := shop(time.Now())
		src.scrape = true
		p := plan(src, &judges{}, errorsMetric())
		p.Once = true
		time.Sleep(20 * time.Minute)
		r := Run(t.Context(), p)
		if f := find(t, r, "bake/errors"); f.Outcome == verdict.Pass || f.Outcome == verdict.Fail || r.Pending {
			t.Errorf("a single look at a source without history: %+v, pending %v", f, r.Pending)
		}
	})
}

// A backend that refuses long ranges is asked for shorter ones.
func TestHistoryInShorterChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, js := shop(time.Now()), &judges{}
		limited := &refusing{backend: src, most: 12 * time.Minute}
		m := errorsMetric()
		m.Compare = "before"
		r := Run(t.Context(), plan(limited, js, m))
		wantFinding(t, r, "bake/errors", verdict.Pass, "")
		if n := len(js.last["errors"].before); n < 178 {
			t.Errorf("%d samples of the baseline", n)
		}
	})
}

// A query that is refused all the time must not make the others be fetched from the start again and again.
func TestFailingQueryDoesNotGrowTheOthersFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := shop(time.Now())
		Run(t.Context(), plan(src, &judges{}, errorsMetric(), Metric{Name: "x", From: "prom", Gauge: "broken", Limit: &Limit{}}))
		short := 0
		for _, r := range src.ranges[2:] {
			if r.To.Sub(r.From) < 3*time.Minute {
				short++
			}
		}
		if short < 20 {
			t.Errorf("%d short fetches of %d", short, len(src.ranges))
		}
	})
}

// A day of history for 20 metrics, half of them histograms of 10 pods, stays in the memory that a pipeline's step may have.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var most uint64
	synctest.Test(t, func(t *testing.T) {
		src := shop(time.Now())
		src.every = time.Minute
		var ms []Metric
		for i := range 20 {
			text := "m" + strconv.Itoa(i)
			m := Metric{Name: text, From: "prom", Bad: Text(text), Total: Text(text), Compare: "before"}
			if i%2 == 0 {
				m = Metric{Name: text, From: "prom", Histogram: Text(text), Compare: "before"}
			}
			for pod := range 10 {
				for le := range 12 {
					l := map[string]string{"pod": strconv.Itoa(pod), "le": strconv.Itoa(le)}
					if le == 11 {
						l["le"] = "+Inf"
					}
					src.answers[text] = append(src.answers[text], process{name: text, labels: l, born: time.Now().Add(-72 * time.Hour), value: perSecond(float64(le + 1))})
				}
			}
			ms = append(ms, m)
		}
		p := plan(src, nil, ms...)
		p.Options.Baseline.Window = 24 * time.Hour
		p.newJudge, p.newDeploy = nil, nil
		p.Options.Window = 2 * time.Minute
		n := 0
		p.Observe = func(e Event) {
			if n++; n%20 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		Run(t.Context(), p)
	})
	t.Logf("%.1f MB at most", float64(most)/1e6)
	if most > 64e6 {
		t.Errorf("%.1f MB, want at most 64", float64(most)/1e6)
	}
}

// Findings carry no control characters and no more than a screen of what a backend says.
func TestHostileErrorText(t *testing.T) {
	tr := troubleOf(metric.BackendDown, "prom", errors.New("\x1b[31m"+string(make([]byte, 1e6))+"x"))
	if len(tr.text) > 700 {
		t.Errorf("%d bytes", len(tr.text))
	}
	for _, r := range tr.text {
		if r < ' ' {
			t.Fatalf("control character in %q", tr.text)
		}
	}
}

func TestEvidenceRows(t *testing.T) {
	j := judge.Judgement{Before: judge.Rate{Value: 0.001, Events: 10, Total: 10000}, After: judge.Rate{Value: 0.0031, Events: 31, Total: 10000}, Low: 0.0012, High: 0.003, Level: 0.99, Evidence: 412, Criteria: "before the deploy"}
	want := []verdict.Evidence{{What: "before", Got: "0.1% (10 of 10000)"}, {What: "after", Got: "0.31% (31 of 10000)"},
		{What: "held to", Got: "before the deploy"}, {What: "difference (99% sure)", Got: "0.12 pp to 0.3 pp"}, {What: "evidence", Got: "412:1"}}
	if got := errorsMetric().evidence(j); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
