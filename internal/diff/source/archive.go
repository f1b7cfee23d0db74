package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/files"
)

// archive is a tree of files that is in no folder of the machine: a commit's, an artifact's. Paths are below its root, "" is the root.
type archive interface {
	// lookup gives what stands at a path, nothing on the way to which is a link. Where nothing stands it gives the zero item.
	lookup(ctx context.Context, p string) (item, error)
	names(ctx context.Context, p string) ([]string, error) // of a folder, in any order
	// read gives a file of at most limit bytes. One that has more is a *sizeError.
	read(ctx context.Context, p string, limit int64) ([]byte, error)
}

// sizeError is a file that is larger than what is read of its kind.
type sizeError struct{ got, want int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("it has %d bytes, want at most %d", e.got, e.want)
}

// item is what stands at a path of an archive.
type item struct {
	kind   itemKind
	target string // of a link
	why    string // of something else: why it is skipped
}

type itemKind uint8

const (
	itemMissing itemKind = iota
	itemFolder
	itemFile
	itemLink
	itemOther
)

// inArchive reads the files of one snapshot out of an archive.
type inArchive struct {
	archive
	from    string   // what the archive is called where a file in it is named: FROM:PATH
	place   string   // and in a sentence: "commit 4f2a9c1"
	path    string   // the state's, as it was asked for
	exclude []string // globs
	single  bool     // the path is a file
	root    string   // the path, without links
	folders []string // that are being read, without links

	gathering
}

// at is how a file below the state's path is called, so that a reader can open it.
func (w *inArchive) at(rel string) string {
	if w.single {
		rel = ""
	}
	return clean.Text(w.from + ":" + strings.TrimPrefix(path.Join(w.path, rel), "/"))
}

// all reads everything, and joins what went wrong.
func (w *inArchive) all(ctx context.Context) error {
	w.path = strings.Trim(path.Clean("/"+w.path), "/")
	real, it, err := w.resolve(ctx, w.path)
	w.root = real
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", w.at(""), err)
	case it.kind == itemMissing:
		return fmt.Errorf("%s: there is no such file or folder in %s", w.at(""), w.place)
	case it.kind == itemFolder:
		err = w.folder(ctx, "", real)
	case it.kind == itemFile:
		w.single = true
		err = w.file(ctx, path.Base(w.path), real)
	default:
		return fmt.Errorf("%s: want a file or a folder, got %s", w.at(""), it.why)
	}
	return w.end(err)
}

var (
	errLeaves = errors.New("the link leaves the tree that it is in: replace it with the file, or list it under exclude")
	errLinks  = errors.New("too many links on the way to it: do they lead in a circle? list it under exclude")
)

// maxLinks is how many links are followed on the way to one file, as Linux does it.
const maxLinks = 40

// resolve follows the links on the way to a path and at its end. A link that leaves the tree is an error.
func (w *inArchive) resolve(ctx context.Context, p string) (real string, it item, err error) {
	return follow(p, func(p string) (item, error) { return w.lookup(ctx, p) })
}

// follow resolves the links on the way to a path and at its end. lookup gives what stands at a path, nothing on the way to which is a link.
// Where nothing stands, the item is the zero one.
func follow(p string, lookup func(p string) (item, error)) (real string, it item, err error) {
	it = item{kind: itemFolder}
	parts, links := strings.Split(p, "/"), 0
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		switch {
		case part == "" || part == ".":
			continue
		case it.kind != itemFolder:
			return "", item{}, nil
		case part == ".." && real == "":
			return "", item{}, errLeaves
		case part == "..":
			real = parent(real)
			continue
		}
		next := path.Join(real, part)
		if it, err = lookup(next); err != nil || it.kind == itemMissing {
			return "", item{}, err
		}
		if it.kind != itemLink {
			real = next
			continue
		}
		if links++; links > maxLinks {
			return "", item{}, errLinks
		}
		if path.IsAbs(it.target) {
			return "", item{}, errLeaves
		}
		parts, it = append(strings.Split(it.target, "/"), parts...), item{kind: itemFolder}
	}
	return real, it, nil
}

func parent(p string) string { return strings.TrimSuffix(path.Dir(p), ".") }

// folder reads a folder. real is where it is, without links.
func (w *inArchive) folder(ctx context.Context, rel, real string) error {
	if slices.Contains(w.folders, real) {
		return w.Failed(fmt.Errorf("%s: the link leads back to a folder that it is in: list it under exclude", w.at(rel)))
	}
	if len(w.folders) >= w.bounds.depth {
		return fmt.Errorf("%s: folders are nested deeper than %d", w.at(rel), w.bounds.depth)
	}
	w.folders = append(w.folders, real)
	defer func() { w.folders = w.folders[:len(w.folders)-1] }()
	names, err := w.names(ctx, real)
	if err != nil {
		return fmt.Errorf("%s: %w", w.at(rel), err)
	}
	if w.files += len(names); w.files > w.bounds.entries {
		return fmt.Errorf("%s: more than %d files: list what is no configuration under exclude", w.at(""), w.bounds.entries)
	}
	slices.Sort(names)
	for _, n := range names {
		if err := w.entry(ctx, path.Join(rel, n), path.Join(real, n)); err != nil {
			return err
		}
	}
	return nil
}

// entry reads what a folder has under a name. A link that is not to be read is not followed.
func (w *inArchive) entry(ctx context.Context, rel, real string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", w.at(""), err)
	}
	if files.Excluded(w.exclude, rel) {
		w.Skip(rel, "excluded")
		return nil
	}
	real, it, err := w.resolve(ctx, real)
	switch {
	case err != nil:
		return w.Failed(fmt.Errorf("%s: %w", w.at(rel), err))
	case it.kind == itemMissing:
		return w.Failed(fmt.Errorf("%s: the link points to nothing: mend it, or list it under exclude", w.at(rel)))
	case it.kind == itemFolder:
		return w.folder(ctx, rel, real)
	case it.kind == itemOther:
		w.Skip(rel, it.why)
		return nil
	}
	return w.file(ctx, rel, real)
}

func (w *inArchive) file(ctx context.Context, rel, real string) error {
	if !w.Wants(rel, w.single) {
		return nil
	}
	at := w.at(rel)
	data, err := w.read(ctx, real, w.bounds.file)
	if err != nil {
		return w.Failed(fmt.Errorf("%s: %w", at, err))
	}
	if err := w.count(at, int64(len(data))); err != nil {
		return err
	}
	if err := pointsToLFS(data); err != nil {
		return w.Failed(fmt.Errorf("%s: %w", at, err))
	}
	return w.File(at, rel, data, w.single)
}

// lfsPointer begins what Git LFS keeps in place of a file (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
const lfsPointer = "version https://git-lfs.github.com/spec/"

// pointsToLFS refuses a pointer of Git LFS: what it says of the file is its size and its hash.
func pointsToLFS(data []byte) error {
	if !strings.HasPrefix(string(data[:min(len(data), len(lfsPointer))]), lfsPointer) {
		return nil
	}
	return errors.New("this is a pointer of Git LFS, and the file itself is elsewhere: " +
		"keep configuration out of LFS, list it under exclude, or check the state out with LFS and give it as path")
}
