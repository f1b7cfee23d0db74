package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

func newPath(t testing.TB, root, path string, exclude ...string) *pathSource {
	t.Helper()
	s, err := buildPath(func(o any) error {
		*o.(*PathOptions) = PathOptions{Path: path, Exclude: exclude}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := s.(*pathSource)
	p.Use(Env{Dir: root})
	return p
}

func write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// names lists the objects as Kind/name@file.
func names(t diff.Tree) string {
	var out []string
	for _, o := range t.Objects {
		out = append(out, fmt.Sprintf("%s/%s@%s", o.Kind, o.Name, o.File))
	}
	return strings.Join(out, " ")
}

func TestSnapshot(t *testing.T) {
	cmap := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	for _, c := range []struct {
		name, path string
		files      map[string]string
		exclude    []string
		want       string
		skipped    string
	}{
		{"one file", "d/a.yaml", map[string]string{"d/a.yaml": cmap, "d/b.yaml": cmap}, nil, "ConfigMap/c@d/a.yaml", ""},
		{"one file without a name for it", "d/prod", map[string]string{"d/prod": "# x\nA=1\n"}, nil, "dotenv/prod@d/prod", ""},
		{"sorted, recursive", "d", map[string]string{"d/z/a.yml": "a: 1", "d/b.yaml": cmap, "d/.env": "A=1"}, nil,
			"dotenv/.env@d/.env ConfigMap/c@d/b.yaml /z/a.yml@d/z/a.yml", ""},
		{"skipped", "d", map[string]string{"d/a.yaml": "a: 1", "d/README.md": "x", "d/.git/config.yaml": "a: 1", "d/e.yaml": "# nothing\n"}, nil,
			"/a.yaml@d/a.yaml", ".git: the repository's own data|README.md: no configuration by its name|e.yaml: nothing in it"},
		{"excluded", "d", map[string]string{"d/a.yaml": "a: 1", "d/b.yaml": "{", "d/base/x/c.yaml": "{", "d/k/t.yaml": "{"}, []string{"b.yaml", "base/**", "*/t.yaml"},
			"/a.yaml@d/a.yaml", "b.yaml: excluded|base: excluded|k/t.yaml: excluded"},
		{"documents in a file", "d", map[string]string{"d/a.yaml": "a: 1\n---\n---\nb: 2\n---\n" + cmap + "...\n"}, nil,
			"/a.yaml@d/a.yaml /a.yaml#2@d/a.yaml ConfigMap/c@d/a.yaml", ""},
		{"generateName", "d", map[string]string{"d/a.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: j-}"}, nil, "Job/j-@d/a.yaml", ""},
		{"JSON with escapes and several values", "d", map[string]string{"d/a.json": "{\"a\":\"\\ud83d\\ude00\\/\"}\n{\"b\":1}"}, nil, "/a.json@d/a.json /a.json#2@d/a.json", ""},
		{"UTF-8 with a mark", "d", map[string]string{"d/a.json": "\ufeff{}", "d/b.env": "\ufeffA=1"}, nil, "/a.json@d/a.json dotenv/b.env@d/b.env", ""},
		{"outside the root", "../other", map[string]string{"../other/a.yaml": "a: 1"}, nil, "/a.yaml@../other/a.yaml", ""},
		{"a list in a list", "d", map[string]string{"d/a.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: c}}]}"}, nil,
			"ConfigMap/c@d/a.yaml", ""},
		{"a kind that ends in List", "d", map[string]string{"d/a.yaml": "apiVersion: x/v1\nkind: AllowList\nmetadata: {name: l}\nitems: [{a: 1}]"}, nil, "AllowList/l@d/a.yaml", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			write(t, root, map[string]string{"x": ""})
			write(t, root, c.files)
			tree, err := newPath(t, root, c.path, c.exclude...).Snapshot(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if got := names(tree); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := strings.Join(tree.Skipped, "|"); got != c.skipped {
				t.Errorf("got  %s\nwant %s", got, c.skipped)
			}
		})
	}
}

func TestSnapshotRefuses(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat("*"+string(i-1)+",", 10), ","))
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"empty directory", nil, "d: want configuration (YAML, JSON, TOML, dotenv, ...), got none: it is empty"},
		{"nothing that is read", map[string]string{"d/README.md": "x"}, "got none: 1 skipped, e.g. README.md: no configuration"},
		{"duplicate key", map[string]string{"d/a.yaml": "a: 1\nb:\n  c: 1\n  c: 2\n"}, `d/a.yaml:4:3: the key "c" stands here twice, first at line 3`},
		{"duplicate key in JSON", map[string]string{"d/a.json": "{\"a\": 1,\n \"a\": 2}"}, `d/a.json:2:2: the key "a" stands here twice, first at line 1`},
		{"duplicate key in dotenv", map[string]string{"d/.env": "A=1\nB=2\n A=3\n"}, `d/.env:3:2: the key "A" stands here twice, first at line 1`},
		{"number and text as the same key", map[string]string{"d/a.yaml": "1: a\n'1': b\n"}, "d/a.yaml:2:1: the key \"1\" stands here twice"},
		{"malformed YAML", map[string]string{"d/a.yaml": "a: 1\n b: [\n"}, "d/a.yaml:"},
		{"malformed JSON", map[string]string{"d/a.json": "{\"a\": 1,\n  x}"}, "d/a.json:2:3: malformed JSON"},
		{"JSON that ends early", map[string]string{"d/a.json": "{\"a\": [1"}, "malformed JSON"},
		{"Helm template", map[string]string{"d/a.yaml": "a: {{ .Values.x }}\nb: {{- if x }}\n"}, "a template? render it first"},
		{"bomb", map[string]string{"d/a.yaml": bomb}, "more values than a configuration has"},
		{"alias in its own anchor", map[string]string{"d/a.yaml": "a: &a\n  b: *a\n"}, "d/a.yaml:2:6: the alias stands in its own anchor"},
		{"merge with itself", map[string]string{"d/a.yaml": "a: &a\n  <<: *a\n"}, "d/a.yaml:2:7: the alias stands in its own anchor"},
		{"merge of a scalar", map[string]string{"d/a.yaml": "a:\n  <<: x\n"}, "d/a.yaml:2:7: got a scalar behind <<"},
		{"key that is a list", map[string]string{"d/a.yaml": "? [a]\n: b\n"}, "d/a.yaml:1:3: got a mapping or a list as a key"},
		{"deep", map[string]string{"d/a.yaml": strings.Repeat("[", 500) + strings.Repeat("]", 500)}, "nested deeper than 100"},
		{"deep JSON", map[string]string{"d/a.json": strings.Repeat("[", 500) + strings.Repeat("]", 500)}, "nested deeper than 100"},
		{"binary", map[string]string{"d/a.yaml": "a: \x00"}, "d/a.yaml:1:4: got a NUL byte"},
		{"invalid UTF-8", map[string]string{"d/.env": "A=1\nB=\xff\n"}, "d/.env:2:3: got the byte 0xff, want UTF-8"},
		{"open quote", map[string]string{"d/.env": "A=1\nB=\"x\nC=2\n"}, "d/.env:2:3: the quote is not closed"},
		{"behind a quote", map[string]string{"d/.env": "B='x' y\n"}, "d/.env:1:3: want nothing but a comment behind the closing quote"},
		{"no key", map[string]string{"d/.env": "A=1\n=2\n"}, "d/.env:2:1: want KEY=value"},
		{"no value", map[string]string{"d/.env": "hunter2\n"}, "d/.env:1:1: want KEY=value, got no ="},
		{"two mistakes", map[string]string{"d/a.yaml": "a: [", "d/b.env": "-"}, "d/b.env:1:1: want KEY=value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.Mkdir(filepath.Join(root, "d"), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, root, c.files)
			_, err := newPath(t, root, "d").Snapshot(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// An error that quotes the file must not quote a secret.
func TestErrorsHideValues(t *testing.T) {
	for name, text := range map[string]string{
		"a.yaml": "password: *hunter2\n", "b.yaml": "password: %hunter2\n", "c.yaml": "password: !<hunter2\n", "d.yaml": "password: \"\\hunter2\"\n",
		"e.yaml": "password: @hunter2\n", "f.yaml": "password: hunter2: x\n", "g.env": "hunter2 hunter2\n", "h.env": "PASSWORD='hunter2\n",
		"i.env": "hunter2", "j.json": `{"password": hunter2}`, "k.yaml": "password: !hunter2!x y\n", "l.yaml": "password: [hunter2\n  b: c\n",
	} {
		root := t.TempDir()
		write(t, root, map[string]string{name: text})
		_, err := newPath(t, root, ".").Snapshot(context.Background())
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: got %v, want an error without the value", name, err)
		}
	}
}

func TestLinks(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	write(t, root, map[string]string{"d/a.yaml": "a: 1", "shared/s.yaml": "s: 1", "../secret.yaml": "password: hunter2"})
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("../shared/s.yaml", "d/s.yaml")
	tree, err := newPath(t, root, "d").Snapshot(context.Background())
	if err != nil || names(tree) != "/a.yaml@d/a.yaml /s.yaml@d/s.yaml" {
		t.Errorf("got %s (%v), want the link in the root followed", names(tree), err)
	}
	for name, c := range map[string]struct{ to, want string }{
		"d/out.yaml":  {"../../secret.yaml", "d/out.yaml: the link leaves the configuration's folder"},
		"d/abs.yaml":  {filepath.Join(root, "..", "secret.yaml"), "d/abs.yaml: the link leaves the configuration's folder"},
		"d/gone.yaml": {"nowhere.yaml", "d/gone.yaml: the link points to nothing"},
		"d/loop":      {".", "d/loop: the link leads back"},
		"d/self.yaml": {"self.yaml", "d/self.yaml: "},
	} {
		link(c.to, name)
		if _, err := newPath(t, root, "d").Snapshot(context.Background()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if _, err := newPath(t, root, "d", filepath.Base(name)).Snapshot(context.Background()); err != nil {
			t.Errorf("%s excluded: %v", name, err)
		}
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimits(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"d/a.yaml": "a: 1", "d/b.yaml": "b: 12345", "d/e/c.yaml": "c: 1"})
	for want, change := range map[string]func(*limits){
		"d/b.yaml: the file has 8 bytes, want at most 5":                     func(l *limits) { l.file = 5 },
		"d/b.yaml: the files before it and this one have more than 10 bytes": func(l *limits) { l.total = 10 },
		"d: more than 3 files":                               func(l *limits) { l.entries = 3 },
		"d/b.yaml:1:4: more values than a configuration has": func(l *limits) { l.nodes = 3 },
		"folders are nested deeper than 1":                   func(l *limits) { l.depth = 1 },
	} {
		s := newPath(t, root, "d")
		change(&s.limits)
		if _, err := s.Snapshot(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := newPath(t, root, "d").Snapshot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was cancelled", err)
	}
	if _, err := newPath(t, root, "nowhere").Snapshot(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that it does not exist", err)
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, o := range []PathOptions{{Path: " "}, {Path: "a\x00"}, {Path: "a", Exclude: []string{"["}}, {Path: "a", Exclude: []string{""}}} {
		if _, err := buildPath(func(v any) error { *v.(*PathOptions) = o; return nil }); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}
