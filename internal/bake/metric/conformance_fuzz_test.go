package metric

import (
	"cmp"
	"errors"
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

// FuzzReplies lets a server answer every source with whatever it likes: no source falls over, or hands out what it was not asked for.
func FuzzReplies(f *testing.F) {
	for i, a := range conformance {
		names, err := filepath.Glob(filepath.Join("../../../testdata/api", cmp.Or(a.dir, a.name), "*."+cmp.Or(a.ext, "json")))
		if err != nil || len(names) == 0 {
			f.Fatalf("%s: %d replies, %v", a.name, len(names), err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(i, b)
		}
	}
	var body atomic.Value
	body.Store([]byte{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // each round makes a source of its own
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body.Load().([]byte))
	}))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, i int, reply []byte) {
		if i < 0 || i >= len(conformance) {
			t.Skip("there is no such source")
		}
		a := conformance[i]
		a.query.ID, a.query.Vars = "q", map[string]string{"service": "checkout", "environment": "production", "version": "v2"}
		src, err := a.build(httpx.Remote{URL: server.URL, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		body.Store(reply)
		got, err := a.ask(t.Context(), src)
		a.bounded(t, got, err)
	})
}

// bounded checks what a source may hand out: points of the window, in their order, numbers or NaN; and errors of the query that are safe
// to print.
func (a adapter) bounded(t *testing.T, got []Series, err error) {
	t.Helper()
	pointsOf(t, got)
	for _, s := range got {
		for _, p := range s.Points {
			if !a.from.IsZero() && (p.T.Before(a.from) || !p.T.Before(a.to)) {
				t.Errorf("%s: a point at %s, asked for %s to %s", a.name, p.T, a.from, a.to)
			}
		}
	}
	if err == nil {
		return
	}
	var q *QueryError
	if !errors.As(err, &q) || q.Query != "q" || q.Trouble == "" || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%s: got %q", a.name, err)
	}
}
