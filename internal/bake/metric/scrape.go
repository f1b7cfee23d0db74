package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// ScrapeOptions is the block of a service's own metrics page. URL is the whole address, http://checkout:8080/metrics. Plain HTTP is
// allowed where no secret is sent.
type ScrapeOptions struct {
	httpx.Remote
	Token httpx.Secret `yaml:"token"` // bearer
}

const (
	scrapeBody    = 16 << 20
	scrapeReuse   = 100 * time.Millisecond // calls that follow this fast share one scrape
	scrapeFresh   = time.Minute            // a window that ended longer ago is answered from memory alone
	scrapeSamples = 2 << 20                // samples in memory, 16 bytes each
	scrapeQueries = 500
	scrapeWatched = 50_000 // series that all queries select together
	scrapeAccept  = "text/plain;version=0.0.4;q=1,text/plain;q=0.9,*/*;q=0.1"
)

// scrape samples a metrics page itself. It knows what it saw: there is no history.
type scrape struct {
	http *http.Client
	url  string

	mu       sync.Mutex
	watched  map[string]*watch // by the kind and text of the query, variables bound
	series   map[string]*scraped
	total    int // samples in memory
	last     time.Time
	replicas replicas
}

// watch is what one query selects.
type watch struct{ matchers []*labels.Matcher }

// scraped is one series in memory.
type scraped struct {
	name   string
	labels map[string]string
	points []sample
}

func buildScrape(decode func(any) error) (Source, error) {
	var o ScrapeOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	return newScrape(o)
}

func newScrape(o ScrapeOptions) (*scrape, error) {
	if len(o.Headers) == 0 && o.Token.IsZero() && strings.HasPrefix(strings.ToLower(o.URL), "http://") {
		o.Insecure = true // nothing secret is sent, and pods rarely serve their metrics with TLS
	}
	c, err := httpx.New(o.Remote, httpx.WithMaxBody(scrapeBody), httpx.WithRetries(1), httpx.WithBearer(o.Token))
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.URL()); err == nil && strings.Trim(u.Path, "/") == "" {
		return nil, fmt.Errorf("url %s has no path: want the whole address of the metrics page, %s/metrics", c.URL(), c.URL())
	}
	return &scrape{http: c.HTTP(), url: c.URL(), watched: map[string]*watch{}, series: map[string]*scraped{}}, nil
}

// Traits implements Source.
func (s *scrape) Traits() Traits { return Traits{Labels: true} }

// Check implements Source.
func (s *scrape) Check(q Query) error {
	_, err := compileWatch(q, "a metrics page", values{check: true})
	return err
}

// compileWatch turns a query into matchers. What is asked (a metrics page) has no language: a selector is all there is.
func compileWatch(q Query, asked string, v values) (*watch, error) {
	if q.Kind == Expr {
		return nil, fmt.Errorf("%s: %s has no query language: write counters (bad and total), a histogram or a gauge, or use a prometheus source", clean.Text(q.Text), asked)
	}
	expr, err := compilePromQL(q, durations{step: 30 * time.Second, rate: 2 * time.Minute}, v)
	if err != nil {
		return nil, err
	}
	vs, err := rawSelector(expr, asked+" has no query language")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clean.Text(q.Text), err)
	}
	if q.Kind == Histogram {
		vs = bucketSelector(vs)
	}
	return &watch{vs.LabelMatchers}, nil
}

func (w *watch) selects(name string, ls map[string]string) bool {
	for _, m := range w.matchers {
		value := ls[m.Name]
		if m.Name == model.MetricNameLabel {
			value = name
		}
		if !m.Matches(value) {
			return false
		}
	}
	return true
}

// Range implements Source. A window that ends now is a reason to scrape, once for all queries. The samples have the time of the
// reply, timestamps on the page are not looked at. What is watched is kept, so that the window gives the same samples later.
func (s *scrape) Range(ctx context.Context, queries []Query, from, to time.Time, step time.Duration) ([]Series, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	watches, failed, added := s.watch(queries, step)
	if !slices.Contains(failed, nil) {
		return nil, errors.Join(failed...)
	}
	if now := time.Now(); to.After(s.last) && now.Sub(to) <= max(scrapeFresh, 2*step) && (added || now.Sub(s.last) >= scrapeReuse) {
		if err := s.get(ctx); err != nil {
			return nil, s.failAll(queries, failed, fmt.Errorf("%s: %w", s.url, err))
		}
	}
	if err := s.replicas.trouble(); err != nil {
		return nil, s.failAll(queries, failed, fmt.Errorf("%s: %w", s.url, err))
	}
	var all []Series
	for i, q := range queries {
		if failed[i] != nil {
			continue
		}
		acc := &accumulator{query: q.ID, from: ceilMilli(from), to: ceilMilli(to)}
		if err := s.collect(watches[i], acc); err != nil {
			failed[i] = queryError(q.ID, err)
			continue
		}
		all = append(all, acc.finish()...)
	}
	return all, errors.Join(failed...)
}

// watch finds or adds what the queries select. added says that one is new: an earlier scrape has nothing of it.
func (s *scrape) watch(queries []Query, step time.Duration) (watches []*watch, failed []error, added bool) {
	watches, failed = make([]*watch, len(queries)), make([]error, len(queries))
	for i, q := range queries {
		w, err := compileWatch(q, "a metrics page", q.with(step))
		if err != nil {
			failed[i] = queryError(q.ID, troublef(BadQuery, "%w", err))
			continue
		}
		key := string(q.Kind) + fmt.Sprint(w.matchers)
		if known := s.watched[key]; known != nil {
			watches[i] = known
			continue
		}
		if len(s.watched) >= scrapeQueries {
			failed[i] = queryError(q.ID, troublef(TooMany, "more than %d different queries", scrapeQueries))
			continue
		}
		s.watched[key], watches[i], added = w, w, true
	}
	return watches, failed, added
}

// failAll is the same failure for every query that has none of its own.
func (s *scrape) failAll(queries []Query, failed []error, err error) error {
	for i, q := range queries {
		if failed[i] == nil {
			failed[i] = queryError(q.ID, err)
		}
	}
	return errors.Join(failed...)
}

func (s *scrape) collect(w *watch, acc *accumulator) error {
	for _, x := range s.series {
		if err := collectScraped(w, acc, x); err != nil {
			return err
		}
	}
	return nil
}

// collectScraped gives a series to the accumulator if it is selected.
func collectScraped(w *watch, acc *accumulator, x *scraped) error {
	if !w.selects(x.name, x.labels) {
		return nil
	}
	metric := make(map[string]string, len(x.labels)+1)
	for k, v := range x.labels {
		metric[k] = v
	}
	metric[model.MetricNameLabel] = x.name
	return acc.add(metric, x.points)
}

// get scrapes the page once and keeps what is watched. A page that can't be read to its end leaves nothing behind.
func (s *scrape) get(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return troublef(BadQuery, "%w", err)
	}
	req.Header.Set("Accept", scrapeAccept)
	resp, err := s.http.Do(req)
	if err != nil {
		return troublef(BackendDown, "%w", err)
	}
	defer resp.Body.Close()
	at := time.Now()
	if err := pageTrouble(resp); err != nil {
		return err
	}
	page, err := s.read(resp.Body)
	if err != nil {
		return pageReadTrouble(err)
	}
	return s.keep(at, page)
}

// page is what one scrape found.
type page struct {
	samples []exposed
	started float64 // process_start_time_seconds, 0: not there
}

func (s *scrape) read(body io.Reader) (page, error) {
	var p page
	err := readExposition(body, func(x exposed) error {
		if x.name == "process_start_time_seconds" && len(x.labels) == 0 {
			p.started = x.v
		}
		for _, w := range s.watched {
			if w.selects(x.name, x.labels) {
				p.samples = append(p.samples, x)
				break
			}
		}
		if len(p.samples) > scrapeWatched {
			return troublef(TooMany, "the queries select more than %d series of the page together: narrow the selectors", scrapeWatched)
		}
		return nil
	})
	return p, err
}

func (s *scrape) keep(at time.Time, p page) error {
	if s.total+len(p.samples) > scrapeSamples {
		return troublef(TooMany, "more than %d samples in memory: narrow the selectors, or bake with a longer step", scrapeSamples)
	}
	s.last = at
	s.replicas.scraped(p.started)
	ms := ceilMilli(at) // never before the call: what was asked for until then stays as it was
	for _, x := range p.samples {
		key := x.name + "\x00" + seriesKey(x.labels)
		have := s.series[key]
		if have == nil {
			have = &scraped{name: x.name, labels: x.labels}
			s.series[key] = have
		}
		if n := len(have.points); n > 0 && have.points[n-1].ms >= ms {
			continue // a line that is there twice
		}
		have.points = append(have.points, sample{ms, x.v})
		s.total++
		s.replicas.counter(key, x)
	}
	return nil
}

// pageTrouble says why a reply is no metrics page.
func pageTrouble(resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	got := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return troublef(Unauthorized, "%s: check the token", got)
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return troublef(BackendDown, "%s", got)
	case resp.StatusCode != http.StatusOK:
		return troublef(BadQuery, "%s: there is no metrics page, check the path", got)
	case strings.Contains(kind, "html"):
		return troublef(BadQuery, "got a web page (%s), want Prometheus text: check the path", clean.Cut(kind, 60))
	}
	return nil
}

func pageReadTrouble(err error) error {
	var t *trouble
	switch {
	case errors.As(err, &t):
		return err
	case isTooLarge(err):
		return troublef(Truncated, "%w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return troublef(Truncated, "the reply ends too early: %w", err)
	}
	return troublef(BackendDown, "%w", err)
}
