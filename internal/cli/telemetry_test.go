package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/mark/sink"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
)

// at is a time in seconds.
func at(s int) time.Time { return time.Unix(1e9+int64(s), 0).UTC() }

// What ran is what the journal says; a deploy that another step made lies between the stages of begin and those of finish.
func TestRan(t *testing.T) {
	stage := func(name string, from, to int) report.StageRun {
		return report.StageRun{Stage: record.Stage{Name: name, Started: at(from), Ended: at(to)}}
	}
	split := []report.StageRun{stage("verify", 0, 5), stage("mark", 6, 8), stage("preflight", 60, 61), stage("bake", 61, 90)}
	tests := []struct {
		name   string
		stages []report.StageRun
		deploy release.Deploy
		want   string
	}{
		{"begin and finish", split, release.Deploy{Started: at(5), Finished: at(60), Source: "begin"}, "verify 0-5, mark 6-8, deploy 8-60, preflight 60-61, bake 61-90"},
		{"times by flag", split, release.Deploy{Started: at(-50), Finished: at(-20), Source: "flag"}, "deploy -50--20, verify 0-5, mark 6-8, preflight 60-61, bake 61-90"},
		{"run --", []report.StageRun{stage("mark", 1, 2), stage("deploy", 2, 9)}, release.Deploy{Started: at(1), Finished: at(9), Source: "command"}, "mark 1-2, deploy 2-9"},
		{"the end is not known", split[:1], release.Deploy{Started: at(5), Source: "job"}, "verify 0-5"},
		{"nothing is known", nil, release.Deploy{}, ""},
	}
	for _, tt := range tests {
		var got []string
		for _, s := range ran(&report.Report{Stages: tt.stages}, step.Marker{Deploy: tt.deploy}) {
			got = append(got, fmt.Sprintf("%s %.0f-%.0f", s.Name, s.Started.Sub(at(0)).Seconds(), s.Ended.Sub(at(0)).Seconds()))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, strings.Join(got, ", "), tt.want)
		}
	}
	all := ran(&report.Report{}, step.Marker{Deploy: release.Deploy{Started: at(1), Finished: at(2)}, Verdict: verdict.Verdict{Name: verdict.NameDeployFailed, Summary: "it failed"}})
	if !slices.EqualFunc(all, []sink.Stage{{Name: "deploy", Failed: "it failed"}}, func(a, b sink.Stage) bool { return a.Name == b.Name && a.Failed == b.Failed }) {
		t.Errorf("%+v", all)
	}
}
