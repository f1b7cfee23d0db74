package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/bakegate/bakegate/internal/diff"
)

// jsonReader reads JSON with positions. JSON is no part of YAML in practice: a pair of \u escapes for one character is no YAML.
type jsonReader struct {
	*input
	dec *json.Decoder
}

// json parses a text with one or more values.
func (in *input) json() ([]*diff.Node, error) {
	r := &jsonReader{input: in, dec: json.NewDecoder(bytes.NewReader(in.data))}
	r.dec.UseNumber()
	var docs []*diff.Node
	for {
		n, err := r.value("", 0)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, n)
	}
}

// at gives line and column of an offset, behind white space and what separates values.
func (r *jsonReader) at(offset int) (line, column int) { return r.places.at(r.behind(offset)) }

func (r *jsonReader) behind(offset int) int {
	for offset < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[offset]) >= 0 {
		offset++
	}
	return offset
}

func (r *jsonReader) malformed(err error) error {
	offset := int(r.dec.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && int(syntax.Offset) > offset { // it counts the character that is wrong
		offset = int(syntax.Offset) - 1
	}
	if syntax != nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		offset = r.behind(offset)
		return r.fail(offset, "malformed JSON: want a value, a comma or a closing bracket%s", r.hint(offset))
	}
	return r.fail(r.behind(offset), "%w", err)
}

// hint says what a person may have meant at the offset that is no JSON.
func (r *jsonReader) hint(offset int) string {
	before := bytes.TrimRight(r.data[:offset], " \t\r\n")
	switch rest := r.data[offset:]; {
	case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("/*")), bytes.HasPrefix(rest, []byte("#")):
		return " (JSON has no comments: take them out, or list the file under exclude)"
	case len(rest) > 0 && (rest[0] == '}' || rest[0] == ']') && bytes.HasSuffix(before, []byte(",")):
		return " (JSON has no comma behind the last value)"
	case len(rest) > 0 && rest[0] == '\'':
		return " (JSON has double quotes alone)"
	case bytes.HasPrefix(r.data[max(0, offset-1):], []byte("{{")):
		return " (a template? render it first, or list it under exclude)"
	case len(before) == 0:
		return " (is it JSON? its name says so)"
	}
	return ""
}

func (r *jsonReader) value(key string, depth int) (*diff.Node, error) {
	line, column := r.at(int(r.dec.InputOffset()))
	t, err := r.dec.Token()
	if errors.Is(err, io.EOF) && depth == 0 {
		return nil, io.EOF
	}
	if err != nil {
		return nil, r.malformed(err)
	}
	if err := r.nodes.take(depth); err != nil {
		return nil, r.errorAt(line, column, "%w", err)
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
		if r.mayHold(n, key) {
			r.embed(n, key, r.spreadOf(line, column, v))
		}
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
			return r.malformed(err)
		}
		key, ok := t.(string)
		if !ok {
			return r.errorAt(line, column, "malformed JSON: want a key")
		}
		if first := n.Fields[key]; first != nil {
			return r.twice(key, first, line, column)
		}
		v, err := r.value(key, depth+1)
		if err != nil {
			return err
		}
		v.Line, v.Column = line, column
		n.Fields[r.key(key)] = v
	}
	return r.closed()
}

func (r *jsonReader) array(n *diff.Node, depth int) error {
	n.IsList, n.Items = true, []*diff.Node{}
	for r.dec.More() {
		v, err := r.value("", depth+1)
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
		return r.malformed(err)
	}
	return nil
}
