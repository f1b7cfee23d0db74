package metric

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// ScrapeOptions is the block of a service's own metrics page, or of the pages of its processes. URL is the whole address,
// http://checkout:8080/metrics. Plain HTTP is allowed where no secret is sent.
type ScrapeOptions struct {
	httpx.Remote
	URLs  []string     `yaml:"urls"`  // instead of url: one page a process
	DNS   string       `yaml:"dns"`   // a name that each process has an address behind; url says the rest
	Token httpx.Secret `yaml:"token"` // bearer
}

// maxTargets is how many processes are scraped.
const maxTargets = 50

var buildScrape = built(ScrapeOptions{}, newScrape)

func newScrape(o ScrapeOptions) (*scrape, error) {
	s := &scrape{options: o, watched: map[string]*watch{}}
	var err error
	switch {
	case len(o.URLs) > 0 && (o.URL != "" || o.DNS != ""):
		return nil, errors.New("urls is given beside url or dns, want one of them: urls names the page of each process")
	case len(o.URLs) > 0:
		s.place, err = listed(o)
	case o.DNS != "":
		s.place, err = newBehindName(o)
	default:
		s.place, err = listed(ScrapeOptions{Remote: o.Remote, URLs: []string{o.URL}, Token: o.Token})
	}
	return s, err
}

// listed are the targets that are named one by one.
func listed(o ScrapeOptions) (place, error) {
	if len(o.URLs) > maxTargets {
		return nil, fmt.Errorf("urls: got %d, want at most %d", len(o.URLs), maxTargets)
	}
	var ts those
	seen := map[string]bool{}
	for i, u := range o.URLs {
		t, err := o.target(u)
		if err != nil && len(o.URLs) > 1 {
			return nil, fmt.Errorf("urls[%d]: %w", i, err)
		}
		if err != nil {
			return nil, err
		}
		if seen[t.url] {
			return nil, fmt.Errorf("urls[%d]: %s is there twice: everything in it would be counted twice", i, t.url)
		}
		seen[t.url] = true
		if len(o.URLs) > 1 {
			t.instance = instanceOf(t.url)
		}
		ts = append(ts, t)
	}
	return ts, nil
}

// target makes what scrapes one page.
func (o ScrapeOptions) target(address string, more ...httpx.Option) (*scrapeTarget, error) {
	r := o.Remote
	r.URL = address
	if len(r.Headers) == 0 && o.Token.IsZero() && r.OAuth2 == nil && strings.HasPrefix(strings.ToLower(address), "http://") {
		r.Insecure = true // nothing secret is sent, and pods rarely serve their metrics with TLS
	}
	c, err := httpx.New(r, append(more, httpx.WithMaxBody(scrapeBody), httpx.WithRetries(1), httpx.WithBearer(o.Token))...)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.URL()); err == nil && strings.Trim(u.Path, "/") == "" {
		return nil, fmt.Errorf("url %s has no path: want the whole address of the metrics page, %s/metrics", c.URL(), c.URL())
	}
	return &scrapeTarget{http: c.HTTP(), url: c.URL(), name: c.URL(), anonymous: c.Anonymous(), series: map[string]*scraped{}}, nil
}

// instanceOf is what tells a target from the others in the label instance: its host and port, as Prometheus has it; with the path where
// that is not /metrics, because several may be behind one port.
func instanceOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return clean.Cut(address, maxLabel)
	}
	host := u.Host
	if u.Port() == "" {
		host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return clean.Cut(host+strings.TrimSuffix(u.EscapedPath(), "/metrics"), maxLabel)
}
