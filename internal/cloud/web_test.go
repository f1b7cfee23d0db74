package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/httpx"
)

const secretToken = "very-secret/token"

func TestWhatIsSent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("X-One"), r.UserAgent(), b)
	}))
	defer s.Close()
	web := cloud.NewWeb(cloud.Options{Version: "1.2"})
	for want, r := range map[string]cloud.Request{
		"GET /a?b=c  1 bakegate/1.2 ":                                  {URL: s.URL + "/a?b=c", Header: http.Header{"x-one": {"1"}}},
		"POST / application/x-www-form-urlencoded  bakegate/1.2 k=v+w": {Method: "POST", URL: s.URL + "/", Form: url.Values{"k": {"v w"}}},
		"PUT / text/plain signed bakegate/1.2 text": {Method: "PUT", URL: s.URL + "/", Body: []byte("text"), ContentType: "text/plain",
			Sign: func(r *http.Request) error { r.Header.Set("X-One", "signed"); return nil }},
	} {
		reply, err := web.Do(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(reply.Body); got != want || !reply.OK() {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A server that gives the secrets back, in a reply or in a redirect, does not get them into a message.
func TestSecretsNeverInErrors(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		told := r.Header.Get("Authorization") + " and " + r.Form.Get("token")
		switch r.URL.Path {
		case "/refuse":
			http.Error(w, "no: "+told, http.StatusForbidden)
		case "/redirect":
			w.Header().Set("Location", "https://evil.example/"+url.PathEscape(told))
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "/host":
			w.Header().Set("Location", "https://"+strings.ReplaceAll(secretToken, "/", ".")+".evil.example/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "/cut":
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, told)
		}
	}))
	defer s.Close()
	web := cloud.NewWeb(cloud.Options{})
	for _, path := range []string{"/refuse", "/redirect", "/host", "/cut", "/not\x7fa URL"} {
		reply, err := web.Do(t.Context(), cloud.Request{Method: "POST", URL: s.URL + path, Form: url.Values{"token": {secretToken}},
			Header: http.Header{"Authorization": {"Bearer in-the-header"}}, Secrets: []httpx.Secret{httpx.NewSecret(secretToken),
				httpx.NewSecret(strings.ReplaceAll(secretToken, "/", "."))}})
		if err == nil {
			err = reply.Refusal("service", "", "")
		}
		for _, secret := range []string{secretToken, url.PathEscape(secretToken), strings.ReplaceAll(secretToken, "/", "."), "in-the-header"} {
			if strings.Contains(err.Error(), secret) || strings.Contains(fmt.Sprintf("%+v", err), secret) {
				t.Errorf("%s: the error shows %q: %v", path, secret, err)
			}
		}
		if path == "/refuse" && err.Error() != "service: HTTP 403: no: [secret] and [secret]" {
			t.Errorf("got %q", err)
		}
	}
}

func TestLimits(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/huge":
			for range 1000 {
				_, _ = w.Write(make([]byte, 16<<10))
			}
		case "/huge-error":
			w.WriteHeader(http.StatusBadRequest)
			for range 1000 {
				_, _ = w.Write([]byte(strings.Repeat("e", 16<<10)))
			}
		case "/drip":
			for range 100 {
				_, _ = io.WriteString(w, "x")
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
	}))
	defer s.Close()
	web := cloud.NewWeb(cloud.Options{})
	var large *httpx.TooLargeError
	if _, err := web.Do(t.Context(), cloud.Request{URL: s.URL + "/huge"}); !errors.As(err, &large) {
		t.Errorf("huge: got %v, want it refused", err)
	}
	reply, err := web.Do(t.Context(), cloud.Request{URL: s.URL + "/huge-error"})
	if err != nil || len(reply.Body) > 64<<10 || len(reply.Refusal("s", "", "").Error()) > 700 {
		t.Errorf("huge error: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := web.Do(ctx, cloud.Request{URL: s.URL + "/drip"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drip: got %v, want the deadline", err)
	}
}

// Whether anybody is there is asked once, for a second. Who is known to be there gets ten, four times.
func TestPatience(t *testing.T) {
	for name, tt := range map[string]struct {
		r     cloud.Request
		world *cloudtest.World
		calls int
		least time.Duration
		most  time.Duration
	}{
		"lost packets, probe":  {cloud.Request{URL: "http://169.254.169.254/", Local: true, Probe: true}, &cloudtest.World{Dead: []string{"169.254.169.254"}}, 1, time.Second, time.Second},
		"hangs, probe":         {cloud.Request{URL: "http://127.0.0.1/", Local: true, Probe: true}, &cloudtest.World{Hosts: map[string]http.HandlerFunc{"127.0.0.1": cloudtest.Hang}}, 1, time.Second, time.Second},
		"refused, probe":       {cloud.Request{URL: "http://169.254.169.254/", Local: true, Probe: true}, &cloudtest.World{}, 1, 0, 0},
		"hangs, meant to work": {cloud.Request{URL: "https://x.example/"}, &cloudtest.World{Dead: []string{"x.example"}}, 4, 40 * time.Second, 44 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, err := cloud.NewWeb(cloud.Options{Network: tt.world}).Do(t.Context(), tt.r)
			took := time.Since(start)
			var ne *httpx.NetError
			if !errors.As(err, &ne) || took < tt.least || took > tt.most || len(tt.world.Calls()) != tt.calls {
				t.Errorf("%s: %v after %s and %d calls; want %s to %s and %d", name, err, took, len(tt.world.Calls()), tt.least, tt.most, tt.calls)
			}
		})
	}
}

// POST is repeated too: all that is asked here is for reading, or for a token.
func TestOutageIsMetByAskingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{"x.example": func(w http.ResponseWriter, r *http.Request) {
			if n++; n < 3 {
				http.Error(w, "busy", http.StatusServiceUnavailable)
				return
			}
			_, _ = io.Copy(w, r.Body)
		}}}
		reply, err := cloud.NewWeb(cloud.Options{Network: w}).Do(t.Context(), cloud.Request{Method: "POST", URL: "https://x.example/", Body: []byte("body")})
		if err != nil || string(reply.Body) != "body" || n != 3 {
			t.Errorf("%v after %d calls", err, n)
		}
	})
}

// Plain http goes to this machine and those beside it, and to nobody else.
func TestPlainHTTP(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "localhost": true, "[::1]:80": true, "169.254.169.254": true, "169.254.170.2": true, "[fd00:ec2::254]": true,
		"172.16.0.5:8081": true, "metadata.google.internal": true,
		"8.8.8.8": false, "example.com": false, "[2001:db8::1]": false, "metadata.google.internal.evil.example": false, "0.0.0.0": false,
		"169.254.169.254.evil.example": false, "127.0.0.1.evil.example": false,
	} {
		w := &cloudtest.World{Hosts: map[string]http.HandlerFunc{host: func(http.ResponseWriter, *http.Request) {}}}
		_, err := cloud.NewWeb(cloud.Options{Network: w}).Do(t.Context(), cloud.Request{URL: "http://" + host + "/", Local: true})
		if (err == nil) != want || (len(w.Calls()) > 0) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := cloud.NewWeb(cloud.Options{Network: &cloudtest.World{}}).Do(t.Context(), cloud.Request{URL: "http://169.254.169.254/"}); err == nil || !strings.Contains(err.Error(), "plain http") {
		t.Errorf("a request that is not local: %v", err)
	}
}
