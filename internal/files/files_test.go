package files

import (
	"strings"
	"testing"
)

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
