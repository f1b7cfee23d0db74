package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/files"
)

// KustomizeOptions is the block `kustomize:`: what a folder of Kustomize renders to. Written as a scalar it is Path.
type KustomizeOptions struct {
	Path string `yaml:"path,required,input"` // the folder with kustomization.yaml
	// Root is the folder that holds Path and all that it refers to: nothing outside of it is read. Default: the configuration's folder.
	Root string `yaml:"root,input"`
	// Timeout ends a rendering; default 1m. Kustomize needs the square of the number of objects: some seconds for a thousand.
	Timeout time.Duration `yaml:"timeout"`
}

// UnmarshalText reads the scalar form.
func (o *KustomizeOptions) UnmarshalText(b []byte) error {
	o.Path = string(b)
	return nil
}

type kustomizeSource struct {
	KustomizeOptions
	env    Env
	limits limits
}

// Bounds on a rendering. Kustomize needs some fifty times the memory of what it reads, and reads a base as often as it is referred to.
const (
	maxKustomizeBytes = 16 << 20
	maxKustomizeReads = 20_000
	renderTimeout     = time.Minute
)

func buildKustomize(decode func(any) error) (Source, error) {
	l := defaultLimits
	l.total, l.entries = maxKustomizeBytes, maxKustomizeReads
	s := &kustomizeSource{env: Env{Dir: "."}, limits: l}
	if err := decode(&s.KustomizeOptions); err != nil {
		return nil, err
	}
	if s.Timeout == 0 {
		s.Timeout = renderTimeout
	}
	if strings.TrimSpace(s.Path) == "" || strings.ContainsRune(s.Path+s.Root, 0) {
		return nil, errors.New("path: want a folder with kustomization.yaml, relative to the configuration file")
	}
	if isRemote(s.Path) {
		return nil, errors.New("path: it is on another machine, and nothing is fetched: want a folder with kustomization.yaml")
	}
	return s, nil
}

// Use implements Wants.
func (s *kustomizeSource) Use(e Env) { s.env = e }

// Snapshot renders the folder in this process: no plugin runs, nothing is fetched, nothing outside of the root is read.
func (s *kustomizeSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: clean.Text(s.Path + " (kustomize)")}
	root, rel, err := s.locate()
	if err != nil {
		return t, err
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return t, fmt.Errorf("kustomize: %s: %w", clean.Text(s.Path), files.WithoutPath(err))
	}
	defer dir.Close()
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	f := newKustomizeFiles(ctx, dir, rel, s.shown(rel), s.limits)
	if f.rel, _, err = f.resolve(rel); err != nil {
		return t, fmt.Errorf("kustomize: %s: %w", clean.Text(s.Path), err)
	}
	m, err := s.render(ctx, f)
	if err != nil {
		return t, err
	}
	t.Objects, err = f.objects(m)
	if err == nil && len(t.Objects) == 0 {
		err = fmt.Errorf("%s: it renders to nothing", t.Name)
	}
	return t, err
}

// locate gives the folder that is not left, and the source's folder below it.
func (s *kustomizeSource) locate() (root, rel string, err error) {
	at := func(p string) string {
		if p = filepath.FromSlash(p); filepath.IsAbs(p) {
			return filepath.Clean(p)
		}
		return filepath.Join(s.env.Dir, p)
	}
	if root, err = filepath.Abs(at(s.Root)); err != nil {
		return "", "", fmt.Errorf("kustomize: %w", err)
	}
	p, err := filepath.Abs(at(s.Path))
	if err != nil {
		return "", "", fmt.Errorf("kustomize: %w", err)
	}
	rel, err = filepath.Rel(root, p)
	if err != nil || !filepath.IsLocal(rel) {
		what := "the configuration's folder"
		if s.Root != "" {
			what = "root " + clean.Text(s.Root)
		}
		return "", "", fmt.Errorf("kustomize: %s is not in %s: name under root a folder that holds it and its bases", clean.Text(s.Path), what)
	}
	return root, filepath.ToSlash(rel), nil
}

// shown gives how a path below the root is called: relative to the configuration file, as the source's own path is.
func (s *kustomizeSource) shown(rel string) func(string) string {
	own := filepath.ToSlash(s.Path)
	return func(p string) string {
		between, err := filepath.Rel(filepath.FromSlash(rel), filepath.FromSlash(p))
		if err != nil {
			return clean.Text(p)
		}
		return clean.Text(path.Join(own, filepath.ToSlash(between)))
	}
}

// turn is held by the one rendering at a time: Kustomize keeps the schema of the objects in a variable of its own.
var turn = make(chan struct{}, 1)

// render runs Kustomize. It can't be interrupted: when the time is over, its next read fails, and it is no longer waited for.
func (s *kustomizeSource) render(ctx context.Context, f *kustomizeFiles) (resmap.ResMap, error) {
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, s.late(ctx)
	}
	type reply struct {
		m   resmap.ResMap
		err error
	}
	done := make(chan reply, 1)
	go func() {
		defer func() { <-turn }()
		m, err := f.run()
		done <- reply{m, err}
	}()
	select {
	case r := <-done:
		if ctx.Err() != nil {
			return nil, s.late(ctx)
		}
		return r.m, r.err
	case <-ctx.Done():
		return nil, s.late(ctx)
	}
}

func (s *kustomizeSource) late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("kustomize: %s: not rendered within %s (timeout): %w", clean.Text(s.Path), s.Timeout, ctx.Err())
	}
	return fmt.Errorf("kustomize: %s: %w", clean.Text(s.Path), ctx.Err())
}

// run renders. A refusal of ours is told in place of what Kustomize makes of it.
func (f *kustomizeFiles) run() (m resmap.ResMap, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("kustomize: %s: it gave up", f.shown(f.rel))
		}
	}()
	m, err = krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(f, "/"+f.rel)
	switch {
	case f.refused != nil:
		return nil, f.refused
	case err != nil:
		return nil, f.failed(err)
	}
	return m, nil
}
