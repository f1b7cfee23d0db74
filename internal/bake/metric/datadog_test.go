package metric

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

func datadogAt(t *testing.T, h http.HandlerFunc) *datadog {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	d, err := newDatadog(DatadogOptions{DatadogAccount: DatadogAccount{Remote: httpx.Remote{URL: server.URL, Timeout: 5 * time.Second}, APIKey: suiteToken, AppKey: suiteToken}, Delay: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The bucket of now, and one that agents may still send something for, are left out; what is over stands at its end.
func TestDatadogBuckets(t *testing.T) {
	now := time.Now().Truncate(10 * time.Second)
	var asked atomic.Int64
	d := datadogAt(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("DD-API-KEY") == "" || r.Header.Get("DD-APPLICATION-KEY") == "" {
			t.Error("no keys")
		}
		fmt.Fprintf(w, `{"status":"ok","series":[{"metric":"m","interval":10,"tag_set":["pod:a"],"pointlist":[`)
		for i := -8; i <= 0; i++ {
			fmt.Fprintf(w, "[%d,%d]%s", now.Add(time.Duration(i)*10*time.Second).UnixMilli(), 10+i, map[bool]string{true: ","}[i < 0])
		}
		fmt.Fprint(w, `]}]}`)
	})
	got := ask(t, d, Query{Kind: Counter, Text: "sum:m{service:x} by {pod}"}, now.Add(-70*time.Second), now.Add(10*time.Second), 10*time.Second)
	if len(got) != 1 || !got[0].Deltas || got[0].Labels["pod"] != "a" || compact(got[0], now) != "-60.001:3 -50.001:4 -40.001:5 -30.001:6" && compact(got[0], now) != "-70.001:2 -60.001:3 -50.001:4 -40.001:5 -30.001:6" {
		t.Errorf("got %v: %s", got, compact(got[0], now))
	}
	asked.Store(0)
	ask(t, d, Query{Kind: Gauge, Text: "avg:m{service:x}"}, now.Add(-24*time.Hour), now, 30*time.Second)
	if asked.Load() != 3 { // 2880 buckets
		t.Errorf("a day was asked for in %d pieces", asked.Load())
	}
}

// A used up rate limit is not asked again before its time.
func TestDatadogRateLimit(t *testing.T) {
	var asked atomic.Int64
	d := datadogAt(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("X-RateLimit-Reset", "300")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	for range 3 {
		_, err := d.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "avg:m{a:b}"}}, time.Now().Add(-time.Minute), time.Now(), 10*time.Second)
		if q := troubleOf(t, err); q.Trouble != BackendDown {
			t.Errorf("got %v", err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestDatadogQuery(t *testing.T) {
	for _, c := range []struct {
		kind       Kind
		text, want string
	}{
		{Counter, "sum:http.errors{service:$service,env:prod}.as_count()", "sum:http.errors{service:checkout,env:prod}.as_count().rollup(sum, 30)"},
		{Counter, "sum:http.errors{service:$service} by {pod}", "sum:http.errors{service:checkout} by {pod}.as_count().rollup(sum, 30)"},
		{Counter, "default_zero(sum:http.errors{a:b}.as_count())", "default_zero(sum:http.errors{a:b}.as_count().rollup(sum, 30))"},
		{Counter, "sum:http.errors{a:b}.as_rate()", "error: names counts, not rates"},
		{Counter, "avg:http.errors{a:b}", "error: names counts, not rates"},
		{Counter, "default_zero(sum:http.errors{a:b}", "error: names counts"},
		{Counter, "per_second(sum:http.errors{a:b})", "error: names counts"},
		{Gauge, "p99:trace.http{service:$service}", "p99:trace.http{service:checkout}.rollup(avg, 30)"},
		{Gauge, "max:queue{a:b}", "max:queue{a:b}.rollup(max, 30)"},
		{Gauge, "sum:hits{a:b}.as_count()", "sum:hits{a:b}.as_count().rollup(sum, 30)"},
		{Expr, "sum:a{x:y}.rollup(sum, $step) / sum:b{x:y}.rollup(sum, $step)", "sum:a{x:y}.rollup(sum, 30) / sum:b{x:y}.rollup(sum, 30)"},
		{Expr, "sum:a{x:y} / sum:b{x:y}", "error: is not fixed"},
		{Gauge, "avg:a{$service}", "error: behind a tag's name"},
		{Gauge, "avg:$service{a:b}", "error: behind a tag's name"},
		{Gauge, "avg:a{a:b", "error: brackets"},
	} {
		got, err := datadogQuery(Query{Kind: c.kind, Text: c.text}, values{vars: map[string]string{"service": "checkout"}}, 30)
		if want, failed := strings.CutPrefix(c.want, "error: "); failed && (err == nil || !strings.Contains(err.Error(), want)) || !failed && got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.text, got, err, c.want)
		}
	}
	for _, value := range hostileValues {
		got, err := fillDatadog("sum:m{service:$service,env:x}", values{vars: map[string]string{"service": value}}, 30)
		inside := strings.TrimSuffix(strings.TrimPrefix(got, "sum:m{service:"), ",env:x}")
		if err != nil || strings.ContainsAny(inside, " ,{}()*!\"'\\|\n") {
			t.Errorf("%q: got %s, %v", value, got, err)
		}
	}
}

func TestDatadogOptions(t *testing.T) {
	for _, site := range datadogSites {
		if d, err := newDatadog(DatadogOptions{DatadogAccount: DatadogAccount{Site: site, APIKey: suiteToken, AppKey: suiteToken}}); err != nil || d.client.URL() != "https://api."+site {
			t.Errorf("%s: %v", site, err)
		}
	}
	for want, o := range map[string]DatadogOptions{
		"want both":         {DatadogAccount: DatadogAccount{Site: "datadoghq.eu", APIKey: suiteToken}},
		"none of Datadog's": {DatadogAccount: DatadogAccount{Site: "datadog.eu", APIKey: suiteToken, AppKey: suiteToken}},
		"only one of them":  {DatadogAccount: DatadogAccount{APIKey: suiteToken, AppKey: suiteToken}},
		"0s to 10m":         {DatadogAccount: DatadogAccount{Site: "datadoghq.eu", APIKey: suiteToken, AppKey: suiteToken}, Delay: time.Hour},
	} {
		if _, err := newDatadog(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
