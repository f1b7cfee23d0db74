package metric

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

func alertmanagerAt(t *testing.T, url string) *alertmanager {
	t.Helper()
	a, err := newAlertmanager(AlertmanagerOptions{Remote: httpx.Remote{URL: url, Timeout: 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// lately asks now and gives the last value.
func lately(t *testing.T, s Source, text string, vars map[string]string) float64 {
	t.Helper()
	time.Sleep(scrapeReuse + 10*time.Millisecond)
	got, err := s.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: text, Vars: vars}}, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), time.Second)
	if err != nil || len(got) != 1 {
		t.Fatalf("%s: got %v, %v", text, got, err)
	}
	return got[0].Points[len(got[0].Points)-1].V
}

func TestAlertmanagerReal(t *testing.T) {
	server := realtest.Alertmanager(t)
	deploy := time.Now().Add(-time.Minute)
	fire := func(starts time.Time, labels ...string) { fireAt(t, server, starts, labels...) }
	a := alertmanagerAt(t, server)
	vars := map[string]string{"service": `check"out\`}
	fire(deploy.Add(-time.Hour), "alertname", "Old", "service", vars["service"], "severity", "page")
	fire(deploy.Add(time.Second), "alertname", "Elsewhere", "service", "other", "severity", "page")
	a.Since(deploy)
	const query = `{service="$service",severity=~"page|warning"}`
	if v := lately(t, a, query, vars); v != 1 {
		t.Errorf("alerts from before the deploy and of others: got %v, want 1", v)
	}
	fire(deploy.Add(time.Second), "alertname", "Slow", "service", vars["service"], "severity", "warning")
	if v := lately(t, a, query, vars); v != 0 {
		t.Errorf("a new alert: got %v, want 0", v)
	}
	if v := lately(t, a, `Fast{service="$service"}`, vars); v != 1 {
		t.Errorf("another alert: got %v, want 1", v)
	}
	fire(deploy.Add(-time.Hour), "alertname", "Down", "service", vars["service"], "severity", "page")
	if v := lately(t, a, query, vars); v != 1 {
		t.Errorf("inhibited by an older one: got %v, want 1", v)
	}
	fire(deploy.Add(2*time.Second), "alertname", "Broken", "service", vars["service"], "severity", "page")
	if v := lately(t, a, query, vars); v != 0 {
		t.Errorf("a second new alert: got %v, want 0", v)
	}
	silence(t, server, "Broken")
	if v := lately(t, a, query, vars); v != 1 {
		t.Errorf("silenced: got %v, want 1", v)
	}
	for _, value := range hostileValues { // every version reads every value as it is meant
		if v := lately(t, a, query, map[string]string{"service": value}); v != 1 {
			t.Errorf("%q: got %v", value, v)
		}
	}
}

func fireAt(t *testing.T, server string, starts time.Time, labels ...string) {
	t.Helper()
	ls := map[string]string{}
	for i := 0; i < len(labels); i += 2 {
		ls[labels[i]] = labels[i+1]
	}
	post(t, server+"/api/v2/alerts", []map[string]any{{"labels": ls, "startsAt": starts.Format(time.RFC3339Nano), "endsAt": time.Now().Add(time.Hour).Format(time.RFC3339)}})
}

func silence(t *testing.T, server, name string) {
	t.Helper()
	post(t, server+"/api/v2/silences", map[string]any{"matchers": []map[string]any{{"name": "alertname", "value": name, "isRegex": false}},
		"startsAt": time.Now().Format(time.RFC3339Nano), "endsAt": time.Now().Add(time.Hour).Format(time.RFC3339Nano), "createdBy": "x", "comment": "x"})
}

func post(t *testing.T, url string, body any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s %s", url, resp.Status, text)
	}
}

func TestAlertmanagerNew(t *testing.T) {
	reply := `[]`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, reply) }))
	t.Cleanup(server.Close)
	a := alertmanagerAt(t, server.URL)
	alert := func(name, starts, state, quiet string) string {
		return fmt.Sprintf(`[{"labels":{"alertname":%q,"service":"checkout"},"startsAt":%q,"endsAt":"2126-01-01T00:00:00Z","status":{"state":%q,"silencedBy":[%s],"inhibitedBy":[]}}]`, name, starts, state, quiet)
	}
	vars := map[string]string{"service": "checkout"}
	look := func(what, with string, want float64) {
		t.Helper()
		reply = with
		if v := lately(t, a, `service="$service"`, vars); v != want {
			t.Errorf("%s: got %v, want %v", what, v, want)
		}
	}
	look("before the deploy", alert("Flaps", "2026-11-26T05:00:00Z", "active", ""), 1)
	a.Since(time.Date(2026, 11, 26, 5, 10, 0, 0, time.UTC))
	look("one that fired before fires again", alert("Flaps", "2026-11-26T05:20:00Z", "active", ""), 1)
	look("older", alert("Old", "2026-11-26T05:09:59Z", "active", ""), 1)
	look("not decided yet", alert("New", "2026-11-26T05:20:00Z", "unprocessed", ""), 1)
	look("silenced", alert("New", "2026-11-26T05:20:00Z", "suppressed", `"x"`), 1)
	look("new", alert("New", "2026-11-26T05:20:00Z", "active", ""), 0)
	got, err := a.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: `service="$service"`, Vars: vars}}, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), time.Second)
	if err != nil || fmt.Sprint(got[0].Notes) != "[New {service=checkout} since 2026-11-26T05:20:00Z]" {
		t.Errorf("got the notes %q, %v", got[0].Notes, err)
	}
	look("gone", `[]`, 1)
	look("of another service, from a server that does not filter", strings.Replace(alert("New", "2026-11-26T05:20:00Z", "active", ""), "checkout", "other", 1), 1)
}

func TestAlertText(t *testing.T) {
	long := strings.Repeat("x", 500)
	for _, c := range []struct {
		labels, annotations map[string]string
		want                string
	}{
		{map[string]string{"alertname": "Slow", "service": "a", "severity": "page", "__x__": "y"}, map[string]string{"summary": "p99 is 3s\n\x1b[31m"}, "Slow {service=a, severity=page} (p99 is 3s [31m)"},
		{nil, nil, "an alert without a name"},
	} {
		if got := alertText(c.labels, c.annotations); strings.TrimSpace(got) != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := alertText(map[string]string{"alertname": long, "a": long, "b": long}, map[string]string{"summary": long}); len(got) > maxNote-25 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestAlertmanagerCheck(t *testing.T) {
	a := alertmanagerAt(t, "https://alerts.example")
	for text, want := range map[string]string{
		`service="$service"`:              "",
		`{service="$service"}`:            "",
		`HighErrors{service=~"$service"}`: "",
		`{service="$servic"}`:             "unknown variable",
		`{$service="x"}`:                  "want matchers of alerts",
		`rate(x{service="a"}[5m])`:        "alerts",
		`{service=~".*"}`:                 "at least one non-empty matcher",
	} {
		err := a.Check(Query{Kind: Gauge, Text: text})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	if err := a.Check(Query{Kind: Counter, Text: `a="b"`}); err == nil || !strings.Contains(err.Error(), "write boolean") {
		t.Errorf("got %v", err)
	}
}
