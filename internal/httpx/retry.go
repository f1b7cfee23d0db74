package httpx

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Waits between tries. Without a word of the server they double from firstWait to longestWait, of which up to a half is left to chance.
// A server that asks for more than patience gets no further try: coming back earlier would be refused again.
const (
	firstWait   = 500 * time.Millisecond
	longestWait = 10 * time.Second
	patience    = time.Minute
)

// tries is what is known of one request over all its tries. It travels in the request's context.
type tries struct {
	n          int
	repeatable bool
	status     int  // of the last reply, 0: none
	taken      bool // a try may have reached the service
}

type (
	triesKey      struct{}
	repeatableKey struct{}
)

// idempotent are the methods that RFC 9110, section 9.2.2, lets a client repeat.
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "":
		return true
	}
	return false
}

// checkRetry decides whether a request is sent again. A request that is not repeatable is repeated only where it was surely not taken:
// the connection was never made, or the server said that there were too many.
func (c *Client) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	t, _ := ctx.Value(triesKey{}).(*tries)
	if t == nil {
		t = &tries{}
	}
	t.n++
	again := ctx.Err() == nil && transient(ctx, resp, err) && (t.repeatable || untaken(resp, err))
	t.taken = t.taken || !untaken(resp, err)
	if resp != nil && err == nil {
		t.status = resp.StatusCode
	}
	return again && affordable(ctx, t.n-1, resp), nil
}

// transient reports whether another try could end better.
func transient(ctx context.Context, resp *http.Response, err error) bool {
	var ca *caError
	var token *tokenError
	var unsigned *signError
	if errors.As(err, &ca) || errors.As(err, &unsigned) || plainHTTP(err) || errors.As(err, &token) && token.final() {
		return false
	}
	if err == nil && resp != nil && limited(resp.StatusCode, resp.Header) {
		return true
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	return again
}

// untaken reports whether the server surely did nothing with the request.
func untaken(resp *http.Response, err error) bool {
	if err == nil {
		return resp != nil && limited(resp.StatusCode, resp.Header)
	}
	return unsent(err)
}

// limited reports whether a reply says that there were too many requests. GitHub says so by a 403 too, of which the headers tell that it is no
// matter of rights.
// https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#rate-limit-errors
func limited(status int, h http.Header) bool {
	return status == http.StatusTooManyRequests || status == http.StatusForbidden && (h.Get("Retry-After") != "" || h.Get("X-Ratelimit-Remaining") == "0")
}

// unsent reports whether no byte of the request can have left: there was no connection.
func unsent(err error) bool {
	var op *net.OpError
	var ca *caError
	var token *tokenError
	var unsigned *signError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &ca) || errors.As(err, &token) || errors.As(err, &unsigned)
}

func plainHTTP(err error) bool {
	return err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// affordable reports whether the wait before the next try ends before the context does, and is not longer than patience.
func affordable(ctx context.Context, n int, resp *http.Response) bool {
	wait, said := asked(resp)
	if !said {
		wait = longest(firstWait, longestWait, n)
	}
	if wait > patience {
		return false
	}
	end, limited := ctx.Deadline()
	return !limited || time.Now().Add(wait).Before(end)
}

// backoff is how long to wait before the next try.
func backoff(first, limit time.Duration, n int, resp *http.Response) time.Duration {
	if wait, said := asked(resp); said {
		return min(wait, patience)
	}
	d := longest(first, limit, n)
	return d/2 + rand.N(d/2)
}

func longest(first, limit time.Duration, n int) time.Duration {
	if n > 20 {
		return limit
	}
	return min(first<<n, limit)
}

// asked is how long the server wants the client to wait: Retry-After (seconds or a date, RFC 9110 section 10.2.3), or for too many requests
// X-RateLimit-Reset, which Datadog gives in seconds from now and others as a Unix time.
func asked(resp *http.Response) (time.Duration, bool) {
	if resp == nil || resp.StatusCode != http.StatusServiceUnavailable && !limited(resp.StatusCode, resp.Header) {
		return 0, false
	}
	if v := resp.Header.Get("Retry-After"); v != "" {
		if d, ok := seconds(v); ok {
			return d, true
		}
		if t, err := http.ParseTime(v); err == nil {
			return max(0, time.Until(t)), true
		}
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		return 0, false
	}
	return seconds(resp.Header.Get("X-RateLimit-Reset"))
}

// seconds reads a number of seconds, or a Unix time.
func seconds(v string) (time.Duration, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	const unix, latest = 900_000_000, 10_000_000_000 // no wait is 28 years long, no clock stands in 1998
	switch {
	case n >= latest:
		return 365 * 24 * time.Hour, true // far beyond any patience, and it would overflow
	case n >= unix:
		return max(0, time.Until(time.Unix(n, 0))), true
	}
	return time.Duration(n) * time.Second, true
}
