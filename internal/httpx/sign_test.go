package httpx_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
)

// Each try is signed anew, and what it was signed with is in no message.
func TestSigner(t *testing.T) {
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("X-Signature"))
		http.Error(w, fmt.Sprint("you sent ", r.Header), http.StatusServiceUnavailable)
	}))
	defer s.Close()
	n := 0
	c, err := httpx.New(httpx.Remote{URL: s.URL}, httpx.WithRetries(1), httpx.WithSigner(func(r *http.Request) ([]httpx.Secret, error) {
		n++
		secret := fmt.Sprintf("hush-hush-%d", n)
		r.Header.Set("X-Signature", secret+r.URL.Path)
		return []httpx.Secret{httpx.NewSecret(secret)}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), httpx.Request{Path: "/x"})
	var status *httpx.StatusError
	if !errors.As(err, &status) || strings.Contains(err.Error(), "hush") || strings.Join(seen, " ") != "hush-hush-1/x hush-hush-2/x" {
		t.Errorf("got %v after %q", err, seen)
	}
	if strings.Contains(c.Redact("hush-hush-2"), "hush") {
		t.Error("the secret is told")
	}
}

// A request that can't be signed was never sent, and asking again is the signer's own business.
func TestUnsigned(t *testing.T) {
	asked, reason := 0, errors.New("there are no keys")
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	defer s.Close()
	c, err := httpx.New(httpx.Remote{URL: s.URL}, httpx.WithSigner(func(*http.Request) ([]httpx.Secret, error) {
		asked++
		return nil, reason
	}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), httpx.Request{Method: "POST", Path: "/x", Body: []byte("{}")})
	var network *httpx.NetError
	if !errors.As(err, &network) || !network.Unsent() || !errors.Is(err, reason) || asked != 1 {
		t.Errorf("got %v, asked %d times", err, asked)
	}
	for _, r := range []httpx.Remote{
		{URL: s.URL, Headers: map[string]httpx.Secret{"Authorization": httpx.NewSecret("x")}},
		{URL: s.URL, OAuth2: grant(s.URL)},
	} {
		if _, err := httpx.New(r, httpx.WithSigner(func(*http.Request) ([]httpx.Secret, error) { return nil, nil })); err == nil || !strings.Contains(err.Error(), "leave it out") {
			t.Errorf("got %v", err)
		}
	}
}
