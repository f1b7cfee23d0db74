package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// DatadogOptions is the block of Datadog's metrics.
type DatadogOptions struct {
	DatadogAccount
	// Delay is how long after its end a bucket is looked at: agents send what they counted a little later.
	Delay time.Duration `yaml:"delay"`
}

// datadogPoints is how many buckets are asked for at once: above 1500 Datadog takes longer buckets than it was asked for.
const datadogPoints = 1400

type datadog struct {
	*datadogAPI
	delay time.Duration
}

var buildDatadog = built(DatadogOptions{Delay: 30 * time.Second}, newDatadog)

func newDatadog(o DatadogOptions) (*datadog, error) {
	if o.Delay < 0 || o.Delay > 10*time.Minute {
		return nil, fmt.Errorf("delay %s, want 0s to 10m", o.Delay)
	}
	api, err := o.connect()
	if err != nil {
		return nil, err
	}
	return &datadog{datadogAPI: api, delay: o.Delay}, nil
}

// Traits implements Source.
func (d *datadog) Traits() Traits { return Traits{History: true, Labels: true} }

// Check implements Source.
func (d *datadog) Check(q Query) error {
	if err := q.only("distributions are not read bucket by bucket: name the slow and all requests (bad, total), or a percentile (gauge: p99:...)", Counter, Gauge, Expr); err != nil {
		return err
	}
	_, err := d.compile(q, values{check: true}, 30)
	return err
}

// datadogAsk asks for whole buckets between two times, in seconds.
type datadogAsk func(ctx context.Context, from, to int64, acc *accumulator) error

// compile reads a query: one of the v1 API, or several with a formula of the v2 API.
func (d *datadog) compile(q Query, v values, length int64) (datadogAsk, error) {
	if isDatadogFormula(q.Text) {
		f, err := readDatadogFormula(q, v, length)
		return func(ctx context.Context, from, to int64, acc *accumulator) error {
			return d.askFormula(ctx, q, f, from, to, length, acc)
		}, err
	}
	text, err := datadogQuery(q, v, length)
	return func(ctx context.Context, from, to int64, acc *accumulator) error {
		return d.ask(ctx, q, text, from, to, acc)
	}, err
}

// Range implements Source.
func (d *datadog) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return ranges(d.read).all(ctx, queries, from, to, step)
}

// read asks for whole buckets of the step's length, so that the same window is always cut in the same way.
func (d *datadog) read(ctx context.Context, q Query, w window, step time.Duration, acc *accumulator) error {
	length := max(1, int64(math.Ceil(step.Seconds())))
	ask, err := d.compile(q, q.with(step), length)
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	acc.deltas = q.Kind == Counter
	first, last := w.from/1000/length*length-length, (w.to/1000/length+1)*length
	for at := first; at < last; at += datadogPoints * length {
		if err := ask(ctx, at, min(last, at+datadogPoints*length), acc); err != nil {
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
	form := url.Values{"query": {text}, "from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	var reply datadogReply
	if err := d.json(ctx, httpx.Request{Path: "/api/v1/query", Query: form}, &reply); err != nil {
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
	ls := datadogLabels(s.Tags)
	ls["__name__"] = s.Metric
	if len(s.Tags) == 0 && s.Scope != "" {
		ls["scope"] = s.Scope
	}
	return ls
}

// datadogLabels are the tags of a series.
func datadogLabels(tags []string) map[string]string {
	ls := map[string]string{}
	for _, tag := range tags {
		k, v, _ := strings.Cut(tag, ":")
		ls[k] = v
	}
	return ls
}
