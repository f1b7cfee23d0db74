package metric

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bakegate/bakegate/internal/httpx"
)

// worker is a process that serves a page.
type worker struct {
	mu   sync.Mutex
	page string // "" is a process that fails
	host string // what the last request was for
	name string // and what its TLS asked for
}

func (w *worker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host = r.Host
	if r.TLS != nil {
		w.name = r.TLS.ServerName
	}
	if w.page == "" {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprint(rw, w.page)
}

func (w *worker) shows(page string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.page = page
}

// asked is what the last request was for, and by which name.
func (w *worker) asked() (host, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.host, w.name
}

func workers(t *testing.T, n int) (ws []*worker, urls []string) {
	t.Helper()
	for range n {
		w := &worker{}
		s := httptest.NewServer(w)
		t.Cleanup(s.Close)
		ws, urls = append(ws, w), append(urls, s.URL+"/metrics")
	}
	return ws, urls
}

// last is the last value of each series by its labels.
func last(all []Series) map[string]float64 {
	out := map[string]float64{}
	for _, s := range all {
		out[fmt.Sprint(s.Labels)] = s.Points[len(s.Points)-1].V
	}
	return out
}

func TestScrapeSeveral(t *testing.T) {
	ws, urls := workers(t, 3)
	for i, w := range ws {
		w.shows(fmt.Sprintf("requests_total{code=\"200\",instance=\"own\"} %d\n", 10*i))
	}
	s, err := newScrape(ScrapeOptions{URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	q := Query{ID: "q", Kind: Counter, Text: `requests_total{code=~"2.."}`}
	host := func(i int) string { return strings.TrimSuffix(strings.TrimPrefix(urls[i], "http://"), "/metrics") }
	want := map[string]float64{}
	for i := range ws {
		want[fmt.Sprintf("map[code:200 exported_instance:own instance:%s]", host(i))] = float64(10 * i)
	}
	got, err := poll(t, s, q)
	if err != nil || !reflect.DeepEqual(last(got), want) {
		t.Errorf("got %v, %v, want %v", last(got), err, want)
	}
	time.Sleep(2 * time.Millisecond) // points of one series are a millisecond apart at least
	one := Query{ID: "one", Kind: Counter, Text: `requests_total{instance="` + host(1) + `"}`}
	if got, err := poll(t, s, one); err != nil || len(got) != 1 || last(got)[fmt.Sprintf("map[code:200 exported_instance:own instance:%s]", host(1))] != 10 {
		t.Errorf("by its instance: got %v, %v", got, err)
	}
	ws[2].shows("")
	time.Sleep(2 * time.Millisecond)
	got, err = poll(t, s, q, one)
	if e := troubleOf(t, err); e.Trouble != Partial || !strings.Contains(err.Error(), "one: partial: 1 of 3 processes give no answer: "+urls[2]+": HTTP 503") {
		t.Errorf("got %v", err)
	}
	points := map[string]int{}
	for _, x := range got {
		points[x.Query+" "+x.Labels["instance"]] = len(x.Points)
	}
	if want := map[string]int{"q " + host(0): 3, "q " + host(1): 3, "q " + host(2): 2, "one " + host(1): 3}; !reflect.DeepEqual(points, want) {
		t.Errorf("one is silent: got points %v, want %v", points, want)
	}
	ws[0].shows("")
	ws[1].shows("")
	if got, err := poll(t, s, q); len(got) != 0 || troubleOf(t, err).Trouble != BackendDown {
		t.Errorf("all are silent: got %v, %v", got, err)
	}
	for _, w := range ws {
		w.shows("requests_total{code=\"200\"} 70\n")
	}
	if _, err := poll(t, s, q); err != nil {
		t.Errorf("all are back: %v", err)
	}
}

// shown is a page at a time since the source's first scrape; it ends where the next one begins.
type shown struct {
	at   time.Duration
	page string
}

// What is known of a process decides what its first numbers, and those after a restart, mean.
func TestScrapeWhenItBegan(t *testing.T) {
	begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of synctest's clock
	page := func(started time.Duration, n int, more string) string {
		return fmt.Sprintf("process_start_time_seconds %d\nrequests_total %d\n%s", begin.Add(started).Unix(), n, more)
	}
	hour := -time.Hour
	tests := []struct {
		name  string
		pages []shown
		want  string // of each point, and "late" in front
	}{
		{"it was there all the time", []shown{{0, page(hour, 100, "")}}, "100 100 100 100"},
		{"new", []shown{{time.Minute, page(45*time.Second, 100, "")}}, "100 100"},
		{"there, and seen late", []shown{{time.Minute, page(hour, 100, "")}}, "late 100 100"},
		{"it does not say, and is seen late", []shown{{time.Minute, "requests_total 100\n"}}, "late 100 100"},
		{"restarted, and counts more", []shown{{0, page(hour, 100, "")}, {time.Minute, page(45*time.Second, 120, "")}}, "100 100 began:120 120"},
		{"restarted, and counts less", []shown{{0, page(hour, 100, "")}, {time.Minute, page(45*time.Second, 20, "")}}, "100 100 began:20 20"},
		{"a start time that wavers", []shown{{0, page(hour, 100, "")}, {time.Minute, page(hour+2*time.Second, 120, "")}}, "100 100 120 120"},
		{"a counter's own time", []shown{{0, "requests_total 100\nrequests_created 946681000\n"}, {time.Minute, fmt.Sprintf("requests_total 120\nrequests_created %d\n", begin.Unix()+50)}}, "100 100 began:120 120"},
		{"a counter's time that is the scrape's", []shown{{0, "requests_total 100\nrequests_created 946681000\n"}, {time.Minute, fmt.Sprintf("requests_total 120\nrequests_created %d\n", begin.Unix()+60)}}, "100 100 120 120"},
		{"a counter's time, and the process stayed", []shown{{0, page(hour, 100, "requests_created 946681000\n")}, {time.Minute, page(hour, 120, fmt.Sprintf("requests_created %d\n", begin.Unix()+50))}}, "100 100 120 120"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := newScrape(ScrapeOptions{URLs: []string{"http://a:1/metrics", "http://b:1/metrics"}})
				if err != nil {
					t.Fatal(err)
				}
				s.place.(those)[0].http = &http.Client{Transport: network(func(*http.Request) (*http.Response, error) { return pageReply("requests_total 5\n"), nil })}
				s.place.(those)[1].http = &http.Client{Transport: network(func(*http.Request) (*http.Response, error) {
					now := ""
					for _, p := range tt.pages {
						if time.Since(begin) >= p.at {
							now = p.page
						}
					}
					return pageReply(now), nil
				})}
				q := []Query{{ID: "q", Kind: Counter, Text: `requests_total{instance="b:1"}`}}
				var got []Series
				for range 4 {
					got, _ = s.Range(t.Context(), q, begin, time.Now().Add(time.Second), 30*time.Second)
					time.Sleep(30 * time.Second)
				}
				if text := howItBegan(got); text != tt.want {
					t.Errorf("got %s, want %s", text, tt.want)
				}
			})
		})
	}
}

// pageReply is a page, or a process that fails.
func pageReply(page string) *http.Response {
	w := httptest.NewRecorder()
	if page == "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprint(w, page)
	return w.Result()
}

func howItBegan(all []Series) string {
	var out []string
	for _, s := range all {
		if s.Late {
			out = append(out, "late")
		}
		for _, p := range s.Points {
			text := fmt.Sprint(p.V)
			if p.Began {
				text = "began:" + text
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

// A process that was heard before a query was first asked, and then not until others had answered it, may have counted for long. A series that
// joins others of its metric is new.
func TestScrapeSilentWhileItBegan(t *testing.T) {
	ws, urls := workers(t, 2)
	ws[0].shows("requests_total 1\nup 1\n")
	ws[1].shows("requests_total 1000\nup 1\n")
	s, err := newScrape(ScrapeOptions{URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	q := Query{ID: "q", Kind: Counter, Text: `requests_total{instance="` + instanceOf(urls[1]) + `"}`}
	ask := func(q Query, page string) []Series {
		ws[1].shows(page)
		time.Sleep(scrapeReuse + 5*time.Millisecond)
		got, _ := s.Range(t.Context(), []Query{q}, time.Now().Add(-time.Hour), time.Now().Add(time.Minute), 30*time.Second)
		return got
	}
	ask(Query{ID: "up", Kind: Gauge, Text: "up"}, "up 1\n")
	ask(q, "")
	if got := howItBegan(ask(q, "requests_total 1000\n")); got != "late 1000" {
		t.Errorf("got %s", got)
	}
	ask(q, "")
	if got := howItBegan(ask(q, "requests_total 1000\nrequests_total{code=\"500\"} 3\n")); got != "3 late 1000 1000" {
		t.Errorf("got %s, want the second series to be new", got)
	}
}

func TestScrapeSeveralOptions(t *testing.T) {
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("http://10.0.0.%d:8080/metrics", i))
	}
	at := func(url, dns string, urls ...string) ScrapeOptions {
		return ScrapeOptions{Remote: httpx.Remote{URL: url}, DNS: dns, URLs: urls}
	}
	secret := at("", "", "https://a/metrics", "http://b/metrics")
	secret.Token = httpx.NewSecret("hunter2hunter2")
	for name, c := range map[string]struct {
		o    ScrapeOptions
		want string
	}{
		"several":               {at("", "", "http://a:8080/metrics", "http://b:8080/metrics"), ""},
		"one in a list":         {at("", "", "http://a:8080/metrics"), ""},
		"both":                  {at("http://a/metrics", "", "http://b/metrics"), "want one of them"},
		"a list and a name":     {at("", "pods", "http://b/metrics"), "want one of them"},
		"too many":              {at("", "", many...), "got 51, want at most 50"},
		"twice":                 {at("", "", "http://a/metrics", "http://a/metrics"), "urls[1]: http://a/metrics is there twice"},
		"one of them is wrong":  {at("", "", "http://a/metrics", "http://b"), "urls[1]: url http://b has no path"},
		"plain http, a secret":  {secret, "urls[1]: url http://b/metrics is plain http"},
		"a name":                {at("http://a:8080/metrics", "pods.prod.svc"), ""},
		"a name alone":          {at("", "pods.prod.svc"), "url is missing"},
		"a name with a port":    {at("http://a:8080/metrics", "pods:8080"), "want a name alone"},
		"a name that is an URL": {at("http://a:8080/metrics", "http://pods/metrics"), "want a name alone"},
		"a name with a newline": {at("http://a:8080/metrics", "po\nds"), "want a name alone"},
	} {
		_, err := newScrape(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a secret in %v", name, err)
		}
	}
	for address, want := range map[string]string{"http://a:8080/metrics": "a:8080", "https://a/metrics": "a:443", "http://[::1]:80/metrics": "[::1]:80", "https://a:1/admin/metrics": "a:1/admin", "https://a:1/stats": "a:1/stats"} {
		if got := instanceOf(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// Native histograms of several processes, as they come in protobuf.
func TestScrapeNative(t *testing.T) {
	r := exampleRegistry(t)
	server := httptest.NewServer(promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	t.Cleanup(server.Close)
	s := scrapeOf(t, server.URL+"/metrics")
	got, err := poll(t, s, Query{ID: "native", Kind: Histogram, Text: "native_seconds"}, Query{ID: "classic", Kind: Histogram, Text: "seconds"},
		Query{ID: "both", Kind: Histogram, Text: "both_seconds"}, Query{ID: "summary", Kind: Histogram, Text: "summary_seconds"}, Query{ID: "counter", Kind: Counter, Text: "native_seconds"})
	n := map[string]int{}
	for _, x := range got {
		n[x.Query]++
		if p := x.Points[0]; (p.Native != nil) != (x.Labels["le"] == "") || p.Native != nil && (p.V != 100 || math.Abs(p.Native.Count()-100) > 0) {
			t.Errorf("%s %s%v: %v", x.Query, x.Name, x.Labels, p)
		}
	}
	if want := map[string]int{"native": 1, "classic": 4, "both": 3}; err != nil || !reflect.DeepEqual(n, want) {
		t.Errorf("got %v, %v, want %v", n, err, want)
	}
}
