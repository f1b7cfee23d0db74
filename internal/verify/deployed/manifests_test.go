package deployed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// folder writes files into a new folder.
func folder(t testing.TB, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range all {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// source builds a source as the configuration does.
func source(t testing.TB, kind string, options any) Source {
	t.Helper()
	src, err := build(kind, options)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func build(kind string, options any) (Source, error) {
	var s Spec
	err := s.Choose(kind, func(target any) error {
		switch o := target.(type) {
		case *ManifestOptions:
			*o = options.(ManifestOptions)
		case *KubernetesOptions:
			*o = options.(KubernetesOptions)
		case *HelmOptions:
			*o = options.(HelmOptions)
		case *ECSOptions:
			*o = options.(ECSOptions)
		default:
			return fmt.Errorf("options of type %T", target)
		}
		return nil
	})
	return s.Source, err
}

func readManifests(t testing.TB, dir string, o ManifestOptions) (State, error) {
	t.Helper()
	s := source(t, "manifests", o)
	s.(Wants).Use(Env{Dir: dir})
	return s.Read(t.Context())
}

// brief writes containers for a comparison.
func brief(st State) string {
	var out []string
	for _, c := range st.Containers {
		s := c.Where + " " + c.Image
		if c.Digest != "" {
			s += " runs " + c.Named + "@" + c.Digest[:len("sha256:")+4]
		}
		if c.Init {
			s += " init"
		}
		if c.Ready {
			s += " ready"
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

func template(image string) string {
	return "{metadata: {labels: {app: x}}, spec: {containers: [{name: app, image: \"" + image + "\"}]}}"
}

// Every kind that has a pod's template, and what stands in one.
func TestManifestKinds(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"Pod": {`
apiVersion: v1
kind: Pod
metadata: {name: debug}
spec:
  initContainers:
  - {name: migrate, image: a:1}
  - {name: proxy, image: b:1, restartPolicy: Always}
  containers:
  - name: app
    image: c@` + digestA + `
  ephemeralContainers:
  - {name: shell, image: d:1}
`, `Pod/debug, container migrate (m.yaml:7) a:1 init
Pod/debug, container proxy (m.yaml:8) b:1
Pod/debug, container app (m.yaml:11) c@` + digestA + `
Pod/debug, container shell (m.yaml:13) d:1`},
		"Deployment": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {template: " + template("a:1") + "}\n", "Deployment/x, container app (m.yaml:4) a:1"},
		"CronJob": {"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec: {jobTemplate: {spec: {template: " + template("a:1") + "}}}\n",
			"CronJob/x, container app (m.yaml:4) a:1"},
		"Job by generateName": {"apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: x-}\nspec: {template: " + template("a:1") + "}\n", "Job/x-, container app (m.yaml:4) a:1"},
		"Rollout of Argo":     {"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: x}\nspec: {template: " + template("a:1") + "}\n", "Rollout/x, container app (m.yaml:4) a:1"},
		"Service of Knative, without a name": {"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\nspec: {template: {spec: {containers: [{image: a:1}]}}}\n",
			"Service/x, container containers[0] (m.yaml:4) a:1"},
		"a custom resource": {"apiVersion: acme.dev/v1\nkind: Fleet\nmetadata: {name: x}\nspec: {parts: [{pod: " + template("a:1") + "}, {pod: " + template("a:2") + "}]}\n",
			"Fleet/x, container app (m.yaml:4) a:1\nFleet/x, container app (m.yaml:4) a:2"},
		"a patch of a container is none": {"apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: x}\nspec: {containers: [{name: prometheus, args: [a]}, {name: y, image: ~}]}\n", ""},
		"several documents": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: x, image: i:1}]}\n---\n# nothing\n---\n" +
			"apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec: {containers: [{name: x, image: i:2}]}\n", "Pod/a, container x (m.yaml:4) i:1\nPod/b, container x (m.yaml:11) i:2"},
		"List": {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: x, image: i:1}]}}\n", "Pod/a, container x (m.yaml:4) i:1"},
		"PodList, whose items have no kind": {"apiVersion: v1\nkind: PodList\nitems:\n- {metadata: {name: a}, spec: {containers: [{name: x, image: i:1}]}}\n",
			"Pod/a, container x (m.yaml:4) i:1"},
		"anchors and merge keys": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nx: &base {image: i:1, env: []}\nspec: {containers: [{<<: *base, name: x}, {<<: *base, name: y, image: i:2}]}\n",
			"Pod/a, container x (m.yaml:4) i:1\nPod/a, container y (m.yaml:5) i:2"},
		"a definition of a kind": {"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\nspec: {default: {containers: [{name: x, image: i:1}]}}\n", ""},
		"a policy":               {"apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: x}\nspec: {pattern: {spec: {containers: [{name: x, image: \"{{element.image}}\"}]}}}\n", ""},
		"values of a chart":      {"image: {repository: a, tag: b}\ncontainers: [{name: x, image: i:1}]\n", ""},
		"escape sequences": {"apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\e[31m\\n::error::\"}\nspec: {containers: [{name: x, image: \"i:1\\e[0m\"}]}\n",
			"Pod/a[31m ::error::, container x (m.yaml:4) i:1[0m"},
		"templates of another tool in data": {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: \"{{ $labels.x }}\"}\n", ""},
		"empty":                             {"\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := readManifests(t, folder(t, map[string]string{"m.yaml": tt.text}), ManifestOptions{Path: "m.yaml"})
			if err != nil {
				t.Fatal(err)
			}
			if got := brief(st); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestManifestErrors(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	for name, tt := range map[string]struct{ text, want string }{
		"a value of Helm":         {pod + "spec:\n  containers:\n  - name: x\n    image: {{ .Values.image }}\n", "m.yaml:7: got a template ({{...}}) as a value: it is not rendered"},
		"a text of Helm":          {pod + "spec:\n  containers:\n  - name: x\n    image: \"acme/app:{{ .Values.tag }}\"\n", `m.yaml:7: Pod/a, container x: got "acme/app:{{ .Values.tag }}" as its image: it is not rendered`},
		"a block of Helm":         {"{{- if .Values.on }}\n" + pod + "{{- end }}\n", "it is not rendered: give the output of helm template"},
		"envsubst":                {pod + "spec: {containers: [{name: x, image: \"acme/app:${TAG}\"}]}\n", "not rendered"},
		"a placeholder":           {pod + "spec: {containers: [{name: x, image: <IMAGE1_NAME>}]}\n", "not rendered"},
		"two images":              {pod + "spec:\n  containers:\n  - name: x\n    image: a\n    image: b\n", `m.yaml:8: the key "image" stands here twice`},
		"a key that is a mapping": {pod + "spec: {? {a: b} : c}\n", "got a mapping or a list as a key"},
		"an empty image":          {pod + "spec: {containers: [{name: x, image: \"\"}]}\n", "its image is empty"},
		"malformed":               {pod + "spec: [\n", "m.yaml"},
		"a secret in a message":   {"a: b\n hunter2: 'c\n", "YAML"},
		"NUL":                     {"a\x00b", "NUL"},
		"Latin-1":                 {"a: \xe4\n", "no UTF-8"},
		"an alias in itself":      {pod + "spec: &a {b: *a}\n", "nested deeper"},
		"a bomb":                  {pod + bomb(), "more values than manifests have"},
		"deep":                    {pod + "spec: " + strings.Repeat("[", 150) + strings.Repeat("]", 150) + "\n", "nested deeper"},
		"wrong merge":             {pod + "spec: {<<: 3}\n", "want a mapping or a list of mappings"},
		"many":                    {strings.Repeat("-\n", maxMarks+1), "more than 3000000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, err := readManifests(t, folder(t, map[string]string{"m.yaml": tt.text}), ManifestOptions{Path: "m.yaml"})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// bomb is a billion values in a few lines.
func bomb() string {
	s := "a0: &a0 [x]\n"
	for i := 1; i < 10; i++ {
		s += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	return s
}

func TestManifestFolders(t *testing.T) {
	pod := func(image string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: x, image: " + image + "}]}\n"
	}
	dir := folder(t, map[string]string{
		"deploy/a.yaml":                  pod("i:1"),
		"deploy/sub/b.yml":               pod("i:2"),
		"deploy/sub/c.json":              "{\"apiVersion\":\"v1\",\n\t\"kind\":\"Pod\",\"metadata\":{\"name\":\"j\"},\n\t\"spec\":{\"containers\":[{\"name\":\"\\ud83d\\ude00\",\"image\":\"i:3\"}]}}",
		"deploy/README.md":               "image: i:9",
		"deploy/.git/x.yaml":             pod("i:9"),
		"deploy/old/d.yaml":              pod("i:4"),
		"kustom/kustomization.yaml":      "resources: [a.yaml]\nimages: [{name: i, newTag: '2'}]\n",
		"kustom/a.yaml":                  pod("i:1"),
		"chart/Chart.yaml":               "name: x\n",
		"flux/kustomization.yaml":        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\n",
		"values/values.yaml":             "image: {tag: x}\n",
		"broken/a.yaml":                  "[",
		"broken/b.yaml":                  "{",
		"config/..data/a.yaml":           pod("i:5"),
		"outside/secret.yaml":            pod("i:6"),
		"rendered":                       pod("i:7"),
		"rendered.json":                  `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"x","image":"a","image":"b"}]}}`,
		"badjson/x.json":                 "{\"kind\":\"Pod\",\n{{ x }}",
		"trunc/x.json":                   "{\"kind\":\"Pod\"",
		"twojson/x.json":                 `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"x","image":"a:1"}]}}]} {}`,
		"base/deploy/deep/down/all.yaml": pod("i:8"),
	})
	for link, to := range map[string]string{
		"config/a.yaml":      "..data/a.yaml", // as a ConfigMap is mounted
		"escape/x.yaml":      "../../../../../../../../etc/passwd",
		"absolute/x.yaml":    filepath.Join(dir, "outside", "secret.yaml"),
		"loop/back/again":    "../../loop",
		"dangling/gone.yaml": "nowhere.yaml",
	} {
		path := filepath.Join(dir, filepath.FromSlash(link))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		path    string
		exclude []string
		want    string // the images, or what the error says
	}{
		{"deploy", nil, "i:1 i:4 i:2 i:3"},
		{"deploy", []string{"old"}, "i:1 i:2 i:3"},
		{"deploy", []string{"sub/*.json", "old/**"}, "i:1 i:2"},
		{"deploy", []string{"**/*.yml", "a.yaml"}, "i:4 i:3"},
		{"./deploy/sub/../a.yaml", nil, "i:1"},
		{"base", []string{"**/down/**"}, ""},
		{"base", []string{"**/up/**"}, "i:8"},
		{"config", nil, "i:5 i:5"},
		{"rendered", nil, "i:7"},
		{filepath.Join(dir, "rendered"), nil, "i:7"},
		{"rendered.json", nil, `rendered.json:1: the key "image" stands here twice`},
		{"twojson", nil, "a:1"},
		{"badjson", nil, "x.json:2: JSON: it is malformed, or nested deeper than 100: it is not rendered"},
		{"trunc", nil, "malformed"},
		{"kustom", nil, "kustom/kustomization.yaml: this is a Kustomize folder, which is not rendered: give the output of kubectl kustomize kustom"},
		{"kustom", []string{"kustomization.yaml"}, "i:1"},
		{"chart", nil, "chart/Chart.yaml: this is a Helm chart"},
		{"flux", nil, ""},
		{"values", nil, ""},
		{"broken", nil, "broken/b.yaml"},
		{"broken", nil, "broken/a.yaml"},
		{"escape", nil, "the link leaves the configuration's folder"},
		{"absolute", nil, "the link leaves the configuration's folder"},
		{"loop", nil, "the link leads back to a folder that it is in"},
		{"dangling", nil, "the link points to nothing"},
		{"nowhere", nil, "nowhere: no such file or directory (paths"},
		{"../nowhere", nil, "nowhere: no such file or directory (paths"},
	} {
		t.Run(tt.path+strings.Join(tt.exclude, ","), func(t *testing.T) {
			st, err := readManifests(t, dir, ManifestOptions{Path: tt.path, Exclude: tt.exclude})
			var got []string
			for _, c := range st.Containers {
				got = append(got, c.Image)
			}
			text := strings.Join(got, " ")
			if err != nil {
				if text != "" {
					t.Errorf("containers beside an error: %s", text)
				}
				if !strings.Contains(err.Error(), tt.want) || tt.want == "" {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if text != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}

func TestManifestBounds(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: x, image: i:1}]}\n---\n"
	dir := folder(t, map[string]string{"a.yaml": pod + pod, "b.yaml": pod, "c/d/e/f.yaml": pod})
	for want, change := range map[string]func(*limits){
		"the file has 186 bytes":   func(l *limits) { l.file = 185 },
		"more than 270 bytes":      func(l *limits) { l.total = 270 },
		"more than 3 files":        func(l *limits) { l.entries = 3 },
		"more values than":         func(l *limits) { l.nodes = 20 },
		"folders are nested":       func(l *limits) { l.depth = 3 },
		"more than 3 containers":   func(l *limits) { l.containers = 3 },
		"values are nested deeper": func(l *limits) { l.depth = 1 },
	} {
		s := source(t, "manifests", ManifestOptions{Path: "."}).(*manifests)
		s.Use(Env{Dir: dir})
		change(&s.limits)
		if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		kind    string
		options any
		want    string
	}{
		{"manifests", ManifestOptions{Path: " "}, "want a file or a directory"},
		{"manifests", ManifestOptions{Path: "a\x00"}, "want a file or a directory"},
		{"manifests", ManifestOptions{Path: "a", Exclude: []string{"ok", "[a"}}, `exclude[1]: "[a" is no glob`},
		{"kubernetes", KubernetesOptions{}, "want one of workload"},
		{"kubernetes", KubernetesOptions{Workload: "deployment/a", Selector: "a=b"}, "want one of workload"},
		{"kubernetes", KubernetesOptions{Workload: "deployment/a", Workloads: []string{"deployment/b"}}, "want one of workload"},
		{"kubernetes", KubernetesOptions{Workloads: []string{"deployment/a", "b"}}, `got "b", want KIND/NAME`},
		{"kubernetes", KubernetesOptions{Workload: "service/a"}, "with a KIND of"},
		{"kubernetes", KubernetesOptions{Workload: "deployment/a/b"}, "want KIND/NAME"},
		{"kubernetes", KubernetesOptions{Workload: "checkout"}, "want KIND/NAME"},
		{"kubernetes", KubernetesOptions{Selector: "app in"}, "want a label selector"},
		{"kubernetes", KubernetesOptions{Selector: " "}, "selects every pod"},
		{"helm", HelmOptions{Release: "a,owner!=helm"}, "want the name of a release"},
		{"helm", HelmOptions{Release: strings.Repeat("a", 54)}, "want the name of a release"},
		{"helm", HelmOptions{Release: "a", Revision: -1}, "want 1 or more"},
		{"ecs", ECSOptions{}, "want one of service"},
		{"ecs", ECSOptions{Service: "a", TaskDefinition: "b"}, "want one of service"},
		{"ecs", ECSOptions{Cluster: "a", TaskDefinition: "b"}, "leave out cluster"},
	} {
		if _, err := build(tt.kind, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: got %v, want %q", tt.kind, tt.options, err, tt.want)
		}
	}
}

// When a source is asked, and what its answer is worth.
func TestLiveAndBehind(t *testing.T) {
	for _, tt := range []struct {
		kind         string
		options      any
		live, behind bool
	}{
		{"manifests", ManifestOptions{Path: "a"}, false, false},
		{"ecs", ECSOptions{TaskDefinition: "a"}, false, false},
		{"helm", HelmOptions{Release: "a"}, false, true},
		{"ecs", ECSOptions{Service: "a"}, true, true},
		{"kubernetes", KubernetesOptions{Workload: "sts/a"}, true, true},
	} {
		if s := source(t, tt.kind, tt.options); s.Live() != tt.live || s.Behind() != tt.behind {
			t.Errorf("%s %+v: live %t, behind %t", tt.kind, tt.options, s.Live(), s.Behind())
		}
	}
	if got := strings.Join((*Spec)(nil).Choices(), " "); got != "ecs helm kubernetes manifests" {
		t.Errorf("choices: %s", got)
	}
}
