package source

import (
	"context"
	"errors"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/files"
)

// PathOptions is the block `path:`. Written as a scalar it is Path.
type PathOptions struct {
	Path string `yaml:"path,required,input"` // a file, or a directory that is read with everything below
	// Exclude are globs of what is not read: NAME or *.NAME at any depth, or a path below Path; ** is any number of folders.
	Exclude []string `yaml:"exclude"`
}

// UnmarshalText reads the scalar form.
func (o *PathOptions) UnmarshalText(b []byte) error {
	o.Path = string(b)
	return nil
}

// pathSource reads files, in the formats of package format.
type pathSource struct {
	PathOptions
	env    Env
	limits limits
}

// limits bound what one snapshot reads.
type limits struct {
	file, total int64 // bytes
	entries     int   // files and folders
	nodes       int   // values, each place of an alias counted
	depth       int   // of folders, and of values in each other
}

var defaultLimits = limits{file: 16 << 20, total: 64 << 20, entries: 20_000, nodes: 4_000_000, depth: 100}

func buildPath(decode func(any) error) (Source, error) {
	s := &pathSource{env: Env{Dir: "."}, limits: defaultLimits}
	if err := decode(&s.PathOptions); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.Path) == "" || strings.ContainsRune(s.Path, 0) {
		return nil, errors.New("path: want a file or a directory, relative to the configuration file")
	}
	return s, files.CheckGlobs(s.Exclude)
}

// Use implements Wants.
func (s *pathSource) Use(e Env) { s.env = e }

// Snapshot reads the files in the order of their names.
func (s *pathSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: clean.Text(s.Path)}
	tree, err := files.Open(s.env.Dir, s.Path, s.Exclude, s.limits.files())
	if err != nil {
		return t, err
	}
	defer tree.Close()
	g := gather(s.limits, s.env.Documents)
	if err := g.end(tree.All(ctx, &g)); err != nil {
		return t, err
	}
	return t, g.into(&t)
}

func (l limits) files() files.Limits {
	return files.Limits{File: l.file, Total: l.total, Files: l.entries, Depth: l.depth}
}
