package examples_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/ci"
	"github.com/bakegate/bakegate/internal/realtest"
)

// flags reads the list of the flags that a platform may pass from the command line's source.
func flags(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "internal", "cli", "flags.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "inputs" || len(v.Values) != 1 {
			return true
		}
		ast.Inspect(v.Values[0], func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				s, err := strconv.Unquote(l.Value)
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, s)
			}
			return true
		})
		return false
	})
	if len(names) < 10 {
		t.Fatalf("internal/cli/flags.go: found %d inputs", len(names))
	}
	slices.Sort(names)
	return names
}

// documents reads every document of a YAML file.
func documents(t *testing.T, path string) []map[string]any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var v map[string]any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, v)
	}
}

func keys(v any) []string {
	m, _ := v.(map[string]any)
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

func underscored(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, strings.ReplaceAll(n, "-", "_"))
	}
	slices.Sort(out)
	return out
}

// The action's inputs are the flags, its outputs what the platform writes.
func TestActionMatchesTheCommandLine(t *testing.T) {
	action := documents(t, filepath.Join("..", "action.yml"))[0]
	want := underscored(append(flags(t), "command", "github-token"))
	if got := keys(action["inputs"]); !slices.Equal(got, want) {
		t.Errorf("inputs\n got %v\nwant %v", got, want)
	}
	want = slices.Sorted(slices.Values(ci.Keys))
	if got := keys(action["outputs"]); !slices.Equal(got, want) {
		t.Errorf("outputs\n got %v\nwant %v", got, want)
	}
}

var inputVariable = regexp.MustCompile(`BAKEGATE_INPUT_[A-Z_]+`)

// What the component and the Task pass by environment are inputs that the command line knows; the Task passes all of them.
func TestPlatformsPassKnownInputs(t *testing.T) {
	known := map[string]bool{}
	for _, f := range underscored(flags(t)) {
		known["BAKEGATE_INPUT_"+strings.ToUpper(f)] = true
	}
	for _, path := range []string{"../templates/bakegate.yml", "../tekton/bakegate.yaml"} {
		documents(t, path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		passed := map[string]bool{}
		for _, n := range inputVariable.FindAllString(string(b), -1) {
			passed[n] = true
			if !known[n] {
				t.Errorf("%s passes %s, which is no input", path, n)
			}
		}
		for n := range known {
			if !passed[n] && strings.Contains(path, "tekton") && n != "BAKEGATE_INPUT_FORMAT" {
				t.Errorf("%s does not pass %s", path, n)
			}
		}
	}
}

// The Task declares every result that is written: Tekton drops the others.
func TestTaskDeclaresTheResults(t *testing.T) {
	spec, _ := documents(t, "../tekton/bakegate.yaml")[0]["spec"].(map[string]any)
	var got []string
	rs, _ := spec["results"].([]any)
	for _, r := range rs {
		m, _ := r.(map[string]any)
		n, _ := m["name"].(string)
		got = append(got, n)
	}
	var want []string
	for _, k := range ci.Keys {
		want = append(want, map[bool]string{true: "verified-digest", false: strings.ReplaceAll(k, "_", "-")}[k == "digest"])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("results\n got %v\nwant %v", got, want)
	}
}

func TestExamplesAreYAML(t *testing.T) {
	for _, path := range []string{"tekton/pipeline.yaml", "gitlab/.gitlab-ci.yml", "../setup/action.yml", "bakegate.yaml", "deploy/production/checkout.yaml", "deploy/staging/checkout.yaml"} {
		documents(t, path)
	}
}

// actionlint reads the workflows and, as local actions, ours.
func TestActionlint(t *testing.T) {
	tool := realtest.Need(t, "actionlint")
	dir := t.TempDir()
	for _, path := range []string{"action.yml", "setup/action.yml", "Dockerfile"} {
		b, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, path), string(b))
	}
	workflows, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("github/*.yml")
	if err != nil || len(workflows) == 0 || len(examples) < 2 {
		t.Fatalf("%d workflows, %d examples, %v", len(workflows), len(examples), err)
	}
	for _, path := range append(workflows, examples...) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := strings.NewReplacer("bakegate/bakegate/setup@v1", "./setup", "bakegate/bakegate@v1", "./").Replace(string(b))
		write(t, filepath.Join(dir, ".github", "workflows", filepath.Base(path)), s)
	}
	git(t, dir)
	if out, ok := command(t, dir, nil, tool, "-no-color"); !ok {
		t.Errorf("%s", out)
	}
}

var usesRemote = regexp.MustCompile(`(?m)^\s*-?\s*uses:\s*(\S+)(.*)$`)

// Every action of others is pinned to a commit, with its version beside it.
func TestActionsArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)
	version := regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`)
	var paths []string
	for _, pattern := range []string{"../.github/workflows/*.yml", "github/*.yml", "../setup/action.yml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range usesRemote.FindAllStringSubmatch(string(b), -1) {
			if !strings.HasPrefix(m[1], "bakegate/") && (!pinned.MatchString(m[1]) || !version.MatchString(m[2])) {
				t.Errorf("%s: %s%s", path, m[1], m[2])
			}
		}
	}
}

// No expression stands inside a script: it would be text of a program, and a title or a branch would be run.
func TestNoExpressionInScripts(t *testing.T) {
	for _, path := range []string{"../setup/action.yml", "../.github/workflows/ci.yml", "github/deploy.yml", "github/deploy-run.yml"} {
		for _, d := range documents(t, path) {
			walk(d, func(key, value string) {
				if key == "run" && strings.Contains(value, "${{") {
					t.Errorf("%s: %s", path, value)
				}
			})
		}
	}
}

func walk(v any, visit func(key, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok {
				visit(k, s)
			}
			walk(x, visit)
		}
	case []any:
		for _, x := range v {
			walk(x, visit)
		}
	}
}
