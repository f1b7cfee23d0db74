package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadable(t *testing.T) {
	dir := t.TempDir()
	file, folder, link := filepath.Join(dir, "file"), filepath.Join(dir, "folder"), filepath.Join(dir, "link")
	for _, err := range []error{os.WriteFile(file, nil, 0o600), os.Mkdir(folder, 0o700), os.Symlink("nothing", link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		path   string
		folder bool
		want   string
	}{
		{path: file},
		{path: file, folder: true},
		{path: folder, folder: true},
		{path: folder, want: "it is a folder, want a file"},
		{path: os.DevNull},
		{path: link, want: "there is no such file"},
		{path: filepath.Join(dir, "none"), folder: true, want: "there is no such file or folder"},
		{path: filepath.Join(file, "below"), want: "not a directory"},
	} {
		err := Readable(tt.path, tt.folder)
		if (tt.want == "") != (err == nil) || err != nil && err.Error() != tt.want {
			t.Errorf("%s, folder %t: got %v, want %q", tt.path, tt.folder, err, tt.want)
		}
	}
	if os.Getuid() == 0 {
		return // root reads everything
	}
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	if err := Readable(file, false); err == nil || err.Error() != "permission denied" {
		t.Errorf("got %v", err)
	}
}

func TestExcluded(t *testing.T) {
	for _, tt := range []struct {
		glob, rel string
		want      bool
	}{
		{"*.md", "README.md", true}, {"*.md", "a/b/README.md", true}, {"*.md", "a.mdx", false}, {"base", "x/base", true}, {"base/**", "base/a/b", true},
		{"base/**", "x/base/a", false}, {"./base/", "base", true}, {"**/b/*.yaml", "a/b/c.yaml", true}, {"**/b/*.yaml", "a/b/c/d.yaml", false},
		{"a/**/z", "a/z", true}, {"a/**/z", "a/b/z/c", false}, {"**", "anything/at/all", true}, {"a/**/b/**/c", "a/x/b/b/y/c", true},
	} {
		if got := Excluded([]string{tt.glob}, tt.rel); got != tt.want {
			t.Errorf("%s of %s: got %t", tt.glob, tt.rel, got)
		}
	}
	if err := CheckGlobs([]string{"ok", "[a"}); err == nil || !strings.Contains(err.Error(), "exclude[1]") {
		t.Errorf("got %v", err)
	}
}

// Matching ends, and ** before a path changes nothing for a glob without a folder.
func FuzzExcluded(f *testing.F) {
	f.Add("**/a/**/b", "a/a/a/b")
	f.Fuzz(func(t *testing.T, glob, rel string) {
		if len(glob) > 200 || len(rel) > 200 || CheckGlobs([]string{glob}) != nil {
			return
		}
		if got := Excluded([]string{glob}, rel); !strings.Contains(glob, "/") && glob != "" && got != Excluded([]string{"**/" + glob}, rel) {
			t.Errorf("%q of %q: got %t", glob, rel, got)
		}
	})
}
