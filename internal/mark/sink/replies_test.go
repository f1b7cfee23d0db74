package sink

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/httpx"
)

// replay answers every request with a stored reply.
func replay(t *testing.T, file string, status int) *httpx.Client {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "api", file))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	c, err := httpx.New(httpx.Remote{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The replies have the shapes that the tools document, which the fakes need not share.
func TestStoredReplies(t *testing.T) {
	m := Marker{DeployID: "checkout-production-0123456789ab", Service: "checkout"}
	found, err := (&grafana{link: link{api: replay(t, "grafana/found.json", 200)}}).find(t.Context(), m)
	if err != nil || found == nil || found.ID != 23 || !found.sealed() || found.TimeEnd != 1597517911000 {
		t.Errorf("found.json: %+v %v", found, err)
	}
	if id, err := (&grafana{link: link{api: replay(t, "grafana/created.json", 200)}}).post(t.Context(), annotationWrite{Text: "x"}); id != 23 || err != nil {
		t.Errorf("created.json: %d %v", id, err)
	}
	if id, err := (&datadog{link: link{api: replay(t, "datadog/202.json", 202)}}).Open(t.Context(), m); id != "6518687641234567890" || err != nil {
		t.Errorf("202.json: %q %v", id, err)
	}
	for _, tt := range []struct {
		file   string
		status int
		sink   func(*httpx.Client) Sink
		want   string
		hinted bool
	}{
		{"grafana/401.json", 401, func(c *httpx.Client) Sink { return &grafana{link: link{api: c}} }, `HTTP 401 Unauthorized: {"message":"Invalid API key"}`, true},
		{"grafana/400-tags.json", 400, func(c *httpx.Client) Sink { return &grafana{link: link{api: c}} }, "Tags length exceeds the maximum allowed.", false},
		{"datadog/403.json", 403, func(c *httpx.Client) Sink { return &datadog{link: link{api: c}} }, `the api-key was refused: POST`, true},
	} {
		_, err := tt.sink(replay(t, tt.file, tt.status)).Open(context.Background(), m)
		var h *Hinted
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &h) != tt.hinted || Uncertain(err) {
			t.Errorf("%s: %v, want %q", tt.file, err, tt.want)
		}
	}
}
