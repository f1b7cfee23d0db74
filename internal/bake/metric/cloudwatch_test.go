package metric

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/cloud/cloudtest"
	"github.com/bakegate/bakegate/internal/httpx"
)

var cloudWatchKeys = map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	"AWS_SESSION_TOKEN": "hunter2hunter2", "AWS_REGION": "eu-west-1"}

func cloudWatchAt(r httpx.Remote) (*cloudWatch, error) {
	c, err := newCloudWatch(CloudWatchOptions{Remote: r, Period: time.Minute, Delay: time.Minute})
	if err != nil {
		return nil, err
	}
	return c, c.Use(Env{Getenv: getCloudWatchKey})
}

func cloudWatchServer(t *testing.T, h http.HandlerFunc) *cloudWatch {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := cloudWatchAt(httpx.Remote{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Metrics are asked for together, by a request that is signed, in whole periods; an answer of several pages is one.
func TestCloudWatchAsks(t *testing.T) {
	signature := cloudtest.Signature{KeyID: "AKIDEXAMPLE", Secret: cloudWatchKeys["AWS_SECRET_ACCESS_KEY"], Token: "hunter2hunter2", Service: "monitoring", Region: "eu-west-1", Skew: time.Minute}
	var asked []string
	c := cloudWatchServer(t, func(w http.ResponseWriter, r *http.Request) {
		if err := signature.Verify(r); err != nil || r.Header.Get("X-Amz-Target") != "GraniteServiceVersion20100801.GetMetricData" {
			t.Errorf("got %v, %v", err, r.Header)
		}
		b, _ := io.ReadAll(r.Body)
		asked = append(asked, string(b))
		page := "cloudwatch/page-1.json"
		if strings.Contains(string(b), `"NextToken":"two"`) {
			page = "cloudwatch/page-2.json"
		}
		fmt.Fprint(w, reply(t, page))
	})
	from := time.Unix(1795250205, 0)
	got, err := c.Range(t.Context(), []Query{
		{ID: "a", Kind: Counter, Text: `AWS/Lambda Errors{FunctionName=$service,Resource="$service:live, x"} Sum`, Vars: map[string]string{"service": `a",b=c}`}},
		{ID: "b", Kind: Gauge, Text: `AWS/Lambda Duration p99`},
	}, from, from.Add(5*time.Minute), 10*time.Second)
	if err != nil || len(got) != 1 || !got[0].Deltas || compact(got[0], time.Unix(1795250220, 0)) != "59.999:4 119.999:7" || got[0].Labels["FunctionName"] != `a",b=c}` {
		t.Errorf("got %v, %v", got, err)
	}
	want := `{"StartTime":1795250160,"EndTime":1795250460,"ScanBy":"TimestampAscending","MetricDataQueries":[` +
		`{"Id":"q0","MetricStat":{"Metric":{"Namespace":"AWS/Lambda","MetricName":"Errors","Dimensions":[{"Name":"FunctionName","Value":"a\",b=c}"},{"Name":"Resource","Value":"a\",b=c}:live, x"}]},"Period":60,"Stat":"Sum"}},` +
		`{"Id":"q1","MetricStat":{"Metric":{"Namespace":"AWS/Lambda","MetricName":"Duration"},"Period":60,"Stat":"p99"}}]`
	if len(asked) != 2 || asked[0] != want+"}" || asked[1] != want+`,"NextToken":"two"}` {
		t.Errorf("got %q, want %s", asked, want)
	}
}

func TestCloudWatchRefusals(t *testing.T) {
	from := time.Unix(1795250200, 0)
	status := func(s string) string { return strings.ReplaceAll(reply(t, "cloudwatch/success.json"), "Complete", s) }
	for _, c := range []struct {
		status  int
		body    string
		trouble Trouble
	}{
		{400, reply(t, "cloudwatch/400-query.json"), BadQuery},
		{400, reply(t, "cloudwatch/401.json"), Unauthorized},
		{400, reply(t, "cloudwatch/429.json"), BackendDown},
		{200, reply(t, "cloudwatch/messages.json"), Truncated},
		{200, reply(t, "cloudwatch/page-1.json"), Truncated}, // a page that leads to itself
		{200, status("InternalError"), BackendDown},
		{200, status("Forbidden"), Unauthorized},
		{200, status(""), BackendDown},
		{200, `{}`, BackendDown},
	} {
		src := cloudWatchServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		got, err := src.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "AWS/Lambda Errors Sum"}}, from, from.Add(5*time.Minute), 10*time.Second)
		if q := troubleOf(t, err); q.Trouble != c.trouble || len(got) != 0 {
			t.Errorf("%d %s: got %v, %v", c.status, c.body, got, err)
		}
	}
	src, err := newCloudWatch(CloudWatchOptions{Remote: httpx.Remote{URL: "http://127.0.0.1:1"}, Region: "eu-west-1", Period: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Use(Env{Getenv: func(name string) string {
		return map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}[name]
	}}); err != nil {
		t.Fatal(err)
	}
	_, err = src.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "AWS/Lambda Errors Sum"}}, from, from.Add(5*time.Minute), time.Second)
	if q := troubleOf(t, err); q.Trouble != Unauthorized || !strings.Contains(err.Error(), "no AWS credentials") {
		t.Errorf("got %v", err)
	}
}

// One query that is refused does not take the others with it.
func TestCloudWatchBatches(t *testing.T) {
	c := cloudWatchServer(t, func(w http.ResponseWriter, r *http.Request) {
		var in cloudWatchRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		for _, q := range in.Queries {
			if q.Stat != nil && q.Stat.Metric.Name == "Bad" {
				w.WriteHeader(400)
				fmt.Fprint(w, reply(t, "cloudwatch/400-query.json"))
				return
			}
		}
		fmt.Fprint(w, strings.ReplaceAll(reply(t, "cloudwatch/success.json"), "q0", in.Queries[0].ID))
	})
	from := time.Unix(1795250200, 0)
	got, err := c.Range(t.Context(), []Query{{ID: "a", Kind: Gauge, Text: "X Good Sum"}, {ID: "b", Kind: Gauge, Text: "X Bad Sum"}, {ID: "c", Kind: Expr, Text: "SUM(SEARCH('{X} Y', 'Sum'))"}}, from, from.Add(5*time.Minute), time.Second)
	if q := troubleOf(t, err); q.Query != "b" || q.Trouble != BadQuery || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

// No value of a variable changes what an expression asks. In a metric's text it is a part of a value, whatever it holds.
func TestCloudWatchInjection(t *testing.T) {
	for _, text := range []string{`SELECT SUM(Errors) FROM "AWS/Lambda" WHERE FunctionName = '$service'`, `SUM(SEARCH('{AWS/Lambda,FunctionName} FunctionName="$service"', 'Sum'))`} {
		for _, value := range append([]string{"a' OR '1'='1", `a" OR x="`, "a\\", "$version"}, hostileValues...) {
			got, err := fillQuoted(text, values{vars: map[string]string{"service": value}})
			if err == nil && strings.ContainsAny(value, "'\"\\%$(){}[]*,;\n") {
				t.Errorf("%s with %q: got %s", text, value, got)
			}
		}
		got, err := fillQuoted(text, values{vars: map[string]string{"service": "a.b-1"}})
		if err != nil || got != strings.ReplaceAll(text, "$service", "a.b-1") {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

func TestCloudWatchCheck(t *testing.T) {
	c := cloudWatchServer(t, nil)
	for _, tt := range []struct {
		kind Kind
		text string
		want string
	}{
		{Counter, "AWS/ApplicationELB HTTPCode_Target_5XX_Count{LoadBalancer=app/shop/0123456789abcdef} Sum", ""},
		{Counter, "AWS/ApplicationELB TargetResponseTime{LoadBalancer=$service} SampleCount", ""},
		{Counter, `SELECT SUM(Errors) FROM SCHEMA("AWS/Lambda", FunctionName) WHERE FunctionName = '$service'`, ""},
		{Gauge, "AWS/ApiGateway Latency{ApiName=$service} p99.9", ""},
		{Expr, "SUM(SEARCH('{AWS/Lambda,FunctionName} FunctionName=\"$service\"', 'Sum'))", ""},
		{Counter, "AWS/Lambda Errors{FunctionName=a} Average", "want Sum or SampleCount"},
		{Counter, "SUM(SEARCH('{AWS/Lambda} x', 'Sum'))", "want counts"},
		{Counter, `SELECT AVG(Errors) FROM "AWS/Lambda"`, "want counts"},
		{Gauge, `SELECT AVG(Errors) FROM "AWS/Lambda" LIMIT 5`, "got LIMIT"},
		{Gauge, "AWS/Lambda Errors{FunctionName=a} Mean", "got statistic"},
		{Gauge, "AWS/Lambda Errors{FunctionName} Sum", "can't be read"},
		{Gauge, "AWS/Lambda Errors{FunctionName=*} Sum", "no wildcards"},
		{Gauge, "AWS/Lambda $service Sum", "dimension's value"},
		{Gauge, "AWS/Lambda Errors{FunctionName=$servic} Sum", "unknown variable"},
		{Gauge, "SEARCH($service)", "stands in a text"},
		{Gauge, "SEARCH('a)", "no end"},
		{Gauge, "errors", "want NAMESPACE"},
		{Histogram, "AWS/Lambda Duration Sum", "p99"},
	} {
		err := c.Check(Query{Kind: tt.kind, Text: tt.text})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.text, err, tt.want)
		}
	}
	for _, o := range []CloudWatchOptions{{Period: 90 * time.Second}, {Period: 0}, {Period: time.Minute, Delay: -1}} {
		if _, err := newCloudWatch(o); err == nil {
			t.Errorf("%v is taken", o)
		}
	}
}
