package bake

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/bake/metric"
	"github.com/bakegate/bakegate/internal/httpx"
)

// What to do follows from the cause, where the cause is known.
func TestHintsByCause(t *testing.T) {
	usual := troubles[metric.BackendDown].hint
	for name, c := range map[string]struct {
		class metric.Trouble
		err   error
		want  string
	}{
		"refused":           {metric.BackendDown, errors.New("connection refused"), usual},
		"no such path":      {metric.BackendDown, fmt.Errorf("HTTP 404: %w", metric.ErrNoPath), "repair the source's url"},
		"no page":           {metric.BadQuery, fmt.Errorf("HTTP 404: %w", metric.ErrNoPath), "repair the source's url"},
		"no token":          {metric.Unauthorized, fmt.Errorf("HTTP 401: %w", metric.ErrNoToken), "give the source a token"},
		"a wrong token":     {metric.Unauthorized, errors.New("HTTP 401"), "renew the token"},
		"an unknown name":   {metric.BackendDown, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "prom", IsNotFound: true}}, "the name of the host"},
		"a silent resolver": {metric.BackendDown, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "prom", IsTimeout: true}}, usual},
		"a missing file":    {metric.BackendDown, &fs.PathError{Op: "open", Path: "ca.pem", Err: fs.ErrNotExist}, "the file is there"},
	} {
		wrapped := &metric.QueryError{Query: "q", Trouble: c.class, Err: c.err}
		if got := troubleOf(c.class, "prom", wrapped); !strings.Contains(got.hint, c.want) || got.reason != string(c.class) {
			t.Errorf("%s: got %s, %q, want %q", name, got.reason, got.hint, c.want)
		}
	}
}

// The causes come through a real client, and a wrong token is told from one that is missing.
func TestCausesOfRealReplies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/nowhere") {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	query := metric.Query{ID: "q", Text: `up{app="a"}`, Kind: metric.Counter}
	nowhere, wrong := server.URL+"/nowhere", httpx.NewSecret("hunter2hunter2")
	for name, c := range map[string]struct {
		kind  string
		fill  httpx.Remote
		token httpx.Secret
		want  string
	}{
		"no token":       {"prometheus", httpx.Remote{URL: server.URL}, httpx.Secret{}, "give the source a token"},
		"a wrong token":  {"prometheus", httpx.Remote{URL: server.URL}, wrong, "renew the token"},
		"no such path":   {"prometheus", httpx.Remote{URL: nowhere}, httpx.Secret{}, "repair the source's url"},
		"a missing file": {"prometheus", httpx.Remote{URL: server.URL, CA: "/nowhere/ca.pem"}, httpx.Secret{}, "the file is there"},
		"a page, token":  {"scrape", httpx.Remote{URL: server.URL + "/metrics"}, httpx.Secret{}, "give the source a token"},
		"a page, path":   {"scrape", httpx.Remote{URL: nowhere}, httpx.Secret{}, "repair the source's url"},
		"another, token": {"graphite", httpx.Remote{URL: server.URL}, httpx.Secret{}, "give the source a token"},
		"another, wrong": {"graphite", httpx.Remote{URL: server.URL}, wrong, "renew the token"},
		"another, path":  {"graphite", httpx.Remote{URL: nowhere}, httpx.Secret{}, "repair the source's url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, err := metric.Sources[c.kind](func(o any) error {
				v := reflect.ValueOf(o).Elem()
				v.FieldByName("Remote").Set(reflect.ValueOf(c.fill))
				v.FieldByName("Token").Set(reflect.ValueOf(c.token))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			_, err = src.Range(t.Context(), []metric.Query{query}, now.Add(-time.Minute), now, 10*time.Second)
			if err == nil {
				t.Fatal("got an answer, want none")
			}
			if got := glancedAt(err, query, "src"); got == nil || !strings.Contains(got.hint, c.want) {
				t.Errorf("got %+v of %v, want the hint %q", got, err, c.want)
			}
		})
	}
}
