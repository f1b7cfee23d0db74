package ci

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are values that have injected outputs or commands somewhere.
var hostile = []string{"", "pass", "a\nverdict=pass", "a\r\nverdict<<x\npass\nx", "_GitHubActionsFileCommandDelimeter_\nverdict=pass", "x\n::set-output name=verdict::pass",
	"##[add-mask]pass", "##vso[task.setvariable variable=verdict]pass", "\x00\x1b[0Ksection_start:1:x\r\x1b[0K", "a\u2028b\u0085c", "\xff\xfe=", ":::x", " \t::error::x",
	"\xa0::error::x", "\ufeff::error::x", "###[x]", "##V##vso[x", "$(reboot)", "a  b", "%CI_JOB_TOKEN%", "%a%b%_%"}

// No value makes another output, on any platform, and what is there is what was said.
func FuzzOutputs(f *testing.F) {
	for _, v := range hostile {
		f.Add("reason", v)
		f.Add(v, v)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		outputs := []Output{{"verdict", "hold"}, {key, value}, {"exit", "11"}}
		bad := check(outputs) != nil
		gh, _, output, _ := githubWithFiles(t)
		results := t.TempDir()
		gl, _ := platform(t, "GITLAB_CI", "true")
		tk, _ := platform(t, "BAKEGATE_RESULTS_DIR", results)
		pl, _ := platform(t)
		for _, p := range []Platform{gh, gl, tk, pl} {
			if err := p.Publish(Result{Outputs: outputs}); (err != nil) != bad {
				t.Fatalf("%s: %v", p.Name(), err)
			}
		}
		if bad {
			return
		}
		got, err := runnerOutputs(read(t, output))
		if err != nil || len(got) != 3 || got["verdict"] != "hold" || got["exit"] != "11" {
			t.Errorf("github: %v %v", got, err)
		}
		if want := strings.ReplaceAll(strings.ToValidUTF8(value, "\ufffd"), "\x00", ""); got[key] != want {
			t.Errorf("github: %q, want %q", got[key], want)
		}
		dotenv := read(t, filepath.Join(gl.(gitlab).OutDir, "bakegate.env"))
		threeLines(t, dotenv, "BAKEGATE_VERDICT=hold", "BAKEGATE_EXIT=11")
		if expands(dotenv) {
			t.Errorf("gitlab expands %q", dotenv)
		}
		threeLines(t, read(t, filepath.Join(pl.(plain).OutDir, "outputs.env")), "verdict=hold", "exit=11")
		if n := message(t, results); n > 4096-200 {
			t.Errorf("tekton: a message of %d bytes", n)
		}
		if v := read(t, filepath.Join(results, resultName(key))); key != "summary" && v != "" && v != value {
			t.Errorf("tekton: %q, want %q or nothing", v, value)
		}
	})
}

// threeLines wants a file of three lines by anybody's reckoning, the first and last of which are these.
func threeLines(t *testing.T, s, first, last string) {
	t.Helper()
	lines := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) })
	if len(lines) != 3 || lines[0] != first || lines[2] != last || len(s) >= 5120 {
		t.Errorf("%q", s)
	}
}

// commands says whether a runner would take a command from this log: GitHub's line reader ends lines at \n, \r and \r\n, trims white
// space before "::", and looks for "##[" anywhere.
func commanded(log string) bool {
	for _, line := range strings.FieldsFunc(log, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.ToLower(strings.TrimSpace(line))
		if strings.HasPrefix(line, "::") || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") {
			return true
		}
	}
	return false
}

func FuzzLogWriter(f *testing.F) {
	for _, v := range hostile {
		f.Add([]byte(v), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		var whole, parts, twice bytes.Buffer
		if n, err := LogWriter(&whole).Write(in); n != len(in) || err != nil {
			t.Fatal(n, err)
		}
		w := LogWriter(&parts)
		if LogWriter(w) != w {
			t.Error("a LogWriter of a LogWriter is another one")
		}
		cut = max(1, cut%8)
		for i := 0; i < len(in); i += cut {
			_, _ = w.Write(in[i:min(i+cut, len(in))])
		}
		_, _ = LogWriter(&twice).Write(whole.Bytes())
		if commanded(whole.String()) {
			t.Errorf("%q became %q", in, &whole)
		}
		if parts.String() != whole.String() {
			t.Errorf("in parts %q, as a whole %q", &parts, &whole)
		}
		if twice.String() != whole.String() {
			t.Errorf("once %q, twice %q", &whole, &twice)
		}
		if !commanded(string(in)) && !bytes.Contains(in, []byte("::")) && whole.String() != string(in) {
			t.Errorf("harmless %q became %q", in, &whole)
		}
	})
}
