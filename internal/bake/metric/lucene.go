package metric

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/clean"
)

// luceneToken is a part of a query in the syntax of Lucene's classic parser, which query_string takes. Blanks are parts too, so that the
// parts together are the query.
type luceneToken struct {
	kind byte // w a word, " a phrase, / a regular expression, [ a range, A O N for AND OR NOT, ' ' blanks, or the character itself
	text string
}

const (
	luceneBlanks = " \t\n\r\u3000"
	luceneEnds   = luceneBlanks + `!():^[]"{}~/` // what ends a word where no backslash stands before it
)

func scanLucene(text string) (out []luceneToken, err error) {
	for i := 0; i < len(text); {
		t, err := luceneNext(text[i:])
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", i+1, err)
		}
		out = append(out, t)
		i += len(t.text)
	}
	return out, nil
}

func luceneNext(rest string) (luceneToken, error) {
	switch c := rest[0]; {
	case c == '"' || c == '/':
		return luceneQuoted(rest)
	case c == '[' || c == '{':
		return luceneRange(rest)
	case c == ']' || c == '}':
		return luceneToken{}, fmt.Errorf("got %c, and no range begins before it", c)
	case c == '^' || c == '~': // a boost, or how fuzzy what stands before it is
		n := 1 + prefixOf(rest[1:], func(c byte) bool { return c >= '0' && c <= '9' || c == '.' })
		return luceneToken{c, rest[:n]}, nil
	case strings.IndexByte("+-!", c) >= 0 && (len(rest) == 1 || strings.TrimLeft(rest[1:], luceneBlanks) != rest[1:]):
		return luceneToken{}, fmt.Errorf("got %c before a blank, where it is a word of its own: want it right before what it is for", c)
	case c == '!':
		return luceneToken{'N', rest[:1]}, nil
	case strings.IndexByte("+-():", c) >= 0:
		return luceneToken{c, rest[:1]}, nil
	}
	if n := len(rest) - len(strings.TrimLeft(rest, luceneBlanks)); n > 0 {
		return luceneToken{' ', rest[:n]}, nil
	}
	return luceneWord(rest)
}

// luceneQuoted is a phrase or a regular expression. A slash behind a backslash never ends one, whatever stands before the two.
func luceneQuoted(rest string) (luceneToken, error) {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			if i++; rest[0] == '/' && i < len(rest) && rest[i] != '/' {
				i-- // of a regular expression only this is one character
			}
		case rest[0]:
			return luceneToken{rest[0], rest[:i+1]}, nil
		}
	}
	return luceneToken{}, fmt.Errorf("what begins with %c has no end (a slash or a quote within a word stands behind a backslash)", rest[0])
}

// luceneRange is a range up to its bracket. What Lucene takes for a quote in a range differs from what it is elsewhere.
func luceneRange(rest string) (luceneToken, error) {
	end := strings.IndexAny(rest, "]}")
	if end < 0 {
		return luceneToken{}, errors.New("a range has no end, want [500 TO 599]")
	}
	if strings.ContainsAny(rest[:end], `"\`) {
		return luceneToken{}, errors.New("got a quote or a backslash in a range, want numbers, words or dates")
	}
	return luceneToken{'[', rest[:end+1]}, nil
}

func luceneWord(rest string) (luceneToken, error) {
	i := 0
	for i < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[i:])
		if strings.ContainsRune(luceneEnds, r) {
			break
		}
		if i += size; r == '\\' {
			if i == len(rest) {
				return luceneToken{}, errors.New("the query ends with a backslash")
			}
			_, size = utf8.DecodeRuneInString(rest[i:])
			i += size
		}
	}
	kind := byte('w')
	switch rest[:i] {
	case "AND", "&&":
		kind = 'A'
	case "OR", "||":
		kind = 'O'
	case "NOT":
		kind = 'N'
	}
	return luceneToken{kind, rest[:i]}, nil
}

// luceneGroup is what was read of a query, or of what stands in brackets.
type luceneGroup struct {
	last  byte // the kind of the last token but blanks, : for a field's value too
	full  bool // a part has ended
	and   bool
	or    bool
	plus  bool
	minus bool // - or NOT
	loose bool // one of them behind a part, without AND
	bare  bool // a part without any of them
}

// checkLucene refuses what is read in another way than it looks: parts side by side are joined by OR, beside a + the others become
// optional, AND has no precedence over OR, and OR NOT means AND NOT. Each would count other events than those that were meant.
func checkLucene(tokens []luceneToken) error {
	groups := []luceneGroup{{}}
	for _, t := range tokens {
		g := &groups[len(groups)-1]
		if err := g.take(t); err != nil {
			return err
		}
		switch {
		case t.kind == '(':
			groups = append(groups, luceneGroup{})
		case t.kind == ')' && len(groups) == 1:
			return errors.New("the brackets do not fit together")
		case t.kind == ')':
			groups = groups[:len(groups)-1]
		}
	}
	if len(groups) > 1 {
		return errors.New("the brackets do not fit together")
	}
	return groups[0].closes()
}

func (g *luceneGroup) take(t luceneToken) error {
	if t.kind == ' ' {
		return nil
	}
	last := g.last
	g.last = t.kind
	switch t.kind {
	case '^', '~':
		return g.ends()
	case ')':
		return g.closes()
	case ':':
		if last != 'w' {
			return errors.New("got a colon with no field before it: want double quotes around a value that holds one")
		}
		g.full = false
	case 'N', '+', '-':
		if strings.IndexByte("N+-:", last) >= 0 {
			return fmt.Errorf("got %s where a value is wanted: want double quotes around one that begins so", t.text)
		}
		g.plus, g.minus, g.loose = g.plus || t.kind == '+', g.minus || t.kind != '+', g.loose || g.full
		g.full = false
	case 'A', 'O':
		if err := g.ends(); err != nil {
			return err
		}
		g.full, g.and, g.or = false, g.and || t.kind == 'A', g.or || t.kind == 'O'
	default:
		if err := g.part(t, last); err != nil {
			return err
		}
	}
	switch {
	case g.and && g.or:
		return errors.New("got AND beside OR, of which neither comes first: want brackets around one of them")
	case g.or && g.minus:
		return errors.New("got NOT beside OR, from all of which it would be taken: want brackets around the OR, or around the NOT: (*:* AND NOT level:debug)")
	case g.and && g.loose:
		return errors.New("got AND beside a NOT without one, which makes other parts optional: want AND NOT")
	case g.plus && (g.bare || g.and || g.or):
		return errors.New("beside a part with + one without it would only be optional: want AND between all, or + or - before each")
	}
	return nil
}

// part takes a word, or what stands for one.
func (g *luceneGroup) part(t luceneToken, last byte) error {
	if g.full {
		return fmt.Errorf("%s stands beside another part, which would be read as OR: want AND or OR between them, or quotes around both", clean.Cut(t.text, 60))
	}
	g.full = true
	if last == ':' {
		g.last = ':'
	}
	g.bare = g.bare || strings.IndexByte("N+-:", last) < 0
	return nil
}

func (g *luceneGroup) ends() error {
	if !g.full {
		return errors.New("a part is missing: want a query such as service.name:\"$service\" AND level:error")
	}
	return nil
}

// closes is the end of a query or a bracket.
func (g *luceneGroup) closes() error {
	if g.minus && !g.plus && !g.bare {
		return errors.New("got NOT alone, which in brackets matches nothing: want *:* before it, as in *:* AND NOT level:debug")
	}
	return g.ends()
}

// luceneFields are the fields that a query names, without those by a wildcard and Lucene's own (_index).
func luceneFields(tokens []luceneToken) (names []string) {
	tokens = slices.DeleteFunc(slices.Clone(tokens), func(t luceneToken) bool { return t.kind == ' ' })
	for i := 0; i+2 < len(tokens); i++ {
		if tokens[i].kind != 'w' || tokens[i+1].kind != ':' {
			continue
		}
		name := strings.ReplaceAll(tokens[i].text, `\`, "")
		if name == "_exists_" {
			name = strings.Trim(strings.ReplaceAll(tokens[i+2].text, `\`, ""), `"`)
		}
		if !strings.ContainsAny(name, "*?") && !strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	return names
}

// fillLucene puts the variables into a query. They stand in double quotes, or in a word with a wildcard: both are looked for as they are,
// where the value of a plain word would be cut into several, any of which matches.
func fillLucene(tokens []luceneToken, v values) (string, error) {
	var b strings.Builder
	for i, t := range tokens {
		if strings.Contains(strings.ReplaceAll(t.text, `\\`, ""), `\$`) { // it would take the first character of a value
			return "", fmt.Errorf(`%s: got \$, want $$ for a dollar`, clean.Cut(t.text, 60))
		}
		field := t.kind == 'w' && i+1 < len(tokens) && tokens[i+1].kind == ':'
		text, err := v.through(t.text, func(name, value string) (string, error) {
			switch {
			case t.kind == '"':
				return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value), nil
			case t.kind == 'w' && !field && outsideEscapes(t.text, "*?"):
				return escapeLucene(value), nil
			}
			return "", fmt.Errorf(`$%s stands in %s: want it in double quotes, "$%s", or in a word with a wildcard, $%s-*`, name, clean.Cut(t.text, 60), name, name)
		})
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// outsideEscapes reports whether any of some characters stands without a backslash before it.
func outsideEscapes(text, chars string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		} else if strings.IndexByte(chars, text[i]) >= 0 {
			return true
		}
	}
	return false
}

// escapeLucene makes a value a part of a word: what is neither letter nor digit stands behind a backslash.
func escapeLucene(value string) string {
	var b strings.Builder
	for _, r := range value {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
