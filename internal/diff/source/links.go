package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/files"
)

// linkCheck refuses links that leave a folder, for a program that follows them.
type linkCheck struct {
	ctx  context.Context
	root *os.Root
	left int // files that may still be looked at
	name string
}

func (l *linkCheck) folder(rel string, depth int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	d, err := l.root.Open(rel)
	if err != nil {
		return fmt.Errorf("%s: %w", clean.Text(rel), files.WithoutPath(err))
	}
	defer d.Close()
	entries, err := d.ReadDir(l.left + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", clean.Text(rel), files.WithoutPath(err))
	}
	if l.left -= len(entries); l.left < 0 || depth > 50 {
		return fmt.Errorf("%s: it has more files or folders than a chart", l.name)
	}
	for _, e := range entries {
		p := filepath.Join(rel, e.Name())
		err = nil
		switch {
		case e.IsDir():
			err = l.folder(p, depth+1)
		case e.Type()&fs.ModeSymlink != 0:
			err = l.link(p)
		case !e.Type().IsRegular():
			err = fmt.Errorf("%s: want a file, got a %s", clean.Text(p), files.KindOf(e.Type()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// link refuses a link that leads out of the root, and one to a folder: what is behind it was not looked at.
func (l *linkCheck) link(p string) error {
	fi, err := l.root.Stat(p)
	switch {
	case err != nil:
		return fmt.Errorf("%s: the link leaves the configuration's folder, or points to nothing: replace it with the file", clean.Text(p))
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s: the link leads to a folder: replace it with the folder", clean.Text(p))
	}
	return nil
}
