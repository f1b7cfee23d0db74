package bake

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/verdict"
)

// The series were there before the deploy and are not any more, while the backend answers: the finding says so, and asks the right
// question.
func TestNothingSinceTheDeploy(t *testing.T) {
	for _, c := range []struct {
		name    string
		compare string
		last    time.Duration // of the old version's series, after the deploy's end
		reason  string
		want    string
	}{
		{"until the deploy", "", -time.Second, "no-data", "errors: the series were there before the deploy and there is nothing since "},
		{"until long before", "before", -time.Hour, "no-data", "errors: the series were there before the deploy and there is nothing since "},
		{"never there", "", -100 * time.Hour, "no-data", "errors: neither bad nor total matched anything"},
		{"a little longer", "", 3 * time.Minute, "gap", "errors: there is no data for 12m of the 15m, and nothing since "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, start := shop(time.Now()), time.Now()
				src.dead = func(x time.Time) bool { return !x.Before(start.Add(c.last)) }
				m := errorsMetric()
				m.Compare = c.compare
				p := plan(src, &judges{}, m)
				var early string
				p.Observe = func(e Event) {
					if e.Kind == EventTrouble && early == "" && time.Since(start) < 5*time.Minute {
						early = e.Text
					}
				}
				r := Run(t.Context(), p)
				wantFinding(t, r, "bake/errors", verdict.Unknown, c.reason)
				f := find(t, r, "bake/errors")
				if !strings.HasPrefix(f.Summary, c.want) || f.Doc != "bake-"+c.reason {
					t.Errorf("summary %q, page %s, want %q", f.Summary, f.Doc, c.want)
				}
				if asks := strings.HasSuffix(f.Summary, "Z: is the new version scraped, and does it carry the same labels?"); asks != (c.name != "never there") {
					t.Errorf("summary %q: does it ask what helps?", f.Summary)
				}
				if c.reason == "no-data" && !strings.HasPrefix(early, c.want) {
					t.Errorf("said in the first minutes: %q, want %q", early, c.want)
				}
			})
		})
	}
}

// A lag is not a silence: nobody is told that there is nothing while the points are on their way.
func TestLagIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := shop(time.Now())
		src.lag = 4 * time.Minute
		p := plan(src, &judges{}, errorsMetric())
		p.Observe = func(e Event) {
			if e.Kind == EventTrouble {
				t.Errorf("told: %s", e.Text)
			}
		}
		wantFinding(t, Run(t.Context(), p), "bake/errors", verdict.Pass, "")
	})
}
