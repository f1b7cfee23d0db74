package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	retries     = 3
	longestWait = 10 * time.Second
	patience    = 30 * time.Second // the longest Retry-After that is waited for
)

// again decides whether a request is sent once more: only one that reads or can be repeated, and only where that may help.
func again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	var rule refused
	switch {
	case ctx.Err() != nil, errors.As(err, &rule), err != nil && otherProtocol(err):
		return false, nil
	case resp != nil && resp.Request != nil && !repeatable(resp.Request.Method) && resp.StatusCode != http.StatusTooManyRequests:
		return false, nil
	}
	if more, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err); !more && !(resp != nil && resp.StatusCode == http.StatusRequestTimeout) {
		return false, nil
	}
	return affordable(ctx, resp), nil
}

// otherProtocol reports whether one side spoke TLS and the other did not.
func otherProtocol(err error) bool {
	s := err.Error()
	return strings.Contains(s, "server gave HTTP response to HTTPS client") || strings.Contains(s, "malformed HTTP")
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
	wait, said := asked(resp)
	if !said {
		return true
	}
	end, limited := ctx.Deadline()
	return wait <= patience && (!limited || time.Now().Add(wait).Before(end))
}

// backoff is how long to wait before try n+1: what the registry asks for, or a time that doubles, of which up to a half is left to chance.
func backoff(first, limit time.Duration, n int, resp *http.Response) time.Duration {
	if wait, said := asked(resp); said {
		return min(wait, patience)
	}
	d := limit
	if n < 20 {
		d = min(first<<n, limit)
	}
	return d/2 + rand.N(d/2+1)
}

// asked is Retry-After: seconds, or a date (RFC 9110, section 10.2.3).
func asked(resp *http.Response) (time.Duration, bool) {
	if resp == nil {
		return 0, false
	}
	v := strings.TrimSpace(resp.Header.Get("Retry-After"))
	n, err := strconv.ParseUint(v, 10, 31)
	switch {
	case err == nil:
		return time.Duration(n) * time.Second, true
	case errors.Is(err, strconv.ErrRange):
		return 10 * 365 * 24 * time.Hour, true
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at)), true
	}
	return 0, false
}
