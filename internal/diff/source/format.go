package source

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// format is how a file is written.
type format uint8

const (
	formatNone format = iota
	formatYAML
	formatJSON
	formatDotenv
)

// formatOf tells the format by the file's name: x.yaml, x.json, .env, .env.staging, staging.env.
func formatOf(name string) format {
	base := strings.ToLower(path.Base(name))
	switch {
	case strings.HasSuffix(base, ".yaml"), strings.HasSuffix(base, ".yml"):
		return formatYAML
	case strings.HasSuffix(base, ".json"):
		return formatJSON
	case base == ".env", strings.HasPrefix(base, ".env."), strings.HasSuffix(base, ".env"):
		return formatDotenv
	}
	return formatNone
}

var dotenvLine = regexp.MustCompile(`^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_.\-]*\s*=`)

// formatByContent guesses by the first line that says something.
func formatByContent(data []byte) format {
	data = data[:min(len(data), 64<<10)]
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		switch {
		case line[0] == '{' || line[0] == '[':
			return formatJSON
		case dotenvLine.Match(line):
			return formatDotenv
		}
		return formatYAML
	}
	return formatYAML
}

// input is a file to be parsed.
type input struct {
	name   string // in messages and Object.File
	object string // the path below the source's root: the name of what has none of its own
	data   []byte
	nodes  *budget
}

func (f format) parse(in input) ([]diff.Object, error) {
	in.name = clean.Text(in.name)
	if err := in.text(); err != nil {
		return nil, err
	}
	in.data = bytes.TrimPrefix(in.data, []byte("\xef\xbb\xbf"))
	switch f {
	case formatJSON:
		return in.json()
	case formatDotenv:
		return in.dotenv()
	}
	return in.yaml()
}

// text refuses what is no UTF-8 text.
func (in input) text() error {
	if i := bytes.IndexByte(in.data, 0); i >= 0 {
		return in.errorf(in.data, i, "got a NUL byte, want text: a binary file, or one in UTF-16")
	}
	for i := 0; i < len(in.data); {
		r, size := utf8.DecodeRune(in.data[i:])
		if r == utf8.RuneError && size == 1 {
			return in.errorf(in.data, i, "got the byte 0x%02x, want UTF-8", in.data[i])
		}
		i += size
	}
	return nil
}

// errorf makes an error at an offset of the data.
func (in input) errorf(data []byte, offset int, format string, args ...any) error {
	line, column := position(data, offset)
	return in.errorAt(line, column, format, args...)
}

func (in input) errorAt(line, column int, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %w", in.name, line, column, fmt.Errorf(format, args...))
}

// position gives line and column of an offset, both from 1, the column in characters.
func position(data []byte, offset int) (line, column int) {
	before := data[:min(offset, len(data))]
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// budget bounds the values of a snapshot.
type budget struct{ left, depth int }

// take counts one value at a depth.
func (b *budget) take(depth int) error {
	b.left--
	switch {
	case b.left < 0:
		return fmt.Errorf("more values than a configuration has (each use of an alias counts): split the state, or list files under exclude")
	case depth > b.depth:
		return fmt.Errorf("values are nested deeper than %d", b.depth)
	}
	return nil
}
