package examples_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/realtest"
)

// release makes the files of a release, and a curl that serves them in the place of GitHub. It returns the archive's SHA-256.
func release(t *testing.T, dir string) (sum string) {
	t.Helper()
	write(t, filepath.Join(dir, "bakegate"), "#!/bin/sh\necho bakegate 1.2.3\n")
	if err := os.Chmod(filepath.Join(dir, "bakegate"), 0o755); err != nil {
		t.Fatal(err)
	}
	archive := "bakegate_1.2.3_" + runtime.GOOS + "_" + runtime.GOARCH + ".tar.gz"
	if out, ok := command(t, dir, nil, "tar", "-czf", archive, "bakegate"); !ok {
		t.Fatal(out)
	}
	b, err := os.ReadFile(filepath.Join(dir, archive))
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(b)
	sum = hex.EncodeToString(s[:])
	write(t, filepath.Join(dir, "checksums.txt"), strings.Repeat("0", 64)+"  another.tar.gz\n"+sum+"  "+archive+"\n")
	write(t, filepath.Join(dir, "tools", "curl"), "#!/bin/bash\nwhile [ $# -gt 1 ]; do [ \"$1\" = -o ] && to=\"$2\"; shift; done\ncase \"$1\" in\n"+
		"https://github.com/bakegate/bakegate/releases/download/v1.2.3/*) cp \"$FILES/${1##*/}\" \"$to\";;\n*) exit 22;;\nesac\n")
	if err := os.Chmod(filepath.Join(dir, "tools", "curl"), 0o755); err != nil {
		t.Fatal(err)
	}
	return sum
}

// What the setup action installs, and what it refuses.
func TestSetup(t *testing.T) {
	realtest.Need(t, "bash")
	files := t.TempDir()
	sum := release(t, files)
	wrong := strings.Repeat("ab", 32)
	binary := filepath.Join(files, "bakegate")
	script, err := filepath.Abs("../setup/install.sh")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, version, sha256, path string
		ok                          bool
		says                        string
	}{
		{"release", "v1.2.3", "", "", true, "bakegate 1.2.3 in "},
		{"release with its sum", "v1.2.3", sum, "", true, "bakegate 1.2.3 in "},
		{"another sum", "v1.2.3", wrong, "", false, "has the SHA-256 " + sum + ", want " + wrong},
		{"a sum that is none", "v1.2.3", "1", "", false, "no checksum of 64"},
		{"no such release", "v9.9.9", "", "", false, "can't be downloaded"},
		{"no version", "", "", "", false, "want a release such as v1.2.3"},
		{"latest", "latest", "", "", false, "want a release such as v1.2.3"},
		{"version as a path", "v1.2.3/../../x", "", "", false, "want a release such as v1.2.3"},
		{"a binary that is there", "", "", binary, true, "bakegate 1.2.3 in "},
		{"a binary with another sum", "", wrong, binary, false, "want " + wrong},
		{"a binary that is not there", "", "", binary + "-no", false, "there is no file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			env := []string{"PATH=" + filepath.Join(files, "tools") + ":/usr/sbin:/usr/bin:/sbin:/bin", "FILES=" + files, "RUNNER_TEMP=" + dir, "GITHUB_PATH=" + filepath.Join(dir, "path"),
				"GITHUB_OUTPUT=" + filepath.Join(dir, "output"), "BAKEGATE_VERSION=" + tt.version, "BAKEGATE_SHA256=" + tt.sha256, "BAKEGATE_PATH=" + tt.path}
			out, ok := command(t, dir, env, "bash", script)
			if ok != tt.ok || !strings.Contains(out, tt.says) {
				t.Errorf("succeeded: %v, and said\n%s\nwant %v and %q", ok, out, tt.ok, tt.says)
			}
			_, err := os.Stat(filepath.Join(dir, "bakegate-bin", "bakegate"))
			if (err == nil) != tt.ok {
				t.Errorf("the binary is there: %v", err == nil)
			}
		})
	}
}

// A release names the image by its digest, and nothing else.
func TestReleaseAction(t *testing.T) {
	realtest.Need(t, "bash")
	dir := t.TempDir()
	for _, path := range []string{"action.yml", ".github/release-action.sh"} {
		b, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, path), string(b))
	}
	script := filepath.Join(dir, ".github", "release-action.sh")
	for _, ref := range []string{"", "ghcr.io/bakegate/bakegate:latest", "ghcr.io/bakegate/bakegate@sha256:12", "x|e id|@sha256:" + strings.Repeat("a", 64)} {
		if out, ok := command(t, dir, nil, "bash", script, ref); ok {
			t.Errorf("took %q: %s", ref, out)
		}
	}
	ref := "ghcr.io/bakegate/bakegate@sha256:" + strings.Repeat("a", 64)
	if out, ok := command(t, dir, nil, "bash", script, ref); !ok {
		t.Fatal(out)
	}
	runs, _ := documents(t, filepath.Join(dir, "action.yml"))[0]["runs"].(map[string]any)
	if runs["image"] != "docker://"+ref {
		t.Errorf("image: %v", runs["image"])
	}
}
