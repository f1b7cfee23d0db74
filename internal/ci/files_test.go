package ci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

func TestGitLab(t *testing.T) {
	p, _ := platform(t, "GITLAB_CI", "true")
	path := filepath.Join(p.(gitlab).OutDir, "bakegate.env")
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	if s := read(t, path); !strings.HasPrefix(s, "BAKEGATE_VERDICT=error\nBAKEGATE_REASON=error/unfinished\n") {
		t.Errorf("at the begin: %q", s)
	}
	if err := p.Publish(result()); err != nil {
		t.Fatal(err)
	}
	s := read(t, path)
	for _, line := range []string{"BAKEGATE_VERDICT=rollback", "BAKEGATE_EXIT=10", "BAKEGATE_DEPLOY_ID=checkout-production-0123456789ab", "BAKEGATE_ROLLBACK=true",
		"BAKEGATE_TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "BAKEGATE_OTEL_RESOURCE_ATTRIBUTES=" + resource} {
		if !strings.Contains("\n"+s, "\n"+line+"\n") {
			t.Errorf("%s is missing in\n%s", line, s)
		}
	}
}

// GitLab expands variables in a dotenv value: none must reach it, in either of their two ways of writing.
func TestGitLabExpandsNothing(t *testing.T) {
	for _, tt := range []struct{ summary, command, wantSummary, wantCommand string }{
		{"cost $CI_JOB_TOKEN more", "undo $SERVICE", "cost CI_JOB_TOKEN more", ""},
		{"cost %CI_JOB_TOKEN% and %a%b% more", "a=%C3%A9", "cost CI_JOB_TOKEN% and ab% more", ""},
		{"3% vs 1% of 5%", "a=1%2C2%20%20x", "3% vs 1% of 5%", "a=1%2C2%20%20x"},
	} {
		p, _ := platform(t, "GITLAB_CI", "true")
		if err := p.Publish(Result{Outputs: []Output{{"summary", tt.summary}, {"rollback_command", tt.command}}}); err != nil {
			t.Fatal(err)
		}
		if s := read(t, filepath.Join(p.(gitlab).OutDir, "bakegate.env")); s != "BAKEGATE_SUMMARY="+tt.wantSummary+"\nBAKEGATE_ROLLBACK_COMMAND="+tt.wantCommand+"\n" {
			t.Errorf("%q", s)
		}
	}
}

// The last value has all the room that the others leave.
func TestGitLabLong(t *testing.T) {
	p, _ := platform(t, "GITLAB_CI", "true")
	r := result()
	long := resource + strings.Repeat(",team=red", 200)
	r.Outputs[len(r.Outputs)-1].Value = long
	if err := p.Publish(r); err != nil {
		t.Fatal(err)
	}
	s := read(t, filepath.Join(p.(gitlab).OutDir, "bakegate.env"))
	if !strings.HasSuffix(s, "\nBAKEGATE_OTEL_RESOURCE_ATTRIBUTES="+long+"\n") || len(s) >= 5000 {
		t.Errorf("%d bytes: %s", len(s), s)
	}
}

func TestGitLabSection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, log := platform(t, "GITLAB_CI", "true")
		p.Section("ba ke\r", "Bake\x1b[31m")()
		want := "\x1b[0Ksection_start:946684800:bakegate_ba_ke\r\x1b[0KBake[31m\n\x1b[0Ksection_end:946684800:bakegate_ba_ke\r\x1b[0K\n"
		if log.String() != want {
			t.Errorf("got  %q\nwant %q", log, want)
		}
	})
}

func TestTekton(t *testing.T) {
	dir := t.TempDir()
	p, _ := platform(t, "BAKEGATE_RESULTS_DIR", dir)
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys {
		if _, err := os.Stat(filepath.Join(dir, resultName(k))); err != nil {
			t.Errorf("a finally task that reads %s would be skipped: %v", k, err)
		}
	}
	if err := p.Publish(result()); err != nil {
		t.Fatal(err)
	}
	for _, o := range result().Outputs {
		if got := read(t, filepath.Join(dir, resultName(o.Key))); got != o.Value {
			t.Errorf("%s is %q, want %q", o.Key, got, o.Value)
		}
	}
	for _, name := range []string{"digest", "IMAGE_DIGEST", "IMAGE_URL"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("a result is called %s", name)
		}
	}
}

// message is the size of the termination message that Tekton makes of the results.
func message(t *testing.T, dir string) int {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for _, e := range es {
		all = append(all, map[string]any{"key": e.Name(), "value": read(t, filepath.Join(dir, e.Name())), "type": 1})
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}

// A long command is there as a whole or not at all; the message stays under its limit also when JSON makes six bytes of one.
func TestTektonLimit(t *testing.T) {
	dir := t.TempDir()
	p, _ := platform(t, "BAKEGATE_RESULTS_DIR", dir)
	r := result()
	for i := range r.Outputs {
		switch r.Outputs[i].Key {
		case "summary":
			r.Outputs[i].Value = strings.Repeat("<&>", 2000)
		case "rollback_command":
			r.Outputs[i].Value = "helm rollback " + strings.Repeat("<", 500)
		}
	}
	if err := p.Publish(r); err != nil {
		t.Fatal(err)
	}
	if n := message(t, dir); n > 3500 {
		t.Errorf("the message has %d bytes", n)
	}
	if s := read(t, filepath.Join(dir, "rollback-command")); s != "" {
		t.Errorf("a part of a command: %q", s)
	}
	if s := read(t, filepath.Join(dir, "rollback-target")); s == "" {
		t.Error("the target gave way to a value that did not fit")
	}
	if s := read(t, filepath.Join(dir, "summary")); s == "" {
		t.Error("the summary is gone")
	}
}
