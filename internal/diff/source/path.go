package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// PathOptions is the block `path:`. Written as a scalar it is Path.
type PathOptions struct {
	Path string `yaml:"path,required"` // a file, or a directory that is read with everything below
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
	files       int   // files and folders
	nodes       int   // values, each place of an alias counted
	depth       int   // of folders, and of values in each other
}

var defaultLimits = limits{file: 16 << 20, total: 64 << 20, files: 20_000, nodes: 4_000_000, depth: 100}

func buildPath(decode func(any) error) (Source, error) {
	s := &pathSource{env: Env{Dir: "."}, limits: defaultLimits}
	if err := decode(&s.PathOptions); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.Path) == "" || strings.ContainsRune(s.Path, 0) {
		return nil, errors.New("path: want a file or a directory, relative to the configuration file")
	}
	return s, checkGlobs(s.Exclude)
}

// Use implements Wants.
func (s *pathSource) Use(e Env) { s.env = e }

// Snapshot reads the files in the order of their names.
func (s *pathSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: clean.Text(s.Path)}
	w, err := s.open()
	if err != nil {
		return t, err
	}
	defer w.close()
	if err := w.all(ctx); err != nil {
		return t, err
	}
	return t, w.into(&t)
}

func checkGlobs(globs []string) error {
	for i, g := range globs {
		if err := checkGlob(g); err != nil {
			return fmt.Errorf("exclude[%d]: %w", i, err)
		}
	}
	return nil
}

func checkGlob(g string) error {
	for _, part := range strings.Split(g, "/") {
		if _, err := path.Match(part, ""); err != nil || g == "" {
			return fmt.Errorf("%q is no glob, want e.g. *.md or base/**", g)
		}
	}
	return nil
}

// excluded says whether a glob matches the path below the source's Path, or a folder that it is in.
func excluded(globs []string, rel string) bool {
	for _, g := range globs {
		g = strings.TrimSuffix(strings.TrimPrefix(g, "./"), "/")
		if !strings.Contains(g, "/") {
			if ok, _ := path.Match(g, path.Base(rel)); ok {
				return true
			}
			continue
		}
		if matchGlob(strings.Split(g, "/"), strings.Split(rel, "/")) {
			return true
		}
	}
	return false
}

func matchGlob(glob, parts []string) bool {
	i, j, deep, mark := 0, 0, -1, 0
	for j < len(parts) {
		if i < len(glob) && glob[i] == "**" {
			deep, mark = i, j
			i++
			continue
		}
		if i < len(glob) {
			if ok, _ := path.Match(glob[i], parts[j]); ok {
				i++
				j++
				continue
			}
		}
		if deep < 0 {
			return false
		}
		mark++
		i, j = deep+1, mark
	}
	for i < len(glob) && glob[i] == "**" {
		i++
	}
	return i == len(glob)
}

// locate splits where Path is into the folder that links may not leave and the rest: the configuration's folder for a path in it, else
// the path itself.
func (s *pathSource) locate() (root, rel string, err error) {
	p := filepath.FromSlash(s.Path)
	if !filepath.IsAbs(p) {
		if filepath.IsLocal(p) {
			return s.env.Dir, filepath.ToSlash(filepath.Clean(p)), nil
		}
		p = filepath.Join(s.env.Dir, p)
	}
	if p, err = filepath.Abs(p); err != nil {
		return "", "", fmt.Errorf("%s: %w", clean.Text(s.Path), err)
	}
	return p, ".", nil
}
