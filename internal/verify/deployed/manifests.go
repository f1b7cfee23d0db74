package deployed

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// ManifestOptions is the block `manifests:`. Written as a scalar it is Path.
type ManifestOptions struct {
	Path string `yaml:"path,required"` // a file, or a directory that is read with everything below: rendered Kubernetes objects
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
	files       int   // files and folders
	nodes       int   // values, each place of an alias counted
	depth       int   // of folders, and of values in each other
	containers  int
}

var defaultLimits = limits{file: 16 << 20, total: 64 << 20, files: 20_000, nodes: 4_000_000, depth: 100, containers: 10_000}

func buildManifests(decode func(any) error) (Source, error) {
	s := &manifests{limits: defaultLimits}
	if err := decode(&s.ManifestOptions); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.Path) == "" || strings.ContainsRune(s.Path, 0) {
		return nil, errors.New("path: want a file or a directory with rendered manifests, relative to the configuration file")
	}
	for i, e := range s.Exclude {
		if err := checkGlob(e); err != nil {
			return nil, fmt.Errorf("exclude[%d]: %w", i, err)
		}
	}
	return s, nil
}

// Use implements Wants.
func (s *manifests) Use(e Env) { s.env = e }

// Live implements Source.
func (*manifests) Live() bool { return false }

// Behind implements Source.
func (*manifests) Behind() bool { return false }

// Read implements Source.
func (s *manifests) Read(ctx context.Context) (State, error) {
	t, err := s.open()
	if err != nil {
		return State{}, err
	}
	defer t.close()
	if err := t.all(ctx); err != nil {
		return State{}, err
	}
	t.reader.state.From = "manifests in " + clean.Text(s.Path)
	return t.reader.state, nil
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
func (s *manifests) excluded(rel string) bool {
	for _, g := range s.Exclude {
		g = strings.TrimSuffix(strings.TrimPrefix(g, "./"), "/")
		if !strings.Contains(g, "/") {
			g = "**/" + g
		}
		if globMatch(strings.Split(g, "/"), strings.Split(rel, "/")) {
			return true
		}
	}
	return false
}

// globMatch matches segment by segment; ** stands for any number of them. Where a segment does not match, only the last ** has to take one
// more: what matched before it can stay as it is.
func globMatch(glob, parts []string) bool {
	var after, taken []string // the glob behind the last **, and the parts that are left to it
	deep := false
	for len(parts) > 0 {
		switch {
		case len(glob) > 0 && glob[0] == "**":
			glob = glob[1:]
			after, taken, deep = glob, parts, true
		case len(glob) > 0 && segmentMatch(glob[0], parts[0]):
			glob, parts = glob[1:], parts[1:]
		case deep:
			taken = taken[1:]
			glob, parts = after, taken
		default:
			return false
		}
	}
	return !slices.ContainsFunc(glob, func(g string) bool { return g != "**" })
}

func segmentMatch(glob, part string) bool {
	ok, _ := path.Match(glob, part) // checkGlob refused what is no glob
	return ok
}

// locate splits where a path is into the folder that links may not leave and the rest: the configuration's folder for a path in it, else
// the path itself.
func locate(dir, p string) (root, rel string, err error) {
	if dir == "" {
		dir = "."
	}
	p = filepath.FromSlash(p)
	if !filepath.IsAbs(p) {
		if filepath.IsLocal(p) {
			return dir, filepath.ToSlash(filepath.Clean(p)), nil
		}
		p = filepath.Join(dir, p)
	}
	p, err = filepath.Abs(p)
	return p, ".", err
}
