package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff/policy"
	"github.com/bakegate/bakegate/internal/verdict"
)

// redact stands for what the diff gives.
func redact(s string) string { return strings.ReplaceAll(s, "hunter2", "[secret]") }

func conftest(out []byte, redact func(string) string) ([]verdict.Finding, error) {
	return policy.Conftest(out, redact, nil)
}

func text(fs []verdict.Finding) string {
	var b strings.Builder
	for _, f := range fs {
		fmt.Fprintf(&b, "%s %s %s: %s\n", f.Check, f.Outcome, f.Doc, f.Summary)
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "    %s | %s | %s\n", e.What, e.Got, e.Want)
		}
	}
	return b.String()
}

func TestConftest(t *testing.T) {
	for name, c := range map[string]struct{ out, want string }{
		"all pass": {`[{"filename":"a.yaml","namespace":"main","successes":4},{"filename":"b.yaml","namespace":"main","successes":0}]`,
			"diff/conftest pass diff-conftest: conftest refuses nothing (4 passed)\n"},
		"of all sorts": {`[{"filename":"a.yaml","namespace":"main","successes":1,
			"failures":[{"msg":"root is not allowed\nhunter2","metadata":{"query":"data.main.deny"},"loc":{"file":"a.yaml","line":7}},{"msg":"no limits"}],
			"warnings":[{"msg":"old API"}],"exceptions":[{"msg":"data.main.exception[_][_] == \"x\""}]}]`,
			`diff/conftest fail diff-conftest: conftest refuses the target in 2 places
    a.yaml:7 | root is not allowed [secret] | what data.main.deny allows
    a.yaml | no limits | what main allows
diff/conftest note diff-conftest: conftest warns of the target in 1 place
    a.yaml | old API | what main allows
diff/conftest note diff-conftest: conftest excepts the target from a policy in 1 place
    a.yaml | data.main.exception[_][_] == "x" | what main allows
`},
		"warnings alone pass": {`[{"filename":"a","warnings":[{"msg":"x"}]}]`,
			"diff/conftest note diff-conftest: conftest warns of the target in 1 place\n    a | x | what allows\ndiff/conftest pass diff-conftest: conftest refuses nothing (0 passed)\n"},
	} {
		fs, err := policy.Conftest([]byte(c.out), redact, nil)
		if err != nil || text(fs) != c.want {
			t.Errorf("%s: got\n%s%v\nwant\n%s", name, text(fs), err, c.want)
		}
	}
}

const kyverno = `
Applying 2 policy rule(s) to 2 resource(s)...
----------------------------------------------------------------------
{"kind":"ClusterPolicyReport","results":[
 {"policy":"labels","rule":"team","result":"fail","message":"hunter2 is no team","resources":[{"kind":"Deployment","namespace":"shop","name":"web"},{"kind":"Pod","name":"x"}]},
 {"policy":"labels","rule":"app","result":"pass","resources":[{"kind":"Deployment","name":"web"}]},
 {"policy":"images","result":"error","message":"no connection"},
 {"policy":"old","rule":"r","result":"warn","message":"soon","resources":[{"kind":"Pod","name":"x"}]},
 {"policy":"skipped","rule":"r","result":"skip","resources":[{"kind":"Pod","name":"x"}]}]}
`

func TestKyverno(t *testing.T) {
	fs, err := policy.Kyverno([]byte(kyverno), redact)
	const want = `diff/kyverno fail diff-kyverno: kyverno refuses the target in 2 places
    Deployment/web in shop | [secret] is no team | what labels/team allows
    Pod/x | [secret] is no team | what labels/team allows
diff/kyverno unknown diff-kyverno: kyverno could not evaluate a policy in 1 place
    images | no connection | what images allows
diff/kyverno note diff-kyverno: kyverno warns of the target in 1 place
    Pod/x | soon | what old/r allows
diff/kyverno note diff-kyverno: kyverno excepts the target from a policy in 1 place
    Pod/x |  | what skipped/r allows
`
	if err != nil || text(fs) != want {
		t.Errorf("got\n%s%v\nwant\n%s", text(fs), err, want)
	}
	list := `{"kind":"List","items":[{"results":[{"policy":"a","result":"pass","resources":[{"kind":"Pod","name":"x"}]}]}]}`
	if fs, err := policy.Kyverno([]byte(list), redact); err != nil || len(fs) != 1 || fs[0].Outcome != verdict.Pass {
		t.Errorf("a list: %v %v", fs, err)
	}
}

// What says nothing of any file is an error and never a pass.
func TestNothingWasAsked(t *testing.T) {
	parsers := map[string]func([]byte, func(string) string) ([]verdict.Finding, error){"conftest": conftest, "kyverno": policy.Kyverno}
	for name, parse := range parsers {
		for _, out := range []string{"", "[]", "{}", "null", "Error: no policies found", `[{"filename":"a","namespace":"main","successes":0}]`, `{"results":[]}`,
			`{"results":null}`, "[{", "{\"results\":[{", strings.Repeat("[", 20_000), strings.Repeat("\n", policy.MaxOutput+1)} {
			if fs, err := parse([]byte(out), redact); err == nil {
				t.Errorf("%s took %.40q: %v", name, out, fs)
			}
		}
		if _, err := parse([]byte(`[{"successes":1}]`), nil); err == nil {
			t.Errorf("%s shows messages as they are", name)
		}
	}
	if _, err := policy.Conftest([]byte(`[{"successes":1}] [{"failures":[{"msg":"x"}]}]`), redact, nil); err == nil {
		t.Error("a second list was passed over")
	}
}

func TestManyAreCounted(t *testing.T) {
	out := `[{"filename":"a","failures":[` + strings.TrimSuffix(strings.Repeat(`{"msg":"x"},`, 50), ",") + `]}]`
	fs, err := policy.Conftest([]byte(out), redact, nil)
	if err != nil || len(fs[0].Evidence) != 21 || fs[0].Evidence[20].What != "and 30 places more" {
		t.Errorf("got %v %v", fs, err)
	}
}

func FuzzOutputs(f *testing.F) {
	f.Add([]byte(kyverno))
	f.Add([]byte(`[{"filename":"a.yaml","successes":1,"failures":[{"msg":"x","loc":{"line":1}}]}]`))
	f.Fuzz(func(t *testing.T, out []byte) {
		for _, parse := range []func([]byte, func(string) string) ([]verdict.Finding, error){conftest, policy.Kyverno} {
			fs, err := parse(out, redact)
			if (err == nil) != (len(fs) > 0) {
				t.Fatalf("%v with %v", fs, err)
			}
			if strings.Contains(text(fs), "hunter2") {
				t.Fatal("a secret is shown")
			}
		}
	})
}
