package metric

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// hostileValues are values that would change a query if they were put in as they are.
var hostileValues = []string{`a/../../admin`, `..`, `a?b=c`, `a&of=other`, `a#b`, `a%2Fb`, `a"},{"x":"`, "a\nb", `a' OR 1=1 --`, `*`, `a,b`, `a} by {x`,
	`a|b`, `a.*`, `\`, `a\"`, `$service`, `${X}`, "-rf", "a b", "é\u202e", `") |> yield(`, `a:b OR c:d`, `{a,b}`, `[a-z]`, `a;b`, `a)b(`}

func webAt(t *testing.T, o WebOptions, h http.HandlerFunc) *web {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.URL = server.URL + "/api"
	w, err := newWeb(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// No value of a variable reaches out of its place: neither in the path nor in a parameter nor in the body.
func TestWebInjection(t *testing.T) {
	for _, value := range hostileValues {
		var got []string
		o := WebOptions{Method: "POST", Times: "unix", Value: "reply.n", Parameters: map[string]Template{"p": "x-$service-y"},
			Body: `{"service":"<$service>","list":["$service",1]}`}
		w := webAt(t, o, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			var b struct {
				Service string
				List    []any
			}
			if err := json.Unmarshal(body, &b); err != nil || len(b.List) != 2 {
				t.Errorf("%q: body %s: %v", value, body, err)
				return
			}
			q := r.URL.Query()
			path, _ := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/api/of/"))
			got = []string{path, strings.TrimPrefix(q.Get("of"), "of "), strings.TrimSuffix(strings.TrimPrefix(q.Get("p"), "x-"), "-y"), strings.Trim(b.Service, "<>"), b.List[0].(string)}
			if len(q) != 2 || strings.Count(r.URL.EscapedPath(), "/") != 4 {
				t.Errorf("%q: got %s", value, r.URL)
			}
			fmt.Fprint(w, `{"n":1}`)
		})
		_, err := w.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: "/of/$service/errors?of=of+$service", Vars: map[string]string{"service": value}}}, time.Now(), time.Now().Add(time.Minute), time.Second)
		if value == ".." {
			if err == nil || got != nil {
				t.Errorf("%q: got %v, %v", value, got, err)
			}
			continue
		}
		if err != nil || got[0] != value+"/errors" {
			t.Errorf("%q: got %q, %v", value, got, err)
			continue
		}
		for _, g := range got[1:] {
			if g != value {
				t.Errorf("%q: got %q", value, g)
			}
		}
	}
}

func TestWebValues(t *testing.T) {
	const reply = `{"n":12,"big":9007199254740993,"text":"12","no":null,"ok":true,"list":[{"name":"checkout","errors":3},{"name":"other","errors":9}]}`
	for expr, want := range map[string]string{
		"reply.n":          "12",
		"reply.n / 2.0":    "6",
		"reply.ok":         "1",
		"!reply.ok":        "0",
		"reply.no":         "none",
		"null":             "none",
		"reply.?gone":      "none",
		"int(reply.text)":  "12",
		"size(reply.list)": "2",
		"reply.list.filter(x, x.name == service)[0].errors": "3",
		"reply.list.map(x, x.errors).max()":                 "bad-query: ",
		"math.greatest(reply.list.map(x, x.errors))":        "9",
		"reply.gone":  "bad-query: no such key",
		"reply.text":  "bad-query: gives string",
		"reply.list":  "bad-query: gives list",
		"reply.n / 0": "bad-query: ",
		"lists.range(3000).map(a, lists.range(1000).map(b, a*b)).size()": "too-many: costs too much",
	} {
		w := webAt(t, WebOptions{Method: "GET", Times: "unix"}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, reply) })
		q := Query{ID: "q", Kind: Gauge, Text: "/x -> " + expr, Vars: map[string]string{"service": "checkout"}}
		if err := w.Check(q); err != nil {
			if !strings.HasPrefix(want, "bad-query") {
				t.Errorf("%s: %v", expr, err)
			}
			continue
		}
		got, err := w.Range(t.Context(), []Query{q}, time.Now(), time.Now().Add(time.Minute), time.Second)
		class, text, failed := strings.Cut(want, ": ")
		switch {
		case failed:
			if qe := troubleOf(t, err); string(qe.Trouble) != class || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: got %v, want %s", expr, err, want)
			}
		case want == "none":
			if err != nil || len(got) != 0 {
				t.Errorf("%s: got %v, %v, want no data", expr, got, err)
			}
		case err != nil || len(got) != 1 || fmt.Sprint(got[0].Points[0].V) != want:
			t.Errorf("%s: got %v, %v, want %s", expr, got, err, want)
		}
	}
}

// An endpoint that is given $from and $to has a history.
func TestWebHistory(t *testing.T) {
	from, to := time.Unix(1000, 0), time.Unix(1060, 0)
	for name, c := range map[string]struct {
		o     WebOptions
		asks  string
		reply string
		want  string
	}{
		"pairs":    {WebOptions{Method: "GET", Times: "unix", Parameters: map[string]Template{"a": "$from", "b": "$to"}}, "a=1000&b=1060 ", `[[1010,1],[1000,2],[1060,9],[999,9],[1020,null]]`, "[{1000 2} {1010 1}]"},
		"millis":   {WebOptions{Method: "GET", Times: "unix-ms", Parameters: map[string]Template{"a": "$from", "b": "$to"}}, "a=1000000&b=1060000 ", `[["1970-01-01T00:16:50.5Z",1]]`, "[{1010 1}]"},
		"objects":  {WebOptions{Method: "POST", Times: "rfc3339", Body: `{"a":"$from","b":"$to"}`}, ` {"a":"1970-01-01T00:16:40Z","b":"1970-01-01T00:17:40Z"}`, `[{"t":"1970-01-01T00:16:45Z","v":3}]`, "[{1005 3}]"},
		"numbers":  {WebOptions{Method: "POST", Times: "unix", Body: `{"a":"$from","b":"until $to"}`}, ` {"a":1000,"b":"until 1060"}`, `null`, "[]"},
		"a number": {WebOptions{Method: "POST", Times: "unix", Body: `{"a":"$from","b":"$to"}`}, ` {"a":1000,"b":1060}`, `5`, "want a list"},
		"a scalar": {WebOptions{Method: "POST", Times: "unix", Body: `{"a":"$from","b":"$to"}`}, ` {"a":1000,"b":1060}`, `[5]`, "is not [time, number]"},
	} {
		c.o.Value = "reply"
		w := webAt(t, c.o, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if got := r.URL.RawQuery + " " + string(body); got != c.asks {
				t.Errorf("%s: asked %s, want %s", name, got, c.asks)
			}
			fmt.Fprint(w, c.reply)
		})
		if !w.Traits().History {
			t.Errorf("%s: no history", name)
		}
		all, err := w.Range(t.Context(), []Query{{ID: "q", Kind: Counter, Text: "/x"}}, from, to, time.Second)
		got := []string{}
		for _, s := range all {
			for _, p := range s.Points {
				got = append(got, fmt.Sprintf("{%d %v}", p.T.Unix(), p.V))
			}
		}
		if text := fmt.Sprint(got); text != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %s, %v, want %s", name, text, err, c.want)
		}
	}
}

func TestWebOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o    WebOptions
		want string
	}{
		"minimal":       {WebOptions{}, ""},
		"method":        {WebOptions{Method: "PUT"}, "want GET or POST"},
		"body of GET":   {WebOptions{Body: "{}"}, "want method: POST"},
		"no JSON":       {WebOptions{Method: "POST", Body: "{a: $service}"}, "body is no JSON"},
		"times":         {WebOptions{Times: "seconds"}, "want unix, unix-ms or rfc3339"},
		"only from":     {WebOptions{Parameters: map[string]Template{"a": "$from"}}, "want both or none"},
		"unknown":       {WebOptions{Parameters: map[string]Template{"a": "$servic"}}, "unknown variable $servic"},
		"no expression": {WebOptions{Value: "reply."}, "value: 1:7: Syntax error"},
		"unknown name":  {WebOptions{Value: "replies.n"}, "undeclared reference"},
		"long":          {WebOptions{Value: strings.Repeat("1+", 3000) + "1"}, "at most 4000"},
	} {
		c.o.Remote = httpx.Remote{URL: "https://stats.example"}
		c.o.Method, c.o.Times = cmp.Or(c.o.Method, "GET"), cmp.Or(c.o.Times, "unix")
		_, err := newWeb(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	w, err := newWeb(WebOptions{Remote: httpx.Remote{URL: "https://stats.example"}, Method: "GET", Times: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"stats -> reply.n":      "want a path",
		"/a b -> reply.n":       "neither blanks",
		"/a":                    "there is no expression",
		"/a?x=$from -> reply.n": "$from and $to may stand",
		"/a?$service=1 -> true": "a parameter's name",
		"/a/$servic -> reply.n": "unknown variable",
		"/a/../b -> reply.n":    "is no name",
		"/a?x=%zz -> reply.n":   "can't be read",
		"/a -> reply.n +":       "value: 1:",
		"/$service?a=1 -> 1":    "",
	} {
		err := w.Check(Query{Kind: Gauge, Text: text})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	if err := w.Check(Query{Kind: Histogram, Text: "/a -> 1"}); err == nil {
		t.Error("a histogram is accepted")
	}
}
