package ci

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/verdict"
)

// platform makes a platform whose environment is these pairs, and the buffer that it logs to.
func platform(t *testing.T, pairs ...string) (Platform, *bytes.Buffer) {
	t.Helper()
	env := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	var log bytes.Buffer
	out := env["OUT"]
	if out == "" {
		out = filepath.Join(t.TempDir(), "bakegate-out")
	}
	return Detect(Env{Getenv: func(n string) string { return env[n] }, Stdout: &bytes.Buffer{}, Stderr: &log, OutDir: out}), &log
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// resource is as long as it is for most.
const resource = "service.name=checkout,service.version=v2.4.0,deployment.environment.name=production,deployment.id=checkout-production-0123456789ab," +
	"oci.manifest.digest=sha256:e4ca62c0d62f3e886e684806dfe9d4e0cda60d54986898173c1083856cfda0f4,container.image.name=ghcr.io/acme/checkout," +
	"vcs.ref.head.revision=a91957a858320c0e17f3a0eca7cfacbff50ea29a,vcs.ref.head.name=feature%2Fx,vcs.ref.type=branch,vcs.repository.name=checkout," +
	"vcs.repository.url.full=https://github.com/acme/checkout,k8s.cluster.name=eu%201,team=red"

// result is a rollback with every output.
func result() Result {
	return Result{Verdict: verdict.Verdict{Name: verdict.NameRollback}, Summary: []byte("# bakegate: rollback\n"), Outputs: []Output{
		{"verdict", "rollback"}, {"reason", "rollback/errors"}, {"exit", "10"}, {"summary", "errors rose from 0.1% to 8%"},
		{"deploy_id", "checkout-production-0123456789ab"}, {"image", "ghcr.io/acme/checkout@sha256:" + strings.Repeat("ab", 32)},
		{"images", `["ghcr.io/acme/checkout@sha256:` + strings.Repeat("ab", 32) + `"]`},
		{"digest", "sha256:" + strings.Repeat("ab", 32)}, {"rollback", "true"},
		{"rollback_command", "kubectl rollout undo deployment/checkout"}, {"rollback_target", "ghcr.io/acme/checkout@sha256:" + strings.Repeat("cd", 32)},
		{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, {"otel_resource_attributes", resource}}}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		want  string
		pairs []string
	}{
		{"github", []string{"GITHUB_ACTIONS", "true", "GITLAB_CI", "true"}},
		{"gitlab", []string{"GITLAB_CI", "true"}},
		{"tekton", []string{"BAKEGATE_RESULTS_DIR", t.TempDir()}},
		{"plain", []string{"CI", "true", "GITHUB_ACTIONS", "false"}},
	}
	for _, tt := range tests {
		p, _ := platform(t, tt.pairs...)
		if p.Name() != tt.want {
			t.Errorf("%v: got %s, want %s", tt.pairs, p.Name(), tt.want)
		}
		if got := p.Release().Run.Platform; got != tt.want {
			t.Errorf("%v: the run's platform is %q, want %q", tt.pairs, got, tt.want)
		}
	}
}

func TestReleaseOfEachPlatform(t *testing.T) {
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	if err := os.Chtimes(event, start, start); err != nil {
		t.Fatal(err)
	}
	p, _ := platform(t, "GITHUB_ACTIONS", "true", "GITHUB_SHA", "c0ffee", "GITHUB_REF", "refs/heads/main", "GITHUB_REPOSITORY", "acme/checkout",
		"GITHUB_RUN_ID", "42", "GITHUB_RUN_ATTEMPT", "2", "GITHUB_SERVER_URL", "https://github.com", "GITHUB_ACTOR", "ann", "GITHUB_TRIGGERING_ACTOR", "bob",
		"GITHUB_JOB", "deploy\x1b[31m", "GITHUB_EVENT_PATH", event)
	r := p.Release()
	if r.Commit != "c0ffee" || r.Ref != "refs/heads/main" || r.Repository != "acme/checkout" || r.Run.ID != "42" || r.Run.Attempt != "2" ||
		r.Run.Actor != "bob" || r.Run.Job != "deploy[31m" || r.Run.URL != "https://github.com/acme/checkout/actions/runs/42/attempts/2" || !r.Run.Started.Equal(start) {
		t.Errorf("github: %+v", r)
	}
	p, _ = platform(t, "GITLAB_CI", "true", "CI_COMMIT_SHA", "c0ffee", "CI_COMMIT_REF_NAME", "main", "CI_PROJECT_PATH", "acme/checkout", "CI_PIPELINE_ID", "7",
		"CI_JOB_ID", "9", "CI_JOB_URL", "https://gitlab.com/acme/checkout/-/jobs/9", "GITLAB_USER_LOGIN", "ann", "CI_JOB_NAME", "deploy",
		"CI_JOB_STARTED_AT", "2026-11-21T10:00:00+02:00")
	r = p.Release()
	if r.Commit != "c0ffee" || r.Ref != "main" || r.Run.ID != "7" || r.Run.Attempt != "9" || r.Run.Actor != "ann" || !r.Run.Started.Equal(start) {
		t.Errorf("gitlab: %+v", r)
	}
	p, _ = platform(t, "BAKEGATE_RESULTS_DIR", t.TempDir(), "TEKTON_PIPELINERUN", "", "TEKTON_TASKRUN_UID", "u-1", "TEKTON_TASKRUN", "deploy-x", "TEKTON_RETRY", "1")
	if r = p.Release(); r.Run.ID != "u-1" || r.Run.Job != "deploy-x" || r.Run.Attempt != "1" {
		t.Errorf("tekton: %+v", r)
	}
}

// An event file from the future, or none, is no start: it must never be silently now.
func TestStartIsNotInvented(t *testing.T) {
	for _, path := range []string{"", "/does/not/exist", t.TempDir()} {
		p, _ := platform(t, "GITHUB_ACTIONS", "true", "GITHUB_EVENT_PATH", path)
		if s := p.Release().Run.Started; !s.IsZero() {
			t.Errorf("%q: started %s", path, s)
		}
	}
	p, _ := platform(t, "GITLAB_CI", "true", "CI_JOB_STARTED_AT", "yesterday")
	if s := p.Release().Run.Started; !s.IsZero() {
		t.Errorf("started %s", s)
	}
}

func TestInput(t *testing.T) {
	env := map[string]string{"GITHUB_ACTIONS": "true", "INPUT_BUILT_DIGEST": " sha256:x \n", "BAKEGATE_INPUT_BUILT_DIGEST": "other"}
	get := func(n string) string { return env[n] }
	if got := Input(get, "built-digest"); got != "sha256:x" {
		t.Errorf("on GitHub: %q", got)
	}
	if got := Input(get, "window"); got != "" {
		t.Errorf("not given: %q", got)
	}
	env["GITHUB_ACTIONS"] = ""
	if got := Input(get, "built-digest"); got != "other" {
		t.Errorf("elsewhere: %q", got)
	}
}

func TestOutputsAreRefused(t *testing.T) {
	for _, outputs := range [][]Output{{{"a=b", ""}}, {{"", "x"}}, {{"a\nverdict", "pass"}}, {{"verdict<<x", ""}}, {{"../verdict", ""}}, {{"Verdict", ""}},
		{{"verdict", "a"}, {"verdict", "b"}}} {
		for _, pairs := range [][]string{{"GITHUB_ACTIONS", "true"}, {"GITLAB_CI", "true"}, {"BAKEGATE_RESULTS_DIR", t.TempDir()}, {}} {
			p, _ := platform(t, pairs...)
			if err := p.Publish(Result{Outputs: outputs}); err == nil {
				t.Errorf("%s took %q", p.Name(), outputs)
			}
		}
	}
}

// Begin says error for each key, so that a killed process leaves no verdict; Publish then says all of them again.
func TestBeginCoversEveryKey(t *testing.T) {
	have := map[string]bool{}
	for _, o := range unfinished() {
		have[o.Key] = true
	}
	for _, o := range result().Outputs {
		if !have[o.Key] {
			t.Errorf("output %s is not set at the begin", o.Key)
		}
	}
	if len(have) != len(Keys) || len(result().Outputs) != len(Keys) {
		t.Errorf("%d keys, %d at the begin, %d in the test's result", len(Keys), len(have), len(result().Outputs))
	}
}

func TestPlain(t *testing.T) {
	p, log := platform(t)
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.(plain).OutDir, "outputs.env")
	if s := read(t, path); !strings.HasPrefix(s, "verdict=error\nreason=error/unfinished\nexit=1\n") {
		t.Errorf("at the begin: %q", s)
	}
	p.Mask("s3cret-s3cret")
	p.Section("bake", "Bake")()
	if err := p.Publish(result()); err != nil {
		t.Fatal(err)
	}
	if s := read(t, path); !strings.Contains(s, "\nrollback_command=kubectl rollout undo deployment/checkout\n") || strings.Contains(s, "unfinished") {
		t.Errorf("at the end: %q", s)
	}
	if log.Len() > 0 {
		t.Errorf("log: %q", log)
	}
}
