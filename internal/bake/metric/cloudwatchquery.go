package metric

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// cloudWatchQuery is one of the queries of a request: a metric, or an expression.
type cloudWatchQuery struct {
	ID         string          `json:"Id"`
	Expression string          `json:",omitempty"`
	Period     int64           `json:",omitempty"` // seconds, of an expression
	Stat       *cloudWatchStat `json:"MetricStat,omitempty"`
}

type cloudWatchStat struct {
	Metric cloudWatchMetric
	Period int64 // seconds
	Stat   string
}

type cloudWatchMetric struct {
	Namespace  string
	Name       string                `json:"MetricName"`
	Dimensions []cloudWatchDimension `json:",omitempty"`
}

type cloudWatchDimension struct{ Name, Value string }

var (
	cloudWatchText = lazyregexp.New(`^([A-Za-z0-9_./#:-]+)\s+([^\s{}()]+?)\s*(?:\{(.*)\})?\s+(\S+)$`)
	cloudWatchPair = lazyregexp.New(`^\s*([^\s=,"]+)\s*=\s*(?:"([^"]*)"|([^",]*?))\s*(?:,|$)`)
	statistic      = lazyregexp.New(`^(Sum|SampleCount|Average|Minimum|Maximum|IQM|(p|tm|wm|tc|ts)[0-9]{1,3}(\.[0-9]+)?|(TM|WM|TC|TS|PR)\([0-9.%:]+\))$`)
	insightsLimit  = lazyregexp.New(`(?i)\bLIMIT\b`)
	insightsSum    = lazyregexp.New(`(?i)^SELECT\s+(SUM|COUNT)\s*\(`)
)

// query reads a query's text and puts the variables in.
func (c *cloudWatch) query(q Query, v values) (cloudWatchQuery, error) {
	in, err := readCloudWatch(strings.TrimSpace(q.Text), q.Kind, int64(c.options.Period/time.Second), v)
	if err != nil {
		return in, fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	return in, nil
}

func readCloudWatch(text string, kind Kind, period int64, v values) (cloudWatchQuery, error) {
	if m := cloudWatchText.FindStringSubmatch(text); m != nil && !isInsights(text) {
		return readStat(m, kind, period, v)
	}
	switch insights := isInsights(text); {
	case insights && insightsLimit.MatchString(text):
		return cloudWatchQuery{}, errors.New("got LIMIT, want the query without it: a limit hides what is beyond it")
	case kind == Counter && (!insights || !insightsSum.MatchString(text)):
		return cloudWatchQuery{}, errors.New("want counts: NAMESPACE METRIC{DIMENSION=value,...} Sum, or SELECT SUM(...) or COUNT(...)")
	case !insights && !strings.Contains(text, "("):
		return cloudWatchQuery{}, errors.New("want NAMESPACE METRIC{DIMENSION=value,...} STATISTIC, as in AWS/Lambda Errors{FunctionName=$service} Sum, or an expression")
	}
	expression, err := fillQuoted(text, v)
	return cloudWatchQuery{Expression: expression, Period: period}, err
}

func isInsights(text string) bool {
	return len(text) > 6 && strings.EqualFold(text[:6], "select") && strings.ContainsAny(text[6:7], " \t\n")
}

// readStat reads NAMESPACE METRIC{DIMENSION=value,...} STATISTIC. A variable becomes a part of a value, whatever it holds.
func readStat(m []string, kind Kind, period int64, v values) (in cloudWatchQuery, err error) {
	s := &cloudWatchStat{Metric: cloudWatchMetric{Namespace: m[1], Name: m[2]}, Period: period, Stat: m[4]}
	switch {
	case !statistic.MatchString(s.Stat):
		return in, fmt.Errorf("got statistic %q, want Sum, SampleCount, Average, Minimum, Maximum or such as p99", clean.Cut(s.Stat, 40))
	case kind == Counter && s.Stat != "Sum" && s.Stat != "SampleCount":
		return in, fmt.Errorf("got statistic %s, want Sum or SampleCount: counts of each period", s.Stat)
	case strings.Contains(m[1]+m[2], "$"):
		return in, errors.New("a variable stands in a dimension's value: {FunctionName=$service}")
	}
	for rest := m[3]; strings.TrimSpace(rest) != ""; {
		pair := cloudWatchPair.FindStringSubmatch(rest)
		if pair == nil {
			return in, fmt.Errorf("the dimensions can't be read at %q, want {NAME=value,NAME=\"value\"}", clean.Cut(rest, 60))
		}
		rest = rest[len(pair[0]):]
		value, err := v.fill(pair[2] + pair[3])
		if err != nil {
			return in, err
		}
		if value == "" || value == "*" {
			return in, fmt.Errorf("dimension %s has the value %q, want one that is there: CloudWatch has no wildcards here, use SUM(SEARCH(...))", clean.Cut(pair[1], 60), value)
		}
		s.Metric.Dimensions = append(s.Metric.Dimensions, cloudWatchDimension{pair[1], value})
	}
	in.Stat = s
	return in, nil
}

// fillQuoted puts the variables into the strings of an expression. What could end a string is refused: there is no escape in SEARCH.
func fillQuoted(text string, v values) (string, error) {
	quote := byte(0) // the outermost one
	var b strings.Builder
	for _, p := range pieces(text) {
		value := p.text
		if !p.variable {
			for i := 0; i < len(value); i++ {
				switch c := value[i]; {
				case c == quote:
					quote = 0
				case quote == 0 && (c == '\'' || c == '"'):
					quote = c
				}
			}
			b.WriteString(value)
			continue
		}
		value, err := v.get(p.text)
		if err != nil {
			return "", err
		}
		if quote == 0 {
			return "", fmt.Errorf("column %d: a variable stands in a text: '$%s'", p.at+1, p.text)
		}
		if value, err = nrqlPart(p.text, value, false); err != nil {
			return "", err
		}
		b.WriteString(value)
	}
	if quote != 0 {
		return "", fmt.Errorf("what begins with %c has no end", quote)
	}
	return b.String(), nil
}

// labels are those of a series: the dimensions, or the label of an expression's.
func (q cloudWatchQuery) labels(label string) map[string]string {
	if q.Stat == nil {
		return map[string]string{"label": label}
	}
	labels := map[string]string{"__name__": q.Stat.Metric.Name}
	for _, d := range q.Stat.Metric.Dimensions {
		labels[d.Name] = d.Value
	}
	return labels
}
