package metric

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// NewRelicOptions is the block of New Relic: NRQL through NerdGraph.
type NewRelicOptions struct {
	httpx.Remote
	Account int64        `yaml:"account"`
	APIKey  httpx.Secret `yaml:"api-key"` // a user key
	Region  string       `yaml:"region"`  // us (default) or eu
	// Interval is how long the intervals are that are asked for, the default is the bake's step.
	Interval time.Duration `yaml:"interval"`
}

// newRelicHosts are the regions' own.
var newRelicHosts = map[string]string{"us": "https://api.newrelic.com", "eu": "https://api.eu.newrelic.com"}

const (
	nrqlBuckets = 366  // that one query may have
	nrqlFacets  = 5000 // that LIMIT MAX gives
)

// newRelicQuery is sent with the query of a metric as a variable: nothing is put into GraphQL's own text.
const newRelicQuery = `query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql, timeout: 20) { results metadata { facets messages } } } } }`

type newRelic struct {
	client   *httpx.Client
	account  int64
	interval time.Duration
}

var buildNewRelic = built(NewRelicOptions{}, newNewRelic)

func newNewRelic(o NewRelicOptions) (*newRelic, error) {
	host, known := newRelicHosts[cmp.Or(o.Region, "us")]
	switch {
	case o.Account <= 0:
		return nil, errors.New("account is missing, want the account's number")
	case o.APIKey.IsZero():
		return nil, errors.New("api-key is missing, want a user key (NRAK-...)")
	case o.URL != "" && o.Region != "":
		return nil, errors.New("both url and region are given, want one of them")
	case !known:
		return nil, fmt.Errorf("region %q, want us or eu", clean.Cut(o.Region, 20))
	case o.Interval < 0 || o.Interval%time.Second != 0:
		return nil, fmt.Errorf("interval %s, want whole seconds", o.Interval)
	}
	o.URL = cmp.Or(o.URL, host)
	if o.Timeout == 0 {
		o.Timeout = 25 * time.Second // longer than New Relic's own
	}
	c, err := newAPI(o.Remote, httpx.WithHeader("Api-Key", o.APIKey))
	if err != nil {
		return nil, err
	}
	return &newRelic{c, o.Account, o.Interval}, nil
}

// Traits implements Source.
func (n *newRelic) Traits() Traits { return Traits{History: true, Labels: true} }

// Zeros implements Counting: a count of nothing is 0, a sum of nothing is null, and with FACET there is no row.
func (n *newRelic) Zeros(q Query) bool {
	tokens, err := scanNRQL(q.Text)
	if err != nil || q.Kind != Counter || hasWord(tokens, "facet") {
		return false
	}
	return !slices.ContainsFunc(selected(tokens), func(t nrqlToken) bool { return t.kind == 'w' && strings.EqualFold(t.text, "sum") })
}

// Check implements Source.
func (n *newRelic) Check(q Query) error {
	if err := q.only("NRQL gives no buckets of a histogram: write percentile(duration, 99) as a gauge, or the slow and all requests (bad, total)", Counter, Gauge, Expr); err != nil {
		return err
	}
	err := checkNRQL(q)
	if err == nil {
		_, err = fillNRQL(q.Text, values{check: true})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", clean.Cut(q.Text, 200), err)
	}
	return nil
}

// Range implements Source.
func (n *newRelic) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return ranges(n.read).all(ctx, queries, from, to, step)
}

// read asks for the whole intervals that end in the window and are over, as many at a time as one query may have.
func (n *newRelic) read(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	nrql, err := fillNRQL(q.Text, q.with(step))
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	tokens, err := scanNRQL(nrql)
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	facet := hasWord(tokens, "facet")
	length := bucketLength(n.interval, step)
	acc.deltas = q.Kind == Counter
	for _, part := range buckets(w, length, nrqlBuckets, time.Now()) {
		reply, err := n.ask(ctx, nrqlIn(nrql, part, length, facet))
		if err != nil {
			return err
		}
		if err := reply.gather(part, length, acc); err != nil {
			return err
		}
	}
	return nil
}

// bucketLength is how long an interval is, in milliseconds: whole seconds.
func bucketLength(own, step time.Duration) int64 {
	if own == 0 {
		own = (step + time.Second - 1).Truncate(time.Second)
	}
	return max(own, time.Second).Milliseconds()
}

// buckets are the windows to ask for: of whole intervals, counted from 1970 so that two calls cut the time at the same places, that end
// in w and are over.
func buckets(w window, length, most int64, now time.Time) (parts []window) {
	from, to := w.from/length*length, min(w.to, now.UnixMilli())/length*length
	for ; from < to; from += most * length {
		parts = append(parts, window{from, min(to, from+most*length)})
	}
	return parts
}

// nrqlIn adds the window. All facets are wanted: without a limit New Relic gives ten of them and says nothing.
func nrqlIn(nrql string, w window, length int64, facet bool) string {
	limit := ""
	if facet {
		limit = " LIMIT MAX"
	}
	return fmt.Sprintf("%s\nSINCE %d UNTIL %d TIMESERIES %d seconds%s", nrql, w.from, w.to, length/1000, limit)
}

func (n *newRelic) ask(ctx context.Context, nrql string) (*nrqlReply, error) {
	body, err := json.Marshal(map[string]any{"query": newRelicQuery, "variables": map[string]any{"account": n.account, "nrql": nrql}})
	if err != nil {
		return nil, err
	}
	var reply nerdGraphReply
	if err := askJSON(ctx, n.client, httpx.Request{Method: http.MethodPost, Path: "/graphql", Body: body, Repeatable: true}, &reply); err != nil {
		return nil, err
	}
	where := "POST " + n.client.URL() + "/graphql"
	for i, e := range reply.Errors {
		reply.Errors[i].Message = n.client.Redact(e.Message)
	}
	if err := reply.failed(where); err != nil {
		return nil, err
	}
	switch account := reply.Data.Actor.Account; {
	case account == nil:
		return nil, troublef(Unauthorized, "%s: got no account %d: check account, region and what the key may read", where, n.account)
	case account.NRQL == nil || account.NRQL.Results == nil:
		return nil, troublef(BackendDown, "%s: got no results, want a list of them", where)
	default:
		return account.NRQL, account.NRQL.partial(where)
	}
}

// nerdGraphReply is a reply of GraphQL: errors come with HTTP 200.
type nerdGraphReply struct {
	Data struct {
		Actor struct {
			Account *struct {
				NRQL *nrqlReply `json:"nrql"`
			} `json:"account"`
		} `json:"actor"`
	} `json:"data"`
	Errors []nerdGraphError `json:"errors"`
}

type nerdGraphError struct {
	Message    string `json:"message"`
	Extensions struct {
		Class string `json:"errorClass"`
	} `json:"extensions"`
}

var (
	nrqlSyntax = lazyregexp.New(`(?i)syntax|unexpected|unknown (function|attribute)|unsupported|invalid (query|nrql|argument)|parse`)
	nrqlAccess = lazyregexp.New(`(?i)access|not authori[sz]ed|unauthori[sz]ed|forbidden|permission|api.?key`)
	nrqlLimit  = lazyregexp.New(`(?i)inspected|too many (buckets|facets|results)|maximum number of`)
	nrqlNotAll = lazyregexp.New(`(?i)partial|incomplete|truncat|limit|exceed|timed? ?out|not all`)
)

// failed is the first error. A reply that has one is none, whatever else it holds.
func (r *nerdGraphReply) failed(where string) error {
	if len(r.Errors) == 0 {
		return nil
	}
	e := r.Errors[0]
	got := fmt.Sprintf("%s: HTTP 200 with an error: %s %s", where, clean.Cut(e.Extensions.Class, 60), clean.Cut(e.Message, 400))
	switch {
	case nrqlSyntax.MatchString(e.Message):
		return troublef(BadQuery, "%s", got)
	case nrqlLimit.MatchString(e.Message):
		return troublef(TooMany, "%s: narrow the query or shorten the window", got)
	case nrqlAccess.MatchString(e.Message) || nrqlAccess.MatchString(e.Extensions.Class):
		return troublef(Unauthorized, "%s: check api-key, account and region", got)
	}
	return troublef(BackendDown, "%s", got)
}

// nrqlReply is what came of one query.
type nrqlReply struct {
	Results  []map[string]json.RawMessage `json:"results"`
	Metadata struct {
		Facets   []string `json:"facets"`
		Messages []string `json:"messages"`
	} `json:"metadata"`
}

func (r *nrqlReply) partial(where string) error {
	for _, m := range r.Metadata.Messages {
		if nrqlNotAll.MatchString(m) {
			return troublef(Truncated, "%s: the reply is not whole: %s", where, clean.Cut(m, 300))
		}
	}
	return nil
}

// gather takes the rows, each a value of an interval and a facet. A point stands at the end of its interval.
func (r *nrqlReply) gather(w window, length int64, acc *accumulator) error {
	type facet struct {
		labels map[string]string
		points []sample
	}
	facets := map[string]*facet{}
	for _, row := range r.Results {
		end, err := rowEnd(row, w, length)
		if err != nil {
			return err
		}
		labels, err := r.labels(row)
		if err != nil {
			return err
		}
		key := seriesKey(labels)
		if facets[key] == nil {
			if len(facets)+1 >= nrqlFacets {
				return troublef(TooMany, "got %d facets, which is all that New Relic gives: narrow the query", nrqlFacets)
			}
			facets[key] = &facet{labels: labels}
		}
		v, ok, err := r.value(row)
		if err != nil {
			return err
		}
		if ok {
			facets[key].points = append(facets[key].points, sample{end - 1, v}) // within the interval, at its end
		}
	}
	for _, key := range slices.Sorted(maps.Keys(facets)) {
		f := facets[key]
		slices.SortStableFunc(f.points, func(a, b sample) int { return int(a.ms - b.ms) })
		if err := acc.add(f.labels, f.points); err != nil {
			return err
		}
	}
	return nil
}

// rowEnd is when a row's interval ends. New Relic may move a window to the resolution in which it keeps a metric: such intervals would
// be counted twice, or not at all.
func rowEnd(row map[string]json.RawMessage, w window, length int64) (int64, error) {
	var begin, end *float64
	if json.Unmarshal(row["beginTimeSeconds"], &begin) != nil || json.Unmarshal(row["endTimeSeconds"], &end) != nil || begin == nil || end == nil {
		return 0, troublef(BadQuery, "a result has no beginTimeSeconds and endTimeSeconds: want a query that can be a TIMESERIES")
	}
	from, to := int64(*begin*1000), int64(*end*1000)
	if to-from != length || from < w.from || to > w.to {
		return 0, troublef(BadQuery, "got an interval of %s, want %s: give the source the interval in which New Relic keeps this (interval: 1m)",
			time.Duration(to-from)*time.Millisecond, time.Duration(length)*time.Millisecond)
	}
	return to, nil
}

func (r *nrqlReply) labels(row map[string]json.RawMessage) (map[string]string, error) {
	raw, ok := row["facet"]
	if !ok {
		return nil, nil
	}
	var several []any
	if json.Unmarshal(raw, &several) != nil {
		var one any
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, troublef(BackendDown, "a facet can't be read: %w", err)
		}
		several = []any{one}
	}
	labels := map[string]string{}
	for i, v := range several {
		name := fmt.Sprintf("facet%d", i+1)
		if i < len(r.Metadata.Facets) {
			name = r.Metadata.Facets[i]
		}
		labels[name] = fmt.Sprint(v)
	}
	return labels, nil
}

// value is the one value of a row; null is no data, and never 0.
func (r *nrqlReply) value(row map[string]json.RawMessage) (float64, bool, error) {
	var names []string
	for name := range row {
		known := name == "beginTimeSeconds" || name == "endTimeSeconds" || name == "inspectedCount" || name == "facet"
		if !known && !slices.Contains(r.Metadata.Facets, name) {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		slices.Sort(names)
		return 0, false, troublef(BadQuery, "a result has %d values (%s), want one", len(names), clean.Cut(strings.Join(names, ", "), 200))
	}
	raw := row[names[0]]
	var inner map[string]json.RawMessage // percentile(duration, 99) gives {"99": 0.5}
	if json.Unmarshal(raw, &inner) == nil && len(inner) == 1 {
		for _, raw = range inner {
		}
	}
	var v *float64
	if err := json.Unmarshal(raw, &v); err != nil {
		return 0, false, troublef(BadQuery, "%s is no number: want an aggregate such as count(*) or percentile(duration, 99)", clean.Cut(names[0], 100))
	}
	if v == nil {
		return 0, false, nil
	}
	return *v, true, nil
}
