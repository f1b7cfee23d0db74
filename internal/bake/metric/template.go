package metric

import (
	"fmt"
	"slices"
	"strings"
)

// Variables may stand in every query's text.
var Variables = []string{"service", "environment", "version", "step"}

// rateInterval may stand in an expression (Expr, Gauge), as a duration: a range long enough for rate() at this step.
const rateInterval = "rate_interval"

// piece is literal text, or a variable's name without its dollar.
type piece struct {
	text     string
	variable bool
	at       int // byte offset in the template
}

// pieces splits a template: $name is a variable, $$ is a literal dollar, and so is a dollar that no identifier follows (a regular
// expression's end, a replacement's $1).
func pieces(s string) []piece {
	var out []piece
	literal, start := strings.Builder{}, 0
	flush := func() {
		if literal.Len() > 0 {
			out = append(out, piece{text: literal.String(), at: start})
			literal.Reset()
		}
	}
	for i := 0; i < len(s); {
		name := ""
		if s[i] == '$' {
			name = identifier(s[i+1:])
		}
		switch {
		case name != "":
			flush()
			out = append(out, piece{text: name, variable: true, at: i})
			i += 1 + len(name)
			start = i
		case strings.HasPrefix(s[i:], "$$"):
			literal.WriteByte('$')
			i += 2
		default:
			literal.WriteByte(s[i])
			i++
		}
	}
	flush()
	return out
}

// Names are the variables that stand in a text, each once.
func Names(text string) []string {
	var names []string
	for _, p := range pieces(text) {
		if p.variable && !slices.Contains(names, p.text) {
			names = append(names, p.text)
		}
	}
	return names
}

// identifier returns the identifier that s begins with, "" if there is none.
func identifier(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9' {
			continue
		}
		return s[:i]
	}
	return s
}

// values gives each variable its value.
type values struct {
	vars  map[string]string
	check bool // only names are looked at: the values are not known yet
}

// get returns a variable's value. An unknown or empty one is an error: an empty value would select other series than those meant.
func (v values) get(name string) (string, error) {
	if !slices.Contains(Variables, name) {
		return "", unknownVariable(name)
	}
	if v.check {
		return name, nil
	}
	if v.vars[name] == "" {
		return "", fmt.Errorf("$%s has no value here: an empty one would select other series; give %s a value or leave $%s out", name, name, name)
	}
	return v.vars[name], nil
}

func unknownVariable(name string) error {
	known := make([]string, len(Variables))
	for i, n := range Variables {
		known[i] = "$" + n
	}
	hint := ""
	for _, n := range Variables {
		if strings.HasPrefix(name, n) {
			hint = fmt.Sprintf(" (a name ends before the first character that is not a letter, a digit or _: $%s is not $%s followed by %q)", name, n, name[len(n):])
		}
	}
	return fmt.Errorf("unknown variable $%s: known are %s%s; a literal dollar is $$", name, strings.Join(known, ", "), hint)
}

// fill puts the variables into text that has no structure.
func (v values) fill(s string) (string, error) {
	return v.through(s, func(_, value string) (string, error) { return value, nil })
}

// through puts the variables into a text, each through escape.
func (v values) through(s string, escape func(name, value string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range pieces(s) {
		text := p.text
		if p.variable {
			var err error
			if text, err = v.get(p.text); err == nil {
				text, err = escape(p.text, text)
			}
			if err != nil {
				return "", err
			}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}
