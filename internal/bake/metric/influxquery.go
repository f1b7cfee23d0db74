package metric

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// influxLanguage is how one of InfluxDB's two languages is written, as far as variables are concerned.
type influxLanguage struct {
	name     string
	strings  map[byte]*strings.Replacer // by the quote that opens one: how a value is escaped in it
	refused  []string                   // what may stand in strings only: comments, which could hide a quote, and the end of a statement
	window   func(w window) string      // $window
	counters []string                   // functions that make something else of counters
}

var influxQL = &influxLanguage{
	name: "InfluxQL",
	strings: map[byte]*strings.Replacer{
		'\'': strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`),
		'"':  strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`),
	},
	refused: []string{"--", "/*", ";"},
	window:  func(w window) string { return fmt.Sprintf("(time >= %dms AND time < %dms)", w.from, w.to) },
	counters: []string{"count", "distinct", "integral", "mean", "median", "mode", "spread", "stddev", "sum", "bottom", "first", "last", "max", "min", "percentile",
		"sample", "top", "cumulative_sum", "derivative", "difference", "elapsed", "moving_average", "non_negative_derivative", "non_negative_difference"},
}

var flux = &influxLanguage{
	name: "Flux",
	strings: map[byte]*strings.Replacer{
		'"': strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "$", `\x24`), // ${ would open an expression
	},
	refused: []string{"//"},
	window: func(w window) string {
		at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
		return "start: " + at(w.from) + ", stop: " + at(w.to)
	},
	counters: []string{"aggregateWindow", "count", "cumulativeSum", "derivative", "difference", "increase", "integral", "mean", "median", "movingAverage", "quantile",
		"rate", "sum", "first", "last", "max", "min", "reduce"},
}

// fill puts the variables into a query. In a string a value is escaped, in a regular expression quoted; nowhere else may one stand, but
// $window, which stands there once, and $step. bare is the query without its strings.
func (l *influxLanguage) fill(text string, v values, step time.Duration, w window) (filled, bare string, err error) {
	f := influxFilling{language: l, v: v, step: step, window: w}
	for i := 0; i < len(text); {
		n, err := f.next(text[i:])
		if err != nil {
			return "", "", fmt.Errorf("%s: column %d: %w", clean.Cut(text, 200), i+1, err)
		}
		i += n
	}
	switch {
	case f.inside != 0:
		return "", "", fmt.Errorf("%s: a string or a regular expression has no end", clean.Cut(text, 200))
	case f.windows != 1:
		return "", "", fmt.Errorf("%s: $window stands in it %d times, want once: it is the time that is asked for", clean.Cut(text, 200), f.windows)
	}
	return f.out.String(), f.bare.String(), nil
}

// influxFilling is a query on its way.
type influxFilling struct {
	language  *influxLanguage
	v         values
	step      time.Duration
	window    window
	out, bare strings.Builder
	inside    byte // the quote of the string that is open, '/' in a regular expression
	windows   int
}

// next takes what text begins with and says how much it took.
func (f *influxFilling) next(text string) (int, error) {
	c := text[0]
	switch {
	case c == '$' && strings.HasPrefix(text, "$$"):
		f.write("$")
		return 2, nil
	case c == '$' && identifier(text[1:]) != "":
		name := identifier(text[1:])
		value, err := f.value(name)
		f.write(value)
		return 1 + len(name), err
	case c == '\\' && f.inside != 0 && len(text) > 1:
		f.write(text[:2])
		return 2, nil
	case f.inside != 0:
		f.write(text[:1])
		if c == f.inside {
			f.inside = 0
		}
		return 1, nil
	}
	return 1, f.outside(text)
}

func (f *influxFilling) outside(text string) error {
	for _, r := range f.language.refused {
		if strings.HasPrefix(text, r) {
			return fmt.Errorf("%q outside of a string: want one query without comments", r)
		}
	}
	before := strings.ToLower(strings.TrimRight(f.bare.String(), " \t\r\n"))
	_, quotes := f.language.strings[text[0]]
	f.write(text[:1])
	if quotes || text[0] == '/' && (strings.HasSuffix(before, "~") || strings.HasSuffix(before, "from")) {
		f.inside = text[0]
	}
	return nil
}

func (f *influxFilling) write(s string) {
	if f.inside == 0 {
		f.bare.WriteString(s)
	}
	f.out.WriteString(s)
}

// value is a variable's value as it may stand here.
func (f *influxFilling) value(name string) (string, error) {
	if f.inside == 0 {
		switch name {
		case "window":
			f.windows++
			return f.language.window(f.window), nil
		case "step":
			return promDuration(f.step), nil
		}
		if _, err := (values{check: true}).get(name); err != nil {
			return "", err
		}
		return "", fmt.Errorf("$%s stands outside of a string: want it in one, as in '$%s' of InfluxQL or \"$%s\" of Flux", name, name, name)
	}
	value, err := f.v.get(name)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsRune(value, 0):
		return "", fmt.Errorf("$%s holds a NUL", name)
	case f.inside == '/':
		if strings.ContainsAny(value, "\n\r") {
			return "", fmt.Errorf("$%s holds a line break, which a regular expression can't", name)
		}
		return "(?:" + strings.ReplaceAll(regexp.QuoteMeta(value), "/", `\/`) + ")", nil
	}
	return f.language.strings[f.inside].Replace(value), nil
}

// called are the functions that a query calls, strings left out, without their packages.
func called(bare string) (names []string) {
	for _, at := range functionName.Get().FindAllStringIndex(bare, -1) {
		if strings.HasPrefix(strings.TrimLeft(bare[at[1]:], " \t\r\n"), "(") {
			name := bare[at[0]:at[1]]
			names = append(names, name[strings.LastIndexByte(name, '.')+1:])
		}
	}
	return names
}

var functionName = lazyregexp.New(`[A-Za-z_][A-Za-z0-9_.]*`)

// rawOnly refuses functions in a query of counters: they are read as they were written.
func (l *influxLanguage) rawOnly(bare string) error {
	for _, name := range called(bare) {
		if slices.ContainsFunc(l.counters, func(c string) bool { return strings.EqualFold(c, name) }) {
			return fmt.Errorf("a metric names counters as they were written: got %s(...), want the points themselves", name)
		}
	}
	return nil
}

// compileInfluxQL gives one SELECT. Where counters or gauges are asked for without a GROUP BY, each series stays one of its own.
func compileInfluxQL(q Query, v values, step time.Duration, w window) (string, error) {
	text, bare, err := influxQL.fill(strings.TrimSpace(q.Text), v, step, w)
	if err != nil {
		return "", err
	}
	words := strings.Fields(strings.ToLower(bare))
	joined := " " + strings.Join(words, " ") + " "
	switch {
	case len(words) == 0 || words[0] != "select":
		return "", errors.New(`want SELECT "field" FROM "measurement" WHERE ... AND $window`)
	case strings.Contains(joined, " into "):
		return "", errors.New("SELECT INTO writes: want a query that reads")
	case q.Kind == Counter:
		if err := influxQL.rawOnly(bare); err != nil {
			return "", err
		}
	}
	if q.Kind != Expr && !strings.Contains(joined, " group by ") {
		text += " GROUP BY *"
	}
	return text, nil
}

// compileFlux gives one pipeline.
func compileFlux(q Query, v values, step time.Duration, w window) (string, error) {
	text, bare, err := flux.fill(strings.TrimSpace(q.Text), v, step, w)
	if err != nil {
		return "", err
	}
	if q.Kind == Counter {
		if err := flux.rawOnly(bare); err != nil {
			return "", err
		}
	}
	writes := slices.ContainsFunc(called(bare), func(name string) bool { return name == "to" || name == "yield" })
	if word, _, _ := strings.Cut(bare, " "); writes || word == "import" || word == "option" {
		return "", errors.New(`want one pipeline that reads, without to, yield, import and option: from(bucket: "metrics") |> range($window) |> filter(...)`)
	}
	return text, nil
}
