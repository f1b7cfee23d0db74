package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/hashicorp/go-retryablehttp"
)

const maxRedirects = 5

// careful is the transport of one repository. Below go-containerregistry's login it holds the rules: where requests and credentials may
// go, how much is read, how often and how long it is tried.
type careful struct {
	p     *place
	plain bool // plain HTTP was asked for
	// nobody says that there is no credential: what go-containerregistry sends along is a token that anybody can get.
	nobody atomic.Bool
	retry  *retryablehttp.Client
}

func newCareful(p *place, repo name.Repository, mirror bool) *careful {
	o := p.c.options
	t := &careful{p: p, plain: plainAsked(repo.Registry)}
	t.retry = &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: p, Timeout: o.Timeout, CheckRedirect: lastResponse},
		Logger:       nil, // the default prints full URLs
		RetryMax:     retries,
		RetryWaitMin: o.RetryWait,
		RetryWaitMax: longestWait,
		CheckRetry:   again,
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	if mirror {
		t.retry.RetryMax = 0 // the next one is asked
	}
	return t
}

// plainAsked reports whether plain HTTP was asked for, not only guessed from the name: the same registry without that wish is another value.
func plainAsked(r name.Registry) bool {
	secure, err := name.NewRegistry(r.RegistryStr())
	return err == nil && secure != r
}

// plain is a repository of a registry that has no TLS.
func plain(repo name.Repository) name.Repository {
	reg, err := name.NewRegistry(repo.RegistryStr(), name.Insecure)
	if err != nil {
		return repo
	}
	return reg.Repo(repo.RepositoryStr())
}

func lastResponse(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func fewRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return refused(fmt.Sprintf("more than %d redirects", maxRedirects))
	}
	return nil
}

// RoundTrip implements http.RoundTripper.
func (t *careful) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	own := t.p.own(req.URL)
	if own && t.p.o.PlainHTTP && req.URL.Scheme == "https" {
		req = req.Clone(req.Context()) // go-containerregistry takes the scheme from the reply's request
		req.URL.Scheme = "http"
	}
	if err := t.allow(req); err != nil {
		return nil, err
	}
	t.p.c.seen.header(req.Header)
	leave := func() {}
	if own {
		var err error
		if leave, err = t.p.enter(req.Context()); err != nil {
			return nil, err
		}
	}
	resp, err := t.send(req)
	if err != nil {
		leave()
		return nil, err
	}
	if resp.Body == http.NoBody {
		leave()
	}
	limit := limitOf(req)
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: limit, limit: limit, leave: leave}
	return resp, nil
}

func (t *careful) send(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("User-Agent", t.p.c.options.UserAgent)
	r, err := retryablehttp.FromRequest(out)
	if err != nil {
		return nil, err
	}
	resp, err := t.retry.Do(r)
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return nil, bare(err)
	}
	resp.Request = req
	return resp, nil
}

// refused is a request that our own rules do not let out.
type refused string

func (r refused) Error() string { return string(r) }

// allow holds the rules. Plain HTTP goes to this machine, or to a registry for which it was asked. Credentials do not follow a redirect to
// another host. Nobody leads us nearer than the registry itself is.
func (t *careful) allow(req *http.Request) error {
	u := req.URL
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return refused(fmt.Sprintf("the registry sends us to a %q address", u.Scheme))
	case u.User != nil:
		return refused("the registry sends us to an address with a user name in it, at " + u.Host)
	case u.Scheme == "http" && !t.plainTo(u):
		return refused("plain HTTP to " + u.Host + " is refused; set plain-http for a registry that has no TLS")
	case t.p.own(u):
		return nil
	case carries(req) && !t.nobody.Load():
		return refused("the registry redirects us to " + u.Host + " with credentials")
	}
	return t.p.mayGo(u)
}

func (t *careful) plainTo(u *url.URL) bool {
	if t.p.own(u) && (t.plain || t.p.o.PlainHTTP) {
		return true
	}
	named := t.p.c.hosts[canonical(u.Host)]
	return named.PlainHTTP || zoneOfName(u.Hostname()) == machine
}

// carries reports whether a redirect to another host would take a credential along: in its header, or in the form with which a token is
// asked for.
func carries(req *http.Request) bool {
	from := req.Response
	if from == nil {
		return false
	}
	form := req.Method == http.MethodPost && strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	moved := from.Request == nil || from.Request.URL.Host != req.URL.Host
	return req.Header.Get("Authorization") != "" || form && moved
}

// bare takes off the *url.Error of the inner client: its URL can hold a signed query, and the outer client puts on its own.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// limitOf is how much of a reply is read. A blob may be large wherever a redirect takes us; nothing else is.
func limitOf(req *http.Request) int64 {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	if strings.Contains(req.URL.Path, "/blobs/") {
		return maxOther
	}
	return MaxManifest
}

// TooLarge says that a reply is larger than anything we would use.
type TooLarge struct{ Limit int64 }

func (e *TooLarge) Error() string {
	return fmt.Sprintf("the reply is larger than %d bytes; nothing that belongs here is", e.Limit)
}

// cappedBody is a body of which no more than limit can be read. Closed, it leaves the registry's slot.
type cappedBody struct {
	io.ReadCloser
	left, limit int64
	leave       func()
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &TooLarge{b.limit}
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, &TooLarge{b.limit}
	}
	return n, err
}

func (b *cappedBody) Close() error {
	defer b.leave()
	return b.ReadCloser.Close()
}
