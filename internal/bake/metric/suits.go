package metric

import (
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/bakegate/bakegate/internal/clean"
)

// compilePromQL parses a query, checks that its form suits its kind, and binds its variables.
func compilePromQL(q Query, d durations, v values) (parser.Expr, error) {
	expr, err := parsePromQL(q.Text, d)
	if err != nil {
		return nil, err
	}
	if err := suits(q, expr); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", clean.Text(q.Text), expr.PositionRange().StartPosInput(q.Text, 0), err)
	}
	if err := bind(q.Text, expr, v); err != nil {
		return nil, err
	}
	return expr, nil
}

// suits checks that an expression has the form that its kind wants.
func suits(q Query, expr parser.Expr) error {
	switch q.Kind {
	case Counter:
		_, err := rawSelector(expr, "a metric names counters, not rates")
		return err
	case Histogram:
		vs, err := rawSelector(expr, "a histogram is named by its base name and labels, not by an expression")
		if err != nil {
			return err
		}
		return suitsHistogram(vs)
	case Gauge, Expr:
		return suitsExpression(expr)
	}
	return fmt.Errorf("kind %q: want counter, histogram, gauge or expr", q.Kind)
}

// rawSelector returns the selector that expr is. Anything around it is refused: the samples are read as they are.
func rawSelector(expr parser.Expr, rule string) (*parser.VectorSelector, error) {
	vs, ok := unparen(expr).(*parser.VectorSelector)
	if !ok {
		return nil, fmt.Errorf("%s: got %s, %s", rule, shape(expr), selectorInside(expr))
	}
	switch {
	case vs.OriginalOffset != 0, vs.OriginalOffsetExpr != nil:
		return nil, fmt.Errorf("%s: got an offset, want the selector alone", rule)
	case vs.Timestamp != nil, vs.StartOrEnd != 0:
		return nil, fmt.Errorf("%s: got an @ time, want the selector alone", rule)
	case vs.Anchored, vs.Smoothed:
		return nil, fmt.Errorf("%s: got a modifier (anchored, smoothed), want the selector alone", rule)
	}
	return vs, nil
}

// isRaw reports whether a gauge's samples can be read as they are.
func isRaw(expr parser.Expr) (*parser.VectorSelector, bool) {
	vs, err := rawSelector(expr, "")
	return vs, err == nil
}

func unparen(expr parser.Expr) parser.Expr {
	for {
		p, ok := expr.(*parser.ParenExpr)
		if !ok {
			return expr
		}
		expr = p.Expr
	}
}

// shape names what an expression is, for a reader.
func shape(expr parser.Expr) string {
	switch e := unparen(expr).(type) {
	case *parser.Call:
		return e.Func.Name + "(...)"
	case *parser.AggregateExpr:
		return e.Op.String() + "(...)"
	case *parser.BinaryExpr:
		return "an operation with " + e.Op.String()
	case *parser.MatrixSelector:
		return "a range [...]"
	case *parser.SubqueryExpr:
		return "a subquery [...:...]"
	case *parser.NumberLiteral:
		return "a number"
	case *parser.StringLiteral:
		return "a string"
	}
	return "an expression"
}

// selectorInside tells the reader which selector to write instead.
func selectorInside(expr parser.Expr) string {
	var found []string
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if vs, ok := n.(*parser.VectorSelector); ok {
			found = append(found, clean.Cut(vs.String(), 300))
		}
		return nil
	})
	if len(found) != 1 {
		return "write the selector inside, as in http_requests_total{app=\"$service\"}, or use expr"
	}
	return "write the selector inside: " + found[0]
}

func suitsHistogram(vs *parser.VectorSelector) error {
	name := histogramName(vs)
	if name == "" {
		return fmt.Errorf("a histogram is named by one base name: got %s, want NAME{...}", clean.Text(vs.String()))
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			return fmt.Errorf("a histogram is named by its base name: got %s, write %s without %s", clean.Text(name), clean.Text(base), suffix)
		}
	}
	for _, m := range vs.LabelMatchers {
		if m.Name == labels.BucketLabel {
			return fmt.Errorf("a histogram is read with all of its buckets: leave out %s", clean.Text(m.String()))
		}
	}
	return nil
}

// suitsExpression checks what can be evaluated step by step so that a closed window always gives the same values.
func suitsExpression(expr parser.Expr) error {
	switch expr.Type() {
	case parser.ValueTypeMatrix:
		return fmt.Errorf("got %s, want a value at each time: wrap it in a function, as in rate(%s)", shape(expr), clean.Cut(expr.String(), 300))
	case parser.ValueTypeString:
		return fmt.Errorf("got a string, want a number")
	}
	var err error
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			err = orWindowTime(err, n.StartOrEnd)
		case *parser.SubqueryExpr:
			err = orWindowTime(err, n.StartOrEnd)
		}
		return nil
	})
	return err
}

// orWindowTime refuses @ start() and @ end(): they depend on which window happened to be asked for.
func orWindowTime(err error, startOrEnd parser.ItemType) error {
	if startOrEnd == 0 {
		return err
	}
	return fmt.Errorf("@ start() and @ end() depend on how the window is asked for: use a fixed time or an offset")
}
