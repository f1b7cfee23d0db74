package registry

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// tokens is a registry that wants a bearer token from its own token service, and takes only the newest.
type tokens struct {
	*server
	user, password string // "" where anybody gets one
	quiet          bool   // the 401 of a resource has no challenge, only that of the entrance
	issued         atomic.Int32
	revoked        atomic.Int32 // tokens up to this one are not taken
}

func newTokens(t *testing.T, user, password string) *tokens {
	t.Helper()
	s := &tokens{user: user, password: password}
	s.server = serve(t, "http", s.answer)
	return s
}

func (s *tokens) answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		user, password, _ := r.BasicAuth()
		if user != s.user || password != s.password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"token":"token-%d"}`, s.issued.Add(1))
		return
	}
	var n int32
	if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer token-%d", &n); err != nil || n <= s.revoked.Load() {
		if !s.quiet || r.URL.Path == "/v2/" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host))
		}
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
		return
	}
	fmt.Fprint(w, "{}")
}

const got = "GET /v2/acme/app/manifests/v1"

// How many requests a manifest costs.
func TestRequests(t *testing.T) {
	open := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }
	basic := func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	for _, tt := range []struct {
		name     string
		registry func(*testing.T) *server
		login    bool
		want     string
		kind     Kind
	}{
		{"an open registry", func(t *testing.T) *server { return serve(t, "http", open) }, false, got, ""},
		{"a login to an open registry", func(t *testing.T) *server { return serve(t, "http", open) }, true, "GET /v2/, " + got, ""},
		{"tokens for anybody", func(t *testing.T) *server { return newTokens(t, "", "").server }, false, got + ", GET /token, " + got, ""},
		{"tokens for a login", func(t *testing.T) *server { return newTokens(t, "u", "password").server }, true, "GET /v2/, GET /token, " + got, ""},
		{"no token for nobody", func(t *testing.T) *server { return newTokens(t, "u", "password").server }, false, got + ", GET /token", Unauthorized},
		{"a password", func(t *testing.T) *server { return serve(t, "http", basic) }, true, "GET /v2/, " + got, ""},
		{"a wrong password is not tried twice", func(t *testing.T) *server {
			return serve(t, "http", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			})
		}, true, "GET /v2/, " + got, Unauthorized},
		{"no password", func(t *testing.T) *server { return serve(t, "http", basic) }, false, got, Unauthorized},
		{"a challenge at the entrance only", func(t *testing.T) *server {
			s := newTokens(t, "", "")
			s.quiet = true
			return s.server
		}, false, got + ", GET /v2/, GET /v2/, GET /token, " + got, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.registry(t)
			var c Credentials
			if tt.login {
				c = loginTo(s.host, "u", "password")
			}
			_, err := quick(c).Manifest(context.Background(), mustRef(t, s.host+"/acme/app:v1"))
			switch {
			case tt.kind == "" && err != nil:
				t.Error(err)
			case tt.kind != "":
				wantError(t, err, tt.kind)
			}
			if got := s.requests(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// What is known is not asked again: the second manifest is one request.
func TestSecondRequest(t *testing.T) {
	s := newTokens(t, "", "")
	c := quick(Credentials{})
	for range 3 {
		mustManifest(t, c, s.host+"/acme/app:v1")
	}
	if want := got + ", GET /token, " + got + ", " + got + ", " + got; s.requests() != want {
		t.Errorf("got %s, want %s", s.requests(), want)
	}
}

// HTTP was only guessed from the name: the server speaks TLS, whatever it says to plain HTTP.
func TestGuessedHTTP(t *testing.T) {
	image := func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprint(w, "{}")
	}
	s := serve(t, "https", image)
	for _, host := range []string{s.host, "localhost:" + s.port()} {
		c := quickWith(Credentials{}, map[string]Host{host: {CA: caFile(t, s), Insecure: strings.HasPrefix(host, "localhost")}})
		m := mustManifest(t, c, host+"/acme/app:v1")
		if string(m.Bytes) != "{}" {
			t.Errorf("%s: got %q", host, m.Bytes)
		}
	}
	if want := "GET /v2/, " + got + ", GET /v2/, " + got; s.requests() != want {
		t.Errorf("got %s, want %s", s.requests(), want)
	}
}

// A real 400 of a registry that speaks HTTP stays what it is.
func TestGuessedHTTPAnd400(t *testing.T) {
	s := serve(t, "http", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"errors":[{"code":"NAME_INVALID","message":"bad name"}]}`)
		}
	})
	_, err := quick(Credentials{}).Manifest(context.Background(), mustRef(t, s.host+"/acme/app:v1"))
	wantError(t, err, Invalid, "NAME_INVALID: bad name")
}

// A private address without plain-http: only HTTPS is tried.
func TestPlainHTTPIsAskedFor(t *testing.T) {
	s := serve(t, "http", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	for _, tt := range []struct {
		plain bool
		kind  Kind
	}{{false, Refused}, {true, ""}} {
		c := quickWith(Credentials{}, map[string]Host{"reg.example.com:" + s.port(): {PlainHTTP: tt.plain}})
		c.resolve(t, map[string]string{"reg.example.com": "127.0.0.1"})
		_, err := c.Manifest(context.Background(), mustRef(t, "reg.example.com:"+s.port()+"/acme/app:v1"))
		if tt.kind == "" && err != nil {
			t.Error(err)
		}
		if tt.kind != "" {
			wantError(t, err, tt.kind, "server gave HTTP response to HTTPS client", "set plain-http under registries.reg.example.com:"+s.port())
		}
	}
}

// go-containerregistry's own calls speak plain HTTP where the configuration says so, with a token, too.
func TestRemoteSpeaksPlainHTTP(t *testing.T) {
	for _, login := range []bool{false, true} {
		s := newTokens(t, "", "")
		host := "reg.example.com:" + s.port()
		var cred Credentials
		if login {
			s.user, s.password = "u", "password"
			cred = loginTo(host, "u", "password")
		}
		c := quickWith(cred, map[string]Host{host: {PlainHTTP: true}})
		c.resolve(t, map[string]string{"reg.example.com": "127.0.0.1"})
		listTags(t, c, mustRepo(t, host+"/acme/app"))
		mustManifest(t, c, host+"/acme/app:v1")
	}
}

// case 09: 401 midway. The token, or the password, has expired between two calls: one new login, and no more.
func TestCase09ExpiredMidway(t *testing.T) {
	t.Run("token", func(t *testing.T) {
		for _, login := range []bool{false, true} {
			s := newTokens(t, "", "")
			var c Credentials
			if login {
				s.user, s.password = "u", "password"
				c = loginTo(s.host, "u", "password")
			}
			client := quick(c)
			mustManifest(t, client, s.host+"/acme/app:v1")
			s.revoked.Store(1)
			mustManifest(t, client, s.host+"/acme/app:v1")
			if n := s.issued.Load(); n != 2 {
				t.Errorf("%d tokens, want 2", n)
			}
		}
	})
	t.Run("token, and the 401 has no challenge", func(t *testing.T) {
		s := newTokens(t, "u", "password")
		s.quiet = true
		client := quick(loginTo(s.host, "u", "password"))
		mustManifest(t, client, s.host+"/acme/app:v1")
		s.revoked.Store(1)
		mustManifest(t, client, s.host+"/acme/app:v1")
	})
	t.Run("login in Docker's configuration", func(t *testing.T) {
		valid := "password-1"
		s := serve(t, "http", func(w http.ResponseWriter, r *http.Request) {
			if _, pw, _ := r.BasicAuth(); pw != valid {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		dir := write(t, dockerConfig(s.host, "u", valid))
		c := quick(Credentials{DockerConfig: dir})
		mustManifest(t, c, s.host+"/acme/app:v1")
		valid = "password-2"
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(dockerConfig(s.host, "u", valid)), 0o600); err != nil {
			t.Fatal(err)
		}
		mustManifest(t, c, s.host+"/acme/app:v1")
	})
	t.Run("password of a cloud", func(t *testing.T) {
		var valid atomic.Int32
		valid.Store(1)
		s := serve(t, "http", func(w http.ResponseWriter, r *http.Request) {
			if _, pw, ok := r.BasicAuth(); !ok || !strings.HasSuffix(pw, fmt.Sprintf("-%d", valid.Load())) {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		cloud := &sky{name: "AWS", host: s.host}
		c := quick(Credentials{Clouds: []Cloud{cloud}})
		mustManifest(t, c, s.host+"/acme/app:v1")
		valid.Store(2)
		mustManifest(t, c, s.host+"/acme/app:v1")
		valid.Store(9) // now nothing helps
		_, err := c.Manifest(context.Background(), mustRef(t, s.host+"/acme/app:v1"))
		wantError(t, err, Unauthorized)
		if n := cloud.logins.Load(); n != 3 {
			t.Errorf("%d logins, want 3", n)
		}
	})
}

// Many at once, all of whom meet the 401: one of them fetches the token.
func TestOneLoginForMany(t *testing.T) {
	s := newTokens(t, "", "")
	c := quick(Credentials{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Manifest(context.Background(), mustRef(t, s.host+"/acme/app:v1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.issued.Load(); n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
}

// at-once bounds the requests that one registry gets, and a registry that answers slowly does not deadlock its own login.
func TestAtOnce(t *testing.T) {
	for _, limit := range []int{1, 3} {
		var now, most atomic.Int32
		inner := newTokens(t, "", "")
		s := serve(t, "http", func(w http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(2 * time.Millisecond) // long enough that others would overlap
			inner.answer(w, r)
		})
		c := quickWith(Credentials{}, map[string]Host{s.host: {AtOnce: limit}})
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				if _, err := c.Manifest(context.Background(), mustRef(t, fmt.Sprintf("%s/acme/app-%d:v1", s.host, i%4))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if m := int(most.Load()); m > limit || limit > 1 && m < 2 {
			t.Errorf("%d at once, want at most %d", m, limit)
		}
	}
}

func TestExplicitCredentials(t *testing.T) {
	s := newTokens(t, "bot", "bot-password")
	env := loginTo(s.host, "env", "env-password")
	c := quickWith(env, map[string]Host{s.host: {Username: "bot", Password: httpx.NewSecret("bot-password")}})
	mustManifest(t, c, s.host+"/acme/app:v1")
	if got, want := c.Tried(s.host), "registries."+s.host+" as bot"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBearer(t *testing.T) {
	for _, tt := range []struct {
		challenges []string
		want       bool
	}{
		{nil, false}, {[]string{""}, false}, {[]string{"Bearer"}, true}, {[]string{`bEARER realm="x"`}, true}, {[]string{`Basic realm="Bearer x"`}, false},
		{[]string{"Negotiate", ` Bearer realm="x"`}, true}, {[]string{"Bearerish x"}, false},
	} {
		if got := bearer(tt.challenges); got != tt.want {
			t.Errorf("%q: %v", tt.challenges, got)
		}
	}
}

// FuzzChallenge: whatever a registry writes into its challenge, nothing panics, nothing goes to a private address, and no password is shown.
func FuzzChallenge(f *testing.F) {
	for _, s := range []string{`Bearer realm="https://127.0.0.1/token",service="x"`, `Basic realm="x"`, `Bearer realm=`, `bearer`, `Bearer realm="http://[::1"`,
		`Bearer realm="https://u:p@x.example/"`, `Bearer realm="file:///etc/passwd"`, `Negotiate, Bearer realm="https://169.254.169.254/"`} {
		f.Add(s, "{}")
	}
	f.Fuzz(func(t *testing.T, challenge, token string) {
		for _, login := range []bool{false, true} {
			var cred Credentials
			if login {
				cred = loginTo("reg.example.com", "u", "correct-horse")
			}
			c := New(cred, Options{RetryWait: time.Nanosecond, Timeout: time.Second, Limit: time.Second})
			c.base = roundTrip(func(r *http.Request) (*http.Response, error) {
				if z := zoneOfName(r.URL.Hostname()); z > internet {
					t.Errorf("%q sends us to %s", challenge, r.URL)
				}
				if r.URL.Host == "reg.example.com" {
					return reply(r, http.StatusUnauthorized, http.Header{"Www-Authenticate": {challenge}}, ""), nil
				}
				if u, pw, ok := r.BasicAuth(); ok && r.URL.Scheme != "https" {
					t.Errorf("%q gets %s:%s over %s", challenge, u, pw, r.URL.Scheme)
				}
				return reply(r, http.StatusOK, nil, token), nil
			})
			_, err := c.Manifest(context.Background(), mustRef(t, "reg.example.com/acme/app:v1"))
			if err == nil || strings.Contains(err.Error(), "correct-horse") || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("u:correct-horse"))) {
				t.Errorf("%q: got %v", challenge, err)
			}
		}
	})
}
