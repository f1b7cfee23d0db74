package fake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/mark/sink/fake"
)

// ask sends a request as any client would, and returns the status and the body.
func ask(t *testing.T, method, url, header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(header, ": ")
	req.Header.Set(name, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// The limits and silent traps that the sinks must cope with are there.
func TestGrafana(t *testing.T) {
	g := fake.NewGrafana("t")
	defer g.Close()
	g.AddDashboard("shop")
	base, auth := g.URL()+"/api/annotations", "Authorization: Bearer t"
	long := strings.Repeat("x", 101)
	for _, tt := range []struct {
		method, path, header, body string
		status                     int
		want                       string
	}{
		{"GET", "", "X: y", "", 401, "Invalid API key"},
		{"POST", "", auth, `{"text":"","tags":["a:1"]}`, 400, "Failed to save annotation"},
		{"POST", "", auth, `{"text":"x","tags":["` + long + `"]}`, 500, "Failed to save annotation"},
		{"POST", "", auth, `{"text":"x","tags":["` + strings.Repeat(strings.Repeat("y", 95)+`","`, 6) + `z"]}`, 400, "annotations.tag-limit-exceeded"},
		{"POST", "", auth, `{"text":"one","time":1000,"tags":["a:1","b:2"],"dashboardUID":"shop"}`, 200, `"id":1`},
		{"POST", "", auth, `{"text":"two","time":5000,"timeEnd":2000,"tags":["a:1"],"dashboardUID":"unknown"}`, 200, `"id":2`},
		{"GET", "?tags=a:1&tags=b:2", auth, "", 200, `"text":"one"`},
		{"GET", "?tags=a:1&tags=c:3", auth, "", 200, `[]`},
		{"GET", "?tags=a:1&tags=c:3&matchAny=true&limit=1", auth, "", 200, `"id":2`},
		{"GET", "?from=1&to=999", auth, "", 200, `[]`},
		{"GET", "?dashboardUID=unknown", auth, "", 400, "Invalid dashboard UID"},
		{"PATCH", "/1", auth, `{"text":"","timeEnd":0,"tags":["a:9"]}`, 200, "Annotation patched"},
		{"PATCH", "/77", auth, `{"text":"x"}`, 404, "not found"},
		{"DELETE", "/2", auth, "", 200, "deleted"},
		{"GET", "/../dashboards", auth, "", 404, "Not found"},
	} {
		if status, body := ask(t, tt.method, base+tt.path, tt.header, tt.body); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
		}
		if tt.path == "" && strings.Contains(tt.body, "unknown") {
			if a := g.Annotations()[1]; a.DashboardUID != "" || a.DashboardID != 0 || a.Time != 2000 || a.TimeEnd != 5000 {
				t.Errorf("an unknown dashboard, the end before the start: %+v", a)
			}
		}
	}
	if a := g.Annotations(); len(a) != 1 || a[0].Text != "one" || a[0].TimeEnd != 1000 || a[0].Tags[0] != "a:9" || a[0].DashboardUID != "shop" {
		t.Errorf("%+v", a)
	}
}

func TestDatadog(t *testing.T) {
	d := fake.NewDatadog("k")
	defer d.Close()
	event := func(change string, v any) string {
		e := map[string]any{"title": "t", "text": "x", "alert_type": "info", "date_happened": time.Now().Unix(), "aggregation_key": "a"}
		e[change] = v
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tt := range []struct {
		header, body string
		status       int
	}{
		{"DD-API-KEY: wrong", event("title", "t"), 403},
		{"DD-API-KEY: k", event("title", "t"), 202},
		{"DD-API-KEY: k", event("title", ""), 400},
		{"DD-API-KEY: k", event("text", strings.Repeat("é", 4000)), 202},
		{"DD-API-KEY: k", event("text", strings.Repeat("é", 4001)), 400},
		{"DD-API-KEY: k", event("aggregation_key", strings.Repeat("a", 101)), 400},
		{"DD-API-KEY: k", event("alert_type", "fatal"), 400},
		{"DD-API-KEY: k", event("date_happened", time.Now().Add(-19*time.Hour).Unix()), 400},
		{"DD-API-KEY: k", "no JSON", 400},
	} {
		if status, body := ask(t, "POST", d.URL()+"/api/v1/events", tt.header, tt.body); status != tt.status {
			t.Errorf("%.200s: %d %s, want %d", tt.body, status, body, tt.status)
		}
	}
	d.LimitRate(1, time.Hour)
	for i, want := range []int{202, 429, 429} {
		if status, _ := ask(t, "POST", d.URL()+"/api/v1/events", "DD-API-KEY: k", event("title", fmt.Sprint(i))); status != want {
			t.Errorf("event %d: %d, want %d", i, status, want)
		}
	}
	if len(d.Events()) != 3 || d.Count("POST") != 12 {
		t.Errorf("%d events of %d requests", len(d.Events()), d.Count("POST"))
	}
}
