package format

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// maxSiblings bounds the work of the library, which looks for each key among all that its table has: half the square of their number.
const maxSiblings = 100_000_000

// toml parses TOML. The library gives expressions with their places, which are put together here, and says then whether the text as a
// whole is right.
func (in *input) toml() (docs []*diff.Node, err error) {
	defer in.recovered(&err, "TOML")
	root := &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}, Line: 1, Column: 1}
	t := &tomlReader{input: in, root: root, table: root}
	t.parser.Reset(in.data)
	for t.parser.NextExpression() {
		if err := t.expression(t.parser.Expression()); err != nil {
			return nil, err
		}
	}
	var values map[string]any
	if err := toml.Unmarshal(in.data, &values); err != nil {
		return nil, in.tomlError(err)
	}
	return []*diff.Node{root}, nil
}

// tomlError gives the library's error the form of ours.
func (in *input) tomlError(err error) error {
	var d *toml.DecodeError
	if !errors.As(err, &d) {
		return fmt.Errorf("%s: TOML: malformed", in.name)
	}
	line, column := d.Position()
	text := strings.TrimPrefix(d.Error(), "toml: ")
	return in.errorAt(line, max(1, column), "TOML: %s", clean.Text(yamlQuoted.ReplaceAllStringFunc(text, shortQuote)))
}

type tomlReader struct {
	*input
	parser      unstable.Parser
	root, table *diff.Node
	depth       int // of the table
	siblings    int // of all keys, when they came
}

func (t *tomlReader) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		return t.header(e)
	case unstable.KeyValue:
		return t.field(t.table, e, t.depth+1)
	}
	return nil
}

// at gives the place of an expression's part.
func (t *tomlReader) at(n *unstable.Node) (line, column int) { return t.places.at(int(n.Raw.Offset)) }

// header goes to the table that [a.b] or [[a.b]] names.
func (t *tomlReader) header(e *unstable.Node) error {
	t.table, t.depth = t.root, 0
	for key := e.Key(); key.Next(); {
		t.depth++
		k := key.Node()
		list := e.Kind == unstable.ArrayTable && key.IsLast()
		next, err := t.child(t.table, k, list, t.depth)
		if err != nil {
			return err
		}
		if list {
			item := t.mapping(k)
			next.Items = append(next.Items, item)
		}
		if t.table = next; next.IsList { // a table below a list of tables is in its last one
			t.table = next.Items[len(next.Items)-1]
		}
	}
	return nil
}

// child gives the table, or the list of tables, of a name, which may be new.
func (t *tomlReader) child(of *diff.Node, k *unstable.Node, list bool, depth int) (*diff.Node, error) {
	if err := t.nodes.take(depth); err != nil {
		line, column := t.at(k)
		return nil, t.errorAt(line, column, "%w", err)
	}
	name := string(k.Data)
	if n := of.Fields[name]; n != nil {
		if n.IsMap || n.IsList && len(n.Items) > 0 && n.Items[len(n.Items)-1].IsMap {
			return n, nil
		}
		line, column := t.at(k)
		return nil, t.twice(name, n, line, column)
	}
	n := t.mapping(k)
	if list {
		n.IsMap, n.IsList, n.Fields = false, true, nil
	}
	return n, t.put(of, name, n)
}

// put adds a field to a table.
func (t *tomlReader) put(of *diff.Node, name string, n *diff.Node) error {
	if t.siblings += len(of.Fields); t.siblings > maxSiblings {
		return t.errorAt(n.Line, n.Column, "the tables have too many keys: split the file")
	}
	of.Fields[t.key(name)] = n
	return nil
}

func (t *tomlReader) mapping(k *unstable.Node) *diff.Node {
	n := &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}}
	n.Line, n.Column = t.at(k)
	return n
}

// field puts a.b = value into a table.
func (t *tomlReader) field(table *diff.Node, e *unstable.Node, depth int) error {
	key := e.Key()
	for key.Next() && !key.IsLast() {
		next, err := t.child(table, key.Node(), false, depth)
		if err != nil {
			return err
		}
		table = next
		depth++
	}
	k := key.Node()
	name := string(k.Data)
	line, column := t.at(k)
	if first := table.Fields[name]; first != nil {
		return t.twice(name, first, line, column)
	}
	n := &diff.Node{Line: line, Column: column}
	if err := t.put(table, name, n); err != nil {
		return err
	}
	return t.value(n, e.Value(), name, depth)
}

// value reads a value into a node, which has its place.
func (t *tomlReader) value(n *diff.Node, v *unstable.Node, key string, depth int) error {
	n.Value = string(v.Data)
	if err := t.nodes.take(depth); err != nil {
		return t.errorAt(n.Line, n.Column, "%w", err)
	}
	switch v.Kind {
	case unstable.Array:
		return t.array(n, v, depth)
	case unstable.InlineTable:
		return t.inline(n, v, depth)
	case unstable.String:
		n.Type = "string"
		if t.mayHold(n, key) {
			line, column := t.at(v)
			t.embed(n, key, t.spreadOf(line, column, n.Value))
		}
	case unstable.Bool:
		n.Type = "bool"
	case unstable.Integer, unstable.Float:
		n.Type = "number"
	default:
		n.Type = "datetime"
	}
	return nil
}

func (t *tomlReader) array(n *diff.Node, v *unstable.Node, depth int) error {
	n.IsList, n.Value, n.Items = true, "", []*diff.Node{}
	for items := v.Children(); items.Next(); {
		item := &diff.Node{Line: n.Line, Column: n.Column}
		if items.Node().Kind != unstable.Array { // the library does not say where a list is: at its field
			item.Line, item.Column = t.at(items.Node())
		}
		if err := t.value(item, items.Node(), "", depth+1); err != nil {
			return err
		}
		n.Items = append(n.Items, item)
	}
	return nil
}

func (t *tomlReader) inline(n *diff.Node, v *unstable.Node, depth int) error {
	n.IsMap, n.Value, n.Fields = true, "", map[string]*diff.Node{}
	for fields := v.Children(); fields.Next(); {
		if err := t.field(n, fields.Node(), depth+1); err != nil {
			return err
		}
	}
	return nil
}
