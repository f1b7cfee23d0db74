package cli

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/ci"
	"github.com/bakegate/bakegate/internal/report"
)

// options are the flags of every command that runs a stage. On GitHub each is an input of the same name with underscores.
type options struct {
	config, out, format string
	quiet, verbose      bool

	service, environment, release string
	image, builtDigest, buildx    string
	target, previous              string
	prometheus, scrape            string
	bad, total, limit             string
	window, step, warm            time.Duration
	started, finished             string
	deployID, ledger              string
	once, deployFailed            bool
	seal                          string
	command                       []string // behind --
	offline                       bool     // ask nobody
	allowCommands                 bool     // sources of diff may run programs
	warms                         bool     // this command samples before the deploy, or goes on with what begin sampled
	deployed                      bool     // the deploy is behind this command: it goes on with the files that are there
	set                           map[string]bool
}

// define declares the flags.
func (o *options) define(fs *flag.FlagSet) {
	fs.StringVar(&o.config, "config", "", "configuration `FILE` (default bakegate.yaml, where it exists)")
	fs.StringVar(&o.config, "c", "", "short for --config `FILE`")
	fs.StringVar(&o.out, "out", "bakegate-out", "`DIR` for the journal, verdict.json and summary.md (default bakegate-out)")
	fs.StringVar(&o.out, "o", "bakegate-out", "short for --out `DIR`")
	fs.StringVar(&o.format, "format", "text", "what standard output gets at the end: text or json")
	fs.BoolVar(&o.quiet, "quiet", false, "no progress, only the result")
	fs.BoolVar(&o.verbose, "verbose", false, "more progress")
	fs.StringVar(&o.service, "service", "", "`NAME` of the service")
	fs.StringVar(&o.environment, "environment", "", "`NAME` of the environment that is deployed to")
	fs.StringVar(&o.release, "release", "", "the `VERSION` that the new service reports (default: the image's tag)")
	fs.StringVar(&o.image, "image", "", "the image that is deployed: `REPOSITORY:TAG`, @DIGEST or both")
	fs.StringVar(&o.builtDigest, "built-digest", "", "the `DIGEST` that the build made: sha256:...")
	fs.StringVar(&o.buildx, "buildx-metadata", "", "`FILE` that docker buildx build --metadata-file wrote, instead of --built-digest")
	fs.StringVar(&o.target, "target", "", "`PATH` of the configuration that is deployed")
	fs.StringVar(&o.previous, "previous", "", "`PATH` of the configuration to compare it with")
	fs.StringVar(&o.prometheus, "prometheus", "", "`URL` of the Prometheus that watches the service")
	fs.StringVar(&o.scrape, "scrape", "", "`URL` of the service's own metrics, where there is no Prometheus")
	fs.StringVar(&o.bad, "bad", "", "`SELECTOR` of the counters of failed requests (default http_requests_total{code=~\"5..\"}, with job=\"$service\" on Prometheus)")
	fs.StringVar(&o.total, "total", "", "`SELECTOR` of the counters of all requests (default http_requests_total, with job=\"$service\" on Prometheus)")
	fs.StringVar(&o.limit, "limit", "", "highest `SHARE` of failed requests that is fine (default 5%)")
	fs.DurationVar(&o.window, "window", 0, "how `LONG` the new version is watched (default 15m)")
	fs.DurationVar(&o.step, "step", 0, "how `OFTEN` it is judged (default 30s)")
	fs.DurationVar(&o.warm, "warm", -1, "how `LONG` to sample before the deploy a source that has no history (default 1m where one is compared)")
	fs.StringVar(&o.started, "deploy-started", "", "`TIME` (RFC 3339) at which the deploy started, where another step made it")
	fs.StringVar(&o.finished, "deploy-finished", "", "`TIME` (RFC 3339) at which it finished")
	fs.StringVar(&o.deployID, "deploy-id", "", "`ID` of the deploy (default: made of service, environment, digest and run)")
	fs.BoolVar(&o.allowCommands, "allow-commands", false, "let diff run helm, conftest and kyverno, and bake the commands of exec, where the configuration asks for them; a file alone can't say so")
	fs.StringVar(&o.ledger, "ledger", "", "`DIR` of the ledger, where the configuration names none")
}

// inputs are the flags that the GitHub action offers as inputs.
var inputs = []string{"config", "out", "format", "service", "environment", "release", "image", "built-digest", "buildx-metadata", "target",
	"previous", "prometheus", "scrape", "bad", "total", "limit", "window", "step", "warm", "deploy-started", "deploy-finished", "deploy-id", "ledger", "once", "deploy-failed"}

// parse reads a command's flags, and on GitHub the inputs of those that were not given.
func (a *app) parse(name string, args []string, extra func(*flag.FlagSet, *options)) (*options, error) {
	o := &options{set: map[string]bool{}}
	fs := flag.NewFlagSet("bakegate "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.define(fs)
	if extra != nil {
		extra(fs, o)
	}
	own, command, dashes := cutDashes(args)
	if err := fs.Parse(own); err != nil {
		if err == flag.ErrHelp {
			a.flagHelp(name, fs)
			return nil, err
		}
		return nil, usagef("%v (bakegate %s -h lists the flags)", err, name)
	}
	if fs.NArg() > 0 {
		return nil, usagef("unexpected argument %q: a deploy command stands behind --", fs.Arg(0))
	}
	if dashes && len(command) == 0 {
		return nil, usagef("there is no command behind --")
	}
	o.command = command
	fs.Visit(func(f *flag.Flag) { o.set[longName(f.Name)] = true })
	if err := a.inputs(fs, o); err != nil {
		return nil, err
	}
	if _, _, err := o.times(); err != nil {
		return nil, err
	}
	if o.format != "text" && o.format != "json" {
		return nil, usagef("--format %q: want text or json", o.format)
	}
	return o, nil
}

func (a *app) inputs(fs *flag.FlagSet, o *options) error {
	for _, name := range inputs {
		v := ci.Input(a.env.get, name)
		if v == "" || o.set[name] || fs.Lookup(name) == nil {
			continue
		}
		if err := fs.Set(name, v); err != nil {
			return usagef("input %s: %q: %v", strings.ReplaceAll(name, "-", "_"), v, err)
		}
		o.set[name] = true
	}
	return nil
}

func longName(n string) string {
	switch n {
	case "c":
		return "config"
	case "o":
		return "out"
	}
	return n
}

// cutDashes splits the arguments at the first "--".
func cutDashes(args []string) (own, command []string, found bool) {
	for i, s := range args {
		if s == "--" {
			return args[:i], args[i+1:], true
		}
	}
	return args, nil, false
}

func (a *app) flagHelp(name string, fs *flag.FlagSet) {
	tail := ""
	if name == "run" {
		tail = " [-- deploy command]"
	}
	var b strings.Builder
	report.Paragraph(&b, "", fmt.Sprintf("bakegate %s: %s", name, commands()[name].short))
	fmt.Fprintf(&b, "\nUsage: bakegate %s [flags]%s\n\n", name, tail)
	fs.VisitAll(func(f *flag.Flag) {
		if len(f.Name) == 1 {
			return
		}
		value, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "  --%s\n", strings.TrimSpace(f.Name+" "+value))
		report.Paragraph(&b, "        ", usage)
	})
	fmt.Fprint(a.stdout, b.String())
}

// times reads the flags that hold a time.
func (o *options) times() (started, finished time.Time, err error) {
	if started, err = rfc3339("--deploy-started", o.started); err != nil {
		return
	}
	if finished, err = rfc3339("--deploy-finished", o.finished); err != nil {
		return
	}
	if !started.IsZero() && !finished.IsZero() && finished.Before(started) {
		err = usagef("--deploy-finished %s is before --deploy-started %s", o.finished, o.started)
	}
	return
}

func rfc3339(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usagef("%s %q: want a time as RFC 3339, e.g. 2026-11-21T14:05:00Z", name, s)
	}
	return t.UTC(), nil
}
