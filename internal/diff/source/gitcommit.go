package source

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// commit is the archive of a commit's files.
type commit struct {
	repo *repository
	root plumbing.Hash
	// folders are those that were looked into, by their path.
	folders map[string]map[string]object.TreeEntry
}

func newCommit(r *repository, root plumbing.Hash) *commit {
	return &commit{repo: r, root: root, folders: map[string]map[string]object.TreeEntry{}}
}

// folder lists a folder. A name that would lead elsewhere is refused: git itself makes no such tree.
func (c *commit) folder(p string) (map[string]object.TreeEntry, error) {
	if f, ok := c.folders[p]; ok {
		return f, nil
	}
	h := c.root
	if p != "" {
		e, err := c.entry(p)
		if err != nil {
			return nil, err
		}
		h = e.Hash
	}
	t, err := c.repo.tree(h)
	if err != nil {
		return nil, err
	}
	f := make(map[string]object.TreeEntry, len(t.Entries))
	for _, e := range t.Entries {
		if e.Name == "" || e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, "/\x00") {
			return nil, fmt.Errorf("the name %q is none that git writes", e.Name)
		}
		f[e.Name] = e
	}
	c.folders[p] = f
	return f, nil
}

// entry gives what stands at a path, the zero entry where nothing does.
func (c *commit) entry(p string) (object.TreeEntry, error) {
	f, err := c.folder(parent(p))
	return f[path.Base(p)], err
}

func (c *commit) lookup(_ context.Context, p string) (item, error) {
	e, err := c.entry(p)
	if err != nil || e.Name == "" {
		return item{}, err
	}
	switch e.Mode {
	case filemode.Dir:
		return item{kind: itemFolder}, nil
	case filemode.Submodule:
		return item{kind: itemOther, why: "a submodule, whose content is another repository's (commit " + short(e.Hash) + ")"}, nil
	case filemode.Symlink:
		target, err := c.repo.blob(e.Hash, maxPointer)
		return item{kind: itemLink, target: string(target)}, err
	}
	return item{kind: itemFile}, nil
}

func (c *commit) names(_ context.Context, p string) ([]string, error) {
	f, err := c.folder(p)
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	return names, err
}

func (c *commit) read(_ context.Context, p string, limit int64) ([]byte, error) {
	e, err := c.entry(p)
	if err != nil {
		return nil, err
	}
	return c.repo.blob(e.Hash, limit)
}
