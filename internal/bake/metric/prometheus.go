package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// PrometheusOptions is the block of a server with Prometheus' query API: Prometheus, Thanos, Mimir, VictoriaMetrics...
type PrometheusOptions struct {
	httpx.Remote
	Token    httpx.Secret `yaml:"token"` // bearer
	Username string       `yaml:"username"`
	Password httpx.Secret `yaml:"password"`
	// Lookback is how old a sample may be for an expression to still see it; 0: the server's own, 5m.
	Lookback time.Duration `yaml:"lookback"`
	// ScrapeInterval is what $rate_interval is made of, default 30s: max(4 intervals, step + interval), as Grafana does.
	ScrapeInterval *time.Duration `yaml:"scrape-interval"`
	// Delay is how old the newest value of an expression is, default 0s; 30s where VictoriaMetrics answers, which repeats older ones there.
	Delay *time.Duration `yaml:"delay"`
	// SigV4 signs the requests with the job's AWS credentials, for Amazon Managed Service for Prometheus.
	SigV4 *SigV4Options `yaml:"sigv4"`
	// Google asks Google Cloud Managed Service for Prometheus with the job's Google credentials.
	Google *GoogleOptions `yaml:"google"`
}

const (
	rangePath = "/api/v1/query_range"
	// defaultScrape is Grafana's 30s, and no guess of how often the server scrapes.
	defaultScrape = 30 * time.Second
)

const (
	prometheusBody   = 64 << 20 // bytes of one reply; it is read as a stream
	prometheusPoints = 10_000   // values of one series in one range query; Prometheus refuses more than 11 000
	longRange        = 2 * time.Hour
	chunk            = time.Hour // of raw samples, in one request, where the range is long
	smallestChunk    = time.Minute
	maxErrorBody     = 64 << 10
	victoriaOffset   = 30 * time.Second // its -search.latencyOffset
)

type prometheus struct {
	http   *http.Client
	method string
	signer httpx.Signer        // nil: none is needed, or there is no environment yet
	redact func(string) string // the block's secrets, which a server may give back
	base   string
	// anonymous: nothing is sent that says who asks.
	anonymous bool
	options   PrometheusOptions
}

var buildPrometheus = built(PrometheusOptions{}, newPrometheus)

func newPrometheus(o PrometheusOptions) (*prometheus, error) {
	if o.Lookback < 0 || o.ScrapeInterval != nil && *o.ScrapeInterval <= 0 || o.Delay != nil && *o.Delay < 0 {
		return nil, errors.New("lookback and scrape-interval are durations above 0, and delay is 0s or more")
	}
	p := &prometheus{options: o, method: http.MethodPost}
	opts, err := p.auth()
	if err != nil {
		return nil, err
	}
	// One more try: the bake asks again at the next step anyway, and nothing is lost meanwhile.
	opts = append(opts, httpx.WithMaxBody(prometheusBody), httpx.WithRepeatable(), httpx.WithRetries(1))
	c, err := httpx.New(p.options.Remote, opts...)
	if err != nil {
		return nil, err
	}
	p.http, p.redact, p.base, p.anonymous = c.HTTP(), c.Redact, c.URL(), c.Anonymous()
	return p, nil
}

// Traits implements Source.
func (p *prometheus) Traits() Traits {
	t := Traits{History: true, Labels: true}
	if i := p.options.ScrapeInterval; i != nil {
		t.Scrapes = *i
	}
	return t
}

// Check implements Source.
func (p *prometheus) Check(q Query) error {
	_, err := compilePromQL(q, p.durations(30*time.Second), values{check: true})
	return err
}

func (p *prometheus) durations(step time.Duration) durations {
	i := cmp.Or(p.Traits().Scrapes, defaultScrape)
	return durations{step: step, rate: max(4*i, step+i)}
}

// Range implements Source. Counters, histograms and gauges that are plain selectors are read raw: an instant query of a range
// selector, where query_range would repeat old values up to its lookback. A range of more than two hours is read in chunks, and of
// each series about one sample per step is kept; the differences between those are exact.
func (p *prometheus) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	return each(queries, func(q Query) ([]Series, error) {
		return p.query(ctx, q, window{ceilMilli(from), ceilMilli(to)}, step)
	})
}

// window is from <= t < to in milliseconds, the resolution of Prometheus.
type window struct{ from, to int64 }

func (w window) length() time.Duration { return time.Duration(w.to-w.from) * time.Millisecond }

// ceilMilli rounds up: t >= x and ms(t) >= ceil(ms(x)) are the same for a t of whole milliseconds.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

func (p *prometheus) query(ctx context.Context, q Query, w window, step time.Duration) ([]Series, error) {
	expr, err := compilePromQL(q, p.durations(step), q.with(step))
	if err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	if w.to <= w.from {
		return nil, nil
	}
	acc := &accumulator{query: q.ID, from: w.from, to: w.to, counters: q.Kind != Gauge}
	acc.base = histogramBase(q.Kind, expr)
	if vs, raw := isRaw(expr); raw && q.Kind != Expr {
		if q.Kind == Histogram {
			vs = histogramSelector(vs)
		}
		err = p.readRaw(ctx, vs, w, step, acc)
	} else {
		err = p.readSteps(ctx, q.Kind, expr, w, step, acc)
	}
	if err != nil {
		return nil, err
	}
	return acc.finish(), nil
}

// readRaw reads the samples that a selector finds, in the order of time.
func (p *prometheus) readRaw(ctx context.Context, vs *parser.VectorSelector, w window, step time.Duration, acc *accumulator) error {
	if w.length() <= longRange {
		return p.readChunk(ctx, vs, w, acc)
	}
	acc.step = max(step.Milliseconds(), 0)
	for a := w.from; a < w.to; a += chunk.Milliseconds() {
		if err := p.readChunk(ctx, vs, window{a, min(a+chunk.Milliseconds(), w.to)}, acc); err != nil {
			return err
		}
	}
	return nil
}

// readChunk reads one chunk, by halves where the reply would be too large for the server or for us.
//
// The range selector ends one millisecond before the window's end. Prometheus 3 leaves the range's start out, Prometheus 2 does not:
// the accumulator drops the one sample too many.
func (p *prometheus) readChunk(ctx context.Context, vs *parser.VectorSelector, w window, acc *accumulator) error {
	m := &parser.MatrixSelector{VectorSelector: vs, Range: w.length()}
	err := p.ask(ctx, "/api/v1/query", url.Values{"query": {m.String()}, "time": {seconds(w.to - 1)}}, acc)
	if !splits(err) || w.length() < 2*smallestChunk {
		return err
	}
	middle := w.from + (w.to-w.from)/2
	if err := p.readChunk(ctx, vs, window{w.from, middle}, acc); err != nil {
		return err
	}
	return p.readChunk(ctx, vs, window{middle, w.to}, acc)
}

// splits reports whether a shorter range may succeed.
func splits(err error) bool {
	var t *trouble
	return errors.As(err, &t) && err != error(errTooMany) && (t.class == TooMany || isTooLarge(err))
}

// readSteps evaluates an expression at whole multiples of step since the epoch, so that the same window always asks for the same times.
func (p *prometheus) readSteps(ctx context.Context, kind Kind, expr parser.Expr, w window, step time.Duration, acc *accumulator) error {
	ms := step.Milliseconds()
	if ms <= 0 {
		return troublef(BadQuery, "an expression is evaluated step by step: got step %s, want more than 0", step)
	}
	form := url.Values{"query": {expr.String()}, "step": {seconds(ms)}}
	if p.options.Lookback > 0 {
		form.Set("lookback_delta", promDuration(p.options.Lookback))
	}
	last := (w.to - 1) / ms * ms
	for a := (w.from + ms - 1) / ms * ms; a <= last; a += prometheusPoints * ms {
		form.Set("start", seconds(a))
		form.Set("end", seconds(min(a+(prometheusPoints-1)*ms, last)))
		if err := p.ask(ctx, rangePath, form, acc); err != nil {
			return err
		}
	}
	if kind == Expr && len(acc.order) > 1 {
		return troublef(BadQuery, "got %d series, such as %s and %s, want one value: aggregate with sum(...) or max(...)",
			len(acc.order), labelText(acc.order[0].out), labelText(acc.order[1].out))
	}
	return nil
}

// labelText is a series for a message.
func labelText(s Series) string {
	return clean.Cut(s.Name+fmt.Sprint(s.Labels), 200) // fmt prints a map by its sorted keys
}

func seconds(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) }

// request asks by a form, because a query may be longer than a URL may be, where the service takes one.
func (p *prometheus) request(ctx context.Context, where string, form url.Values) (*http.Request, error) {
	target, body := where, io.Reader(strings.NewReader(form.Encode()))
	if p.method == http.MethodGet {
		target, body = where+"?"+form.Encode(), nil
	}
	req, err := http.NewRequestWithContext(ctx, p.method, target, body)
	if err != nil {
		return nil, troublef(BadQuery, "%s: %w", p.base, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// ask asks the API and gives the series of its reply to acc.
func (p *prometheus) ask(ctx context.Context, path string, form url.Values, acc *accumulator) error {
	where := p.base + path
	req, err := p.request(ctx, where, form)
	if err != nil {
		return err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return p.unanswered(where, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return p.errorReply(where, resp)
	}
	if kind := resp.Header.Get("Content-Type"); strings.Contains(kind, "html") {
		return troublef(BackendDown, "%s: got %s, want JSON: is a login page or a proxy in between?", where, clean.Cut(kind, 60))
	}
	if path == rangePath {
		acc.to = min(acc.to, p.settled(resp.Header))
	}
	reply, err := decodeReply(resp.Body, func(s *matrixSeries) error {
		return p.take(where, s, acc)
	})
	if err != nil {
		return readTrouble(where, err)
	}
	for _, text := range slices.Concat(reply.Warnings, reply.Infos) {
		acc.note(p.redact(text))
	}
	return p.replyTrouble(where, reply)
}

// take gives a series of a reply to acc. A histogram's name may also be that of something else (a summary), which is no part of it.
func (p *prometheus) take(where string, s *matrixSeries, acc *accumulator) error {
	name := s.Metric[model.MetricNameLabel]
	switch {
	case acc.base == "" && len(s.Histograms) > 0:
		return troublef(BadQuery, "%s: %s is a native histogram, want a number: name it under histogram, or take the number out of it in an expr (histogram_quantile, histogram_count)", where, clean.Text(name))
	case acc.base == "" || name != acc.base:
		return acc.add(s.Metric, s.Values)
	case len(s.Histograms) == 0:
		return nil
	}
	return acc.addReadings(s.Metric, s.Histograms)
}

// settled is the end of the values of an expression that stay, in milliseconds. VictoriaMetrics, which names its host, repeats older ones
// where samples may still come.
func (p *prometheus) settled(h http.Header) int64 {
	delay := time.Duration(0)
	switch {
	case p.options.Delay != nil:
		delay = *p.options.Delay
	case h.Get("X-Server-Hostname") != "":
		delay = victoriaOffset
	}
	if delay == 0 {
		return math.MaxInt64
	}
	return time.Now().Add(-delay).UnixMilli()
}

// errorReply classifies a reply that is not 2xx by the error in its body.
func (p *prometheus) errorReply(where string, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what can't be read says nothing
	reply, err := decodeReply(strings.NewReader(string(body)), func(*matrixSeries) error { return nil })
	if err == nil && reply.Error != "" {
		return statusTrouble(where, p.anonymous, resp.StatusCode, reply.ErrorType, p.redact(reply.Error))
	}
	if strings.Contains(resp.Header.Get("Content-Type"), "html") || strings.HasPrefix(strings.TrimSpace(string(body)), "<") {
		body = nil // a page for people
	}
	return statusTrouble(where, p.anonymous, resp.StatusCode, "", clean.Cut(p.redact(string(body)), 200))
}

// replyTrouble looks at what a successful reply says about itself. Annotations of the query ("PromQL info: ...") do not make it
// partial; every other warning says that a part of the data may be missing.
func (p *prometheus) replyTrouble(where string, r apiReply) error {
	if r.Status != "success" {
		return statusTrouble(where, p.anonymous, http.StatusOK, r.ErrorType, p.redact(r.Error))
	}
	if r.Partial {
		return troublef(Truncated, "%s: the reply is partial (isPartial): a storage node did not answer", where)
	}
	for _, w := range r.Warnings {
		if !strings.HasPrefix(w, "PromQL ") {
			return troublef(Truncated, "%s: the reply may be partial: %s", where, clean.Text(p.redact(w)))
		}
	}
	return nil
}
