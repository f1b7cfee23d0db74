package registry

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// case 09: how long the registry wants us to wait is waited for, in both of its forms, within our patience and the time limit of a call.
func TestCase09RetryAfter(t *testing.T) {
	in := func(d time.Duration) func() string {
		return func() string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	}
	is := func(s string) func() string { return func() string { return s } }
	for name, tt := range map[string]struct {
		status  int
		after   func() string
		limit   time.Duration
		atLeast time.Duration
		atMost  time.Duration
		kind    Kind // "" where the second try succeeds
	}{
		"429, seconds":                    {429, is("7"), time.Minute, 7 * time.Second, 7 * time.Second, ""},
		"429, a date":                     {429, in(9 * time.Second), time.Minute, 8 * time.Second, 9 * time.Second, ""},
		"503, seconds":                    {503, is("7"), time.Minute, 7 * time.Second, 7 * time.Second, ""},
		"502, seconds":                    {502, is("7"), time.Minute, 7 * time.Second, 7 * time.Second, ""},
		"503, spaces":                     {503, is(" 7 "), time.Minute, 7 * time.Second, 7 * time.Second, ""},
		"a date that is over":             {429, in(-time.Hour), time.Minute, 0, 0, ""},
		"zero":                            {429, is("0"), time.Minute, 0, 0, ""},
		"nothing":                         {429, is(""), time.Minute, 250 * time.Millisecond, 500 * time.Millisecond, ""},
		"no number":                       {429, is("soon"), time.Minute, 250 * time.Millisecond, 500 * time.Millisecond, ""},
		"negative":                        {429, is("-5"), time.Minute, 250 * time.Millisecond, 500 * time.Millisecond, ""},
		"at the end of patience":          {429, is("30"), time.Minute, 30 * time.Second, 30 * time.Second, ""},
		"beyond our patience":             {429, is("31"), 5 * time.Minute, 0, 0, Limited},
		"beyond our patience, a date":     {503, in(time.Hour), 5 * time.Minute, 0, 0, Unavailable},
		"beyond any number":               {429, is("99999999999999999999"), 5 * time.Minute, 0, 0, Limited},
		"beyond the time limit of a call": {429, is("20"), 10 * time.Second, 0, 0, Limited},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Credentials{}, Options{Limit: tt.limit})
				n := 0
				c.base = roundTrip(func(r *http.Request) (*http.Response, error) {
					if n++; n > 1 {
						return reply(r, http.StatusOK, nil, "{}"), nil
					}
					return reply(r, tt.status, http.Header{"Retry-After": {tt.after()}}, ""), nil
				})
				begin := time.Now()
				_, err := c.Manifest(t.Context(), mustRef(t, origin+"/acme/app:v1"))
				if took := time.Since(begin); took < tt.atLeast || took > tt.atMost {
					t.Errorf("it took %s, want from %s to %s", took, tt.atLeast, tt.atMost)
				}
				if tt.kind == "" && err != nil {
					t.Error(err)
				}
				if tt.kind != "" {
					wantError(t, err, tt.kind)
				}
			})
		})
	}
}

// case 09: a token server is waited for, too, and its refusal is no finding.
func TestCase09TokenServerIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Credentials{DockerAuth: httpx.NewSecret(dockerConfig(origin, "u", "password"))}, Options{})
		n := 0
		c.base = roundTrip(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.URL.Host == "auth.example.com":
				if n++; n < 3 {
					return reply(r, http.StatusTooManyRequests, http.Header{"Retry-After": {"5"}}, ""), nil
				}
				return reply(r, http.StatusOK, nil, `{"access_token":"x"}`), nil
			case r.Header.Get("Authorization") != "Bearer x":
				return reply(r, http.StatusUnauthorized, http.Header{"Www-Authenticate": {`Bearer realm="https://auth.example.com/"`}}, ""), nil
			}
			return reply(r, http.StatusOK, nil, "{}"), nil
		})
		begin := time.Now()
		mustManifest(t, c, origin+"/acme/app:v1")
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("it took %s, want 10s", took)
		}
	})
}

// What is not made anew by a second try is not tried twice: a write that may have been done, and what our own rules refuse.
func TestAgain(t *testing.T) {
	at := func(method string, status int) *http.Response {
		return &http.Response{StatusCode: status, Request: &http.Request{Method: method}, Header: http.Header{}}
	}
	for name, tt := range map[string]struct {
		resp *http.Response
		err  error
		want bool
	}{
		"GET 500":              {at("GET", 500), nil, true},
		"HEAD 503":             {at("HEAD", 503), nil, true},
		"PUT 502":              {at("PUT", 502), nil, true},
		"GET 408":              {at("GET", 408), nil, true},
		"POST 500":             {at("POST", 500), nil, false},
		"POST 429":             {at("POST", 429), nil, true},
		"PATCH 500":            {at("PATCH", 500), nil, false},
		"GET 404":              {at("GET", 404), nil, false},
		"GET 501":              {at("GET", 501), nil, false},
		"GET 200":              {at("GET", 200), nil, false},
		"a broken connection":  {nil, errors.New("connection reset"), true},
		"our own rules":        {nil, refused("no"), false},
		"HTTP in place of TLS": {nil, errors.New("http: server gave HTTP response to HTTPS client"), false},
		"TLS in place of HTTP": {nil, errors.New(`malformed HTTP response "\x15\x03\x01"`), false},
	} {
		if got, _ := again(context.Background(), tt.resp, tt.err); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	for n := range 100 {
		d := backoff(500*time.Millisecond, longestWait, n, nil)
		if most := min(500*time.Millisecond<<min(n, 10), longestWait); d < most/2 || d > most+1 {
			t.Errorf("try %d: %s, want from %s to %s", n, d, most/2, most)
		}
	}
	if backoff(0, 0, 0, nil) != 0 {
		t.Error("no wait is none")
	}
}
