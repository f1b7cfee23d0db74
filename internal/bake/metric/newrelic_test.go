package metric

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

func newRelicAt(t *testing.T, h http.HandlerFunc) *newRelic {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	n, err := newNewRelic(NewRelicOptions{Remote: httpx.Remote{URL: server.URL}, Account: 42, APIKey: suiteToken})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reply is one under testdata/api.
func reply(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../../testdata/api/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Where New Relic says 0 for what it did not count, an empty answer needs no explanation.
func TestNewRelicZeros(t *testing.T) {
	n := newRelicAt(t, nil)
	for text, want := range map[string]bool{
		"SELECT count(*) FROM Transaction WHERE error IS true":                          true,
		"SELECT filter(count(*), WHERE error IS true) FROM Transaction":                 true,
		"SELECT count(*) FROM Transaction WHERE error IS true FACET host":               false,
		"SELECT sum(failed) FROM Metric":                                                false,
		"SELECT filter(sum(failed), WHERE host = 'a') FROM Metric":                      false,
		"SELECT count(*) FROM Transaction WHERE name = 'sum(x)' AND facet2 = ' FACET '": true,
		"SELECT count(* FROM Transaction":                                               false,
	} {
		if got := n.Zeros(Query{Kind: Counter, Text: text}); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	if n.Zeros(Query{Kind: Gauge, Text: "SELECT count(*) FROM Transaction"}) {
		t.Error("a gauge counts nothing")
	}
}

// A history is asked for in parts that fit together, each of them of whole intervals.
func TestNewRelicAsks(t *testing.T) {
	var asked []string
	n := newRelicAt(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Query     string
			Variables struct {
				Account int
				NRQL    string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Variables.Account != 42 || strings.Contains(body.Query, "SELECT") || r.Header.Get("Api-Key") != "hunter2hunter2" || r.URL.Path != "/graphql" {
			t.Errorf("got %v %v %v", err, body, r.URL)
		}
		asked = append(asked, body.Variables.NRQL)
		fmt.Fprint(w, reply(t, "newrelic/empty.json"))
	})
	from := time.Unix(1795250205, 0)
	q := Query{Kind: Counter, Text: "SELECT count(*) FROM Transaction WHERE appName = '$service' FACET host", Vars: map[string]string{"service": "shop"}}
	if got := ask(t, n, q, from, from.Add(2*time.Hour), 10*time.Second); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	want := []string{"SINCE 1795250200000 UNTIL 1795253860000 TIMESERIES 10 seconds LIMIT MAX", "SINCE 1795253860000 UNTIL 1795257400000 TIMESERIES 10 seconds LIMIT MAX"}
	for i := range max(len(want), len(asked)) {
		if len(asked) != len(want) || asked[i] != "SELECT count(*) FROM Transaction WHERE appName = 'shop' FACET host\n"+want[i] {
			t.Fatalf("got %q, want %q", asked, want)
		}
	}
	asked = nil
	now := time.Now()
	ask(t, n, q, now.Add(-500*time.Millisecond), now.Add(time.Hour), time.Hour) // its interval is not over
	if len(asked) > 1 || len(asked) == 1 && !strings.Contains(asked[0], fmt.Sprintf("UNTIL %d ", now.Truncate(time.Hour).UnixMilli())) {
		t.Errorf("got %q", asked)
	}
}

func TestNewRelicReplies(t *testing.T) {
	from := time.Unix(1795250200, 0)
	for _, c := range []struct {
		file    string
		trouble Trouble
		want    string
	}{
		{"success.json", "", "[] 9.999:4 19.999:0 39.999:7 "},
		{"facets.json", "", "[host:a port:80] 9.999:0.5 [host:b port:<nil>] 9.999:0.25 "},
		{"200-syntax.json", BadQuery, "unexpected 'coun'"},
		{"200-access.json", Unauthorized, "check api-key, account and region"},
	} {
		n := newRelicAt(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, reply(t, "newrelic/"+c.file)) })
		got, err := n.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "SELECT count(*) FROM X FACET y"}}, from, from.Add(100*time.Second), 10*time.Second)
		if c.trouble != "" {
			if q := troubleOf(t, err); q.Trouble != c.trouble || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v", c.file, err)
			}
			continue
		}
		text := ""
		for _, s := range got {
			text += strings.TrimPrefix(fmt.Sprint(s.Labels), "map") + " " + compact(s, from) + " "
		}
		if err != nil || text != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.file, text, err, c.want)
		}
	}
	n := newRelicAt(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, reply(t, "newrelic/success.json")) })
	_, err := n.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: "SELECT count(*) FROM X"}}, from, from.Add(120*time.Second), time.Minute)
	if q := troubleOf(t, err); q.Trouble != BadQuery || !strings.Contains(err.Error(), "got an interval of 10s, want 1m0s") {
		t.Errorf("got %v", err)
	}
}

// No value of a variable changes what a query asks.
func TestNRQLInjection(t *testing.T) {
	hostile := append([]string{"a' OR '1'='1", "a\\", "a%", "' SINCE 1 week ago --", "a\n", "$version", "a`", `a"`}, hostileValues...)
	for _, text := range []string{"SELECT count(*) FROM X WHERE a = '$service'", "SELECT count(*) FROM X WHERE a LIKE '%$service%'", "SELECT count(*) FROM X WHERE a RLIKE r'^$service-.*$$'"} {
		for _, value := range hostile {
			got, err := fillNRQL(text, values{vars: map[string]string{"service": value}})
			if err == nil && (strings.Count(got, "'") != 2 || strings.ContainsAny(value, "'\\%`\"\n\r$()[]{}*?|^;,")) {
				t.Errorf("%s with %q: got %s", text, value, got)
			}
		}
	}
	got, err := fillNRQL("SELECT count(*) FROM X WHERE a RLIKE r'^$service-.*$$' AND b = '$version'", values{vars: map[string]string{"service": "a.b", "version": "v1.2+3"}})
	if err != nil || got != "SELECT count(*) FROM X WHERE a RLIKE r'^a[.]b-.*$' AND b = 'v1.2+3'" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestNewRelicCheck(t *testing.T) {
	n := newRelicAt(t, nil)
	for _, c := range []struct {
		kind Kind
		text string
		want string
	}{
		{Counter, "SELECT count(*) FROM Transaction WHERE appName = '$service'", ""},
		{Counter, "FROM Transaction SELECT filter(count(*), WHERE error IS true) AS 'errors' FACET host", ""},
		{Counter, "SELECT sum(http.requests) FROM Metric", ""},
		{Gauge, "SELECT percentile(duration, 99) FROM Transaction WHERE name = 'since until'", ""},
		{Expr, "SELECT count(*) / uniqueCount(host) FROM Transaction", ""},
		{Counter, "SELECT rate(count(*), 1 minute) FROM Transaction", "got rate(...)"},
		{Counter, "SELECT filter(average(x), WHERE y) FROM Transaction", "got filter(...)"},
		{Counter, "SELECT count(*) / 60 FROM Transaction", "an operation with /"},
		{Counter, "SELECT count(*), sum(x) FROM Transaction", "several values"},
		{Gauge, "SELECT name FROM Transaction", "has no function"},
		{Gauge, "SELECT count(*)", "no FROM"},
		{Expr, "SELECT count(*) FROM Transaction FACET host", "want one value"},
		{Gauge, "SELECT count(*) FROM Transaction since 1 hour ago", "got SINCE"},
		{Gauge, "SELECT count(*) FROM Transaction UNTIL now", "got UNTIL"},
		{Gauge, "SELECT count(*) FROM Transaction TIMESERIES", "got TIMESERIES"},
		{Gauge, "SELECT count(*) FROM Transaction FACET host LIMIT 5", "got LIMIT"},
		{Gauge, "SELECT count(*) FROM Transaction -- all", "comments"},
		{Gauge, "SELECT count(*) FROM Transaction /* all", "comments"},
		{Gauge, "SELECT count(*) FROM $service", "'$service'"},
		{Gauge, "SELECT count(*) FROM X WHERE a = '$servic'", "unknown variable"},
		{Gauge, "SELECT count(*) FROM X WHERE a = 'b", "no end"},
		{Gauge, `SELECT count(*) FROM X WHERE a = 'b\'`, "backslash"},
		{Gauge, `SELECT count(*) FROM X WHERE a = "b"`, "single quotes"},
		{Gauge, "SELECT count(*)) FROM X", "brackets"},
		{Histogram, "SELECT count(*) FROM X", "percentile"},
	} {
		err := n.Check(Query{Kind: c.kind, Text: c.text})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
}

func TestNewRelicOptions(t *testing.T) {
	for want, o := range map[string]NewRelicOptions{
		"account is missing":         {APIKey: suiteToken},
		"api-key is missing":         {Account: 1},
		`region "ap", want us or eu`: {Account: 1, APIKey: suiteToken, Region: "ap"},
		"both url and region":        {Account: 1, APIKey: suiteToken, Region: "eu", Remote: httpx.Remote{URL: "https://x.example"}},
		"whole seconds":              {Account: 1, APIKey: suiteToken, Interval: time.Millisecond},
	} {
		if _, err := newNewRelic(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	n, err := newNewRelic(NewRelicOptions{Account: 1, APIKey: suiteToken, Region: "eu"})
	if err != nil || n.client.URL() != "https://api.eu.newrelic.com" {
		t.Errorf("got %v, %v", n, err)
	}
}
