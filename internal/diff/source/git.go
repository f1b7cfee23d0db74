package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/files"
)

// GitOptions is the block `git:`: files as they are in a commit of a repository on this machine. Written as a scalar it is REF:PATH.
type GitOptions struct {
	// Ref is a branch, a tag, a commit or one of its ancestors, as git writes them: main, origin/main, v2.3.0, 4f2a9c1, HEAD~2, HEAD^2.
	Ref string `yaml:"ref,required"`
	// Path is a file or a directory: from the top of the repository, or from the configuration's folder where it begins with ./ or ../.
	Path string `yaml:"path,required"`
	// Repository is the repository's folder, bare or with a working tree. Default: the one that the configuration is in.
	Repository string   `yaml:"repository"`
	Exclude    []string `yaml:"exclude"` // globs of what is not read, as in PathOptions
}

// UnmarshalText reads REF:PATH. A colon in braces belongs to the revision.
func (o *GitOptions) UnmarshalText(b []byte) error {
	s, depth := string(b), 0
	for i, r := range s {
		switch {
		case r == '{':
			depth++
		case r == '}':
			depth--
		case r == ':' && depth == 0 && i > 0 && i+1 < len(s):
			o.Ref, o.Path = s[:i], s[i+1:]
			return nil
		}
	}
	return errors.New("want REF:PATH, e.g. origin/main:deploy/production, or a mapping with ref and path")
}

type gitSource struct {
	GitOptions
	env      Env
	limits   limits
	revision revision
}

func buildGit(decode func(any) error) (Source, error) {
	s := &gitSource{env: Env{Dir: "."}, limits: defaultLimits}
	err := decode(&s.GitOptions)
	if err != nil {
		return nil, err
	}
	if s.revision, err = parseRevision(s.Ref); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.Path) == "" || strings.ContainsRune(s.Path+s.Repository, 0) {
		return nil, errors.New("path: want a file or a directory, from the top of the repository (deploy/production) or from the configuration file's folder (./deploy)")
	}
	return s, files.CheckGlobs(s.Exclude)
}

// Use implements Wants.
func (s *gitSource) Use(e Env) { s.env = e }

// Snapshot reads the files in the order of their names. Nothing is checked out, fetched or run.
func (s *gitSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: clean.Text(s.Path + " at " + s.Ref)}
	place, err := s.find()
	if err != nil {
		return t, err
	}
	p, err := s.inRepository(place)
	if err != nil {
		return t, err
	}
	repo, err := openRepository(ctx, place, s.limits)
	if err != nil {
		return t, err
	}
	defer repo.close()
	commit, err := repo.resolve(s.revision)
	if err != nil {
		return t, err
	}
	root, err := repo.rootOf(commit)
	if err != nil {
		return t, fmt.Errorf("%s: %w", s.revision, err)
	}
	t.Name = clean.Text(fmt.Sprintf("%s at %s (%s)", s.Path, s.Ref, short(commit)))
	w := &inArchive{archive: newCommit(repo, root), from: short(commit), place: fmt.Sprintf("commit %s (%s)", short(commit), s.revision),
		path: p, exclude: s.Exclude, gathering: gather(s.limits, s.env.Documents)}
	if err := w.all(ctx); err != nil {
		return t, err
	}
	return t, w.into(&t)
}

// short is a commit's name as people write it.
func short(h plumbing.Hash) string { return h.String()[:10] }

// gitPlace is where a repository is.
type gitPlace struct {
	top  string // of the working tree; "" of a bare repository
	dot  string // HEAD and what else is a working tree's own
	home string // what all working trees share
	name string // for people
}

// find looks for the repository: where it is said to be, else from the configuration's folder upwards.
func (s *gitSource) find() (gitPlace, error) {
	dir, err := filepath.Abs(filepath.Join(s.env.Dir, filepath.FromSlash(s.Repository)))
	if filepath.IsAbs(s.Repository) {
		dir = filepath.Clean(s.Repository)
	}
	if err != nil {
		return gitPlace{}, fmt.Errorf("git: %w", err)
	}
	if s.Repository != "" {
		if isBare(dir) {
			return placeOf("", dir)
		}
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
			return gitPlace{}, fmt.Errorf("repository %s: want a folder with .git, or a bare repository", clean.Text(s.Repository))
		}
		return placeOf(dir, filepath.Join(dir, ".git"))
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return placeOf(at, filepath.Join(at, ".git"))
		}
		if at == filepath.Dir(at) {
			return gitPlace{}, fmt.Errorf("git: neither %s nor a folder above it is a repository with .git (a checkout without git, as actions/checkout makes it "+
				"where the image has no git, has none): check out with git, or name the repository's folder under repository", clean.Text(dir))
		}
	}
}

func isBare(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// placeOf follows the files by which a working tree of `git worktree`, or a submodule, names its repository.
func placeOf(top, dot string) (gitPlace, error) {
	p := gitPlace{top: top, dot: dot, name: clean.Text(orWord(top, dot))}
	if fi, err := os.Stat(dot); err == nil && !fi.IsDir() {
		target, err := pointer(dot, "gitdir: ")
		if err != nil {
			return p, fmt.Errorf("git: %s: %w", p.name, err)
		}
		p.dot = target
	}
	p.home = p.dot
	switch common, err := pointer(filepath.Join(p.dot, "commondir"), ""); {
	case err == nil:
		p.home = common
	case !errors.Is(err, os.ErrNotExist):
		return p, fmt.Errorf("git: %s: %w", p.name, err)
	}
	return p, nil
}

// maxPointer bounds a file that names a folder, in bytes.
const maxPointer = 16 << 10

// pointer reads a file that names a folder, relative to its own.
func pointer(file, prefix string) (string, error) {
	b, err := readSmall(file, maxPointer)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	target, ok := strings.CutPrefix(strings.TrimRight(line, "\r"), prefix)
	if !ok || target == "" {
		return "", fmt.Errorf("%s: want %sFOLDER", filepath.Base(file), prefix)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(file), target)
	}
	return target, nil
}

// inRepository gives the state's path from the top of the repository.
func (s *gitSource) inRepository(place gitPlace) (string, error) {
	p := s.Path
	relative := p == "." || p == ".." || strings.HasPrefix(p, "./") || strings.HasPrefix(p, "../")
	if relative {
		if place.top == "" {
			return "", fmt.Errorf("path %s: the repository is bare, so that the configuration file is not in it: write the path from its top", clean.Text(p))
		}
		below, err := below(place.top, s.env.Dir)
		if err != nil {
			return "", fmt.Errorf("path %s: the configuration file is not in the repository %s: write the path from its top", clean.Text(p), place.name)
		}
		p = path.Join(below, p)
	}
	p = path.Clean(p)
	if p == ".." || strings.HasPrefix(p, "../") {
		return "", fmt.Errorf("path %s: it leaves the repository %s", clean.Text(s.Path), place.name)
	}
	return strings.TrimPrefix(p, "/"), nil
}

// below gives the path of a folder below another, links resolved.
func below(top, dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	if top, err = filepath.EvalSymlinks(top); err != nil {
		return "", err
	}
	rel, err := filepath.Rel(top, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return "", errors.New("it is elsewhere")
	}
	return filepath.ToSlash(rel), nil
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
