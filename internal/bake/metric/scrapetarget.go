package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// scrapeTarget is one process that is scraped: its series are its own.
type scrapeTarget struct {
	http      *http.Client
	url       string
	name      string // in messages
	anonymous bool   // nothing is sent that says who asks
	instance  string // the label that tells it from the others; "" where there are none

	series   map[string]*scraped
	replicas replicas
	last     time.Time // of the last page that could be read
}

const (
	// scrapeOne is how long one of several targets may take, a second try included: all that hang together stay within what the bake gives a poll.
	scrapeOne = 25 * time.Second
	// scrapeAtOnce is how many targets are read at a time.
	scrapeAtOnce = 16
)

// scrapeAccept is what Prometheus asks for. Native histograms are in protobuf alone.
func scrapeAccept(histograms bool) string {
	accept := "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.6,text/plain;q=0.5,*/*;q=0.1"
	if histograms {
		accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited," + accept
	}
	return accept
}

// get reads the page once and takes what is watched out of it. A page that can't be read to its end leaves nothing behind.
func (t *scrapeTarget) get(ctx context.Context, watched map[string]*watch) (*page, error) {
	histograms := false
	for _, w := range watched {
		histograms = histograms || w.kind == Histogram
	}
	if t.instance != "" {
		limited, cancel := context.WithTimeout(ctx, scrapeOne)
		defer cancel()
		ctx = limited
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return nil, troublef(BadQuery, "%w", err)
	}
	req.Header.Set("Accept", scrapeAccept(histograms))
	resp, err := t.http.Do(req)
	if err != nil {
		return nil, troublef(BackendDown, "%w", err)
	}
	defer resp.Body.Close()
	p := &page{at: time.Now(), watched: watched, instance: t.instance}
	if err := pageTrouble(resp, t.anonymous); err != nil {
		return nil, err
	}
	if err := readExposition(resp.Body, resp.Header.Get("Content-Type"), p.add); err != nil {
		return nil, pageReadTrouble(err)
	}
	return p, nil
}

// keep takes a page into the series. before is when this source scraped anything before, zero for never: what a target shows that had no part
// in it may be as old as the process. It returns how much came in.
func (t *scrapeTarget) keep(p *page, before time.Time) (added int) {
	late := t.last.Before(before) && !(p.started > unixSeconds(before))
	known := t.names()
	since := unixSeconds(t.last)
	restarted := !t.last.IsZero() && p.started > since && p.started > t.replicas.start+1
	t.last = p.at
	t.replicas.scraped(p.started)
	ms := ceilMilli(p.at) // never before the call: what was asked for until then stays as it was
	for _, x := range p.samples {
		key := x.name + "\x00" + seriesKey(x.labels)
		have := t.series[key]
		if have == nil {
			have = &scraped{name: x.name, labels: x.labels, late: late && !known[x.name]}
			t.series[key] = have
		}
		if n := len(have.points); n > 0 && have.points[n-1].ms >= ms {
			continue // a line that is there twice
		}
		r := reading{sample: sample{ms, x.v}, native: x.native, began: len(have.points) > 0 && (restarted || p.began(x, have, since))}
		have.points = append(have.points, r)
		have.began = p.beganAt(x)
		added++
		if x.native != nil {
			added += len(x.native.Buckets) / 2 // in samples' size
		}
		t.replicas.counter(key, x)
	}
	return added
}

// names are the metrics of which this target has shown something: what else it shows of them is new.
func (t *scrapeTarget) names() map[string]bool {
	names := map[string]bool{}
	for _, x := range t.series {
		names[x.name] = true
	}
	return names
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// pageTrouble says why a reply is no metrics page.
func pageTrouble(resp *http.Response, anonymous bool) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	got := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return troublef(Unauthorized, "%s: %w", got, refusedAs(anonymous, "check the token"))
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return troublef(BackendDown, "%s", got)
	case resp.StatusCode == http.StatusNotFound:
		return troublef(BadQuery, "%s: %w", got, ErrNoPath)
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
