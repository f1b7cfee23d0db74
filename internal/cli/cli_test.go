package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/config"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/step"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify"
	"github.com/bakegate/bakegate/internal/verify/built"
)

func TestReferenceParts(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for ref, want := range map[string][2]string{
		"ghcr.io/acme/shop:2.0.0":        {"ghcr.io/acme/shop", "2.0.0"},
		"localhost:5000/shop":            {"localhost:5000/shop", ""},
		"localhost:5000/shop:1":          {"localhost:5000/shop", "1"},
		"localhost:5000/shop:1" + digest: {"localhost:5000/shop", "1"},
		"shop" + digest:                  {"shop", ""},
	} {
		if r, tag := release.Repository(ref), tagOf(ref); r != want[0] || tag != want[1] {
			t.Errorf("%s: %q %q, want %q", ref, r, tag, want)
		}
	}
}

func TestCutDashes(t *testing.T) {
	own, command, found := cutDashes([]string{"--image", "a", "--", "sh", "-c", "x -- y"})
	if !found || len(own) != 2 || len(command) != 3 || command[2] != "x -- y" {
		t.Errorf("%q %q %v", own, command, found)
	}
}

// What the flags mean is a configuration without a mistake; what is missing is said in the flags' own words.
func TestFlagsWithoutFile(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for name, tt := range map[string]struct {
		args string
		want string // of the error; "" for none
	}{
		"image":               {"--service s --image ghcr.io/a/b:1 --built-digest " + digest, ""},
		"prometheus":          {"--service s --prometheus http://127.0.0.1:9090 --window 5m --step 15s", ""},
		"scrape, selectors":   {"--service s --scrape http://127.0.0.1:80/metrics --bad x_total{code=\"500\"} --total x_total --limit 2%", ""},
		"a dollar in a value": {"--service a$b --image ghcr.io/a/b:1 --built-digest " + digest, ""},
		"nothing":             {"", "bakegate demo"},
		"no digest":           {"--service s --image ghcr.io/a/b:1", "--built-digest"},
		"no image":            {"--service s --prometheus http://127.0.0.1:1 --built-digest " + digest, "--image"},
		"no previous":         {"--service s --target a", "--previous"},
		"two sources":         {"--service s --scrape http://127.0.0.1:1 --prometheus http://127.0.0.1:1", "give one"},
		"no service":          {"--scrape http://127.0.0.1:1/metrics", "--service"},
		"a bad limit":         {"--service s --scrape http://127.0.0.1:1/metrics --limit many", "many"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
			o, err := a.parse("run", strings.Fields(tt.args), nil)
			if err != nil {
				t.Fatal(err)
			}
			f, err := a.file(o)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want it to hold %q", err, tt.want)
			case tt.want == "" && f.Service != "s" && f.Service != "a$b":
				t.Errorf("service %q", f.Service)
			}
		})
	}
}

func TestInputsOfTheAction(t *testing.T) {
	a := &app{env: newEnviron([]string{"GITHUB_ACTIONS=true", "INPUT_SERVICE=from-input", "INPUT_WINDOW=7m", "INPUT_IMAGE="}), stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	o, err := a.parse("run", []string{"--window", "9m"}, nil)
	if err != nil || o.service != "from-input" || o.window != 9*time.Minute || o.image != "" {
		t.Errorf("%+v %v", o, err)
	}
	a.env = newEnviron([]string{"GITHUB_ACTIONS=true", "INPUT_WINDOW=soon"})
	if _, err := a.parse("run", nil, nil); err == nil || !strings.Contains(err.Error(), "input window") {
		t.Errorf("a bad input: %v", err)
	}
}

// The digest that passed in another environment is found by service, environment and repository.
func TestPassed(t *testing.T) {
	digest := "sha256:" + strings.Repeat("b", 64)
	rec := func(env string, v verdict.Name, images map[string]string) record.Record {
		return record.Record{Kind: record.Finished, DeployID: "d", At: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), Verdict: v, Images: images,
			Release: release.Release{Service: "s", Environment: env}}
	}
	l := &loaded{file: &config.File{Service: "s"}, ledger: record.Directory(t.TempDir())}
	l.records = []record.Record{rec("staging", verdict.NamePass, map[string]string{"ghcr.io/a/b:1": digest, "ghcr.io/a/side:1": "sha256:cc"}),
		rec("staging", verdict.NameRollback, map[string]string{"ghcr.io/a/b:2": "sha256:dd"}), rec("production", verdict.NamePass, nil)}
	image := verifyImage("ghcr.io/a/b:prod", "staging")
	b, err := l.builtOf(image)
	if err != nil || b.Digest != digest || !strings.Contains(b.Origin, "staging, 2026-11-20") {
		t.Errorf("%+v %v", b, err)
	}
	if _, err := l.builtOf(verifyImage("ghcr.io/a/b:prod", "canary")); err == nil || !strings.Contains(err.Error(), "canary") {
		t.Errorf("an environment that never passed: %v", err)
	}
	l.ledger = nil
	if _, err := l.builtOf(image); err == nil || !strings.Contains(err.Error(), "record section") {
		t.Errorf("no ledger: %v", err)
	}
}

// A deploy command gets no secret of the configuration, and stops when the run is cancelled.
func TestChild(t *testing.T) {
	env := newEnviron([]string{"PATH=" + "/usr/bin:/bin", "TOKEN=s3cret", "PLAIN=x"}).without(map[string]bool{"TOKEN": true})
	var out bytes.Buffer
	if err := runChild(context.Background(), []string{"env"}, env, &out); err != nil {
		t.Skip("no env command here: ", err)
	}
	if strings.Contains(out.String(), "s3cret") || !strings.Contains(out.String(), "PLAIN=x") {
		t.Errorf("the child saw %s", out.String())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := runChild(ctx, []string{"sleep", "30"}, env, &out)
	if err == nil || time.Since(begin) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	err = runChild(context.Background(), []string{filepath.Join(t.TempDir(), "none")}, env, &out)
	if err == nil || !strings.Contains(err.Error(), "could not be run") {
		t.Errorf("a missing command: %v", err)
	}
}

func verifyImage(ref, env string) verify.Image {
	return verify.Image{Image: ref, Built: &built.Spec{Kind: built.Record, Value: env}}
}

// On GitHub a mistake is an output and an annotation too: later steps read the verdict there.
func TestUsageOnGitHub(t *testing.T) {
	out := filepath.Join(t.TempDir(), "output")
	var log bytes.Buffer
	code := Main(context.Background(), []string{"run", "--nonsense"}, []string{"GITHUB_ACTIONS=true", "GITHUB_OUTPUT=" + out}, &log, &log)
	b, err := os.ReadFile(out)
	if code != 64 || err != nil || !strings.Contains(string(b), "usage") || !strings.Contains(log.String(), "::error") {
		t.Errorf("exit %d, outputs %q (%v), log %q", code, b, err, log.String())
	}
}

// A run that compares with what nobody can place says so at its beginning.
func TestWarnUnknownDeploy(t *testing.T) {
	for name, tt := range map[string]struct {
		args   string
		mode   step.Mode
		deploy release.Deploy
		warns  bool
	}{
		"unknown":            {"--service s --prometheus http://127.0.0.1:9090", step.Run, release.Deploy{}, true},
		"known":              {"--service s --prometheus http://127.0.0.1:9090", step.Run, release.Deploy{Started: time.Unix(1, 0)}, false},
		"a command of ours":  {"--service s --prometheus http://127.0.0.1:9090 -- true", step.Run, release.Deploy{}, false},
		"begin starts it":    {"--service s --prometheus http://127.0.0.1:9090", step.Begin, release.Deploy{}, false},
		"nothing to compare": {"--service s --scrape http://127.0.0.1:80/metrics", step.Run, release.Deploy{}, false},
	} {
		t.Chdir(t.TempDir())
		var log bytes.Buffer
		a := &app{stdout: &bytes.Buffer{}, stderr: &log}
		o, err := a.parse("run", strings.Fields(tt.args), nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := a.file(o)
		if err != nil {
			t.Fatal(err)
		}
		s := &session{loaded: &loaded{app: a, o: o, file: f}, mode: tt.mode, name: "run", deploy: tt.deploy}
		s.warnUnknownDeploy()
		if got := strings.Contains(log.String(), "warning: deploy time unknown"); got != tt.warns {
			t.Errorf("%s: got %q, want a warning: %v", name, log.String(), tt.warns)
		}
	}
}
