package metric

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// readFlux asks for annotated CSV: the types say what is a number, and the group what makes a series.
func (i *influxDB) readFlux(ctx context.Context, text string, acc *accumulator) error {
	body, err := json.Marshal(map[string]any{"query": text, "type": "flux",
		"dialect": map[string]any{"annotations": []string{"datatype", "group", "default"}, "header": true, "delimiter": ","}})
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	resp, err := i.client.Do(ctx, httpx.Request{Method: http.MethodPost, Path: "/api/v2/query", Query: url.Values{"org": {i.options.Org}}, Body: body, Repeatable: true,
		Header: http.Header{"Accept": {"application/csv"}}})
	if err != nil {
		return apiTrouble(err)
	}
	where := i.client.URL() + "/api/v2/query"
	switch kind := resp.Header.Get("Content-Type"); {
	case strings.Contains(kind, "html") || strings.Contains(kind, "json"):
		return troublef(BackendDown, "%s: got %s, want CSV: is a login page or a proxy in between?", where, clean.Cut(kind, 60))
	case len(resp.Body) > 0 && !bytes.HasSuffix(resp.Body, []byte("\n")):
		return troublef(Truncated, "%s: the reply ends too early", where)
	}
	if err := i.readTables(resp.Body, acc); err != nil {
		var t *trouble
		if errors.As(err, &t) {
			return err
		}
		return troublef(BackendDown, "%s: %w", where, err)
	}
	return nil
}

// fluxTable is the head of a table: its annotations and its columns.
type fluxTable struct {
	types, group, defaults []string
	columns                []string
}

func (i *influxDB) readTables(body []byte, acc *accumulator) error {
	r := csv.NewReader(bytes.NewReader(body))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	var t fluxTable
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the reply is no annotated CSV: %w", err)
		case strings.HasPrefix(row[0], "#"):
			t.annotate(row)
		case t.columns == nil:
			t.columns = clone(row)
		case t.index("error") >= 0:
			return i.said(t.cell(row, t.index("error")))
		default:
			if err := t.take(row, acc); err != nil {
				return err
			}
		}
	}
}

func clone(row []string) []string { return append([]string(nil), row...) }

// annotate begins a new head with its first annotation.
func (t *fluxTable) annotate(row []string) {
	if t.columns != nil {
		*t = fluxTable{}
	}
	switch row[0] {
	case "#datatype":
		t.types = clone(row)
	case "#group":
		t.group = clone(row)
	case "#default":
		t.defaults = clone(row)
	}
}

func (t *fluxTable) index(column string) int {
	for i, c := range t.columns {
		if c == column {
			return i
		}
	}
	return -1
}

// cell is a value of a row, or the column's default.
func (t *fluxTable) cell(row []string, i int) string {
	switch {
	case i >= 0 && i < len(row) && row[i] != "":
		return row[i]
	case i >= 0 && i < len(t.defaults):
		return t.defaults[i]
	}
	return ""
}

// take adds a row's point; a value that is empty is null: no data, and never 0.
func (t *fluxTable) take(row []string, acc *accumulator) error {
	at, value := t.index("_time"), t.index("_value")
	if at < 0 || value < 0 {
		return troublef(BadQuery, "the pipeline gives no columns _time and _value, want points with their times")
	}
	if len(row) != len(t.columns) {
		return fmt.Errorf("a row has %d cells, want %d", len(row), len(t.columns))
	}
	text := t.cell(row, value)
	if text == "" {
		return nil
	}
	when, err := time.Parse(time.RFC3339Nano, t.cell(row, at))
	if err != nil {
		return fmt.Errorf("_time %q is no time", clean.Cut(row[at], 40))
	}
	v, err := t.number(value, text)
	if err != nil {
		return err
	}
	return acc.add(t.labels(row), []sample{{when.UnixMilli(), v}})
}

func (t *fluxTable) number(i int, text string) (float64, error) {
	kind := ""
	if i < len(t.types) {
		kind = t.types[i]
	}
	switch kind {
	case "boolean":
		if text == "true" {
			return 1, nil
		}
		return 0, nil
	case "double", "long", "unsignedLong":
		v, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("_value %q is no %s", clean.Cut(text, 40), kind)
		}
		return v, nil
	}
	return 0, troublef(BadQuery, "_value is a %s, want a number: filter the fields that are numbers", clean.Cut(kind, 40))
}

// labels are the columns that make the series: those of its group.
func (t *fluxTable) labels(row []string) map[string]string {
	ls := map[string]string{}
	for i, c := range t.columns {
		if i >= len(t.group) || t.group[i] != "true" || c == "_start" || c == "_stop" || c == "_time" || c == "_value" {
			continue
		}
		if v := t.cell(row, i); v != "" {
			if c == "_measurement" {
				c = "__name__"
			}
			ls[c] = v
		}
	}
	return ls
}
