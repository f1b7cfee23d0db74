package metric

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"github.com/bakegate/bakegate/internal/clean"
)

// promQL reads everything that a server may understand: the server refuses what it does not.
var promQL = parser.NewParser(parser.Options{
	EnableExperimentalFunctions:  true,
	ExperimentalDurationExpr:     true,
	EnableExtendedRangeSelectors: true,
	EnableBinopFillModifiers:     true,
})

// durations are the two variables that may stand where PromQL wants a duration.
type durations struct{ step, rate time.Duration }

// parsePromQL parses a query's text with its variables still in the strings. No value takes part in the parse, so none can change
// the structure: bind puts the values into the parsed tree. Only $step and $rate_interval, which are durations made here, are
// written into the text, and only in range brackets.
func parsePromQL(text string, d durations) (parser.Expr, error) {
	filled, err := fillDurations(text, d)
	if err != nil {
		return nil, err
	}
	expr, err := promQL.ParseExpr(filled)
	if err != nil {
		return nil, fmt.Errorf("%s: PromQL syntax: %s", clean.Text(text), clean.Text(strings.Replace(err.Error(), "parse error: ", "", 1)))
	}
	return expr, nil
}

// fillDurations replaces $step and $rate_interval outside of strings and comments. The text keeps its columns where the duration is
// no longer than the name.
func fillDurations(text string, d durations) (string, error) {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '"', '\'', '`', '#':
			n := opaque(text[i:])
			b.WriteString(text[i : i+n])
			i += n
			continue
		case '[':
			depth++
		case ']':
			depth--
		case '$':
			name := identifier(text[i+1:])
			value, err := d.get(name, depth > 0)
			if err != nil {
				return "", fmt.Errorf("%s: column %d: %w", clean.Text(text), i+1, err)
			}
			fmt.Fprintf(&b, "%-*s", 1+len(name), value)
			i += 1 + len(name)
			continue
		}
		b.WriteByte(text[i])
		i++
	}
	return b.String(), nil
}

// get returns a duration in PromQL's notation.
func (d durations) get(name string, inBrackets bool) (string, error) {
	v, ok := map[string]time.Duration{"step": d.step, rateInterval: d.rate}[name]
	switch {
	case !ok && name == "":
		return "", errors.New("a $ outside of a string: want $step or $rate_interval in range brackets, or a variable in a label's value")
	case !ok:
		if _, err := (values{check: true}).get(name); err != nil {
			return "", err
		}
		return "", fmt.Errorf("$%s stands outside of a string: a variable may only stand in a label's value, as in {app=\"$%s\"}", name, name)
	case !inBrackets:
		return "", fmt.Errorf("$%s stands outside of range brackets: it is a duration, as in [$%s]", name, name)
	}
	return promDuration(v), nil
}

// promDuration is a duration in PromQL's notation.
func promDuration(d time.Duration) string {
	ms := max(d.Milliseconds(), 1)
	if ms%1000 == 0 {
		return fmt.Sprintf("%ds", ms/1000)
	}
	return fmt.Sprintf("%dms", ms)
}

// opaque is the length of the string literal or comment that s begins with.
func opaque(s string) int {
	if s[0] == '#' {
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return n
		}
		return len(s)
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '`':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// bind puts the variables' values into the label matchers of a parsed expression: as they are where the matcher compares for
// equality, quoted where it is a regular expression.
func bind(text string, expr parser.Expr, v values) error {
	var failed error
	fail := func(pos posrange.PositionRange, err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s: %s: %w", clean.Text(text), pos.StartPosInput(text, 0), err)
		}
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			fail(n.PosRange, bindSelector(n, v))
		case *parser.StringLiteral:
			s, err := bindLiteral(n.Val)
			n.Val = s
			fail(n.PosRange, err)
		}
		return nil
	})
	return failed
}

// bindLiteral refuses variables in the strings of function calls and turns $$ into $.
func bindLiteral(s string) (string, error) {
	var b strings.Builder
	for _, p := range pieces(s) {
		if p.variable {
			return "", fmt.Errorf("$%s stands in a function's argument: a variable may only stand in a label's value; a literal dollar is $$", p.text)
		}
		b.WriteString(p.text)
	}
	return b.String(), nil
}

func bindSelector(vs *parser.VectorSelector, v values) error {
	for i, m := range vs.LabelMatchers {
		if strings.Contains(m.Name, "$") {
			return fmt.Errorf("a variable in a label's name %q: it may only stand in a label's value", clean.Text(m.Name))
		}
		bound, err := bindMatcher(m, v)
		if err != nil {
			return fmt.Errorf("label %s: %w", clean.Text(m.Name), err)
		}
		vs.LabelMatchers[i] = bound
	}
	return nil
}

func bindMatcher(m *labels.Matcher, v values) (*labels.Matcher, error) {
	fill := v.fill
	if m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp {
		fill = v.fillRegexp
	}
	value, err := fill(m.Value)
	if err != nil {
		return nil, err
	}
	return labels.NewMatcher(m.Type, m.Name, value)
}

// fillRegexp puts quoted values into a regular expression, each in a group of its own, so that neither a repetition behind nor a
// brace around a variable reaches into its value.
func (v values) fillRegexp(pattern string) (string, error) {
	ps := pieces(pattern)
	if err := literalHoles(pattern, ps); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range ps {
		if !p.variable {
			b.WriteString(p.text)
			continue
		}
		value, err := v.get(p.text)
		if err != nil {
			return "", err
		}
		if value = regexp.QuoteMeta(value); len(ps) > 1 {
			value = "(?:" + value + ")"
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// literalHoles checks that every variable of a regular expression stands where a literal may stand: not in a character class, an
// escape or a \Q...\E quotation. Two private characters stand for each value: alone, one in brackets would look like a literal.
func literalHoles(pattern string, ps []piece) error {
	const base = rune(0x100000)
	var probe strings.Builder
	holes := map[rune]bool{}
	for _, p := range ps {
		if !p.variable {
			probe.WriteString(p.text)
			continue
		}
		for range 2 {
			r := base + rune(len(holes))
			holes[r] = true
			probe.WriteRune(r)
		}
	}
	if len(holes) == 0 {
		return nil
	}
	misplaced := fmt.Errorf("regular expression %q: a variable may only stand where literal text may, not in [...], \\Q...\\E or an escape", clean.Text(pattern))
	re, err := syntax.Parse(probe.String(), syntax.Perl)
	if err != nil || strings.Contains(pattern, `\Q`) || countLiterals(re, holes) != len(holes) {
		return misplaced
	}
	return nil
}

// countLiterals counts the runes of literals that are holes.
func countLiterals(re *syntax.Regexp, holes map[rune]bool) int {
	n := 0
	if re.Op == syntax.OpLiteral {
		for _, r := range re.Rune {
			if holes[r] {
				n++
			}
		}
	}
	for _, sub := range re.Sub {
		n += countLiterals(sub, holes)
	}
	return n
}

// histogramSelector turns a histogram's base name and labels into the selector of both of its forms: the classic buckets, and native samples.
func histogramSelector(vs *parser.VectorSelector) *parser.VectorSelector {
	base := regexp.QuoteMeta(histogramName(vs))
	out := *vs
	out.Name, out.LabelMatchers = "", nil
	for _, m := range vs.LabelMatchers {
		if m.Name != model.MetricNameLabel {
			out.LabelMatchers = append(out.LabelMatchers, m)
		}
	}
	name := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, base+"|"+base+"_bucket") // what is quoted always compiles
	out.LabelMatchers = append(out.LabelMatchers, name)
	return &out
}

// histogramName is the one metric's name that a selector asks for, "" if it asks for none or several.
func histogramName(vs *parser.VectorSelector) string {
	if vs.Name != "" {
		return vs.Name
	}
	for _, m := range vs.LabelMatchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}
