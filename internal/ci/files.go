package ci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// keep writes a file that later jobs read. It takes the place of the earlier one at once, so that nobody reads half of it.
func keep(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(content)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// add appends to one of the runner's files. What an earlier command left without an end of line stays a line of its own.
func add(path, content string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if open, err := unended(f); err != nil {
		return err
	} else if open {
		content = "\n" + content
	}
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	return f.Close()
}

// unended says whether a file has bytes and the last is no end of line.
func unended(f *os.File) (bool, error) {
	fi, err := f.Stat()
	if err != nil || fi.Size() == 0 || !fi.Mode().IsRegular() {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], fi.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// inside says whether path lies in dir, symbolic links followed.
func inside(dir, path string) (resolved string, ok bool) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", false
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return "", false
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(path)) // the last element itself may be a link: it is not followed
	if err != nil {
		return "", false
	}
	path = filepath.Join(parent, filepath.Base(path))
	return path, strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}
