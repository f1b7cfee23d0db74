package sink

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// fileOptions is the block `file:`.
type fileOptions struct {
	Path string `yaml:"path,required"` // its folder must be there
}

// file appends one JSON line a phase.
type file struct{ options fileOptions }

// fileLooked is how much of the end of the file is looked through for a line of this deploy: some 30,000 deploys.
const fileLooked = 16 << 20

// fileSettles is how long a line without its end is given to get one.
const fileSettles = 50 * time.Millisecond

func buildFile(decode func(any) error) (Sink, error) {
	var o fileOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	if o.Path == "" {
		return nil, errors.New("path is missing, want the file that gets a line at the start and at the end of each deploy")
	}
	return &file{options: o}, nil
}

// Traits implements Sink: a line that is there is not written again, and a line is never changed.
func (f *file) Traits() Traits { return Traits{Find: true} }

// Open implements Sink.
func (f *file) Open(_ context.Context, m Marker) (string, error) {
	d := m.document()
	d.Phase = "open"
	return "", f.append(d)
}

// Seal implements Sink.
func (f *file) Seal(_ context.Context, _ string, m Marker) error {
	d := m.document()
	d.Phase = "seal"
	return f.append(d)
}

func (f *file) append(d document) error {
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	out, err := f.open()
	if err != nil {
		return err
	}
	defer out.Close()
	there, torn, err := look(out, d)
	if torn {
		time.Sleep(fileSettles) // another process may be in the middle of its write
		there, torn, err = look(out, d)
	}
	if err != nil || there {
		return err
	}
	if torn { // somebody died in the middle of a line, which stays a line of its own
		line = append([]byte("\n"), line...)
	}
	// One write at the end of the file: lines of deploys that end at the same time never mix.
	if _, err := out.Write(append(line, '\n')); err != nil {
		return err
	}
	return out.Sync()
}

// open refuses what is not a plain file: the configuration can be edited in a pull request, and must not write through a link or to a device.
func (f *file) open() (*os.File, error) {
	before, err := os.Lstat(f.options.Path)
	switch {
	case err == nil && !before.Mode().IsRegular():
		return nil, notSent(fmt.Errorf("%s is not a plain file: lines are not written through links or to devices", f.options.Path))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, notSent(err)
	}
	out, err := os.OpenFile(f.options.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, notSent(err)
	}
	after, err := out.Stat()
	if err != nil || before != nil && !os.SameFile(before, after) {
		_ = out.Close()
		return nil, notSent(fmt.Errorf("%s changed while it was opened", f.options.Path))
	}
	return out, nil
}

// look looks for the line of this deploy and phase, and whether the last line has its end.
func look(in *os.File, d document) (there, torn bool, err error) {
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, false, err
	}
	last := make([]byte, 1)
	if _, err := in.ReadAt(last, size-1); err != nil {
		return false, false, err
	}
	from := max(0, size-fileLooked)
	lines := bufio.NewScanner(io.NewSectionReader(in, from, size-from))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var old document
		if json.Unmarshal(lines.Bytes(), &old) == nil && old.DeployID == d.DeployID && old.Phase == d.Phase {
			return true, false, nil
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return false, false, err
	}
	return false, last[0] != '\n', nil
}
