package cause_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/cause"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

var t0 = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func TestRank(t *testing.T) {
	changes := verdict.Finding{Check: "diff/changes", Outcome: verdict.Note, Evidence: []verdict.Evidence{
		{What: "Deployment/a:x", Got: "1", Want: "2"}, {What: "Deployment/a:y", Want: "3"}}}
	wrong := verdict.Finding{Check: "verify/digest", Outcome: verdict.Fail, Summary: "other bytes"}
	external := verdict.Finding{Check: "bake/errors", Outcome: verdict.Fail, External: true, Summary: "bad before"}
	served := release.Deploy{Started: t0, Serving: t0.Add(time.Minute)}
	for name, tt := range map[string]struct {
		in   cause.Input
		want []string
	}{
		"nothing is known":   {cause.Input{}, nil},
		"the wrong artifact": {cause.Input{Findings: []verdict.Finding{changes, wrong}}, []string{"the wrong artifact", "Deployment/a:x: 1, before 2", "Deployment/a:y: nothing, before 3"}},
		"a cause outside":    {cause.Input{Findings: []verdict.Finding{external}}, []string{"outside this deploy: bad before"}},
		"only the time":      {cause.Input{Deploy: served, Onsets: []cause.Onset{{Metric: "errors", At: t0.Add(2 * time.Minute)}}}, []string{"errors: worse, counted from about 1m0s after"}},
		"before the deploy":  {cause.Input{Deploy: served, Onsets: []cause.Onset{{Metric: "errors", At: t0.Add(-time.Minute)}}}, nil},
		"a note is no cause": {cause.Input{Findings: []verdict.Finding{{Check: "mark/grafana", Outcome: verdict.Note}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := cause.Rank(tt.in)
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i, w := range tt.want {
				if !strings.Contains(got[i].String(), w) {
					t.Errorf("%d: got %q, want %q", i, got[i], w)
				}
			}
		})
	}
}

func TestRankIsBounded(t *testing.T) {
	f := verdict.Finding{Check: "diff/changes", Outcome: verdict.Note}
	for range 50 {
		f.Evidence = append(f.Evidence, verdict.Evidence{What: "x"})
	}
	if got := cause.Rank(cause.Input{Findings: []verdict.Finding{f}}); len(got) != 5 {
		t.Errorf("%d candidates, want 5", len(got))
	}
}
