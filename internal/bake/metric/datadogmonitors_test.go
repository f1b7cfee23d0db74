package metric

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// monitorsAt is a source whose server answers with what reply holds.
func monitorsAt(t *testing.T, reply *string) *datadogMonitors {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/api/v1/monitor" || q.Get("monitor_tags") != "service:checkout,env:production" || q.Get("group_states") != "alert" || q.Get("with_downtimes") != "true" || r.Header.Get("DD-APPLICATION-KEY") == "" {
			t.Errorf("got %s, %v", r.URL, r.Header)
		}
		fmt.Fprint(w, *reply)
	}))
	t.Cleanup(server.Close)
	d, err := newDatadogMonitors(datadogAccount(httpx.Remote{URL: server.URL}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDatadogMonitors(t *testing.T) {
	alert := reply(t, "datadog-monitors/alert.json")
	with := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(alert) }
	fine, none := reply(t, "datadog-monitors/success.json"), reply(t, "datadog-monitors/null.json")
	now := alert
	d := monitorsAt(t, &now)
	vars := map[string]string{"service": "Checkout", "environment": "production"}
	look := func(what, body string, want float64, note string) {
		t.Helper()
		now = body
		time.Sleep(scrapeReuse + 10*time.Millisecond)
		begin := time.Now()
		got, err := d.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "service:$service, env:$environment", Vars: vars}}, begin, begin.Add(time.Minute), time.Second)
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
	look("before the deploy", alert, 1, "")
	d.Since(time.Unix(1795670000, 0))
	look("one that alerted before the deploy", alert, 1, "")
	fresh := strings.ReplaceAll(alert, "get_/cart", "get_/pay")
	look("a group that did not", fresh, 0, "[checkout] error rate {resource_name:get_/pay} since 2026-11-26T")
	look("older", strings.ReplaceAll(fresh, "1795671000", "1795669999"), 1, "")
	look("gone", fine, 1, "")
	look("of other tags, from a server that does not filter", strings.ReplaceAll(fresh, `"env:production"`, `"env:staging"`), -1, "")
	look("no data", none, -1, "")
	look("no data beside one that is fine", strings.TrimSuffix(strings.TrimSpace(fine), "]")+","+strings.TrimPrefix(none, "["), 1, "monitor [checkout] queue: No Data")
	look("nothing", "[]", -1, "")
	other := func(pairs ...string) string { return strings.ReplaceAll(with(pairs...), "get_/cart", "get_/pay") }
	look("muted", other(`"silenced":{}`, `"silenced":{"*":null}`), -1, "")
	look("muted until a while ago", other(`"silenced":{}`, `"silenced":{"*":1795000000}`), 0, "")
	look("the group muted", other(`"silenced":{}`, `"silenced":{"resource_name:get_/pay":4102444800}`), 1, "")
	look("another group muted", other(`"silenced":{}`, `"silenced":{"resource_name:x":null}`), 0, "")
	look("a downtime of what it selects by", other(`"matching_downtimes":[]`, `"matching_downtimes":[{"id":1,"scope":["env:production"]}]`), -1, "")
	look("a downtime of a host", other(`"matching_downtimes":[]`, `"matching_downtimes":[{"id":1,"scope":["host:a"]}]`), 0, "")
	look("a draft", other(`"multi":true`, `"multi":true,"draft_status":"draft"`), -1, "")
	look("a warning", strings.Replace(fine, `"OK"`, `"Warn"`, 1), 1, "")
}

func TestDatadogMonitorsRefusals(t *testing.T) {
	alert := reply(t, "datadog-monitors/alert.json")
	for body, want := range map[string]Trouble{
		strings.Replace(alert, `"status":"Alert"`, `"status":"OK"`, 1): Truncated, // since when is not known
		`[{"name":"x"}]`: BackendDown,
		`{"monitors":1}`: BackendDown,
		"[" + strings.Repeat(`{"id":1,"overall_state":"OK"},`, maxMonitors-1) + `{"id":1,"overall_state":"OK"}]`: TooMany,
	} {
		now := body
		d := monitorsAt(t, &now)
		_, err := d.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "service:checkout env:production"}}, time.Now(), time.Now().Add(time.Minute), time.Second)
		if q := troubleOf(t, err); q.Trouble != want {
			t.Errorf("%.200s: got %v, want %s", body, err, want)
		}
	}
}

func TestMonitorTags(t *testing.T) {
	for text, want := range map[string]string{
		"service:$service":                     "service:checkout",
		"service:$service,env:prod  team:a":    "service:checkout env:prod team:a",
		"frontend":                             "frontend",
		"service:$servic":                      "error: unknown variable",
		"service:(a)":                          "error: is no tag",
		`service:"a"`:                          "error: is no tag",
		"  ":                                   "error: 0 tags",
		strings.Repeat("a ", maxMonitorTags+1): "error: 21 tags",
	} {
		got, err := monitorTags(text, values{vars: map[string]string{"service": "checkout"}})
		if want, failed := strings.CutPrefix(want, "error: "); failed && (err == nil || !strings.Contains(err.Error(), want)) || !failed && strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, %v, want %s", text, got, err, want)
		}
	}
	for _, value := range hostileValues { // no value becomes two tags, or another
		got, err := monitorTags("service:$service env:x", values{vars: map[string]string{"service": value}})
		if err == nil && (len(got) != 2 || strings.ContainsAny(got[0], " ,\"'*\n") || !slices.Contains(got, "env:x")) {
			t.Errorf("%q: got %q", value, got)
		}
	}
	d := &datadogMonitors{}
	if err := d.Check(Query{Kind: Counter, Text: "a:b"}); err == nil || !strings.Contains(err.Error(), "write boolean") {
		t.Errorf("got %v", err)
	}
}
