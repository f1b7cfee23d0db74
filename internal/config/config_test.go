package config

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/source"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/mark/sink"
)

var update = flag.Bool("update", false, "write the expected messages of testdata/config/err")

const corpus = "../../testdata/config"

// The kinds that a build does not have are stood in for, so that the reader can be tested without them.
func TestMain(m *testing.M) {
	flag.Parse()
	metric.Sources["fake"] = buildFakeSource
	if metric.Sources["prometheus"] == nil {
		metric.Sources["prometheus"] = buildFakeSource
	}
	for _, kind := range []string{"grafana", "datadog"} {
		if sink.Sinks[kind] == nil {
			sink.Sinks[kind] = buildFakeSink
		}
	}
	if source.Sources["path"] == nil {
		source.Sources["path"] = buildFakePath
	}
	os.Exit(m.Run())
}

type fakeOptions struct {
	httpx.Remote
	Token  httpx.Secret `yaml:"token"`
	APIKey httpx.Secret `yaml:"api-key"`
	Site   string       `yaml:"site"`
	Port   int          `yaml:"port"`
}

type fakeSource struct{ metric.Source }

func buildFakeSource(decode func(any) error) (metric.Source, error) {
	var o fakeOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	if o.URL == "" {
		return nil, errors.New("url is missing")
	}
	if strings.Contains(o.URL, "refused") {
		return nil, fmt.Errorf("url %q is refused", o.URL)
	}
	return fakeSource{}, nil
}

func (fakeSource) Check(q metric.Query) error {
	if strings.Contains(q.Text, "{{") {
		return fmt.Errorf("1:2: unexpected { in %s %q", q.Kind, q.Text)
	}
	return nil
}

func (fakeSource) Traits() metric.Traits { return metric.Traits{History: true, Labels: true} }

type fakeSink struct{ sink.Sink }

func buildFakeSink(decode func(any) error) (sink.Sink, error) {
	return fakeSink{}, decode(&fakeOptions{})
}

type fakePath struct{ dir string }

func (p *fakePath) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return errors.New("the path is empty")
	}
	p.dir = string(b)
	return nil
}

func (p *fakePath) Snapshot(context.Context) (diff.Tree, error) { return diff.Tree{}, nil }

func buildFakePath(decode func(any) error) (source.Source, error) {
	p := &fakePath{}
	return p, decode(p)
}

// environment is what the corpus sees. No value of it may ever be in a message.
var environment = map[string]string{
	"ENVIRONMENT":     "staging",
	"TYPO":            "stagign",
	"IMAGE":           "ghcr.io/acme/checkout:v2.4.0-Zq2",
	"BUILT_DIGEST":    "sha256:" + strings.Repeat("5eed", 16),
	"GRAFANA_TOKEN":   "glsa_Zq3",
	"DD_API_KEY":      "Zq4-datadog\n",
	"EMPTY_TOKEN":     "",
	"BROKEN_TOKEN":    "Zq5\nZq6",
	"QUOTED":          `Zq7"}) or vector(0`,
	"DURATION":        "Zq8m",
	"NUMBER":          "Zq9",
	"LIMIT":           "Zq10%%",
	"REFUSED_URL":     "https://Zq11.refused.example",
	"SHARED":          "Zq12-shared",
	"DB_PASSWORD":     "Zq13-password",
	"WINDOW":          "2m",
	"PORT":            "9090",
	"NOT_REGEXP":      "Zq14(",
	"EMPTY":           "",
	"GITHUB_REF_NAME": "Zq15",

	"REGISTRY_PASSWORD": "Zq16-registry",
}

func testOptions() Options {
	return Options{
		Getenv:  func(k string) (string, bool) { v, ok := environment[k]; return v, ok },
		Environ: slices.Sorted(maps.Keys(environment)),
		Readable: func(path string, folder bool) error {
			if strings.HasPrefix(filepath.Base(path), "nope") || strings.Contains(path, "BEGIN") {
				return errors.New("there is no such file")
			}
			return nil
		},
	}
}

func mustParse(t *testing.T, text string, opt Options) *File {
	t.Helper()
	f, err := Parse("bakegate.yaml", []byte(text), opt)
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return f
}

func problems(t *testing.T, text string, opt Options) string {
	t.Helper()
	_, err := Parse("bakegate.yaml", []byte(text), opt)
	if err == nil {
		t.Fatalf("Parse took it:\n%s", text)
	}
	return err.Error()
}

func TestDesign(t *testing.T) {
	f, err := Load(corpus+"/ok/design.yaml", testOptions())
	if err != nil {
		t.Fatal(err)
	}
	b := f.Bake
	switch {
	case f.Version != 1 || f.Service != "checkout" || f.Environment != "staging":
		t.Errorf("head: %d %q %q", f.Version, f.Service, f.Environment)
	case f.Verify.Images[0].Built.Value != environment["BUILT_DIGEST"]:
		t.Errorf("digest %q", f.Verify.Images[0].Built.Value)
	case b.Window != 5*time.Minute || b.Step != 30*time.Second || b.Baseline.Window != 24*time.Hour || b.Baseline.Gap != b.Step:
		t.Errorf("times: %+v", b)
	case *b.WarmUp != 5*time.Minute || b.Alpha != 0.01:
		t.Errorf("defaults: %v %v", *b.WarmUp, b.Alpha)
	case b.Metrics[0].Limit.Max.V != 0.01 || b.Metrics[1].Limit.P99.V != 0.5:
		t.Errorf("limits: %+v %+v", b.Metrics[0].Limit, b.Metrics[1].Limit)
	case b.Sources["prom"].Kind != "prometheus" || b.Sources["prom"].Source == nil:
		t.Errorf("source: %+v", b.Sources)
	case len(f.Mark) != 2 || f.Mark[0].Kind != "grafana" || f.Mark[1].Kind != "datadog" || f.Mark[1].Sink == nil:
		t.Errorf("mark: %+v", f.Mark)
	case f.Diff.Target.Kind != "path" || f.Diff.Previous.Source == nil || f.Diff.Expect[0].Until != "2027-06-30":
		t.Errorf("diff: %+v", f.Diff)
	case !*f.Rollback.Reversible:
		t.Error("rollback.reversible is false")
	case !slices.Equal(f.SecretNames(), []string{"DD_API_KEY", "GRAFANA_TOKEN"}):
		t.Errorf("secrets: %v", f.SecretNames())
	case !slices.Equal(f.Overlays, []string{"staging"}) || len(f.Warnings) > 0:
		t.Errorf("overlays %v, warnings %v", f.Overlays, f.Warnings)
	case f.Dir != filepath.Clean(corpus+"/ok"):
		t.Errorf("dir %q", f.Dir)
	}
	opt := testOptions()
	opt.Environment = "production"
	if f, err = Load(corpus+"/ok/design.yaml", opt); err != nil || f.Bake.Window != 15*time.Minute || f.Environment != "production" {
		t.Errorf("--environment production: %v, %+v", err, f)
	}
}

// Every file holds one kind of mistake; NAME.txt is the exact message.
func TestMistakes(t *testing.T) {
	files, _ := filepath.Glob(corpus + "/err/*.yaml")
	if len(files) < 30 {
		t.Fatalf("%d files in the corpus, want at least 30", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(file), data, testOptions())
			if err == nil {
				t.Fatal("Parse took it")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
			noValues(t, err.Error())
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// noValues looks for the environment's values and their parts in a message.
func noValues(t *testing.T, message string) {
	t.Helper()
	if strings.Contains(message, "Zq") {
		t.Errorf("a value of the environment is in %q", message)
	}
	for name, value := range environment {
		if len(value) > 8 && strings.Contains(message, value) {
			t.Errorf("the value of %s is in %q", name, message)
		}
	}
}

// What a source says of its options and of a query has the place, and no value.
func TestSourceMistakes(t *testing.T) {
	const head = "version: 1\nservice: checkout\nbake:\n  sources:\n    prom:\n      KIND:\n        url: URL\n  metrics:\n    - name: q\n      gauge: QUERY\n      limit: 1\n"
	for _, c := range []struct{ kind, url, query, want string }{
		{"fake", "${REFUSED_URL}", "up", `bakegate.yaml:6:7: bake.sources.prom.fake: url "${REFUSED_URL}" is refused`},
		{"fake", "${REFUSED_URL}/prefix", "up", `bakegate.yaml:6:7: bake.sources.prom.fake: url "${REFUSED_URL}/prefix" is refused`},
		{"fake", "https://a.example", "x{{${DURATION}", `bakegate.yaml:10:14: bake.metrics[0].gauge: 1:2: unexpected { in gauge "x{{${DURATION}"`},
		{"prometheus", "https://a.example", "x{{", `bakegate.yaml:10:14: bake.metrics[0].gauge: `},
		{"prometheus", "https://a.example", "x{{${DURATION}", `bakegate.yaml:10:14: bake.metrics[0].gauge: `},
	} {
		got := problems(t, strings.NewReplacer("KIND", c.kind, "URL", c.url, "QUERY", c.query).Replace(head), testOptions())
		if !strings.HasPrefix(got, c.want) || c.kind == "fake" && got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		noValues(t, got)
	}
}

// A mistake in a probe has the place of the key that is wrong.
func TestProbeMistakes(t *testing.T) {
	const head = "version: 1\nservice: checkout\nbake:\n  sources:\n    out:\n      probe:\n        probes:\n          - name: home\n            http:\n" +
		"              url: https://shop.example/\n              OPTION\n  metrics:\n    - name: q\n      bad: BAD\n      total: probe_requests_total\n      limit: 1%\n"
	const bad = `probe_requests_total{result="bad"}`
	for _, c := range []struct{ option, bad, want string }{
		{"status: 2xx, 304", bad, ""},
		{"certificate: 14d", bad, ""},
		{"headers: {X-Key: '${DURATION}'}", bad, ""},
		{"ok: 200", bad, `bakegate.yaml:11:15: bake.sources.out.probe.probes[0].http: unknown key "ok"`},
		{"status: fine", bad, `bakegate.yaml:11:23: bake.sources.out.probe.probes[0].http.status: got "fine", want statuses from 100 to 599`},
		{"matches: (", bad, `bakegate.yaml:11:24: bake.sources.out.probe.probes[0].http.matches: error parsing regexp`},
		{"certificate: 14", bad, `bakegate.yaml:11:28: bake.sources.out.probe.probes[0].http.certificate: `},
		{"method: GET", `probe_requests_total{probe="hoem"}`, `bakegate.yaml:14:12: bake.metrics[0].bad: probe_requests_total{probe="hoem"} selects nothing`},
	} {
		text := strings.NewReplacer("OPTION", c.option, "BAD", c.bad).Replace(head)
		if c.want == "" {
			mustParse(t, text, testOptions())
			continue
		}
		got := problems(t, text, testOptions())
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		noValues(t, got)
	}
}

func TestPathsStartInTheFolderOfTheFile(t *testing.T) {
	text := strings.Replace(layered, "timeout: 5s", "timeout: 5s, ca: ca.pem", 1)
	text = strings.Replace(text, "prometheus: {", "fake: {", 2)
	var ca string
	metric.Sources["fake"] = func(decode func(any) error) (metric.Source, error) {
		var o fakeOptions
		err := decode(&o)
		ca = o.CA
		return fakeSource{}, err
	}
	defer func() { metric.Sources["fake"] = buildFakeSource }()
	if _, err := Parse("deploy/bakegate.yaml", []byte(text), testOptions()); err != nil || ca != "deploy/ca.pem" {
		t.Errorf("got %q, %v", ca, err)
	}
}

func TestLoadMissing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/bakegate.yml", []byte("version: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir+"/bakegate.yaml", Options{})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "did you mean "+dir+"/bakegate.yml?") {
		t.Errorf("got %v", err)
	}
}

func TestLoadTooLarge(t *testing.T) {
	file := t.TempDir() + "/bakegate.yaml"
	if err := os.WriteFile(file, []byte(strings.Repeat("# comment\n", 110_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, Options{}); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestErrorIsCapped(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "unknown-%d: 1\n", i)
	}
	_, err := Parse("bakegate.yaml", []byte(b.String()), Options{})
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != maxProblems {
		t.Fatalf("got %T", err)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 51 || lines[50] != "and 1950 more problems" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

// deploys is the smallest configuration with something to do; the tests add to it.
const deploys = "version: 1\nverify:\n  images:\n    - image: ghcr.io/acme/checkout:v1\n      built:\n        digest: ${BUILT_DIGEST}\n"

func TestGoodFiles(t *testing.T) {
	files, _ := filepath.Glob(corpus + "/ok/*.yaml")
	if len(files) < 2 {
		t.Fatalf("%d files", len(files))
	}
	for _, file := range files {
		for _, env := range []string{"", "staging", "production", "elsewhere"} {
			opt := testOptions()
			opt.Environment = env
			f, err := Load(file, opt)
			if err != nil {
				t.Errorf("%s, --environment %q:\n%v", file, env, err)
				continue
			}
			for _, w := range f.Warnings {
				t.Errorf("%s: %s", file, w)
			}
		}
	}
}

// Files made to be slow must not be: the file may come from a pull request.
func TestHostileFiles(t *testing.T) {
	many := func(indent string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%skey-%d: x\n", indent, i)
		}
		return b.String()
	}
	opt := testOptions()
	opt.Environment = "a"
	for name, text := range map[string]string{
		"many keys":      "version: 1\n" + many("", 9000),
		"many overlays":  "version: 1\nmark:\n" + many("  ", 4000) + "environments:\n  a:\n    mark:\n" + many("      ", 4000),
		"many metrics":   "version: 1\nbake:\n  metrics:\n" + strings.Repeat("    - {name: a, gauge: b}\n", 2500),
		"many variables": "version: 1\nservice: '" + strings.Repeat("${IMAGE}", 100_000) + "'\n",
		"long keys":      "version: 1\n" + strings.Repeat("k", 1<<19) + ":\n" + many("  ", 9000),
		"deep flow":      "version: 1\nservice: " + strings.Repeat("[", 1<<19),
		"deep mapping":   "version: " + strings.Repeat("{a: ", 1<<17),
		"long word":      "version: 1\nserv" + strings.Repeat("i", 1<<19) + "ce: x\n",
	} {
		start := time.Now()
		got := problems(t, text, opt)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s took %v", name, took)
		} else {
			t.Logf("%s: %v, %d bytes of messages: %.90s", name, took.Round(time.Millisecond), len(got), got)
		}
		if len(got) > 64<<10 {
			t.Errorf("%s: %d bytes of messages", name, len(got))
		}
	}
}

// What every remote block has is read, its files lie beside the configuration, and the secret is masked.
func TestRemoteLogins(t *testing.T) {
	text := strings.Replace(packed, "{prometheus: {url: https://prometheus.example}}", `{prometheus: {url: https://prometheus.example, client-cert: c.pem, client-key: k.pem,
    oauth2: {token-url: https://id.example/token, client-id: us, client-secret: "${GRAFANA_TOKEN}", scopes: [read]}}}`, 1)
	f := mustParse(t, text, testOptions())
	if !slices.Contains(f.SecretNames(), "GRAFANA_TOKEN") {
		t.Errorf("secrets %v", f.SecretNames())
	}
	if err := againstSchema(t, []byte(text)); err != nil {
		t.Error(err)
	}
	got := problems(t, strings.Replace(text, "client-key: k.pem,", "", 1), testOptions())
	if !strings.Contains(got, "client-cert and client-key belong together") {
		t.Errorf("got %s", got)
	}
}
