package httpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// network is a server in process: each call takes the next answer, the last one stays.
type network struct {
	answers []answer
	at      []time.Duration // when each request came, since the first
	bodies  []string
	first   time.Time
}

type answer struct {
	status int
	header map[string]string
	body   string
	err    error
	hang   bool
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.first.IsZero() {
		n.first = time.Now()
	}
	a := n.answers[min(len(n.at), len(n.answers)-1)]
	n.at = append(n.at, time.Since(n.first))
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		n.bodies = append(n.bodies, string(b))
	}
	if a.hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{}
	for k, v := range a.header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r, ProtoMajor: 1}, nil
}

func (n *network) client(t *testing.T, options ...httpx.Option) *httpx.Client {
	t.Helper()
	c, err := httpx.New(httpx.Remote{URL: "https://svc.example/api"}, append(options, httpx.WithNetwork(n))...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	ok       = answer{status: 200, body: `{}`}
	busy     = answer{status: 503, body: "busy"}
	refused  = answer{err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	broken   = answer{err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}}
	hanging  = answer{hang: true}
	tooMany  = answer{status: 429, header: map[string]string{"X-RateLimit-Reset": "7"}}
	comeBack = answer{status: 503, header: map[string]string{"Retry-After": "20"}}
)

// The waits are exact where the server said how long, else between a half and the whole of the doubling one.
func TestRetries(t *testing.T) {
	tests := []struct {
		name    string
		method  string
		repeat  bool
		answers []answer
		limit   time.Duration // of the context, 0: none
		tries   int
		status  int // 0: an error without status
		least   time.Duration
		most    time.Duration
	}{
		{"good at once", "GET", false, []answer{ok}, 0, 1, 200, 0, 0},
		{"a short outage", "GET", false, []answer{busy, busy, ok}, 0, 3, 200, 750 * time.Millisecond, 1500 * time.Millisecond},
		{"a long outage", "GET", false, []answer{busy}, 0, 4, 503, 1750 * time.Millisecond, 3500 * time.Millisecond},
		{"a refusal is no outage", "GET", false, []answer{{status: 403}}, 0, 1, 403, 0, 0},
		{"a 403 that is a rate limit, with Retry-After", "POST", false, []answer{{status: 403, header: map[string]string{"Retry-After": "5"}}, ok}, 0, 2, 200, 5 * time.Second, 5 * time.Second},
		{"a 403 that is a rate limit, with X-RateLimit-Reset", "POST", false, []answer{{status: 403, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "946684809"}}, ok}, 0, 2, 200, 9 * time.Second, 9 * time.Second},
		{"a 403 with requests left is a refusal", "GET", false, []answer{{status: 403, header: map[string]string{"X-RateLimit-Remaining": "10", "X-RateLimit-Reset": "9"}}}, 0, 1, 403, 0, 0},
		{"a 403 for longer than patience", "GET", false, []answer{{status: 403, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "946688400"}}}, 0, 1, 403, 0, 0},
		{"not implemented stays so", "GET", false, []answer{{status: 501}}, 0, 1, 501, 0, 0},
		{"Retry-After in seconds", "GET", false, []answer{comeBack, ok}, 0, 2, 200, 20 * time.Second, 20 * time.Second},
		{"X-RateLimit-Reset in seconds", "GET", false, []answer{tooMany, ok}, 0, 2, 200, 7 * time.Second, 7 * time.Second},
		{"Retry-After wins", "GET", false, []answer{{status: 429, header: map[string]string{"Retry-After": "3", "X-RateLimit-Reset": "9"}}, ok}, 0, 2, 200, 3 * time.Second, 3 * time.Second},
		{"Retry-After of a 500 means nothing", "GET", false, []answer{{status: 500, header: map[string]string{"Retry-After": "30"}}, ok}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		{"Retry-After that is nonsense", "GET", false, []answer{{status: 503, header: map[string]string{"Retry-After": "-5 soon"}}, ok}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		{"longer than patience", "GET", false, []answer{{status: 429, header: map[string]string{"Retry-After": "3600"}}}, 0, 1, 429, 0, 0},
		{"an absurd number", "GET", false, []answer{{status: 429, header: map[string]string{"X-RateLimit-Reset": "9223372036854775807"}}}, 0, 1, 429, 0, 0},
		{"longer than the context", "GET", false, []answer{comeBack}, 5 * time.Second, 1, 503, 0, 0},
		{"the context ends before the back-off", "GET", false, []answer{busy}, 1200 * time.Millisecond, 2, 503, 250 * time.Millisecond, 500 * time.Millisecond},
		{"connection refused", "GET", false, []answer{refused, ok}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		{"a connection that breaks", "GET", false, []answer{broken, ok}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		{"a server that hangs", "GET", false, []answer{hanging, ok}, 0, 2, 200, 10250 * time.Millisecond, 10500 * time.Millisecond},
		{"PUT is idempotent", "PUT", false, []answer{busy, ok}, 0, 2, 200, 0, time.Second},
		{"DELETE is idempotent", "DELETE", false, []answer{broken, ok}, 0, 2, 200, 0, time.Second},
		{"POST on 503", "POST", false, []answer{busy, ok}, 0, 1, 503, 0, 0},
		{"POST on 503 with Retry-After", "POST", false, []answer{comeBack, ok}, 0, 1, 503, 0, 0},
		{"POST on a broken connection", "POST", false, []answer{broken, ok}, 0, 1, 0, 0, 0},
		{"POST that hangs", "POST", false, []answer{hanging, ok}, 0, 1, 0, 10 * time.Second, 10 * time.Second},
		{"PATCH on 500", "PATCH", false, []answer{{status: 500}, ok}, 0, 1, 500, 0, 0},
		{"POST that was surely not taken: 429", "POST", false, []answer{tooMany, ok}, 0, 2, 200, 7 * time.Second, 7 * time.Second},
		{"POST that was surely not sent", "POST", false, []answer{refused, ok}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		{"POST that may be repeated", "POST", true, []answer{busy, broken, ok}, 0, 3, 200, 750 * time.Millisecond, 1500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{answers: tt.answers}
				ctx, stop := t.Context(), context.CancelFunc(func() {})
				if tt.limit > 0 {
					ctx, stop = context.WithTimeout(ctx, tt.limit)
				}
				defer stop()
				start := time.Now()
				resp, err := n.client(t).Do(ctx, httpx.Request{Method: tt.method, Path: "/x", Body: []byte("body"), Repeatable: tt.repeat})
				took := time.Since(start)
				if got := statusOf(resp, err); got != tt.status {
					t.Errorf("status %d (%v), want %d", got, err, tt.status)
				}
				if len(n.at) != tt.tries {
					t.Errorf("%d tries, want %d", len(n.at), tt.tries)
				}
				if took < tt.least || took > tt.most {
					t.Errorf("took %s, want %s to %s", took, tt.least, tt.most)
				}
				for _, b := range n.bodies {
					if b != "body" {
						t.Errorf("a try sent the body %q", b)
					}
				}
			})
		})
	}
}

func statusOf(resp *httpx.Response, err error) int {
	var s *httpx.StatusError
	switch {
	case resp != nil:
		return resp.Status
	case errors.As(err, &s):
		return s.Status
	}
	return 0
}

// Dates need the clock of the bubble.
func TestRetryAfterDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(5 * time.Second)
		for _, h := range []map[string]string{{"Retry-After": at.UTC().Format(http.TimeFormat)}, {"X-RateLimit-Reset": strconv.FormatInt(at.Unix(), 10)}} {
			// The date stays where it is, so that the second wait is none.
			n := &network{answers: []answer{{status: 429, header: h}, ok}}
			start := time.Now()
			if _, err := n.client(t).Do(t.Context(), httpx.Request{Path: "/x"}); err != nil {
				t.Fatal(err)
			}
			if took, want := time.Since(start), max(0, at.Sub(start)); took != want {
				t.Errorf("%v: waited %s, want %s", h, took, want)
			}
		}
	})
}

func TestCancelledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, stop)
		n := &network{answers: []answer{comeBack}}
		start := time.Now()
		_, err := n.client(t).Do(ctx, httpx.Request{Path: "/x"})
		if !errors.Is(err, context.Canceled) || time.Since(start) != 2*time.Second {
			t.Errorf("got %v after %s, want context.Canceled after 2s", err, time.Since(start))
		}
		if want := "GET https://svc.example/api/x: context canceled"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	})
}

// What is known of a request whose reply never came decides whether it may be sent again by others.
func TestUnsent(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []answer
		unsent  bool
		text    string
	}{
		"refused":              {[]answer{refused}, true, "connection refused (4 tries)"},
		"broken":               {[]answer{broken}, false, "connection reset by peer"},
		"hanging":              {[]answer{hanging}, false, "no answer within 10s"},
		"refused, then broken": {[]answer{refused, broken}, false, "connection reset by peer (2 tries)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{answers: tt.answers}
			_, err := n.client(t).Do(t.Context(), httpx.Request{Method: "POST", Path: "/x"})
			var ne *httpx.NetError
			if !errors.As(err, &ne) {
				t.Fatalf("%s: got %T %v", name, err, err)
			}
			if ne.Unsent() != tt.unsent || !strings.HasSuffix(err.Error(), tt.text) {
				t.Errorf("%s: unsent %v, %q; want %v and %q at its end", name, ne.Unsent(), err, tt.unsent, tt.text)
			}
			if name == "hanging" && !ne.Timeout() {
				t.Error("a time-out does not say so")
			}
		})
	}
}

// A client of a query API may repeat its POSTs, through RoundTripper too.
func TestRepeatableClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{answers: []answer{busy, ok}}
		c := n.client(t, httpx.WithRepeatable())
		resp, err := (&http.Client{Transport: c.RoundTripper()}).Post(c.URL()+"/query", "text/plain", strings.NewReader("query=up"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 || len(n.at) != 2 || n.bodies[1] != "query=up" {
			t.Errorf("status %d, %d tries, bodies %q", resp.StatusCode, len(n.at), n.bodies)
		}
	})
}
