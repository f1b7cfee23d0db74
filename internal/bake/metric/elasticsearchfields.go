package metric

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// elasticFields is the reply of _field_caps: the types of each field that an index has.
type elasticFields struct {
	Indices any                       `json:"indices"`
	Fields  map[string]map[string]any `json:"fields"`
}

var (
	elasticTimes   = []string{"date", "date_nanos"}
	elasticNumbers = []string{"long", "integer", "short", "byte", "unsigned_long", "double", "float", "half_float", "scaled_float"}
	// elasticSummaries are documents that stand for several events.
	elasticSummaries = []string{"histogram", "aggregate_metric_double"}
	// elasticOpen are objects whose keys are no fields of their own.
	elasticOpen = []string{"flattened", "flat_object"}
)

// knows asks, once, whether the fields of a query are there. Elasticsearch finds nothing by a field that no index has, and says nothing:
// a misspelt field of bad would be a service without failures.
func (e *elasticsearch) knows(ctx context.Context, index string, q elasticQuery) error {
	fields := append([]string{e.options.TimeField}, q.fields...)
	if q.field != "" {
		fields = append(fields, q.field)
	}
	slices.Sort(fields)
	fields = slices.DeleteFunc(slices.Compact(fields), func(f string) bool {
		_, known := e.mapped.Load(e.mappedKey(index, f, q))
		return known
	})
	if len(fields) == 0 {
		return nil
	}
	got, err := e.fields(ctx, index, fields)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if err := e.suitable(got, f, index, q); err != nil {
			return troublef(BadQuery, "%s: %w", e.client.URL(), err)
		}
	}
	for _, f := range fields {
		e.mapped.Store(e.mappedKey(index, f, q), true)
	}
	return nil
}

// mappedKey is what is known: a field that a query selects by may have any type, one that numbers are taken of may not.
func (e *elasticsearch) mappedKey(index, field string, q elasticQuery) string {
	key := index + "\x00" + field
	if field == q.field {
		key += "\x00" + string(q.kind)
	}
	return key
}

func (e *elasticsearch) fields(ctx context.Context, index string, fields []string) (*elasticFields, error) {
	ask := slices.Clone(fields)
	for _, f := range fields {
		for i := strings.LastIndexByte(f, '.'); i > 0; i = strings.LastIndexByte(f[:i], '.') {
			ask = append(ask, f[:i])
		}
	}
	slices.Sort(ask)
	query := url.Values{"fields": {strings.Join(slices.Compact(ask), ",")}, "allow_no_indices": {"false"}, "ignore_unavailable": {"false"}}
	path := "/" + url.PathEscape(index) + "/_field_caps"
	var got elasticFields
	if err := askJSON(ctx, e.client, httpx.Request{Path: path, Query: query}, &got); err != nil {
		return nil, elasticRefused(err, index)
	}
	none, listed := got.Indices.([]any)
	switch {
	case listed && len(none) == 0:
		return nil, troublef(BadQuery, "GET %s%s: no index matches %s, or none that the key may read", e.client.URL(), path, clean.Cut(index, 100))
	case got.Fields == nil:
		return nil, troublef(BackendDown, "GET %s%s: got no fields, want those of the index", e.client.URL(), path)
	}
	return &got, nil
}

// suitable looks at one field.
func (e *elasticsearch) suitable(got *elasticFields, field, index string, q elasticQuery) error {
	types := got.Fields[field]
	for parent := field; len(types) == 0; {
		i := strings.LastIndexByte(parent, '.')
		if i < 0 {
			return fmt.Errorf("no index of %s has the field %s, and nothing can match it: is it misspelt? A field that only failures have is there once the index's template names it", clean.Cut(index, 100), clean.Cut(field, 100))
		}
		parent = parent[:i]
		if open := got.Fields[parent]; len(open) > 0 && slices.ContainsFunc(elasticOpen, func(t string) bool { return open[t] != nil }) {
			return nil
		}
	}
	want := slices.Concat(elasticNumbers, elasticSummaries)
	switch {
	case field == e.options.TimeField:
		want = elasticTimes
	case field != q.field:
		return nil
	case q.kind == Histogram:
		want = elasticNumbers
	}
	for t := range types {
		if !slices.Contains(want, t) && t != "unmapped" {
			return fmt.Errorf("the field %s of %s is a %s, want one of %s", clean.Cut(field, 100), clean.Cut(index, 100), clean.Cut(t, 40), strings.Join(want, ", "))
		}
	}
	return nil
}
