package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// recorded is a reply of a real server.
func recorded(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../testdata/api/prometheus", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fake serves the query API by hand, for what a healthy server does not do.
func fake(t *testing.T, serve http.HandlerFunc) *prometheus {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	return prometheusAt(t, server.URL+"/prefix/")
}

func TestPrometheusReplies(t *testing.T) {
	const ok = `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"x"},"values":[[1000,"1"]]}]}`
	for name, c := range map[string]struct {
		status  int
		kind    string
		body    string
		trouble Trouble
		want    string
	}{
		"success":             {200, "", ok + `}`, "", ""},
		"annotations":         {200, "", ok + `,"infos":["PromQL info: metric might not be a counter"],"warnings":["PromQL warning: mixed"]}`, "", ""},
		"empty":               {200, "", recorded(t, "empty.json"), "", ""},
		"VictoriaMetrics":     {200, "", `{"status":"success","isPartial":false,"data":{"resultType":"matrix","result":[]},"stats":{"seriesFetched":"0"}}`, "", ""},
		"bad data":            {400, "", recorded(t, "bad_data.json"), BadQuery, `HTTP 400 Bad Request: 1:6: parse error: expected type range vector`},
		"execution":           {422, "", recorded(t, "execution.json"), BadQuery, `many-to-many matching not allowed`},
		"too many samples":    {422, "", recorded(t, "too_many_samples.json"), TooMany, `would load too many samples`},
		"limit of Mimir":      {422, "", `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of series (limit: 100000) (err-mimir-max-series-per-query)"}`, TooMany, `exceeded`},
		"time-out":            {503, "", `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`, BackendDown, `gave up on the query`},
		"error with 200":      {200, "", `{"status":"error","errorType":"bad_data","error":"no\u001b[31m such\nthing"}`, BadQuery, `no[31m such thing`},
		"unauthorized":        {401, "", `{"status":"error","error":"no"}`, Unauthorized, `no token is configured`},
		"forbidden":           {403, "text/html", `<html>no`, Unauthorized, `HTTP 403 Forbidden`},
		"not found":           {404, "text/plain", `404 page not found`, BackendDown, `check url (without /api/v1)`},
		"bad gateway":         {502, "text/html", `<html><body>password=1</body>`, BackendDown, `HTTP 502 Bad Gateway`},
		"login page":          {200, "text/html", `<html>`, BackendDown, `got text/html, want JSON`},
		"unnamed page":        {200, "", `<!doctype html>`, BackendDown, `invalid character '<'`},
		"nothing":             {200, "", ``, Truncated, `ends too early`},
		"cut off":             {200, "", ok[:len(ok)-9], Truncated, `ends too early`},
		"partial, VM":         {200, "", ok + `,"isPartial":true}`, Truncated, `isPartial`},
		"partial, Thanos":     {200, "", ok + `,"warnings":["receive series from Addr: 10.0.0.1:10901: rpc error"]}`, Truncated, `the reply may be partial: receive series`},
		"vector":              {200, "", `{"status":"success","data":{"resultType":"vector","result":[]}}`, BackendDown, `result type "vector", want a matrix`},
		"native histogram":    {200, "", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"h"},"histograms":[[1000,{"count":"1"}]]}]}}`, BadQuery, `h is a native histogram`},
		"values are no list":  {200, "", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":{"a":1}}]}}`, BackendDown, `are not a list`},
		"samples are numbers": {200, "", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[1000,"1"]}]}}`, BackendDown, `is not [time,"value"]`},
		"a list":              {200, "", `[]`, BackendDown, `want a JSON object`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // those that are down are tried again, after a while
			p := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/prefix/api/v1/query" || r.Method != http.MethodPost {
					t.Errorf("got %s %s", r.Method, r.URL)
				}
				w.Header().Set("Content-Type", "application/json")
				if c.kind != "" {
					w.Header().Set("Content-Type", c.kind)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			got, err := p.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: "x"}}, time.Unix(900, 0), time.Unix(1100, 0), 0)
			if c.trouble == "" {
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(c.body, ok) && (len(got) != 1 || len(got[0].Points) != 1) {
					t.Errorf("got %v", got)
				}
				return
			}
			if q := troubleOf(t, err); q.Trouble != c.trouble || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "/prefix/api/v1/query") || len(got) != 0 {
				t.Errorf("got %v, %v; want %s: %s", got, err, c.trouble, c.want)
			}
			if strings.Contains(err.Error(), "password=1") || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("unsafe: %q", err)
			}
		})
	}
}

// matrix writes a reply of n series with a sample each second of the form's range selector.
func matrix(w http.ResponseWriter, r *http.Request, n int) (length time.Duration) {
	_, after, _ := strings.Cut(r.FormValue("query"), "[")
	length, err := time.ParseDuration(strings.TrimSuffix(after, "]"))
	if err != nil {
		panic(err)
	}
	end, _ := strconv.ParseFloat(r.FormValue("time"), 64)
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[`)
	for i := range n {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, `{"metric":{"__name__":"x","i":"%d"},"values":[`, i)
		sep := ""
		for at := math.Ceil(end - length.Seconds()); at <= end; at++ {
			fmt.Fprintf(w, `%s[%v,"%v"]`, sep, at, at)
			sep = ","
		}
		fmt.Fprint(w, `]}`)
	}
	fmt.Fprint(w, `]}}`)
	return length
}

func TestPrometheusSplits(t *testing.T) { // a chunk that is too large for the server is read by halves
	var refused, answered atomic.Int64
	p := fake(t, func(w http.ResponseWriter, r *http.Request) {
		_, after, _ := strings.Cut(r.FormValue("query"), "[")
		if d, _ := time.ParseDuration(strings.TrimSuffix(after, "]")); d > 20*time.Minute {
			refused.Add(1)
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, recorded(t, "too_many_samples.json"))
			return
		}
		answered.Add(1)
		matrix(w, r, 2)
	})
	from := time.Unix(1_700_000_000, 0)
	got, err := p.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: "x"}}, from, from.Add(3*time.Hour), 0)
	if err != nil || len(got) != 2 || refused.Load() != 9 || answered.Load() != 12 {
		t.Fatalf("got %d series, %v after %d refusals and %d replies, want 3*(1+2) and 3*4", len(got), err, refused.Load(), answered.Load())
	}
	for _, s := range got {
		if len(s.Points) != 3*3600 {
			t.Errorf("got %d points, want every one of 3 h, once", len(s.Points))
		}
	}
}

func TestPrometheusTooMany(t *testing.T) {
	var asked atomic.Int64
	p := fake(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); matrix(w, r, maxSeries+1) })
	_, err := p.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: "x"}}, time.Unix(0, 0), time.Unix(10, 0), 0)
	if q := troubleOf(t, err); q.Trouble != TooMany || !strings.Contains(err.Error(), "more than 5000 series: narrow the selector") || asked.Load() != 1 {
		t.Errorf("got %v after %d requests", err, asked.Load())
	}
}

func TestPrometheusParallel(t *testing.T) {
	var now, most atomic.Int64
	p := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(20 * time.Millisecond)
		now.Add(-1)
		matrix(w, r, 1)
	})
	var queries []Query
	for i := range 20 {
		queries = append(queries, Query{ID: fmt.Sprint(i), Kind: Counter, Text: "x"})
	}
	got, err := p.Range(t.Context(), queries, time.Unix(0, 0), time.Unix(10, 0), 0)
	if err != nil || len(got) != 20 || got[7].Query != "7" || most.Load() > parallel || most.Load() < 2 {
		t.Errorf("got %d series, %v; %d at a time", len(got), err, most.Load())
	}
}

func TestPrometheusCancelled(t *testing.T) {
	p := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // a server notices that the client left once it has read the body
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begun := time.Now()
	_, err := p.Range(ctx, []Query{{ID: "q", Kind: Counter, Text: "x"}}, time.Unix(0, 0), time.Unix(10, 0), 0)
	if !errors.Is(err, context.Canceled) || time.Since(begun) > 20*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begun))
	}
}

func TestPrometheusOptions(t *testing.T) {
	token, remote := httpx.NewSecret("hunter2hunter2"), httpx.Remote{URL: "https://prometheus.example"}
	for name, c := range map[string]struct {
		o    PrometheusOptions
		want string
	}{
		"minimal":               {PrometheusOptions{Remote: remote}, ""},
		"token":                 {PrometheusOptions{Remote: remote, Token: token}, ""},
		"basic":                 {PrometheusOptions{Remote: remote, Username: "u", Password: token}, ""},
		"both":                  {PrometheusOptions{Remote: remote, Token: token, Username: "u"}, "want one of them"},
		"password alone":        {PrometheusOptions{Remote: remote, Password: token}, "without username"},
		"plain http":            {PrometheusOptions{Remote: httpx.Remote{URL: "http://prometheus.example"}}, "plain http"},
		"negative look back":    {PrometheusOptions{Remote: remote, Lookback: -1}, "above 0"},
		"no interval of scrape": {PrometheusOptions{Remote: remote, ScrapeInterval: new(-time.Second)}, "above 0"},
	} {
		_, err := buildPrometheus(func(into any) error {
			o := into.(*PrometheusOptions)
			*o = c.o
			return nil
		})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// increase is the sum of the differences, a fall counted as a restart from 0.
func increase(points []Point) (sum float64) {
	for i := 1; i < len(points); i++ {
		d := points[i].V - points[i-1].V
		if d < 0 {
			d = points[i].V
		}
		sum += d
	}
	return sum
}

func FuzzThinning(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0, 5, 255, 0, 9, 9, 9}, 4)
	f.Fuzz(func(t *testing.T, increments []byte, step int) {
		if step < 1 || step > 1000 {
			return
		}
		var all []sample
		at, v := int64(1000), 0.0
		for _, b := range increments {
			at += int64(b%7) + 1
			if v += float64(b); b%5 == 0 {
				v = float64(b)
			}
			all = append(all, sample{at, v})
		}
		whole := &accumulator{to: math.MaxInt64}
		thin := &accumulator{to: math.MaxInt64, step: int64(step), counters: true}
		if err := whole.add(nil, all); err != nil {
			t.Fatal(err)
		}
		half := len(all) / 2 // in pieces that overlap
		if err := errors.Join(thin.add(nil, all[:half]), thin.add(nil, all[:half/2]), thin.add(nil, all)); err != nil {
			t.Fatal(err)
		}
		a, b := whole.finish(), thin.finish()
		if len(a) != len(b) {
			t.Fatalf("%d and %d series", len(a), len(b))
		}
		if len(a) == 1 {
			x, y := a[0].Points, b[0].Points
			if increase(x) != increase(y) || x[0] != y[0] || x[len(x)-1] != y[len(y)-1] || len(y) > len(x) {
				t.Errorf("step %d:\n%v\nthinned to\n%v", step, x, y)
			}
		}
	})
}

func FuzzDecodeReply(f *testing.F) {
	for _, name := range []string{"raw.json", "range.json", "empty.json", "bad_data.json", "execution.json", "too_many_samples.json"} {
		f.Add(recorded(f, name))
	}
	f.Add(`{"data":{"result":[{"values":[[1,"NaN"],[ 2.5 , "+Inf" ]]},{"values":null}]},"warnings":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		read := func() (got []samples, reply apiReply, err error) {
			reply, err = decodeReply(strings.NewReader(body), func(s *matrixSeries) error {
				got = append(got, append(samples(nil), s.Values...))
				return nil
			})
			return got, reply, err
		}
		a, ra, errA := read()
		b, rb, errB := read()
		if fmt.Sprint(a, ra, errA) != fmt.Sprint(b, rb, errB) {
			t.Fatal("twice the same reply, two answers")
		}
	})
}

func TestDecodeRecorded(t *testing.T) {
	var got []sample
	reply, err := decodeReply(strings.NewReader(recorded(t, "raw.json")), func(s *matrixSeries) error {
		got = append(got, s.Values...)
		if s.Metric["__name__"] != "prometheus_http_requests_total" || s.Metric["code"] != "200" {
			t.Errorf("got %v", s.Metric)
		}
		return nil
	})
	want := []sample{{1795250246739, 1}, {1795250247739, 1}, {1795250248739, 1}}
	if err != nil || reply.Status != "success" || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %+v, %v", got, reply, err)
	}
}
