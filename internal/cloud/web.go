package cloud

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

const (
	maxErrorBody = 64 << 10
	maxMessage   = 600
	// patience is the time limit of a try where somebody is known to be there; curiosity where nobody may be.
	patience  = 10 * time.Second
	curiosity = time.Second
)

// Web makes the small calls: for a token, to a metadata server, to an API. Each origin has an httpx client of its own, so that redirects
// stay on it. It is safe for concurrent use.
type Web struct {
	options Options
	mu      sync.Mutex
	clients map[client]*httpx.Client
}

// client is what the clients of one Web differ in.
type client struct {
	origin       string
	local, probe bool
}

// NewWeb makes the client. It does no I/O.
func NewWeb(o Options) *Web { return &Web{options: o, clients: map[client]*httpx.Client{}} }

// Request is one call. All of them may be sent twice: they read, or ask for a token.
type Request struct {
	Method      string // default GET
	URL         string // with its query
	Header      http.Header
	Form        url.Values // the body, where not nil
	Body        []byte
	ContentType string
	// Secrets are what the request holds, or the reply may give back: no error shows them. The header Authorization is one of them anyway,
	// with its scheme and without.
	Secrets []httpx.Secret
	// Local is a server on this machine or beside it, such as a metadata server: never through a proxy, and plain http is in order.
	Local bool
	// Probe asks whether anybody is there at all: one try of a second.
	Probe bool
	// Sign changes the request as it will be sent.
	Sign func(*http.Request) error
}

// Reply is an answer of any status, read to its end; of one that is not 2xx, the beginning.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte

	safe func(string, int) string
}

// OK reports whether the status is 2xx.
func (r *Reply) OK() bool { return r.Status >= 200 && r.Status <= 299 }

// Refusal is the error that the reply stands for. Without a message, the beginning of the body is the message.
func (r *Reply) Refusal(service, code, message string) *Error {
	if message == "" {
		message = string(r.Body)
	}
	return &Error{Service: service, Code: r.safe(code, 100), Message: r.safe(message, maxMessage), Status: r.Status}
}

// Malformed is the error of a reply that is not what was asked for. The body may hold the token that was asked for: it is not shown.
func (r *Reply) Malformed(service, want string) error {
	return fmt.Errorf("%s: HTTP %d with %d bytes that are not %s", service, r.Status, len(r.Body), want)
}

// Do sends the request and reads the reply. An error is a request without a complete reply: *httpx.NetError, *httpx.TooLargeError.
func (w *Web) Do(ctx context.Context, r Request) (*Reply, error) {
	_, bare, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	safe := redactor(append(r.Secrets[:len(r.Secrets):len(r.Secrets)], httpx.NewSecret(r.Header.Get("Authorization")), httpx.NewSecret(bare)))
	req, err := r.build(ctx)
	if err != nil {
		return nil, err
	}
	c, err := w.client(req.URL, r)
	if err != nil {
		return nil, err
	}
	if r.Sign != nil {
		if err := r.Sign(req); err != nil {
			return nil, err
		}
	}
	resp, err := c.HTTP().Do(req)
	if err != nil {
		return nil, netError(req, err, safe)
	}
	defer resp.Body.Close()
	reply := &Reply{Status: resp.StatusCode, Header: resp.Header, safe: safe}
	var body io.Reader = resp.Body
	if !reply.OK() {
		body = io.LimitReader(body, maxErrorBody)
	}
	if reply.Body, err = io.ReadAll(body); err != nil {
		return nil, netError(req, err, safe)
	}
	return reply, nil
}

func (r Request) build(ctx context.Context) (*http.Request, error) {
	body, kind := r.Body, r.ContentType
	if r.Form != nil {
		body, kind = []byte(r.Form.Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("a URL cannot be read") // it may hold what must not be shown
	}
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

// client finds or makes the client of a URL's origin.
func (w *Web) client(u *url.URL, r Request) (*httpx.Client, error) {
	if r.Local && u.Scheme == "http" && !Nearby(u.Hostname()) {
		return nil, fmt.Errorf("%s is plain http to a host that is not beside this one: want https, or a loopback, link-local or private address", show(u))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := client{u.Scheme + "://" + u.Host, r.Local, r.Probe}
	if c, ok := w.clients[key]; ok {
		return c, nil
	}
	remote := httpx.Remote{URL: key.origin, CA: w.options.CA, Timeout: patience, Insecure: r.Local && u.Scheme == "http"}
	options := []httpx.Option{httpx.WithRepeatable()}
	if w.options.Version != "" {
		options = append(options, httpx.WithUserAgent(w.options.Version))
	}
	if r.Probe {
		remote.Timeout = curiosity
		options = append(options, httpx.WithRetries(0))
	}
	switch {
	case w.options.Network != nil:
		options = append(options, httpx.WithNetwork(w.options.Network))
	case remote.Insecure:
		options = append(options, httpx.WithNetwork(direct(remote.Timeout)))
	}
	c, err := httpx.New(remote, options...)
	if err != nil {
		return nil, err
	}
	w.clients[key] = c
	return c, nil
}

// netError wraps what http.Client returned, without the *url.Error around it, which shows the query.
func netError(req *http.Request, err error, safe func(string, int) string) error {
	var large *httpx.TooLargeError
	if errors.As(err, &large) {
		return large
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &httpx.NetError{Method: req.Method, URL: show(req.URL), Err: &safeError{safe(err.Error(), clean.MaxText), err}}
}

// safeError is an error of the network without the request's secrets in its text.
type safeError struct {
	text string
	err  error
}

func (e *safeError) Error() string { return e.text }
func (e *safeError) Unwrap() error { return e.err }

// show is a URL for messages: no user, no query, no fragment.
func show(u *url.URL) string {
	return clean.Cut((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String(), 300)
}
