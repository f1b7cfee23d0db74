package deployed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// maxMarks bounds the characters of a YAML file that may begin a value, before it is parsed: the parser's own tree of the densest file is a
// hundred times as large as the file.
const maxMarks = 3_000_000

// documents parses a file of any number of documents. JSON has a parser of its own, because not all of it is YAML: tabs, and characters
// that are written as two escapes.
func documents(name string, data []byte, isJSON bool) ([]*yaml.Node, error) {
	if err := plainText(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if isJSON {
		return jsonDocuments(name, data)
	}
	marks := 0
	for _, c := range data {
		if c == '\n' || c == ',' || c == '[' || c == '{' {
			marks++
		}
	}
	if marks > maxMarks {
		return nil, fmt.Errorf("%s: the file may hold more than %d values: split it", name, maxMarks)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var docs []*yaml.Node
	for {
		var doc yaml.Node
		switch err := decode(dec, &doc); {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, yamlError(name, data, err)
		}
		docs = append(docs, doc.Content...)
	}
}

// plainText refuses what is no UTF-8 text.
func plainText(data []byte) error {
	switch {
	case bytes.IndexByte(data, 0) >= 0:
		return errors.New("got a NUL byte, want text: a binary file, or one in UTF-16")
	case !utf8.Valid(data):
		return errors.New("got bytes that are no UTF-8")
	}
	return nil
}

// decode turns a panic of the parser into an error: the file is hostile.
func decode(dec *yaml.Decoder, doc *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("yaml: the parser gave up")
		}
	}()
	return dec.Decode(doc)
}

var (
	yamlLine   = lazyregexp.New(`^line (\d+): `)
	yamlQuoted = lazyregexp.New(`'[^']*'|"[^"]*"|` + "`[^`]*`")
)

const notRendered = "it is not rendered: give the output of helm template, kubectl kustomize or envsubst, or list the file under exclude"

// yamlError gives the parser's error the form of ours. What it quotes from the file may be a secret, and is left out.
func yamlError(name string, data []byte, err error) error {
	text, at := strings.TrimPrefix(err.Error(), "yaml: "), name
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		at += ":" + m[1]
		text = text[len(m[0]):]
	}
	text = clean.Text(yamlQuoted.ReplaceAllString(text, "a text"))
	if bytes.Contains(data, []byte("{{")) {
		return fmt.Errorf("%s: YAML: %s: %s", at, text, notRendered)
	}
	return fmt.Errorf("%s: YAML: %s", at, text)
}

// jsonTree builds the same nodes from JSON as the YAML parser does from YAML.
type jsonTree struct {
	dec  *json.Decoder
	data []byte
	read int // bytes whose lines are counted
	line int
}

func jsonDocuments(name string, data []byte) ([]*yaml.Node, error) {
	j := &jsonTree{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	j.dec.UseNumber()
	var docs []*yaml.Node
	for {
		n, err := j.value(0)
		switch {
		case errors.Is(err, io.EOF) && n == nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return docs, nil
		case err != nil:
			hint := ""
			if bytes.Contains(data, []byte("{{")) {
				hint = ": " + notRendered
			}
			return nil, fmt.Errorf("%s:%d: JSON: it is malformed, or nested deeper than %d%s", name, j.at(), maxDepth, hint)
		}
		docs = append(docs, n)
	}
}

// maxDepth is how deep values may be nested in each other.
const maxDepth = 100

var errMalformed = errors.New("malformed")

// at is the line of what was read last.
func (j *jsonTree) at() int {
	if end := min(int(j.dec.InputOffset()), len(j.data)); end > j.read {
		j.line += bytes.Count(j.data[j.read:end], []byte("\n"))
		j.read = end
	}
	return j.line
}

// value reads one value. io.EOF without a node is the end of the file; within a value the end is malformed.
func (j *jsonTree) value(depth int) (*yaml.Node, error) {
	t, err := j.dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errMalformed
	}
	n := &yaml.Node{Line: j.at()}
	switch t := t.(type) {
	case json.Delim:
		return j.nested(n, t, depth)
	case string:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!str", t
	case json.Number:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!float", t.String()
	case bool:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!bool", fmt.Sprint(t)
	default:
		n.Kind, n.Tag = yaml.ScalarNode, "!!null"
	}
	return n, nil
}

func (j *jsonTree) nested(n *yaml.Node, open json.Delim, depth int) (*yaml.Node, error) {
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for j.dec.More() { // a key and a value are two
		v, err := j.value(depth + 1)
		if err != nil {
			return nil, errMalformed
		}
		n.Content = append(n.Content, v)
	}
	if _, err := j.dec.Token(); err != nil {
		return nil, errMalformed
	}
	return n, nil
}
