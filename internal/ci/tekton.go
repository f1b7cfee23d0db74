package ci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/release"
)

// tekton writes one file a result. All results of a Task share one termination message of 4096 bytes, and too much fails the TaskRun.
type tekton struct {
	Env
	results string
}

// resultsDir is where Tekton mounts the results of a step.
const resultsDir = "/tekton/results"

// tektonResults is the directory of the results, empty where this is no Tekton step.
func tektonResults(e Env) string {
	if d := e.Getenv("BAKEGATE_RESULTS_DIR"); d != "" {
		return d
	}
	if fi, err := os.Stat(resultsDir); err == nil && fi.IsDir() {
		return resultsDir
	}
	return ""
}

func newTekton(e Env) Platform { return tekton{e, tektonResults(e)} }

func (tekton) Name() string { return "tekton" }

// Release is what the Task passes in its environment. Tekton tells a step nothing by itself. The PipelineRun's id is the run: two Tasks
// of it (begin and finish) are one deploy.
func (t tekton) Release() release.Release {
	r := release.Release{Commit: text(t.Env, "BAKEGATE_COMMIT"), Ref: text(t.Env, "BAKEGATE_REF"), Repository: text(t.Env, "BAKEGATE_REPOSITORY")}
	r.Run = release.Run{Platform: "tekton", Attempt: text(t.Env, "TEKTON_RETRY"), Job: text(t.Env, "TEKTON_TASKRUN"), URL: text(t.Env, "BAKEGATE_RUN_URL")}
	for _, name := range []string{"TEKTON_PIPELINERUN", "TEKTON_TASKRUN_UID", "TEKTON_TASKRUN"} {
		if r.Run.ID == "" {
			r.Run.ID = text(t.Env, name)
		}
	}
	return r
}

func (tekton) Mask(string) {}

func (tekton) Section(string, string) func() { return func() {} }

func (t tekton) Bracket() (io.Writer, func()) { return raw(t.Stderr), func() {} }

func (tekton) Own(string) {}

func (t tekton) Begin() error { return t.write(unfinished()) }

func (t tekton) Publish(r Result) error { return t.write(r.Outputs) }

// resultsLimit bounds all results together as the termination message holds them, well under Tekton's 4096 bytes.
const resultsLimit = 3300

// resultName is the result's name. A result called *IMAGE_DIGEST or *IMAGE_URL would tell Tekton Chains that this Task built the image.
func resultName(key string) string {
	if key == "digest" {
		return "verified-digest"
	}
	return strings.ReplaceAll(key, "_", "-")
}

func (t tekton) write(outputs []Output) error {
	if err := check(outputs); err != nil {
		return err
	}
	left := resultsLimit
	for _, o := range outputs {
		left -= size(resultName(o.Key), "")
	}
	var errs []error
	for _, o := range outputs {
		v := fit(o, left)
		left -= size("", v) - size("", "")
		if err := os.WriteFile(filepath.Join(t.results, resultName(o.Key)), []byte(v), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("result %s: %w", resultName(o.Key), err))
		}
	}
	return errors.Join(errs...)
}

// fit is a value that takes at most so many bytes of the message; the summary leaves room for the others.
func fit(o Output, room int) string {
	limit := room
	if o.Key == "summary" {
		limit = min(room/3, 600)
	}
	for n := limit; n > 0; n = n * 3 / 4 {
		if v := oneLine(o, n); size("", v)-size("", "") <= limit {
			return v
		}
	}
	return ""
}

// size is what a result takes of the termination message, whose JSON holds its name, value and type.
func size(name, value string) int {
	b, err := json.Marshal(map[string]any{"key": name, "value": value, "type": 1})
	if err != nil {
		return resultsLimit
	}
	return len(b) + 1
}
