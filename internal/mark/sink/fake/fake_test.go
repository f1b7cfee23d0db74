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

type tool interface {
	URL() string
	Close()
}

// The traps of the other tools.
func TestTraps(t *testing.T) {
	const bearer = "Authorization: Bearer t"
	deploy := `{"dateStarted":"2026-11-26T08:00:00Z","dateFinished":"2026-11-26T08:15:00Z","environment":"production","name":`
	slack := func(header string) string {
		return `{"text":"x","blocks":[{"type":"header","text":{"type":"plain_text","text":"` + header + `"}}]}`
	}
	for _, tt := range []struct {
		name                       string
		tool                       tool
		method, path, header, body string
		status                     int
		want                       string
	}{
		{"slack answers in a word", fake.NewSlack("/s/x"), "POST", "/s/x", "", slack("x"), 200, "ok"},
		{"slack: 150 characters a header", fake.NewSlack("/s/x"), "POST", "/s/x", "", slack(strings.Repeat("é", 151)), 400, "invalid_blocks"},
		{"slack: another webhook", fake.NewSlack("/s/x"), "POST", "/s/y", "", slack("x"), 404, "no_service"},
		{"teams: 28 KB", fake.NewTeams("k"), "POST", "/?api-version=1&sig=k", "", strings.Repeat("x", 28<<10), 413, "RequestEntityTooLarge"},
		{"teams: no card", fake.NewTeams("k"), "POST", "/?api-version=1&sig=k", "", `{"text":"x"}`, 400, "TriggerInputSchemaMismatch"},
		{"teams: the signature is cut off", fake.NewTeams("k"), "POST", "/?api-version=1", "", `{}`, 401, "AuthorizationFailed"},
		{"pagerduty: the key is in the body", fake.NewPagerDuty("k"), "POST", "/v2/change/enqueue", "", `{"routing_key":"l","payload":{"summary":"x","timestamp":"2026-11-26T08:00:00Z"}}`, 400, "invalid event"},
		{"newrelic: an error in a 200", fake.NewNewRelic("k", "e"), "POST", "/graphql", "API-Key: k", `{"query":"mutation { x }"}`, 200, "Cannot query field"},
		{"honeycomb: no such dataset", fake.NewHoneycomb("k", "shop"), "POST", "/1/markers/other", "X-Honeycomb-Team: k", `{"message":"x"}`, 404, "dataset not found"},
		{"honeycomb: no such marker", fake.NewHoneycomb("k", "shop"), "PUT", "/1/markers/shop/x", "X-Honeycomb-Team: k", `{"message":"x"}`, 404, "marker not found"},
		{"sentry: no such release", fake.NewSentry("acme", "shop", "t"), "POST", "/api/0/organizations/acme/releases/v1/deploys/", bearer, deploy + `"x"}`, 404, "does not exist"},
		{"sentry: a slash in the version", fake.NewSentry("acme", "shop", "t"), "POST", "/api/0/organizations/acme/releases/", bearer, `{"version":"a/b","projects":["shop"]}`, 400, "Invalid"},
		{"sentry: no slash at the end", fake.NewSentry("acme", "shop", "t"), "POST", "/api/0/organizations/acme/releases", bearer, `{}`, 404, "does not exist"},
		{"pushgateway: a line that is none", fake.NewPushgateway("t"), "PUT", "/metrics/job/x", bearer, "x{a=\"b\nc\"} 1\n", 405, ""},
		{"github merges", fake.NewGitHub("a/b", "t"), "POST", "/repos/a/b/deployments", bearer, `{"ref":"x","required_contexts":[]}`, 202, "Auto-merged"},
		{"github waits for checks", fake.NewGitHub("a/b", "t"), "POST", "/repos/a/b/deployments", bearer, `{"ref":"x","auto_merge":false}`, 409, "status checks failed"},
		{"github: 140 characters", fake.NewGitHub("a/b", "t"), "POST", "/repos/a/b/deployments", bearer, `{"ref":"x","auto_merge":false,"description":"` + strings.Repeat("x", 141) + `"}`, 422, "Validation Failed"},
		{"gitlab wants a ref", fake.NewGitLab("a/b", "t"), "POST", "/api/v4/projects/a%2Fb/deployments", "PRIVATE-TOKEN: t", `{"environment":"x","sha":"c","tag":false,"status":"running"}`, 400, "missing or invalid"},
		{"gitlab: the path is one part", fake.NewGitLab("a/b", "t"), "POST", "/api/v4/projects/a/b/deployments", "PRIVATE-TOKEN: t", `{}`, 404, "Project Not Found"},
		{"otlp: where it is", fake.NewOTLP("", "t"), "POST", "/", bearer, `{}`, 404, ""},
		{"webhook: the signature", fake.NewWebhook("", "k"), "POST", "/x", "X-Bakegate-Signature-256: sha256=00", `{}`, 401, ""},
	} {
		defer tt.tool.Close()
		header := tt.header
		if header == "" {
			header = "X-None: x"
		}
		if status, body := ask(t, tt.method, tt.tool.URL()+tt.path, header, tt.body); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, status, body, tt.status, tt.want)
		}
	}
}
