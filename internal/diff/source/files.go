package source

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
	"sort"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// walk reads the files of one snapshot.
type walk struct {
	*pathSource
	dir     *os.Root // what links can't leave
	rel     string   // where the source's path is in dir
	name    string   // and how it is called in messages
	single  bool     // the path is a file
	folders []fs.FileInfo

	gathering
}

func (s *pathSource) open() (*walk, error) {
	root, rel, err := s.locate()
	if err != nil {
		return nil, err
	}
	w := &walk{pathSource: s, rel: rel, name: path.Clean(filepath.ToSlash(s.Path)), gathering: gather(s.limits)}
	if rel == "." { // the path may be a file outside the configuration's folder
		if fi, serr := os.Stat(root); serr == nil && !fi.IsDir() {
			root, w.rel = filepath.Dir(root), filepath.Base(root)
		}
	}
	if w.dir, err = os.OpenRoot(root); err != nil {
		return nil, w.wrap("", err)
	}
	return w, nil
}

func (w *walk) close() { _ = w.dir.Close() }

// wrap adds to an error of the file system the name of the file, and what to do.
func (w *walk) wrap(rel string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	at := clean.Text(w.at(rel))
	switch {
	case errors.Is(err, fs.ErrNotExist) && rel == "":
		return fmt.Errorf("%s: want a file or a directory: %w (paths are relative to the configuration file)", at, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the link points to nothing: mend it, or list it under exclude: %w", at, err)
	case strings.Contains(err.Error(), "escapes"):
		return fmt.Errorf("%s: the link leaves the configuration's folder: replace it with the file, or list it under exclude: %w", at, err)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// at is how a file below the source's path is called.
func (w *walk) at(rel string) string {
	if rel == "" || w.single {
		return w.name
	}
	return path.Join(w.name, rel)
}

// in is where a file below the source's path is in the root.
func (w *walk) in(rel string) string {
	return filepath.FromSlash(path.Join(filepath.ToSlash(w.rel), rel))
}

// all reads everything, and joins what went wrong.
func (w *walk) all(ctx context.Context) error {
	fi, err := w.dir.Stat(w.in(""))
	if err != nil {
		return w.wrap("", err)
	}
	if fi.IsDir() {
		err = w.folder(ctx, "", fi)
	} else {
		w.single = true
		err = w.file(path.Base(w.name), fi)
	}
	return w.end(err)
}

func (w *walk) folder(ctx context.Context, rel string, fi fs.FileInfo) error {
	for _, f := range w.folders {
		if os.SameFile(f, fi) {
			return w.failed(fmt.Errorf("%s: the link leads back to a folder that it is in: list it under exclude", clean.Text(w.at(rel))))
		}
	}
	if len(w.folders) >= w.limits.depth {
		return fmt.Errorf("%s: folders are nested deeper than %d", clean.Text(w.at(rel)), w.limits.depth)
	}
	w.folders = append(w.folders, fi)
	defer func() { w.folders = w.folders[:len(w.folders)-1] }()
	names, err := w.list(rel)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := w.entry(ctx, path.Join(rel, n)); err != nil {
			return err
		}
	}
	return nil
}

// list gives the names in a folder, sorted, and refuses a folder with too many before it reads them all.
func (w *walk) list(rel string) ([]string, error) {
	d, err := w.dir.Open(w.in(rel))
	if err != nil {
		return nil, w.wrap(rel, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(w.limits.files - w.files + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, w.wrap(rel, err)
	}
	if w.files += len(names); w.files > w.limits.files {
		return nil, fmt.Errorf("%s: more than %d files: list what is no configuration under exclude", clean.Text(w.name), w.limits.files)
	}
	sort.Strings(names)
	return names, nil
}

func (w *walk) entry(ctx context.Context, rel string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", clean.Text(w.name), err)
	}
	if excluded(w.Exclude, rel) {
		w.skip(rel, "excluded")
		return nil
	}
	if path.Base(rel) == ".git" {
		w.skip(rel, "the repository's own data")
		return nil
	}
	fi, err := w.dir.Stat(w.in(rel))
	switch {
	case err != nil:
		return w.failed(w.wrap(rel, err))
	case fi.IsDir():
		return w.folder(ctx, rel, fi)
	}
	return w.file(rel, fi)
}

// file reads one file.
func (w *walk) file(rel string, fi fs.FileInfo) error {
	if !w.wants(rel, w.single) {
		return nil
	}
	data, err := w.read(rel, fi)
	if err != nil {
		return w.failed(err)
	}
	return w.add(w.at(rel), rel, data, w.single)
}

// read gives a file's content, bounded before it is read.
func (w *walk) read(rel string, fi fs.FileInfo) ([]byte, error) {
	at := clean.Text(w.at(rel))
	switch {
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s: want a file, got a %s: list it under exclude", at, kindOfFile(fi.Mode()))
	case fi.Size() > w.limits.file:
		return nil, fmt.Errorf("%s: the file has %d bytes, want at most %d", at, fi.Size(), w.limits.file)
	}
	in := w.in(rel)
	if w.single {
		in = w.in("")
	}
	f, err := w.dir.Open(in)
	if err != nil {
		return nil, w.wrap(rel, err)
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(fi.Size()) + bytes.MinRead) // its size may be a lie, but one within the limit
	_, err = b.ReadFrom(io.LimitReader(f, w.limits.file+1))
	data := b.Bytes()
	switch {
	case err != nil:
		return nil, w.wrap(rel, err)
	case int64(len(data)) > w.limits.file:
		return nil, fmt.Errorf("%s: the file has more than %d bytes", at, w.limits.file)
	}
	return data, w.count(at, int64(len(data)))
}

func kindOfFile(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
