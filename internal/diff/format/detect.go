package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// ErrUnknown is for a text that no format fits.
var ErrUnknown = errors.New("no configuration format that is known")

// byContent stands for the names that say nothing but that something is configured.
const byContent = syntaxNone

// Known says whether a file is configuration by its name. What Parse makes of it depends on its content first.
func Known(name string) bool {
	_, ok := named(name)
	return ok
}

// named tells the syntax by the file's name: x.yaml, x.json, .env, .env.staging, staging.env.
func named(name string) (s syntax, ok bool) {
	base := strings.ToLower(path.Base(name))
	switch path.Ext(base) {
	case ".yaml", ".yml":
		return syntaxYAML, true
	case ".json":
		return syntaxJSON, true
	case ".toml":
		return syntaxTOML, true
	case ".tfvars":
		return syntaxHCL, true
	case ".properties":
		return syntaxProperties, true
	case ".ini":
		return syntaxINI, true
	case ".conf", ".cfg", ".config":
		return byContent, true
	case ".env":
		return syntaxDotenv, true
	}
	if strings.HasPrefix(base, ".env.") {
		return syntaxDotenv, true
	}
	return syntaxNone, false
}

// detect tells the syntax of a file.
func (in *input) detect() (syntax, error) {
	s, known := named(in.object)
	switch first := firstLine(in.data); {
	case !known:
		return in.guess(first), nil
	case s == byContent:
		if s = in.settings(first); s == syntaxNone {
			return s, fmt.Errorf("%s: %w: neither [sections] nor KEY=value", in.name, ErrUnknown)
		}
	case s == syntaxYAML && assigns(in.data, variable):
		return syntaxDotenv, nil
	case (s == syntaxYAML || s == syntaxDotenv) && len(first) > 0 && (first[0] == '{' || first[0] == '[') && json.Valid(in.data):
		return syntaxJSON, nil
	}
	return s, nil
}

// guess tells the syntax of a file whose name says nothing.
func (in *input) guess(first []byte) syntax {
	switch {
	case len(first) == 0:
		return syntaxYAML
	case validJSON(in.data):
		return syntaxJSON
	case sectionLine.Match(first):
		return in.sections()
	case first[0] == '{' || first[0] == '[':
		return syntaxJSON
	case variable.Match(first):
		return syntaxDotenv
	case property.Match(first):
		for _, s := range []syntax{syntaxTOML, syntaxHCL} {
			if in.parses(s) {
				return s
			}
		}
		return syntaxProperties
	}
	return syntaxYAML
}

// settings tells the syntax of a file that may be written in a language of its own.
func (in *input) settings(first []byte) syntax {
	switch {
	case validJSON(in.data):
		return syntaxJSON
	case sectionLine.Match(first):
		return in.sections()
	case assigns(in.data, variable):
		return syntaxDotenv
	case assigns(in.data, property):
		return syntaxProperties
	}
	return syntaxNone
}

func (in *input) sections() syntax {
	if in.parses(syntaxTOML) {
		return syntaxTOML
	}
	return syntaxINI
}

// parses says whether a text parses. What is read is thrown away, so the values don't count.
func (in *input) parses(s syntax) bool {
	_, err := s.parse(&input{data: in.data, places: places{data: in.data}, nodes: NewBudget(in.nodes.left, in.nodes.depth), level: maxEmbeddedLevel})
	return err == nil
}

func validJSON(text []byte) bool {
	t := bytes.TrimLeft(text, " \t\r\n")
	return len(t) > 0 && (t[0] == '{' || t[0] == '[') && json.Valid(t)
}

var (
	// sectionLine begins a part of an INI or TOML file: [a], [[a.b]], [a "b"].
	sectionLine = lazyregexp.New(`^\[{1,2}[ \t]*[A-Za-z0-9_."'@/:*\- \t]+\]{1,2}[ \t]*(?:[#;].*)?$`)
	// variable is a line of a dotenv file, property one of any file of names and values.
	variable = lazyregexp.New(`^(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*=`)
	property = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_.\-\[\]]*[ \t]*=`)
)

// maxFirst bounds how far the first line that says something is looked for, in bytes.
const maxFirst = 64 << 10

// firstLine gives the first line that is not empty and no comment.
func firstLine(data []byte) []byte {
	for line := range bytes.Lines(data[:min(len(data), maxFirst)]) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && line[0] != ';' {
			return line
		}
	}
	return nil
}

// assigns says whether every line of a text is of a form, is empty, is a comment, or goes on from a line that ends in a backslash.
func assigns(data []byte, form *lazyregexp.Regexp) bool {
	found, goesOn := false, false
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		switch {
		case goesOn, len(line) == 0, line[0] == '#':
		case !form.Match(line):
			return false
		default:
			found = true
		}
		goesOn = bytes.HasSuffix(line, []byte(`\`))
	}
	return found
}
