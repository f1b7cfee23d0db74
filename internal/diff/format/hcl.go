package format

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
)

// Bounds on HCL, whose parser has none: it calls itself for each bracket and each sign, and copies a text anew for each of its lines.
const (
	maxHCL       = 1 << 20 // bytes
	maxHCLDepth  = 1000
	maxHCLCopied = 1 << 30 // bytes
)

// hcl parses a .tfvars file: NAME = value. Values are evaluated as far as they are constant; what calls a function or refers to something
// is an expression, and stands as it is written.
func (in *input) hcl() (docs []*diff.Node, err error) {
	defer in.recovered(&err, "HCL")
	if len(in.data) > maxHCL {
		return nil, fmt.Errorf("%s: the file has %d bytes, want at most %d of HCL", in.name, len(in.data), maxHCL)
	}
	if err := in.bounded(); err != nil {
		return nil, err
	}
	file, diags := hclsyntax.ParseConfig(in.data, "", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, in.hclError(diags)
	}
	r := &hclReader{in}
	root, err := r.body(file.Body.(*hclsyntax.Body))
	return []*diff.Node{root}, err
}

// bounded refuses what would be too much for the parser.
func (in *input) bounded() error {
	tokens, _ := hclsyntax.LexConfig(in.data, "", hcl.InitialPos)
	n := nesting{levels: []level{{lines: true}}}
	text, copied := 0, 0
	for _, t := range tokens {
		if n.token(t.Type); n.depth+n.directives > maxHCLDepth {
			return in.fail(t.Range.Start.Byte, "expressions are nested deeper than %d", maxHCLDepth)
		}
		if t.Type != hclsyntax.TokenStringLit {
			text = 0
			continue
		}
		text += len(t.Bytes)
		if copied += text; copied > maxHCLCopied {
			return in.fail(t.Range.Start.Byte, "the text has too many lines: put it into a file of its own")
		}
	}
	return nil
}

// nesting follows how deep expressions are in each other: in brackets and templates, and in each of them in a run of signs, conditions,
// dots and brackets, which ends at a comma or, where a line ends an expression, with the line.
type nesting struct {
	levels            []level
	depth, directives int
}

type level struct {
	lines bool // a line ends an expression
	run   int
}

func (n *nesting) token(t hclsyntax.TokenType) {
	top := &n.levels[len(n.levels)-1]
	switch t {
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		if t == hclsyntax.TokenTemplateControl {
			n.directives++ // what %{ if } begins ends elsewhere
		}
		n.levels = append(n.levels, level{lines: t == hclsyntax.TokenOBrace})
		n.depth++
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
		if len(n.levels) > 1 {
			n.levels = n.levels[:len(n.levels)-1]
			n.levels[len(n.levels)-1].run++ // a[0][0] is a chain of brackets
			n.depth -= top.run
		}
	case hclsyntax.TokenMinus, hclsyntax.TokenBang, hclsyntax.TokenQuestion, hclsyntax.TokenDot:
		top.run++
		n.depth++
	case hclsyntax.TokenComma, hclsyntax.TokenNewline:
		if t == hclsyntax.TokenComma || top.lines {
			n.depth -= top.run
			top.run = 0
		}
	}
}

// hclError gives the parser's first error the form of ours. Its details may quote a value, and are left out.
func (in *input) hclError(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Subject != nil {
			return in.fail(d.Subject.Start.Byte, "HCL: %s", lowered(clean.Text(d.Summary)))
		}
	}
	return fmt.Errorf("%s: HCL: malformed", in.name)
}

func lowered(s string) string { return strings.ToLower(s[:1]) + s[1:] }

type hclReader struct{ *input }

func (r *hclReader) body(b *hclsyntax.Body) (*diff.Node, error) {
	if len(b.Blocks) > 0 {
		return nil, r.fail(b.Blocks[0].TypeRange.Start.Byte, "got a block, want NAME = value: only the values of variables are read")
	}
	root := &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}, Line: 1, Column: 1}
	attributes := make([]*hclsyntax.Attribute, 0, len(b.Attributes))
	for _, a := range b.Attributes {
		attributes = append(attributes, a)
	}
	slices.SortFunc(attributes, func(x, y *hclsyntax.Attribute) int {
		return cmp.Compare(x.NameRange.Start.Byte, y.NameRange.Start.Byte)
	})
	for _, a := range attributes {
		n := r.node(a.NameRange)
		if err := r.value(n, a.Expr, a.Name, 1); err != nil {
			return nil, err
		}
		root.Fields[r.key(a.Name)] = n
	}
	return root, nil
}

// node gives a node with the place where a range begins.
func (r *hclReader) node(at hcl.Range) *diff.Node {
	n := &diff.Node{}
	n.Line, n.Column = r.places.at(at.Start.Byte)
	return n
}

// value reads a value into a node, which has its place.
func (r *hclReader) value(n *diff.Node, e hclsyntax.Expression, key string, depth int) error {
	if err := r.nodes.take(depth); err != nil {
		return r.errorAt(n.Line, n.Column, "%w", err)
	}
	switch e := e.(type) {
	case *hclsyntax.TupleConsExpr:
		return r.list(n, e, depth)
	case *hclsyntax.ObjectConsExpr:
		return r.object(n, e, depth)
	case *hclsyntax.ParenthesesExpr:
		return r.value(n, e.Expression, key, depth+1)
	}
	r.scalar(n, e, key)
	return nil
}

func (r *hclReader) list(n *diff.Node, e *hclsyntax.TupleConsExpr, depth int) error {
	n.IsList, n.Items = true, make([]*diff.Node, 0, len(e.Exprs))
	for _, x := range e.Exprs {
		item := r.node(x.Range())
		if err := r.value(item, x, "", depth+1); err != nil {
			return err
		}
		n.Items = append(n.Items, item)
	}
	return nil
}

func (r *hclReader) object(n *diff.Node, e *hclsyntax.ObjectConsExpr, depth int) error {
	n.IsMap, n.Fields = true, make(map[string]*diff.Node, len(e.Items))
	for _, item := range e.Items {
		field := r.node(item.KeyExpr.Range())
		key := r.fieldName(item.KeyExpr)
		if first := n.Fields[key]; first != nil {
			return r.twice(key, first, field.Line, field.Column)
		}
		if err := r.value(field, item.ValueExpr, key, depth+1); err != nil {
			return err
		}
		n.Fields[r.key(key)] = field
	}
	return nil
}

// fieldName gives an object's key: a word, or a constant text; what is more than that as it is written.
func (r *hclReader) fieldName(e hclsyntax.Expression) string {
	if k, ok := e.(*hclsyntax.ObjectConsKeyExpr); ok && !k.ForceNonLiteral {
		if word := hcl.ExprAsKeyword(k.Wrapped); word != "" {
			return word
		}
		e = k.Wrapped
	}
	n := &diff.Node{}
	r.scalar(n, e, "")
	return n.Value
}

// scalar reads a constant, or takes the expression as it is written.
func (r *hclReader) scalar(n *diff.Node, e hclsyntax.Expression, key string) {
	n.Value, n.Type = string(e.Range().SliceBytes(r.data)), "expression"
	if !constant(e, 0) {
		return
	}
	v, diags := e.Value(nil)
	switch {
	case diags.HasErrors():
	case v.IsNull():
		n.Value, n.Type = "", "null"
	case v.Type() == cty.Bool:
		n.Value, n.Type = "false", "bool"
		if v.True() {
			n.Value = "true"
		}
	case v.Type() == cty.Number:
		r.number(n, e, v)
	case v.Type() == cty.String:
		n.Value, n.Type = v.AsString(), "string"
		if r.mayHold(n, key) {
			line, column := r.places.at(e.Range().Start.Byte)
			r.embed(n, key, r.spreadOf(line, column, n.Value))
		}
	}
}

// number keeps a number as it is written; what has to be computed is written out, unless that would be long.
func (r *hclReader) number(n *diff.Node, e hclsyntax.Expression, v cty.Value) {
	if _, literal := e.(*hclsyntax.LiteralValueExpr); literal {
		n.Type = "number"
		return
	}
	const bits = 2000
	if f := v.AsBigFloat(); !f.IsInf() && f.MantExp(nil) < bits && f.MantExp(nil) > -bits {
		n.Value, n.Type = f.Text('g', 40), "number"
	}
}

// constant says whether an expression is cheap to evaluate, and depends on nothing: a literal, a text without ${}, and arithmetic of
// plain numbers.
func constant(e hclsyntax.Expression, depth int) bool {
	if depth > 100 {
		return false
	}
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return !slices.ContainsFunc(e.Parts, func(p hclsyntax.Expression) bool {
			l, ok := p.(*hclsyntax.LiteralValueExpr)
			return !ok || l.Val.Type() != cty.String
		})
	case *hclsyntax.ParenthesesExpr:
		return constant(e.Expression, depth+1)
	case *hclsyntax.UnaryOpExpr:
		return plain(e.Val, depth+1)
	case *hclsyntax.BinaryOpExpr:
		return plain(e.LHS, depth+1) && plain(e.RHS, depth+1)
	}
	return false
}

// plain says whether an expression is made of numbers that are short when they are written out, and of true and false.
func plain(e hclsyntax.Expression, depth int) bool {
	if l, ok := e.(*hclsyntax.LiteralValueExpr); ok {
		length := l.SrcRange.End.Byte - l.SrcRange.Start.Byte
		if l.Val.Type() != cty.Number {
			return l.Val.Type() == cty.Bool
		}
		exponent := l.Val.AsBigFloat().MantExp(nil)
		return length <= 40 && exponent < 140 && exponent > -140
	}
	_, text := e.(*hclsyntax.TemplateExpr)
	return !text && constant(e, depth)
}
