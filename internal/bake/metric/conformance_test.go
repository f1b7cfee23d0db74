package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// adapter is what the suite must know of a source. A new source gets one, or says in unadapted why not.
type adapter struct {
	name  string
	dir   string // of the replies, default the name
	build func(httpx.Remote) (Source, error)
	query Query
	// from and to is the window of the recorded replies; zero: the replies are of now, as from a source without history.
	from, to time.Time
	step     time.Duration
	ext      string             // of the replies, default json
	files    map[string]string  // replies that have another name, "-": there is no such one
	kind     string             // Content-Type, default application/json
	points   int                // of the reply "success"
	empties  int                // points of the reply "empty"
	nulls    int                // points of the reply "null": those that are numbers
	partial  Trouble            // of the reply "partial", "" where it is an answer
	expect   map[string]Trouble // where it differs
	small    string             // a reply that is repeated until it is too large, default JSON
}

func datadogAccount(r httpx.Remote) DatadogAccount {
	return DatadogAccount{Remote: r, APIKey: suiteToken, AppKey: httpx.NewSecret("hunter2-of-app")}
}

// conformance are the adapters; each source's own test file has more of its own.
var conformance = []adapter{
	{
		name: "alertmanager", points: 1, nulls: 1, // no alert is an answer: nothing fires
		build: func(r httpx.Remote) (Source, error) {
			return newAlertmanager(AlertmanagerOptions{Remote: r, Token: suiteToken})
		},
		query: Query{Kind: Gauge, Text: `{service="$service"}`}, files: map[string]string{"partial": "-"}, empties: 1,
	},
	{
		name: "datadog", dir: "datadog-query", points: 3,
		build: func(r httpx.Remote) (Source, error) {
			return newDatadog(DatadogOptions{DatadogAccount: datadogAccount(r)})
		},
		query: Query{Kind: Counter, Text: `sum:http.requests{service:$service}`}, from: time.Unix(1795671180, 0), to: time.Unix(1795671300, 0), files: map[string]string{"partial": "-"},
	},
	{
		name: "datadog", dir: "datadog-timeseries", points: 3, partial: Truncated,
		build: func(r httpx.Remote) (Source, error) {
			return newDatadog(DatadogOptions{DatadogAccount: datadogAccount(r)})
		},
		query: Query{Kind: Expr, Text: `{"queries": [{"data_source": "metrics", "name": "a", "query": "sum:http.errors{service:$service}.as_count()"},
			{"data_source": "metrics", "name": "b", "query": "sum:http.requests{service:$service}.as_count()"}], "formulas": [{"formula": "a / b"}]}`},
		from: time.Unix(1795671180, 0), to: time.Unix(1795671300, 0),
	},
	{
		name: "datadog-gate", points: 1,
		build: func(r httpx.Remote) (Source, error) {
			d, err := newDatadogGate(datadogAccount(r))
			if err == nil {
				d.Since(time.Now())
			}
			return d, err
		},
		query: Query{Kind: Gauge, Text: `service:$service env:$environment version:$version`}, files: map[string]string{"partial": "-"},
		expect: map[string]Trouble{"404": BadQuery, "empty": BackendDown, "null": BackendDown},
	},
	{
		name: "datadog-monitors", points: 1, nulls: 0, // no monitor is no evidence
		build: func(r httpx.Remote) (Source, error) { return newDatadogMonitors(datadogAccount(r)) },
		query: Query{Kind: Gauge, Text: `service:$service env:$environment`}, files: map[string]string{"partial": "-"},
	},
	{
		name: "elasticsearch", points: 5, empties: 5, nulls: 3, partial: Truncated, // no document in an interval is 0
		build: func(r httpx.Remote) (Source, error) { return elasticKnowing(r, "@timestamp", "service.name", "level") },
		query: Query{Kind: Counter, Text: `service.name:"$service" AND level:error`}, from: time.Unix(1795250200, 0), to: time.Unix(1795250250, 0),
	},
	{
		name: "graphite", points: 5,
		build: func(r httpx.Remote) (Source, error) {
			return newGraphite(GraphiteOptions{Remote: r, Token: suiteToken})
		},
		query: Query{Kind: Counter, Text: `stats.$service.*`}, from: time.Unix(1795250200, 0), to: time.Unix(1795250300, 0), files: map[string]string{"partial": "-"},
	},
	{
		name: "influxdb", points: 3, partial: Truncated,
		build: func(r httpx.Remote) (Source, error) {
			return newInfluxDB(InfluxDBOptions{Remote: r, Token: suiteToken, Database: "telegraf"})
		},
		query: Query{Kind: Counter, Text: `SELECT "count" FROM "http" WHERE "app" = '$service' AND $window`}, from: time.Unix(1795671180, 0), to: time.Unix(1795671300, 0),
	},
	{
		name: "influxdb", points: 4, dir: "influxdb2", ext: "csv", kind: "application/csv", small: "a,b\n",
		build: func(r httpx.Remote) (Source, error) {
			return newInfluxDB(InfluxDBOptions{Remote: r, Token: suiteToken, Org: "acme"})
		},
		query: Query{Kind: Counter, Text: `from(bucket: "telegraf") |> range($window) |> filter(fn: (r) => r.app == "$service")`},
		from:  time.Unix(1795671180, 0), to: time.Unix(1795671300, 0), files: map[string]string{"partial": "-"},
	},
	{
		name: "cloudwatch", points: 3, partial: Truncated,
		build: func(r httpx.Remote) (Source, error) { return cloudWatchAt(r) },
		query: Query{Kind: Counter, Text: `AWS/Lambda Errors{FunctionName=$service} Sum`}, from: time.Unix(1795250200, 0), to: time.Unix(1795250500, 0),
	},
	{
		name: "grafana", points: 3, partial: Truncated, files: map[string]string{"success": "frames", "401": "query-401", "403": "query-403"},
		build: func(r httpx.Remote) (Source, error) {
			return newGrafana(GrafanaOptions{Remote: r, Token: suiteToken, Datasource: "prom-1", Type: "prometheus"})
		},
		query: Query{Kind: Counter, Text: `http_requests_total{app="$service"}`}, from: time.Unix(1795250200, 0), to: time.Unix(1795250300, 0),
	},
	{
		name: "grafana-alerts", points: 1, // no rule is no evidence
		build: func(r httpx.Remote) (Source, error) {
			return newGrafanaAlerts(GrafanaAlertsOptions{Remote: r, Token: suiteToken})
		},
		query: Query{Kind: Gauge, Text: `{service="$service"}`}, files: map[string]string{"partial": "-"},
	},
	{
		name: "newrelic", points: 3, partial: Truncated,
		build: func(r httpx.Remote) (Source, error) {
			return newNewRelic(NewRelicOptions{Remote: r, Account: 42, APIKey: suiteToken})
		},
		query: Query{Kind: Counter, Text: `SELECT count(*) FROM Transaction WHERE appName = '$service'`}, from: time.Unix(1795250200, 0), to: time.Unix(1795250300, 0),
	},
	{
		name: "prometheus", points: 3, partial: Truncated, kind: "application/json",
		build: func(r httpx.Remote) (Source, error) {
			return newPrometheus(PrometheusOptions{Remote: r, Token: suiteToken, ScrapeInterval: new(time.Second)})
		},
		query: Query{Kind: Counter, Text: `x{app="$service"}`}, from: time.UnixMilli(1795250240000), to: time.UnixMilli(1795250250000),
		files: map[string]string{"success": "raw", "null": "-"},
	},
	{
		name: "prometheus", points: 3, partial: Truncated, kind: "application/json",
		build: func(r httpx.Remote) (Source, error) {
			return newPrometheus(PrometheusOptions{Remote: r, Token: suiteToken, ScrapeInterval: new(time.Second)})
		},
		query: Query{Kind: Histogram, Text: `http_request_duration_seconds{app="$service"}`}, from: time.UnixMilli(1795250240000), to: time.UnixMilli(1795250250000),
		files: map[string]string{"success": "native", "null": "-", "partial": "-", "huge": "-"}, // that is the same reader
	},
	{
		name: "prometheus", points: 3, partial: Truncated,
		build: func(r httpx.Remote) (Source, error) { return managedAt(r) },
		query: Query{Kind: Counter, Text: `x{app="$service"}`}, from: time.UnixMilli(1795250240000), to: time.UnixMilli(1795250250000),
		files: map[string]string{"success": "raw", "null": "-", "huge": "-"}, // it is read as the other one's
	},
	{
		name: "scrape", points: 1, ext: "txt", kind: "text/plain", small: "# " + strings.Repeat("x", 500) + "\n",
		build: func(r httpx.Remote) (Source, error) {
			r.URL += "/metrics"
			return newScrape(ScrapeOptions{Remote: r, Token: suiteToken})
		},
		query:  Query{Kind: Counter, Text: `http_requests_total{app="$service"}`},
		files:  map[string]string{"null": "-", "partial": "-"},
		expect: map[string]Trouble{"404": BadQuery, "html": BadQuery},
	},
	{
		name: "scrape", points: 2, ext: "txt", kind: "text/plain", small: "# " + strings.Repeat("x", 500) + "\n", // several targets
		build: func(r httpx.Remote) (Source, error) {
			urls := []string{r.URL + "/metrics", r.URL + "/other/metrics"}
			r.URL = ""
			return newScrape(ScrapeOptions{Remote: r, URLs: urls, Token: suiteToken})
		},
		query:  Query{Kind: Counter, Text: `http_requests_total{app="$service"}`},
		files:  map[string]string{"null": "-", "partial": "-"},
		expect: map[string]Trouble{"404": BadQuery, "html": BadQuery},
	},
	{
		name: "scrape", points: 1, ext: "txt", kind: "text/plain", small: "# " + strings.Repeat("x", 500) + "\n", // the addresses of a name
		build: func(r httpx.Remote) (Source, error) {
			r.URL += "/metrics"
			return newScrape(ScrapeOptions{Remote: r, DNS: "localhost", Token: suiteToken})
		},
		query:  Query{Kind: Counter, Text: `http_requests_total{app="$service"}`},
		files:  map[string]string{"null": "-", "partial": "-"},
		expect: map[string]Trouble{"404": BadQuery, "html": BadQuery},
	},
	{
		name: "web", points: 1, nulls: 0,
		build: func(r httpx.Remote) (Source, error) {
			return newWeb(WebOptions{Remote: r, Token: suiteToken, Method: "GET", Times: "unix", Value: "reply.stats.?errors.orValue(null)"})
		},
		query: Query{Kind: Counter, Text: `/stats?of=$service`}, files: map[string]string{"partial": "-"},
	},
}

// unadapted are the sources that no server's reply is an answer of: a command, and probes, to which a broken reply is what they look for.
var unadapted = []string{"exec", "probe"}

var suiteToken = httpx.NewSecret("hunter2hunter2")

func TestEverySourceConforms(t *testing.T) {
	have := slices.Clone(unadapted)
	for _, a := range conformance {
		if have = append(have, a.name); Sources[a.name] == nil {
			t.Errorf("%s is not in Sources", a.name)
		}
	}
	for name := range Sources {
		if !slices.Contains(have, name) {
			t.Errorf("%s has no adapter in the conformance suite", name)
		}
	}
	for _, a := range conformance {
		t.Run(cmp.Or(a.dir, a.name), a.run)
	}
}

func (a adapter) run(t *testing.T) {
	a.query.ID, a.query.Vars = "q", map[string]string{"service": "checkout", "environment": "production", "version": "v2"}
	a.ext, a.kind = cmp.Or(a.ext, "json"), cmp.Or(a.kind, "application/json")
	success := a.reply(t, "success")
	for name, c := range map[string]struct {
		status  int
		body    string
		trouble Trouble
		points  int
	}{
		"success": {200, success, "", a.points},
		"empty":   {200, a.reply(t, "empty"), "", a.empties},
		"null":    {200, a.reply(t, "null"), "", a.nulls},
		"partial": {200, a.reply(t, "partial"), a.partial, a.points},
		"401":     {401, a.reply(t, "401"), Unauthorized, 0},
		"403":     {403, a.reply(t, "403"), Unauthorized, 0},
		"404":     {404, a.reply(t, "404"), BackendDown, 0},
		"429":     {429, a.reply(t, "429"), BackendDown, 0},
		"500":     {500, a.reply(t, "500"), BackendDown, 0},
		"html":    {200, "<!DOCTYPE html><html><title>Sign in</title><body>password=1</body></html>", BackendDown, 0},
		"cut":     {200, success[:len(success)*2/3], Truncated, 0},
		"huge":    {200, a.files["huge"], Truncated, 0},
	} {
		if c.body == "-" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if name != "huge" { // one at a time: it costs a core for seconds, and a source has a time limit
				t.Parallel() // those that are down are tried again, after a while
			}
			kind := a.kind
			if name == "html" {
				kind = "text/html"
			}
			src := a.serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", kind)
				w.WriteHeader(c.status)
				if name == "huge" {
					a.serveHuge(w)
				}
				fmt.Fprint(w, c.body)
			})
			want := c.trouble
			if other, ok := a.expect[name]; ok {
				want = other
			}
			a.check(t, src, want, c.points)
		})
	}
	t.Run("secret", func(t *testing.T) { t.Parallel(); a.testSecret(t) })
	t.Run("hang", func(t *testing.T) { t.Parallel(); a.testHang(t) })
	t.Run("cancel", func(t *testing.T) { t.Parallel(); a.testCancel(t) })
	t.Run("refused", func(t *testing.T) { t.Parallel(); a.testRefused(t) })
	t.Run("again", func(t *testing.T) { t.Parallel(); a.testAgain(t, success) })
	t.Run("variable", func(t *testing.T) { t.Parallel(); a.testNoValue(t) })
}

// reply is a reply under testdata/api, "-" where the source has no such one.
func (a adapter) reply(t *testing.T, name string) string {
	t.Helper()
	file := cmp.Or(a.files[name], name)
	if file == "-" {
		return "-"
	}
	b, err := os.ReadFile(filepath.Join("../../../testdata/api", cmp.Or(a.dir, a.name), file+"."+a.ext))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// serveHuge sends more than any source reads, and holds none of it.
func (a adapter) serveHuge(w http.ResponseWriter) {
	small := strings.Repeat(cmp.Or(a.small, " "), 1<<10)
	if a.small == "" {
		fmt.Fprint(w, `{"data":`)
	}
	for sent := 0; sent < 70<<20; sent += len(small) {
		if _, err := fmt.Fprint(w, small); err != nil {
			return // it has read enough
		}
	}
}

func (a adapter) serve(t *testing.T, h http.HandlerFunc) Source {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	src, err := a.build(httpx.Remote{URL: server.URL, Timeout: 2 * time.Minute}) // as long as a busy machine needs for 64 MB
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// ask asks for the window of the replies.
func (a adapter) ask(ctx context.Context, src Source) ([]Series, error) {
	from, to, step := a.from, a.to, a.step
	if from.IsZero() {
		from, to = time.Now().Add(-time.Minute), time.Now().Add(time.Minute)
	}
	if step == 0 {
		step = 10 * time.Second
	}
	return src.Range(ctx, []Query{a.query}, from, to, step)
}

func (a adapter) check(t *testing.T, src Source, want Trouble, points int) {
	t.Helper()
	if err := src.Check(a.query); err != nil {
		t.Errorf("check: %v", err)
	}
	got, err := a.ask(t.Context(), src)
	if want == "" {
		if n := pointsOf(t, got); err != nil || n != points {
			t.Errorf("got %v, %v, want %d points", got, err, points)
		}
		return
	}
	if q := troubleOf(t, err); q.Trouble != want || q.Query != "q" || len(got) != 0 {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
	if strings.Contains(err.Error(), "password=1") || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("unsafe: %q", err)
	}
}

func pointsOf(t *testing.T, all []Series) (n int) {
	t.Helper()
	for _, s := range all {
		if s.Query != "q" {
			t.Errorf("a series of query %q", s.Query)
		}
		n += len(s.Points)
		if notes := strings.Join(s.Notes, ""); len(s.Notes) > maxNotes || len(notes) > 2*maxNotes*maxNote || strings.ContainsAny(notes, "\n\x1b") || strings.Contains(notes, "hunter2") {
			t.Errorf("notes that are not bounded, clean or safe: %q", s.Notes)
		}
		for i := 1; i < len(s.Points); i++ {
			if !s.Points[i].T.After(s.Points[i-1].T) {
				t.Errorf("points out of order: %v", s.Points)
			}
		}
	}
	return n
}

// A server that gives back what it was sent must not get a secret into a message.
func (a adapter) testSecret(t *testing.T) {
	for _, status := range []int{400, 401, 500} {
		src := a.serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, r.Header, r.URL)
		})
		if _, err := a.ask(t.Context(), src); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
}

func (a adapter) testHang(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(hang))
	t.Cleanup(server.Close)
	src, err := a.build(httpx.Remote{URL: server.URL, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	a.check(t, src, BackendDown, 0)
	if d := time.Since(begun); d > 40*time.Second {
		t.Errorf("it took %s", d)
	}
}

// hang never answers. A server notices that the client left once it has read the body.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func (a adapter) testCancel(t *testing.T) {
	src := a.serve(t, hang)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begun := time.Now()
	_, err := a.ask(ctx, src)
	if !errors.Is(err, context.Canceled) || time.Since(begun) > 20*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begun))
	}
}

func (a adapter) testRefused(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	src, err := a.build(httpx.Remote{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	a.check(t, src, BackendDown, 0)
}

// Asked twice for a window that is over, a source gives the same points.
func (a adapter) testAgain(t *testing.T, success string) {
	var asked atomic.Int64
	src := a.serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", a.kind)
		fmt.Fprint(w, success)
	})
	if a.from.IsZero() {
		a.from = time.Now().Add(-time.Minute)
		if _, err := src.Range(t.Context(), []Query{a.query}, a.from, time.Now().Add(time.Minute), time.Second); err != nil {
			t.Fatal(err)
		}
		a.to = time.Now().Add(time.Millisecond)
		time.Sleep(2 * time.Millisecond)
	}
	first, err1 := a.ask(t.Context(), src)
	second, err2 := a.ask(t.Context(), src)
	if err1 != nil || err2 != nil || pointsOf(t, first) != a.points || fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("got %v, %v and then %v, %v", first, err1, second, err2)
	}
}

// A variable without a value would select something else.
func (a adapter) testNoValue(t *testing.T) {
	src := a.serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	a.query.Vars = map[string]string{"service": ""}
	_, err := a.ask(t.Context(), src)
	if q := troubleOf(t, err); q.Trouble != BadQuery || !strings.Contains(err.Error(), "$service has no value") {
		t.Errorf("got %v", err)
	}
}
