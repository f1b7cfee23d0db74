package httpx_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// serve starts a server and makes its client, with a token and a header of its own.
func serve(t *testing.T, h http.HandlerFunc, options ...httpx.Option) *httpx.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return client(t, httpx.Remote{URL: s.URL, Timeout: 20 * time.Second, Headers: secrets("X-Tenant", "tenant-header")}, options...)
}

func client(t *testing.T, r httpx.Remote, options ...httpx.Option) *httpx.Client {
	t.Helper()
	c, err := httpx.New(r, append([]httpx.Option{httpx.WithBearer(httpx.NewSecret(password)), httpx.WithRetries(0)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatIsSent(t *testing.T) {
	var got *http.Request
	var body []byte
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("X-Reply", "1")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"a":1}`)
	}, httpx.WithUserAgent("1.2.3"))
	resp, err := c.Do(t.Context(), httpx.Request{Method: "POST", Path: "/api/a%2Fb", Query: url.Values{"q": {"a b&c"}}, Header: http.Header{"x-extra": {"2"}}, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != 202 || string(resp.Body) != `{"a":1}` || resp.Header.Get("X-Reply") != "1" || strings.Contains(resp.URL, "?") {
		t.Errorf("reply %+v", resp)
	}
	want := map[string]string{"Authorization": "Bearer " + password, "X-Tenant": "tenant-header", "User-Agent": "bakegate/1.2.3", "X-Extra": "2",
		"Content-Type": "application/json", "Accept-Encoding": "gzip"}
	for k, v := range want {
		if got.Header.Get(k) != v {
			t.Errorf("%s: %q, want %q", k, got.Header.Get(k), v)
		}
	}
	if got.Method != "POST" || got.URL.EscapedPath() != "/api/a%2Fb" || got.URL.Query().Get("q") != "a b&c" || string(body) != "{}" {
		t.Errorf("got %s %s %q", got.Method, got.URL, body)
	}
	for _, path := range []string{"", "x", "/a?b=c", "/a#b"} {
		if _, err := c.Do(t.Context(), httpx.Request{Path: path}); err == nil {
			t.Errorf("path %q was taken", path)
		}
	}
}

func TestBasic(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "me" || p != password {
			http.Error(w, "you sent "+r.Header.Get("Authorization")+" that is "+p, http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	for pass, good := range map[string]bool{password: true, "wrong-" + password: false} {
		c, err := httpx.New(httpx.Remote{URL: s.URL}, httpx.WithBasic("me", httpx.NewSecret(pass)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(t.Context(), httpx.Request{Path: "/"})
		if (err == nil) != good {
			t.Errorf("%v: %v", good, err)
		}
		if err != nil && (strings.Contains(err.Error(), pass) || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("me:"+pass)))) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestStatusError(t *testing.T) {
	echo := "no: \x1b[31m" + password + " and " + strings.ToUpper("x") + " " + url.QueryEscape(password) + " tenant-\u200bheader "
	tests := []struct {
		name, kind, body string
		want             string
	}{
		{"JSON", "application/json", `{"message":"Unauthorized"}`, `HTTP 401 Unauthorized: {"message":"Unauthorized"}`},
		{"the secret comes back", "text/plain", echo, "HTTP 401 Unauthorized: no: [31m[secret] and X [secret] [secret]"},
		{"the secret behind the cut", "text/plain", strings.Repeat("x", 290) + password, "HTTP 401 Unauthorized: " + strings.Repeat("x", 290) + "[secret]"},
		{"a login page", "text/html; charset=utf-8", "<!doctype html><html><title>Sign in\n to Acme</title>" + password, `HTTP 401 Unauthorized: an HTML page, "Sign in to Acme"`},
		{"nothing", "", "", "HTTP 401 Unauthorized"},
		{"a bomb", "text/plain", strings.Repeat("y", 1<<20), "HTTP 401 Unauthorized: " + strings.Repeat("y", 297) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.Header().Set("X-Request-Id", "id "+password)
				w.Header().Set("Set-Cookie", "session="+password)
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := c.Do(t.Context(), httpx.Request{Path: "/x", Query: url.Values{"key": {"in-the-query"}}})
			var s *httpx.StatusError
			if !errors.As(err, &s) || s.Status != 401 {
				t.Fatalf("got %v", err)
			}
			if want := "GET " + c.URL() + "/x: " + tt.want; err.Error() != want {
				t.Errorf("got  %q\nwant %q", err, want)
			}
			if all := fmt.Sprintf("%v %+v %#v", err, *s, *s); strings.Contains(all, password) || strings.Contains(all, "in-the-query") || strings.Contains(all, "session") {
				t.Errorf("the error shows a secret: %s", all)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	const limit = 1 << 16
	bodies := map[string]func(w http.ResponseWriter){
		"announced": func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, limit+1)) },
		"endless": func(w http.ResponseWriter) {
			for range 1000 {
				if _, err := w.Write(make([]byte, 1<<15)); err != nil {
					return
				}
			}
		},
		"a gzip bomb": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 1 << 7 { // 8 MiB, sent as 8 KiB
				_, _ = z.Write(make([]byte, 1<<16))
			}
			_ = z.Close()
		},
	}
	for name, write := range bodies {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { write(w) }, httpx.WithMaxBody(limit))
			_, err := c.Do(t.Context(), httpx.Request{Path: "/x"})
			var large *httpx.TooLargeError
			if !errors.As(err, &large) || large.Limit != limit || !strings.HasSuffix(err.Error(), "the reply is larger than 64 KiB") {
				t.Errorf("got %v", err)
			}
			// A library that asks for gzip itself gets the same cap on what comes out.
			req, _ := http.NewRequestWithContext(t.Context(), "GET", c.URL()+"/x", nil)
			req.Header.Set("Accept-Encoding", "gzip")
			resp, err := (&http.Client{Transport: c.RoundTripper()}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			n, err := io.Copy(io.Discard, resp.Body)
			if !errors.As(err, &large) || n != limit {
				t.Errorf("read %d bytes, then %v", n, err)
			}
		})
	}
	for _, n := range []int{0, limit - 1, limit} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, n)) }, httpx.WithMaxBody(limit))
		if resp, err := c.Do(t.Context(), httpx.Request{Path: "/x"}); err != nil || len(resp.Body) != n {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestBrokenReplies(t *testing.T) {
	tests := map[string]struct {
		write func(w http.ResponseWriter, r *http.Request)
		want  string
	}{
		"slow drip": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		}, "the reply did not end within 800ms"},
		"no reply": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 800ms"},
		"half a reply": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		}, "the connection ended in the middle of the reply"},
		"hung up": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			_ = c.Close()
		}, "EOF"},
		"huge headers": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 100 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 8<<10))
			}
		}, "exceeded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(tt.write))
			defer s.Close()
			c := client(t, httpx.Remote{URL: s.URL, Timeout: 800 * time.Millisecond})
			_, err := c.Do(t.Context(), httpx.Request{Method: "POST", Path: "/x", Query: url.Values{"q": {"in-the-query"}}})
			var n *httpx.NetError
			if !errors.As(err, &n) || n.Unsent() || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "in-the-query") {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	leaked := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked = fmt.Sprint("another host was asked: ", r.Header)
	}))
	defer other.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/keep":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/other":
			http.Redirect(w, r, other.URL+"/?secret-query", http.StatusTemporaryRedirect)
		case "/user":
			http.Redirect(w, r, "http://"+password+"@"+r.Host+"/end", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/broken":
			w.Header().Set("Location", "http://[::bad/"+password)
			w.WriteHeader(http.StatusFound)
		case "/end":
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Authorization"), body)
		}
	})
	tests := []struct{ method, path, want, err string }{
		{"GET", "/same", "GET Bearer " + password + " ", ""},
		{"POST", "/keep", "POST Bearer " + password + " data", ""},
		{"POST", "/same", "", "turns POST into GET"},
		{"GET", "/other", "", "leads away from " + c.URL()},
		{"POST", "/other", "", "leads away from " + c.URL()},
		{"GET", "/user", "", "leads away from"},
		{"GET", "/loop", "", "more than 5 redirects"},
		{"GET", "/broken", "", "Location"},
	}
	data := map[string][]byte{"POST": []byte("data")}
	for _, tt := range tests {
		resp, err := c.Do(t.Context(), httpx.Request{Method: tt.method, Path: tt.path, Body: data[tt.method]})
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), password)):
			t.Errorf("%s %s: got %v, want %q", tt.method, tt.path, err, tt.err)
		case tt.err == "" && err != nil:
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
		case tt.err == "" && string(resp.Body) != tt.want:
			t.Errorf("%s %s: got %q, want %q", tt.method, tt.path, resp.Body, tt.want)
		}
	}
	// A library that follows redirects on its own gets no further, nor one that asks another host outright.
	for _, library := range []*http.Client{{Transport: c.RoundTripper()}, c.HTTP()} {
		for _, u := range []string{c.URL() + "/other", other.URL, c.URL() + "/user", c.URL() + "/loop"} {
			if resp, err := library.Get(u); err == nil {
				resp.Body.Close()
				t.Errorf("%s: HTTP %d, want an error", u, resp.StatusCode)
			}
		}
	}
	if leaked != "" {
		t.Error(leaked)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	good, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	write(t, good, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	write(t, empty, []byte("not a certificate"))
	tests := []struct {
		name   string
		remote httpx.Remote
		want   string
	}{
		{"its CA", httpx.Remote{URL: s.URL, CA: good}, ""},
		{"insecure", httpx.Remote{URL: s.URL, Insecure: true}, ""},
		{"unknown authority", httpx.Remote{URL: s.URL}, "give the authority's PEM file as ca"},
		{"no such file", httpx.Remote{URL: s.URL, CA: filepath.Join(dir, "missing.pem")}, "missing.pem"},
		{"no certificate in the file", httpx.Remote{URL: s.URL, CA: empty}, "it holds no certificate"},
		{"plain http to a TLS port", httpx.Remote{URL: "http" + strings.TrimPrefix(s.URL, "https")}, "HTTP 400"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := httpx.New(tt.remote)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Do(t.Context(), httpx.Request{Path: "/"})
			switch {
			case tt.want == "" && (err != nil || string(resp.Body) != "HTTP/2.0"):
				t.Errorf("got %v %v, want HTTP/2.0", resp, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), " tries"):
				t.Errorf("it was tried again: %v", err)
			}
		})
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := client(t, httpx.Remote{URL: "https" + strings.TrimPrefix(plain.URL(), "http")}, httpx.WithRetries(3))
	if _, err := c.Do(t.Context(), httpx.Request{Path: "/"}); err == nil || !strings.Contains(err.Error(), "speaks plain http there, not https") || strings.Contains(err.Error(), " tries") {
		t.Errorf("got %v", err)
	}
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A proxy's password stands in the environment, not in the block; net/http prints it when the address is wrong.
func TestProxyPassword(t *testing.T) {
	n := &network{answers: []answer{{err: errors.New(`invalid proxy address "http://me:proxy-pass@10.0.0.1:x": port`)}}}
	_, err := n.client(t, httpx.WithRetries(0)).Do(t.Context(), httpx.Request{Path: "/"})
	if err == nil || strings.Contains(err.Error(), "proxy-pass") || !strings.Contains(err.Error(), "//[secret]@10.0.0.1") {
		t.Errorf("got %v", err)
	}
}

func TestDecodeJSON(t *testing.T) {
	tests := map[string]struct{ kind, body, want string }{
		"good":        {"application/json", `{"a":1}`, ""},
		"no type":     {"", `{"a":1}`, ""},
		"HTML":        {"text/html", `{"a":1}`, "a login page"},
		"hidden HTML": {"application/json", "\n <!DOCTYPE html>", "a login page"},
		"empty":       {"application/json", " ", "empty reply (HTTP 200)"},
		"cut":         {"application/json", `{"a":`, "unexpected end"},
		"two values":  {"application/json", `{"a":1}{"a":2}`, "after top-level value"},
		"wrong type":  {"application/json", `{"a":"` + password + `"}`, `{\"a\":\"[secret]\"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tt.kind}
				_, _ = io.WriteString(w, tt.body)
			})
			resp, err := c.Do(t.Context(), httpx.Request{Path: "/x"})
			if err != nil {
				t.Fatal(err)
			}
			var v struct{ A json.Number }
			err = httpx.DecodeJSON(resp, &v)
			if tt.want == "" && (err != nil || v.A != "1") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Query().Get("n")) })
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			n := fmt.Sprint(i)
			if resp, err := c.Do(t.Context(), httpx.Request{Path: "/x", Query: url.Values{"n": {n}}}); err != nil || string(resp.Body) != n {
				t.Errorf("%s: %v %v", n, resp, err)
			}
		})
	}
	wg.Wait()
}

// A name's machine is asked by its address, and asked for the name.
func TestWithAddress(t *testing.T) {
	host := ""
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { host = r.Host }))
	t.Cleanup(s.Close)
	c := client(t, httpx.Remote{URL: "http://shop.example:8080", Insecure: true}, httpx.WithAddress(s.Listener.Addr().String()))
	if _, err := c.Do(t.Context(), httpx.Request{Path: "/metrics"}); err != nil || host != "shop.example:8080" {
		t.Errorf("got %v, for %q", err, host)
	}
}
