package metric

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// grafanaReply is a reply of /api/ds/query. A query that failed may come with HTTP 200: its own status counts.
type grafanaReply struct {
	Results map[string]*grafanaResult `json:"results"`
}

type grafanaResult struct {
	Status int            `json:"status"`
	Error  string         `json:"error"`
	Frames []grafanaFrame `json:"frames"`
}

func (r *grafanaResult) failed(where string, redact func(string) string) error {
	text := clean.Cut(redact(r.Error), 400)
	switch {
	case r.Error == "" && (r.Status == 0 || r.Status >= 200 && r.Status <= 299):
		return r.noticed(where, redact)
	case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		return troublef(Unauthorized, "%s: the data source answers with status %d: %s: check its own credentials in Grafana", where, r.Status, text)
	case limitMessage.MatchString(r.Error):
		return troublef(TooMany, "%s: status %d: %s: narrow the query or shorten the window", where, r.Status, text)
	case r.Status == http.StatusBadRequest || r.Status == http.StatusUnprocessableEntity:
		return troublef(BadQuery, "%s: status %d: %s", where, r.Status, text)
	}
	return troublef(BackendDown, "%s: the data source answers with status %d: %s", where, r.Status, text)
}

// noticed looks for what the data source says beside its frames: a warning says that something is missing.
func (r *grafanaResult) noticed(where string, redact func(string) string) error {
	for _, f := range r.Frames {
		for _, n := range f.Schema.Meta.Notices {
			if n.Severity == "warning" || n.Severity == "error" {
				return troublef(Truncated, "%s: the data source says: %s", where, clean.Cut(redact(n.Text), 300))
			}
		}
	}
	return nil
}

// grafanaFrame is a data frame: its columns are fields, one of them the time.
type grafanaFrame struct {
	Schema struct {
		Name   string         `json:"name"`
		Fields []grafanaField `json:"fields"`
		Meta   struct {
			Notices []struct{ Severity, Text string } `json:"notices"`
		} `json:"meta"`
	} `json:"schema"`
	Data struct {
		Values   [][]json.RawMessage `json:"values"`
		Entities []*grafanaEntities  `json:"entities"` // of each field, the places of what JSON has no number for
		Nanos    [][]int64           `json:"nanos"`
	} `json:"data"`
}

type grafanaField struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"` // time, number, string, boolean, other
	Labels map[string]string `json:"labels"`
}

type grafanaEntities struct{ NaN, Inf, NegInf []int }

// gatherFrames takes the fields that are numbers. Two of the same name and labels are two answers to one question.
func gatherFrames(q Query, frames []grafanaFrame, now int64, acc *accumulator) error {
	seen := map[string]bool{}
	for _, f := range frames {
		series, err := f.series(now)
		if err != nil {
			return err
		}
		for _, s := range series {
			key := seriesKey(s.labels)
			if seen[key] {
				return troublef(BadQuery, "two series of the reply have the labels %s: want each once", clean.Cut(fmt.Sprint(s.labels), 200))
			}
			if seen[key] = true; q.Kind == Expr && len(seen) > 1 {
				return troublef(BadQuery, "got several series, want one value: add them up")
			}
			if err := acc.add(s.labels, s.points); err != nil {
				return err
			}
		}
	}
	return nil
}

type grafanaSeries struct {
	labels map[string]string
	points []sample
}

func (f *grafanaFrame) series(now int64) ([]grafanaSeries, error) {
	fields, columns := f.Schema.Fields, f.Data.Values
	if len(fields) == 0 || len(columns) == 0 {
		return nil, nil // no data
	}
	at := slices.IndexFunc(fields, func(c grafanaField) bool { return c.Type == "time" })
	switch {
	case len(fields) != len(columns):
		return nil, troublef(Truncated, "a frame has %d fields and %d columns, want as many", len(fields), len(columns))
	case at < 0:
		return nil, troublef(BadQuery, "a frame has no time, want a query that gives values over time (format: time_series)")
	}
	var out []grafanaSeries
	for i, field := range fields {
		switch {
		case field.Type == "string" && len(columns[at]) > 0:
			return nil, troublef(BadQuery, "a frame has the text column %s, want numbers over time with labels (format: time_series)", clean.Cut(field.Name, 60))
		case field.Type != "number" && field.Type != "boolean":
			continue
		case len(columns[i]) != len(columns[at]):
			return nil, troublef(Truncated, "a frame has %d times and %d values, want as many", len(columns[at]), len(columns[i]))
		}
		points, err := f.points(at, i, now)
		if err != nil {
			return nil, err
		}
		out = append(out, grafanaSeries{field.labels(), points})
	}
	return out, nil
}

// labels has the name of Prometheus, or that of the field, which tells the values of one frame apart.
func (c grafanaField) labels() map[string]string {
	labels := map[string]string{}
	if !strings.EqualFold(c.Name, "value") {
		labels["__name__"] = c.Name
	}
	maps.Copy(labels, c.Labels)
	return labels
}

// points are the values at their times. What is null is no data, and never 0, unless the frame says that it is NaN or infinite.
func (f *grafanaFrame) points(at, i int, now int64) ([]sample, error) {
	odd := map[int]float64{}
	if i < len(f.Data.Entities) && f.Data.Entities[i] != nil {
		for v, places := range map[float64][]int{math.Inf(1): f.Data.Entities[i].Inf, math.Inf(-1): f.Data.Entities[i].NegInf} {
			for _, p := range places {
				odd[p] = v
			}
		}
		for _, p := range f.Data.Entities[i].NaN {
			odd[p] = math.NaN()
		}
	}
	var out []sample
	for row, raw := range f.Data.Values[i] {
		ms, err := jsonMilli(f.Data.Values[at][row])
		if err != nil {
			return nil, troublef(BackendDown, "%w", err)
		}
		v, ok, err := frameNumber(raw)
		if err != nil {
			return nil, err
		}
		if o, is := odd[row]; is {
			v, ok = o, true
		}
		if ok && ms <= now {
			out = append(out, sample{ms, v})
		}
	}
	slices.SortStableFunc(out, func(a, b sample) int { return int(a.ms - b.ms) })
	return out, nil
}

func frameNumber(raw json.RawMessage) (float64, bool, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return 0, false, troublef(BackendDown, "a value can't be read: %w", err)
	}
	switch x := v.(type) {
	case nil:
		return 0, false, nil
	case float64:
		return x, true, nil
	case bool:
		if x {
			return 1, true, nil
		}
		return 0, true, nil
	}
	return 0, false, troublef(BackendDown, "a value is neither a number nor null")
}
