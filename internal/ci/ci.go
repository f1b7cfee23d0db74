// Package ci is the platform that bakegate runs on: what it knows of the run, and how the result is handed to it. One file a platform.
//
// A platform never decides anything and never fails the verdict: what could not be published is an error that the caller reports.
package ci

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Env is what a platform may use of the process it runs in.
type Env struct {
	Getenv func(string) string
	Stdout io.Writer // the result
	Stderr io.Writer // the log; commands to the runner go here, between the log's own lines
	OutDir string    // bakegate's out directory
}

// Platform is the CI system around this process.
type Platform interface {
	// Name is github, gitlab, tekton or plain.
	Name() string
	// Release is what the platform knows: commit, ref, repository and the run. The rest is the configuration's.
	Release() release.Release
	// Mask tells the runner to hide a secret in its log, each line of it. A value of fewer than four bytes is left alone: hiding it
	// would hide half of the log.
	Mask(secret string)
	// Section opens a foldable part of the log and returns what closes it. The name holds letters, digits, "_", "." and "-".
	Section(name, title string) (end func())
	// Bracket is for a child process whose output goes to the log as it is: it gives the writer, and what to call when the child has
	// ended. In between, no text can command the runner.
	Bracket() (log io.Writer, end func())
	// Begin makes every output say "error", so that a process that is killed leaves no verdict of an earlier one.
	Begin() error
	// Publish hands over the result.
	Publish(Result) error
	// Own gives a file that root wrote in a container to the owner of the workspace. It does nothing where that is not needed.
	Own(path string)
}

// Result is what a platform gets to see of a run.
type Result struct {
	Verdict     verdict.Verdict
	Outputs     []Output // see Keys; each key once
	Summary     []byte   // Markdown
	Annotations []Annotation
}

// Output is one value that later steps of the pipeline can read.
type Output struct{ Key, Value string }

// Keys are the outputs, the same on every platform. Each platform spells them its own way: deploy_id is BAKEGATE_DEPLOY_ID on GitLab
// and deploy-id on Tekton. Where a platform has no room for all of them, the last ones give way.
var Keys = []string{"verdict", "reason", "exit", "summary", "deploy_id", "image", "images", "digest", "rollback", "rollback_target", "rollback_command",
	"traceparent", "otel_resource_attributes"}

// Annotation is a message that the platform shows beside the run, or beside a line of a file.
type Annotation struct {
	Level          string // error, warning or notice
	File           string // relative to the workspace; empty: no place
	Line, Col      int    // from 1; 0: not known
	Title, Message string
}

// kind is a platform: how to know that it is there, and how to make it.
type kind struct {
	name string
	here func(Env) bool
	make func(Env) Platform
}

// Platforms are the platforms, in the order in which they are looked for. The last one is always there.
var Platforms = []kind{
	{"github", func(e Env) bool { return e.Getenv("GITHUB_ACTIONS") == "true" }, newGitHub},
	{"gitlab", func(e Env) bool { return e.Getenv("GITLAB_CI") != "" }, newGitLab},
	{"tekton", func(e Env) bool { return tektonResults(e) != "" }, newTekton},
	{"plain", func(Env) bool { return true }, newPlain},
}

// Detect returns the platform that this process runs on. Stdout and Stderr may be LogWriters: commands to the runner pass them by.
func Detect(e Env) Platform {
	for _, k := range Platforms {
		if k.here(e) {
			return k.make(e)
		}
	}
	return newPlain(e)
}

// Input is the value of a flag that the platform passes by environment: INPUT_BUILT_DIGEST for built-digest in a GitHub action,
// BAKEGATE_INPUT_BUILT_DIGEST elsewhere (the GitLab component and the Tekton task set it, so that no value passes through a shell).
// Space around it is cut; empty means that it was not given.
func Input(getenv func(string) string, flag string) string {
	prefix := "BAKEGATE_INPUT_"
	if getenv("GITHUB_ACTIONS") == "true" {
		prefix = "INPUT_"
	}
	return strings.TrimSpace(getenv(prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))))
}

var validKey = lazyregexp.New(`^[a-z][a-z0-9_]{0,63}$`)

// check refuses a key that could be read as something else, and a key that comes twice: which value counts differs by platform.
func check(outputs []Output) error {
	seen := map[string]bool{}
	var errs []error
	for _, o := range outputs {
		switch {
		case !validKey.MatchString(o.Key):
			errs = append(errs, fmt.Errorf("output %q: want a lower-case letter, then lower-case letters, digits and _", clean.Cut(o.Key, 80)))
		case seen[o.Key]:
			errs = append(errs, fmt.Errorf("output %q comes twice", o.Key))
		}
		seen[o.Key] = true
	}
	return errors.Join(errs...)
}

// unfinished are the outputs of a run that has not come to its end.
func unfinished() []Output {
	out := make([]Output, len(Keys))
	for i, k := range Keys {
		out[i].Key = k
		switch k {
		case "verdict":
			out[i].Value = string(verdict.NameError)
		case "reason":
			out[i].Value = "error/unfinished"
		case "exit":
			out[i].Value = fmt.Sprint(verdict.NameError.ExitCode())
		case "summary":
			out[i].Value = "the run has not ended, or it was killed"
		case "rollback":
			out[i].Value = "false"
		}
	}
	return out
}

// oneLine makes a value fit where a value is one line. Only the summary is prose that may be cut and changed; any other value is for a
// machine, so it is there as it is or not at all: half of a command or of a digest is worse than none.
func oneLine(o Output, limit int) string {
	if o.Key == "summary" {
		return clean.Cut(o.Value, limit)
	}
	if len(o.Value) > limit || !plainText(o.Value) {
		return ""
	}
	return o.Value
}

// plainText says whether s is one line of printable text that means the same to every reader.
func plainText(s string) bool {
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	return clean.Cut(s, len(s)+1) == strings.Join(strings.Fields(s), " ") && !strings.ContainsAny(s, "\n\r\t\v\f\u0085\u2028\u2029")
}

// text cleans what the platform says of itself: names of branches and jobs come from whoever pushed.
func text(e Env, name string) string { return clean.Cut(e.Getenv(name), 300) }
