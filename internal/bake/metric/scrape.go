package metric

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/bakegate/bakegate/internal/clean"
)

const (
	scrapeBody    = 16 << 20
	scrapeReuse   = 100 * time.Millisecond // calls that follow this fast share one scrape
	scrapeFresh   = time.Minute            // a window that ended longer ago is answered from memory alone
	scrapeSamples = 2 << 20                // samples in memory, some 40 bytes each
	scrapeQueries = 500
	scrapeWatched = 50_000 // series that all queries select together, of one page
)

// scrape samples metrics pages itself: one, or those of several processes. It knows what it saw: there is no history.
type scrape struct {
	options ScrapeOptions
	place   place

	mu      sync.Mutex
	watched map[string]*watch // by the kind and text of the query, variables bound
	targets []*scrapeTarget   // all that were ever scraped
	total   int               // samples in memory
	last    time.Time
	lacking error // why some of the targets are not in the last scrape
}

// watch is what one query selects.
type watch struct {
	kind     Kind
	matchers []*labels.Matcher
}

// scraped is one series in memory.
type scraped struct {
	name   string
	labels map[string]string
	points []reading
	late   bool    // see Series.Late
	began  float64 // when the page says that it began to count, in seconds; 0: it does not
}

// Traits implements Source.
func (s *scrape) Traits() Traits { return Traits{Labels: true} }

// Apart implements Apart.
func (s *scrape) Apart() Source { return apart(s.options, newScrape) }

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
		vs = histogramSelector(vs)
	}
	return &watch{q.Kind, vs.LabelMatchers}, nil
}

func (w *watch) selects(name string, ls map[string]string) bool {
	for _, m := range w.matchers {
		value := ls[m.Name]
		if m.Name == model.MetricNameLabel {
			value = name
		}
		if !matches(m, value) {
			return false
		}
	}
	return true
}

// takes reports whether a sample is what the query asks for: a histogram has buckets or is native, everything else is a number.
func (w *watch) takes(x exposed) bool {
	return (w.kind == Histogram) == (x.native != nil || w.kind == Histogram && x.labels[model.BucketLabel] != "") && w.selects(x.name, x.labels)
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
	recent := time.Since(to) <= max(scrapeFresh, 2*step)
	if recent && to.After(s.last) && (added || time.Since(s.last) >= scrapeReuse) {
		if err := s.poll(ctx); err != nil {
			return nil, s.failAll(queries, failed, err)
		}
	}
	for _, t := range s.targets {
		if err := t.replicas.trouble(); err != nil {
			return nil, s.failAll(queries, failed, fmt.Errorf("%s: %w", t.name, err))
		}
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
	if recent && s.lacking != nil {
		return all, s.failAll(queries, failed, s.lacking)
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
	for _, t := range s.targets {
		for _, x := range t.series {
			if err := collectScraped(w, acc, x); err != nil {
				return err
			}
		}
	}
	return nil
}

// collectScraped gives a series to the accumulator if it is selected.
func collectScraped(w *watch, acc *accumulator, x *scraped) error {
	if len(x.points) == 0 || !w.takes(exposed{name: x.name, labels: x.labels, native: x.points[0].native}) {
		return nil
	}
	metric := make(map[string]string, len(x.labels)+1)
	for k, v := range x.labels {
		metric[k] = v
	}
	metric[model.MetricNameLabel] = x.name
	return acc.addScraped(metric, x)
}

// poll scrapes all targets. Where some give no answer, the others are kept, and what is lacking is told: it is never counted as zero.
func (s *scrape) poll(ctx context.Context) error {
	s.lacking = nil
	targets, err := s.place.find(ctx)
	if err != nil {
		return err
	}
	pages, failed := s.getAll(ctx, targets)
	before, lost := s.last, 0
	for i, t := range targets {
		if failed[i] != nil {
			failed[i] = fmt.Errorf("%s: %w", t.name, failed[i])
			lost++
			continue
		}
		if s.total+len(pages[i].samples) > scrapeSamples {
			return troublef(TooMany, "more than %d samples in memory: narrow the selectors, or bake with a longer step", scrapeSamples)
		}
		s.total += t.keep(pages[i], before)
		if pages[i].at.After(s.last) {
			s.last = pages[i].at
		}
		if !slices.Contains(s.targets, t) {
			s.targets = append(s.targets, t)
		}
	}
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	switch {
	case lost == 0:
		return nil
	case lost == len(targets):
		return failed[0]
	}
	s.lacking = troublef(Partial, "%d of %d processes give no answer: %w", lost, len(targets), errors.Join(failed[:min(lost, 3)]...))
	return nil
}

// getAll reads the pages, some at a time.
func (s *scrape) getAll(ctx context.Context, targets []*scrapeTarget) ([]*page, []error) {
	pages, failed := make([]*page, len(targets)), make([]error, len(targets))
	free := make(chan struct{}, scrapeAtOnce)
	var wg sync.WaitGroup
	for i, t := range targets {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			pages[i], failed[i] = t.get(ctx, s.watched)
		})
	}
	wg.Wait()
	return pages, failed
}
