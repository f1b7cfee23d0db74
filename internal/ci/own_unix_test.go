//go:build unix

package ci

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that root writes in the container belongs to the workspace's owner; a link out of the workspace is left alone.
func TestOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	base := t.TempDir()
	ws, outside := filepath.Join(base, "ws"), filepath.Join(base, "outside")
	out := filepath.Join(ws, "deep", "bakegate-out")
	for _, d := range []string{out, outside} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{filepath.Join(out, "verdict.json"), filepath.Join(outside, "secret")} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(ws, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(ws, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	p, _ := platform(t, "GITHUB_ACTIONS", "true", "GITHUB_WORKSPACE", ws, "OUT", out)
	p.Own(filepath.Join(ws, "link", "secret"))
	if err := p.Publish(Result{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{filepath.Join(out, "verdict.json"): 1234, out: 1234, filepath.Dir(out): 1234, filepath.Join(outside, "secret"): 0, outside: 0} {
		if uid, _, ok := owner(path); !ok || uid != want {
			t.Errorf("%s belongs to %d, want %d", path, uid, want)
		}
	}
}
