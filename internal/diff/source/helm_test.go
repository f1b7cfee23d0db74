package source

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/diff"
)

var chart = map[string]string{
	"shop/Chart.yaml":  "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
	"shop/values.yaml": "replicas: 1\nimage: {tag: v1}\nnote: none\n",
	"shop/templates/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-web, namespace: {{ .Release.Namespace }}}
spec:
  replicas: {{ .Values.replicas }}
  template: {spec: {containers: [{name: web, image: "acme/web:{{ .Values.image.tag }}"}]}}
`,
	"shop/templates/more.yaml":    "{{- if .Capabilities.APIVersions.Has \"acme.dev/v1\" }}\napiVersion: acme.dev/v1\nkind: Thing\nmetadata: {name: t}\nspec: {note: {{ .Values.note | quote }}}\n{{- end }}\n",
	"shop/templates/tests/t.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
	"shop/crds/x.yaml":            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: xs.acme.dev}\n",
	"values-prod.yaml":            "replicas: 3\n",
}

// fakeHelm puts a program named helm into a folder of its own.
func fakeHelm(t testing.TB, script string) (env func(string) string, dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "helm"), []byte("#!/bin/sh\n"+strings.ReplaceAll(script, "$OUT", filepath.Join(dir, "out"))), 0o755); err != nil {
		t.Fatal(err)
	}
	return func(name string) string {
		return map[string]string{"PATH": "relative:" + dir, "DD_API_KEY": "hunter2", "KUBECONFIG": "/home/ci/config", "HELM_PLUGINS": "/evil"}[name]
	}, dir
}

func helmed(t testing.TB, root string, getenv func(string) string, o HelmOptions) (diff.Tree, error) {
	t.Helper()
	return snapshotOf(t, "helm", o, Env{Dir: root, Getenv: getenv, AllowCommands: true})
}

// What helm is called with: the arguments, and an environment with nothing of the job in it.
func TestHelmIsCalled(t *testing.T) {
	t.Setenv("DD_API_KEY", "hunter2")
	root := t.TempDir()
	write(t, root, chart)
	getenv, dir := fakeHelm(t, `for a in "$@"; do printf '%s\n' "$a"; done > $OUT
pwd >> $OUT
export -p >> $OUT
echo '---
# Source: shop/templates/web.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
# Source: shop/charts/db/templates/db.yaml
# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
---
# Source: shop/templates/empty.yaml
'`)
	tree, err := helmed(t, root, getenv, HelmOptions{Chart: "./shop", Values: []string{"values-prod.yaml"}, Set: map[string]string{"image.tag": "v2,a=b{c}\\", "b": "1"},
		Namespace: "prod", KubeVersion: "1.34", APIVersions: []string{"acme.dev/v1"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(tree); got != "ConfigMap/a@shop/templates/web.yaml ConfigMap/b@shop/charts/db/templates/db.yaml" || tree.Name != "./shop (helm)" {
		t.Errorf("got %s: %s", tree.Name, got)
	}
	if tree.Objects[0].Root.Line != 0 {
		t.Error("it has a line, which is no template's")
	}
	b, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	want := []string{"template", "shop", filepath.Join(root, "shop"), "--namespace", "prod", "--include-crds", "--skip-tests", "--values", filepath.Join(root, "values-prod.yaml"),
		"--set", "b=1", "--set", `image.tag=v2\,a=b\{c}\\`, "--kube-version", "1.34", "--api-versions", "acme.dev/v1"}
	if got := lines[:len(want)]; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, l := range lines[len(want)+1:] {
		name, value, _ := strings.Cut(strings.TrimPrefix(l, "export "), "=")
		switch {
		case l == "", name == "PWD", name == "OLDPWD":
		case !strings.HasPrefix(name, "HELM_") && name != "HOME" && name != "TMPDIR" && name != "KUBECONFIG", strings.Contains(value, "hunter"), strings.Contains(value, "/evil"):
			t.Errorf("helm has %s in its environment", l)
		}
	}
	if home := lines[len(want)]; !strings.Contains(home, "bakegate-helm-") {
		t.Errorf("helm runs in %s, want a folder of its own", home)
	} else if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there", home)
	}
}

func TestHelmRefuses(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	write(t, root, chart)
	write(t, root, map[string]string{"../secret.yaml": "password: hunter2", "plain/x.yaml": "a: 1", "linked/Chart.yaml": "name: x", "folder/Chart.yaml": "name: x"})
	for name, to := range map[string]string{"linked/secret.yaml": "../../secret.yaml", "folder/templates": "../shop/templates"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	ran := filepath.Join(t.TempDir(), "ran")
	getenv, _ := fakeHelm(t, "echo x > "+ran)
	for name, c := range map[string]struct {
		o    HelmOptions
		env  Env
		want string
	}{
		"not allowed":        {HelmOptions{Chart: "shop"}, Env{Dir: root, Getenv: getenv}, "start bakegate with --allow-commands"},
		"no helm":            {HelmOptions{Chart: "shop"}, Env{Dir: root, AllowCommands: true, Getenv: func(string) string { return "/nowhere" }}, "the program helm is not in PATH: install it before this step, or render there"},
		"no environment":     {HelmOptions{Chart: "shop"}, Env{Dir: root, AllowCommands: true}, "the program helm is not in PATH"},
		"no chart":           {HelmOptions{Chart: "plain"}, Env{Dir: root, AllowCommands: true, Getenv: getenv}, "plain: want a chart's folder, which has a Chart.yaml"},
		"nothing":            {HelmOptions{Chart: "nowhere"}, Env{Dir: root, AllowCommands: true, Getenv: getenv}, "nowhere: want a chart's folder"},
		"a link out":         {HelmOptions{Chart: "linked"}, Env{Dir: root, AllowCommands: true, Getenv: getenv}, "linked/secret.yaml: the link leaves the configuration's folder"},
		"a link to a folder": {HelmOptions{Chart: "folder"}, Env{Dir: root, AllowCommands: true, Getenv: getenv}, "folder/templates: the link leads to a folder"},
		"no values":          {HelmOptions{Chart: "shop", Values: []string{"gone.yaml"}}, Env{Dir: root, AllowCommands: true, Getenv: getenv}, "gone.yaml: want a file with values"},
		"values in a folder": {HelmOptions{Chart: "shop", Values: []string{"plain"}}, Env{Dir: root, AllowCommands: true, Getenv: getenv}, "plain: want a file of at most"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := snapshotOf(t, "helm", c.o, c.env)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("helm ran")
	}
	for name, o := range map[string]HelmOptions{
		"a repository": {Chart: "https://charts.acme.dev/x"}, "OCI": {Chart: "oci://x/y"}, "nothing": {}, "values over http": {Chart: "c", Values: []string{"http://x"}},
		"a flag as release": {Chart: "c", Release: "--post-renderer=x"}, "a flag as namespace": {Chart: "c", Namespace: "-x"}, "two values": {Chart: "c", Set: map[string]string{"a=1,b": "x"}},
		"a flag as version": {Chart: "c", KubeVersion: "--x"}, "a flag as API": {Chart: "c", APIVersions: []string{"--x"}},
	} {
		if _, err := build("helm", o); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestHelmFails(t *testing.T) {
	root := t.TempDir()
	write(t, root, chart)
	for name, c := range map[string]struct {
		script string
		change func(*helmSource)
		want   string
	}{
		"exit":        {`echo 'WARNING: x' >&2; echo 'Error: execution error at (shop/templates/web.yaml:3:4): the password "hunter2" is wrong in "shop/templates/web.yaml"' >&2; exit 1`, nil, `helm failed (exit status 1): Error: execution error at (shop/templates/web.yaml:3:4): the password … is wrong in "shop/templates/web.yaml"`},
		"silent":      {`exit 3`, nil, "helm failed (exit status 3): it said nothing"},
		"endless":     {`while :; do echo 'a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; done`, func(s *helmSource) { s.limits.total = 1 << 16 }, "helm printed more than 65536 bytes"},
		"late":        {`exec /bin/sleep 60`, func(s *helmSource) { s.Timeout = 200 * time.Millisecond }, "helm did not end within 200ms"},
		"complains":   {`i=0; while [ $i -lt 20000 ]; do echo 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' >&2; i=$((i+1)); done; exit 1`, nil, "helm failed (exit status 1): xxx"},
		"nothing":     {`true`, nil, "got none: it is empty"},
		"no YAML":     {"echo '---'; echo '# Source: shop/templates/web.yaml'; echo 'password: *hunter2'", nil, "in what helm renders: shop/templates/web.yaml:2:11: YAML: unknown anchor"},
		"many values": {`echo 'a: [1,1,1,1,1,1,1,1,1,1,1,1,1]'`, func(s *helmSource) { s.limits.nodes = 5 }, "more values than a configuration has"},
	} {
		t.Run(name, func(t *testing.T) {
			getenv, _ := fakeHelm(t, c.script)
			src, err := build("helm", HelmOptions{Chart: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			s := src.(*helmSource)
			s.Use(Env{Dir: root, Getenv: getenv, AllowCommands: true})
			if c.change != nil {
				c.change(s)
			}
			_, err = s.Snapshot(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// The helm that is installed takes the arguments.
func TestHelmItself(t *testing.T) {
	program, err := exec.LookPath("helm")
	if err != nil {
		t.Skip("helm is not installed")
	}
	root := t.TempDir()
	write(t, root, chart)
	getenv := func(name string) string { return map[string]string{"PATH": filepath.Dir(program)}[name] }
	tree, err := helmed(t, root, getenv, HelmOptions{Chart: "shop", Values: []string{"values-prod.yaml"}, Set: map[string]string{"image.tag": "v2", "note": `a,b={c}\d`},
		Release: "r", Namespace: "prod", KubeVersion: "1.30", APIVersions: []string{"acme.dev/v1"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(tree.Objects)); got != "3" {
		t.Fatalf("got %s", names(tree))
	}
	for _, o := range tree.Objects {
		spec := o.Root.Fields["spec"]
		switch o.Kind {
		case "Deployment":
			c := spec.Fields["template"].Fields["spec"].Fields["containers"].Items[0]
			if o.Name != "r-web" || o.Namespace != "prod" || spec.Fields["replicas"].Value != "3" || c.Fields["image"].Value != "acme/web:v2" || o.File != "shop/templates/web.yaml" {
				t.Errorf("got %s in %s of %s: %+v", o.Name, o.Namespace, o.File, c.Fields["image"])
			}
		case "Thing":
			if spec.Fields["note"].Value != `a,b={c}\d` {
				t.Errorf("got %q, want the value as it was set", spec.Fields["note"].Value)
			}
		case "CustomResourceDefinition":
		default:
			t.Errorf("got a %s", o.Kind)
		}
	}
	write(t, root, map[string]string{"shop/templates/bad.yaml": "{{ fail \"no\" }}"})
	if _, err := helmed(t, root, getenv, HelmOptions{Chart: "shop"}); err == nil || !strings.Contains(err.Error(), "shop/templates/bad.yaml") {
		t.Errorf("got %v, want the template that fails", err)
	}
}
