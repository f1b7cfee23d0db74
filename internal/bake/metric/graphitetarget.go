package metric

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// plainFunctions may stand around a counter: they change no value.
var plainFunctions = map[string]bool{"seriesByTag": true, "alias": true, "aliasByNode": true, "aliasByTags": true, "aliasByMetric": true, "aliasSub": true,
	"exclude": true, "grep": true, "group": true}

// addingFunctions may stand around counts of intervals, which can be added up before anything is taken from them.
// A running total that is 0 where it is null would look like a restart.
var addingFunctions = map[string]bool{"transformNull": true, "sumSeries": true, "sum": true, "sumSeriesWithWildcards": true, "groupByNode": true, "groupByNodes": true, "groupByTags": true}

// graphiteTarget puts the variables into a target and looks whether it suits its kind.
func graphiteTarget(q Query, counts bool, v values) (string, error) {
	target, err := fillGraphite(q.Text, v)
	if err != nil {
		return "", fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	if q.Kind != Counter {
		return target, nil
	}
	for _, f := range graphiteFunctions(q.Text) {
		if !plainFunctions[f] && (!counts || !addingFunctions[f]) {
			return "", fmt.Errorf("%s: a metric names counters as they are stored, not rates or sums of them: got %s(...), want the path, or seriesByTag(...)", clean.Cut(q.Text, 200), clean.Cut(f, 40))
		}
	}
	return target, nil
}

// graphiteFunctions are the names before the brackets of a target, strings left out.
func graphiteFunctions(text string) (names []string) {
	quote, start := byte(0), 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote, start = 0, i+1
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			names = append(names, strings.TrimSpace(text[start:i]))
			start = i + 1
		case c == ',' || c == ')':
			start = i + 1
		}
	}
	return names
}

// fillGraphite puts the variables in. In a path they become one part of it: what a path can't hold becomes _, as senders write it. In a
// string a value that could end it, or turn a comparison into another, is refused: there is no escape that every server reads.
func fillGraphite(text string, v values) (string, error) {
	var b strings.Builder
	quote, opened := byte(0), 0
	var open []byte // brackets
	for i := 0; i < len(text); i++ {
		c := text[i]
		if name := identifier(text[i+1:]); c == '$' && name != "" {
			value, err := v.get(name)
			if err != nil {
				return "", err
			}
			if quote == 0 {
				value = pathPart(value)
			} else if value, err = quotedPart(name, value, text[opened:i]); err != nil {
				return "", err
			}
			b.WriteString(value)
			i += len(name)
			continue
		}
		switch {
		case strings.HasPrefix(text[i:], "$$"):
			i++
		case c == '\\' && i+1 < len(text):
			b.WriteByte(c)
			i++
			c = text[i]
		case quote == 0 && (c == '\'' || c == '"'):
			quote, opened = c, i+1
		case c == quote:
			quote = 0
		case quote == 0 && !nest(&open, c):
			return "", fmt.Errorf("column %d: the brackets do not fit together", i+1)
		}
		b.WriteByte(c)
	}
	if quote != 0 {
		return "", fmt.Errorf("the string that begins at column %d has no end", opened)
	}
	if len(open) > 0 {
		return "", errors.New("the brackets do not fit together")
	}
	return b.String(), nil
}

// nest follows brackets and reports whether they fit. graphite-web answers a target that it can't read as one that matches nothing.
func nest(open *[]byte, c byte) bool {
	closes := map[byte]byte{')': '(', ']': '[', '}': '{'}
	switch n := len(*open); {
	case c == '(' || c == '[' || c == '{':
		*open = append(*open, c)
	case closes[c] == 0:
	case n == 0 || (*open)[n-1] != closes[c]:
		return false
	default:
		*open = (*open)[:n-1]
	}
	return true
}

// pathPart is a value as senders write it into a path.
func pathPart(value string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, value)
}

// quotedPart is a value in a string, before is what stands in the string before it.
func quotedPart(name, value, before string) (string, error) {
	for _, r := range value {
		if !strings.ContainsRune("_-./:@", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return "", fmt.Errorf("$%s is %q: want letters, digits and _-./:@ in a string of a target, Graphite has no way to escape the others", name, clean.Cut(value, 60))
		}
	}
	if strings.Contains(before, "=~") {
		value = strings.ReplaceAll(value, ".", "[.]")
	}
	return value, nil
}
