package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// DatadogOptions is the block of Datadog. Exactly one of Site and URL is set.
type DatadogOptions struct {
	httpx.Remote
	Site   string       `yaml:"site"` // datadoghq.com, datadoghq.eu...
	APIKey httpx.Secret `yaml:"api-key,required"`
	AppKey httpx.Secret `yaml:"app-key,required"`
	// Delay is how long after its end a bucket is looked at: agents send what they counted a little later.
	Delay time.Duration `yaml:"delay"`
}

// datadogSites are the sites that Datadog documents.
var datadogSites = []string{"datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com", "ap2.datadoghq.com",
	"uk1.datadoghq.com", "datadoghq.eu", "ddog-gov.com", "us2.ddog-gov.com"}

// datadogPoints is how many buckets are asked for at once: above 1500 Datadog takes longer buckets than it was asked for.
const datadogPoints = 1400

type datadog struct {
	client *httpx.Client
	delay  time.Duration

	mu        sync.Mutex
	notBefore time.Time // the rate limit
}

func buildDatadog(decode func(any) error) (Source, error) {
	o := DatadogOptions{Delay: 30 * time.Second}
	if err := decode(&o); err != nil {
		return nil, err
	}
	return newDatadog(o)
}

func newDatadog(o DatadogOptions) (*datadog, error) {
	switch {
	case (o.Site == "") == (o.URL == ""):
		return nil, errors.New("want site or url, and only one of them: site: datadoghq.eu")
	case o.Site != "" && !slices.Contains(datadogSites, o.Site):
		return nil, fmt.Errorf("site %q is none of Datadog's, want one of %s; a site that is newer than bakegate can be given as url: https://api.SITE",
			clean.Cut(o.Site, 80), strings.Join(datadogSites, ", "))
	case o.APIKey.IsZero() || o.AppKey.IsZero():
		return nil, errors.New("metrics are read with api-key and app-key, want both")
	case o.Delay < 0 || o.Delay > 10*time.Minute:
		return nil, fmt.Errorf("delay %s, want 0s to 10m", o.Delay)
	}
	if o.Site != "" {
		o.URL = "https://api." + o.Site
	}
	c, err := newAPI(o.Remote, httpx.WithHeader("DD-API-KEY", o.APIKey), httpx.WithHeader("DD-APPLICATION-KEY", o.AppKey))
	if err != nil {
		return nil, err
	}
	return &datadog{client: c, delay: o.Delay}, nil
}

// Traits implements Source.
func (d *datadog) Traits() Traits { return Traits{History: true, Labels: true} }

// Check implements Source.
func (d *datadog) Check(q Query) error {
	if err := q.only("distributions are not read bucket by bucket: name the slow and all requests (bad, total), or a percentile (gauge: p99:...)", Counter, Gauge, Expr); err != nil {
		return err
	}
	_, err := datadogQuery(q, values{check: true}, 30)
	return err
}

// Range implements Source.
func (d *datadog) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return ranges(d.read).all(ctx, queries, from, to, step)
}

// read asks for whole buckets of the step's length, so that the same window is always cut in the same way.
func (d *datadog) read(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	length := max(1, int64(math.Ceil(step.Seconds())))
	text, err := datadogQuery(q, q.with(step), length)
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	acc.deltas = q.Kind == Counter
	first, last := w.from/1000/length*length-length, (w.to/1000/length+1)*length
	for at := first; at < last; at += datadogPoints * length {
		if err := d.ask(ctx, q, text, at, min(last, at+datadogPoints*length), acc); err != nil {
			return err
		}
	}
	return nil
}

// datadogReply is the reply of the v1 API.
type datadogReply struct {
	Status string          `json:"status"`
	Error  string          `json:"error"`
	Series []datadogSeries `json:"series"`
}

type datadogSeries struct {
	Metric   string       `json:"metric"`
	Tags     []string     `json:"tag_set"`
	Scope    string       `json:"scope"`
	Interval int64        `json:"interval"` // seconds
	Points   [][]*float64 `json:"pointlist"`
}

func (d *datadog) ask(ctx context.Context, q Query, text string, from, to int64, acc *accumulator) error {
	if err := d.limited(); err != nil {
		return err
	}
	form := url.Values{"query": {text}, "from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	var reply datadogReply
	err := askJSON(ctx, d.client, httpx.Request{Path: "/api/v1/query", Query: form, Header: http.Header{"Accept": {"application/json"}}}, &reply)
	if err != nil {
		d.refused(err)
		return err
	}
	if reply.Status != "ok" || reply.Error != "" {
		return troublef(BadQuery, "%s: %s: %s", d.client.URL(), clean.Cut(reply.Status, 40), clean.Cut(d.client.Redact(reply.Error), 300))
	}
	over := time.Now().Add(-d.delay).UnixMilli()
	for i, s := range reply.Series {
		if q.Kind == Expr && i > 0 {
			return troublef(BadQuery, "got %d series, want one value: leave out by {...}", len(reply.Series))
		}
		points, err := s.over(over)
		if err != nil {
			return troublef(BackendDown, "%s: %w", d.client.URL(), err)
		}
		if err := acc.add(s.labels(), points); err != nil {
			return err
		}
	}
	return nil
}

// limited says that the rate limit's period is not over: asking again would be refused, and counted.
func (d *datadog) limited() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if wait := time.Until(d.notBefore); wait > 0 {
		return troublef(BackendDown, "%s: the rate limit is used up, it is asked again in %s", d.client.URL(), wait.Round(time.Second))
	}
	return nil
}

// refused notes when the rate limit's next period begins (X-RateLimit-Reset).
func (d *datadog) refused(err error) {
	var status *httpx.StatusError
	if errors.As(err, &status) && status.Status == http.StatusTooManyRequests && status.RetryAfter > 0 {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.notBefore = time.Now().Add(status.RetryAfter)
	}
}

// over gives the points of the buckets that were over at a time, each at the end of its bucket. Null is no data, and never 0.
func (s datadogSeries) over(at int64) (out []sample, err error) {
	length := max(1, s.Interval) * 1000
	for _, p := range s.Points {
		if len(p) != 2 || p[0] == nil || math.Abs(*p[0]) > 1e14 {
			return nil, errors.New("a point is not [time, value]")
		}
		end := int64(*p[0]) + length
		if p[1] != nil && end <= at {
			out = append(out, sample{end - 1, *p[1]})
		}
	}
	return out, nil
}

func (s datadogSeries) labels() map[string]string {
	ls := map[string]string{"__name__": s.Metric}
	if len(s.Tags) == 0 && s.Scope != "" {
		ls["scope"] = s.Scope
	}
	for _, tag := range s.Tags {
		k, v, _ := strings.Cut(tag, ":")
		ls[k] = v
	}
	return ls
}
