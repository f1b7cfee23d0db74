package source

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

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff/format"
	"github.com/bakegate/bakegate/internal/files"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// kustomizeFiles is the file system that Kustomize sees: the root is /, nothing is outside of it, nothing can be written, and every file is
// looked at before Kustomize has it (kustomizeguard.go).
type kustomizeFiles struct {
	ctx    context.Context
	root   *os.Root
	rel    string // of the folder that is rendered
	shown  func(rel string) string
	bounds limits

	reads int
	bytes int64
	last  string // the file that was read last
	// refused is the first thing that was refused; then all is.
	refused error
	// annotated says that the user's own kustomization asks for annotations that tell the origin.
	annotated bool
	// words are the names that files were referred to by, and the keys: what may be repeated of Kustomize's messages.
	words map[string]bool
}

func newKustomizeFiles(ctx context.Context, root *os.Root, rel string, shown func(string) string, l limits) *kustomizeFiles {
	return &kustomizeFiles{ctx: ctx, root: root, rel: rel, shown: shown, bounds: l, words: map[string]bool{}}
}

// refuse keeps what was refused first.
func (f *kustomizeFiles) refuse(err error) error {
	if f.refused == nil {
		f.refused = err
	}
	return f.refused
}

// underRoot gives a path below the root. Paths of Kustomize are clean and absolute.
func underRoot(p string) string { return strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(p)), "/") }

// resolve follows links. One that leaves the root is refused.
func (f *kustomizeFiles) resolve(p string) (rel string, fi fs.FileInfo, err error) {
	if err := f.ctx.Err(); err != nil {
		return "", nil, f.refuse(err)
	}
	if f.refused != nil {
		return "", nil, f.refused
	}
	rel, it, err := follow(underRoot(p), f.lookup)
	switch {
	case errors.Is(err, errLeaves), errors.Is(err, errLinks):
		return "", nil, f.refuse(fmt.Errorf("%s: %w", f.shown(underRoot(p)), errLeavesRoot))
	case err != nil:
		return "", nil, err
	case it.kind == itemMissing:
		return "", nil, fs.ErrNotExist
	}
	fi, err = f.root.Lstat(filepath.FromSlash(orWord(rel, ".")))
	return rel, fi, files.WithoutPath(err)
}

func (f *kustomizeFiles) lookup(p string) (item, error) {
	name := filepath.FromSlash(p)
	fi, err := f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return item{}, nil
	case err != nil:
		return item{}, files.WithoutPath(err)
	case fi.IsDir():
		return item{kind: itemFolder}, nil
	case fi.Mode()&fs.ModeSymlink == 0:
		return item{kind: itemFile}, nil
	}
	target, err := f.root.Readlink(name)
	return item{kind: itemLink, target: filepath.ToSlash(target)}, files.WithoutPath(err)
}

var errLeavesRoot = errors.New("the link leaves the folder that may be read, or leads in a circle: replace it with the file")

// CleanedAbs implements filesys.FileSystem.
func (f *kustomizeFiles) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	rel, fi, err := f.resolve(p)
	if err != nil {
		return "", "", fmt.Errorf("'%s': %w", f.asked(p), err)
	}
	if fi.IsDir() {
		return filesys.ConfirmedDir("/" + rel), "", nil
	}
	return filesys.ConfirmedDir("/" + parent(rel)), path.Base(rel), nil
}

// asked gives the name of a path in a message.
func (f *kustomizeFiles) asked(p string) string {
	s := f.shown(underRoot(p))
	f.words[s] = true
	return s
}

// ReadFile implements filesys.FileSystem.
func (f *kustomizeFiles) ReadFile(p string) ([]byte, error) {
	rel, data, err := f.read(p)
	if err != nil {
		return nil, err
	}
	if slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(rel)) {
		if data, err = f.kustomization(rel, data); err != nil {
			return nil, f.refuse(err)
		}
	}
	return data, nil
}

// read gives a file within the bounds.
func (f *kustomizeFiles) read(p string) (rel string, data []byte, err error) {
	rel, fi, err := f.resolve(p)
	if err != nil {
		return "", nil, fmt.Errorf("'%s': %w", f.asked(p), err)
	}
	at := f.shown(rel)
	switch {
	case fi.IsDir():
		return "", nil, fmt.Errorf("'%s': it is a folder", f.asked(p))
	case !fi.Mode().IsRegular():
		return "", nil, f.refuse(fmt.Errorf("%s: want a file, got a %s", at, files.KindOf(fi.Mode())))
	case fi.Size() > f.bounds.file:
		return "", nil, f.refuse(fmt.Errorf("%s: the file has %d bytes, want at most %d", at, fi.Size(), f.bounds.file))
	}
	if f.reads++; f.reads > f.bounds.entries {
		return "", nil, f.refuse(fmt.Errorf("%s: Kustomize reads more than %d files, each as often as it is referred to: do bases refer to each other many times?", f.shown(f.rel), f.bounds.entries))
	}
	file, err := f.root.Open(filepath.FromSlash(rel))
	if err != nil {
		return "", nil, fmt.Errorf("'%s': %w", f.asked(p), files.WithoutPath(err))
	}
	defer file.Close()
	data, err = io.ReadAll(io.LimitReader(file, f.bounds.file))
	if err != nil {
		return "", nil, f.refuse(fmt.Errorf("%s: %w", at, files.WithoutPath(err)))
	}
	f.last = rel
	if f.bytes += int64(len(data)); f.bytes > f.bounds.total {
		return "", nil, f.refuse(fmt.Errorf("%s: Kustomize reads more than %d bytes, each file as often as it is referred to", at, f.bounds.total))
	}
	if err := f.flat(at, data); err != nil {
		return "", nil, f.refuse(err)
	}
	return rel, data, nil
}

// IsDir implements filesys.FileSystem.
func (f *kustomizeFiles) IsDir(p string) bool {
	_, fi, err := f.resolve(p)
	return err == nil && fi.IsDir()
}

// Exists implements filesys.FileSystem.
func (f *kustomizeFiles) Exists(p string) bool {
	_, _, err := f.resolve(p)
	return err == nil
}

// errNotOffered is for what a rendering has no need of.
var errNotOffered = errors.New("not offered")

// Create implements filesys.FileSystem.
func (f *kustomizeFiles) Create(string) (filesys.File, error) { return nil, errNotOffered }

// Mkdir implements filesys.FileSystem.
func (f *kustomizeFiles) Mkdir(string) error { return errNotOffered }

// MkdirAll implements filesys.FileSystem.
func (f *kustomizeFiles) MkdirAll(string) error { return errNotOffered }

// RemoveAll implements filesys.FileSystem.
func (f *kustomizeFiles) RemoveAll(string) error { return errNotOffered }

// WriteFile implements filesys.FileSystem.
func (f *kustomizeFiles) WriteFile(string, []byte) error { return errNotOffered }

// Open implements filesys.FileSystem.
func (f *kustomizeFiles) Open(string) (filesys.File, error) { return nil, errNotOffered }

// ReadDir implements filesys.FileSystem.
func (f *kustomizeFiles) ReadDir(string) ([]string, error) { return nil, errNotOffered }

// Glob implements filesys.FileSystem.
func (f *kustomizeFiles) Glob(string) ([]string, error) { return nil, errNotOffered }

// Walk implements filesys.FileSystem.
func (f *kustomizeFiles) Walk(string, filepath.WalkFunc) error { return errNotOffered }

// kustomizeSays are Kustomize's messages that tell what to do, and how they are told. Its own words repeat what stands in the files: values,
// literals, whole patches; of them only names of files and keys are repeated that were read before.
var kustomizeSays = []struct {
	form *lazyregexp.Regexp
	text string
}{
	{lazyregexp.New(`file '([^']*)' is not in or below '`), "%s is not in the folder of the kustomization that refers to it, nor below"},
	{lazyregexp.New(`unable to find one of 'kustomization`), "there is no kustomization.yaml in it, or in a folder that it refers to"},
	{lazyregexp.New(`Found multiple kustomization files`), "there is more than one kustomization file in it, or in a folder that it refers to"},
	{lazyregexp.New(`cycle detected`), "a kustomization refers to itself, or to a folder above it"},
	{lazyregexp.New(`unknown field \"([^"]*)\"`), "there is no field %s in a kustomization"},
	{lazyregexp.New(`json: cannot unmarshal`), "a field has a value of another type than Kustomize wants"},
	{lazyregexp.New(`invalid Kustomization.*line (\d+)`), "the kustomization is no YAML, at line %s or before"},
	{lazyregexp.New(`external plugins disabled`), "it has a generator or transformer that is a plugin: plugins don't run here; render before this step and give the result as path"},
	{lazyregexp.New(`expected kind '[^']*' for path`), "components lists what is none: a component has kind: Component"},
	{lazyregexp.New(`expected kind != '`), "resources lists a component: list it under components"},
	{lazyregexp.New(`already registered id`), "an object is there twice: two resources have the same kind, namespace and name"},
	{lazyregexp.New(`(no matches for Id|failed to find unique target|no resource matches|multiple matches for Id|unable to find patch target)`), "a patch or a replacement fits no object, or more than one"},
	{lazyregexp.New(`missing Resource metadata|missing metadata\.name|does not have a (kind|name)`), "a resource has no kind or no metadata.name"},
	{lazyregexp.New(`invalid literal source`), "a literal is not KEY=VALUE"},
	{lazyregexp.New(`kustomization.yaml is empty`), "a kustomization is empty"},
	{lazyregexp.New(`MalformedYAMLError: yaml: line (\d+)`), "a file that it refers to is no YAML, at line %s or before"},
	{lazyregexp.New(`'([^']*)': file does not exist`), "%s is not there"},
	{lazyregexp.New(`'([^']*)': file is not directory`), "%s is a file, and no resource that can be read"},
}

// failed tells Kustomize's error: where a file can't be read, with our words, which have its line and column.
func (f *kustomizeFiles) failed(err error) error {
	if strings.Contains(err.Error(), "aml: ") || strings.Contains(err.Error(), "Kustomization") {
		if rel, data, rerr := f.read("/" + f.last); rerr == nil {
			_, perr := format.Parse(format.File{Name: f.shown(rel), Object: rel, Data: data}, format.NewBudget(f.bounds.nodes, f.bounds.depth))
			if perr != nil {
				return perr
			}
		}
	}
	return fmt.Errorf("kustomize: %s: %s", f.shown(f.rel), f.readable(err))
}

// readable tells Kustomize's message without what it repeats.
func (f *kustomizeFiles) readable(err error) string {
	text := err.Error()
	for _, s := range kustomizeSays {
		m := s.form.FindStringSubmatch(text)
		switch {
		case m == nil:
		case !strings.Contains(s.text, "%s"):
			return s.text
		default:
			return fmt.Sprintf(s.text, f.repeatable(m[1]))
		}
	}
	return "Kustomize can't render it: kustomize build says why"
}

// repeatable gives a word where it is the name of a file, a key or a number.
func (f *kustomizeFiles) repeatable(word string) string {
	switch {
	case f.words[word], len(word) < 7 && strings.Trim(word, "0123456789") == "":
		return clean.Cut(word, 200)
	case strings.HasPrefix(word, "/"):
		return f.shown(underRoot(word))
	}
	return "something"
}
