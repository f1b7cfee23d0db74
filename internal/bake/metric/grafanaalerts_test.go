package metric

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

func TestGrafanaAlerts(t *testing.T) {
	firing, none := reply(t, "grafana-alerts/firing.json"), reply(t, "grafana-alerts/null.json")
	rules, quiet, asked := "", "[]", ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2hunter2" || r.Header.Get("X-Grafana-Org-Id") != "7" {
			t.Errorf("got %v", r.Header)
		}
		switch asked = r.URL.Path; asked {
		case "/api/prometheus/grafana/api/v1/rules":
			fmt.Fprint(w, rules)
		case "/api/alertmanager/grafana/api/v2/alerts":
			fmt.Fprint(w, quiet)
		default:
			t.Errorf("asked %s", r.URL)
		}
	}))
	defer server.Close()
	g, err := newGrafanaAlerts(GrafanaAlertsOptions{Remote: httpx.Remote{URL: server.URL}, Token: suiteToken, Org: 7})
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"service": "checkout"}
	look := func(what, body, query string, want float64, note string) {
		t.Helper()
		rules = body
		time.Sleep(scrapeReuse + 10*time.Millisecond)
		begin := time.Now()
		got, err := g.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: query, Vars: vars}}, begin, begin.Add(time.Minute), time.Second)
		switch {
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case want < 0:
			if len(got) != 0 {
				t.Errorf("%s: got %v, want nothing", what, got)
			}
		case len(got) != 1 || got[0].Points[0].V != want || !strings.Contains(fmt.Sprint(got[0].Notes), note):
			t.Errorf("%s: got %v, want %v and %s", what, got, want, note)
		}
	}
	const ours = `{service="$service"}`
	look("before the deploy", firing, ours, 1, "")
	g.Since(time.Date(2026, 11, 26, 5, 10, 0, 0, time.UTC))
	look("one that fired before", firing, ours, 1, "")
	fresh := strings.ReplaceAll(firing, `"pod":"a"`, `"pod":"b"`)
	look("another instance of it", fresh, ours, 0, "HighErrorRate {grafana_folder=Shop, pod=b, service=checkout} (too many errors) since 2026-11-26T05:20:00Z")
	look("by its name and its folder", fresh, `HighErrorRate{grafana_folder="Shop"}`, 0, "")
	look("by a label of the instance", fresh, `{pod=~"b|c"}`, 0, "")
	look("older", strings.ReplaceAll(fresh, "05:20", "05:09"), ours, 1, "")
	look("recovering", strings.ReplaceAll(fresh, `"Alerting"`, `"Recovering"`), ours, 0, "")
	look("pending", strings.ReplaceAll(fresh, `"Alerting"`, `"Pending"`), ours, 1, "")
	look("alerting because there is no data", strings.ReplaceAll(fresh, `"Alerting"`, `"Alerting (NoData)"`), ours, -1, "")
	look("normal because there is no data", strings.ReplaceAll(fresh, `"Alerting"`, `"Normal (NoData)"`), ours, -1, "")
	look("no data", none, ours, -1, "")
	look("paused", strings.ReplaceAll(fresh, `"isPaused":false`, `"isPaused":true`), ours, -1, "")
	look("a recording rule", strings.ReplaceAll(fresh, `"type":"alerting"`, `"type":"recording"`), ours, -1, "")
	look("another service", fresh, `{service="other"}`, -1, "")
	look("no rules", reply(t, "grafana-alerts/empty.json"), ours, -1, "")
	both := strings.Replace(fresh, `"rules":[`, `"rules":[`+strings.TrimSuffix(none[strings.Index(none, `{"state"`):], "],\"interval\":60}]}}\n")+",", 1)
	look("one is without data", strings.ReplaceAll(both, `"Alerting"`, `"Normal"`), ours, 1, "rule HighErrorRate: nodata")
	quiet = `[{"labels":{"alertname":"HighErrorRate","grafana_folder":"Shop","service":"checkout","pod":"b","__alert_rule_uid__":"x"},"startsAt":"2026-11-26T05:20:00Z","status":{"state":"suppressed","silencedBy":["s"],"inhibitedBy":[]}}]`
	look("silenced", fresh, ours, 1, "")
	quiet = strings.Replace(quiet, `"pod":"b"`, `"pod":"c"`, 1)
	look("another one silenced", fresh, ours, 0, "")
	for body, want := range map[string]Trouble{
		strings.ReplaceAll(fresh, `"activeAt":"2026-11-26T05:20:00Z",`, ""): BackendDown,
		`{"status":"error","error":"no"}`:                                   BackendDown,
		`{"status":"success"}`:                                              BackendDown,
	} {
		rules = body
		time.Sleep(scrapeReuse + 10*time.Millisecond)
		_, err := g.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: ours, Vars: vars}}, time.Now(), time.Now().Add(time.Minute), time.Second)
		if q := troubleOf(t, err); q.Trouble != want {
			t.Errorf("%s: got %v", body, err)
		}
	}
	if err := g.Check(Query{Kind: Counter, Text: ours}); err == nil || !strings.Contains(err.Error(), "write boolean") {
		t.Errorf("got %v", err)
	}
}
