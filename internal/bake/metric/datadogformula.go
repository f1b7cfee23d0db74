package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// datadogFormula is several queries and what is calculated of them, as Datadog's own JSON has it.
// https://docs.datadoghq.com/api/latest/metrics/query-timeseries-data-across-multiple-products/
type datadogFormula struct {
	Formulas []struct {
		Formula string `json:"formula"`
	} `json:"formulas"`
	Queries []map[string]any `json:"queries"`
}

const (
	datadogQueries = 20 // of one formula
	datadogJSON    = "want {\"queries\": [{\"data_source\": \"metrics\", \"name\": \"a\", \"query\": \"sum:...\"}], \"formulas\": [{\"formula\": \"a\"}]}"
)

func isDatadogFormula(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "{") }

// readDatadogFormula puts the variables into the queries and fixes the length of their buckets.
func readDatadogFormula(q Query, v values, seconds int64) (*datadogFormula, error) {
	var f datadogFormula
	d := json.NewDecoder(strings.NewReader(q.Text))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("the query can't be read: %w, %s", err, datadogJSON)
	}
	if d.More() {
		return nil, fmt.Errorf("something stands behind the query, %s", datadogJSON)
	}
	switch n := len(f.Queries); {
	case n == 0 || n > datadogQueries:
		return nil, fmt.Errorf("%d queries, want 1 to %d: %s", n, datadogQueries, datadogJSON)
	case q.Kind == Counter && (n > 1 || !f.counts()):
		return nil, errors.New("a metric names counts, not rates: want one query, of metrics (sum:METRIC{TAGS}) or of events that are counted (compute.aggregation), with default_zero(NAME) as its formula at most")
	case q.Kind == Expr && (len(f.Formulas) > 1 || n > 1 && len(f.Formulas) == 0):
		return nil, fmt.Errorf("%d formulas of %d queries, want one value: one formula", len(f.Formulas), n)
	}
	for _, x := range f.Formulas {
		if strings.TrimSpace(x.Formula) == "" || strings.Contains(x.Formula, "$") {
			return nil, fmt.Errorf("formula %q, want one of the queries' names: a variable stands in a query", clean.Cut(x.Formula, 100))
		}
	}
	for i, one := range f.Queries {
		if err := fillDatadogQuery(one, q.Kind, v, seconds); err != nil {
			return nil, fmt.Errorf("query %d: %w", i+1, err)
		}
	}
	return &f, nil
}

// counts reports whether the first query gives counts of each bucket, and no formula makes something else of them. Whether a query of metrics
// does is looked at with its text.
func (f *datadogFormula) counts() bool {
	query := f.Queries[0]
	compute, _ := query["compute"].(map[string]any)
	if query["data_source"] != "metrics" && compute["aggregation"] != "count" {
		return false
	}
	if len(f.Formulas) == 0 {
		return true
	}
	name, _ := query["name"].(string)
	formula := strings.ReplaceAll(f.Formulas[0].Formula, " ", "")
	return len(f.Formulas) == 1 && name != "" && (formula == name || formula == "default_zero("+name+")")
}

// fillDatadogQuery puts the variables into one query, in place: metrics are written in their own language, of all else nothing is known.
func fillDatadogQuery(query map[string]any, kind Kind, v values, seconds int64) error {
	source, ok := query["data_source"].(string)
	if !ok || source == "" {
		return errors.New("its data_source is missing, want metrics, logs, spans, rum or another")
	}
	if source != "metrics" {
		_, err := fillTexts(query, v)
		return err
	}
	text, ok := query["query"].(string)
	if !ok {
		return errors.New("its query is missing: sum:METRIC{TAGS}")
	}
	delete(query, "query")
	_, err := fillTexts(query, v)
	if err == nil {
		query["query"], err = datadogQuery(Query{Kind: kind, Text: text}, v, seconds)
	}
	return err
}

// datadogSeriesReply is the reply of the v2 API: one row of values a series, over the same times.
type datadogSeriesReply struct {
	Errors string `json:"errors"`
	Data   *struct {
		Attributes struct {
			Series []struct {
				Tags  []string `json:"group_tags"`
				Index int      `json:"query_index"`
			} `json:"series"`
			Times  []float64    `json:"times"` // milliseconds
			Values [][]*float64 `json:"values"`
		} `json:"attributes"`
	} `json:"data"`
}

// askFormula asks for whole buckets of a length in seconds.
func (d *datadog) askFormula(ctx context.Context, q Query, f *datadogFormula, from, to, length int64, acc *accumulator) error {
	attributes := map[string]any{"from": from * 1000, "to": to * 1000, "interval": length * 1000, "queries": f.Queries}
	if len(f.Formulas) > 0 {
		attributes["formulas"] = f.Formulas
	}
	body, err := json.Marshal(map[string]any{"data": map[string]any{"type": "timeseries_request", "attributes": attributes}})
	if err != nil {
		return err
	}
	const path = "/api/v2/query/timeseries"
	var reply datadogSeriesReply
	if err := d.json(ctx, httpx.Request{Method: http.MethodPost, Path: path, Body: body, Repeatable: true}, &reply); err != nil {
		return err
	}
	where := "POST " + d.client.URL() + path
	switch {
	case reply.Errors != "":
		return troublef(BadQuery, "%s: %s", where, clean.Cut(d.client.Redact(reply.Errors), 300))
	case reply.Data == nil:
		return troublef(BackendDown, "%s: got no data, want a timeseries_response", where)
	}
	got := reply.Data.Attributes
	switch {
	case len(got.Series) != len(got.Values):
		return troublef(Truncated, "%s: got %d series and %d rows of values, want as many", where, len(got.Series), len(got.Values))
	case q.Kind == Expr && len(got.Series) > 1:
		return troublef(BadQuery, "got %d series, want one value: leave out by {...} and group_by", len(got.Series))
	}
	over := time.Now().Add(-d.delay).UnixMilli()
	for i, s := range got.Series {
		points, err := rowOver(got.Times, got.Values[i], length*1000, over)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		labels := datadogLabels(s.Tags)
		if max(len(f.Formulas), len(f.Queries)) > 1 {
			labels["query_index"] = fmt.Sprint(s.Index)
		}
		if err := acc.add(labels, points); err != nil {
			return err
		}
	}
	return nil
}

// rowOver gives the values of the buckets that were over at a time, each at the end of its bucket. Null is no data, and never 0.
func rowOver(times []float64, row []*float64, length, at int64) (out []sample, err error) {
	if len(times) != len(row) {
		return nil, troublef(Truncated, "got %d times and %d values, want as many", len(times), len(row))
	}
	for i, t := range times {
		if math.Abs(t) > 1e14 {
			return nil, troublef(BackendDown, "a time is %g, want milliseconds", t)
		}
		if end := int64(t) + length; row[i] != nil && end <= at {
			out = append(out, sample{end - 1, *row[i]})
		}
	}
	return out, nil
}
