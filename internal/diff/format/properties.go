package format

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/bakegate/bakegate/internal/diff"
)

// properties parses Java's .properties files (java.util.Properties.load): = : or white space behind the key, \u escapes, lines that go on
// behind a backslash, comments with # and !. The keys stay flat. A line #--- or !--- begins another document, as in Spring.
func (in *input) properties() ([]*diff.Node, error) {
	p := &propertiesReader{input: in, text: string(in.data)}
	root := p.document(1)
	docs := []*diff.Node{root}
	for p.pos < len(p.text) {
		start := p.pos
		line := p.natural()
		switch text := strings.TrimLeft(line, propertySpace); {
		case line == "#---" || line == "!---":
			at, _ := p.places.at(start)
			root = p.document(at)
			docs = append(docs, root)
		case text == "" || text[0] == '#' || text[0] == '!':
		default:
			if err := p.entry(root, start+len(line)-len(text), p.logical(text)); err != nil {
				return nil, err
			}
		}
	}
	return docs, nil
}

type propertiesReader struct {
	*input
	text string
	pos  int
}

// propertySpace is white space as Java's reader knows it.
const propertySpace = " \t\f"

func (p *propertiesReader) document(line int) *diff.Node {
	return &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}, Line: line, Column: 1}
}

// natural takes a line of the file, without its end.
func (p *propertiesReader) natural() string {
	line, _, _ := strings.Cut(p.text[p.pos:], "\n")
	p.pos = min(p.pos+len(line)+1, len(p.text))
	return strings.TrimSuffix(line, "\r")
}

// logical adds the lines that a line goes on with: it ends in an odd number of backslashes.
func (p *propertiesReader) logical(line string) string {
	if !goesOn(line) {
		return line
	}
	var b strings.Builder
	for goesOn(line) && p.pos < len(p.text) {
		b.WriteString(line[:len(line)-1])
		line = strings.TrimLeft(p.natural(), propertySpace)
	}
	if goesOn(line) { // nothing follows
		line = line[:len(line)-1]
	}
	b.WriteString(line)
	return b.String()
}

func goesOn(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// entry reads key and value of a logical line that begins at an offset.
func (p *propertiesReader) entry(to *diff.Node, offset int, line string) error {
	n := &diff.Node{Type: "string"}
	n.Line, n.Column = p.places.at(offset)
	end := keyEnd(line)
	key, err := unescape(line[:end])
	if err != nil {
		return p.errorAt(n.Line, n.Column, "%w", err)
	}
	value := strings.TrimLeft(line[end:], propertySpace)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], propertySpace)
	}
	if n.Value, err = unescape(value); err != nil {
		return p.errorAt(n.Line, n.Column, "%w", err)
	}
	if p.mayHold(n, key) {
		p.embed(n, key, nil)
	}
	return p.add(to, key, n)
}

// keyEnd is where the key of a line ends: at the first = : or white space that is not escaped.
func keyEnd(line string) int {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '=', ':', ' ', '\t', '\f':
			return i
		}
	}
	return len(line)
}

// unescape resolves backslashes: \t \n \r \f \uXXXX, and any other character stands for itself.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, size, err := unicodeEscape(s[i-1:])
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			i += size - 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// unicodeEscape reads \uXXXX, and the second one of a pair that stands for one character.
func unicodeEscape(s string) (r rune, size int, err error) {
	r, ok := codeUnit(s)
	if !ok {
		return 0, 0, errEscape
	}
	if low, ok := codeUnit(s[6:]); ok && utf16.IsSurrogate(r) {
		if pair := utf16.DecodeRune(r, low); pair != '\ufffd' {
			return pair, 12, nil
		}
	}
	return r, 6, nil
}

func codeUnit(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(v), err == nil
}

var errEscape = errors.New(`want four hexadecimal digits behind \u`)
