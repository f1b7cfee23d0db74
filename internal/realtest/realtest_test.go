package realtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/realtest"
)

func TestCutProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer server.Close()
	proxy := realtest.CutProxy(t, strings.TrimPrefix(server.URL, "http://"))
	client := &http.Client{Timeout: time.Second}
	get := func() error {
		resp, err := client.Get(proxy.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	for range 2 {
		if err := get(); err != nil {
			t.Fatal(err)
		}
		proxy.Cut()
		if err := get(); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("cut: got %v", err)
		}
		proxy.Resume()
		if err := get(); err != nil {
			t.Fatal(err)
		}
		proxy.Hang()
		if err := get(); err == nil || !strings.Contains(err.Error(), "Timeout") {
			t.Errorf("hung: got %v", err)
		}
		proxy.Resume()
	}
}

// recorder is a test that only notes how it ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Fatalf(string, ...any) { r.end("failed") }
func (r *recorder) Skipf(string, ...any)  { r.end("skipped") }

func (r *recorder) end(how string) { // the real ones do not return: the first counts
	if r.ended == "" {
		r.ended = how
	}
}

func TestNeed(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped", "1": "failed"} {
		t.Setenv("BAKEGATE_CI", ci)
		r := &recorder{TB: t}
		if realtest.Need(r, "a-tool-that-is-nowhere"); r.ended != want {
			t.Errorf("BAKEGATE_CI=%q: %s, want %s", ci, r.ended, want)
		}
	}
	if got := realtest.Need(t, "go"); got == "" {
		t.Error("go was not found")
	}
}
