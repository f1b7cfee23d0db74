package source

import (
	"strings"
	"unicode"

	"github.com/bakegate/bakegate/internal/diff"
)

// dotenv parses KEY=value lines as they are written in the wild: with export, quotes, comments, values over several lines, and the
// form KEY: "value". Variables in values stay as they are written. No error repeats a value, which may be a secret.
func (in input) dotenv() ([]diff.Object, error) {
	s := &dotenvScanner{input: in, text: strings.ReplaceAll(string(in.data), "\r\n", "\n")}
	root := &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}, Line: 1, Column: 1}
	for s.next() {
		start := s.pos
		key, n, err := s.entry()
		if err == nil {
			err = s.nodes.take(1)
		}
		if err == nil && root.Fields[key] != nil {
			err = s.fail(start, "the key %s stands here twice, first at line %d", shownKey(key), root.Fields[key].Line)
		}
		if err != nil {
			return nil, err
		}
		root.Fields[key] = n
	}
	return []diff.Object{{Kind: diff.KindDotenv, Name: in.object, Root: root, File: in.name}}, nil
}

type dotenvScanner struct {
	input
	text string // with line ends as \n
	pos  int
	// line is that of the offset lined: positions are asked for in the order of the text.
	line, lined int
}

// place gives line and column of an offset, which must not be before the last one.
func (s *dotenvScanner) place(offset int) (line, column int) {
	if offset < s.lined {
		s.line, s.lined = 0, 0
	}
	s.line += strings.Count(s.text[s.lined:offset], "\n")
	s.lined = offset
	_, column = position([]byte(s.text[strings.LastIndexByte(s.text[:offset], '\n')+1:offset]), offset)
	return s.line + 1, column
}

func (s *dotenvScanner) fail(offset int, format string, args ...any) error {
	line, column := s.place(min(offset, len(s.text)))
	return s.errorAt(line, column, format, args...)
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
	line, column := s.place(start)
	n := &diff.Node{Type: "string", Line: line, Column: column}
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
	var err error
	n.Value, err = s.value(colon)
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
