// Package files reads a file, or a folder with everything below it, out of a place that a pull request can edit: links that leave the
// configuration's folder are refused, sizes and depths are bounded, and mistakes of single files are told together.
package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// Limits bound what is read.
type Limits struct {
	File, Total int64 // bytes
	Files       int   // files and folders
	Depth       int   // of folders
}

// Visitor takes what a tree has.
type Visitor interface {
	// Wants says whether a file is read. single: it is the tree's own path.
	Wants(rel string, single bool) bool
	// Skip is told what is left out, and why.
	Skip(rel, why string)
	// File takes a file's content. name is what the file is called for people, rel where it is below the root. An error ends the reading.
	File(name, rel string, data []byte, single bool) error
	// Failed keeps the mistake of one file, so that all are told at once. An error ends the reading.
	Failed(err error) error
}

// Tree is a file or a folder.
type Tree struct {
	limits  Limits
	exclude []string
	root    *os.Root // what links can't leave
	rel     string   // where the path is in root
	name    string   // and how it is called in messages
	single  bool     // the path is a file
	folders []fs.FileInfo
	files   int
	total   int64
}

// Open opens the path p, which is relative to dir or absolute. Links may not leave dir, or p itself where it is outside of dir.
func Open(dir, p string, exclude []string, l Limits) (*Tree, error) {
	root, rel, err := Locate(dir, p)
	if err != nil {
		return nil, err
	}
	t := &Tree{limits: l, exclude: exclude, rel: rel, name: path.Clean(filepath.ToSlash(p))}
	if rel == "." { // the path may be a file outside the configuration's folder
		if fi, serr := os.Stat(root); serr == nil && !fi.IsDir() {
			root, t.rel = filepath.Dir(root), filepath.Base(root)
		}
	}
	if t.root, err = os.OpenRoot(root); err != nil {
		return nil, t.wrap("", err)
	}
	return t, nil
}

// Readable says why a file, or a folder where that will do, can't be read, without its path. What is no file on a disk is not opened: a pipe
// would wait for its other end.
func Readable(path string, folder bool) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && folder:
		return errors.New("there is no such file or folder")
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case err == nil && fi.IsDir() && !folder:
		return errors.New("it is a folder, want a file")
	case err == nil && (fi.IsDir() || fi.Mode().IsRegular()):
		var f *os.File
		if f, err = os.Open(path); err == nil {
			_ = f.Close()
		}
	}
	return WithoutPath(err)
}

// WithoutPath is an error of the file system without the path, which the caller names as people wrote it.
func WithoutPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Close closes it.
func (t *Tree) Close() { _ = t.root.Close() }

// Locate splits where a path is into the folder that links may not leave and the rest: dir for a path in it, else the path itself.
func Locate(dir, p string) (root, rel string, err error) {
	if dir == "" {
		dir = "."
	}
	local := filepath.FromSlash(p)
	if !filepath.IsAbs(local) {
		if filepath.IsLocal(local) {
			return dir, filepath.ToSlash(filepath.Clean(local)), nil
		}
		local = filepath.Join(dir, local)
	}
	if local, err = filepath.Abs(local); err != nil {
		return "", "", fmt.Errorf("%s: %w", clean.Text(p), err)
	}
	return local, ".", nil
}

// All gives the visitor everything, in the order of the names.
func (t *Tree) All(ctx context.Context, v Visitor) error {
	fi, err := t.root.Stat(t.in(""))
	switch {
	case err != nil:
		return t.wrap("", err)
	case fi.IsDir():
		return t.folder(ctx, v, "", fi)
	}
	t.single = true
	return t.file(v, path.Base(t.name), fi)
}

// Only reads the one file that the path must be, and gives what it is called for people.
func (t *Tree) Only() (name string, data []byte, err error) {
	fi, err := t.root.Stat(t.in(""))
	if err != nil {
		return "", nil, t.wrap("", err)
	}
	t.single = true
	data, err = t.read("", fi)
	return clean.Text(t.name), data, err
}

// wrap adds to an error of the file system the name of the file, and what to do.
func (t *Tree) wrap(rel string, err error) error {
	err = WithoutPath(err)
	at := t.at(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist) && rel == "":
		return fmt.Errorf("%s: %w (paths are relative to the configuration file)", at, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the link points to nothing: mend it, or list it under exclude: %w", at, err)
	case strings.Contains(err.Error(), "escapes"):
		return fmt.Errorf("%s: the link leaves the configuration's folder: replace it with the file, or list it under exclude: %w", at, err)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// at is how a file below the path is called for people; called is the same as it is.
func (t *Tree) at(rel string) string { return clean.Text(t.called(rel)) }

func (t *Tree) called(rel string) string {
	if rel == "" || t.single {
		return t.name
	}
	return path.Join(t.name, rel)
}

// in is where a file below the path is in the root.
func (t *Tree) in(rel string) string {
	if t.single {
		rel = ""
	}
	return filepath.FromSlash(path.Join(filepath.ToSlash(t.rel), rel))
}

func (t *Tree) folder(ctx context.Context, v Visitor, rel string, fi fs.FileInfo) error {
	for _, f := range t.folders {
		if os.SameFile(f, fi) {
			return v.Failed(fmt.Errorf("%s: the link leads back to a folder that it is in: list it under exclude", t.at(rel)))
		}
	}
	if len(t.folders) >= t.limits.Depth {
		return fmt.Errorf("%s: folders are nested deeper than %d", t.at(rel), t.limits.Depth)
	}
	t.folders = append(t.folders, fi)
	defer func() { t.folders = t.folders[:len(t.folders)-1] }()
	names, err := t.list(rel)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := t.entry(ctx, v, path.Join(rel, n)); err != nil {
			return err
		}
	}
	return nil
}

// list gives the names in a folder, sorted, and refuses a folder with too many before it reads them all.
func (t *Tree) list(rel string) ([]string, error) {
	d, err := t.root.Open(t.in(rel))
	if err != nil {
		return nil, t.wrap(rel, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(t.limits.Files - t.files + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, t.wrap(rel, err)
	}
	if t.files += len(names); t.files > t.limits.Files {
		return nil, fmt.Errorf("%s: more than %d files: list what is not to be read under exclude", clean.Text(t.name), t.limits.Files)
	}
	slices.Sort(names)
	return names, nil
}

func (t *Tree) entry(ctx context.Context, v Visitor, rel string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", clean.Text(t.name), err)
	}
	if Excluded(t.exclude, rel) {
		v.Skip(rel, "excluded")
		return nil
	}
	if path.Base(rel) == ".git" {
		v.Skip(rel, "the repository's own data")
		return nil
	}
	fi, err := t.root.Stat(t.in(rel))
	switch {
	case err != nil:
		return v.Failed(t.wrap(rel, err))
	case fi.IsDir():
		return t.folder(ctx, v, rel, fi)
	}
	return t.file(v, rel, fi)
}

func (t *Tree) file(v Visitor, rel string, fi fs.FileInfo) error {
	if !v.Wants(rel, t.single) {
		return nil
	}
	data, err := t.read(rel, fi)
	if err != nil {
		return v.Failed(err)
	}
	return v.File(t.called(rel), rel, data, t.single)
}

// read gives a file's content, bounded before it is read.
func (t *Tree) read(rel string, fi fs.FileInfo) ([]byte, error) {
	at := t.at(rel)
	switch {
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s: want a regular file, got a %s: list it under exclude", at, KindOf(fi.Mode()))
	case fi.Size() > t.limits.File:
		return nil, fmt.Errorf("%s: the file has %d bytes, want at most %d", at, fi.Size(), t.limits.File)
	}
	f, err := t.root.Open(t.in(rel))
	if err != nil {
		return nil, t.wrap(rel, err)
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(fi.Size()) + bytes.MinRead) // its size may be a lie, but one within the limit
	_, err = b.ReadFrom(io.LimitReader(f, t.limits.File+1))
	switch {
	case err != nil:
		return nil, t.wrap(rel, err)
	case int64(b.Len()) > t.limits.File:
		return nil, fmt.Errorf("%s: the file has more than %d bytes", at, t.limits.File)
	}
	if t.total += int64(b.Len()); t.total > t.limits.Total {
		return nil, fmt.Errorf("%s: the files before it and this one have more than %d bytes in total", at, t.limits.Total)
	}
	return b.Bytes(), nil
}

// KindOf names what is no regular file.
func KindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
