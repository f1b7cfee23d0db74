package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sort"
	"unicode/utf8"

	"github.com/bakegate/bakegate/internal/diff"
)

// jsonReader reads JSON with positions. JSON is no part of YAML in practice: a pair of \u escapes for one character is no YAML.
type jsonReader struct {
	input
	dec   *json.Decoder
	lines []int // offsets at which lines begin
}

// json parses a file with one or more values.
func (in input) json() ([]diff.Object, error) {
	r := &jsonReader{input: in, dec: json.NewDecoder(bytes.NewReader(in.data)), lines: []int{0}}
	r.dec.UseNumber()
	for i, c := range in.data {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	docs := documents{input: in}
	for {
		n, err := r.value(0)
		if errors.Is(err, io.EOF) {
			return docs.objects, nil
		}
		if err == nil {
			err = docs.add(n, 0)
		}
		if err != nil {
			return nil, err
		}
	}
}

// at gives line and column of an offset, behind white space and what separates values.
func (r *jsonReader) at(offset int) (line, column int) {
	for offset < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[offset]) >= 0 {
		offset++
	}
	i := sort.SearchInts(r.lines, offset+1) - 1
	return i + 1, 1 + utf8.RuneCount(r.data[r.lines[i]:min(offset, len(r.data))])
}

func (r *jsonReader) fail(err error) error {
	offset := int(r.dec.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = max(0, int(syntax.Offset)-1)
	}
	line, column := r.at(offset)
	if syntax != nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return r.errorAt(line, column, "malformed JSON: want a value, a comma or a closing bracket")
	}
	return r.errorAt(line, column, "%w", err)
}

func (r *jsonReader) value(depth int) (*diff.Node, error) {
	line, column := r.at(int(r.dec.InputOffset()))
	t, err := r.dec.Token()
	if errors.Is(err, io.EOF) && depth == 0 {
		return nil, io.EOF
	}
	if err == nil {
		err = r.nodes.take(depth)
	}
	if err != nil {
		return nil, r.fail(err)
	}
	n := &diff.Node{Line: line, Column: column}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			err = r.object(n, depth)
		} else {
			err = r.array(n, depth)
		}
	case string:
		n.Type, n.Value = "string", v
	case json.Number:
		n.Type, n.Value = "number", v.String()
	case bool:
		n.Type, n.Value = "bool", map[bool]string{true: "true", false: "false"}[v]
	default:
		n.Type = "null"
	}
	return n, err
}

func (r *jsonReader) object(n *diff.Node, depth int) error {
	n.IsMap, n.Fields = true, map[string]*diff.Node{}
	for r.dec.More() {
		line, column := r.at(int(r.dec.InputOffset()))
		t, err := r.dec.Token()
		if err != nil {
			return r.fail(err)
		}
		key, ok := t.(string)
		if !ok {
			return r.errorAt(line, column, "malformed JSON: want a key")
		}
		if n.Fields[key] != nil {
			return r.errorAt(line, column, "the key %s stands here twice, first at line %d", shownKey(key), n.Fields[key].Line)
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.Line, v.Column = line, column
		n.Fields[key] = v
	}
	return r.closed()
}

func (r *jsonReader) array(n *diff.Node, depth int) error {
	n.IsList, n.Items = true, []*diff.Node{}
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, v)
	}
	return r.closed()
}

// closed reads the closing bracket.
func (r *jsonReader) closed() error {
	if _, err := r.dec.Token(); err != nil {
		return r.fail(err)
	}
	return nil
}
