// Package cli turns commands and flags into a Plan and runs it. It is the only package that imports everything, and the only one that
// reads the environment, prints and decides the exit code.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/bakegate/bakegate/internal/ci"
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Version is set by the linker.
var Version = "dev"

// app is what every command gets.
type app struct {
	env    environ
	stdout io.Writer // the result
	stderr io.Writer // the progress
}

// command is one word of the command line.
type command struct {
	run   func(ctx context.Context, a *app, args []string) int
	short string
}

func commands() map[string]command {
	return map[string]command{
		"run":      {runCommand, "the step: check, deploy (the command after --), bake, judge"},
		"begin":    {beginCommand, "the step's first half, before your own deploy step"},
		"finish":   {finishCommand, "the step's second half, behind it"},
		"verify":   {stageCommand("verify"), "only verify: is it the artifact that was built"},
		"diff":     {stageCommand("diff"), "only diff: what changed in the configuration"},
		"mark":     {stageCommand("mark"), "only mark: tell the observability tools"},
		"bake":     {stageCommand("bake"), "only bake: watch the metrics and judge them"},
		"check":    {checkCommand, "load the configuration, say what would be done and what is unwise"},
		"demo":     {demoCommand, "see it work: registry and shop in this process, nothing installed"},
		"report":   {reportCommand, "render a journal again"},
		"history":  {historyCommand, "list the deploys of the ledger"},
		"backtest": {backtestCommand, "replay the bake over past deploys: what would it have said?"},
		"schema":   {schemaCommand, "print the JSON Schema of bakegate.yaml"},
		"version":  {versionCommand, "print the version"},
		"judge":    {judgeCommand, "answer the judge arena"},
	}
}

// order is how help lists the commands.
var order = []string{"run", "begin", "finish", "verify", "diff", "mark", "bake", "check", "demo", "backtest", "report", "history", "schema", "version"}

// Main runs one command and returns the exit code of the contract. args are without the program's name.
func Main(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	a := &app{env: newEnviron(env), stdout: stdout, stderr: stderr}
	if a.env.get("GITHUB_ACTIONS") == "true" || a.env.get("TF_BUILD") != "" { // runners that take commands from the log
		a.stdout, a.stderr = ci.LogWriter(stdout), ci.LogWriter(stderr)
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return a.help(args)
	}
	if args[0] == "--version" {
		return versionCommand(ctx, a, nil)
	}
	c, ok := commands()[args[0]]
	if !ok {
		return a.usage(fmt.Errorf("unknown command %q: want one of %s", args[0], strings.Join(order, ", ")))
	}
	return c.run(ctx, a, args[1:])
}

func (a *app) help(args []string) int {
	w := a.stdout
	code := 0
	if len(args) == 0 {
		w, code = a.stderr, verdict.NameUsage.ExitCode()
	}
	fmt.Fprint(w, "bakegate proves a deploy: the image is the one that was built, its configuration\n"+
		"differs only where it should, the deploy is marked, and the service behaves no\nworse than before.\n\nUsage: bakegate COMMAND [flags]\n\n")
	cs := commands()
	for _, name := range order {
		fmt.Fprintf(w, "  %-9s %s\n", name, cs[name].short)
	}
	fmt.Fprint(w, "\nExit codes\n\n")
	for _, n := range verdict.Names() {
		fmt.Fprintf(w, "  %-3d %s\n", n.ExitCode(), n)
	}
	fmt.Fprint(w, "\nbakegate COMMAND -h lists a command's flags.\n")
	return code
}

// usage reports a mistake in what was asked for, before any side effect.
func (a *app) usage(err error) int { return a.report(verdict.NameUsage, err) }

// fail reports that bakegate could not do its work.
func (a *app) fail(err error) int { return a.report(verdict.NameError, err) }

// report tells an end that comes before there is a run. GitHub's later steps read the verdict from the outputs, so it stands there too.
func (a *app) report(n verdict.Name, err error) int {
	fmt.Fprintf(a.stderr, "bakegate: %v\n", err)
	v := verdict.Verdict{Name: n, Reason: string(n), Exit: n.ExitCode(), Summary: clean.Text(err.Error())}
	if p := ci.Detect(ci.Env{Getenv: a.env.get, Stdout: a.stdout, Stderr: a.stderr}); p.Name() == "github" {
		_ = p.Publish(ci.Result{Verdict: v, Outputs: []ci.Output{{Key: "verdict", Value: string(n)}, {Key: "reason", Value: v.Reason},
			{Key: "exit", Value: fmt.Sprint(v.Exit)}, {Key: "summary", Value: v.Summary}},
			Annotations: []ci.Annotation{{Level: "error", Title: "bakegate", Message: v.Summary}}}) // the exit code says it all the same
	}
	return v.Exit
}

// usageError marks a mistake in what was asked for.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exit decides, once, what an error means for the exit code.
func (a *app) exit(err error) int {
	var u usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &u):
		return a.usage(err)
	}
	return a.fail(err)
}

// environ is the process's environment as data.
type environ struct{ vars map[string]string }

func newEnviron(env []string) environ {
	e := environ{vars: make(map[string]string, len(env))}
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			e.vars[k] = v
		}
	}
	return e
}

func (e environ) get(name string) string { return e.vars[name] }

func (e environ) lookup(name string) (string, bool) {
	v, ok := e.vars[name]
	return v, ok
}

func (e environ) names() []string {
	names := make([]string, 0, len(e.vars))
	for n := range e.vars {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// without is the environment for a child process: everything but these names.
func (e environ) without(secret map[string]bool) []string {
	var env []string
	for _, n := range e.names() {
		if !secret[n] {
			env = append(env, n+"="+e.vars[n])
		}
	}
	return env
}

func versionCommand(_ context.Context, a *app, _ []string) int {
	fmt.Fprintf(a.stdout, "bakegate %s\n", Version)
	return 0
}
