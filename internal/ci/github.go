package ci

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sethvargo/go-githubactions"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/release"
)

// github is GitHub Actions: a container action, or the binary on a runner.
type github struct{ Env }

func newGitHub(e Env) Platform { return github{e} }

func (github) Name() string { return "github" }

// Release is of the workflow run. Its id stays the same when it is run again, the attempt does not.
func (g github) Release() release.Release {
	r := release.Release{Commit: text(g.Env, "GITHUB_SHA"), Ref: text(g.Env, "GITHUB_REF"), Repository: text(g.Env, "GITHUB_REPOSITORY")}
	actor := text(g.Env, "GITHUB_TRIGGERING_ACTOR")
	if actor == "" {
		actor = text(g.Env, "GITHUB_ACTOR")
	}
	r.Run = release.Run{Platform: "github", ID: text(g.Env, "GITHUB_RUN_ID"), Attempt: text(g.Env, "GITHUB_RUN_ATTEMPT"), Actor: actor,
		Job: text(g.Env, "GITHUB_JOB"), Started: g.started()}
	if server := text(g.Env, "GITHUB_SERVER_URL"); server != "" && r.Repository != "" && r.Run.ID != "" {
		r.Run.URL = server + "/" + r.Repository + "/actions/runs/" + r.Run.ID
		if r.Run.Attempt != "" {
			r.Run.URL += "/attempts/" + r.Run.Attempt
		}
	}
	return r
}

// started is near the job's start: the runner writes the event file before the first step, and says the start nowhere else.
func (g github) started() time.Time {
	fi, err := os.Stat(g.Getenv("GITHUB_EVENT_PATH"))
	if err != nil || !fi.Mode().IsRegular() || fi.ModTime().After(time.Now()) {
		return time.Time{}
	}
	return fi.ModTime().UTC()
}

// issue sends a command to the runner, its text escaped.
func (g github) issue(name, message string, properties map[string]string) {
	cmd := githubactions.Command{Name: name, Message: message, Properties: properties}
	commands{g.Stderr}.line(cmd.String())
}

// minMask is the shortest value that is masked, in bytes.
const minMask = 4

func (g github) Mask(secret string) {
	for _, line := range strings.FieldsFunc(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); len(line) >= minMask {
			g.issue("add-mask", line, nil)
		}
	}
}

func (g github) Section(_, title string) func() {
	g.issue("group", clean.Cut(title, 200), nil)
	return func() { g.issue("endgroup", "", nil) }
}

// Bracket has the runner take no command from what the child prints, until a word that the child can't know.
func (g github) Bracket() (io.Writer, func()) {
	token, err := random()
	if err != nil { // no random bytes: the child's output goes through the filter instead
		return LogWriter(g.Stderr), func() {}
	}
	g.issue("stop-commands", token, nil)
	w := raw(g.Stderr)
	return w, func() {
		_, _ = io.WriteString(w, "\n") // the child's last line may have no end, and the word has to begin a line
		g.issue(token, "", nil)
	}
}

func (g github) Own(path string) { own(g.Getenv("GITHUB_WORKSPACE"), path) }

func (g github) Begin() error {
	g.ownOut()
	return g.outputs(unfinished())
}

func (g github) Publish(r Result) error {
	g.annotate(r.Annotations)
	g.ownOut()
	return errors.Join(g.outputs(r.Outputs), g.summary(r.Summary))
}

// outputs appends to the step's outputs. Of two values of one output, the runner keeps the later.
func (g github) outputs(outputs []Output) error {
	if err := check(outputs); err != nil {
		return err
	}
	path := g.Getenv("GITHUB_OUTPUT")
	if path == "" {
		return nil // a runner of before 2022-10, or a shell: there is nowhere to put them
	}
	content, err := heredocs(outputs)
	if err != nil {
		return err
	}
	if err := add(path, content); err != nil {
		return fmt.Errorf("GITHUB_OUTPUT: %w", err)
	}
	return nil
}

// heredocs writes each value between lines that nobody can foresee: with a fixed word, a value that holds it could add outputs.
func heredocs(outputs []Output) (string, error) {
	var b strings.Builder
	for _, o := range outputs {
		word, err := random()
		if err != nil {
			return "", err
		}
		value := strings.ReplaceAll(strings.ToValidUTF8(o.Value, "\ufffd"), "\x00", "")
		fmt.Fprintf(&b, "%s<<bakegate_%s\n%s\nbakegate_%s\n", o.Key, word, value, word)
	}
	return b.String(), nil
}

// random is 128 bits in hexadecimal.
func random() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("random bytes: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// The runner shows ten annotations of a level for a step, and 4096 characters of each.
const (
	maxAnnotations = 10
	maxMessage     = 4096
)

func (g github) annotate(as []Annotation) {
	byLevel := map[string][]Annotation{}
	for _, a := range as {
		byLevel[a.Level] = append(byLevel[a.Level], a)
	}
	for _, level := range []string{"error", "warning", "notice"} {
		all := byLevel[level]
		shown := all
		if len(all) > maxAnnotations {
			shown = all[:maxAnnotations-1]
		}
		for _, a := range shown {
			g.issue(level, clean.Cut(a.Message, maxMessage), a.properties())
		}
		if n := len(all) - len(shown); n > 0 {
			g.issue(level, fmt.Sprintf("%d more of this kind: the job's summary lists them all", n), map[string]string{"title": "bakegate"})
		}
	}
}

func (a Annotation) properties() map[string]string {
	p := map[string]string{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			p[name] = value
		}
	}
	set("title", clean.Cut(a.Title, 200))
	if a.File != "" {
		set("file", clean.Cut(a.File, 500))
		set("line", fmt.Sprint(max(a.Line, 0)))
		set("col", fmt.Sprint(max(a.Col, 0)))
	}
	return p
}

// summary appends to the step's summary.
func (g github) summary(md []byte) error {
	path := g.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" || len(md) == 0 {
		return nil
	}
	used := 0
	if fi, err := os.Stat(path); err == nil {
		used = int(min(fi.Size(), maxSummary))
	}
	if err := add(path, cutSummary(string(md), maxSummary-used)); err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	return nil
}

// ownOut gives the out directory's files to the workspace's owner. Links are not followed, and the walk is bounded.
func (g github) ownOut() {
	left := 1000
	_ = filepath.WalkDir(g.OutDir, func(path string, _ fs.DirEntry, err error) error {
		if left--; err != nil || left < 0 {
			return fs.SkipAll
		}
		g.Own(path)
		return nil
	})
}
