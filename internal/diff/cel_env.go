package diff

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
)

// Bounds on expressions. A unit of cost is about one step of the evaluation (cel-go, interpreter/runtimecost.go); 2 million take about a
// second.
const (
	maxCELSource = 10_000
	maxCost      = 500_000
	maxTotalCost = 4_000_000
)

// checkEnv is what the expressions of diff.check may use.
var checkEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(append(celBase(), cel.Variable("previous", cel.DynType), cel.Variable("target", cel.DynType),
		cel.Variable("change", cel.DynType))...)
})

// celBase is the language with its libraries.
func celBase() []cel.EnvOption {
	return []cel.EnvOption{
		cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true), cel.DefaultUTCTimeZone(true), cel.EagerlyValidateDeclarations(true),
		cel.ParserExpressionSizeLimit(maxCELSource), cel.ParserRecursionLimit(100),
		ext.Strings(), ext.Sets(), ext.Lists(), ext.Math(),
		quantityFunction(), isQuantityFunction(), comparison("isGreaterThan", func(a, b float64) bool { return a > b }),
		comparison("isLessThan", func(a, b float64) bool { return a < b }),
	}
}

// comparison is a method by which Kubernetes compares quantities.
func comparison(name string, is func(a, b float64) bool) cel.EnvOption {
	return cel.Function(name, cel.MemberOverload(name+"_double", []*cel.Type{cel.DoubleType, cel.DoubleType}, cel.BoolType,
		cel.BinaryBinding(func(x, y ref.Val) ref.Val {
			a, okA := x.Value().(float64)
			b, okB := y.Value().(float64)
			if !okA || !okB {
				return types.MaybeNoSuchOverloadErr(y)
			}
			return types.Bool(is(a, b))
		})))
}

// quantityFunction is quantity("500m"): a Kubernetes quantity as a number.
func quantityFunction() cel.EnvOption {
	convert := func(v ref.Val) ref.Val {
		switch x := v.(type) {
		case types.Int, types.Uint, types.Double:
			return x.ConvertToType(types.DoubleType)
		case types.String:
			if f, ok := amount(string(x)); ok {
				return types.Double(f)
			}
		}
		return types.NewErr("no quantity, want a number or a text such as 500m or 1Gi")
	}
	return cel.Function("quantity", cel.Overload("quantity_dyn", []*cel.Type{cel.DynType}, cel.DoubleType, cel.UnaryBinding(convert)))
}

func isQuantityFunction() cel.EnvOption {
	is := func(v ref.Val) ref.Val {
		s, ok := v.Value().(string)
		_, is := amount(s)
		return types.Bool(ok && is)
	}
	return cel.Function("isQuantity", cel.Overload("is_quantity_string", []*cel.Type{cel.StringType}, cel.BoolType, cel.UnaryBinding(is)))
}

// compileCEL reads an expression that must say true or false. Its error says where in it: "3:14: ...".
func compileCEL(env func() (*cel.Env, error), source string) (cel.Program, *cel.Ast, error) {
	if len(source) > maxCELSource {
		return nil, nil, fmt.Errorf("the expression has %d bytes, want at most %d", len(source), maxCELSource)
	}
	e, err := env()
	if err != nil {
		return nil, nil, err
	}
	ast, issues := e.Compile(source)
	if issues.Err() != nil {
		return nil, nil, celProblem(issues)
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, nil, fmt.Errorf("the expression gives %s, want true or false", cel.FormatCELType(t))
	}
	p, err := e.Program(ast, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptTrackCost))
	return p, ast, err
}

// celProblem gives the first mistake with its place in the expression.
func celProblem(issues *cel.Issues) error {
	for _, e := range issues.Errors() {
		message, _, _ := strings.Cut(e.Message, "\n")
		message, _, _ = strings.Cut(message, " expecting {") // every token there is
		return fmt.Errorf("%d:%d: %s", e.Location.Line(), e.Location.Column()+1, message)
	}
	return issues.Err()
}

// celBudget is what the expressions of one run may still cost.
type celBudget uint64

// eval asks for true or false. Whatever else comes is an error, and never an answer.
func (b *celBudget) eval(p cel.Program, vars map[string]any) (bool, error) {
	if *b == 0 {
		return false, errBudget
	}
	out, details, err := p.Eval(vars)
	cost := uint64(maxCost)
	if actual := details.ActualCost(); actual != nil && err == nil {
		cost = *actual + 1
	}
	*b -= celBudget(min(cost, uint64(*b)))
	if err != nil {
		return false, err
	}
	v, ok := out.Value().(bool)
	if !ok {
		return false, errors.New("the expression gives " + out.Type().TypeName() + ", want true or false")
	}
	return v, nil
}
