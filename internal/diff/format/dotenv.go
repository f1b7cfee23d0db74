package format

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/bakegate/bakegate/internal/diff"
)

// dotenv parses KEY=value lines as they are written in the wild: with export, quotes, comments, values over several lines, and the
// form KEY: "value". Variables in values stay as they are written.
func (in *input) dotenv() ([]*diff.Node, error) {
	in.data = bytes.ReplaceAll(in.data, []byte("\r\n"), []byte("\n"))
	in.places = places{data: in.data}
	s := &dotenvScanner{input: in, text: string(in.data)}
	root := &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}, Line: 1, Column: 1}
	for s.next() {
		key, n, err := s.entry()
		if err == nil {
			err = s.add(root, key, n)
		}
		if err != nil {
			return nil, err
		}
	}
	return []*diff.Node{root}, nil
}

type dotenvScanner struct {
	*input
	text string // with line ends as \n
	pos  int
}

// add puts a value with its place into a mapping.
func (in *input) add(to *diff.Node, key string, n *diff.Node) error {
	if err := in.nodes.take(1); err != nil {
		return in.errorAt(n.Line, n.Column, "%w", err)
	}
	if first := to.Fields[key]; first != nil {
		return in.twice(key, first, n.Line, n.Column)
	}
	to.Fields[in.key(key)] = n
	return nil
}

// next goes to the next line that says something.
func (s *dotenvScanner) next() bool {
	for s.pos < len(s.text) {
		s.pos += len(s.text[s.pos:]) - len(strings.TrimLeftFunc(s.text[s.pos:], unicode.IsSpace))
		if s.pos < len(s.text) && s.text[s.pos] != '#' {
			return true
		}
		s.rest()
	}
	return false
}

// rest takes what is left of the line.
func (s *dotenvScanner) rest() string {
	end := strings.IndexByte(s.text[s.pos:], '\n')
	if end < 0 {
		end = len(s.text) - s.pos
	}
	line := s.text[s.pos : s.pos+end]
	s.pos = min(s.pos+end+1, len(s.text))
	return line
}

func (s *dotenvScanner) spaces() {
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
}

func (s *dotenvScanner) word() string {
	start := s.pos
	for s.pos < len(s.text) && isKeyByte(s.text[s.pos], s.pos == start) {
		s.pos++
	}
	return s.text[start:s.pos]
}

func isKeyByte(c byte, first bool) bool {
	letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	return letter || !first && (c >= '0' && c <= '9' || c == '.' || c == '-')
}

// entry reads one KEY=value, from its first character to the end of its last line.
func (s *dotenvScanner) entry() (string, *diff.Node, error) {
	key := s.word()
	if key == "export" && s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.spaces()
		key = s.word()
	}
	start := s.pos - len(key)
	n := &diff.Node{Type: "string"}
	n.Line, n.Column = s.places.at(start)
	s.spaces()
	switch {
	case key == "":
		return "", nil, s.fail(start, "want KEY=value")
	case s.pos == len(s.text) || s.text[s.pos] == '\n' || s.text[s.pos] == '#':
		if key != strings.ToUpper(key) { // what is no name may be a part of a secret's value
			return "", nil, s.fail(start, "want KEY=value, got no =")
		}
		n.Type = "null" // docker takes the value from its own environment
		s.rest()
		return key, n, nil
	case s.text[s.pos] == '=':
		s.pos++
	case s.text[s.pos] == ':' && s.pos+1 < len(s.text) && strings.IndexByte(" \t\n", s.text[s.pos+1]) >= 0:
		s.pos++
	default:
		return "", nil, s.fail(s.pos, "want = behind the key")
	}
	colon := s.text[s.pos-1] == ':'
	s.spaces()
	begin := s.pos
	var err error
	if n.Value, err = s.value(colon); err == nil && s.mayHold(n, key) {
		line, column := s.places.at(begin)
		s.embed(n, key, s.spreadOf(line, column, n.Value))
	}
	return key, n, err
}

func (s *dotenvScanner) value(colon bool) (string, error) {
	if s.pos < len(s.text) && strings.IndexByte("\"'`", s.text[s.pos]) >= 0 {
		return s.quoted(colon)
	}
	var b strings.Builder
	for {
		line := s.rest()
		if before, ok := strings.CutSuffix(strings.TrimRight(line, " \t"), `\`); ok && s.pos < len(s.text) && s.text[s.pos] != '\n' {
			b.WriteString(before)
			if colon {
				s.spaces()
			}
			continue
		}
		b.WriteString(withoutComment(line, b.Len() == 0))
		return strings.TrimSpace(b.String()), nil
	}
}

// withoutComment cuts an unquoted value at a # behind a space, or at its beginning.
func withoutComment(line string, whole bool) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 && whole || i > 0 && (line[i-1] == ' ' || line[i-1] == '\t')) {
			return line[:i]
		}
	}
	return line
}

// quoted reads a value in quotes, which may go over several lines. Escapes count in double quotes alone.
func (s *dotenvScanner) quoted(colon bool) (string, error) {
	start, quote := s.pos, s.text[s.pos]
	var b strings.Builder
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == quote:
			s.pos++
			if tail := strings.TrimSpace(s.rest()); tail != "" && tail[0] != '#' {
				return "", s.fail(start, "want nothing but a comment behind the closing quote")
			}
			return b.String(), nil
		case c == '\\' && quote == '"' && s.pos+1 < len(s.text):
			s.pos++
			s.escape(&b, colon)
		default:
			b.WriteByte(c)
		}
	}
	return "", s.fail(start, "the quote is not closed")
}

// escape writes what the character behind a backslash stands for; one that stands for nothing keeps its backslash.
func (s *dotenvScanner) escape(b *strings.Builder, colon bool) {
	switch c := s.text[s.pos]; c {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case '"', '\\', '$', '`':
		b.WriteByte(c)
	case '\n':
		if colon { // as in YAML: the next line goes on behind its indentation
			s.pos++
			s.spaces()
			s.pos--
		}
	default:
		b.WriteByte('\\')
		b.WriteByte(c)
	}
}
