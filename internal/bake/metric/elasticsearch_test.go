package metric

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// elasticKnowing is a source that has asked for the fields before.
func elasticKnowing(r httpx.Remote, fields ...string) (*elasticsearch, error) {
	e, err := newElasticsearch(ElasticsearchOptions{Remote: r, Index: "logs-shop", TimeField: "@timestamp", APIKey: suiteToken})
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		e.mapped.Store(e.mappedKey("logs-shop", f, elasticQuery{}), true)
	}
	return e, nil
}

func elasticAt(t *testing.T, o ElasticsearchOptions, h http.HandlerFunc) *elasticsearch {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.URL = server.URL + "/es"
	if o.Index == "" {
		o.Index = "logs-*"
	}
	if o.TimeField == "" {
		o.TimeField = "@timestamp"
	}
	e, err := newElasticsearch(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// elasticServes answers a search with one reply and says which fields there are.
func elasticServes(t *testing.T, search string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body := search
		if strings.HasSuffix(r.URL.Path, "/_field_caps") {
			body = reply(t, "elasticsearch/fields.json")
		}
		fmt.Fprint(w, body)
	}
}

const elasticSearchBody = `{"aggs":{"intervals":{"date_histogram":{"extended_bounds":{"max":1795250249999,"min":1795250200000},"field":"@timestamp","fixed_interval":"10s","min_doc_count":0}}},` +
	`"query":{"bool":{"filter":[{"range":{"@timestamp":{"format":"epoch_millis","gte":1795250200000,"lt":1795250250000}}},{"query_string":{"query":"service.name:\"shop\" AND level:error"}}]}},"size":0,"track_total_hits":false}`

func TestElasticsearchAsks(t *testing.T) {
	var asked []string
	e := elasticAt(t, ElasticsearchOptions{APIKey: suiteToken, Index: "logs-$environment-*,old"}, func(w http.ResponseWriter, r *http.Request) {
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body) // a GET has none
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		if r.Header.Get("Authorization") != "ApiKey hunter2hunter2" {
			t.Errorf("got %v", r.Header)
		}
		elasticServes(t, reply(t, "elasticsearch/success.json"))(w, r)
	})
	from := time.Unix(1795250205, 0)
	q := Query{Kind: Counter, Text: `service.name:"$service" AND level:error`, Vars: map[string]string{"service": "shop", "environment": "prod"}}
	for range 2 {
		got := ask(t, e, q, from, from.Add(45*time.Second), 10*time.Second)
		if len(got) != 1 || !got[0].Deltas || compact(got[0], from) != "4.999:4 14.999:0 24.999:7 34.999:2 44.999:1" {
			t.Errorf("got %v", got)
		}
	}
	search := "POST /es/logs-prod-%2A%2Cold/_search?allow_no_indices=false&allow_partial_search_results=false&ignore_unavailable=false " + elasticSearchBody
	want := []string{"GET /es/logs-prod-%2A%2Cold/_field_caps?allow_no_indices=false&fields=%40timestamp%2Clevel%2Cservice%2Cservice.name&ignore_unavailable=false ", search, search}
	if fmt.Sprintf("%q", asked) != fmt.Sprintf("%q", want) {
		t.Errorf("got  %q\nwant %q", asked, want)
	}
	q.Vars["environment"] = "*"
	if _, err := e.Range(t.Context(), []Query{q}, from, from.Add(time.Minute), 10*time.Second); troubleOf(t, err).Trouble != BadQuery || !strings.Contains(err.Error(), "in the name of an index") {
		t.Errorf("got %v", err)
	}
}

// A history is asked for in parts that fit together; an interval that is not over for long is left for later.
func TestElasticsearchParts(t *testing.T) {
	var asked []string
	e := elasticAt(t, ElasticsearchOptions{Delay: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Aggs struct {
				Intervals struct {
					Of struct {
						Bounds struct{ Min, Max int64 } `json:"extended_bounds"`
					} `json:"date_histogram"`
				}
			}
		}
		if json.NewDecoder(r.Body).Decode(&body) == nil {
			b := body.Aggs.Intervals.Of.Bounds
			asked = append(asked, fmt.Sprintf("%d-%d", b.Min, b.Max))
			var rows []string
			for at := b.Min; at < b.Max; at += 10_000 {
				rows = append(rows, fmt.Sprintf(`{"key":%d,"doc_count":1}`, at))
			}
			fmt.Fprintf(w, `{"_shards":{"total":1,"successful":1},"aggregations":{"intervals":{"buckets":[%s]}}}`, strings.Join(rows, ","))
			return
		}
		elasticServes(t, "")(w, r)
	})
	from := time.Unix(1795250200, 0)
	q := Query{Kind: Counter, Text: "level:error"}
	if got := ask(t, e, q, from, from.Add(2*time.Hour), 10*time.Second); len(got) != 1 || len(got[0].Points) != 720 {
		t.Errorf("got %v", got)
	}
	if want := "[1795250200000-1795254199999 1795254200000-1795257399999]"; fmt.Sprint(asked) != want {
		t.Errorf("got %v, want %s", asked, want)
	}
	asked = nil
	now := time.Now()
	if got := ask(t, e, q, now.Add(-50*time.Second), now, 10*time.Second); len(got) != 0 || len(asked) != 0 {
		t.Errorf("got %v, asked %v", got, asked)
	}
}

func TestElasticsearchReplies(t *testing.T) {
	from := time.Unix(1795250200, 0)
	for _, c := range []struct {
		file, text string
		kind       Kind
		status     int
		trouble    Trouble
		want       string
	}{
		{"empty", "level:error", Counter, 200, "", "map[] 9.999:0 19.999:0 29.999:0 39.999:0 49.999:0"},
		{"sum", "sum(event.duration) WHERE level:error", Counter, 200, "", "map[] 9.999:12 19.999:0 29.999:30.5 39.999:2 49.999:1"},
		{"percentiles", "p99(event.duration in ns) WHERE *", Gauge, 200, "", "map[] 9.999:0.25 29.999:1.25 49.999:0.05"},
		{"percentiles", "p99.9(requests in ms) WHERE *", Expr, 200, "", "map[] 9.999:250000 29.999:1.25e+06 49.999:50000"},
		{"average", "avg(event.duration) WHERE *", Gauge, 200, "", "map[] 9.999:0.25 39.999:2 49.999:3"},
		{"histogram", "event.duration in ms WHERE *", Histogram, 200, "", "map[le:0.1] 9.999:1 19.999:0 29.999:2 39.999:2 49.999:0 map[le:0.5] 9.999:3 19.999:0 29.999:6 39.999:2 49.999:0 map[le:+Inf] 9.999:4 19.999:0 29.999:7 39.999:2 49.999:1"},
		{"success", "event.duration in ms WHERE *", Histogram, 200, BackendDown, "got 0 buckets"},
		{"partial", "level:error", Counter, 200, Truncated, "3 of 4 shards answered, 1 failed: .ds-logs-shop-2026.11.21-000007: es_rejected"},
		{"timed-out", "level:error", Counter, 200, Truncated, "timed_out"},
		{"early", "level:error", Counter, 200, Truncated, "terminated_early"},
		{"missing", "level:error", Counter, 200, Truncated, "no interval that begins at 2026-11-21"},
		{"clusters", "level:error", Counter, 200, Truncated, "of 1 clusters 1 were skipped"},
		{"no-shards", "level:error", Counter, 200, BadQuery, "no index matches logs-*"},
		{"404-index", "level:error", Counter, 404, BadQuery, "no index matches logs-*, or none that the key may read"},
		{"404", "level:error", Counter, 404, BackendDown, "check url"},
		{"400-query", "level:error", Counter, 400, BadQuery, "Failed to parse query"},
		{"503-buckets", "level:error", Counter, 503, TooMany, "search.max_buckets"},
		{"fields", "level:error", Counter, 200, BackendDown, "got no _shards"},
	} {
		t.Run(c.file+" "+c.text, func(t *testing.T) {
			t.Parallel() // those that are down are tried again, after a while
			e := elasticAt(t, ElasticsearchOptions{Bounds: []time.Duration{100 * time.Millisecond, 500 * time.Millisecond}}, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					w.WriteHeader(c.status)
				}
				elasticServes(t, reply(t, "elasticsearch/"+c.file+".json"))(w, r)
			})
			got, err := e.Range(t.Context(), []Query{{ID: "q", Kind: c.kind, Text: c.text}}, from, from.Add(50*time.Second), 10*time.Second)
			if c.trouble != "" {
				if q := troubleOf(t, err); q.Trouble != c.trouble || !strings.Contains(err.Error(), c.want) || len(got) != 0 {
					t.Errorf("got %v, %v, want %s: %s", got, err, c.trouble, c.want)
				}
				return
			}
			var text []string
			for _, s := range got {
				if s.Deltas != (c.kind == Counter || c.kind == Histogram) {
					t.Errorf("deltas %v", s.Deltas)
				}
				text = append(text, fmt.Sprint(s.Labels)+" "+compact(s, from))
			}
			if joined := strings.Join(text, " "); err != nil || joined != c.want {
				t.Errorf("got %s, %v, want %s", joined, err, c.want)
			}
		})
	}
}

// A field that no index has, or of which no number can be taken, would count nothing, for ever.
func TestElasticsearchFields(t *testing.T) {
	from := time.Unix(1795250200, 0)
	for _, c := range []struct {
		kind       Kind
		text, time string
		fields     string
		trouble    Trouble
		want       string
	}{
		{Counter, `level:error AND labels.team:"shop" AND _index:x AND req\*:y`, "", "fields", "", ""},
		{Counter, "levle:error", "", "fields", BadQuery, "no index of logs-* has the field levle"},
		{Counter, "_exists_:error.stack", "", "fields", BadQuery, "the field error.stack"},
		{Counter, "level:error AND service.nam:x", "", "fields", BadQuery, "the field service.nam"},
		{Counter, "level:error", "level", "fields", BadQuery, "the field level of logs-* is a keyword, want one of date, date_nanos"},
		{Counter, "level:error", "time", "fields", BadQuery, "the field time"},
		{Counter, "sum(message) WHERE *", "", "fields", BadQuery, "is a text"},
		{Gauge, "p99(requests) WHERE *", "", "fields", "", ""},
		{Histogram, "requests in ms WHERE *", "", "fields", BadQuery, "the field requests of logs-* is a histogram"},
		{Counter, "level:error", "", "fields-none", BadQuery, "no index matches logs-*"},
		{Counter, "level:error", "", "success", BackendDown, "got no fields"},
		{Counter, "level:error", "", "404-index", BadQuery, "no index matches logs-*"},
		{Counter, "level:error", "", "403", Unauthorized, "unauthorized for API key"},
	} {
		searched := false
		e := elasticAt(t, ElasticsearchOptions{TimeField: c.time}, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				searched = true
				fmt.Fprint(w, reply(t, "elasticsearch/percentiles.json"))
				return
			case c.fields == "403":
				w.WriteHeader(403)
			case c.fields == "404-index":
				w.WriteHeader(404)
			}
			fmt.Fprint(w, reply(t, "elasticsearch/"+c.fields+".json"))
		})
		_, err := e.Range(t.Context(), []Query{{ID: "q", Kind: c.kind, Text: c.text}}, from, from.Add(50*time.Second), 10*time.Second)
		switch {
		case c.trouble == "":
			if err != nil || !searched {
				t.Errorf("%s: got %v", c.text, err)
			}
		case troubleOf(t, err).Trouble != c.trouble || !strings.Contains(err.Error(), c.want) || searched:
			t.Errorf("%s: got %v, searched %v, want %s: %s", c.text, err, searched, c.trouble, c.want)
		}
	}
}

func TestElasticsearchOptions(t *testing.T) {
	long := make([]time.Duration, 21)
	for want, o := range map[string]ElasticsearchOptions{
		"index is missing":         {},
		"names and patterns":       {Index: "a b"},
		"unknown variable $servce": {Index: "logs-$servce"},
		"time-field is empty":      {Index: "logs"},
		"whole seconds":            {Index: "logs", Interval: time.Millisecond},
		"delay -1s":                {Index: "logs", Delay: -time.Second},
		"api-key is given beside":  {Index: "logs", APIKey: suiteToken, Username: "x"},
		"holds a colon":            {Index: "logs", APIKey: httpx.NewSecret("id:key")},
		"both token and username":  {Index: "logs", Token: suiteToken, Username: "x"},
		"21 bounds":                {Index: "logs", Bounds: long},
		"bounds: 1s stands":        {Index: "logs", Bounds: []time.Duration{time.Second, time.Second}},
	} {
		if o.URL = "https://es.example"; want != "time-field is empty" {
			o.TimeField = "@timestamp"
		}
		if _, err := newElasticsearch(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for want, o := range map[string]ElasticsearchOptions{
		"Basic Ymg6aHVudGVyMmh1bnRlcjI=": {Username: "bh", Password: suiteToken},
		"Bearer hunter2hunter2":          {Token: suiteToken},
		"":                               {},
	} {
		e := elasticAt(t, o, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			elasticServes(t, reply(t, "elasticsearch/success.json"))(w, r)
		})
		from := time.Unix(1795250200, 0)
		ask(t, e, Query{Kind: Counter, Text: "level:error"}, from, from.Add(50*time.Second), 10*time.Second)
	}
}

func TestElasticsearchCheck(t *testing.T) {
	e := elasticAt(t, ElasticsearchOptions{}, nil)
	for _, c := range []struct {
		kind Kind
		text string
		want string
	}{
		{Counter, `service.name:"$service" AND level:(error OR fatal)`, ""},
		{Counter, `sum(http.requests) WHERE service.name:"$service"`, ""},
		{Gauge, `max(queue.length) WHERE service.name:"$service"`, ""},
		{Gauge, "p99.9(event.duration in ns)\n  WHERE *", ""},
		{Histogram, `event.duration in ns WHERE service.name:"$service" AND NOT level:debug`, ""},
		{Counter, "", "a part is missing"},
		{Counter, "avg(x) WHERE *", "want a count of each interval"},
		{Counter, "event.duration in ns WHERE *", "want a count of each interval"},
		{Gauge, `level:error`, "want one number of the documents"},
		{Gauge, "event.duration in ns WHERE *", "want one number of the documents"},
		{Gauge, "median(x) WHERE *", "got median(...)"},
		{Gauge, "p0(x) WHERE *", "got p0(...)"},
		{Gauge, "p99(x in days) WHERE *", `the unit is "days"`},
		{Gauge, "p99(x) WHERE ", "want one number of the documents"},
		{Histogram, "event.duration WHERE *", "its unit"},
		{Histogram, "level:error", "its unit"},
		{Counter, `level:error AND service.name:"$servic"`, "unknown variable"},
	} {
		err := e.Check(Query{Kind: c.kind, Text: c.text})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %q", c.kind, c.text, err, c.want)
		}
	}
}
