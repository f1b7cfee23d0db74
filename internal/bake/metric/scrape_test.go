package metric

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakegate/bakegate/internal/demo/shop"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

func scrapeOf(t *testing.T, url string) *scrape {
	t.Helper()
	s, err := newScrape(ScrapeOptions{Remote: httpx.Remote{URL: url, Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pages serves one text after the other; the last one stays.
func pages(t *testing.T, texts ...string) (*scrape, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, texts[min(int(n.Add(1))-1, len(texts)-1)])
	}))
	t.Cleanup(server.Close)
	return scrapeOf(t, server.URL+"/metrics"), &n
}

// forget lets the next call scrape again without waiting.
func (s *scrape) forget() { s.last = s.last.Add(-scrapeReuse) }

// poll scrapes now, and returns everything that was seen since the beginning.
func poll(t *testing.T, s *scrape, qs ...Query) ([]Series, error) {
	t.Helper()
	s.forget()
	return s.Range(t.Context(), qs, time.Now().Add(-time.Hour), time.Now().Add(time.Minute), 30*time.Second)
}

func TestScrapeShop(t *testing.T) {
	server, err := shop.Start(shop.Config{Version: "v2", Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	sent := shop.Load(ctx, server.URL, 300)
	s := scrapeOf(t, server.MetricsURL())
	queries := []Query{
		{ID: "total", Kind: Counter, Text: `http_requests_total{app="$service",version=~"$version"}`, Vars: map[string]string{"service": "shop", "version": "v2"}},
		{ID: "bad", Kind: Counter, Text: `http_requests_total{code=~"5.."}`},
		{ID: "latency", Kind: Histogram, Text: `http_request_duration_seconds{handler="/"}`},
		{ID: "up", Kind: Gauge, Text: `app_info`},
		{ID: "expr", Kind: Expr, Text: `sum(app_info)`},
	}
	got, err := poll(t, s, queries...)
	if q := troubleOf(t, err); q.Query != "expr" || q.Trouble != BadQuery || !strings.Contains(err.Error(), "no query language") {
		t.Errorf("got error %v, want that of the expression", err)
	}
	count := map[string]int{}
	total := 0.0
	for _, x := range got {
		count[x.Query]++
		if len(x.Points) != 1 || time.Since(x.Points[0].T) > 10*time.Second {
			t.Errorf("%s %v: points %v", x.Query, x.Labels, x.Points)
		}
		if x.Query == "total" {
			total += x.Points[0].V
		}
		if x.Query == "latency" && (x.Labels["le"] == "" || x.Name != "http_request_duration_seconds_bucket") {
			t.Errorf("bucket %s %v", x.Name, x.Labels)
		}
	}
	if want := map[string]int{"total": 2, "latency": 12, "up": 1}; !reflect.DeepEqual(count, want) {
		t.Errorf("got series %v, want %v", count, want)
	}
	if total != float64(sent.OK) {
		t.Errorf("got %v requests, the load was %+v", total, sent)
	}
	server.Restart() // a later start time: a restart, not a second process
	if _, err := poll(t, s, queries[0]); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	closed := time.Now()
	a, _ := s.Range(t.Context(), queries[:1], closed.Add(-time.Hour), closed, time.Second)
	poll(t, s, queries[0])
	if b, _ := s.Range(t.Context(), queries[:1], closed.Add(-time.Hour), closed, time.Second); !reflect.DeepEqual(a, b) {
		t.Errorf("twice the same window:\n%v\n%v", a, b)
	}
}

func TestScrapeOncePerStep(t *testing.T) {
	s, n := pages(t, "a 1\nb NaN\n")
	a, b := Query{ID: "a", Kind: Gauge, Text: "a"}, Query{ID: "b", Kind: Gauge, Text: "b"}
	now := time.Now()
	ask := func(from, to time.Time, qs ...Query) []Series {
		got, err := s.Range(t.Context(), qs, from, to, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := ask(now, now.Add(time.Minute), a, b); len(got) != 2 || n.Load() != 1 || !math.IsNaN(got[1].Points[0].V) {
		t.Errorf("got %v of %d scrapes, want both of one", got, n.Load())
	}
	ask(now, now.Add(time.Minute), a, b)
	if n.Load() != 1 {
		t.Errorf("%d scrapes, want a second call to share the first one", n.Load())
	}
	ask(now, now.Add(time.Minute), a, Query{ID: "c", Kind: Gauge, Text: "c"})
	if n.Load() != 2 {
		t.Errorf("%d scrapes, want a new query to have one", n.Load())
	}
	s.forget()
	ask(now.Add(-time.Hour), now.Add(-30*time.Minute), a, b)
	if n.Load() != 2 {
		t.Errorf("%d scrapes, want none for a window long ago", n.Load())
	}
}

func TestScrapeOutage(t *testing.T) {
	server, err := shop.Start(shop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	proxy := realtest.CutProxy(t, server.Addr())
	s := scrapeOf(t, proxy.URL+"/metrics")
	q := Query{ID: "q", Kind: Gauge, Text: "app_info"}
	if _, err := poll(t, s, q); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	if _, err := poll(t, s, q); troubleOf(t, err).Trouble != BackendDown {
		t.Errorf("got %v", err)
	}
	proxy.Resume()
	if got, err := poll(t, s, q); err != nil || len(got) != 1 || len(got[0].Points) != 2 {
		t.Errorf("after the outage: got %v, %v", got, err)
	}
}

func TestScrapeReplies(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		kind    string
		body    string
		trouble Trouble
		want    string
	}{
		"web page":        {200, "text/html; charset=utf-8", "<html>", BadQuery, "got a web page (text/html), want Prometheus text"},
		"unnamed page":    {200, "", "<!doctype html><title>x", BadQuery, "web page"},
		"not found":       {404, "text/plain", "no", BadQuery, "HTTP 404 Not Found: there is nothing at this path"},
		"forbidden":       {403, "text/plain", "no", Unauthorized, "HTTP 403"},
		"server error":    {503, "text/plain", "no", BackendDown, "HTTP 503"},
		"not the format":  {200, "text/plain", "q 1\n\n# comment\nhello world\n", BadQuery, `line 4 is not Prometheus text: expected float as value, got "world"`},
		"JSON":            {200, "application/json", "{\"a\": 1}\n", BadQuery, "line 1 is not Prometheus text"},
		"cut off":         {200, "text/plain", "q 1\nr 2", Truncated, "line 2 has no end"},
		"above the cap":   {200, "text/plain", strings.Repeat("# a line of a page that is too long\n", 500_000), Truncated, "larger than 16 MiB"},
		"a very long one": {200, "text/plain", "q{a=\"" + strings.Repeat("x", 2<<20), BadQuery, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.kind != "" {
					w.Header().Set("Content-Type", c.kind)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			defer server.Close()
			got, err := poll(t, scrapeOf(t, server.URL+"/metrics"), Query{ID: "q", Kind: Gauge, Text: "q"})
			if q := troubleOf(t, err); q.Trouble != c.trouble || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), server.URL) || len(got) != 0 {
				t.Errorf("got %v, %v; want %s: %s", got, err, c.trouble, c.want)
			}
		})
	}
}

// turn is a page of one process.
func turn(start, requests float64) string {
	page := fmt.Sprintf("requests_total %v\n", requests)
	if start != 0 {
		page += fmt.Sprintf("process_start_time_seconds %v\n", start)
	}
	return page
}

func TestScrapeReplicas(t *testing.T) {
	const old, young, youngest = 1.7e9, 1.7e9 + 3600, 1.7e9 + 7200
	for name, c := range map[string]struct {
		pages []string
		found bool
	}{
		"one process":              {[]string{turn(old, 10), turn(old, 20), turn(old, 30)}, false},
		"restarts":                 {[]string{turn(old, 10), turn(young, 1), turn(youngest, 2), turn(youngest, 30)}, false},
		"there and back":           {[]string{turn(old, 10), turn(young, 1), turn(old, 20)}, true},
		"an older one":             {[]string{turn(young, 1), turn(old, 1000)}, true},
		"clocks that differ":       {[]string{turn(young, 1), turn(young-2, 0)}, false},
		"no start time":            {[]string{turn(0, 1000), turn(0, 200), turn(0, 1010), turn(0, 210), turn(0, 1020), turn(0, 220)}, true},
		"no start time, uneven":    {[]string{turn(0, 1000), turn(0, 1001), turn(0, 200), turn(0, 205), turn(0, 1010), turn(0, 210), turn(0, 1020), turn(0, 220)}, true},
		"one start time, workers":  {[]string{turn(old, 1000), turn(old, 200), turn(old, 1010), turn(old, 210), turn(old, 1020), turn(old, 220)}, true},
		"crashes again and again":  {[]string{turn(0, 100), turn(0, 3), turn(0, 90), turn(0, 2), turn(0, 110), turn(0, 3), turn(0, 120), turn(0, 1)}, false},
		"crashes, known as such":   {[]string{turn(1, 10), turn(2, 3), turn(3, 11), turn(4, 4), turn(5, 12), turn(6, 5), turn(7, 13)}, false},
		"restart, then it goes on": {[]string{turn(0, 100), turn(0, 10), turn(0, 50), turn(0, 150), turn(0, 250), turn(0, 350)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := pages(t, c.pages...)
			q := Query{ID: "q", Kind: Counter, Text: "requests_total"}
			var err error
			for range c.pages {
				_, err = poll(t, s, q)
				time.Sleep(2 * time.Millisecond) // points of one series are a millisecond apart at least
			}
			if !c.found {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if got := troubleOf(t, err); got.Trouble != LoadBalanced {
				t.Fatalf("got %v", err)
			}
			if _, err := poll(t, s, q); err == nil {
				t.Error("it was forgotten with the next scrape")
			}
		})
	}
}

func TestScrapeOptions(t *testing.T) {
	secret := map[string]httpx.Secret{"X-Key": httpx.NewSecret("hunter2hunter2")}
	for name, c := range map[string]struct {
		o    ScrapeOptions
		want string
	}{
		"plain http in a cluster":   {ScrapeOptions{Remote: httpx.Remote{URL: "http://shop.prod.svc:8080/metrics"}}, ""},
		"with a token":              {ScrapeOptions{Remote: httpx.Remote{URL: "http://shop.prod.svc/metrics"}, Token: httpx.NewSecret("hunter2hunter2")}, "plain http"},
		"with a header":             {ScrapeOptions{Remote: httpx.Remote{URL: "http://shop.prod.svc/metrics", Headers: secret}}, "plain http"},
		"with a header, on purpose": {ScrapeOptions{Remote: httpx.Remote{URL: "http://shop.prod.svc/metrics", Headers: secret, Insecure: true}}, ""},
		"no path":                   {ScrapeOptions{Remote: httpx.Remote{URL: "http://shop:8080"}}, "want the whole address of the metrics page, http://shop:8080/metrics"},
		"no url":                    {ScrapeOptions{}, "url is missing"},
	} {
		_, err := newScrape(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a secret in %v", name, err)
		}
	}
}

// network answers requests in memory, so that time can stand still.
type network func(*http.Request) (*http.Response, error)

func (n network) RoundTrip(r *http.Request) (*http.Response, error) { return n(r) }

func TestScrapeThroughABake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s := scrapeOf(t, "http://shop/metrics")
		s.place.(those)[0].http = &http.Client{Transport: network(func(*http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			fmt.Fprintf(w, "requests_total %d\n", int(time.Since(begun).Seconds()))
			return w.Result(), nil
		})}
		q := []Query{{ID: "q", Kind: Counter, Text: "requests_total"}}
		var tiled []Point
		for last := begun; time.Since(begun) < 15*time.Minute; time.Sleep(30 * time.Second) {
			now := time.Now()
			got, err := s.Range(t.Context(), q, last, now, 30*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range got {
				tiled = append(tiled, x.Points...)
			}
			last = now
		}
		if len(tiled) != 29 { // the 30th scrape is at the end of the last window, which does not hold it
			t.Fatalf("got %d points", len(tiled))
		}
		for i, p := range tiled {
			if p.V != float64(30*i) || !p.T.Equal(begun.Add(time.Duration(i)*30*time.Second)) {
				t.Errorf("point %d: %v", i, p)
			}
		}
	})
}

func TestExposition(t *testing.T) {
	const page = `# HELP h a histogram
# TYPE h histogram
h_bucket{le="0.5"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
{"utf.8 name", "a b"="c"} 4 1700000000000

x{path="a\nb\"c\\",z=""} 1e3
`
	got := map[string]float64{}
	err := readExposition(strings.NewReader(page), "text/plain", func(x exposed) error {
		got[x.name+fmt.Sprint(x.labels)] = x.v
		return nil
	})
	want := map[string]float64{
		"h_bucketmap[le:0.5]": 1, "h_bucketmap[le:+Inf]": 2, "h_summap[]": 3, "h_countmap[]": 2,
		"utf.8 namemap[a b:c]": 4, "xmap[path:a\nb\"c\\ z:]": 1000,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	var many strings.Builder
	for i := range 3500 {
		fmt.Fprintf(&many, "m{i=\"%d\"} %d\n", i, i)
	}
	n := 0
	if err := readExposition(strings.NewReader(many.String()), "text/plain", func(exposed) error { n++; return nil }); err != nil || n != 3500 {
		t.Errorf("got %d samples, %v", n, err)
	}
	err = readExposition(strings.NewReader(many.String()+"broken\n"), "text/plain", func(exposed) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "line 3501 ") {
		t.Errorf("got %v, want the number of the line", err)
	}
}

func FuzzExposition(f *testing.F) {
	f.Add("a 1\n")
	f.Add("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\n")
	f.Add("{\"utf.8\", a=\"c\\n\"} NaN 17\n\n")
	f.Add("<html>")
	f.Fuzz(func(t *testing.T, page string) {
		err := readExposition(strings.NewReader(page), "text/plain", func(x exposed) error {
			if x.name == "" {
				t.Error("a sample without a name")
			}
			return nil
		})
		if err == nil && page != "" && !strings.HasSuffix(page, "\n") {
			t.Errorf("a page that is cut off passed: %q", page)
		}
	})
}
