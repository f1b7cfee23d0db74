package httpx

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Defaults of a client.
const (
	DefaultTimeout = 10 * time.Second
	DefaultMaxBody = 8 << 20
	defaultRetries = 3
)

// Client talks to one remote service: the origin (scheme, host, port) of its URL and no other. It is safe for concurrent use.
type Client struct {
	remote  Remote
	base    *url.URL
	headers http.Header // what every request carries, secrets among it
	secrets []string    // what must not appear in any message
	scrub   *strings.Replacer
	fetched atomic.Pointer[strings.Replacer] // takes what oauth2 fetched or the signer used out of messages
	maxBody int64
	// repeatable says that every request of this client may be sent twice, those by POST too.
	repeatable bool
	anonymous  bool     // nothing says who asks
	target     *url.URL // where every request goes instead of its own path, a secret; nil: nowhere else

	network func() (http.RoundTripper, error)
	retry   *retryablehttp.Client
	http    *http.Client
}

// New makes the client of one block. It does no I/O: the CA file is read with the first request. The error says which option is
// wrong, without any secret.
func New(r Remote, options ...Option) (*Client, error) {
	base, err := checkURL(r.URL, r.Insecure)
	if err != nil {
		return nil, err
	}
	s, err := settle(r, options)
	if err != nil {
		return nil, err
	}
	r.Timeout = s.timeout
	anonymous := len(s.secrets) == 0 && r.OAuth2 == nil && r.ClientCert == "" && s.signer == nil && s.network == nil
	c := &Client{remote: r, base: base, headers: s.headers, secrets: s.secrets, scrub: scrubber(s.secrets), maxBody: s.maxBody, repeatable: s.repeatable, target: s.target, anonymous: anonymous}
	c.network = sync.OnceValues(func() (http.RoundTripper, error) { return network(r, s.address) })
	if s.network != nil {
		c.network = func() (http.RoundTripper, error) { return s.network, nil }
	}
	if err := errors.Join(c.authorize(r, s), c.signed(r, s)); err != nil {
		return nil, err
	}
	c.retry = &retryablehttp.Client{
		// A try has a time limit of its own, from the connection to the last byte of the reply. Redirects go back to the caller's client,
		// so that each passes the rules of RoundTrip.
		HTTPClient:   &http.Client{Transport: lazy(c.network), Timeout: s.timeout, CheckRedirect: lastResponse},
		Logger:       nil, // the default prints full URLs
		RetryMax:     s.retries,
		RetryWaitMin: firstWait,
		RetryWaitMax: longestWait,
		CheckRetry:   c.checkRetry,
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // the default drops the last reply
	}
	c.http = &http.Client{Transport: roundTripper{c}, CheckRedirect: atMostFive}
	return c, nil
}

// authorize has every request carry the token that oauth2 gives.
func (c *Client) authorize(r Remote, s settings) error {
	if r.OAuth2 == nil {
		return nil
	}
	if s.headers.Get("Authorization") != "" {
		return errors.New("oauth2 is given beside token, password or a header Authorization: want one of them")
	}
	credentials, err := newCredentials(r)
	if err != nil {
		return err
	}
	c.scrub = scrubber(append(c.secrets, strings.TrimSpace(r.OAuth2.ClientSecret.Reveal()))) // a server may give it back
	plain := c.network
	c.network = sync.OnceValues(func() (http.RoundTripper, error) {
		next, err := plain()
		return &authorizing{next, credentials, c.learn}, err
	})
	return nil
}

// learn takes the secrets of the newest request out of all messages to come.
func (c *Client) learn(secrets ...string) { c.fetched.Store(scrubber(secrets)) }

// URL is the base URL, without a slash at its end.
func (c *Client) URL() string { return strings.TrimRight(c.base.String(), "/") }

// Anonymous reports whether nothing in the block says who asks: no token, password, header or certificate.
func (c *Client) Anonymous() bool { return c.anonymous }

// Redact makes a text from outside safe to print: sanitised, and without the block's secrets, which a server may give back.
func (c *Client) Redact(s string) string { return c.safe(s) }

// HTTP is the client for libraries that take an *http.Client: same authentication, retries, cap and rules for redirects. Its errors are
// *url.Error as everywhere in net/http, which print the URL with its query; the rest of the text has no secrets.
func (c *Client) HTTP() *http.Client { return c.http }

// RoundTripper is the same for libraries that bring a client of their own. A request to another origin fails, so that a redirect can't
// carry a secret away. Reading more than the cap from a reply's body fails with *TooLargeError.
func (c *Client) RoundTripper() http.RoundTripper { return c.http.Transport }

func lastResponse(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// lazy is a network that is made when it is first used.
type lazy func() (http.RoundTripper, error)

func (l lazy) RoundTrip(r *http.Request) (*http.Response, error) {
	rt, err := l()
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return rt.RoundTrip(r)
}

// CloseIdleConnections lets http.Client reach the network's own method.
func (l lazy) CloseIdleConnections() {
	if rt, err := l(); err == nil {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}
