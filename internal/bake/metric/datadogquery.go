package metric

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// datadogPlain is one metric with its tags, without functions: AGGREGATOR:METRIC{TAGS} by {TAGS}, and as_count or default_zero around it.
var datadogPlain = lazyregexp.New(`^(default_zero\()?\s*([a-z0-9]+:[A-Za-z][A-Za-z0-9_.]*\{[^{}]*\}(?:\s*by\s*\{[^{}]*\})?)(\.as_count\(\))?\s*(\))?$`)

// datadogQuery puts the variables into a query and fixes the length of its buckets: without rollup it would depend on how much is asked
// for at once.
func datadogQuery(q Query, v values, seconds int64) (string, error) {
	text, err := fillDatadog(strings.TrimSpace(q.Text), v, seconds)
	if err != nil {
		return "", fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	m := datadogPlain.FindStringSubmatch(text)
	plain := m != nil && (m[1] == "") == (m[4] == "")
	switch {
	case q.Kind == Counter && (!plain || !strings.HasPrefix(m[2], "sum:")):
		return "", fmt.Errorf("%s: a metric names counts, not rates: want sum:METRIC{TAGS}, with as_count() and default_zero(...) at most", clean.Cut(q.Text, 200))
	case q.Kind == Counter:
		return fmt.Sprintf("%s%s.as_count().rollup(sum, %d)%s", m[1], m[2], seconds, m[4]), nil
	case strings.Contains(text, ".rollup("):
		return text, nil
	case plain:
		return fmt.Sprintf("%s%s%s.rollup(%s, %d)%s", m[1], m[2], m[3], datadogRollup(m[2], m[3]), seconds, m[4]), nil
	}
	return "", fmt.Errorf("%s: the length of its buckets is not fixed: want .rollup(avg, $step) behind each metric", clean.Cut(q.Text, 200))
}

// datadogRollup is how the points of one bucket become one.
func datadogRollup(query, count string) string {
	switch how, _, _ := strings.Cut(query, ":"); {
	case count != "":
		return "sum"
	case how == "max" || how == "min":
		return how
	}
	return "avg"
}

// fillDatadog puts the variables in. They stand behind a tag's name in {...}, and become what Datadog makes of a tag's value: there is
// nothing to escape with. $step is a number of seconds, and may stand anywhere.
func fillDatadog(text string, v values, seconds int64) (string, error) {
	var b strings.Builder
	depth := 0
	for _, p := range pieces(text) {
		if !p.variable {
			depth += strings.Count(p.text, "{") - strings.Count(p.text, "}")
			b.WriteString(p.text)
			continue
		}
		if p.text == "step" {
			fmt.Fprint(&b, seconds)
			continue
		}
		value, err := v.get(p.text)
		if err != nil {
			return "", err
		}
		before := b.String()
		if depth != 1 || before == "" || !tagRune(rune(before[len(before)-1])) {
			return "", fmt.Errorf("$%s does not stand behind a tag's name: want it as in {service:$%s}", p.text, p.text)
		}
		b.WriteString(tagValue(value))
	}
	if depth != 0 {
		return "", errors.New("the brackets do not fit together")
	}
	return b.String(), nil
}

func tagRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-:./", r)
}

// tagValue is a value as Datadog stores it in a tag: in lower case, and _ for what a tag can't hold.
func tagValue(s string) string {
	return strings.Map(func(r rune) rune {
		if !tagRune(r) {
			return '_'
		}
		return unicode.ToLower(r)
	}, s)
}
