package metric

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

func grafanaServer(t *testing.T, o GrafanaOptions, h http.HandlerFunc) *grafana {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.URL, o.Token, o.Datasource, o.Type = server.URL, suiteToken, "uid-1", cmp.Or(o.Type, "prometheus")
	g, err := newGrafana(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGrafanaAsks(t *testing.T) {
	from := time.Unix(1795250205, 0)
	for _, c := range []struct {
		o    GrafanaOptions
		q    Query
		want string
	}{
		{GrafanaOptions{Org: 7}, Query{Kind: Counter, Text: `x_total{app="$service"}`}, `"expr":"x_total{app=\"sh\\\"op\"}","instant":false,"interval":"10s","intervalMs":10000,"maxDataPoints":10001,"range":true,"refId":"A","step":"10s"}`},
		{GrafanaOptions{Type: "loki", Counts: true}, Query{Kind: Counter, Text: `count_over_time({app="a"} |= "error" [10s])`}, `"expr":"count_over_time({app=\"a\"} |= \"error\" [10s])","interval":"10s","intervalMs":10000,"maxDataPoints":10001,"queryType":"range","refId":"A","step":"10s"}`},
		{GrafanaOptions{Type: "mysql"}, Query{Kind: Gauge, Text: `{"rawSql": "SELECT a FROM b", "n": 12345678901234567890, "l": ["$$"]}`}, `"intervalMs":10000,"l":["$"],"maxDataPoints":10001,"n":12345678901234567890,"rawSql":"SELECT a FROM b","refId":"A"}`},
	} {
		g := grafanaServer(t, c.o, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			want := fmt.Sprintf(`{"from":"1795250200000","queries":[{"datasource":{"type":%q,"uid":"uid-1"},%s],"to":"1795250300000"}`, cmp.Or(c.o.Type, "prometheus"), c.want)
			if string(b) != want || r.Header.Get("Authorization") != "Bearer hunter2hunter2" || c.o.Org > 0 && r.Header.Get("X-Grafana-Org-Id") != "7" || r.URL.Path != "/api/ds/query" {
				t.Errorf("got %s %s %v\nwant %s", r.URL, b, r.Header, want)
			}
			fmt.Fprint(w, reply(t, "grafana/empty.json"))
		})
		c.q.Vars = map[string]string{"service": `sh"op`}
		if got := ask(t, g, c.q, from, from.Add(95*time.Second), 10*time.Second); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	}
}

func TestGrafanaReplies(t *testing.T) {
	from := time.Unix(1795250200, 0)
	for _, c := range []struct {
		body    string
		kind    Kind
		trouble Trouble
		want    string
	}{
		{reply(t, "grafana/frames.json"), Gauge, "", "http_requests_total map[pod:a] 0:4 20:5 30:9 "},
		{reply(t, "grafana/wide.json"), Gauge, "", "errors map[host:a] 0:1 10:NaN up map[] 0:1 10:0 "},
		{reply(t, "grafana/wide.json"), Expr, BadQuery, "want one value"},
		{reply(t, "grafana/200-query.json"), Gauge, BadQuery, "parse error"},
		{`{"results": {"A": {"status": 403, "error": "no"}}}`, Gauge, Unauthorized, "its own credentials"},
		{`{"results": {"A": {"status": 502, "error": "no"}}}`, Gauge, BackendDown, "status 502"},
		{`{"results": {"A": {"status": 422, "error": "too many samples"}}}`, Gauge, TooMany, "narrow"},
		{`{"results": {"B": {}}}`, Gauge, BackendDown, "no result A"},
		{`{}`, Gauge, BackendDown, "no result A"},
		{strings.ReplaceAll(reply(t, "grafana/frames.json"), ", 9]", "]"), Gauge, Truncated, "4 times and 3 values"},
		{strings.ReplaceAll(reply(t, "grafana/frames.json"), `"number"`, `"string"`), Gauge, BadQuery, "time_series"},
		{strings.ReplaceAll(reply(t, "grafana/frames.json"), `"time"`, `"number"`), Gauge, BadQuery, "no time"},
		{strings.ReplaceAll(reply(t, "grafana/frames.json"), `4,`, `"4",`), Gauge, BackendDown, "neither a number"},
	} {
		g := grafanaServer(t, GrafanaOptions{}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.body) })
		got, err := g.Range(t.Context(), []Query{{ID: "q", Kind: c.kind, Text: "x"}}, from, from.Add(100*time.Second), 10*time.Second)
		if c.trouble != "" {
			if q := troubleOf(t, err); q.Trouble != c.trouble || !strings.Contains(err.Error(), c.want) || len(got) > 0 {
				t.Errorf("%s: got %v, %v", c.body, got, err)
			}
			continue
		}
		text := ""
		for _, s := range got {
			text += fmt.Sprint(s.Name, " ", s.Labels, " ", compact(s, from), " ")
		}
		if err != nil || text != c.want {
			t.Errorf("got %q, %v, want %q", text, err, c.want)
		}
	}
}

// No value of a variable changes what a query asks, whatever the data source's language is.
func TestGrafanaInjection(t *testing.T) {
	sql := grafanaServer(t, GrafanaOptions{Type: "mysql"}, nil)
	loki := grafanaServer(t, GrafanaOptions{Type: "loki"}, nil)
	for _, value := range append([]string{"a' OR '1'='1", "a\\", `a"} | x`, "a -- b", "a--b", "-a", "a b", "$version", `","x":"`}, hostileValues...) {
		v := values{vars: map[string]string{"service": value}}
		if got, err := sql.model(Query{Kind: Gauge, Text: `{"rawSql": "SELECT a FROM b WHERE c = '$service'"}`}, v, time.Second); err == nil {
			t.Errorf("%q: got %v", value, got)
		}
		got, err := loki.model(Query{Kind: Gauge, Text: `rate({app="$service"}[1m])`}, v, time.Second)
		if err == nil && strings.ContainsAny(value, "\"\\'`{}|") {
			t.Errorf("%q: got %v", value, got)
		}
	}
	got, err := sql.model(Query{Kind: Gauge, Text: `{"rawSql": "SELECT a FROM b WHERE c = '$service'"}`}, values{vars: map[string]string{"service": "check-out_1.2"}}, time.Second)
	if err != nil || got["rawSql"] != "SELECT a FROM b WHERE c = 'check-out_1.2'" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestGrafanaCheck(t *testing.T) {
	for _, c := range []struct {
		o    GrafanaOptions
		kind Kind
		text string
		want string
	}{
		{GrafanaOptions{}, Counter, `x_total{app="$service"}`, ""},
		{GrafanaOptions{}, Counter, `sum(rate(x_total[1m]))`, "names counters"},
		{GrafanaOptions{Counts: true}, Counter, `sum(increase(x_total[$step]))`, ""},
		{GrafanaOptions{}, Expr, `sum(rate(x_total{a="$service"}[$rate_interval]))`, ""},
		{GrafanaOptions{}, Histogram, `x`, "quantile"},
		{GrafanaOptions{Type: "loki"}, Counter, `x`, "counts: true"},
		{GrafanaOptions{Type: "loki"}, Gauge, `rate({app=$service}[1m])`, "stands in a text"},
		{GrafanaOptions{Type: "mysql"}, Gauge, `SELECT 1`, "as JSON"},
		{GrafanaOptions{Type: "mysql"}, Gauge, `{"rawSql": "SELECT $servic"}`, "unknown variable"},
		{GrafanaOptions{Type: "mysql"}, Gauge, `{"refId": "B"}`, "set by bakegate"},
	} {
		err := grafanaServer(t, c.o, nil).Check(Query{Kind: c.kind, Text: c.text})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
	for _, o := range []GrafanaOptions{{Type: "loki"}, {Datasource: "a b", Type: "loki"}, {Datasource: "a", Type: "x y"}, {Datasource: "a", Type: "loki", Org: -1}} {
		o.Remote = httpx.Remote{URL: "https://grafana.example"}
		if _, err := newGrafana(o); err == nil {
			t.Errorf("%v is taken", o)
		}
	}
}
