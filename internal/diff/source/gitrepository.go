package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/bakegate/bakegate/internal/clean"
)

// Bounds on a repository. Its objects are read one by one; what lies in memory is the index of its packs.
const (
	maxGitIndex  = 512 << 20 // bytes of all pack indexes: about 18 million objects
	maxGitConfig = 1 << 20   // bytes
	maxGitMeta   = 16 << 20  // bytes of a commit, a tag or the list of a folder
	gitCache     = 32 << 20  // bytes of objects that are kept
	maxAlternate = 5         // repositories behind each other that lend objects, as git has it
)

// repository reads the objects of a repository on this machine. Nothing is written, fetched or run.
type repository struct {
	ctx    context.Context
	place  gitPlace
	own    *filesystem.Storage
	stores []*filesystem.Storage // its own, and those that lend objects to it
	// Why an object may not be here.
	shallow, partial bool
}

func openRepository(ctx context.Context, place gitPlace, l limits) (*repository, error) {
	r := &repository{ctx: ctx, place: place}
	if err := r.open(l); err != nil {
		r.close()
		return nil, fmt.Errorf("git: %s: %w", place.name, err)
	}
	return r, nil
}

func (r *repository) open(l limits) error {
	if fi, err := os.Stat(filepath.Join(r.place.home, "config")); err == nil && fi.Size() > maxGitConfig {
		return fmt.Errorf("its config has %d bytes, want at most %d", fi.Size(), maxGitConfig)
	}
	if err := r.add(r.place.dot, r.place.home, 0, l); err != nil {
		return err
	}
	r.own = r.stores[0]
	if _, err := gogit.Open(r.own, nil); err != nil { // looks for HEAD, and at the extensions that the repository needs
		return fmt.Errorf("it can't be read: %w (repositories with SHA-256 or reftable are not supported)", sanitised(err))
	}
	if c, err := r.own.Config(); err == nil {
		r.partial = c.Raw.Section("extensions").Option("partialclone") != ""
		for _, remote := range c.Raw.Section("remote").Subsections {
			r.partial = r.partial || remote.Option("promisor") == "true"
		}
	}
	fi, err := os.Stat(filepath.Join(r.place.home, "shallow"))
	r.shallow = err == nil && fi.Size() > 0
	return nil
}

// add opens an object store and those that lend it objects.
func (r *repository) add(dot, home string, depth int, l limits) error {
	if depth > maxAlternate || len(r.stores) > 2*maxAlternate {
		return errors.New("too many repositories lend it objects (objects/info/alternates)")
	}
	if err := boundIndex(home); err != nil {
		return err
	}
	fs := dotgit.NewRepositoryFilesystem(osfs.New(dot, osfs.WithBoundOS()), osfs.New(home, osfs.WithBoundOS()))
	r.stores = append(r.stores, filesystem.NewStorageWithOptions(fs, cache.NewObjectLRU(gitCache),
		filesystem.Options{ExclusiveAccess: true, KeepDescriptors: true, LargeObjectThreshold: max(l.file, maxGitMeta)}))
	list, err := readSmall(filepath.Join(home, "objects", "info", "alternates"), maxPointer)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("objects/info/alternates: %w", sanitised(err))
	}
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if !filepath.IsAbs(line) {
			line = filepath.Join(home, "objects", line)
		}
		if err := r.add(filepath.Dir(line), filepath.Dir(line), depth+1, l); err != nil {
			return err
		}
	}
	return nil
}

// boundIndex looks at the sizes of the packs' indexes before they are read.
func boundIndex(home string) error {
	files, err := filepath.Glob(filepath.Join(escapeGlob(home), "objects", "pack", "*.idx"))
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		if fi, err := os.Stat(f); err == nil {
			total += fi.Size()
		}
	}
	if total > maxGitIndex {
		return fmt.Errorf("the indexes of its packs have %d bytes, want at most %d: make a clone with less history (git clone --depth)", total, maxGitIndex)
	}
	return nil
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func escapeGlob(s string) string { return globEscaper.Replace(s) }

func (r *repository) close() {
	for _, s := range r.stores {
		_ = s.ObjectStorage.Close()
	}
}

// size looks for an object. The zero store says that it is not there.
func (r *repository) size(h plumbing.Hash) (int64, *filesystem.Storage, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, nil, err
	}
	for _, s := range r.stores {
		n, err := s.EncodedObjectSize(h)
		if err == nil {
			return n, s, nil
		}
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			return 0, nil, fmt.Errorf("object %s: %w", short(h), sanitised(err))
		}
	}
	return 0, nil, fmt.Errorf("object %s is not in the repository%s: %w", short(h), r.whyNot(), plumbing.ErrObjectNotFound)
}

// whyNot says why an object may not be here, and the cure.
func (r *repository) whyNot() string {
	switch {
	case r.shallow:
		return ", which is a shallow clone: fetch more of it before this step (actions/checkout with fetch-depth: 0, GitLab with GIT_DEPTH: 0, git fetch --unshallow)"
	case r.partial:
		return ", which is a partial clone: make one with all objects (without --filter)"
	}
	return ""
}

// get reads an object of at most limit bytes.
func (r *repository) get(h plumbing.Hash, limit int64) (plumbing.EncodedObject, error) {
	n, store, err := r.size(h)
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, &sizeError{n, limit}
	}
	o, err := store.EncodedObject(plumbing.AnyObject, h)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", short(h), sanitised(err))
	}
	return o, nil
}

func (r *repository) tree(h plumbing.Hash) (*object.Tree, error) {
	o, err := r.get(h, maxGitMeta)
	if err != nil {
		return nil, err
	}
	t := &object.Tree{}
	if err := t.Decode(o); err != nil {
		return nil, fmt.Errorf("object %s: %w", short(h), err)
	}
	return t, nil
}

func (r *repository) commit(h plumbing.Hash) (*object.Commit, error) {
	o, err := r.get(h, maxGitMeta)
	if err != nil {
		return nil, err
	}
	c := &object.Commit{}
	if err := c.Decode(o); err != nil {
		return nil, fmt.Errorf("object %s: want a commit, got a %s", short(h), o.Type())
	}
	return c, nil
}

// rootOf gives a commit's list of files.
func (r *repository) rootOf(commit plumbing.Hash) (plumbing.Hash, error) {
	c, err := r.commit(commit)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return c.TreeHash, nil
}

// blob reads a file of at most limit bytes.
func (r *repository) blob(h plumbing.Hash, limit int64) ([]byte, error) {
	o, err := r.get(h, limit)
	if err != nil {
		return nil, err
	}
	if o.Type() != plumbing.BlobObject {
		return nil, fmt.Errorf("object %s: want a file, got a %s", short(h), o.Type())
	}
	in, err := o.Reader()
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", short(h), sanitised(err))
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &sizeError{int64(len(data)), limit}
	}
	return data, err
}

// readSmall reads a file of at most limit bytes.
func readSmall(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return b, err
}

// sanitised sanitises an error of a library.
func sanitised(err error) error { return safeError{err} }

// safeError is an error whose text is safe to print.
type safeError struct{ err error }

func (e safeError) Error() string { return clean.Cut(e.err.Error(), 300) }
func (e safeError) Unwrap() error { return e.err }
