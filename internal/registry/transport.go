package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/hashicorp/go-retryablehttp"
)

const (
	retries      = 3
	longestWait  = 10 * time.Second
	patience     = 30 * time.Second // the longest Retry-After that is waited for
	maxRedirects = 5
	maxHeaders   = 256 << 10
)

// network is the connection to registries: TLS 1.2 or later, proxies from the standard variables of the process.
func network(o Options) (http.RoundTripper, error) {
	roots, err := roots(o.CA)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    o.Timeout,
		ResponseHeaderTimeout:  o.Timeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaders,
		// A registry's bytes are hashed as they are: nothing may decompress them on the way.
		DisableCompression: true,
	}, nil
}

func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("ca %q: %w", file, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca %q: it holds no certificate, want PEM (-----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

// careful is the transport of one registry. Below go-containerregistry's login it holds the rules: where credentials may go, how much
// is read, how often and how long it is tried.
type careful struct {
	c     *Client
	host  string // the registry
	plain bool   // plain HTTP was asked for
	retry *retryablehttp.Client
}

func (c *Client) transport(repo name.Repository) *careful {
	t := &careful{c: c, host: repo.RegistryStr(), plain: plainAsked(repo.Registry)}
	t.retry = &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: lazy(c.network), Timeout: c.options.Timeout, CheckRedirect: lastResponse},
		Logger:       nil, // the default prints full URLs
		RetryMax:     retries,
		RetryWaitMin: c.options.RetryWait,
		RetryWaitMax: longestWait,
		CheckRetry:   again,
		Backoff:      retryablehttp.DefaultBackoff, // doubles, and keeps to Retry-After
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return t
}

// plainAsked reports whether plain HTTP was asked for, not only guessed from the name: the same registry without that wish is another value.
func plainAsked(r name.Registry) bool {
	secure, err := name.NewRegistry(r.RegistryStr())
	return err == nil && secure != r
}

func lastResponse(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func fewRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return refused(fmt.Sprintf("more than %d redirects", maxRedirects))
	}
	return nil
}

type lazy func() (http.RoundTripper, error)

func (l lazy) RoundTrip(r *http.Request) (*http.Response, error) {
	rt, err := l()
	if err != nil {
		return nil, refused(err.Error())
	}
	return rt.RoundTrip(r)
}

// RoundTrip implements http.RoundTripper.
func (t *careful) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := t.allow(req); err != nil {
		return nil, err
	}
	t.c.seen.header(req.Header)
	out := req.Clone(req.Context())
	out.Header.Set("User-Agent", t.c.options.UserAgent)
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
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: limitOf(req.URL), limit: limitOf(req.URL)}
	return resp, nil
}

// refused is a request that our own rules do not let out.
type refused string

func (r refused) Error() string { return string(r) }

// allow holds the rules. Plain HTTP goes to loopback, or to the registry for which it was asked. A redirect takes no credentials to
// another host, and does not lead from a public registry into a private network.
func (t *careful) allow(req *http.Request) error {
	host := req.URL.Hostname()
	switch {
	case req.URL.Scheme != "https" && req.URL.Scheme != "http":
		return refused(fmt.Sprintf("the registry sends us to a %q address", req.URL.Scheme))
	case req.URL.Scheme == "http" && !loopback(host) && (!t.plain || req.URL.Host != t.host):
		return refused("plain HTTP to " + req.URL.Host + " is refused; set plain-http for a registry that has no TLS")
	case req.Response == nil || req.URL.Host == t.host:
		return nil
	case req.Header.Get("Authorization") != "":
		return refused("the registry redirects us to " + req.URL.Host + " with credentials")
	case private(host) && !private(hostOnly(t.host)):
		return refused("the registry redirects us to the private address " + req.URL.Host)
	}
	return nil
}

func hostOnly(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func private(host string) bool {
	if loopback(host) {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsUnspecified() || ip.IsInterfaceLocalMulticast())
}

// again decides whether a request is sent once more: only one that reads or can be repeated, and only where that may help.
func again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	var rule refused
	switch {
	case ctx.Err() != nil, errors.As(err, &rule):
		return false, nil
	case err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return false, nil
	case resp != nil && resp.Request != nil && !repeatable(resp.Request.Method) && resp.StatusCode != http.StatusTooManyRequests:
		return false, nil
	}
	if more, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err); !more && !(resp != nil && resp.StatusCode == http.StatusRequestTimeout) {
		return false, nil
	}
	return affordable(ctx, resp), nil
}

func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, "":
		return true
	}
	return false
}

// affordable reports whether the wait that the registry asks for ends within our patience and the time limit. Coming back earlier
// would only be refused again.
func affordable(ctx context.Context, resp *http.Response) bool {
	if resp == nil {
		return true
	}
	v := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if v == "" {
		return true
	}
	var wait time.Duration
	if n, err := strconv.ParseInt(v, 10, 32); err == nil && n >= 0 {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		wait = time.Until(at)
	} else {
		return true
	}
	end, limited := ctx.Deadline()
	return wait <= patience && (!limited || time.Now().Add(wait).Before(end))
}

// bare takes off the *url.Error of the inner client: its URL can hold a signed query, and the outer client puts on its own.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// limitOf is how much of a reply is read.
func limitOf(u *url.URL) int64 {
	if strings.Contains(u.Path, "/blobs/") {
		return maxOther
	}
	if strings.HasPrefix(u.Path, "/v2/") {
		return MaxManifest
	}
	return maxOther // a redirected blob, or a token, which go-containerregistry caps at 64 KiB
}

// TooLarge says that a reply is larger than anything we would use.
type TooLarge struct{ Limit int64 }

func (e *TooLarge) Error() string {
	return fmt.Sprintf("the reply is larger than %d bytes; nothing that belongs here is", e.Limit)
}

// cappedBody is a body of which no more than limit can be read.
type cappedBody struct {
	io.ReadCloser
	left, limit int64
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
