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
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/aws"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// CloudWatchOptions is the block of Amazon CloudWatch. The credentials are the job's own.
type CloudWatchOptions struct {
	httpx.Remote               // url: another endpoint than the region's
	Region       string        `yaml:"region"` // default: the job's own
	Period       time.Duration `yaml:"period"` // default 1m
	Delay        time.Duration `yaml:"delay"`  // how long a period that is over still fills, default 1m
}

const (
	cloudWatchBatch = 500 // queries of one request
	cloudWatchPages = 200 // of one answer: more than any window has
)

type cloudWatch struct {
	options CloudWatchOptions
	aws     *aws.Client
	client  *httpx.Client
}

var buildCloudWatch = built(CloudWatchOptions{Period: time.Minute, Delay: time.Minute}, newCloudWatch)

func newCloudWatch(o CloudWatchOptions) (*cloudWatch, error) {
	seconds := int64(o.Period / time.Second)
	fine := slices.Contains([]int64{1, 5, 10, 20, 30}, seconds) || seconds > 0 && seconds%60 == 0
	switch {
	case o.Period%time.Second != 0 || !fine:
		return nil, fmt.Errorf("period %s, want 1s, 5s, 10s, 20s, 30s or whole minutes", o.Period)
	case o.Delay < 0:
		return nil, fmt.Errorf("delay %s, want 0s or more", o.Delay)
	}
	return &cloudWatch{options: o}, nil
}

// Use implements Wants: the credentials and the region are the job's.
func (c *cloudWatch) Use(e Env) error {
	c.aws = aws.New(cloud.Options{Getenv: e.Getenv, CA: c.options.CA})
	o := c.options
	region := cmp.Or(o.Region, c.aws.Region())
	endpoint, err := c.aws.Endpoint("monitoring", region)
	if err != nil {
		return fmt.Errorf("%w, or give region", err)
	}
	o.URL = cmp.Or(o.URL, endpoint)
	c.client, err = newAPI(o.Remote, httpx.WithSigner(c.aws.Signer("monitoring", region)))
	return err
}

// Traits implements Source.
func (c *cloudWatch) Traits() Traits { return Traits{History: true} }

// Check implements Source.
func (c *cloudWatch) Check(q Query) error {
	if err := q.only("CloudWatch gives no buckets of a histogram: write a quantile as a gauge (... p99)", Counter, Gauge, Expr); err != nil {
		return err
	}
	_, err := c.query(q, values{check: true})
	return err
}

// Range implements Source. Metrics are asked for together; an expression alone, because a request may hold only few of them.
func (c *cloudWatch) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	w := window{ceilMilli(from), ceilMilli(to)}
	parts := buckets(w, c.options.Period.Milliseconds(), 1<<40, time.Now().Add(-c.options.Delay))
	if c.client == nil {
		return nil, errors.New("cloudwatch: it has no environment yet")
	}
	var batches [][]cloudWatchAsk
	var together []cloudWatchAsk
	var failed []error
	for i, q := range queries {
		in, err := c.query(q, q.with(step))
		switch {
		case err != nil:
			failed = append(failed, queryError(q.ID, troublef(BadQuery, "%w", err)))
			continue
		case len(parts) == 0:
			continue
		}
		in.ID = fmt.Sprintf("q%d", i)
		acc := &accumulator{query: q.ID, from: w.from, to: w.to, deltas: q.Kind == Counter}
		one := cloudWatchAsk{q, in, acc}
		if in.Expression != "" {
			batches = append(batches, []cloudWatchAsk{one})
		} else {
			together = append(together, one)
		}
	}
	batches = append(batches, slices.Collect(slices.Chunk(together, cloudWatchBatch))...)
	var all []Series
	for _, b := range batches {
		series, errs := c.batch(ctx, b, parts[0])
		all, failed = append(all, series...), append(failed, errs...)
	}
	return all, errors.Join(failed...)
}

// cloudWatchAsk is a query and what comes of it.
type cloudWatchAsk struct {
	query Query
	in    cloudWatchQuery
	acc   *accumulator
}

// batch asks several at a time. One that is refused would take the others with it: then each is asked alone.
func (c *cloudWatch) batch(ctx context.Context, asks []cloudWatchAsk, w window) (all []Series, failed []error) {
	results, err := c.results(ctx, asks, w)
	var t *trouble
	if errors.As(err, &t) && t.class == BadQuery && len(asks) > 1 {
		for _, a := range asks {
			series, errs := c.batch(ctx, []cloudWatchAsk{a}, w)
			all, failed = append(all, series...), append(failed, errs...)
		}
		return all, failed
	}
	for _, a := range asks {
		each := err
		if each == nil {
			each = a.gather(results[a.in.ID], c.options.Period.Milliseconds(), c.client.Redact)
		}
		if each != nil {
			failed = append(failed, queryError(a.query.ID, each))
			continue
		}
		all = append(all, a.acc.finish()...)
	}
	return all, failed
}

// results reads all pages. A result may go on on the next one.
func (c *cloudWatch) results(ctx context.Context, asks []cloudWatchAsk, w window) (map[string]map[string]*cloudWatchResult, error) {
	in := cloudWatchRequest{Start: w.from / 1000, End: w.to / 1000, Scan: "TimestampAscending"}
	for _, a := range asks {
		in.Queries = append(in.Queries, a.in)
	}
	found := map[string]map[string]*cloudWatchResult{}
	for range cloudWatchPages {
		page, err := c.page(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Results {
			if found[r.ID] == nil {
				found[r.ID] = map[string]*cloudWatchResult{}
			}
			found[r.ID][r.Label] = r.behind(found[r.ID][r.Label])
		}
		if page.Next == "" {
			return found, nil
		}
		if page.Next == in.Next {
			break
		}
		in.Next = page.Next
	}
	return nil, troublef(Truncated, "POST %s: the pages have no end: narrow the query or shorten the window", c.client.URL())
}

func (c *cloudWatch) page(ctx context.Context, in cloudWatchRequest) (*cloudWatchReply, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var reply cloudWatchReply
	resp, err := c.client.Do(ctx, httpx.Request{Method: http.MethodPost, Path: "/", Body: body, Repeatable: true, ContentType: "application/x-amz-json-1.0",
		Header: http.Header{"X-Amz-Target": {"GraniteServiceVersion20100801.GetMetricData"}, "Accept": {"application/json"}}})
	if err != nil {
		return nil, c.refused(err)
	}
	if err := httpx.DecodeJSON(resp, &reply); err != nil {
		return nil, jsonTrouble(resp.Body, err)
	}
	if reply.Results == nil {
		return nil, troublef(BackendDown, "%s %s: got no MetricDataResults, want a reply of GetMetricData", resp.Method, resp.URL)
	}
	for _, m := range reply.Messages {
		return nil, troublef(Truncated, "%s %s: the reply is not whole: %s", resp.Method, resp.URL, m.text(c.client.Redact))
	}
	return &reply, nil
}

var (
	awsBusy   = lazyregexp.New(`Throttl|RequestLimitExceeded|TooManyRequests|LimitExceededFault|Rate exceeded`)
	awsDenied = lazyregexp.New(`AccessDenied|UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken|NotAuthorized|OptInRequired|AuthFailure`)
)

// refused classifies an error. AWS answers throttling and bad credentials with HTTP 400 too.
func (c *cloudWatch) refused(err error) error {
	var status *httpx.StatusError
	switch {
	case errors.Is(err, cloud.ErrNone):
		return troublef(Unauthorized, "there are no AWS credentials in the job's environment: %w", err)
	case !errors.As(err, &status):
		return apiTrouble(err)
	}
	switch {
	case awsBusy.MatchString(status.Excerpt):
		return troublef(BackendDown, "%w: too many requests, it is asked again with the next step", err)
	case awsDenied.MatchString(status.Excerpt):
		return troublef(Unauthorized, "%w: the job's role needs cloudwatch:GetMetricData", err)
	}
	return apiTrouble(err)
}

// cloudWatchRequest is the input of GetMetricData, times in seconds.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
type cloudWatchRequest struct {
	Start   int64             `json:"StartTime"`
	End     int64             `json:"EndTime"`
	Scan    string            `json:"ScanBy"`
	Queries []cloudWatchQuery `json:"MetricDataQueries"`
	Next    string            `json:"NextToken,omitempty"`
}

type cloudWatchReply struct {
	Results  []*cloudWatchResult `json:"MetricDataResults"`
	Next     string              `json:"NextToken"`
	Messages []cloudWatchMessage `json:"Messages"`
}

type cloudWatchMessage struct{ Code, Value string }

func (m cloudWatchMessage) text(redact func(string) string) string {
	return clean.Cut(redact(m.Code+" "+m.Value), 300)
}

type cloudWatchResult struct {
	ID       string `json:"Id"`
	Label    string
	Status   string            `json:"StatusCode"`
	Times    []json.RawMessage `json:"Timestamps"`
	Values   []*float64
	Messages []cloudWatchMessage
}

// behind adds what came on the pages before; the last status is the one that counts.
func (r *cloudWatchResult) behind(before *cloudWatchResult) *cloudWatchResult {
	if before != nil {
		r.Times, r.Values = append(before.Times, r.Times...), append(before.Values, r.Values...)
		r.Messages = append(before.Messages, r.Messages...)
	}
	return r
}

// whole is nil where the result is all of it. Of an expression, points that can't be calculated (a division by 0) are left out by
// CloudWatch, which says so: they are no data, and the others are.
func (r *cloudWatchResult) whole(redact func(string) string) error {
	text := ""
	for _, m := range r.Messages {
		if m.Code != "ArithmeticError" {
			text += ": " + m.text(redact)
		}
	}
	switch {
	case r.Status == "Forbidden":
		return troublef(Unauthorized, "%s: status Forbidden%s: the job's role needs cloudwatch:GetMetricData", clean.Cut(r.Label, 100), text)
	case r.Status == "PartialData":
		return troublef(Truncated, "%s: status PartialData%s: shorten the window or narrow the query", clean.Cut(r.Label, 100), text)
	case r.Status != "Complete":
		return troublef(BackendDown, "%s: status %q%s, want Complete", clean.Cut(r.Label, 100), clean.Cut(r.Status, 40), text)
	case text != "":
		return troublef(Truncated, "%s: the result is not whole%s", clean.Cut(r.Label, 100), text)
	case len(r.Times) != len(r.Values):
		return troublef(Truncated, "%s: got %d times and %d values, want as many", clean.Cut(r.Label, 100), len(r.Times), len(r.Values))
	}
	return nil
}

// gather takes the results of a query. A point has the time at which its period began, and stands at its end.
func (a cloudWatchAsk) gather(results map[string]*cloudWatchResult, period int64, redact func(string) string) error {
	if a.query.Kind == Expr && len(results) > 1 {
		return troublef(BadQuery, "got %d series, want one value: add them up, as in SUM(SEARCH(...))", len(results))
	}
	for _, label := range slices.Sorted(maps.Keys(results)) {
		r := results[label]
		if err := r.whole(redact); err != nil {
			return err
		}
		for _, m := range r.Messages {
			a.acc.note(redact(r.Label) + ": " + m.text(redact))
		}
		points := make([]sample, 0, len(r.Times))
		for i, raw := range r.Times {
			at, err := jsonMilli(raw)
			if err != nil {
				return troublef(BackendDown, "%w", err)
			}
			if r.Values[i] != nil {
				points = append(points, sample{at + period - 1, *r.Values[i]})
			}
		}
		slices.SortStableFunc(points, func(x, y sample) int { return int(x.ms - y.ms) })
		if err := a.acc.add(a.in.labels(label), points); err != nil {
			return err
		}
	}
	return nil
}
