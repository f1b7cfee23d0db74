// Package format reads configuration: from a file's bytes to objects, with the line and column of every value. It is pure.
//
// # The flow
//
//	bytes (text.go) ─► detect (detect.go: by content, then by name) ─► a syntax gives documents (yaml.go, json.go, toml.go, ...)
//	─► a dialect says what a document means (kubernetes.go, compose.go, ecs.go, terraform.go, flagd.go)
//
// A text that is a document itself is parsed where it is read (embed.go). A file is read whole or refused with file:line:col; nothing in
// it is left out. No error repeats a value, which may be a secret.
//
// # To add a format
//
//	a syntax    its file with a parser, a constant and a line in syntax.parse, its names in detect.go
//	a dialect   its file, a line in dialects
package format

import (
	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// File is a text that a source has read.
type File struct {
	Name   string // as it is called in messages and in Object.File: deploy/production/app.yaml
	Object string // the path below the state's root, by whose end the format is told: the name of what has none of its own
	Data   []byte
}

// Parse gives the objects of a file. Where no format fits, the error is ErrUnknown; every other begins with file:line:col, or with
// file:line where the parser knows no more.
func Parse(f File, b *Budget) ([]diff.Object, error) {
	in := &input{name: clean.Text(f.Name), object: f.Object, data: f.Data, nodes: b}
	if err := in.check(); err != nil {
		return nil, err
	}
	s, err := in.detect()
	if err != nil {
		return nil, err
	}
	docs, err := s.parse(in)
	if err != nil {
		return nil, err
	}
	return in.objects(s, docs)
}

// syntax is how a text is written.
type syntax uint8

const (
	syntaxNone syntax = iota
	syntaxYAML
	syntaxJSON
	syntaxTOML
	syntaxHCL
	syntaxProperties
	syntaxINI
	syntaxDotenv
)

var syntaxNames = [...]string{"", "yaml", "json", "toml", "hcl", "properties", "ini", "dotenv"}

// String gives the name that stands in Node.Format.
func (s syntax) String() string { return syntaxNames[s] }

// parse gives the documents of a text.
func (s syntax) parse(in *input) ([]*diff.Node, error) {
	switch s {
	case syntaxJSON:
		return in.json()
	case syntaxTOML:
		return in.toml()
	case syntaxHCL:
		return in.hcl()
	case syntaxProperties:
		return in.properties()
	case syntaxINI:
		return in.ini()
	case syntaxDotenv:
		return in.dotenv()
	}
	return in.yaml()
}
