package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// JournalName is the journal's file in the out directory.
const JournalName = "journal.jsonl"

// maxLine bounds one line of a journal that is read: a day of one metric's history is about 200 KB.
const maxLine = 32 << 20

// Journal is the append-only file of one run. The operating system has each entry before Append returns, so that a killed process loses
// none; what a machine that loses its power must not forget is on the disk (see Type.flushes). It is safe for concurrent use.
type Journal struct {
	mu       sync.Mutex
	f        *os.File
	now      func() time.Time
	onAppend func(Entry)
}

// Create begins a journal in dir. A journal that is there already is kept under another name: nothing is lost, and a journal of
// another deploy is never continued. A journal that another process is writing is an error.
func Create(dir string, onAppend func(Entry)) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("out directory: %w", err)
	}
	path := filepath.Join(dir, JournalName)
	if err := setAside(path); err != nil {
		return nil, err
	}
	return open(path, os.O_CREATE|os.O_EXCL, onAppend)
}

// Continue opens the journal in dir to append to it. A last line that a killed process left half-written is cut off.
func Continue(dir string, onAppend func(Entry)) (*Journal, error) {
	path := filepath.Join(dir, JournalName)
	j, err := open(path, 0, onAppend)
	if err != nil {
		return nil, err
	}
	if err := cutTorn(j.f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), j.Close())
	}
	return j, nil
}

func open(path string, flags int, onAppend func(Entry)) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := lockFile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is being written by another bakegate: wait for it, or give this run its own --out: %w", path, err)
	}
	return &Journal{f: f, now: time.Now, onAppend: onAppend}, nil
}

// setAside renames a journal to journal-N.jsonl, N counting up.
func setAside(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	j, err := open(path, 0, nil) // holds the lock: a journal in use is not moved away under its writer
	if err != nil {
		return err
	}
	defer j.Close()
	for n := 1; ; n++ {
		aside := filepath.Join(filepath.Dir(path), fmt.Sprintf("journal-%d.jsonl", n))
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, aside)
		}
	}
}

// cutTorn truncates what stands behind the last newline.
func cutTorn(f *os.File) error {
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	return f.Truncate(int64(bytes.LastIndexByte(b, '\n') + 1))
}

// Append writes one entry.
func (j *Journal) Append(t Type, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("journal: %s: %w", t, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e := Entry{V: Version, T: j.now().UTC(), Type: t, Data: raw}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("journal: %s: %w", t, err)
	}
	if _, err := j.f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if t.flushes() {
		if err := j.f.Sync(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if j.onAppend != nil {
		j.onAppend(e)
	}
	return nil
}

// Close gives the file free.
func (j *Journal) Close() error { return j.f.Close() }

// EntriesIn reads the journal in dir, an entry at a time: that of many metrics has a hundred times what a report keeps of it. Where there is
// none the error is fs.ErrNotExist.
func EntriesIn(dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := os.Open(filepath.Join(dir, JournalName))
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.Close()
		for e, err := range Entries(f) {
			if err != nil {
				err = fmt.Errorf("%s: %w", f.Name(), err)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Entries reads a journal. A half-written last line is left out; any other bad line is an error with its number, and nothing comes behind it.
func Entries(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		br := bufio.NewReader(r)
		for n := 1; ; n++ {
			e, err := readEntry(br)
			if errors.Is(err, io.EOF) { // no newline: torn by a kill, or the end
				return
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func readEntry(br *bufio.Reader) (Entry, error) {
	line, err := readLine(br)
	if err != nil {
		return Entry{}, err
	}
	return parseEntry(line)
}

func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes: this is not a journal", maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func parseEntry(line []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("not a journal entry: %w", err)
	}
	if e.V < 1 || e.V > Version {
		return e, fmt.Errorf("journal version %d, this bakegate reads up to %d: use the bakegate that wrote it, or a newer one", e.V, Version)
	}
	return e, nil
}
