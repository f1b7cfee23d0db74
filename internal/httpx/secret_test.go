package httpx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
