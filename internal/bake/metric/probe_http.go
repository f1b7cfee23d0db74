package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// ProbeHTTP is a request. Each has a connection of its own, so that what new users meet is what is measured.
type ProbeHTTP struct {
	probeRemote
	Method      string        `yaml:"method"`      // default GET
	Send        string        `yaml:"send"`        // the request's body
	Status      statuses      `yaml:"status"`      // default 2xx
	Contains    string        `yaml:"contains"`    // in the first 64 KiB of the reply
	Matches     string        `yaml:"matches"`     // likewise, a regular expression
	Certificate time.Duration `yaml:"certificate"` // the server's must be valid for so much longer
	Follow      bool          `yaml:"follow"`      // redirects, up to five, to the same host
}

type httpProber struct {
	ProbeHTTP
	client *http.Client
	url    *url.URL
	match  *regexp.Regexp
}

func (o *ProbeHTTP) prober(timeout time.Duration) (prober, string, error) {
	c, u, err := o.open(timeout)
	if err != nil {
		return nil, "url", err
	}
	p := &httpProber{ProbeHTTP: *o, url: u, client: &http.Client{Transport: c.RoundTripper(), CheckRedirect: asItComes}}
	if o.Follow {
		p.client = c.HTTP()
	}
	if o.Method == "" {
		p.Method = http.MethodGet
	}
	if _, err := http.NewRequest(p.Method, "http://x", nil); err != nil || p.Method != strings.ToUpper(p.Method) {
		return nil, "method", fmt.Errorf("got %q, want GET, HEAD, POST or another method", clean.Cut(o.Method, 40))
	}
	if o.Certificate < 0 || o.Certificate > 0 && u.Scheme != "https" {
		return nil, "certificate", errors.New("want a duration above 0 (14d), and an https url")
	}
	if o.Matches != "" {
		if p.match, err = regexp.Compile(o.Matches); err != nil {
			return nil, "matches", fmt.Errorf("%w: want a regular expression (RE2)", err)
		}
	}
	return p, "", nil
}

func asItComes(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (p *httpProber) host() string { return strings.ToLower(p.url.Hostname()) }

func (p *httpProber) probe(ctx context.Context, a *attempt) error {
	var body io.Reader
	if p.Send != "" {
		body = strings.NewReader(p.Send)
	}
	req, err := http.NewRequestWithContext(ctx, p.Method, p.url.String(), body)
	if err != nil {
		return oursError{err}
	}
	req.Close = true
	a.through(http.ProxyFromEnvironment(req))
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, probeBody))
	if err != nil {
		return err
	}
	a.answered()
	return p.look(resp, text)
}

func (p *httpProber) look(resp *http.Response, text []byte) error {
	switch {
	case !p.Status.has(resp.StatusCode):
		return badf(badStatus, "HTTP %d, want %s", resp.StatusCode, p.Status)
	case p.Contains != "" && !strings.Contains(string(text), p.Contains):
		return badf(badReply, "the reply does not contain %s", clean.Cut(p.Contains, 100))
	case p.match != nil && !p.match.Match(text):
		return badf(badReply, "the reply does not match %s", clean.Cut(p.Matches, 100))
	case p.Certificate > 0 && resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0:
		if end := resp.TLS.PeerCertificates[0].NotAfter; time.Until(end) < p.Certificate {
			return badf(badCertificate, "the certificate ends at %s, want %s from now at least", end.UTC().Format(time.RFC3339), p.Certificate)
		}
	}
	return nil
}
