package httpx

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// StatusError is a reply whose status is not 2xx.
type StatusError struct {
	Method     string
	URL        string // without user and query
	Status     int
	Header     http.Header   // the few headers that explain a failure
	Excerpt    string        // the beginning of the body, or the title of an HTML page; sanitised, without the block's secrets
	RetryAfter time.Duration // what the server asked for, 0: nothing
	Anonymous  bool          // the block has no token, password, header or certificate
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s: HTTP %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if e.Excerpt != "" {
		s += ": " + e.Excerpt
	}
	if e.RetryAfter > 0 {
		s += fmt.Sprintf(" (try again in %s)", e.RetryAfter.Round(time.Second))
	}
	return strings.TrimSuffix(s, " ")
}

// Limited reports whether there were too many requests: HTTP 429, or a 403 that says so in its headers.
func (e *StatusError) Limited() bool { return limited(e.Status, e.Header) }

// NetError is a request that got no complete reply.
type NetError struct {
	Method string
	URL    string // without user and query
	Err    error
}

func (e *NetError) Error() string { return fmt.Sprintf("%s %s: %v", e.Method, e.URL, e.Err) }
func (e *NetError) Unwrap() error { return e.Err }

// Timeout reports whether it was a time-out.
func (e *NetError) Timeout() bool { return isTimeout(e.Err) }

// Unsent reports whether the request surely never left: there was no connection. Otherwise the server may have done what was asked.
func (e *NetError) Unsent() bool {
	var c *causeError
	return errors.As(e.Err, &c) && c.unsent
}

// TooLargeError is a reply above the cap. Nothing of it was used.
type TooLargeError struct {
	URL   string
	Limit int64 // bytes, after decompression
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: the reply is larger than %s", e.URL, size(e.Limit))
}

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// causeError is why there is no reply, in words that hold neither URL nor secret.
type causeError struct {
	text   string
	err    error
	unsent bool
}

func (e *causeError) Error() string { return e.text }
func (e *causeError) Unwrap() error { return e.err }
func (e *causeError) Timeout() bool { return isTimeout(e.err) }

// cause explains an error of the network.
func (c *Client) cause(ctx context.Context, err error, t *tries) error {
	bare := err
	var u *url.Error
	if errors.As(err, &u) {
		bare = u.Err
	}
	text := c.words(ctx, err, bare)
	if t.n > 1 {
		text += fmt.Sprintf(" (%d tries", t.n)
		if t.status != 0 {
			text += fmt.Sprintf(", last reply HTTP %d", t.status)
		}
		text += ")"
	}
	return &causeError{text: text, err: bare, unsent: !t.taken}
}

func (c *Client) words(ctx context.Context, err, bare error) string {
	var authority x509.UnknownAuthorityError
	var ca *caError
	var token *tokenError
	var unsigned *signError
	switch {
	case ctx.Err() != nil:
		return ctx.Err().Error()
	case errors.As(err, &ca):
		return clean.Text(ca.Error())
	case errors.As(err, &token):
		return c.safe(token.Error())
	case errors.As(err, &unsigned):
		return c.safe(unsigned.Error())
	case isTimeout(err):
		return fmt.Sprintf("no answer within %s", c.remote.Timeout)
	case plainHTTP(err):
		return "the server speaks plain http there, not https: check the scheme and the port of the url"
	case errors.As(err, &authority):
		return c.safe(bare.Error()) + ": give the authority's PEM file as ca"
	}
	return c.safe(bare.Error())
}

// readCause explains an error that came while a reply was read.
func (c *Client) readCause(ctx context.Context, err error) error {
	var large *TooLargeError
	switch {
	case errors.As(err, &large):
		return err
	case ctx.Err() == nil && isTimeout(err):
		return &causeError{text: fmt.Sprintf("the reply did not end within %s", c.remote.Timeout), err: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &causeError{text: "the connection ended in the middle of the reply", err: err}
	}
	return &causeError{text: "reading the reply: " + c.safe(err.Error()), err: err}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// netError wraps what http.Client returned, without the *url.Error around it, which shows the query.
func netError(method, where string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &NetError{Method: method, URL: where, Err: err}
}

// telling are the headers that help to understand a failure.
var telling = []string{"Content-Type", "Date", "Retry-After", "Server", "X-Ratelimit-Limit", "X-Ratelimit-Name", "X-Ratelimit-Period",
	"X-Ratelimit-Remaining", "X-Ratelimit-Reset", "X-Request-Id"}

func (c *Client) statusError(method, where string, resp *http.Response, body []byte) error {
	e := &StatusError{Method: method, URL: where, Status: resp.StatusCode, Header: http.Header{}, Excerpt: c.excerpt(resp.Header, body), Anonymous: c.anonymous}
	for _, h := range telling {
		if v := resp.Header.Get(h); v != "" {
			e.Header.Set(h, clean.Cut(c.safe(v), 200))
		}
	}
	e.RetryAfter, _ = asked(resp)
	return e
}

const maxExcerpt = 300

var (
	title    = lazyregexp.New(`(?is)<title[^>]*>(.*?)</title>`)
	userinfo = lazyregexp.New(`//[^/\s@]*@`)
)

// excerpt is the beginning of a body for a message.
func (c *Client) excerpt(h http.Header, body []byte) string {
	if !isHTML(h, body) {
		return clean.Cut(c.safe(string(body)), maxExcerpt)
	}
	if m := title.FindSubmatch(body); m != nil {
		return clean.Cut(c.safe(fmt.Sprintf("an HTML page, %q", clean.Cut(string(m[1]), 100))), maxExcerpt)
	}
	return "an HTML page"
}

func isHTML(h http.Header, body []byte) bool {
	start := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), 64)])))
	return strings.Contains(strings.ToLower(h.Get("Content-Type")), "html") ||
		strings.HasPrefix(start, "<!doctype") || strings.HasPrefix(start, "<html")
}

// safe sanitises a text from outside and takes the block's secrets out of it, before and behind the sanitising: characters that it
// removes could stand in the middle of one.
func (c *Client) safe(s string) string {
	const enough = 4 * clean.MaxText
	if len(s) > 8*enough {
		s = s[:8*enough]
	}
	return userinfo.ReplaceAllString(c.hide(clean.Cut(c.hide(s), enough)), "//"+redacted+"@")
}

// hide takes the block's secrets out of a text.
func (c *Client) hide(s string) string {
	if f := c.fetched.Load(); f != nil {
		s = f.Replace(s)
	}
	return c.scrub.Replace(s)
}

// shortestSecret is the length from which a value is taken out of messages: a tenant "1" is no secret, and would garble every number.
const shortestSecret = 4

// scrubber replaces the secrets in all the forms in which a server may give them back. The longest go first, so that no part of one
// stays behind.
func scrubber(secrets []string) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		if len(s) < shortestSecret {
			continue
		}
		quoted, _ := json.Marshal(s) // a string always has a JSON form
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`))
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range slices.Compact(forms) {
		pairs = append(pairs, f, redacted)
	}
	return strings.NewReplacer(pairs...)
}
