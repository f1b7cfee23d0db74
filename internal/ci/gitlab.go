package ci

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/release"
)

// gitlab writes OUT/bakegate.env, to be named as artifacts:reports:dotenv: later jobs then have BAKEGATE_VERDICT and the others as variables.
type gitlab struct{ Env }

func newGitLab(e Env) Platform { return gitlab{e} }

func (gitlab) Name() string { return "gitlab" }

// Release is of the pipeline: its id stays the same when a job is retried, the job's does not.
func (g gitlab) Release() release.Release {
	r := release.Release{Commit: text(g.Env, "CI_COMMIT_SHA"), Ref: text(g.Env, "CI_COMMIT_REF_NAME"), Repository: text(g.Env, "CI_PROJECT_PATH")}
	r.Run = release.Run{Platform: "gitlab", ID: text(g.Env, "CI_PIPELINE_ID"), Attempt: text(g.Env, "CI_JOB_ID"), URL: text(g.Env, "CI_JOB_URL"),
		Actor: text(g.Env, "GITLAB_USER_LOGIN"), Job: text(g.Env, "CI_JOB_NAME")}
	if t, err := time.Parse(time.RFC3339, g.Getenv("CI_JOB_STARTED_AT")); err == nil {
		r.Run.Started = t.UTC()
	}
	return r
}

// Mask does nothing: GitLab masks the variables that are marked so in the project's settings, and takes no word from a job.
func (gitlab) Mask(string) {}

// Section writes the exact form that GitLab folds: "\e[0Ksection_start:UNIX:NAME\r\e[0KTITLE".
func (g gitlab) Section(name, title string) func() {
	name = sectionName(name)
	c := commands{g.Stderr}
	c.line(fmt.Sprintf("\x1b[0Ksection_start:%d:%s\r\x1b[0K%s", time.Now().Unix(), name, clean.Cut(title, 200)))
	return func() { c.line(fmt.Sprintf("\x1b[0Ksection_end:%d:%s\r\x1b[0K", time.Now().Unix(), name)) }
}

func sectionName(s string) string {
	return "bakegate_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, clean.Cut(s, 60))
}

func (g gitlab) Bracket() (io.Writer, func()) { return raw(g.Stderr), func() {} }

func (gitlab) Own(string) {}

func (g gitlab) Begin() error { return g.write(unfinished()) }

func (g gitlab) Publish(r Result) error { return g.write(r.Outputs) }

// What a dotenv report may hold, in bytes: GitLab takes a file of less than 5 KiB.
const (
	dotenvValue = 700
	dotenvFile  = 4800
)

// write writes the dotenv report. GitLab takes no empty line, no quotes and no second line of a value, and expands $NAME and %NAME% in a
// value: what holds one would say something else in the later job, so the summary loses the sign and any other value is left out.
func (g gitlab) write(outputs []Output) error {
	if err := check(outputs); err != nil {
		return err
	}
	left := dotenvFile
	for _, o := range outputs {
		left -= len(dotenvName(o.Key)) + len("=\n")
	}
	var b strings.Builder
	for i, o := range outputs {
		room := min(dotenvValue, left)
		if i == len(outputs)-1 { // nobody behind it needs the rest
			room = left
		}
		v := oneLine(dotenvSafe(o), max(0, room))
		left -= len(v)
		b.WriteString(dotenvName(o.Key) + "=" + v + "\n")
	}
	return keep(filepath.Join(g.OutDir, "bakegate.env"), b.String())
}

func dotenvName(key string) string { return "BAKEGATE_" + strings.ToUpper(key) }

// percentName is a variable in a Windows shell's way, which GitLab expands everywhere. %20 is none: a name begins with no digit.
var percentName = lazyregexp.New(`%([A-Za-z_][A-Za-z0-9_]*%)`)

func expands(s string) bool { return strings.Contains(s, "$") || percentName.MatchString(s) }

func dotenvSafe(o Output) Output {
	switch {
	case !expands(o.Value):
	case o.Key == "summary":
		o.Value = strings.ReplaceAll(o.Value, "$", "")
		for percentName.MatchString(o.Value) {
			o.Value = percentName.ReplaceAllString(o.Value, "$1")
		}
	default:
		o.Value = ""
	}
	return o
}
