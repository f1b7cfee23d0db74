package diff_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/source"
	"github.com/bakegate/bakegate/internal/verdict"
)

var update = flag.Bool("update", false, "write the golden files anew")

var today = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

// snapshot reads a folder as the path source does.
func snapshot(t testing.TB, root, path string) diff.Tree {
	t.Helper()
	s, err := source.Sources["path"](func(o any) error { return o.(*source.PathOptions).UnmarshalText([]byte(path)) })
	if err != nil {
		t.Fatal(err)
	}
	s.(source.Wants).Use(source.Env{Dir: root})
	tree, err := s.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// unpack writes the files of an archive and gives the rest of them by name.
func unpack(t testing.TB, a *txtar.Archive) (root string, other map[string]string) {
	t.Helper()
	root, other = t.TempDir(), map[string]string{}
	for _, f := range a.Files {
		if !strings.HasPrefix(f.Name, "previous/") && !strings.HasPrefix(f.Name, "target/") {
			other[f.Name] = string(f.Data)
			continue
		}
		name := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, other
}

// rulesOf reads lines "expect PATTERN [UNTIL]" and "forbid PATTERN [CLASS...]".
func rulesOf(text string) (rules diff.Rules) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if f[0] == "expect" {
			e := diff.Expect{Path: f[1], Reason: "as it should be"}
			if len(f) > 2 {
				e.Until = f[2]
			}
			rules.Expect = append(rules.Expect, e)
		} else {
			rules.Forbid = append(rules.Forbid, diff.Forbid{Path: f[1], Reason: "it must not be", Change: f[2:]})
		}
	}
	return rules
}

// write gives a result as a person reads it in a golden file.
func write(r diff.Result) []byte {
	var b bytes.Buffer
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "%-7s %s: %s", c.Class, c.Where(), c.What())
		fmt.Fprintf(&b, " (%s -> %s)", place(c.FromAt), place(c.ToAt))
		if c.Rule != nil {
			fmt.Fprintf(&b, " expected by %s", c.Rule.Path)
		}
		b.WriteByte('\n')
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Check, f.Outcome, f.Summary)
		for _, e := range f.Evidence {
			if f.Check != "diff/changes" || strings.HasPrefix(e.What, "not read") || strings.Contains(e.What, " paths: ") || strings.HasPrefix(e.What, "and ") {
				fmt.Fprintf(&b, "    %s | got %s | want %s\n", e.What, e.Got, e.Want)
			}
		}
	}
	return b.Bytes()
}

func place(p diff.Position) string {
	if p.Line == 0 {
		return "-"
	}
	_, file, _ := strings.Cut(p.File, "/")
	return fmt.Sprintf("%s:%d:%d", file, p.Line, p.Column)
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("got %d cases (%v), want at least 40", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			root, other := unpack(t, a)
			previous, target := snapshot(t, root, "previous"), snapshot(t, root, "target")
			got := write(aspect(name, diff.Options{Rules: rulesIn(t, other), Today: today}.Compare(previous, target)))
			if *update {
				setFile(t, file, a, got)
				return
			}
			if want := other["want"]; string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(name, "-quiet-") && len(got) > 0 {
				t.Errorf("want no finding, got\n%s", got)
			}
			if strings.HasPrefix(filepath.Base(file), "silent-") && !strings.Contains(string(got), "no unexpected difference") {
				t.Errorf("want silence, got\n%s", got)
			}
		})
	}
}

// meaningCase is the name of a case that is about what differences mean; in the others those findings are left out, and in these the
// differences themselves.
var meaningCase = regexp.MustCompile(`^(risk|ref|envleak|rule|cel|admission)-`)

// aspect takes out of a result what its case is not about.
func aspect(name string, r diff.Result) diff.Result {
	about, _, _ := strings.Cut(name, "-")
	r.Findings = slices.DeleteFunc(r.Findings, func(f verdict.Finding) bool {
		switch f.Check {
		case "diff/changes":
			return meaningCase.MatchString(name) && about != "rule"
		case "diff/reference":
			return about != "ref"
		case "diff/environment-leak":
			return about != "envleak"
		}
		return strings.HasPrefix(f.Check, "diff/risk-") && about != "risk"
	})
	if meaningCase.MatchString(name) && about != "rule" {
		r.Changes = nil
	}
	return r
}

// rulesIn reads the rules of a case: lines in rules, or rules.json with all that a rule can say.
func rulesIn(t *testing.T, files map[string]string) diff.Rules {
	t.Helper()
	rules := rulesOf(files["rules"])
	if text := files["rules.json"]; text != "" {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&rules); err != nil {
			t.Fatal(err)
		}
	}
	return rules
}

func setFile(t *testing.T, file string, a *txtar.Archive, want []byte) {
	t.Helper()
	kept := a.Files[:0]
	for _, f := range a.Files {
		if f.Name != "want" {
			kept = append(kept, f)
		}
	}
	a.Files = append(kept, txtar.File{Name: "want", Data: want})
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
