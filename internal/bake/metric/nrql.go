package metric

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// nrqlToken is a part of a query. Blanks are parts too, so that the parts together are the query.
type nrqlToken struct {
	kind  byte // w a word, ' a string, ` a name, ' ' blanks, or the character itself
	text  string
	depth int // of brackets around it
	regex bool
}

// scanNRQL splits a query. It refuses what could hide the window that is added at the end: comments, and strings whose end depends on how
// a backslash is read.
func scanNRQL(text string) ([]nrqlToken, error) {
	var out []nrqlToken
	depth := 0
	for i := 0; i < len(text); {
		t, err := nrqlNext(text[i:], out)
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", i+1, err)
		}
		if t.kind == ')' {
			depth--
		}
		if t.depth = depth; depth < 0 {
			return nil, fmt.Errorf("column %d: the brackets do not fit together", i+1)
		}
		if t.kind == '(' {
			depth++
		}
		out = append(out, t)
		i += len(t.text)
	}
	if depth != 0 {
		return nil, errors.New("the brackets do not fit together")
	}
	return out, nil
}

func nrqlNext(rest string, before []nrqlToken) (nrqlToken, error) {
	c := rest[0]
	switch {
	case c == '\'' || c == '`':
		end := strings.IndexByte(rest[1:], c)
		if end < 0 {
			return nrqlToken{}, fmt.Errorf("what begins with %c has no end", c)
		}
		text := rest[:end+2]
		if strings.HasSuffix(text, `\`+string(c)) {
			return nrqlToken{}, errors.New("a backslash stands before a quote: what that means differs, leave it out")
		}
		return nrqlToken{kind: c, text: text, regex: c == '\'' && isRegex(before)}, nil
	case c == '"':
		return nrqlToken{}, errors.New(`got ", want single quotes around a text and backticks around a name`)
	case c == '$':
		return nrqlToken{}, errors.New("a variable stands in a text: '$service'")
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"), c == ';':
		return nrqlToken{}, fmt.Errorf("got %q: comments and several statements can't be asked", rest[:min(2, len(rest))])
	case isNRQLSpace(c):
		return nrqlToken{kind: ' ', text: rest[:prefixOf(rest, isNRQLSpace)]}, nil
	case isNRQLWord(c):
		return nrqlToken{kind: 'w', text: rest[:prefixOf(rest, isNRQLWord)]}, nil
	}
	return nrqlToken{kind: c, text: rest[:1]}, nil
}

func isNRQLSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isNRQLWord(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func prefixOf(s string, in func(byte) bool) int {
	for i := 0; i < len(s); i++ {
		if !in(s[i]) {
			return i
		}
	}
	return len(s)
}

// isRegex reports whether a string behind these parts is a regular expression: RLIKE '...', r'...', or an argument of a function that
// takes one.
func isRegex(before []nrqlToken) bool {
	for i := len(before) - 1; i >= 0; i-- {
		t := before[i]
		switch {
		case t.kind == 'w' && (strings.EqualFold(t.text, "rlike") || t.text == "r"):
			return true
		case t.kind == 'w' && (strings.EqualFold(t.text, "capture") || strings.EqualFold(t.text, "aparse")):
			return true
		case t.kind != ' ' && t.kind != '(' && t.kind != ',' && t.kind != '\'':
			return false
		}
	}
	return false
}

// fillNRQL puts the variables into the strings of a query. What a string can't hold without an escape is refused: New Relic documents
// none that every form of a string reads.
func fillNRQL(text string, v values) (string, error) {
	tokens, err := scanNRQL(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range tokens {
		if t.kind != '\'' {
			b.WriteString(t.text)
			continue
		}
		text, err := v.through(t.text, func(name, value string) (string, error) { return nrqlPart(name, value, t.regex) })
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// nrqlPart is a value in a string. A percent sign would match anything in LIKE.
func nrqlPart(name, value string, regex bool) (string, error) {
	for _, r := range value {
		if !strings.ContainsRune("_-./:@+ ", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return "", fmt.Errorf("$%s is %q: want letters, digits, blanks and _-./:@+ in a text, the others can't be escaped in every one", name, clean.Cut(value, 60))
		}
	}
	if regex {
		value = strings.NewReplacer(".", "[.]", "+", "[+]").Replace(value)
	}
	return value, nil
}

// nrqlClauses end the list behind SELECT.
var nrqlClauses = map[string]bool{"from": true, "where": true, "facet": true, "with": true, "extrapolate": true, "join": true, "order": true}

// ourClauses are added here, or would change which part of the data a query sees.
var ourClauses = map[string]string{
	"since": "the window is added to the query", "until": "the window is added to the query", "timeseries": "the window's intervals are added to the query",
	"slide": "intervals that overlap count twice", "compare": "bakegate compares with the time before the deploy (compare: before)",
	"limit": "a limit hides what is beyond it", "offset": "an offset hides what is before it", "predict": "a forecast is no observation",
}

// checkNRQL looks whether a query suits its kind.
func checkNRQL(q Query) error {
	tokens, err := scanNRQL(q.Text)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if why, ours := ourClauses[strings.ToLower(t.text)]; ours && t.kind == 'w' {
			return fmt.Errorf("got %s, want the query without it: %s", strings.ToUpper(t.text), why)
		}
	}
	if !hasWord(tokens, "from") {
		return errors.New("got no FROM, want NRQL: SELECT count(*) FROM Transaction WHERE appName = '$service'")
	}
	if q.Kind == Expr && hasWord(tokens, "facet") {
		return errors.New("got FACET, want one value: leave it out")
	}
	return checkSelected(q.Kind, selected(tokens))
}

func hasWord(tokens []nrqlToken, word string) bool {
	for _, t := range tokens {
		if t.kind == 'w' && t.depth == 0 && strings.EqualFold(t.text, word) {
			return true
		}
	}
	return false
}

// selected is what stands behind SELECT, without blanks.
func selected(tokens []nrqlToken) (out []nrqlToken) {
	in := false
	for _, t := range tokens {
		word := strings.ToLower(t.text)
		switch {
		case t.kind == 'w' && t.depth == 0 && word == "select":
			in = true
		case t.kind == 'w' && t.depth == 0 && nrqlClauses[word]:
			in = false
		case in && t.kind != ' ':
			out = append(out, t)
		}
	}
	return out
}

// checkSelected wants one value, and of a counter one that can be added up over intervals: counts, sums of counts, nothing divided.
func checkSelected(kind Kind, tokens []nrqlToken) error {
	functions := 0
	for i, t := range tokens {
		call := t.kind == 'w' && i+1 < len(tokens) && tokens[i+1].kind == '('
		switch {
		case t.depth > 0:
		case t.kind == ',':
			return errors.New("SELECT names several values, want one: write a metric for each")
		case call && kind == Counter && !additive(tokens[i:]):
			return fmt.Errorf("got %s(...), want count(...), sum(...) or filter(count(...), WHERE ...): a count of each interval, not a rate or a share", clean.Cut(t.text, 40))
		case kind == Counter && strings.IndexByte("+-*/", t.kind) >= 0:
			return fmt.Errorf("got an operation with %c, want a count of each interval as it is", t.kind)
		}
		if call && t.depth == 0 {
			functions++
		}
	}
	if functions == 0 {
		return errors.New("SELECT has no function, want one such as count(*) or average(duration)")
	}
	return nil
}

// additive reports whether a call gives counts.
func additive(call []nrqlToken) bool {
	switch strings.ToLower(call[0].text) {
	case "count", "sum":
		return true
	case "filter":
		return len(call) > 3 && call[3].kind == '(' && !strings.EqualFold(call[2].text, "filter") && additive(call[2:])
	}
	return false
}
