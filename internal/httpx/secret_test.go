package httpx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/httpx"
)

type block struct {
	Name  string       `json:"name" yaml:"name"`
	Token httpx.Secret `json:"token" yaml:"token"`
	inner httpx.Secret
}

// Every way of printing a Secret, alone and inside of something, shows nothing of it.
func TestSecretIsNeverPrinted(t *testing.T) {
	s := httpx.NewSecret(password)
	b := block{Name: "x", Token: s, inner: s}
	many := map[string]httpx.Secret{"k": s}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%t", "%c", "%U", "%e", "%p", "%w"} {
		for _, v := range []any{s, &s, b, &b, many, []httpx.Secret{s}, [1]httpx.Secret{s}} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
	}
	printed = append(printed, fmt.Sprint(s, b, many), fmt.Sprintln(s), errors.Join(fmt.Errorf("%v: %w", s, errors.New("x"))).Error())
	for _, v := range []any{s, b, &b, many} {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, string(j), string(y))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "block", b)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "block", b)
	printed = append(printed, log.String())
	if c := new(httpx.Secret); fmt.Sprintf("%v%+v%#v", *c, *c, *c) != "" || !c.IsZero() || !httpx.NewSecret("").IsZero() {
		t.Error("a secret without a value looks like one")
	}
	hex := fmt.Sprintf("%x", password)
	for _, p := range printed {
		if strings.Contains(p, password) || strings.Contains(strings.ToLower(p), hex) {
			t.Errorf("printed: %s", p)
		}
	}
	if got := fmt.Sprintf("%x", password); got != hex || s.Reveal() != password {
		t.Fatal("the test looks for the wrong thing")
	}
}

// The address of a webhook is its password: the request goes there, and no message names it.
func TestTarget(t *testing.T) {
	const path = "/services/T0123/B0123/abcdefghijklmnopqrstuvwx"
	got := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.RequestURI()
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "no such hook: "+r.URL.Path)
	}))
	defer s.Close()
	c, err := httpx.New(httpx.Remote{URL: s.URL}, httpx.WithTarget(httpx.NewSecret(path+"?sig=x%2Fy")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), httpx.Request{Method: "POST", Path: "/"})
	if got != path+"?sig=x%2Fy" || err == nil || strings.Contains(err.Error(), "abcdef") || !strings.Contains(err.Error(), s.URL+"/: HTTP 404") {
		t.Errorf("%s: %v", got, err)
	}
	for _, bad := range []string{"https://x.example/y", "no slash", "", "/%zz"} {
		if _, err := httpx.New(httpx.Remote{URL: s.URL}, httpx.WithTarget(httpx.NewSecret(bad))); err == nil || strings.Contains(err.Error(), "zz") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
