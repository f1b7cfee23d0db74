package examples_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/realtest"
)

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bakegate-examples-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bakegate")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// slow leaves out what takes most of a minute with go test -short.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: a whole pipeline takes most of a minute")
	}
}

// releases are the two that every example runs, and what has to come of them.
var releases = []struct{ version, verdict, reason, asked string }{
	{good, "pass", "pass", "deploy checkout:" + good},
	{bad, "rollback", "rollback/errors", "deploy checkout:" + bad + ", rollback "},
}

// command runs a CI tool and returns its output and whether it ended well.
func command(t *testing.T, dir string, env []string, name string, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	return out.String(), err == nil
}

// git makes the directory a repository, as the tools want it.
func git(t *testing.T, dir string) {
	t.Helper()
	realtest.Need(t, "git")
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"remote", "add", "origin", "https://git.invalid/acme/checkout.git"}, {"add", "-A"},
		{"-c", "user.name=test", "-c", "user.email=test@git.invalid", "commit", "-q", "-m", "the examples"}} {
		if out, ok := command(t, dir, nil, "git", args...); !ok {
			t.Fatalf("git %v: %s", args, out)
		}
	}
}

// check wants the verdict in verdict.json, what the service was asked, and a sealed marker.
func (w *world) check(out, dir string, ok bool, i int) {
	w.t.Helper()
	r := releases[i]
	var v struct{ Verdict, Reason string }
	b, err := os.ReadFile(filepath.Join(dir, "bakegate-out", "verdict.json"))
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		w.t.Errorf("verdict.json: %v", err)
	}
	if v.Verdict != r.verdict || v.Reason != r.reason {
		w.t.Errorf("the verdict is %s (%s), want %s (%s)", v.Verdict, v.Reason, r.verdict, r.reason)
	}
	if ok != (r.verdict == "pass") {
		w.t.Errorf("the pipeline succeeded: %v", ok)
	}
	if w.asked() != r.asked {
		w.t.Errorf("the service was asked %q, want %q", w.asked(), r.asked)
	}
	if as := w.grafana.Annotations(); len(as) != 1 || !strings.Contains(strings.Join(as[0].Tags, " "), r.verdict) {
		w.t.Errorf("annotations: %+v, want one with %s", as, r.verdict)
	}
	if w.t.Failed() {
		w.t.Logf("the pipeline's log:\n%s", out)
	}
}

// act runs one workflow with act and returns its log.
func (w *world) act(dir, workflow, v string, extra ...string) (string, bool) {
	w.t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		w.t.Fatal(err)
	}
	stub := filepath.Join(w.t.TempDir(), "upload-artifact")
	write(w.t, filepath.Join(stub, "action.yml"), "name: upload\ndescription: stands for actions/upload-artifact\ninputs: {name: {description: n}, path: {description: p}}\n"+
		"runs:\n  using: composite\n  steps:\n    - run: test -s \"$IN/journal.jsonl\" && cp -r \"$IN\" \"$KEEP\" && echo kept \"$IN\"\n      shell: bash\n      env: {IN: \"${{ inputs.path }}\"}\n")
	args := append([]string{"workflow_dispatch", "-W", workflow, "--local-repository", "bakegate/bakegate@v1=" + root,
		"--local-repository", "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02=" + stub,
		"--input", "image=" + w.image(v), "--input", "digest=" + w.digest[v], "--secret", "GRAFANA_TOKEN=glsa_example", "--secret", "GITHUB_TOKEN=none",
		"--no-cache-server", "--env", "GITHUB_RUN_ID=" + v}, extra...)
	cache := w.t.TempDir()
	return command(w.t, dir, []string{"XDG_CACHE_HOME=" + cache, "ACT_CACHE_DIR=" + cache}, "act", args...)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The workflow with bakegate on the runner, as act runs it on this machine.
func TestGitHubRunner(t *testing.T) {
	t.Parallel()
	slow(t)
	realtest.Need(t, "act")
	for i, r := range releases {
		t.Run(r.verdict, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dir := w.checkout()
			w.edit(filepath.Join(dir, "github", "deploy-run.yml"), "version: v1.0.0", "path: "+binary(t))
			git(t, dir)
			out, ok := w.act(dir, "github/deploy-run.yml", r.version, "-P", "ubuntu-latest=-self-hosted", "--env", "KEEP="+dir)
			w.check(out, dir, ok, i)
			for _, want := range []string{"::set-output:: verdict=" + r.verdict, "kept bakegate-out"} {
				if !strings.Contains(out, want) {
					t.Errorf("the log does not say %q:\n%s", want, out)
				}
			}
			_, step, _ := strings.Cut(out, "Run Main Deploy and watch")
			step, _, _ = strings.Cut(step, "- Main Deploy and watch")
			if line := "::error::from the deploy script"; !strings.Contains(step, line) || strings.Contains(step, "❗  "+line) {
				t.Errorf("what the deploy command printed is not in the log, or was taken for a command:\n%s", step)
			}
		})
	}
}

// The workflow with the container action needs a container engine, and an image that stands for the runner's: BAKEGATE_ACT_RUNNER names
// it, DOCKER_HOST the engine, BAKEGATE_ACT_ACTION a directory whose action.yml names the image of bakegate.
func TestGitHubContainer(t *testing.T) {
	image, action := os.Getenv("BAKEGATE_ACT_RUNNER"), os.Getenv("BAKEGATE_ACT_ACTION")
	if image == "" || action == "" {
		t.Skip("BAKEGATE_ACT_RUNNER and BAKEGATE_ACT_ACTION are not set: the container action needs an engine and two images")
	}
	for i, r := range releases {
		t.Run(r.verdict, func(t *testing.T) {
			w := newWorld(t)
			dir := w.checkout()
			git(t, dir)
			out, ok := w.act(dir, "github/deploy.yml", r.version, "-P", "ubuntu-latest="+image, "--pull=false", "--container-daemon-socket", "-", "--bind", "--rm",
				"--local-repository", "bakegate/bakegate@v1="+action)
			w.check(out, dir, ok, i)
			if want := "::set-output:: verdict=" + r.verdict; !strings.Contains(out, want) {
				t.Errorf("the log does not say %q:\n%s", want, out)
			}
			t.Logf("%s", out)
		})
	}
}

// The GitLab pipeline with the component, as gitlab-ci-local runs it on this machine.
func TestGitLab(t *testing.T) {
	t.Parallel()
	slow(t)
	realtest.Need(t, "gitlab-ci-local")
	realtest.Need(t, "rsync")
	for i, r := range releases {
		t.Run(r.verdict, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dir := w.checkout()
			component, err := os.ReadFile(filepath.Join("..", "templates", "bakegate.yml"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "templates", "bakegate.yml"), string(component))
			pipeline, err := os.ReadFile(filepath.Join(dir, "gitlab", ".gitlab-ci.yml"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, ".gitlab-ci.yml"), string(pipeline))
			w.edit(filepath.Join(dir, ".gitlab-ci.yml"), "component: $CI_SERVER_FQDN/bakegate/bakegate/bakegate@1", "local: templates/bakegate.yml")
			git(t, dir)
			path := "PATH=" + filepath.Dir(binary(t)) + string(os.PathListSeparator) + os.Getenv("PATH")
			out, ok := command(t, dir, []string{path}, "gitlab-ci-local", "--force-shell-executor", "--home", t.TempDir(),
				"--variable", "IMAGE="+w.image(r.version), "--variable", "BUILT_DIGEST="+w.digest[r.version], "--variable", "GRAFANA_TOKEN=glsa_example")
			w.check(out, dir, ok, i)
			if want := "section_start:"; !strings.Contains(out, want) {
				t.Errorf("the log has no %q:\n%s", want, out)
			}
		})
	}
}
