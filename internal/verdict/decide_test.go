package verdict_test

import (
	"encoding/json"
	"testing"

	. "github.com/bakegate/bakegate/internal/verdict"
)

func f(check string, o Outcome, reason string) Finding {
	return Finding{Check: check, Outcome: o, Reason: reason, Summary: check}
}

func TestDecide(t *testing.T) {
	pass := f("bake/errors", Pass, "")
	bad := f("bake/errors", Fail, "")
	external := Finding{Check: "bake/latency", Outcome: Fail, External: true}
	quiet := f("bake/errors", Unknown, "low-traffic")
	outage := f("bake/latency", Unknown, "backend-down")
	wrong := f("verify/digest", Fail, "digest")
	note := f("mark/grafana", Note, "")
	live := Policy{Deployed: true}
	ran := Ending{Kind: NamePass}
	tests := []struct {
		name   string
		p      Policy
		end    Ending
		fs     []Finding
		want   Name
		reason string
		exit   int
	}{
		{"all pass", live, ran, []Finding{pass, note}, NamePass, "pass", 0},
		{"no check is no pass", live, ran, []Finding{note}, NameInconclusive, "inconclusive/nothing-checked", 12},
		{"nothing at all is no pass", live, ran, nil, NameInconclusive, "inconclusive/nothing-checked", 12},
		{"a marker alone proves nothing", live, ran, []Finding{f("mark/grafana", Pass, "")}, NameInconclusive, "inconclusive/nothing-checked", 12},
		{"but it may be all that was asked for", Policy{MarksOnly: true}, ran, []Finding{note}, NamePass, "pass", 0},
		{"differences that nothing forbids", Policy{}, ran, []Finding{f("diff/changes", Note, "")}, NamePass, "pass", 0},
		{"a metric that fails", live, ran, []Finding{quiet, bad}, NameRollback, "rollback/errors", 10},
		{"the wrong digest before the deploy", Policy{}, ran, []Finding{wrong}, NameBlocked, "blocked/digest", 13},
		{"the wrong digest behind it", live, ran, []Finding{wrong}, NameRollback, "rollback/digest", 10},
		{"irreversible by what was found", Policy{Deployed: true}, ran, []Finding{bad, {Check: "diff/risk-destructive", Outcome: Note, Irreversible: true}}, NameHold, "hold/irreversible", 11},
		{"irreversible, and the user says otherwise", Policy{Deployed: true, Reversible: true}, ran, []Finding{bad, {Check: "diff/risk-destructive", Outcome: Note, Irreversible: true}},
			NameRollback, "rollback/errors", 10},
		{"irreversible", Policy{Deployed: true, Irreversible: true}, ran, []Finding{bad}, NameHold, "hold/irreversible", 11},
		{"no target", Policy{Deployed: true, NoRollback: "no-target"}, ran, []Finding{bad}, NameHold, "hold/no-target", 11},
		{"external holds", live, ran, []Finding{external, pass}, NameHold, "hold/external", 11},
		{"own cause beats external", live, ran, []Finding{external, bad}, NameRollback, "rollback/errors", 10},
		{"unknown beats pass", live, ran, []Finding{pass, quiet}, NameInconclusive, "inconclusive/low-traffic", 12},
		{"on: lets low traffic through", Policy{Deployed: true, On: map[string]int{"inconclusive/low-traffic": 0}}, ran,
			[]Finding{quiet}, NameInconclusive, "inconclusive/low-traffic", 0},
		{"but not the outage behind it", Policy{Deployed: true, On: map[string]int{"inconclusive/low-traffic": 0}}, ran,
			[]Finding{quiet, outage}, NameInconclusive, "inconclusive/backend-down", 12},
		{"reason before verdict", Policy{Deployed: true, On: map[string]int{"inconclusive": 3, "inconclusive/low-traffic": 0}}, ran,
			[]Finding{quiet}, NameInconclusive, "inconclusive/low-traffic", 0},
		{"a let-through failure hides no other", Policy{Deployed: true, On: map[string]int{"rollback/errors": 0}}, ran,
			[]Finding{bad, f("bake/latency", Fail, "")}, NameRollback, "rollback/latency", 10},
		{"cancelled", live, Ending{Kind: NameAborted, What: "signal"}, []Finding{pass}, NameAborted, "aborted/signal", 15},
		{"taken over", live, Ending{Kind: NameSuperseded, What: "newer-deploy"}, []Finding{bad}, NameSuperseded, "superseded/newer-deploy", 14},
		{"the command failed", live, Ending{Kind: NameDeployFailed, What: "command"}, []Finding{wrong}, NameDeployFailed, "deploy-failed/command", 16},
		{"the window is open", live, Ending{Kind: NamePending, What: "window-open"}, []Finding{quiet}, NamePending, "pending/window-open", 17},
		{"bad while the window is open", live, Ending{Kind: NamePending}, []Finding{bad}, NameRollback, "rollback/errors", 10},
		{"an error is no verdict on the deploy", live, Ending{Kind: NameError, What: "registry"}, []Finding{pass}, NameError, "error/registry", 1},
		{"proof beats an error", live, Ending{Kind: NameError, What: "registry"}, []Finding{bad}, NameRollback, "rollback/errors", 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Decide(tt.p, tt.end, tt.fs)
			if got.Name != tt.want || got.Reason != tt.reason || got.Exit != tt.exit {
				t.Errorf("got %s %s %d, want %s %s %d", got.Name, got.Reason, got.Exit, tt.want, tt.reason, tt.exit)
			}
		})
	}
}

// A worse finding never makes the verdict better.
func TestDecideMonotone(t *testing.T) {
	outcomes := []Outcome{Pass, Note, Unknown, Fail}
	rank := map[Name]int{NamePass: 0, NameInconclusive: 1, NameHold: 2, NameRollback: 2, NameBlocked: 2}
	for _, deployed := range []bool{false, true} {
		for _, first := range outcomes {
			last := -1
			for _, second := range outcomes {
				v := Decide(Policy{Deployed: deployed}, Ending{Kind: NamePass}, []Finding{f("bake/a", first, ""), f("bake/b", second, "")})
				r := rank[v.Name]
				if second > Note && r < last {
					t.Errorf("deployed %v: %v with %v is %s, better than before", deployed, first, second, v.Name)
				}
				last = r
			}
		}
	}
}

func TestExitCodesAreTheContract(t *testing.T) {
	want := map[Name]int{NamePass: 0, NameError: 1, NameRollback: 10, NameHold: 11, NameInconclusive: 12, NameBlocked: 13, NameSuperseded: 14,
		NameAborted: 15, NameDeployFailed: 16, NamePending: 17, NameUsage: 64}
	if len(Names()) != len(want) {
		t.Errorf("Names() has %d verdicts, want %d", len(Names()), len(want))
	}
	for n, c := range want {
		if n.ExitCode() != c {
			t.Errorf("%s exits %d, want %d", n, n.ExitCode(), c)
		}
	}
}

func TestOutcomeAsText(t *testing.T) {
	b, err := json.Marshal(Finding{Check: "a/b", Outcome: Unknown})
	if err != nil || string(b) != `{"check":"a/b","outcome":"unknown","summary":""}` {
		t.Errorf("%s %v", b, err)
	}
	var back Finding
	if err := json.Unmarshal(b, &back); err != nil || back.Outcome != Unknown {
		t.Errorf("%+v %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"outcome":"fine"}`), &back); err == nil {
		t.Error("an unknown outcome was taken")
	}
}

// The number is that of the checks: markers that stand beside them as ok are told apart.
func TestPassSummary(t *testing.T) {
	check, marker, note := Finding{Check: "bake/errors"}, Finding{Check: "mark/grafana"}, Finding{Check: "bake/database", Outcome: Note}
	early := Finding{Check: CheckEarly, Outcome: Note, Summary: "passed after 10m of 30m: harm is excluded"}
	for want, fs := range map[string][]Finding{
		"the one check that was asked for passed":                                               {check},
		"all 2 checks passed (markers apart)":                                                   {check, check, marker},
		"all 2 checks passed (markers apart), with notes":                                       {check, marker, check, note},
		"all 2 checks passed, with notes":                                                       {check, check, note},
		"the one check that was asked for passed, with notes; the bake passed after 10m of 30m": {check, early, note},
	} {
		if got := Decide(Policy{}, Ending{Kind: NamePass}, fs).Summary; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
