package metric

import (
	"regexp/syntax"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

var testDurations = durations{step: 30 * time.Second, rate: 2 * time.Minute}

func vars(service string) values {
	return values{vars: map[string]string{"service": service, "environment": "prod", "version": "v1.2", "step": "30s"}}
}

func TestCompilePromQL(t *testing.T) {
	for name, c := range map[string]struct {
		kind       Kind
		text, want string
	}{
		"equal":             {Counter, `x{app="$service"}`, `x{app="a.b"}`},
		"not equal":         {Counter, `x{app!="$service"}`, `x{app!="a.b"}`},
		"regexp alone":      {Counter, `x{app=~"$service"}`, `x{app=~"a\\.b"}`},
		"regexp within":     {Counter, `x{app=~"$service-.*|$version"}`, `x{app=~"(?:a\\.b)-.*|(?:v1\\.2)"}`},
		"regexp repeated":   {Counter, `x{app!~"($service)+$"}`, `x{app!~"((?:a\\.b))+$"}`},
		"brace is no count": {Counter, `x{app=~"y{$service}"}`, `x{app=~"y{(?:a\\.b)}"}`},
		"within a value":    {Counter, `x{app="$environment/$service"}`, `x{app="prod/a.b"}`},
		"dollar":            {Counter, `x{app="$$service$"}`, `x{app="$service$"}`},
		"regexp's end":      {Counter, `x{app=~"a$|b$$"}`, `x{app=~"a$|b$"}`},
		"raw string":        {Counter, "x{app=`$service`}", `x{app="a.b"}`},
		"parens":            {Counter, `(x{app="$service"})`, `x{app="a.b"}`},
		"name as label":     {Counter, `{__name__="x",app="$service"}`, `{__name__="x",app="a.b"}`},
		"expression":        {Expr, `sum(rate(x{app="$service"}[$rate_interval])) / sum(rate(y{e="$environment"}[$step]))`, `sum(rate(x{app="a.b"}[2m])) / sum(rate(y{e="prod"}[30s]))`},
		"subquery":          {Expr, `max_over_time(x{app="$service"}[5m:$step])`, `max_over_time(x{app="a.b"}[5m:30s])`},
		"replacement":       {Gauge, `label_replace(x, "a", "$1", "b", "(.*)$$")`, `label_replace(x, "a", "$1", "b", "(.*)$")`},
		"comment":           {Gauge, "x # $nothing \" here\n{a=\"$service\"}", `x{a="a.b"}`},
		"scalar":            {Expr, `1 - 0.5`, `1 - 0.5`},
	} {
		t.Run(name, func(t *testing.T) {
			expr, err := compilePromQL(Query{Kind: c.kind, Text: c.text}, testDurations, vars("a.b"))
			if err != nil {
				t.Fatal(err)
			}
			if got := unparen(expr).String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if _, err := compilePromQL(Query{Kind: c.kind, Text: c.text}, testDurations, values{check: true}); err != nil {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestCompilePromQLRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		kind       Kind
		text, want string
	}{
		"unknown":              {Counter, `x{app="$app"}`, `1:1: label app: unknown variable $app: known are $service, $environment, $version, $step`},
		"greedy name":          {Counter, `x{app="$service_a"}`, `$service_a is not $service followed by "_a"`},
		"outside":              {Counter, `x{app=$service}`, `column 7: $service stands outside of a string`},
		"step outside":         {Expr, `x * $step`, `outside of range brackets`},
		"lonely dollar":        {Expr, `x + $`, `a $ outside of a string`},
		"service in brackets":  {Expr, `rate(x[$service])`, `$service stands outside of a string`},
		"label name":           {Counter, `x{"$service"="a"}`, `a variable in a label's name`},
		"argument":             {Gauge, `label_replace(x, "a", "$service", "b", "")`, `$service stands in a function's argument`},
		"count_values":         {Gauge, `count_values("$service", x)`, `$service stands in a function's argument`},
		"class":                {Counter, `x{a=~"[$service]"}`, `only stand where literal text may`},
		"class of several":     {Counter, `x{a=~"[a-z$service]+"}`, `only stand where literal text may`},
		"quotation":            {Counter, `x{a=~"\\Q$service\\E"}`, `only stand where literal text may`},
		"escape":               {Counter, `x{a=~"\\$service"}`, `only stand where literal text may`},
		"group name":           {Counter, `x{a=~"(?P<$service>a)"}`, `1:3: error parsing regexp: invalid named capture`},
		"flags":                {Counter, `x{a=~"(?$service)b"}`, `1:3: error parsing regexp: invalid`},
		"empty":                {Counter, `x{a="$version"}`, `$version has no value here`},
		"rate":                 {Counter, `rate(x{a="b"}[5m])`, `1:1: a metric names counters, not rates: got rate(...), write the selector inside: x{a="b"}`},
		"sum":                  {Counter, `sum(x)`, `got sum(...), write the selector inside: x`},
		"ratio":                {Counter, `x / y`, `got an operation with /, write the selector inside, as in`},
		"range":                {Counter, `x[5m]`, `got a range [...], write the selector inside: x`},
		"offset":               {Counter, `x offset 5m`, `got an offset`},
		"at":                   {Counter, `x @ 1`, `got an @ time`},
		"anchored":             {Counter, `x anchored`, `got a modifier`},
		"bucket":               {Histogram, `x_bucket{a="b"}`, `a histogram is named by its base name: got x_bucket, write x without _bucket`},
		"le":                   {Histogram, `x{le="1"}`, `leave out le="1"`},
		"nameless":             {Histogram, `{__name__=~"x|y"}`, `named by one base name`},
		"quantile":             {Histogram, `histogram_quantile(0.9, x)`, `a histogram is named by its base name and labels, not by an expression`},
		"range as value":       {Expr, `x[5m]`, `want a value at each time: wrap it in a function`},
		"string as value":      {Expr, `"x"`, `got a string`},
		"start":                {Expr, `x @ start()`, `depend on how the window is asked for`},
		"end in subquery":      {Expr, `rate(x[5m:1m] @ end())`, `depend on how the window is asked for`},
		"syntax with position": {Counter, "x{app=\"$service\"\n}}", `2:2: unexpected`},
		"nothing":              {Counter, ``, `syntax`},
		"kind":                 {"", `x`, `want counter, histogram, gauge or expr`},
	} {
		t.Run(name, func(t *testing.T) {
			v := vars("a.b")
			v.vars["version"] = ""
			_, err := compilePromQL(Query{Kind: c.kind, Text: c.text}, testDurations, v)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// hostile are values that try to leave their place.
var hostile = []string{
	`a`, `"} or vector(0) #`, `\`, `\"`, "\n", "`", `'`, `{}`, `.*`, `a|b`, `[`, `$service`, `$$`, `\E.*`, `2`, `)`, `(?i)`, "\x00", "\xff", `)|(.*`, "é\u202e",
	`{__name__=~".+"}`, ` `, `^$`, `a"}[5m]) or up{x="`,
}

var hostileTemplates = []struct {
	kind Kind
	text string
}{
	{Counter, `x{app="$service",b!="$service"}`},
	{Counter, `x{app=~"$service"}`},
	{Counter, `x{app=~"p-$service+s|q{$service}|(?i:$service)*",b!~"$service-$service"}`},
	{Counter, "x{app=`$service`}"},
	{Expr, `sum by (a) (rate(x{app='$service'}[$rate_interval])) / on (a) group_left() sum(rate(y{z=~"(a|$service)$"}[$step])) or vector(0)`},
}

func FuzzBind(f *testing.F) {
	for i := range hostileTemplates {
		for _, v := range hostile {
			f.Add(i, v)
		}
	}
	f.Fuzz(func(t *testing.T, i int, value string) {
		if i < 0 || i >= len(hostileTemplates) || value == "" {
			return
		}
		q := Query{Kind: hostileTemplates[i].kind, Text: hostileTemplates[i].text}
		expr, err := compilePromQL(q, testDurations, vars(value))
		if err != nil {
			if utf8.ValidString(value) {
				t.Fatalf("%q: %v", value, err)
			}
			return // a regular expression can't hold it: refused
		}
		benign, err := compilePromQL(q, testDurations, vars("benign"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := promQL.ParseExpr(expr.String())
		if err != nil {
			t.Fatalf("%s does not parse again: %v", expr, err)
		}
		sameStructure(t, again, benign, value)
	})
}

// sameStructure compares two expressions node by node, and their matchers but for the value in them.
func sameStructure(t *testing.T, a, b parser.Node, value string) {
	t.Helper()
	if shapeOf(a) != shapeOf(b) {
		t.Fatalf("%q changes the structure: %s became %s", value, b, a)
	}
	if va, ok := a.(*parser.VectorSelector); ok {
		sameMatchers(t, va, b.(*parser.VectorSelector), value)
	}
	ca, cb := parser.Children(a), parser.Children(b)
	if len(ca) != len(cb) {
		t.Fatalf("%q changes the structure: %s became %s", value, b, a)
	}
	for i := range ca {
		sameStructure(t, ca[i], cb[i], value)
	}
}

// shapeOf is a node without its children.
func shapeOf(n parser.Node) string {
	switch n := n.(type) {
	case *parser.VectorSelector:
		return "selector " + n.Name
	case *parser.MatrixSelector:
		return "range " + n.Range.String()
	case *parser.Call:
		return "call " + n.Func.Name
	case *parser.AggregateExpr:
		return "aggregate " + n.Op.String() + strings.Join(n.Grouping, ",")
	case *parser.BinaryExpr:
		return "binary " + n.Op.String()
	case *parser.NumberLiteral:
		return "number " + n.String()
	case *parser.ParenExpr:
		return "paren"
	}
	return "other " + n.String()
}

func sameMatchers(t *testing.T, a, b *parser.VectorSelector, value string) {
	t.Helper()
	if len(a.LabelMatchers) != len(b.LabelMatchers) {
		t.Fatalf("%q changes the matchers: %s", value, a)
	}
	byName := map[string]*labels.Matcher{}
	for _, m := range a.LabelMatchers {
		byName[m.Name] = m
	}
	for _, m := range b.LabelMatchers {
		got := byName[m.Name]
		if got == nil || got.Type != m.Type {
			t.Fatalf("%q changes matcher %s: %v", value, m, got)
		}
		switch {
		case m.Type == labels.MatchEqual || m.Type == labels.MatchNotEqual:
			if want := strings.ReplaceAll(m.Value, "benign", value); got.Value != want {
				t.Fatalf("%q: matcher %s, want value %q", value, got, want)
			}
		case m.Value == "benign":
			if !got.Matches(value) || got.Matches(value+"x") || got.Matches("x"+value) || got.Matches("benign!") {
				t.Fatalf("%q: matcher %s matches something else than the value", value, got)
			}
		default:
			sameRegexp(t, got.Value, m.Value, value)
		}
	}
}

// sameRegexp compares the operators of two regular expressions; a value is a concatenation of literals however long.
func sameRegexp(t *testing.T, a, b, value string) {
	t.Helper()
	ra, errA := syntax.Parse(a, syntax.Perl)
	rb, errB := syntax.Parse(b, syntax.Perl)
	if errA != nil || errB != nil || ra.MaxCap() != rb.MaxCap() || operators(ra) != operators(rb) {
		t.Fatalf("%q changes the regular expression: %s became %s", value, b, a)
	}
}

func operators(re *syntax.Regexp) string {
	s := ""
	switch re.Op {
	case syntax.OpLiteral, syntax.OpConcat, syntax.OpAlternate, syntax.OpEmptyMatch: // how literals are joined and factored is the parser's affair
	case syntax.OpCharClass: // a|b is [ab] to the parser
		if len(re.Rune) > 4 {
			s = re.Op.String()
		}
	default:
		s = re.Op.String()
	}
	for _, sub := range re.Sub {
		s += operators(sub)
	}
	return s
}

func TestPieces(t *testing.T) {
	for in, want := range map[string]string{
		"":           "",
		"$":          "$",
		"a$":         "a$",
		"$1":         "$1",
		"$$":         "$",
		"$$$service": "$<service>",
		"$service$":  "<service>$",
		"$_a1-b":     "<_a1>-b",
		"${service}": "${service}",
	} {
		got := ""
		for _, p := range pieces(in) {
			if p.variable {
				got += "<" + p.text + ">"
			} else {
				got += p.text
			}
		}
		if got != want {
			t.Errorf("pieces(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCompilePromQL(f *testing.F) {
	for _, q := range hostileTemplates {
		f.Add(string(q.kind), q.text)
	}
	f.Add("gauge", `label_replace(x, "a", "$1", "b", "(.*)$$")`)
	f.Add("counter", "x # $nothing \" here\n{a=\"$service\"}")
	f.Fuzz(func(t *testing.T, kind, text string) {
		expr, err := compilePromQL(Query{Kind: Kind(kind), Text: text}, testDurations, vars(`"} or up #`))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("unsafe error %q", err)
			}
			return
		}
		if kind == "counter" || kind == "histogram" {
			if _, raw := isRaw(expr); !raw {
				t.Fatalf("%s passed as a %s", expr, kind)
			}
		}
	})
}
