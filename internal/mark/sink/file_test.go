package sink

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func newFile(t *testing.T, path string) Sink {
	t.Helper()
	k, err := buildFile(fill(fileOptions{Path: path}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// One line a phase, however often it is told.
func TestFileOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deploys.jsonl")
	k, m := newFile(t, path), marker()
	m.Actor = "ann\n{\"phase\":\"seal\"}"
	for range 2 {
		if _, err := k.Open(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := k.Seal(t.Context(), "", sealed(m, "rollback")); err != nil {
			t.Fatal(err)
		}
	}
	all := lines(t, path)
	if len(all) != 2 {
		t.Fatalf("%d lines: %q", len(all), all)
	}
	var d document
	if err := json.Unmarshal([]byte(all[1]), &d); err != nil || d.Phase != "seal" || d.Verdict != "rollback" || d.DeployID != m.DeployID || d.Schema != 1 {
		t.Errorf("%+v %v", d, err)
	}
}

// A line that somebody left half written is not continued.
func TestFileTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deploys.jsonl")
	if err := os.WriteFile(path, []byte(`{"schema":1,"phase":"op`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newFile(t, path).Open(t.Context(), marker()); err != nil {
		t.Fatal(err)
	}
	all := lines(t, path)
	var d document
	if len(all) != 2 || json.Unmarshal([]byte(all[1]), &d) != nil || d.Phase != "open" {
		t.Errorf("%q", all)
	}
}

func TestFileTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deploys.jsonl")
	k := newFile(t, path)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			m := marker()
			m.DeployID, m.Summary = strings.Repeat("x", i+1), strings.Repeat("s", 1500)
			if err := k.Seal(t.Context(), "", m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, l := range lines(t, path) {
		if !json.Valid([]byte(l)) {
			t.Errorf("%.200q", l)
		}
	}
	if n := len(lines(t, path)); n != 40 {
		t.Errorf("%d lines", n)
	}
}

// What is no plain file is refused, for certain.
func TestFileRefused(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), link); err != nil {
		t.Skip(err)
	}
	for path, want := range map[string]string{link: "not a plain file", dir: "not a plain file", "/dev/null": "not a plain file", filepath.Join(dir, "no", "folder"): "no such file"} {
		if _, err := newFile(t, path).Open(t.Context(), marker()); err == nil || !strings.Contains(err.Error(), want) || Uncertain(err) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("it wrote through the link")
	}
	if _, err := buildFile(fill(fileOptions{})); err == nil {
		t.Error("no path")
	}
}
