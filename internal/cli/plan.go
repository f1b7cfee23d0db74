package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/ci"
	"github.com/bakegate/bakegate/internal/config"
	"github.com/bakegate/bakegate/internal/diff/source"
	"github.com/bakegate/bakegate/internal/files"
	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verify"
	"github.com/bakegate/bakegate/internal/verify/built"
)

// defaultConfig is read where it exists and no --config is given.
const defaultConfig = "bakegate.yaml"

// loaded is what a command knows before it does anything.
type loaded struct {
	app      *app
	o        *options
	file     *config.File
	platform ci.Platform
	registry *registry.Client
	ledger   record.Store
	// ledgerErr is why the ledger could not be read. Before a deploy that stops the run; behind one the service is watched all the same.
	ledgerErr error
	built     []built.Digest
	release   release.Release
	records   []record.Record // of this service and environment; nil without a ledger
}

// load reads everything that can be wrong before any side effect.
func (a *app) load(ctx context.Context, o *options) (*loaded, error) {
	f, err := a.file(o)
	if err != nil {
		return nil, usageError{err}
	}
	l := &loaded{app: a, o: o, file: f, platform: a.detect(o)}
	hosts, err := l.registries(ctx)
	if err != nil {
		return nil, err
	}
	l.registry = registry.New(a.credentials(), registry.Options{UserAgent: "bakegate/" + Version, Hosts: hosts})
	if err := l.openLedger(ctx); err != nil {
		return nil, err
	}
	if err := l.resolveBuilt(); err != nil {
		return nil, err
	}
	l.release = l.describe()
	return l, nil
}

// file loads the configuration: the file with the flags over it, or the flags alone.
func (a *app) file(o *options) (*config.File, error) {
	opt := config.Options{Getenv: a.env.lookup, Environ: a.env.names(), Environment: o.environment}
	if !o.deployed {
		opt.Readable = files.Readable
	}
	path := o.config
	if path == "" {
		if _, err := os.Stat(defaultConfig); err == nil {
			path = defaultConfig
		}
	}
	if path != "" {
		opt.Set = o.overrides()
		return config.Load(path, opt)
	}
	data, err := o.document()
	if err != nil {
		return nil, err
	}
	return config.Parse("flags", data, opt)
}

// overrides are the flags that beat a configuration file.
func (o *options) overrides() []config.Override {
	var out []config.Override
	add := func(flag, path, value string) {
		if value != "" {
			out = append(out, config.Override{Flag: "--" + flag, Path: path, Value: value})
		}
	}
	add("service", "service", o.service)
	add("release", "release", o.release)
	add("image", "verify.images[0].image", o.image)
	add("built-digest", "verify.images[0].built.digest", o.builtDigest)
	add("buildx-metadata", "verify.images[0].built.buildx-metadata", absolute(o.buildx))
	add("target", "diff.target.path", o.beside(o.target))
	add("previous", "diff.previous.path", o.beside(o.previous))
	if o.window > 0 {
		add("window", "bake.window", o.window.String())
	}
	if o.step > 0 {
		add("step", "bake.step", o.step.String())
	}
	add("ledger", "record.directory", absolute(o.ledger))
	return out
}

// beside gives a flag's path as the configuration file would write it, which is how its files are called in messages.
func (o *options) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	file := o.config
	if file == "" {
		file = defaultConfig
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return absolute(path)
	}
	rel, err := filepath.Rel(dir, absolute(path))
	if err != nil {
		return absolute(path)
	}
	return rel
}

// absolute keeps a flag's path relative to the working directory: paths in the file are relative to the file.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// document writes the configuration that the flags mean, for the common case without a file.
func (o *options) document() ([]byte, error) {
	if err := o.enough(); err != nil {
		return nil, err
	}
	doc := map[string]any{"version": 1}
	put(doc, "service", o.service)
	put(doc, "environment", o.environment)
	put(doc, "release", o.release)
	if o.image != "" {
		built := map[string]any{}
		put(built, "digest", o.builtDigest)
		put(built, "buildx-metadata", absolute(o.buildx))
		doc["verify"] = map[string]any{"images": []any{map[string]any{"image": literal(o.image), "built": built}}}
	}
	if o.target != "" {
		doc["diff"] = map[string]any{"target": map[string]any{"path": literal(o.target)}, "previous": map[string]any{"path": literal(o.previous)}}
	}
	if b := o.bakeDocument(); b != nil {
		doc["bake"] = b
	}
	if o.ledger != "" {
		doc["record"] = map[string]any{"directory": literal(absolute(o.ledger))}
	}
	return yaml.Marshal(doc)
}

// enough says which flag is missing, in the flags' own words.
func (o *options) enough() error {
	switch {
	case o.image == "" && o.target == "" && o.prometheus == "" && o.scrape == "":
		return fmt.Errorf("there is no %s here and no flag that says what to do: write one, name it with --config, or give --image with --built-digest, "+
			"--target with --previous, --prometheus or --scrape (bakegate demo leaves a configuration to copy)", defaultConfig)
	case o.image != "" && o.builtDigest == "" && o.buildx == "":
		return errors.New("--image needs --built-digest (or --buildx-metadata): what the image must be")
	case o.image == "" && (o.builtDigest != "" || o.buildx != ""):
		return errors.New("--built-digest needs --image: what is deployed")
	case (o.target == "") != (o.previous == ""):
		return errors.New("--target and --previous go together")
	case o.prometheus != "" && o.scrape != "":
		return errors.New("--prometheus and --scrape are two ways to read the same metrics: give one; a configuration file can have both")
	case o.service == "" && (o.prometheus != "" || o.scrape != "" || o.ledger != ""):
		return errors.New("--service is missing")
	}
	return nil
}

// The metrics that --prometheus and --scrape watch unless --bad and --total name others: what the client libraries' examples use.
const (
	defaultTotal = "http_requests_total"
	defaultLimit = "5%"
)

func (o *options) bakeDocument() map[string]any {
	kind, url, labels := "prometheus", o.prometheus, `job="$service"`
	if o.scrape != "" {
		kind, url, labels = "scrape", o.scrape, ""
	}
	if url == "" {
		return nil
	}
	bad, total, limit := o.bad, o.total, o.limit
	if total == "" {
		total = defaultTotal + braces(labels)
	}
	if bad == "" {
		bad = defaultTotal + braces(strings.TrimPrefix(labels+`,code=~"5.."`, ","))
	}
	if limit == "" {
		limit = defaultLimit
	}
	metric := map[string]any{"name": "errors", "bad": bad, "total": total, "limit": literal(limit)}
	if o.prometheus != "" || o.warms { // a service that is only scraped has no past, unless this run samples it before the deploy
		metric["compare"] = "before"
	}
	b := map[string]any{"sources": map[string]any{kind: map[string]any{kind: map[string]any{"url": literal(url)}}}, "metrics": []any{metric}}
	if o.window > 0 {
		b["window"] = o.window.String()
	}
	if o.step > 0 {
		b["step"] = o.step.String()
	}
	return b
}

func braces(labels string) string {
	if labels == "" {
		return ""
	}
	return "{" + labels + "}"
}

func put(m map[string]any, key, value string) {
	if value != "" {
		m[key] = literal(value)
	}
}

// literal keeps a flag's value from being read as a variable.
func literal(s string) string { return strings.ReplaceAll(s, "$", "$$") }

func (a *app) detect(o *options) ci.Platform {
	return ci.Detect(ci.Env{Getenv: a.env.get, Stdout: a.stdout, Stderr: a.stderr, OutDir: o.out})
}

// openLedger opens the ledger and reads what it knows of this service and environment.
func (l *loaded) openLedger(ctx context.Context) error {
	if l.file.Record == nil {
		return nil
	}
	store, err := l.file.Record.Open(record.Env{Dir: l.file.Dir, Registry: l.registry})
	if err != nil {
		return usageError{err}
	}
	l.ledger = store
	if l.o.offline && !l.needsRecords() {
		return nil
	}
	l.records, l.ledgerErr = store.List(ctx, l.file.Service, "")
	return nil
}

// needsRecords says whether the configuration can't be understood without the ledger.
func (l *loaded) needsRecords() bool {
	if d := l.file.Diff; d != nil && (d.Previous.Kind == source.Record || d.Target.Kind == source.Record) {
		return true
	}
	if l.file.Verify == nil {
		return false
	}
	for _, image := range l.file.Verify.Images {
		if image.Built.Kind == built.Record {
			return true
		}
	}
	return false
}

// here are the records of this environment.
func (l *loaded) here() []record.Record {
	var out []record.Record
	for _, r := range l.records {
		if r.Release.Environment == l.file.Environment {
			out = append(out, r)
		}
	}
	return out
}

// resolveBuilt finds out what was built: files are read, a record is looked up.
func (l *loaded) resolveBuilt() error {
	if l.file.Verify == nil {
		return nil
	}
	for i, image := range l.file.Verify.Images {
		b, err := l.builtOf(image)
		if l.ledgerErr != nil && err != nil {
			return err // not what was asked for is wrong
		}
		if err != nil {
			return usagef("verify.images[%d]: %w", i, err)
		}
		l.built = append(l.built, b)
	}
	return nil
}

func (l *loaded) builtOf(image verify.Image) (built.Digest, error) {
	if image.Built.Kind != built.Record {
		return image.Built.Resolve(l.file.Dir)
	}
	switch {
	case l.ledger == nil:
		return built.Digest{}, errors.New("built.record needs a ledger: add a record section")
	case l.ledgerErr != nil:
		return built.Digest{}, l.ledgerErr
	}
	return l.passed(image)
}

// passed is the digest that last passed in another environment.
func (l *loaded) passed(image verify.Image) (built.Digest, error) {
	env := image.Built.Value
	for i := len(l.records) - 1; i >= 0; i-- {
		r := l.records[i]
		if r.Kind != record.Finished || r.Verdict != "pass" || r.Release.Environment != env {
			continue
		}
		if d := digestOf(r, image.Image); d != "" {
			return built.FromDigest(d, fmt.Sprintf("the record of %s, %s", env, r.At.UTC().Format(time.DateOnly)))
		}
	}
	return built.Digest{}, fmt.Errorf("the ledger has no deploy of %s that passed in %q", l.file.Service, env)
}

// digestOf is the digest that a record holds for an image of the same repository.
func digestOf(r record.Record, ref string) string {
	if d, ok := r.Images[ref]; ok {
		return d
	}
	for have, d := range r.Images {
		if len(r.Images) == 1 || release.Repository(have) == release.Repository(ref) {
			return d
		}
	}
	return r.Release.Digest
}

// describe is what is being deployed, from the platform and the configuration.
func (l *loaded) describe() release.Release {
	r := l.platform.Release()
	r.Service, r.Environment, r.Version = l.file.Service, l.file.Environment, l.file.Release
	if v := l.file.Verify; v != nil && len(v.Images) > 0 {
		r.Image = v.Images[0].Image
		r.Digest = l.built[0].Digest
		if r.Version == "" {
			r.Version = tagOf(r.Image)
		}
	}
	if r.Run.ID == "" { // outside a CI platform the out directory stands for the run
		r.Run.ID = absolute(l.o.out)
	}
	return r
}

// versioned refuses a bake that asks for $version where nothing says which version is deployed.
func (l *loaded) versioned() error {
	if p := l.file.NeedsVersion; p != nil && l.release.Version == "" {
		return usagef("%s", p)
	}
	return nil
}

func tagOf(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	return strings.TrimPrefix(strings.TrimPrefix(name, release.Repository(name)), ":")
}

// log is where progress goes.
func (l *loaded) log() io.Writer {
	if l.o.quiet {
		return io.Discard
	}
	return l.app.stderr
}
