package ci

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runnerOutputs reads a GITHUB_OUTPUT file by the runner's rules: NAME=VALUE or NAME<<WORD, lines up to WORD; empty lines are passed
// over, anything else fails the step; names differ by more than case; the later value counts.
func runnerOutputs(content string) (map[string]string, error) {
	out := map[string]string{}
	lines := strings.Split(content, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		eq, here := strings.Index(line, "="), strings.Index(line, "<<")
		switch {
		case line == "":
		case eq >= 0 && (here < 0 || eq < here):
			out[strings.ToLower(line[:eq])] = line[eq+1:]
		case here > 0 && here+2 < len(line):
			word := line[here+2:]
			var value []string
			for i++; ; i++ {
				if i >= len(lines) {
					return nil, fmt.Errorf("no end of %q", line)
				}
				if lines[i] == word {
					break
				}
				value = append(value, lines[i])
			}
			out[strings.ToLower(line[:here])] = strings.Join(value, "\n")
		default:
			return nil, fmt.Errorf("line %q", line)
		}
	}
	return out, nil
}

func githubWithFiles(t *testing.T) (p Platform, log *bytes.Buffer, output, summary string) {
	t.Helper()
	dir := t.TempDir()
	output, summary = filepath.Join(dir, "output"), filepath.Join(dir, "summary")
	p, log = platform(t, "GITHUB_ACTIONS", "true", "GITHUB_OUTPUT", output, "GITHUB_STEP_SUMMARY", summary)
	return
}

func TestGitHubOutputs(t *testing.T) {
	p, _, output, summary := githubWithFiles(t)
	if err := os.WriteFile(output, []byte("mine=1"), 0o644); err != nil { // no end of line
		t.Fatal(err)
	}
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	got, err := runnerOutputs(read(t, output))
	if err != nil || got["verdict"] != "error" || got["mine"] != "1" || got["rollback"] != "false" {
		t.Errorf("at the begin: %v %v", got, err)
	}
	if err := p.Publish(result()); err != nil {
		t.Fatal(err)
	}
	if got, err = runnerOutputs(read(t, output)); err != nil || len(got) != len(Keys)+1 {
		t.Errorf("%v %v", got, err)
	}
	for _, o := range result().Outputs {
		if got[o.Key] != o.Value {
			t.Errorf("%s is %q, want %q", o.Key, got[o.Key], o.Value)
		}
	}
	if s := read(t, summary); s != "# bakegate: rollback\n" {
		t.Errorf("summary: %q", s)
	}
}

// Without the runner's files (a shell, an old runner) nothing breaks.
func TestGitHubWithoutFiles(t *testing.T) {
	p, _ := platform(t, "GITHUB_ACTIONS", "true")
	if err := p.Begin(); err != nil {
		t.Error(err)
	}
	if err := p.Publish(result()); err != nil {
		t.Error(err)
	}
	p, _ = platform(t, "GITHUB_ACTIONS", "true", "GITHUB_OUTPUT", filepath.Join(t.TempDir(), "no", "such"))
	if err := p.Publish(result()); err == nil || !strings.Contains(err.Error(), "GITHUB_OUTPUT") {
		t.Errorf("a file that can't be written: %v", err)
	}
}

func TestGitHubAnnotations(t *testing.T) {
	p, log, _, _ := githubWithFiles(t)
	as := []Annotation{{Level: "error", File: "deploy/a,b:c.yaml", Line: 3, Col: 5, Title: "bakegate diff/forbid", Message: "100% wrong\n::add-mask::x\r##[error]y"}}
	for i := range 14 {
		as = append(as, Annotation{Level: "warning", Message: fmt.Sprintf("w%d %s", i, strings.Repeat("x", 9000))})
	}
	if err := p.Publish(Result{Annotations: as}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if len(lines) != 11 {
		t.Fatalf("%d lines, want 1 error, 9 warnings and one that counts the rest", len(lines))
	}
	want := "::error col=5,file=deploy/a%2Cb%3Ac.yaml,line=3,title=bakegate diff/forbid::100%25 wrong ::add-mask::x ##[error]y"
	if lines[0] != want {
		t.Errorf("got  %s\nwant %s", lines[0], want)
	}
	if len(lines[1]) > maxMessage+len("::warning::") {
		t.Errorf("a message of %d bytes", len(lines[1]))
	}
	if lines[10] != "::warning title=bakegate::5 more of this kind: the job's summary lists them all" {
		t.Errorf("last: %s", lines[10])
	}
}

func TestGitHubMask(t *testing.T) {
	p, log := platform(t, "GITHUB_ACTIONS", "true")
	for _, s := range []string{"", "abc", "\n\n", "s3cret", "-----BEGIN-----\nabc%def\r\n-----END-----\nxy\n"} {
		p.Mask(s)
	}
	want := "::add-mask::s3cret\n::add-mask::-----BEGIN-----\n::add-mask::abc%25def\n::add-mask::-----END-----\n"
	if log.String() != want {
		t.Errorf("got %q, want %q", log, want)
	}
}

func TestGitHubSectionAndBracket(t *testing.T) {
	var log bytes.Buffer
	p := Detect(Env{Getenv: func(n string) string { return map[string]string{"GITHUB_ACTIONS": "true"}[n] }, Stderr: LogWriter(&log)})
	end := p.Section("deploy", "Deploy\n::error::x")
	w, stop := p.Bracket()
	fmt.Fprint(w, "::set-output name=verdict::pass\nno end of line")
	stop()
	end()
	lines := strings.Split(log.String(), "\n")
	token, ok := strings.CutPrefix(lines[1], "::stop-commands::")
	if !ok || len(token) != 32 || lines[0] != "::group::Deploy ::error::x" {
		t.Fatalf("%q", lines)
	}
	want := []string{lines[0], lines[1], "::set-output name=verdict::pass", "no end of line", "::" + token + "::", "::endgroup::", ""}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", lines, want)
	}
	if w != &log {
		t.Error("the child does not get the writer itself")
	}
	_, stop2 := p.Bracket()
	stop2()
	if strings.Count(log.String(), token) != 2 {
		t.Error("the word was used twice")
	}
}

func TestSummaryIsCut(t *testing.T) {
	p, _, _, summary := githubWithFiles(t)
	row := "| a row of a table |\n"
	md := strings.Repeat(row, 40000) + "```mermaid\n" + strings.Repeat("line 1\n", 100000) + "```\n"
	for range 3 { // several runs in one step share the file
		if err := p.Publish(Result{Summary: []byte(md)}); err != nil {
			t.Fatal(err)
		}
	}
	s := read(t, summary)
	if len(s) > maxSummary || !strings.HasSuffix(s, cutNote) || strings.Contains(s, "```") || strings.Count(s, row) < 40000 {
		t.Errorf("%d bytes, ends in %q", len(s), s[len(s)-100:])
	}
	if got := cutSummary("short", 100); got != "short" {
		t.Errorf("%q", got)
	}
	if got := cutSummary(strings.Repeat("é", 500), 150); got != cutNote {
		t.Errorf("one long line: %q", got)
	}
}
