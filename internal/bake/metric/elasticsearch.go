package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// ElasticsearchOptions is the block of Elasticsearch and OpenSearch: documents, counted interval by interval.
type ElasticsearchOptions struct {
	httpx.Remote
	Index     Template     `yaml:"index,required"` // a data stream, an alias or a pattern: logs-checkout-*
	TimeField string       `yaml:"time-field"`     // default @timestamp
	APIKey    httpx.Secret `yaml:"api-key"`        // as it was given out: encoded
	Token     httpx.Secret `yaml:"token"`
	Username  string       `yaml:"username"`
	Password  httpx.Secret `yaml:"password"`
	// Interval is how long the intervals are that are counted, the default is the bake's step.
	Interval time.Duration `yaml:"interval"`
	// Delay is how long after its end an interval is looked at: shippers, pipelines and the index's refresh take their time.
	Delay time.Duration `yaml:"delay"`
	// Bounds are the upper bounds of a histogram's buckets.
	Bounds []time.Duration `yaml:"bounds"`
}

const (
	elasticIntervals = 400 // of one request: with the buckets of a histogram in each, less than the 10,000 that Elasticsearch 7 allows
	elasticBounds    = 20
)

type elasticsearch struct {
	client  *httpx.Client
	options ElasticsearchOptions
	bounds  []float64 // seconds; the last one is +Inf
	mapped  sync.Map  // index and field: they are known to be there
}

var buildElasticsearch = built(ElasticsearchOptions{TimeField: "@timestamp", Delay: time.Minute}, newElasticsearch)

func newElasticsearch(o ElasticsearchOptions) (*elasticsearch, error) {
	e := &elasticsearch{options: o}
	switch {
	case o.Index == "":
		return nil, errors.New("index is missing, want a data stream, an alias or a pattern: logs-checkout-*")
	case o.TimeField == "":
		return nil, errors.New("time-field is empty, want the field that holds when a document was made")
	case o.Interval < 0 || o.Interval%time.Second != 0:
		return nil, fmt.Errorf("interval %s, want whole seconds", o.Interval)
	case o.Delay < 0:
		return nil, fmt.Errorf("delay %s, want 0s or more", o.Delay)
	}
	if _, err := e.index(values{check: true}); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		e.options.Timeout = 25 * time.Second // a search reads documents, where others read counters
	}
	auth, err := o.login()
	if err != nil {
		return nil, err
	}
	if e.bounds, err = o.bounds(); err != nil {
		return nil, err
	}
	e.client, err = newAPI(e.options.Remote, auth...)
	return e, err
}

func (o ElasticsearchOptions) login() ([]httpx.Option, error) {
	if o.APIKey.IsZero() {
		return login{o.Token, o.Username, o.Password}.options()
	}
	key := strings.TrimSpace(o.APIKey.Reveal())
	switch {
	case !o.Token.IsZero() || o.Username != "" || !o.Password.IsZero():
		return nil, errors.New("api-key is given beside token or username, want one of them")
	case strings.Contains(key, ":"):
		return nil, errors.New("api-key holds a colon, want the key as Elasticsearch encodes it (its field encoded), not id:key")
	}
	return []httpx.Option{httpx.WithHeader("Authorization", httpx.NewSecret("ApiKey "+key)), httpx.WithSecret(o.APIKey)}, nil
}

// bounds are the upper bounds in seconds, by default those of probes.
func (o ElasticsearchOptions) bounds() (out []float64, err error) {
	if len(o.Bounds) == 0 {
		return probeBounds, nil
	}
	if len(o.Bounds) > elasticBounds {
		return nil, fmt.Errorf("%d bounds, want at most %d", len(o.Bounds), elasticBounds)
	}
	for i, b := range o.Bounds {
		if b <= 0 || i > 0 && b <= o.Bounds[i-1] {
			return nil, fmt.Errorf("bounds: %s stands where a longer one is wanted: they are above 0, each longer than the one before", b)
		}
		out = append(out, b.Seconds())
	}
	return append(out, probeBounds[len(probeBounds)-1]), nil
}

// Traits implements Source.
func (e *elasticsearch) Traits() Traits { return Traits{History: true} }

// Zeros implements Counting: all intervals are asked for.
func (e *elasticsearch) Zeros(Query) bool { return true }

// Check implements Source.
func (e *elasticsearch) Check(q Query) error {
	_, err := elasticQueryOf(q, values{check: true})
	return err
}

// Range implements Source.
func (e *elasticsearch) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return ranges(e.read).all(ctx, queries, from, to, step)
}

// read asks for the whole intervals that end in the window and are over.
func (e *elasticsearch) read(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	index, err := e.index(q.with(step))
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	query, err := elasticQueryOf(q, q.with(step))
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	length := bucketLength(e.options.Interval, step)
	acc.deltas = q.Kind == Counter || q.Kind == Histogram
	for i, part := range buckets(w, length, elasticIntervals, time.Now().Add(-e.options.Delay)) {
		if i == 0 {
			if err := e.knows(ctx, index, query); err != nil {
				return err
			}
		}
		var reply elasticReply
		if err := e.ask(ctx, index, e.search(query, part, length), &reply); err != nil {
			return err
		}
		if err := e.gather(query, reply, part, length, acc); err != nil {
			return err
		}
	}
	return nil
}

// indexValue is what may stand in the name of an index. Anything else could name another one.
var indexValue = lazyregexp.New(`^[a-z0-9][a-z0-9._-]*$`)

// index is the index with its variables.
func (e *elasticsearch) index(v values) (string, error) {
	index, err := v.through(string(e.options.Index), func(name, value string) (string, error) {
		if !indexValue.MatchString(value) {
			return "", fmt.Errorf("index: $%s is %q, want small letters, digits and ._- in the name of an index", name, clean.Cut(value, 60))
		}
		return value, nil
	})
	if err == nil && strings.ContainsAny(index, " \"\\?#|\t\r\n") {
		err = fmt.Errorf("index %q, want names and patterns with commas between them: logs-checkout-*,logs-shop-*", clean.Cut(index, 60))
	}
	return index, err
}

// elasticWhole asks for all or nothing: what is not whole is no evidence, and neither is what no index was asked for.
var elasticWhole = url.Values{"allow_partial_search_results": {"false"}, "allow_no_indices": {"false"}, "ignore_unavailable": {"false"}}

// search is the body of a request. Elasticsearch names every interval of the window, with 0 where no document is.
func (e *elasticsearch) search(q elasticQuery, w window, length int64) map[string]any {
	field := e.options.TimeField
	intervals := map[string]any{"date_histogram": map[string]any{"field": field, "fixed_interval": fmt.Sprintf("%ds", length/1000), "min_doc_count": 0,
		"extended_bounds": map[string]any{"min": w.from, "max": w.to - 1}}}
	if a := q.aggregation(e.bounds); a != nil {
		intervals["aggs"] = map[string]any{"of": a}
	}
	return map[string]any{
		"size": 0, "track_total_hits": false,
		"query": map[string]any{"bool": map[string]any{"filter": []any{
			map[string]any{"range": map[string]any{field: map[string]any{"gte": w.from, "lt": w.to, "format": "epoch_millis"}}},
			map[string]any{"query_string": map[string]any{"query": q.lucene}},
		}}},
		"aggs": map[string]any{"intervals": intervals},
	}
}

func (e *elasticsearch) ask(ctx context.Context, index string, search map[string]any, into *elasticReply) error {
	body, err := json.Marshal(search)
	if err != nil {
		return err
	}
	path := "/" + url.PathEscape(index) + "/_search"
	err = askJSON(ctx, e.client, httpx.Request{Method: http.MethodPost, Path: path, Query: elasticWhole, Body: body, Repeatable: true}, into)
	if err != nil {
		return elasticRefused(err, index)
	}
	return into.whole("POST "+e.client.URL()+path, index, e.client.Redact)
}

// elasticRefused knows the errors that Elasticsearch gives by their types.
func elasticRefused(err error, index string) error {
	var status *httpx.StatusError
	switch {
	case !errors.As(err, &status):
	case strings.Contains(status.Excerpt, "index_not_found_exception"):
		return troublef(BadQuery, "%w: no index matches %s, or none that the key may read", status, clean.Cut(index, 100))
	case strings.Contains(status.Excerpt, "too_many_buckets_exception"):
		return troublef(TooMany, "%w: the intervals are too many for search.max_buckets, give the source fewer bounds", status)
	}
	return err
}
