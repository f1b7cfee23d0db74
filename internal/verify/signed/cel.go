package signed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/cel-go/cel"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/release"
)

// Bounds of a condition. The cost is CEL's own measure, about one for each value that is touched, so that the same condition ends the same
// way on every machine; a look at each of 50,000 parts of an SBOM stays below it. The time is a last resort, far behind it.
const (
	maxExpression = 8 << 10
	maxCost       = 1_000_000
	celLimit      = 20 * time.Second
)

// condition is a compiled CEL expression over an attestation.
type condition struct {
	text    string
	program cel.Program
}

// newCondition compiles an expression. It must be true or false; where CEL can't tell before it runs, it is told then.
func newCondition(expr string) (*condition, error) {
	if len(expr) > maxExpression {
		return nil, fmt.Errorf("the expression has %d bytes, want at most %d", len(expr), maxExpression)
	}
	env, err := cel.NewEnv(cel.CrossTypeNumericComparisons(true), cel.ParserExpressionSizeLimit(maxExpression), cel.ParserRecursionLimit(100),
		cel.Variable("predicate", cel.DynType), cel.Variable("predicateType", cel.StringType),
		cel.Variable("subject", cel.ListType(cel.DynType)), cel.Variable("release", cel.MapType(cel.StringType, cel.StringType)))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expr)
	if es := issues.Errors(); len(es) > 0 { // the first is the cause of the others
		return nil, fmt.Errorf("line %d, character %d: %s", es[0].Location.Line(), es[0].Location.Column()+1, clean.Cut(es[0].Message, 200))
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression gives a %s, want true or false", clean.Cut(t.String(), 60))
	}
	p, err := env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, errors.New(clean.Cut(err.Error(), 500))
	}
	return &condition{expr, p}, nil
}

// holds evaluates the condition. Whatever does not come out as true is a refusal: false, an error (a field that is missing), another value, a
// condition that takes too long.
func (c *condition) holds(ctx context.Context, s statement, r release.Release) error {
	ctx, cancel := context.WithTimeout(ctx, celLimit)
	defer cancel()
	input, err := celInput(s, r)
	if err != nil {
		return err
	}
	shown := clean.Cut(c.text, 200)
	out, _, err := c.program.ContextEval(ctx, input)
	switch {
	case err != nil:
		return fmt.Errorf("the condition %q can't be evaluated: %s", shown, clean.Cut(err.Error(), 300))
	case out.Value() == true:
		return nil
	case out.Value() == false:
		return fmt.Errorf("the condition %q is false", shown)
	}
	return fmt.Errorf("the condition %q gives %s, want true or false", shown, clean.Cut(out.Type().TypeName(), 60))
}

// celInput is what an expression sees. It is as large as the attestation, which was bounded when it was read.
func celInput(s statement, r release.Release) (map[string]any, error) {
	var predicate any
	if len(s.predicate) > 0 {
		if err := json.Unmarshal(s.predicate, &predicate); err != nil {
			return nil, fmt.Errorf("its predicate is damaged: %s", clean.Cut(err.Error(), 200))
		}
	}
	var subjects []any
	for _, sub := range s.subjects {
		digest := map[string]any{}
		for k, v := range sub.Digest {
			digest[k] = v
		}
		subjects = append(subjects, map[string]any{"name": sub.Name, "digest": digest})
	}
	return map[string]any{"predicate": predicate, "predicateType": s.predicateType, "subject": subjects, "release": map[string]string{
		"service": r.Service, "environment": r.Environment, "version": r.Version, "image": r.Image, "digest": r.Digest,
		"commit": r.Commit, "ref": r.Ref, "repository": r.Repository}}, nil
}
