package deployed

import (
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

// maxErrors is how many files' mistakes are told at once.
const maxErrors = 10

// tree reads the files below a path.
type tree struct {
	*manifests
	root    *os.Root // what links can't leave
	rel     string   // where the source's path is in root
	name    string   // and how it is called in messages
	single  bool     // the path is a file
	folders []fs.FileInfo
	files   int
	total   int64
	reader  *reader
	errs    []error
}

func (s *manifests) open() (*tree, error) {
	root, rel, err := locate(s.env.Dir, s.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clean.Text(s.Path), err)
	}
	t := &tree{manifests: s, rel: rel, name: path.Clean(filepath.ToSlash(s.Path)), reader: newReader(s.limits)}
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

func (t *tree) close() { _ = t.root.Close() }

// wrap adds to an error of the file system the name of the file, and what to do.
func (t *tree) wrap(rel string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	at := clean.Text(t.at(rel))
	switch {
	case errors.Is(err, fs.ErrNotExist) && rel == "":
		return fmt.Errorf("%s: there is no such file or directory: %w (paths are relative to the configuration file)", at, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the link points to nothing: mend it, or list it under exclude: %w", at, err)
	case strings.Contains(err.Error(), "escapes"):
		return fmt.Errorf("%s: the link leaves the configuration's folder: replace it with the file, or list it under exclude: %w", at, err)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// at is how a file below the source's path is called.
func (t *tree) at(rel string) string {
	if rel == "" || t.single {
		return t.name
	}
	return path.Join(t.name, rel)
}

// in is where a file below the source's path is in the root.
func (t *tree) in(rel string) string {
	if t.single {
		rel = ""
	}
	return filepath.FromSlash(path.Join(filepath.ToSlash(t.rel), rel))
}

// all reads everything, and joins what went wrong: a file that can't be read may be the one with the image.
func (t *tree) all(ctx context.Context) error {
	fi, err := t.root.Stat(t.in(""))
	if err != nil {
		return t.wrap("", err)
	}
	if fi.IsDir() {
		err = t.folder(ctx, "", fi)
	} else {
		t.single = true
		err = t.file(path.Base(t.name), fi)
	}
	if err != nil {
		t.errs = append(t.errs, err)
	}
	return errors.Join(t.errs...)
}

// failed keeps a file's mistake and goes on, so that all are told at once.
func (t *tree) failed(err error) error {
	t.errs = append(t.errs, err)
	if len(t.errs) >= maxErrors {
		return errors.New("and perhaps more")
	}
	return nil
}

func (t *tree) folder(ctx context.Context, rel string, fi fs.FileInfo) error {
	for _, f := range t.folders {
		if os.SameFile(f, fi) {
			return t.failed(fmt.Errorf("%s: the link leads back to a folder that it is in: list it under exclude", clean.Text(t.at(rel))))
		}
	}
	if len(t.folders) >= t.limits.depth {
		return fmt.Errorf("%s: folders are nested deeper than %d", clean.Text(t.at(rel)), t.limits.depth)
	}
	t.folders = append(t.folders, fi)
	defer func() { t.folders = t.folders[:len(t.folders)-1] }()
	names, err := t.list(rel)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := t.entry(ctx, path.Join(rel, n)); err != nil {
			return err
		}
	}
	return nil
}

// list gives the names in a folder, sorted, and refuses a folder with too many before it reads them all.
func (t *tree) list(rel string) ([]string, error) {
	d, err := t.root.Open(t.in(rel))
	if err != nil {
		return nil, t.wrap(rel, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(t.limits.files - t.files + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, t.wrap(rel, err)
	}
	if t.files += len(names); t.files > t.limits.files {
		return nil, fmt.Errorf("%s: more than %d files: list what is no manifest under exclude", clean.Text(t.name), t.limits.files)
	}
	slices.Sort(names)
	return names, nil
}

func (t *tree) entry(ctx context.Context, rel string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", clean.Text(t.name), err)
	}
	if t.excluded(rel) || path.Base(rel) == ".git" {
		return nil
	}
	fi, err := t.root.Stat(t.in(rel))
	switch {
	case err != nil:
		return t.failed(t.wrap(rel, err))
	case fi.IsDir():
		return t.folder(ctx, rel, fi)
	}
	return t.file(rel, fi)
}

// file reads one file: in a folder one that is YAML or JSON by its name, by itself any.
func (t *tree) file(rel string, fi fs.FileInfo) error {
	kind := strings.ToLower(path.Ext(rel))
	if !t.single && kind != ".yaml" && kind != ".yml" && kind != ".json" {
		return nil
	}
	data, err := t.read(rel, fi)
	if err == nil {
		err = t.rendered(rel, data)
	}
	if err == nil {
		err = t.reader.file(clean.Text(t.at(rel)), data, kind == ".json")
	}
	if err != nil {
		return t.failed(err)
	}
	return nil
}

// rendered refuses the sources of Helm and Kustomize: they change images, so that what stands in them is not what is deployed.
func (t *tree) rendered(rel string, data []byte) error {
	at, dir := clean.Text(t.at(rel)), clean.Text(path.Dir(t.at(rel)))
	switch path.Base(rel) {
	case "Chart.yaml":
		return fmt.Errorf("%s: this is a Helm chart, which is not rendered: give the output of helm template, or list the folder under exclude", at)
	case "kustomization.yaml", "kustomization.yml":
		if !strings.Contains(string(data), "kustomize.toolkit.fluxcd.io") { // Flux has objects of that name
			return fmt.Errorf("%s: this is a Kustomize folder, which is not rendered: give the output of kubectl kustomize %s, or list the folder under exclude", at, dir)
		}
	}
	return nil
}

// read gives a file's content, bounded before it is read.
func (t *tree) read(rel string, fi fs.FileInfo) ([]byte, error) {
	at := clean.Text(t.at(rel))
	switch {
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s: want a regular file: list it under exclude", at)
	case fi.Size() > t.limits.file:
		return nil, fmt.Errorf("%s: the file has %d bytes, want at most %d", at, fi.Size(), t.limits.file)
	}
	f, err := t.root.Open(t.in(rel))
	if err != nil {
		return nil, t.wrap(rel, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, t.limits.file+1))
	switch {
	case err != nil:
		return nil, t.wrap(rel, err)
	case int64(len(data)) > t.limits.file:
		return nil, fmt.Errorf("%s: the file has more than %d bytes", at, t.limits.file)
	}
	if t.total += int64(len(data)); t.total > t.limits.total {
		return nil, fmt.Errorf("%s: the files before it and this one have more than %d bytes in total", at, t.limits.total)
	}
	return data, nil
}
