package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/command"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
	"github.com/bakegate/bakegate/internal/files"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// HelmOptions is the block `helm:`: what a chart on the disk renders to, by the helm that is installed. Written as a scalar it is Chart.
type HelmOptions struct {
	Chart     string            `yaml:"chart,required,input"` // the chart's folder, with its dependencies in charts/
	Values    []string          `yaml:"values,input"`         // files, the last wins
	Set       map[string]string `yaml:"set"`                  // single values: image.tag: v2
	Release   string            `yaml:"release"`              // default: the name of the chart's folder
	Namespace string            `yaml:"namespace"`            // default: default
	// KubeVersion and APIVersions are what the chart is told of the cluster, which is not asked. Default: those that helm was built with.
	KubeVersion string        `yaml:"kube-version"`
	APIVersions []string      `yaml:"api-versions"`
	Timeout     time.Duration `yaml:"timeout"` // ends a rendering; default 1m
}

// UnmarshalText reads the scalar form.
func (o *HelmOptions) UnmarshalText(b []byte) error {
	o.Chart = string(b)
	return nil
}

type helmSource struct {
	HelmOptions
	env    Env
	limits limits
}

var (
	helmRelease  = lazyregexp.New(`^[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?$`)
	helmKey      = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_./\-\[\]]*$`)
	helmVersion  = lazyregexp.New(`^v?[0-9]+(\.[0-9]+){0,2}$`)
	helmAPI      = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9./-]*$`)
	dnsNamespace = lazyregexp.New(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

func buildHelm(decode func(any) error) (Source, error) {
	s := &helmSource{env: Env{Dir: "."}, limits: defaultLimits}
	if err := decode(&s.HelmOptions); err != nil {
		return nil, err
	}
	if s.Timeout == 0 {
		s.Timeout = renderTimeout
	}
	for _, p := range append([]string{s.Chart}, s.Values...) {
		if strings.TrimSpace(p) == "" || strings.ContainsRune(p, 0) || strings.Contains(p, "://") {
			return nil, fmt.Errorf("got %q, want a path on the disk: nothing is fetched", clean.Cut(p, 200))
		}
	}
	return s, s.check()
}

// check looks at what becomes an argument of helm.
func (s *helmSource) check() error {
	wants := func(name, value string, form *lazyregexp.Regexp, want string) error {
		if value == "" || form.MatchString(value) {
			return nil
		}
		return fmt.Errorf("%s: got %q, want %s", name, clean.Cut(value, 100), want)
	}
	errs := []error{
		wants("release", s.Release, helmRelease, "the name of a release of Helm"),
		wants("namespace", s.Namespace, dnsNamespace, "a namespace"),
		wants("kube-version", s.KubeVersion, helmVersion, "a version, e.g. 1.34"),
	}
	for _, a := range s.APIVersions {
		errs = append(errs, wants("api-versions", a, helmAPI, "a version of an API, e.g. monitoring.coreos.com/v1"))
	}
	for _, k := range sorted(s.Set) {
		errs = append(errs, wants("set", k, helmKey, "the path of a value, e.g. image.tag"))
	}
	return errors.Join(errs...)
}

// Use implements Wants.
func (s *helmSource) Use(e Env) { s.env = e }

// Snapshot runs helm template, where commands are allowed: without plugins, without the job's environment, without a cluster.
func (s *helmSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: clean.Text(s.Chart + " (helm)")}
	if err := command.Permit(s.env.AllowCommands, "helm template"); err != nil {
		return t, fmt.Errorf("%s: %w", t.Name, err)
	}
	program, err := command.Program(s.env.Getenv, "helm")
	if err != nil {
		return t, fmt.Errorf("%s: %w: install it before this step, or render there (helm template ... > rendered.yaml) and give the result as path", t.Name, err)
	}
	chart, err := s.chart(ctx)
	if err != nil {
		return t, err
	}
	args, err := s.args(chart)
	if err != nil {
		return t, err
	}
	home, err := os.MkdirTemp("", "bakegate-helm-")
	if err != nil {
		return t, fmt.Errorf("%s: %w", t.Name, err)
	}
	defer os.RemoveAll(home)
	out, err := command.Command{Program: program, Args: args, Env: helmEnvironment(home), Dir: home, Limit: s.limits.total, Timeout: s.Timeout}.Run(ctx)
	if err != nil {
		return t, fmt.Errorf("%s: %w", t.Name, err)
	}
	g := gather(s.limits, s.env.Documents)
	if err := s.documents(&g, out); err != nil {
		return t, err
	}
	return t, g.into(&t)
}

// helmEnvironment is all that helm gets: no token of the job, no kubeconfig, no plugins, no repositories.
func helmEnvironment(home string) []string {
	env := []string{"HOME=" + home, "TMPDIR=" + home, "KUBECONFIG=" + filepath.Join(home, "none"), "HELM_NO_PLUGINS=1"}
	for _, name := range []string{"PLUGINS", "CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "REPOSITORY_CACHE"} {
		env = append(env, "HELM_"+name+"="+filepath.Join(home, strings.ToLower(name)))
	}
	return append(env, "HELM_REPOSITORY_CONFIG="+filepath.Join(home, "repositories.yaml"), "HELM_REGISTRY_CONFIG="+filepath.Join(home, "registry.json"))
}

// chart looks at the chart's folder before helm does, which follows every link in it.
func (s *helmSource) chart(ctx context.Context) (string, error) {
	root, rel, err := files.Locate(s.env.Dir, s.Chart)
	if err != nil {
		return "", err
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return "", fmt.Errorf("%s: want a chart's folder: %w", clean.Text(s.Chart), files.WithoutPath(err))
	}
	defer dir.Close()
	if _, err := dir.Stat(filepath.Join(filepath.FromSlash(rel), "Chart.yaml")); err != nil {
		return "", fmt.Errorf("%s: want a chart's folder, which has a Chart.yaml: %w", clean.Text(s.Chart), files.WithoutPath(err))
	}
	l := &linkCheck{ctx: ctx, root: dir, left: s.limits.entries, name: clean.Text(s.Chart)}
	if err := l.folder(filepath.FromSlash(rel), 0); err != nil {
		return "", err
	}
	return filepath.Abs(filepath.Join(root, filepath.FromSlash(rel)))
}

// args are those of helm template. Everything that is a name is checked; values stand behind their flag.
func (s *helmSource) args(chart string) ([]string, error) {
	args := []string{"template", orWord(s.Release, s.release()), chart, "--namespace", orWord(s.Namespace, "default"), "--include-crds", "--skip-tests"}
	for _, v := range s.Values {
		p := filepath.FromSlash(v)
		if !filepath.IsAbs(p) {
			p = filepath.Join(s.env.Dir, p)
		}
		p, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", clean.Text(v), err)
		}
		switch fi, err := os.Stat(p); {
		case err != nil:
			return nil, fmt.Errorf("%s: want a file with values: %w (paths are relative to the configuration file)", clean.Text(v), files.WithoutPath(err))
		case !fi.Mode().IsRegular() || fi.Size() > s.limits.file:
			return nil, fmt.Errorf("%s: want a file of at most %d bytes", clean.Text(v), s.limits.file)
		}
		args = append(args, "--values", p)
	}
	for _, k := range sorted(s.Set) {
		args = append(args, "--set", k+"="+setEscaper.Replace(s.Set[k]))
	}
	if s.KubeVersion != "" {
		args = append(args, "--kube-version", s.KubeVersion)
	}
	for _, a := range s.APIVersions {
		args = append(args, "--api-versions", a)
	}
	return args, nil
}

// setEscaper keeps a value of --set from being more than one.
var setEscaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `{`, `\{`)

// release is the name of the chart's folder, where it is that of a release.
func (s *helmSource) release() string {
	if name := strings.ToLower(path.Base(path.Clean(filepath.ToSlash(s.Chart)))); helmRelease.MatchString(name) {
		return name
	}
	return "release-name"
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var sourceLine = lazyregexp.New(`^# Source: ([^\s]{1,500})\s*$`)

// documents reads what helm printed. Its lines are not those of the templates: values have no places.
func (s *helmSource) documents(g *gathering, out []byte) error {
	var doc bytes.Buffer
	file := clean.Text(s.Chart)
	flush := func() error {
		defer doc.Reset()
		if len(bytes.TrimSpace(doc.Bytes())) == 0 {
			return nil
		}
		objects, err := format.Parse(format.File{Name: file, Object: path.Base(file), Data: bytes.Clone(doc.Bytes())}, g.nodes)
		if err != nil {
			return fmt.Errorf("in what helm renders: %w", err)
		}
		for _, o := range objects {
			unplaced(o.Root)
		}
		g.objects = append(g.objects, objects...)
		return nil
	}
	for line := range bytes.Lines(out) {
		if text := bytes.TrimRight(line, " \t\r\n"); string(text) == "---" {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		if m := sourceLine.FindSubmatch(line); m != nil && doc.Len() == 0 {
			_, below, _ := strings.Cut(string(m[1]), "/")
			file = clean.Text(path.Join(filepath.ToSlash(s.Chart), below))
		}
		doc.Write(line)
	}
	return flush()
}
