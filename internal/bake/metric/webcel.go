package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"

	"github.com/bakegate/bakegate/internal/clean"
)

// Bounds on an expression. A unit of cost is about one step of the evaluation; half a million take about a quarter of a second.
const (
	maxCELSource = 4000
	maxCELCost   = 500_000
	maxCELPoints = 50_000
)

// replyEnv is what an expression over a reply may use: the reply, and the variables of a query as texts.
var replyEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true), cel.DefaultUTCTimeZone(true), cel.EagerlyValidateDeclarations(true),
		cel.ParserExpressionSizeLimit(maxCELSource), cel.ParserRecursionLimit(100), ext.Strings(), ext.Lists(), ext.Math(),
		cel.Variable("reply", cel.DynType), cel.Variable("service", cel.StringType), cel.Variable("environment", cel.StringType),
		cel.Variable("version", cel.StringType))
})

// compileValue reads an expression. Its error says where in it: "3:14: ...".
func compileValue(source string) (cel.Program, error) {
	if len(source) > maxCELSource {
		return nil, fmt.Errorf("the expression has %d bytes, want at most %d", len(source), maxCELSource)
	}
	env, err := replyEnv()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			message, _, _ := strings.Cut(e.Message, "\n")
			message, _, _ = strings.Cut(message, " expecting {") // every token there is
			return nil, fmt.Errorf("value: %d:%d: %s", e.Location.Line(), e.Location.Column()+1, clean.Cut(message, 200))
		}
		return nil, issues.Err()
	}
	return env.Program(ast, cel.CostLimit(maxCELCost), cel.InterruptCheckFrequency(1000))
}

// evalValue asks an expression about a reply.
func evalValue(ctx context.Context, p cel.Program, reply any, vars map[string]string) (ref.Val, error) {
	in := map[string]any{"reply": reply, "service": vars["service"], "environment": vars["environment"], "version": vars["version"]}
	out, _, err := p.ContextEval(ctx, in)
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return nil, troublef(BackendDown, "%w", ctx.Err())
	case strings.Contains(err.Error(), "cost limit"):
		return nil, troublef(TooMany, "value: the expression costs too much for this reply: let the endpoint do the work")
	}
	return nil, troublef(BadQuery, "value: %s (what may be missing is asked for with has(reply.x), and null means no data; numbers of a reply are doubles: 1.0, not 1)", clean.Cut(err.Error(), 200))
}

// celNumber is a number, or ok = false for null: no data, and never 0. True is 1.
func celNumber(v ref.Val) (n float64, ok bool, err error) {
	switch x := v.(type) {
	case types.Null:
		return 0, false, nil
	case types.Double:
		return float64(x), true, nil
	case types.Int:
		return float64(x), true, nil
	case types.Uint:
		return float64(x), true, nil
	case types.Bool:
		if x {
			return 1, true, nil
		}
		return 0, true, nil
	case *types.Optional:
		if !x.HasValue() {
			return 0, false, nil
		}
		return celNumber(x.GetValue())
	}
	return 0, false, fmt.Errorf("value: the expression gives %s, want a number or null", v.Type().TypeName())
}

// celPoints reads a list of [time, value] or {t, v}; a value that is null is no data.
func celPoints(v ref.Val) ([]sample, error) {
	if v == types.NullValue {
		return nil, nil
	}
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("value: the expression gives %s, want a list of [time, number], because the options use $from and $to", v.Type().TypeName())
	}
	var out []sample
	for it := list.Iterator(); it.HasNext() == types.True; {
		at, value, err := celPair(it.Next())
		if err != nil {
			return nil, err
		}
		if len(out) >= maxCELPoints {
			return nil, troublef(TooMany, "value: more than %d points", maxCELPoints)
		}
		n, ok, err := celNumber(value)
		if err != nil {
			return nil, err
		}
		if ms, err := celTime(at); err != nil {
			return nil, err
		} else if ok {
			out = append(out, sample{ms, n})
		}
	}
	return out, nil
}

func celPair(v ref.Val) (at, value ref.Val, err error) {
	switch x := v.(type) {
	case traits.Lister:
		if x.Size() == types.Int(2) {
			return x.Get(types.Int(0)), x.Get(types.Int(1)), nil
		}
	case traits.Mapper:
		t, okT := x.Find(types.String("t"))
		n, okN := x.Find(types.String("v"))
		if okT && okN {
			return t, n, nil
		}
	}
	return nil, nil, errors.New(`value: a point is not [time, number] or {"t": time, "v": number}`)
}

// celTime reads seconds or milliseconds since 1970, a timestamp, or a text as RFC 3339, in milliseconds.
func celTime(v ref.Val) (int64, error) {
	switch x := v.(type) {
	case types.Timestamp:
		return x.UnixMilli(), nil
	case types.String:
		return textMilli(string(x))
	case types.Double, types.Int, types.Uint:
		if n, _, err := celNumber(x); err == nil {
			return numberMilli(n)
		}
	}
	return 0, fmt.Errorf("value: a time is %s, want seconds or milliseconds since 1970, or a text as RFC 3339", v.Type().TypeName())
}

func textMilli(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("time %q, want RFC 3339, e.g. 2026-11-21T08:00:00Z", clean.Cut(s, 40))
	}
	return t.UnixMilli(), nil
}

// numberMilli reads seconds or milliseconds since 1970: no deploy is in the year 5138, where seconds reach the milliseconds of 1973.
func numberMilli(n float64) (int64, error) {
	if n != n || math.Abs(n) > 1e14 {
		return 0, fmt.Errorf("time %v, want seconds or milliseconds since 1970", n)
	}
	if math.Abs(n) < 1e11 {
		n *= 1000
	}
	return int64(math.Round(n)), nil
}
