package httpx_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

const clientSecret = "hush-hush+1"

// issuer is a server of tokens: token-1, token-2... It takes the client's id and secret in the header, as RFC 6749 section 2.3.1 wants.
func issuer(t *testing.T, expires int) (url string, issued, asked *atomic.Int32) {
	t.Helper()
	issued, asked = new(atomic.Int32), new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		asked.Add(1)
		id, secret, _ := r.BasicAuth()
		if r.URL.Path != "/oauth/token" || r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("scope") != "metrics:read" ||
			r.PostFormValue("audience") != "prom" || id != "bakegate" || secret != "hush-hush%2B1" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"nobody has the secret %s"}`, clientSecret)
			return
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, issued.Add(1), expires)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/oauth/token", issued, asked
}

func grant(url string) *httpx.OAuth2 {
	return &httpx.OAuth2{TokenURL: url, ClientID: "bakegate", ClientSecret: httpx.NewSecret(clientSecret), Scopes: []string{"metrics:read"},
		Params: map[string]string{"audience": "prom"}}
}

// service answers those who have a token that it takes, and gives it back to all others.
func service(t *testing.T, takes func(token string) bool) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !takes(token) {
			http.Error(w, "I know no "+token, http.StatusUnauthorized)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func withOAuth2(t *testing.T, url string, o *httpx.OAuth2) *httpx.Client {
	t.Helper()
	c, err := httpx.New(httpx.Remote{URL: url, OAuth2: o}, httpx.WithRetries(2))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOAuth2(t *testing.T) {
	url, issued, _ := issuer(t, 3600)
	taken := "token-1"
	c := withOAuth2(t, service(t, func(token string) bool { return token == taken }), grant(url))
	for range 3 {
		if _, err := c.Do(t.Context(), httpx.Request{Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := issued.Load(); n > 2 { // once in the header, once in the form
		t.Errorf("%d tokens for three requests", n)
	}
	taken = "token-2" // the first was taken back: one request fails, the next has a new token
	_, err := c.Do(t.Context(), httpx.Request{Path: "/"})
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "token-1") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Do(t.Context(), httpx.Request{Path: "/"}); err != nil || issued.Load() != 2 {
		t.Errorf("got %v after %d tokens", err, issued.Load())
	}
}

func TestOAuth2Expired(t *testing.T) {
	url, issued, _ := issuer(t, 5) // within the ten seconds in which a token is taken for expired
	c := withOAuth2(t, service(t, func(string) bool { return true }), grant(url))
	for range 2 {
		if _, err := c.Do(t.Context(), httpx.Request{Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := issued.Load(); n != 2 {
		t.Errorf("%d tokens", n)
	}
}

func TestOAuth2Refused(t *testing.T) {
	url, _, attempts := issuer(t, 3600)
	o := grant(url)
	o.Scopes = nil
	asked := false
	c := withOAuth2(t, service(t, func(string) bool { asked = true; return true }), o)
	_, err := c.Do(t.Context(), httpx.Request{Path: "/"})
	if err == nil || asked {
		t.Fatalf("got %v, asked: %v", err, asked)
	}
	for _, part := range []string{"no token from " + url, "HTTP 401", "invalid_client", "check oauth2"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	if n := attempts.Load(); strings.Contains(err.Error(), "hush") || n > 2 { // once in the header, once in the form
		t.Errorf("after %d attempts, want 2: %v", n, err)
	}
}

func TestOAuth2Options(t *testing.T) {
	for name, tc := range map[string]struct {
		remote  httpx.Remote
		options []httpx.Option
		want    string
	}{
		"beside a token": {httpx.Remote{OAuth2: grant("https://id.example/token")}, []httpx.Option{httpx.WithBearer(httpx.NewSecret("x"))}, "want one of them"},
		"no secret":      {httpx.Remote{OAuth2: &httpx.OAuth2{TokenURL: "https://id.example/token", ClientID: "a"}}, nil, "client-secret"},
		"plain http":     {httpx.Remote{OAuth2: grant("http://id.example/token")}, nil, "token-url: url http://id.example/token is plain http"},
		"half a pair":    {httpx.Remote{ClientKey: "key.pem"}, nil, "belong together"},
	} {
		tc.remote.URL = "https://prometheus.example"
		if _, err := httpx.New(tc.remote, tc.options...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// identity writes a certificate that signs itself, and its key.
func identity(t *testing.T) (cert, key string, parsed *x509.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	parsed, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", bytes), parsed
}

func TestClientCertificate(t *testing.T) {
	cert, key, parsed := identity(t)
	_, otherKey, _ := identity(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	s.TLS.ClientCAs.AddCert(parsed)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ cert, key, want string }{
		"the pair":       {cert, key, ""},
		"none":           {"", "", "certificate"},
		"another's key":  {cert, otherKey, "private key does not match public key"},
		"not there":      {cert, key + ".gone", `client-key "`},
		"no certificate": {key, key, `client-cert "`},
	} {
		c, err := httpx.New(httpx.Remote{URL: s.URL, CA: ca, ClientCert: tc.cert, ClientKey: tc.key}, httpx.WithRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(t.Context(), httpx.Request{Path: "/"})
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}
