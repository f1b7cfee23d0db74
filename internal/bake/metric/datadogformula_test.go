package metric

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const datadogRatio = `{"queries": [{"data_source": "metrics", "name": "a", "query": "sum:e{service:$service}.as_count()"},
	{"data_source": "spans", "name": "b", "search": {"query": "service:$service"}, "compute": {"aggregation": "count"}}], "formulas": [{"formula": "a / b"}]}`

// Several queries and a formula are asked for in one request, in whole buckets.
func TestDatadogFormula(t *testing.T) {
	now := time.Now().Truncate(10 * time.Second)
	d := datadogAt(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		want := fmt.Sprintf(`{"data":{"attributes":{"formulas":[{"formula":"a / b"}],"from":%d,"interval":10000,"queries":[{"data_source":"metrics","name":"a","query":"sum:e{service:check-out}.as_count().rollup(sum, 10)"},`+
			`{"compute":{"aggregation":"count"},"data_source":"spans","name":"b","search":{"query":"service:check-out"}}],"to":%d},"type":"timeseries_request"}}`,
			now.Add(-80*time.Second).UnixMilli(), now.Add(10*time.Second).UnixMilli())
		if r.URL.Path != "/api/v2/query/timeseries" || r.Header.Get("DD-API-KEY") == "" || string(b) != want {
			t.Errorf("got %s %s\nwant %s", r.URL, b, want)
		}
		var times, row []string
		for i := -8; i <= 0; i++ {
			times, row = append(times, fmt.Sprint(now.Add(time.Duration(i)*10*time.Second).UnixMilli())), append(row, fmt.Sprint(10+i))
		}
		row[4] = "null"
		fmt.Fprintf(w, `{"data":{"attributes":{"series":[{"group_tags":["pod:a"],"query_index":0}],"times":[%s],"values":[[%s]]}}}`, strings.Join(times, ","), strings.Join(row, ","))
	})
	q := Query{Kind: Expr, Text: datadogRatio, Vars: map[string]string{"service": "check-out"}}
	got := ask(t, d, q, now.Add(-70*time.Second), now, 10*time.Second)
	if len(got) != 1 || got[0].Labels["pod"] != "a" || !strings.HasPrefix(compact(got[0], now), "-70.001:2 -60.001:3 -50.001:4 -40.001:5") && !strings.HasPrefix(compact(got[0], now), "-60.001:3 -50.001:4 -40.001:5") ||
		got[0].Points[len(got[0].Points)-1].T.After(now.Add(-25*time.Second)) {
		t.Errorf("got %v: %s", got, compact(got[0], now))
	}
}

func TestDatadogFormulaReplies(t *testing.T) {
	for body, want := range map[string]Trouble{
		`{"errors":"unknown metric"}`: BadQuery,
		`{}`:                          BackendDown,
		`{"data":{"attributes":{"series":[{}],"times":[1],"values":[]}}}`:                                                               Truncated,
		`{"data":{"attributes":{"series":[{}],"times":[1e300],"values":[[1]]}}}`:                                                        BackendDown,
		`{"data":{"attributes":{"series":[{"group_tags":["a:b"]},{"group_tags":["a:c"]}],"times":[1795671180000],"values":[[1],[2]]}}}`: BadQuery,
		`{"data":{"attributes":{"series":[{"group_tags":["a:b"]}],"times":[1795671180000],"values":[["1"]]}}}`:                          BackendDown,
	} {
		d := datadogAt(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		_, err := d.Range(t.Context(), []Query{{ID: "q", Kind: Expr, Text: datadogRatio, Vars: map[string]string{"service": "a"}}}, time.Unix(1795671180, 0), time.Unix(1795671300, 0), 10*time.Second)
		if q := troubleOf(t, err); q.Trouble != want {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}

func TestDatadogFormulaCheck(t *testing.T) {
	d := datadogAt(t, nil)
	metrics := func(query string) string {
		b, _ := json.Marshal(query)
		return `{"queries": [{"data_source": "metrics", "name": "a", "query": ` + string(b) + `}]}`
	}
	for _, c := range []struct {
		kind       Kind
		text, want string
	}{
		{Expr, datadogRatio, ""},
		{Gauge, datadogRatio, ""},
		{Counter, datadogRatio, "names counts, not rates"},
		{Counter, metrics("sum:a{b:$service}"), ""},
		{Counter, metrics("avg:a{b:$service}"), "names counts, not rates"},
		{Counter, `{"queries": [{"data_source": "logs", "name": "a", "search": {"query": "service:$service status:error"}, "compute": {"aggregation": "count"}}]}`, ""},
		{Counter, `{"queries": [{"data_source": "logs", "name": "a", "compute": {"aggregation": "count"}}], "formulas": [{"formula": "default_zero( a )"}]}`, ""},
		{Counter, `{"queries": [{"data_source": "logs", "name": "a", "compute": {"aggregation": "count"}}], "formulas": [{"formula": "per_second(a)"}]}`, "names counts"},
		{Counter, `{"queries": [{"data_source": "logs", "compute": {"aggregation": "count"}}], "formulas": [{"formula": ""}]}`, "names counts"},
		{Counter, `{"queries": [{"data_source": "logs", "name": "a", "compute": {"aggregation": "avg", "metric": "@duration"}}]}`, "names counts"},
		{Gauge, metrics("avg:a{b:$servic}"), "unknown variable"},
		{Gauge, metrics("avg:$service{a:b}"), "behind a tag's name"},
		{Expr, metrics("avg:a{b:c} / avg:d{e:f}"), "is not fixed"},
		{Expr, `{"queries": []}`, "0 queries"},
		{Expr, `{"queries": [{"data_source": "metrics"}]}`, "query is missing"},
		{Expr, `{"queries": [{"query": "avg:a{b:c}"}]}`, "data_source is missing"},
		{Expr, `{"queries": [{"data_source": "logs"}, {"data_source": "logs"}]}`, "want one value"},
		{Expr, `{"queries": [{"data_source": "logs"}], "formulas": [{"formula": "$service"}]}`, "a variable stands in a query"},
		{Expr, `{"queries": [{"data_source": "logs"}], "interval": 5}`, "unknown field"},
		{Expr, `{"queries": [{"data_source": "logs"}]} {}`, "stands behind"},
		{Expr, `{"queries": `, "can't be read"},
	} {
		err := d.Check(Query{Kind: c.kind, Text: c.text})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
}

// No value of a variable changes what a query asks: not its tags, not its search, not its JSON.
func TestDatadogFormulaInjection(t *testing.T) {
	for _, value := range append([]string{`x" OR "`, "a OR b", "a) OR (b", "*", "a:b", "-a", `","compute":{}`, "$version"}, hostileValues...) {
		f, err := readDatadogFormula(Query{Kind: Expr, Text: datadogRatio}, values{vars: map[string]string{"service": value}}, 10)
		if err != nil {
			continue // refused
		}
		search := f.Queries[1]["search"].(map[string]any)["query"].(string)
		if strings.ContainsAny(strings.TrimPrefix(search, "service:"), " \"'()*:?\\-") && strings.ContainsAny(value, " \"'()*:?\\") {
			t.Errorf("%q: got %s", value, search)
		}
		if tag := strings.TrimSuffix(strings.TrimPrefix(f.Queries[0]["query"].(string), "sum:e{service:"), "}.as_count().rollup(sum, 10)"); strings.ContainsAny(tag, " ,{}()*!\"'\\|\n") {
			t.Errorf("%q: got %s", value, tag)
		}
	}
}

func FuzzDatadogFormula(f *testing.F) {
	f.Add(datadogRatio, "checkout")
	f.Add(`{"queries": [{"data_source": "metrics", "query": "sum:a{b:$service}"}]}`, "a b")
	f.Fuzz(func(t *testing.T, text, value string) {
		got, err := readDatadogFormula(Query{Kind: Gauge, Text: text}, values{vars: map[string]string{"service": value, "environment": "e", "version": "v", "step": "10s"}}, 10)
		if err == nil && (len(got.Queries) == 0 || len(got.Queries) > datadogQueries) {
			t.Errorf("got %v", got)
		}
	})
}
