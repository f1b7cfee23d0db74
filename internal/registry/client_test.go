package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

func quick(c Credentials) *Client {
	return New(c, Options{RetryWait: time.Millisecond, Timeout: 2 * time.Second, Limit: 5 * time.Second, UserAgent: "bakegate/test"})
}

func loginTo(host, user, password string) Credentials {
	return Credentials{DockerAuth: httpx.NewSecret(dockerConfig(host, user, password))}
}

func mustRef(t *testing.T, s string, opts ...name.Option) name.Reference {
	t.Helper()
	r, err := name.ParseReference(s, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A real registry with basic authentication: the right credential, a wrong one and none.
func TestRealRegistry(t *testing.T) {
	const password = "right-password"
	r := realtest.Registry(t, "bake", password)
	ref := mustRef(t, r.Addr+"/acme/app:v1")
	good := quick(loginTo(r.Addr, "bake", password))
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, good.Remote(context.Background(), ref.Context())...); err != nil {
		t.Fatal(good.Explain(ref.Context(), err))
	}
	want, _ := img.Digest()
	m, err := good.Manifest(context.Background(), ref)
	if err != nil || m.Digest != want.String() {
		t.Fatalf("got %s, %v; want %s", m.Digest, err, want)
	}
	config, _ := img.ConfigName()
	if b, err := good.Blob(context.Background(), ref.Context(), config.String(), 1<<20); err != nil || Digest(b) != config.String() {
		t.Errorf("config: %v", err)
	}
	if ds, more, err := good.Referrers(context.Background(), ref.Context(), m.Digest, 10); err != nil || len(ds) > 0 || more {
		t.Errorf("referrers: %v %v %v", ds, more, err)
	}
	if _, err := good.Manifest(context.Background(), mustRef(t, r.Addr+"/acme/app:absent")); !IsMissing(err) {
		t.Errorf("absent tag: %v", err)
	}
	if _, err := good.Manifest(context.Background(), mustRef(t, r.Addr+"/acme/absent:v1")); !IsMissing(err) {
		t.Errorf("absent repository: %v", err)
	}
	for _, tt := range []struct {
		c     Credentials
		tried string
		hint  string
	}{
		{loginTo(r.Addr, "bake", "wrong-password"), "DOCKER_AUTH_CONFIG as bake", "log in again"},
		{Credentials{}, "anonymous: no credential for this host", "docker login " + r.Addr},
	} {
		_, err := quick(tt.c).Manifest(context.Background(), ref)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Unauthorized || e.Status != 401 || e.Tried != tt.tried || !strings.Contains(e.Hint, tt.hint) {
			t.Errorf("got %v, want 401 with %q and %q", err, tt.tried, tt.hint)
		}
		if strings.Contains(err.Error(), "password") {
			t.Errorf("a secret is in %q", err)
		}
	}
}

// The ledger asks for options once per record; the login is made once.
func TestRemoteLogsInOnce(t *testing.T) {
	var pings atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			pings.Add(1)
		}
		if got := r.Header.Get("User-Agent"); got != "bakegate/test" {
			t.Errorf("user agent %q", got)
		}
		fmt.Fprint(w, `{"tags":["a"]}`)
	}))
	defer s.Close()
	repo := mustRef(t, strings.TrimPrefix(s.URL, "http://")+"/acme/app:v1").Context()
	c := quick(Credentials{})
	for range 3 {
		if _, err := remote.List(repo, c.Remote(context.Background(), repo)...); err != nil {
			t.Fatal(err)
		}
	}
	if pings.Load() != 1 {
		t.Errorf("%d pings, want 1", pings.Load())
	}
}

// credentials never follow a redirect to another host.
func TestRedirectTakesNoCredentials(t *testing.T) {
	var leaked atomic.Int32
	body := []byte(`{"schemaVersion":2}`)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		_, _ = w.Write(body)
	}))
	defer other.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pw, _ := r.BasicAuth(); user != "u" || pw != "password" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path != "/v2/" {
			http.Redirect(w, r, other.URL+"/elsewhere", http.StatusTemporaryRedirect)
		}
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	m, err := quick(loginTo(host, "u", "password")).Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
	if err != nil || !bytes.Equal(m.Bytes, body) {
		t.Errorf("a redirect of the content must work: %v", err)
	}
	if leaked.Load() > 0 {
		t.Error("the credential went to another host")
	}
}

func TestAllow(t *testing.T) {
	c := New(Credentials{}, Options{})
	for _, tt := range []struct {
		repo, url  string
		plain      bool
		redirected bool
		auth       bool
		want       string
	}{
		{"reg.example/a", "https://reg.example/v2/", false, false, true, ""},
		{"reg.example/a", "http://reg.example/v2/", false, false, false, "plain HTTP to reg.example is refused"},
		{"reg.example/a", "http://reg.example/v2/", true, false, true, ""},
		{"10.0.0.7:5000/a", "http://10.0.0.7:5000/v2/", false, false, false, "plain HTTP"},
		{"10.0.0.7:5000/a", "http://10.0.0.7:5000/v2/", true, false, false, ""},
		{"reg.example/a", "http://token.example/", true, false, true, "plain HTTP to token.example"},
		{"127.0.0.1:5000/a", "http://127.0.0.1:5000/v2/", false, false, true, ""},
		{"reg.example/a", "https://cdn.example/x", false, true, false, ""},
		{"reg.example/a", "https://cdn.example/x", false, true, true, "with credentials"},
		{"reg.example/a", "http://cdn.example/x", false, true, false, "plain HTTP"},
		{"reg.example/a", "https://169.254.169.254/latest", false, true, false, "private address"},
		{"reg.example/a", "https://0.0.0.0/latest", false, true, false, "private address"},
		{"reg.example/a", "https://[fd00::1]/x", false, true, false, "private address"},
		{"10.0.0.7/a", "https://10.0.0.8/x", false, true, false, ""},
		{"reg.example/a", "ftp://reg.example/x", false, true, false, `"ftp"`},
	} {
		var opts []name.Option
		if tt.plain {
			opts = append(opts, name.Insecure)
		}
		repo, err := name.NewRepository(tt.repo, opts...)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodGet, tt.url, nil)
		if tt.redirected {
			req.Response = &http.Response{}
		}
		if tt.auth {
			req.Header.Set("Authorization", "Basic eDp5")
		}
		err = newCareful(c.place(repo.RegistryStr()), repo, false).allow(req)
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s from %s: got %v, want %q", tt.url, tt.repo, err, tt.want)
		}
	}
}

// answer serves a registry whose manifests are answered by f, counting how often.
func answer(t *testing.T, f func(n int32, w http.ResponseWriter)) (ref name.Reference, count *atomic.Int32) {
	t.Helper()
	count = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			f(count.Add(1), w)
		}
	}))
	t.Cleanup(s.Close)
	return mustRef(t, strings.TrimPrefix(s.URL, "http://")+"/acme/app:v1"), count
}

func TestRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		after  string
		ends   bool // the second try succeeds
		calls  int32
		kind   Kind
	}{
		"503 once":                   {503, "", true, 2, ""},
		"429 with a short wait":      {429, "0", true, 2, ""},
		"429 with a long wait":       {429, "3600", true, 1, Limited},
		"503 beyond the time limit":  {503, "20", true, 1, Unavailable},
		"503 until a date far ahead": {503, "Fri, 01 Jan 2100 00:00:00 GMT", true, 1, Unavailable},
		"503 always":                 {503, "", false, retries + 1, Unavailable},
		"401":                        {401, "", false, 1, Unauthorized},
		"404":                        {404, "", false, 1, Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			ref, count := answer(t, func(n int32, w http.ResponseWriter) {
				if n > 1 && tt.ends {
					fmt.Fprint(w, "{}")
					return
				}
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.WriteHeader(tt.status)
			})
			_, err := quick(Credentials{}).Manifest(context.Background(), ref)
			var e *Error
			if tt.kind == "" && err != nil || tt.kind != "" && (!errors.As(err, &e) || e.Kind != tt.kind) {
				t.Errorf("got %v, want kind %q", err, tt.kind)
			}
			if count.Load() != tt.calls {
				t.Errorf("%d calls, want %d", count.Load(), tt.calls)
			}
		})
	}
}

// A registry that repeats the request in its message gives no secret away.
func TestErrorsHoldNoSecret(t *testing.T) {
	const password = "correct-horse"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, pw, _ := r.BasicAuth()
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"you sent %s %s"}]}`, r.Header.Get("Authorization"), pw)
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	_, err := quick(loginTo(host, "u", password)).Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
	if err == nil || !strings.Contains(err.Error(), "you sent Basic [secret] [secret]") || strings.Contains(err.Error(), password) {
		t.Errorf("got %v", err)
	}
}

func TestCancelledIsNoRegistryError(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ref, _ := answer(t, func(_ int32, w http.ResponseWriter) { cancel(); time.Sleep(50 * time.Millisecond) })
	_, err := quick(Credentials{}).Manifest(ctx, ref)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReferrersFallbackTag(t *testing.T) {
	r := realtest.Registry(t, "", "")
	ref := mustRef(t, r.Addr+"/acme/app:v1")
	c := quick(Credentials{})
	img, err := random.Index(10, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	subject := "sha256:" + strings.Repeat("a", 64)
	if err := remote.WriteIndex(ref.Context().Tag(strings.Replace(subject, ":", "-", 1)), img, c.Remote(context.Background(), ref.Context())...); err != nil {
		t.Fatal(err)
	}
	ds, more, err := c.Referrers(context.Background(), ref.Context(), subject, 2)
	if err != nil || len(ds) != 2 || !more {
		t.Errorf("got %d, %v, %v; want 2 and more", len(ds), more, err)
	}
}
