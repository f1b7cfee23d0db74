package format

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// input is a text that is parsed.
type input struct {
	name   string // in messages
	object string // what has no name of its own is called so
	data   []byte
	nodes  *Budget
	level  int // in how many texts this one is embedded

	places places
	starts []int             // offsets at which lines begin, once somebody asked
	keys   map[string]string // every key once: a state has few different ones
	free   []diff.Node       // nodes that are not used yet: many are had for the price of one
}

// maxMarks bounds the characters that may begin a value, before a file is parsed: the tree that a parser makes of the densest file is a
// hundred times as large as the file.
const maxMarks = 3_000_000

// check refuses what is no text, and takes the byte order mark from it.
func (in *input) check() error {
	if i := bytes.IndexByte(in.data, 0); i >= 0 {
		return in.fail(i, "got a NUL byte, want text: a binary file, or one in UTF-16")
	}
	for i := 0; i < len(in.data); {
		if in.data[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(in.data[i:])
		if r == utf8.RuneError && size == 1 {
			return in.fail(i, "got the byte 0x%02x, want UTF-8", in.data[i])
		}
		i += size
	}
	in.data = bytes.TrimPrefix(in.data, []byte("\xef\xbb\xbf"))
	in.places = places{data: in.data}
	return in.marks()
}

func (in *input) marks() error {
	marks := 0
	for _, c := range in.data {
		if c == '\n' || c == ',' || c == '[' || c == '{' {
			marks++
		}
	}
	if marks > maxMarks {
		return fmt.Errorf("%s: the file may hold more than %d values: split it", in.name, maxMarks)
	}
	return nil
}

// fail makes an error at an offset.
func (in *input) fail(offset int, format string, args ...any) error {
	if in.places.data == nil {
		in.places.data = in.data
	}
	line, column := in.places.at(offset)
	return in.errorAt(line, column, format, args...)
}

func (in *input) errorAt(line, column int, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %w", in.name, line, column, fmt.Errorf(format, args...))
}

// twice is the error for a key that a mapping has already.
func (in *input) twice(key string, first *diff.Node, line, column int) error {
	return in.errorAt(line, column, "the key %s stands here twice, first at line %d", shownKey(key), first.Line)
}

// shownKey quotes a key for a message. A long one may be anything, and any may be a token.
func shownKey(k string) string { return strconv.Quote(clean.Cut(diff.Masked(k), 60)) }

// recovered turns a panic of a parser that is not ours into an error: the file is hostile.
func (in *input) recovered(err *error, language string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: %s: %w", in.name, language, errGaveUp)
	}
}

var errGaveUp = errors.New("the parser gave up")

// key gives a key that all values of the file share.
func (in *input) key(k string) string {
	if shared, ok := in.keys[k]; ok {
		return shared
	}
	if in.keys == nil {
		in.keys = map[string]string{}
	}
	in.keys[k] = k
	return k
}

func (in *input) fresh() *diff.Node {
	if len(in.free) == 0 {
		in.free = make([]diff.Node, 64)
	}
	n := &in.free[0]
	in.free = in.free[1:]
	return n
}

// places gives lines and columns of offsets, both from 1, the column in characters. Asked in the order of the text it reads it once.
type places struct {
	data         []byte
	offset       int // of the last answer
	line, column int // of it, from 0
}

func (p *places) at(offset int) (line, column int) {
	offset = min(offset, len(p.data))
	if offset < p.offset {
		p.offset, p.line, p.column = 0, 0, 0
	}
	step := p.data[p.offset:offset]
	if last := bytes.LastIndexByte(step, '\n'); last >= 0 {
		p.line += bytes.Count(step, []byte("\n"))
		p.column, step = 0, step[last+1:]
	}
	p.column += utf8.RuneCount(step)
	p.offset = offset
	return p.line + 1, p.column + 1
}

// line gives a line of the text, from 1, without its end.
func (in *input) line(n int) []byte {
	if in.starts == nil {
		in.starts = []int{0}
		for i, c := range in.data {
			if c == '\n' {
				in.starts = append(in.starts, i+1)
			}
		}
	}
	if n < 1 || n > len(in.starts) {
		return nil
	}
	line := in.data[in.starts[n-1]:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	return bytes.TrimSuffix(line, []byte("\r"))
}

// lines gives the lines of a text without their ends, and where they begin.
func lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		offset := 0
		for line := range strings.Lines(text) {
			if !yield(offset, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")) {
				return
			}
			offset += len(line)
		}
	}
}
