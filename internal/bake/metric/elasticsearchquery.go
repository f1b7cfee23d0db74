package metric

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// elasticQuery is a query with its variables: documents, and what of them is wanted.
type elasticQuery struct {
	kind     Kind
	lucene   string
	fields   []string // that the query names
	function string   // avg, min, max, sum, p99; "" to count documents
	field    string   // what the function or the histogram is of
	unit     float64  // how many of the field's unit are one of ours
}

// elasticForm is FUNCTION(FIELD in UNIT) WHERE QUERY, or FIELD in UNIT WHERE QUERY.
var elasticForm = lazyregexp.New(`^\s*(?:([a-z][a-z0-9.]*)\(\s*([\w@.-]+)(?:\s+in\s+(\w+))?\s*\)|([\w@.-]+)(?:\s+in\s+(\w+))?)\s+WHERE\s+((?s:.+))$`)

// elasticFunction is what one number can be had by.
var elasticFunction = lazyregexp.New(`^(avg|min|max|sum|p[1-9][0-9]?(\.[0-9]{1,3})?)$`)

// elasticUnits are how many of a unit are a second.
var elasticUnits = map[string]float64{"": 1, "s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}

func elasticQueryOf(q Query, v values) (elasticQuery, error) {
	out := elasticQuery{kind: q.Kind, lucene: q.Text}
	unit := ""
	if m := elasticForm.FindStringSubmatch(q.Text); m != nil {
		out.function, out.field, unit, out.lucene = m[1], m[2]+m[4], m[3]+m[5], m[6]
	}
	out.unit = elasticUnits[unit]
	err := out.suits(unit)
	var tokens []luceneToken
	if err == nil {
		tokens, err = scanLucene(out.lucene)
	}
	if err == nil {
		err = checkLucene(tokens)
	}
	if err == nil {
		out.lucene, err = fillLucene(tokens, v)
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	out.fields = luceneFields(tokens)
	return out, nil
}

// suits looks whether the form suits the kind.
func (q elasticQuery) suits(unit string) error {
	switch {
	case q.unit == 0:
		return fmt.Errorf("the unit is %q, want s, ms, us or ns", clean.Cut(unit, 20))
	case q.function != "" && !elasticFunction.MatchString(q.function):
		return fmt.Errorf("got %s(...), want avg, min, max, sum or a percentile such as p99", clean.Cut(q.function, 40))
	case q.kind == Counter && (q.field == "" || q.function == "sum"):
	case q.kind == Counter:
		return errors.New("want a count of each interval: documents, service.name:\"$service\" AND level:error, or a sum, sum(http.requests) WHERE service.name:\"$service\"")
	case q.kind == Histogram && (q.field == "" || q.function != "" || unit == ""):
		return errors.New("want the field of a duration, its unit and which documents: event.duration in ns WHERE service.name:\"$service\"")
	case q.kind != Histogram && q.function == "":
		return errors.New("want one number of the documents: p99(event.duration in ns) WHERE service.name:\"$service\"")
	}
	return nil
}

// aggregation is what is wanted of each interval beside its number of documents. Buckets hold what is at most their bound, as those of a
// classic histogram do, which a range aggregation can't say.
func (q elasticQuery) aggregation(bounds []float64) map[string]any {
	percent, isPercentile := strings.CutPrefix(q.function, "p")
	switch {
	case q.kind == Histogram:
		var filters []any
		for _, le := range bounds {
			filter := map[string]any{"exists": map[string]any{"field": q.field}}
			if !math.IsInf(le, 1) {
				filter = map[string]any{"range": map[string]any{q.field: map[string]any{"lte": le * q.unit}}}
			}
			filters = append(filters, filter)
		}
		return map[string]any{"filters": map[string]any{"filters": filters}}
	case isPercentile:
		n, _ := strconv.ParseFloat(percent, 64) // it has the form of a number
		return map[string]any{"percentiles": map[string]any{"field": q.field, "percents": []float64{n}, "keyed": false}}
	case q.function != "":
		return map[string]any{q.function: map[string]any{"field": q.field}}
	}
	return nil
}
