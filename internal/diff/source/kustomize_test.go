package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/diff"
)

const (
	baseDeployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: web
        image: acme/web:1
        env:
        - {name: MODE, value: base}
`
	baseKustomization = "resources:\n- deployment.yaml\nconfigMapGenerator:\n- name: app\n  literals:\n  - url=https://acme.dev\n"
)

func kustomized(t testing.TB, root string, o KustomizeOptions) (diff.Tree, error) {
	t.Helper()
	return snapshotOf(t, "kustomize", o, Env{Dir: root})
}

func TestKustomize(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"deploy/base/deployment.yaml": baseDeployment, "deploy/base/kustomization.yaml": baseKustomization,
		"deploy/parts/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n- path: p.yaml\n",
		"deploy/parts/p.yaml":             "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, env: [{name: PART, value: x}]}]}}}\n",
		"deploy/production/kustomization.yaml": `resources: [../base, service.yaml]
components: [../parts]
namespace: shop
namePrefix: prod-
replicas: [{name: web, count: 3}]
commonAnnotations: {docs: "https://acme.dev/docs", owner: team@acme.dev}
images: [{name: acme/web, newName: ghcr.io/acme/web, newTag: "2"}]
transformers:
- |-
  apiVersion: builtin
  kind: LabelTransformer
  metadata: {name: l}
  labels: {tier: web}
  fieldSpecs: [{path: metadata/labels, create: true}]
- labels.yaml
`,
		"deploy/production/labels.yaml":  "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: m}\nlabels: {team: checkout}\nfieldSpecs: [{path: metadata/labels, create: true}]\n",
		"deploy/production/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
		"bakegate.yaml":                  "",
	})
	for _, o := range []KustomizeOptions{{Path: "deploy/production"}, {Path: "./deploy/production/"}, {Path: filepath.Join(root, "deploy/production")}} {
		tree, err := kustomized(t, root, o)
		if err != nil {
			t.Fatal(err)
		}
		p := strings.TrimPrefix(filepath.Clean(o.Path), "./")
		at := func(s string) string { return filepath.Join(p, s) }
		want := "Deployment/prod-web@" + at("../base/deployment.yaml") + " ConfigMap/prod-app-mfck5746gm@" + at("../base/kustomization.yaml") + " Service/prod-web@" + at("service.yaml")
		if got := names(tree); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	tree, err := kustomized(t, filepath.Join(root, "deploy/production"), KustomizeOptions{Path: ".", Root: ".."})
	if err != nil || len(tree.Objects) != 3 || tree.Objects[0].File != "../base/deployment.yaml" {
		t.Fatalf("from the overlay itself: got %s (%v)", names(tree), err)
	}
	if err := os.Symlink("production", filepath.Join(root, "deploy/current")); err != nil {
		t.Fatal(err)
	}
	linked, err := kustomized(t, root, KustomizeOptions{Path: "deploy/current"})
	if err != nil || len(linked.Objects) != 3 || linked.Objects[0].File != "deploy/base/deployment.yaml" || linked.Objects[0].Root.Line != 1 {
		t.Errorf("through a link: got %s (%v)", names(linked), err)
	}
	write(t, root, map[string]string{"kustomization.yaml": "resources: [deploy/base]\n"})
	top, err := kustomized(t, root, KustomizeOptions{Path: "."})
	if err != nil || names(top) != "Deployment/web@deploy/base/deployment.yaml ConfigMap/app-mfck5746gm@deploy/base/kustomization.yaml" {
		t.Errorf("in the configuration's folder: got %s (%v)", names(top), err)
	}
	d := tree.Objects[0].Root
	spec := d.Fields["spec"]
	container := spec.Fields["template"].Fields["spec"].Fields["containers"].Items[0]
	labels := d.Fields["metadata"].Fields["labels"]
	if spec.Fields["replicas"].Value != "3" || container.Fields["image"].Value != "ghcr.io/acme/web:2" || labels.Fields["tier"].Value != "web" || labels.Fields["team"].Value != "checkout" {
		t.Errorf("got %+v %+v %+v", spec.Fields["replicas"], container.Fields["image"], labels)
	}
	if spec.Fields["replicas"].Line != 6 || container.Fields["image"].Line != 11 || labels.Line != 3 {
		t.Errorf("got the lines %d %d %d, want 6 11 3", spec.Fields["replicas"].Line, container.Fields["image"].Line, labels.Line)
	}
	for _, o := range tree.Objects {
		if a := o.Root.Fields["metadata"].Fields["annotations"]; a == nil || len(a.Fields) != 2 {
			t.Errorf("%s: got the annotations %+v, want those of the user alone", o.Name, a)
		}
	}
}

// The user's own origin annotations are a part of what is applied.
func TestKustomizeOwnOrigin(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"o/a.yaml": baseDeployment, "o/kustomization.yaml": "resources: [a.yaml]\nbuildMetadata: [originAnnotations]\n",
		"m/a.yaml": baseDeployment, "m/kustomization.yaml": "resources: [a.yaml]\nbuildMetadata: [managedByLabel]\n"})
	tree, err := kustomized(t, root, KustomizeOptions{Path: "o"})
	if err != nil || tree.Objects[0].Root.Fields["metadata"].Fields["annotations"].Fields["config.kubernetes.io/origin"] == nil {
		t.Errorf("got %s (%v), want the annotation", names(tree), err)
	}
	tree, err = kustomized(t, root, KustomizeOptions{Path: "m"})
	if err != nil || tree.Objects[0].Root.Fields["metadata"].Fields["annotations"] != nil || tree.Objects[0].Root.Fields["metadata"].Fields["labels"] == nil {
		t.Errorf("got %s (%v), want the label alone", names(tree), err)
	}
}

// network is a web server and a program named git. Neither may ever be asked.
type network struct {
	url   string
	asked string // file that git writes
	hits  int
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{asked: filepath.Join(t.TempDir(), "asked")}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.hits++
		fmt.Fprint(w, baseDeployment)
	}))
	t.Cleanup(s.Close)
	n.url = s.URL
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" >> " + n.asked + "\nexit 1\n"
	for _, name := range []string{"git", "helm", "helmV3", "docker", "go"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	return n
}

func (n *network) check(t *testing.T) {
	t.Helper()
	if b, err := os.ReadFile(n.asked); err == nil || n.hits > 0 {
		t.Errorf("the web server was asked %d times, and a program ran: %s", n.hits, b)
	}
}

// Whatever would be fetched is refused before anything is, with the place where it stands.
func TestKustomizeFetchesNothing(t *testing.T) {
	const here = "k/kustomization.yaml:"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"resource over http":           {map[string]string{"k/kustomization.yaml": "resources:\n- a.yaml\n- $URL/x.yaml\n"}, here + "3:3: this is on another machine"},
		"resource by git":              {map[string]string{"k/kustomization.yaml": "resources:\n- https://github.com/acme/x//base?ref=v1\n"}, here + "2:3"},
		"capital letters":              {map[string]string{"k/kustomization.yaml": "resources:\n- HTTPS://github.com/acme/x\n"}, here + "2:3"},
		"capital key":                  {map[string]string{"k/kustomization.yaml": "Resources:\n- $URL/x.yaml\n"}, here + "2:3"},
		"odd key":                      {map[string]string{"k/kustomization.yaml": "re\u017fource\u017f:\n- $URL/x.yaml\n"}, here + "2:3"},
		"github without scheme":        {map[string]string{"k/kustomization.yaml": "resources:\n- github.com/acme/x\n"}, here + "2:3"},
		"ssh by scp":                   {map[string]string{"k/kustomization.yaml": "resources:\n- git@git.acme.dev:acme/x.git\n"}, here + "2:3"},
		"another user by scp":          {map[string]string{"k/kustomization.yaml": "resources:\n- org-12@git.acme.dev:acme/x.git\n"}, here + "2:3"},
		"go-getter":                    {map[string]string{"k/kustomization.yaml": "resources:\n- git::https://git.acme.dev/acme/x.git\n"}, here + "2:3"},
		"a repository on disk":         {map[string]string{"k/kustomization.yaml": "resources:\n- file:///srv/x.git\n"}, here + "2:3"},
		"opaque":                       {map[string]string{"k/kustomization.yaml": "resources:\n- http:x.yaml\n"}, here + "2:3"},
		"base":                         {map[string]string{"k/kustomization.yaml": "bases:\n- github.com/acme/x\n"}, here + "2:3"},
		"component":                    {map[string]string{"k/kustomization.yaml": "components: [github.com/acme/x]\n"}, here + "1:14"},
		"crd":                          {map[string]string{"k/kustomization.yaml": "crds: [$URL/x.yaml]\n"}, here + "1:8"},
		"configuration":                {map[string]string{"k/kustomization.yaml": "configurations: [$URL/x.yaml]\n"}, here + "1:18"},
		"openapi":                      {map[string]string{"k/kustomization.yaml": "openapi: {path: $URL/x}\n"}, here + "1:17"},
		"patch":                        {map[string]string{"k/kustomization.yaml": "patches: [{path: $URL/x.yaml}]\n"}, here + "1:18"},
		"strategic patch":              {map[string]string{"k/kustomization.yaml": "patchesStrategicMerge: [$URL/x.yaml]\n"}, here + "1:25"},
		"JSON patch":                   {map[string]string{"k/kustomization.yaml": "patchesJson6902: [{path: $URL/x.yaml, target: {version: v1, kind: A, name: b}}]\n"}, here + "1:26"},
		"replacement":                  {map[string]string{"k/kustomization.yaml": "replacements: [{path: $URL/x.yaml}]\n"}, here + "1:23"},
		"config map from a file":       {map[string]string{"k/kustomization.yaml": "configMapGenerator: [{name: a, files: [a=$URL/x]}]\n"}, here + "1:40"},
		"config map from env":          {map[string]string{"k/kustomization.yaml": "configMapGenerator: [{name: a, envs: [$URL/x]}]\n"}, here + "1:39"},
		"secret from a file":           {map[string]string{"k/kustomization.yaml": "secretGenerator: [{name: a, files: [$URL/x]}]\n"}, here + "1:37"},
		"generator":                    {map[string]string{"k/kustomization.yaml": "generators: [$URL/x]\n"}, here + "1:14"},
		"alias":                        {map[string]string{"k/kustomization.yaml": "namePrefix: &a $URL/x\nresources: [*a]\n"}, here + "1:13"},
		"alias out of what is skipped": {map[string]string{"k/kustomization.yaml": "commonAnnotations: {x: &a $URL/x}\nresources: [*a]\n"}, here + "1:24"},
		"merge":                        {map[string]string{"k/kustomization.yaml": "metadata: &m {resources: [$URL/x]}\n<<: *m\n"}, here + "1:27"},
		"binary":                       {map[string]string{"k/kustomization.yaml": "resources: [!!binary aHR0cDovL3gveA==]\n"}, here + "1:13: want a text"},
		"JSON":                         {map[string]string{"k/kustomization.yaml": `{"resources": ["\u0068ttp://x/y"]}`}, here + "1:16"},
		"second document":              {map[string]string{"k/kustomization.yaml": "namePrefix: a\n---\nresources: [$URL/x]\n"}, here + "3:13"},
		"in the base":                  {map[string]string{"k/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yml": "resources:\n- $URL/x.yaml\n"}, "b/kustomization.yml:2:3"},
		"in a component":               {map[string]string{"k/kustomization.yaml": "components: [../b]\n", "b/Kustomization": "kind: Component\nresources:\n- $URL/x.yaml\n"}, "b/Kustomization:3:3"},
		"inline transformer":           {map[string]string{"k/kustomization.yaml": "transformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: p}\n  path: $URL/x\n  target: {kind: Deployment}\n"}, here + "2:3"},
		"inline flow":                  {map[string]string{"k/kustomization.yaml": "transformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: p}, path: \"$URL/x\", target: {kind: Deployment}}']\n"}, here + "1:16"},
		"transformer's file":           {map[string]string{"k/kustomization.yaml": "transformers: [t.yaml]\nresources: [a.yaml]\n", "k/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: $URL/x\ntarget: {kind: Deployment}\n"}, "k/t.yaml:4:7"},
		"generator's file":             {map[string]string{"k/kustomization.yaml": "generators: [t.yaml]\n", "k/t.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: p}\nname: x\nfiles: [a=$URL/x]\n"}, "k/t.yaml:5:9"},
		"transformers' folder":         {map[string]string{"k/kustomization.yaml": "transformers: [../t]\nresources: [a.yaml]\n", "t/kustomization.yaml": "resources: [t.yaml]\npatches: [{patch: \"[{op: replace, path: /path, value: '$URL/x'}]\", target: {kind: PatchTransformer}}]\n", "t/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: x\ntarget: {kind: Deployment}\n"}, here + "1:16: generators, transformers and validators are read from files alone"},
		"helm charts":                  {map[string]string{"k/kustomization.yaml": "helmCharts: [{name: x, repo: $URL}]\n"}, here + "1:1: this needs Helm"},
		"helm generator":               {map[string]string{"k/kustomization.yaml": "generators:\n- |-\n  apiVersion: builtin\n  kind: HelmChartInflationGenerator\n  metadata: {name: p}\n  name: x\n"}, here + "2:3: this needs Helm"},
		"exec plugin":                  {map[string]string{"k/kustomization.yaml": "generators: [g.yaml]\n", "k/g.yaml": "apiVersion: acme.dev/v1\nkind: Evil\nmetadata: {name: p}\n"}, "plugins don't run here"},
		"exec function":                {map[string]string{"k/kustomization.yaml": "transformers: [g.yaml]\nresources: [a.yaml]\n", "k/g.yaml": "apiVersion: acme.dev/v1\nkind: Evil\nmetadata: {name: p, annotations: {config.kubernetes.io/function: \"exec: {path: ./evil.sh}\"}}\n"}, "plugins don't run here"},
		"container function":           {map[string]string{"k/kustomization.yaml": "generators: [g.yaml]\n", "k/g.yaml": "apiVersion: acme.dev/v1\nkind: Evil\nmetadata: {name: p, annotations: {config.kubernetes.io/function: \"container: {image: x, network: true}\"}}\n"}, "plugins don't run here"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			root := t.TempDir()
			files := map[string]string{"k/a.yaml": baseDeployment}
			for f, text := range c.files {
				files[f] = strings.ReplaceAll(text, "$URL", n.url)
			}
			write(t, root, files)
			_, err := kustomized(t, root, KustomizeOptions{Path: "k"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			n.check(t)
		})
	}
	for _, p := range []string{"https://github.com/acme/x", "github.com/acme/x", "git@x:y", " "} {
		if _, err := build("kustomize", KustomizeOptions{Path: p}); err == nil {
			t.Errorf("%q: got no error", p)
		}
	}
}

func TestKustomizeStaysInside(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		links map[string]string
		want  string
	}{
		"link to a file outside":   {map[string]string{"k/kustomization.yaml": "resources: [out.yaml]\n"}, map[string]string{"k/out.yaml": "../../secret.yaml"}, "k/out.yaml: the link leaves the folder"},
		"absolute link":            {map[string]string{"k/kustomization.yaml": "resources: [out.yaml]\n"}, map[string]string{"k/out.yaml": "/etc/passwd"}, "k/out.yaml: the link leaves the folder"},
		"link to a folder outside": {map[string]string{"k/kustomization.yaml": "resources: [../out]\n"}, map[string]string{"out": ".."}, "out: the link leaves the folder"},
		"link in a circle":         {map[string]string{"k/kustomization.yaml": "resources: [x.yaml]\n"}, map[string]string{"k/x.yaml": "x.yaml"}, "k/x.yaml: the link leaves the folder"},
		"a base outside":           {map[string]string{"k/kustomization.yaml": "resources: [../../other]\n"}, nil, "other"},
		"a file of another base":   {map[string]string{"k/kustomization.yaml": "resources: [../b/a.yaml]\n", "b/a.yaml": baseDeployment}, nil, "b/a.yaml is not in the folder of the kustomization that refers to it"},
		"a data file of another":   {map[string]string{"k/kustomization.yaml": "configMapGenerator: [{name: a, files: [../b/a.yaml]}]\n", "b/a.yaml": baseDeployment}, nil, "b/a.yaml is not in the folder of the kustomization that refers to it"},
		"an absolute resource":     {map[string]string{"k/kustomization.yaml": "resources: [/etc/passwd]\n"}, nil, "etc/passwd is not there"},
		"a file through a link":    {map[string]string{"k/kustomization.yaml": "configMapGenerator: [{name: a, files: [d/secret.yaml]}]\n"}, map[string]string{"k/d": "../.."}, "k/d/secret.yaml: the link leaves the folder"},
		"no kustomization":         {map[string]string{"k/a.yaml": baseDeployment}, nil, "there is no kustomization.yaml in it"},
		"two kustomizations":       {map[string]string{"k/kustomization.yaml": "namePrefix: a", "k/kustomization.yml": "namePrefix: a"}, nil, "more than one kustomization file"},
		"a damaged resource":       {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\n", "k/a.yaml": "a: 1\nb: [\n"}, nil, "k/a.yaml:2:"},
		"an unknown key":           {map[string]string{"k/kustomization.yaml": "resourses: [a.yaml]\n"}, nil, "there is no field resourses"},
		"nothing":                  {map[string]string{"k/kustomization.yaml": "namePrefix: a\n"}, nil, "renders to nothing"},
		"a file that is not there": {map[string]string{"k/kustomization.yaml": "resources: [gone.yaml]\n"}, nil, "kustomize: k: k/gone.yaml is not there"},
		"a cycle":                  {map[string]string{"k/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../k]\n"}, nil, "refers to itself"},
		"a damaged kustomization":  {map[string]string{"k/kustomization.yaml": "resources: [\n"}, nil, "k/kustomization.yaml:1:1: YAML: "},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			write(t, root, map[string]string{"../secret.yaml": "password: hunter2\n", "../other/kustomization.yaml": "resources: [a.yaml]", "../other/a.yaml": baseDeployment})
			write(t, root, c.files)
			for name, to := range c.links {
				if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := kustomized(t, root, KustomizeOptions{Path: "k"})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	root := t.TempDir()
	write(t, root, map[string]string{"k/kustomization.yaml": "resources: [a.yaml, ../l]\n", "k/a.yaml": baseDeployment, "r/kustomization.yaml": "resources: [s.yaml]\n", "r/s.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"})
	if err := os.Symlink("r", filepath.Join(root, "l")); err != nil {
		t.Fatal(err)
	}
	if tree, err := kustomized(t, root, KustomizeOptions{Path: "k"}); err != nil || len(tree.Objects) != 2 {
		t.Errorf("a link inside: got %s (%v)", names(tree), err)
	}
	for o, want := range map[KustomizeOptions]string{{Path: "../x"}: "is not in the configuration's folder: name under root", {Path: "k", Root: "r"}: "is not in root r", {Path: "nowhere"}: "nowhere"} {
		if _, err := kustomized(t, root, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s", o, err, want)
		}
	}
}

// What Kustomize says may hold what stands in the files.
func TestKustomizeErrorsHideValues(t *testing.T) {
	for name, text := range map[string]string{
		"literal":   "secretGenerator: [{name: a, literals: [hunter2]}]\n",
		"literals":  "secretGenerator: [{name: a, literals: ['password=hunter2', x]}]\n",
		"broken":    "secretGenerator: hunter2\n",
		"transform": "transformers: [\"apiVersion: builtin\\nkind: PatchTransformer\\nmetadata: {name: x}\\npatch: hunter2\"]\nresources: [a.yaml]\n",
		"patch":     "patches: [{patch: 'password: hunter2'}]\nresources: [a.yaml]\n",
		"vars":      "vars: [{name: hunter2}, {name: hunter2}]\nresources: [a.yaml]\n",
		"file":      "resources: [b.yaml]\n",
		"yaml":      "resources: [c.yaml]\n",
		"env":       "secretGenerator: [{name: a, envs: [d.env]}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, map[string]string{"k/kustomization.yaml": text, "k/a.yaml": baseDeployment, "k/b.yaml": "password: hunter2\n", "k/c.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: *hunter2}\n", "k/d.env": "\xffhunter2=1\n"})
			_, err := kustomized(t, root, KustomizeOptions{Path: "k"})
			if err == nil || strings.Contains(err.Error(), "hunter") {
				t.Errorf("got %v, want an error without the value", err)
			}
		})
	}
}

// A variable without a value is empty: Kustomize used to take it from the environment, where the job's secrets are.
func TestKustomizeReadsNoEnvironment(t *testing.T) {
	t.Setenv("JOB_TOKEN", "hunter2")
	root := t.TempDir()
	write(t, root, map[string]string{"k/kustomization.yaml": "configMapGenerator: [{name: a, envs: [a.env]}]\n", "k/a.env": "JOB_TOKEN\n"})
	tree, err := kustomized(t, root, KustomizeOptions{Path: "k"})
	if err != nil || tree.Objects[0].Root.Fields["data"].Fields["JOB_TOKEN"].Value != "" {
		t.Errorf("got %s (%v), want no value", names(tree), err)
	}
}

func TestKustomizeLimits(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat("*"+string(i-1)+",", 10), ","))
	}
	self := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nx: &x [*x]\n"
	object := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	many := map[string]string{"k/kustomization.yaml": "resources: [../l12/a, ../l12/b]\n", "l0/a/kustomization.yaml": "resources: [a.yaml]\nnamePrefix: a-\n", "l0/a/a.yaml": object, "l0/b/kustomization.yaml": "resources: [a.yaml]\nnamePrefix: b-\n", "l0/b/a.yaml": object}
	for i := 1; i <= 12; i++ {
		for _, s := range []string{"a", "b"} {
			many[fmt.Sprintf("l%d/%s/kustomization.yaml", i, s)] = fmt.Sprintf("namePrefix: %s-\nresources: [../../l%d/a, ../../l%d/b]\n", s, i-1, i-1)
		}
	}
	for name, c := range map[string]struct {
		files  map[string]string
		change func(*kustomizeSource)
		want   string
	}{
		"file":                    {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\n"}, func(s *kustomizeSource) { s.limits.file = 100 }, "k/a.yaml: the file has 212 bytes, want at most 100"},
		"total":                   {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\n"}, func(s *kustomizeSource) { s.limits.total = 200 }, "reads more than 200 bytes"},
		"output":                  {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\ncommonAnnotations: {a: " + strings.Repeat("x", 800) + "}\n"}, func(s *kustomizeSource) { s.limits.total = 1300 }, ""},
		"values":                  {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\n"}, func(s *kustomizeSource) { s.limits.nodes = 10 }, "more values than a configuration has"},
		"exponential bases":       {many, func(s *kustomizeSource) { s.limits.entries = 100 }, "reads more than 100 files"},
		"alias bomb":              {map[string]string{"k/kustomization.yaml": "resources: [b.yaml]\n", "k/b.yaml": object + bomb}, nil, "k/b.yaml:1: its aliases stand for more values"},
		"alias of itself":         {map[string]string{"k/kustomization.yaml": "resources: [b.yaml]\n", "k/b.yaml": self}, nil, "k/b.yaml:1: its aliases stand for more values"},
		"bomb in a kustomization": {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\n" + bomb}, nil, "k/kustomization.yaml:1: its aliases"},
		"bomb in a patch":         {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\npatches: [{patch: " + fmt.Sprintf("%q", object+bomb) + "}]\n"}, nil, "k/kustomization.yaml:2: its aliases"},
		"bomb that is hidden":     {map[string]string{"k/kustomization.yaml": "resources: [a.yaml]\npatches: [{patch: " + strings.NewReplacer("*", `\x2a`, "&", `\x26`).Replace(fmt.Sprintf("%q", object+bomb)) + "}]\n"}, nil, "k/kustomization.yaml:2: its aliases"},
		"time":                    {many, func(s *kustomizeSource) { s.Timeout = time.Millisecond }, "not rendered within 1ms (timeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, map[string]string{"k/a.yaml": baseDeployment})
			write(t, root, c.files)
			src, err := build("kustomize", KustomizeOptions{Path: "k"})
			if err != nil {
				t.Fatal(err)
			}
			s := src.(*kustomizeSource)
			s.Use(Env{Dir: root})
			if c.change != nil {
				c.change(s)
			}
			_, err = s.Snapshot(t.Context())
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	root := t.TempDir()
	write(t, root, map[string]string{"k/a.yaml": baseDeployment, "k/kustomization.yaml": "resources: [a.yaml]\n"})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s, err := build("kustomize", KustomizeOptions{Path: "k"})
	if err != nil {
		t.Fatal(err)
	}
	s.(Wants).Use(Env{Dir: root})
	if _, err := s.Snapshot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func FuzzKustomizeReference(f *testing.F) {
	for _, s := range []string{"https://x", "git@x:y", "../base", "github.com/a/b", "a.yaml", "git::http://x", "HTTP:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if isRemote(s) != isRemote(" "+s+"\n") && strings.TrimSpace(s) == s {
			t.Errorf("%q: white space makes it another reference", s)
		}
	})
}
