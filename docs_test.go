package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/config"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Every YAML block of the README that is a configuration loads.
func TestReadmeConfigurations(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(b, -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no configuration")
	}
	env := map[string]string{"IMAGE": "ghcr.io/acme/checkout:v1", "BUILT_DIGEST": "sha256:" + strings.Repeat("a", 64), "GRAFANA_TOKEN": "glsa_x"}
	for _, m := range blocks {
		_, err := config.Parse("README.md", m[1], config.Options{Getenv: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
		if err != nil {
			t.Errorf("%v\n%s", err, m[1])
		}
	}
}

// The README's table of verdicts is the contract.
func TestReadmeVerdicts(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range verdict.Names() {
		row := regexp.MustCompile("\\| `" + string(n) + "` \\| (\\d+) \\|").FindSubmatch(b)
		if row == nil || string(row[1]) != itoa(n.ExitCode()) {
			t.Errorf("the README's row of %s: %q, want exit %d", n, row, n.ExitCode())
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// Every page that a finding can name is there, and no page is orphaned.
func TestEveryCheckHasItsPage(t *testing.T) {
	pages := map[string]bool{}
	files, err := filepath.Glob("docs/checks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if filepath.Base(f) == "README.md" {
			continue
		}
		pages[strings.TrimSuffix(filepath.Base(f), ".md")] = false
	}
	out, err := exec.Command("git", "ls-files", "-co", "--exclude-standard", "internal").Output()
	if err != nil {
		t.Skip("not a git checkout: ", err)
	}
	doc := regexp.MustCompile(`Doc:\s*"([a-z-]+)"|"((?:verify|diff|mark|bake|preflight)-[a-z-]+)"`)
	for _, f := range strings.Fields(string(out)) {
		if !strings.HasSuffix(f, ".go") || strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range doc.FindAllStringSubmatch(string(b), -1) {
			name := m[1] + m[2]
			if _, ok := pages[name]; !ok && !strings.HasSuffix(name, "-") {
				t.Errorf("%s names the page docs/checks/%s.md, which is not there", f, name)
			}
			pages[name] = true
		}
	}
}

// The index of the checks has each page once, under the page's own title, and nothing else.
func TestChecksIndex(t *testing.T) {
	files, err := filepath.Glob("docs/checks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(b), "# "), "\n")
		if name, what, ok := strings.Cut(title, ": "); ok {
			want["- ["+name+"]("+filepath.Base(f)+"): "+what] = true
		} else if filepath.Base(f) != "README.md" {
			t.Errorf("%s: got the title %q, want NAME: WHAT IT MEANS", f, title)
		}
	}
	index, err := os.ReadFile("docs/checks/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(index)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "- ") && !want[line] {
			t.Errorf("docs/checks/README.md: got %q, which is no page's title, or there twice", line)
		}
		delete(want, line)
	}
	for line := range want {
		t.Errorf("docs/checks/README.md has no line %q", line)
	}
}

// No table is cut in two: rows behind a blank line have a head of their own, or they show as text.
func TestTables(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	torn := regexp.MustCompile(`\n\n(\|[^\n]*)\n(\|[^\n]*)?`)
	for _, f := range append(files, "README.md") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range torn.FindAllStringSubmatch(string(b), -1) {
			if !strings.HasPrefix(m[2], "|-") {
				t.Errorf("%s: a table begins with %q and has no head", f, m[1])
			}
		}
	}
}

// No link of the documents leads nowhere.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checks, _ := filepath.Glob("docs/checks/*.md")
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, f := range append(append(files, checks...), "README.md", "CONTRIBUTING.md", "SECURITY.md") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(f), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", f, m[1], err)
			}
		}
	}
}
