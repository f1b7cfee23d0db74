package config

import (
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/verify/built"
)

const layered = `version: 1
environment: ${ENVIRONMENT}
diff:
  target: {path: deploy/production}
  previous: {path: deploy/staging}
bake:
  window: 20m
  sources: {prom: {prometheus: {url: https://prometheus.example, timeout: 5s}}}
  metrics:
    - {name: errors, bad: 'e_total{code="500"}', total: e_total, limit: 1%}
    - {name: queue, gauge: queue_length, limit: 5}
environments:
  staging:
    bake:
      window: 4m
      sources: {prom: {prometheus: {url: https://staging.example}}}
      metrics:
        - {name: queue, limit: {min: 1}}
        - {name: extra, gauge: extra_length, limit: 7}
  production:
    bake:
      metrics:
        - {name: queue, limit: 6}
`

func TestOverlay(t *testing.T) {
	b := mustParse(t, layered, testOptions()).Bake
	if b.Window != 4*time.Minute || b.Step != 24*time.Second || len(b.Metrics) != 3 {
		t.Fatalf("window %v, step %v, metrics %+v", b.Window, b.Step, b.Metrics)
	}
	names := b.Metrics[0].Name + b.Metrics[1].Name + b.Metrics[2].Name
	queue := b.Metrics[1]
	if names != "errorsqueueextra" || queue.Gauge != "queue_length" || !queue.Limit.Min.Set || queue.Limit.Max.Set || queue.From != "prom" {
		t.Errorf("%s: %+v", names, queue)
	}
	opt := testOptions()
	opt.Environment = "production"
	b = mustParse(t, layered, opt).Bake
	if b.Window != 20*time.Minute || len(b.Metrics) != 2 || b.Metrics[1].Limit.Max.V != 6 {
		t.Errorf("production: %+v", b)
	}
}

func TestOverlayPositions(t *testing.T) {
	got := problems(t, strings.ReplaceAll(layered, "window: 4m", "window: 4"), testOptions())
	if want := `bakegate.yaml:15:15: environments.staging.bake.window: got "4", want a duration with a unit, e.g. 30s; did you mean 4s or 4m?`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = problems(t, strings.ReplaceAll(layered, "min: 1", "p99: 1"), testOptions())
	if want := "bakegate.yaml:18:38: bake.metrics[1].limit.p99: "; !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s...", got, want)
	}
}

func TestOverlayNameTwice(t *testing.T) {
	got := problems(t, strings.Replace(layered, "name: extra", "name: queue", 1), testOptions())
	if want := `bakegate.yaml:19:18: bake.metrics[2].name: the name "queue" is there already`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Variables of an overlay that was not chosen need not be set; those of the chosen one must be.
func TestOverlayVariables(t *testing.T) {
	text := strings.Replace(layered, "limit: 6", "limit: '${ONLY_IN_PRODUCTION}'", 1)
	mustParse(t, text, testOptions())
	opt := testOptions()
	opt.Environment = "production"
	if got := problems(t, text, opt); !strings.Contains(got, "${ONLY_IN_PRODUCTION} is not set") {
		t.Errorf("got %s", got)
	}
}

func TestOverlayNearMiss(t *testing.T) {
	f := mustParse(t, strings.Replace(layered, "${ENVIRONMENT}", "${TYPO}", 1), testOptions())
	if len(f.Warnings) != 1 || f.Warnings[0].String() != `bakegate.yaml:2:14: environment: environment "${TYPO}" has no overlay; did you mean "staging"?` {
		t.Errorf("got %v", f.Warnings)
	}
	f = mustParse(t, strings.Replace(layered, "${ENVIRONMENT}", "somewhere-else", 1), testOptions())
	if len(f.Warnings) != 0 {
		t.Errorf("got %v", f.Warnings)
	}
}

func TestOverlayChoice(t *testing.T) {
	text := deploys + "environment: staging\nrecord: {directory: ledger}\nenvironments:\n  staging:\n    record: {registry: ghcr.io/acme/ledger}\n"
	if f := mustParse(t, text, testOptions()); f.Record.Kind != "registry" {
		t.Errorf("got %+v", f.Record)
	}
}

func TestSet(t *testing.T) {
	opt := testOptions()
	opt.Set = []Override{{Path: "bake.window", Value: "2m"}, {Path: "diff.previous.path", Value: "deploy/$x${y}", Flag: "--previous"}, {Path: "bake.metrics[1].limit", Value: "9"}}
	f := mustParse(t, layered, opt)
	if f.Bake.Window != 2*time.Minute || f.Bake.Metrics[1].Limit.Max.V != 9 {
		t.Errorf("got %+v", f.Bake)
	}
	opt.Set = []Override{{Path: "bake.window", Value: "2"}, {Path: "bake..x", Value: "1"}, {Path: "bake.metrics[9].name", Value: "1"}, {Path: "environment", Value: "prodution"}}
	want := `--name: "bake.metrics[9].name" is no path into the configuration
--window: bake.window: got "2", want a duration with a unit, e.g. 30s; did you mean 2s or 2m?
--x: "bake..x" is no path into the configuration`
	if got := problems(t, layered, opt); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// With flags alone there is no file to write.
func TestSetOnly(t *testing.T) {
	opt := testOptions()
	opt.Set = []Override{
		{Path: "service", Value: "checkout"},
		{Path: "verify.images[0].image", Value: "ghcr.io/acme/checkout:v1", Flag: "--image"},
		{Path: "verify.images[0].built.digest", Value: environment["BUILT_DIGEST"], Flag: "--built-digest"},
		{Path: "bake.sources.prometheus.prometheus.url", Value: "https://prometheus.example", Flag: "--prometheus"},
		{Path: "bake.metrics[0].name", Value: "queue"}, {Path: "bake.metrics[0].gauge", Value: "queue_length"}, {Path: "bake.metrics[0].limit", Value: "5"},
	}
	f := mustParse(t, "", opt)
	if f.Version != 1 || f.Service != "checkout" || f.Verify.Images[0].Image != "ghcr.io/acme/checkout:v1" || f.Bake.Metrics[0].From != "prometheus" {
		t.Errorf("got %+v", f)
	}
	opt.Set = opt.Set[:2]
	if got, want := problems(t, "", opt), "--image: verify.images[0].built: the key is missing, want a mapping with one key of: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestSetReplacesTheOtherSource(t *testing.T) {
	opt := testOptions()
	opt.Set = []Override{{Path: "verify.images[0].built.record", Value: "staging"}}
	if f := mustParse(t, deploys, opt); *f.Verify.Images[0].Built != (built.Spec{Kind: "record", Value: "staging"}) {
		t.Errorf("got %+v", f.Verify.Images[0].Built)
	}
	opt.Set = []Override{{Path: "verify.images[0].built.record", Value: "staging"}, {Path: "verify.images[0].built.oci-layout", Value: "layout"}}
	if got := problems(t, deploys, opt); !strings.HasPrefix(got, "--record: verify.images[0].built: got \"record\", \"oci-layout\", want exactly one key") {
		t.Errorf("got %s", got)
	}
	opt.Set = []Override{{Path: "mark.grafana.token", Value: "Zq-secret"}}
	if got := problems(t, deploys, opt); strings.Contains(got, "Zq") || !strings.Contains(got, "--token: mark.grafana.token: a secret in a flag") {
		t.Errorf("got %s", got)
	}
}

func TestDigest(t *testing.T) {
	digest := func(text string, env ...string) string {
		opt := testOptions()
		if len(env) > 0 {
			opt.Environment = env[0]
		}
		return mustParse(t, text, opt).Digest()
	}
	base := digest(layered, "none")
	same := map[string]string{
		"comment":     "# a comment\n" + layered,
		"spelling":    strings.Replace(layered, "20m", "1200s", 1),
		"limit":       strings.Replace(layered, "limit: 1%", "limit: {max: 0.01}", 1),
		"default":     strings.Replace(layered, "  window: 20m\n", "  step: 30s\n  window: 20m\n", 1),
		"mark":        layered + "mark: {grafana: {url: https://grafana.example, token: '${GRAFANA_TOKEN}'}}\n",
		"target":      strings.Replace(layered, "deploy/production", "deploy/prod", 1),
		"no overlays": layered[:strings.Index(layered, "environments:")],
		"secret":      strings.Replace(layered, "timeout: 5s", "timeout: 5s, token: '${GRAFANA_TOKEN}'", 1),
	}
	for name, text := range same {
		if name == "secret" { // a secret's presence is a key; its value is not in the digest
			continue
		}
		if digest(text, "none") != base {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, text := range map[string]string{
		"window": strings.Replace(layered, "20m", "21m", 1),
		"limit":  strings.Replace(layered, "limit: 1%", "limit: 2%", 1),
		"url":    strings.Replace(layered, "prometheus.example", "other.example", 1),
		"expect": strings.Replace(layered, "diff:\n", "diff:\n  expect: [{path: a, reason: b}]\n", 1),
		"rolls":  layered + "rollback: {reversible: false}\n",
	} {
		if digest(text, "none") == base {
			t.Errorf("%s does not change the digest", name)
		}
	}
	opt := testOptions()
	withSecret := mustParse(t, same["secret"], opt).Digest()
	opt.Getenv = func(k string) (string, bool) {
		return map[string]string{"ENVIRONMENT": "staging", "GRAFANA_TOKEN": "another"}[k], true
	}
	if mustParse(t, same["secret"], opt).Digest() != withSecret {
		t.Error("a secret's value changes the digest")
	}
}

func TestWarnings(t *testing.T) {
	f := mustParse(t, strings.Replace(deploys, ":v1", ":latest", 1), testOptions())
	if len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0].String(), "bakegate.yaml:4:14: verify.images[0].image: ") || !strings.Contains(f.Warnings[0].Message, "latest is a moving tag") {
		t.Errorf("got %v", f.Warnings)
	}
}

// What an earlier step makes need not be there yet; what is no path is not looked for.
func TestNotYet(t *testing.T) {
	for text, want := range map[string]string{
		"diff: {target: {path: nope}, previous: {path: there}}\n":                                                                     `bakegate.yaml:2:23: diff.target.path: "nope": there is no such file`,
		"diff: {target: {path: there}, previous: {path: {path: nope/a}}}\n":                                                           "",
		"diff: {target: {path: there}, previous: {path: {path: nope}}}\n":                                                             `bakegate.yaml:2:55: diff.previous.path.path: "nope"`,
		"diff: {target: {kustomize: nope}, previous: {kustomize: {path: there, root: nope2}}}\n":                                      `:2:28: diff.target.kustomize: "nope"` + "\n" + `:2:77: diff.previous.kustomize.root: "nope2"`,
		"diff: {target: {helm: {chart: a, values: [b, nope]}}, previous: {git: 'main:nope'}}\n":                                       `:2:46: diff.target.helm.values[1]: "nope"`,
		"diff: {target: {path: a}, previous: {path: b}, conftest: {policy: [nope], data: [a, b]}}\n":                                  `:2:68: diff.conftest.policy[0]: "nope"`,
		"diff: {target: {path: a}, previous: {path: b}, policies: {path: nope}}\nenvironments: {b: {diff: {target: {path: nope}}}}\n": `:2:65: diff.policies.path: "nope"`,
	} {
		f := mustParse(t, "version: 1\n"+text, testOptions())
		wants := strings.Split(want, "\n")
		if want == "" {
			wants = nil
		}
		if len(f.NotYet) != len(wants) || len(f.Warnings) > 0 {
			t.Errorf("%s: got %v, %v", text, f.NotYet, f.Warnings)
			continue
		}
		for i, w := range wants {
			if !strings.Contains(f.NotYet[i].String(), w) {
				t.Errorf("%s: got %s, want %s", text, f.NotYet[i], w)
			}
		}
		opt := testOptions()
		opt.Readable = nil
		if f := mustParse(t, "version: 1\n"+text, opt); f.NotYet != nil {
			t.Errorf("nobody looks, and got %v", f.NotYet)
		}
	}
}

func TestNeedsVersion(t *testing.T) {
	const text = "version: 1\nservice: a\nbake:\n  sources: {p: {prometheus: {url: https://a.example}}}\n  metrics: [{name: up, boolean: 'up{v=\"$version\"}'}]\n"
	if p := mustParse(t, text, testOptions()).NeedsVersion; p == nil || !strings.HasPrefix(p.String(), "bakegate.yaml:5:33: bake.metrics[0].boolean: $version has no value") {
		t.Errorf("got %v", p)
	}
	ready := strings.Replace(text, "$version", "$service", 1) + "  ready-when: {version: build_info}\n"
	if p := mustParse(t, ready, testOptions()).NeedsVersion; p == nil || p.Path != "bake.ready-when.version" {
		t.Errorf("got %v", p)
	}
	for _, other := range []string{text + "release: v1\n", ready + "release: v1\n", strings.Replace(text, "$version", "$$version", 1), strings.Replace(text, "$version", "$service", 1)} {
		if p := mustParse(t, other, testOptions()).NeedsVersion; p != nil {
			t.Errorf("%s: got %v", other, p)
		}
	}
}

func TestOn(t *testing.T) {
	f := mustParse(t, deploys+"on: {inconclusive/low-traffic: pass, hold: 3, blocked: rollback}\n", testOptions())
	if got := f.ExitCodes(); got["inconclusive/low-traffic"] != 0 || got["hold"] != 3 || got["blocked"] != 10 || len(got) != 3 {
		t.Errorf("got %v", got)
	}
}
