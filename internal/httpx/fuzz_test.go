package httpx_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
)

// Whatever a server answers, the error is one short printable line without the secret.
func FuzzReply(f *testing.F) {
	f.Add(429, "7", "text/html", "<title>"+password+"</title>")
	f.Add(503, "Fri, 31 Dec 1999 23:59:59 GMT", "", "hunter2\u200b-s3cret "+password)
	f.Add(200, "-1", "application/json", `{"a":"`+password+`"}`)
	f.Fuzz(func(t *testing.T, status int, wait, kind, body string) {
		if status < 200 || status > 599 || status/100 == 3 {
			return
		}
		n := &network{answers: []answer{{status: status, header: map[string]string{"Retry-After": wait, "X-RateLimit-Reset": wait, "Content-Type": kind}, body: body}}}
		c, err := httpx.New(httpx.Remote{URL: "https://svc.example"}, httpx.WithRetries(0), httpx.WithBearer(httpx.NewSecret(password)), httpx.WithNetwork(n))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(t.Context(), httpx.Request{Path: "/x"})
		if err == nil {
			var v any
			err = httpx.DecodeJSON(resp, &v)
		}
		var s *httpx.StatusError
		if errors.As(err, &s) && len(s.Excerpt) > 300 {
			t.Errorf("%d bytes: %q", len(s.Excerpt), s.Excerpt)
		}
		if err != nil && (strings.Contains(err.Error(), password) || strings.ContainsAny(err.Error(), "\n\r\x1b\x00")) {
			t.Errorf("%q", err)
		}
	})
}
