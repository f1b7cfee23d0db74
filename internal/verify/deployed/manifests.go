package deployed

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/files"
)

// ManifestOptions is the block `manifests:`. Written as a scalar it is Path.
type ManifestOptions struct {
	Path string `yaml:"path,required,input"` // a file, or a directory that is read with everything below: rendered Kubernetes objects
	// Exclude are globs of what is not read: NAME or *.NAME at any depth, or a path below Path; ** is any number of folders.
	Exclude []string `yaml:"exclude"`
}

// UnmarshalText reads the scalar form.
func (o *ManifestOptions) UnmarshalText(b []byte) error {
	o.Path = string(b)
	return nil
}

// manifests reads rendered Kubernetes objects from files.
type manifests struct {
	ManifestOptions
	env    Env
	limits limits
}

// limits bound what one source reads.
type limits struct {
	file, total int64 // bytes
	entries     int   // files and folders
	nodes       int   // values, each place of an alias counted
	depth       int   // of folders, and of values in each other
	containers  int
}

var defaultLimits = limits{file: 16 << 20, total: 64 << 20, entries: 20_000, nodes: 4_000_000, depth: 100, containers: 10_000}

func buildManifests(decode func(any) error) (Source, error) {
	s := &manifests{limits: defaultLimits}
	if err := decode(&s.ManifestOptions); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.Path) == "" || strings.ContainsRune(s.Path, 0) {
		return nil, errors.New("path: want a file or a directory with rendered manifests, relative to the configuration file")
	}
	return s, files.CheckGlobs(s.Exclude)
}

// Use implements Wants.
func (s *manifests) Use(e Env) { s.env = e }

// Live implements Source.
func (*manifests) Live() bool { return false }

// Behind implements Source.
func (*manifests) Behind() bool { return false }

// Read implements Source.
func (s *manifests) Read(ctx context.Context) (State, error) {
	t, err := files.Open(s.env.Dir, s.Path, s.Exclude, s.limits.files())
	if err != nil {
		return State{}, err
	}
	defer t.Close()
	v := &manifestFiles{reader: newReader(s.limits)}
	if err := t.All(ctx, v); err != nil {
		v.errs = append(v.errs, err)
	}
	if err := errors.Join(v.errs...); err != nil {
		return State{}, err // a file that can't be read may be the one with the image
	}
	v.reader.state.From = "manifests in " + clean.Text(s.Path)
	return v.reader.state, nil
}

func (l limits) files() files.Limits {
	return files.Limits{File: l.file, Total: l.total, Files: l.entries, Depth: l.depth}
}

// maxErrors is how many files' mistakes are told at once.
const maxErrors = 10

// manifestFiles reads the manifests of a folder. It is a files.Visitor.
type manifestFiles struct {
	reader *reader
	errs   []error
}

// Wants takes, in a folder, what is YAML or JSON by its name, and a file that is asked for by itself whatever its name is.
func (v *manifestFiles) Wants(rel string, single bool) bool {
	kind := strings.ToLower(path.Ext(rel))
	return single || kind == ".yaml" || kind == ".yml" || kind == ".json"
}

// Skip implements files.Visitor: what is left out by its name is no manifest.
func (*manifestFiles) Skip(string, string) {}

// Failed keeps a file's mistake and goes on, so that all are told at once.
func (v *manifestFiles) Failed(err error) error {
	v.errs = append(v.errs, err)
	if len(v.errs) >= maxErrors {
		return errors.New("and perhaps more")
	}
	return nil
}

// File reads one file.
func (v *manifestFiles) File(name, rel string, data []byte, _ bool) error {
	err := rendered(name, data)
	if err == nil {
		err = v.reader.file(clean.Text(name), data, strings.ToLower(path.Ext(rel)) == ".json")
	}
	if err != nil {
		return v.Failed(err)
	}
	return nil
}

// rendered refuses the sources of Helm and Kustomize: they change images, so that what stands in them is not what is deployed.
func rendered(name string, data []byte) error {
	at, dir := clean.Text(name), clean.Text(path.Dir(name))
	switch path.Base(name) {
	case "Chart.yaml":
		return fmt.Errorf("%s: this is a Helm chart, which is not rendered: give the output of helm template, or list the folder under exclude", at)
	case "kustomization.yaml", "kustomization.yml":
		if !strings.Contains(string(data), "kustomize.toolkit.fluxcd.io") { // Flux has objects of that name
			return fmt.Errorf("%s: this is a Kustomize folder, which is not rendered: give the output of kubectl kustomize %s, or list the folder under exclude", at, dir)
		}
	}
	return nil
}
