package metric

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

func influxAt(t *testing.T, o InfluxDBOptions, url string) *influxDB {
	t.Helper()
	o.Remote = httpx.Remote{URL: url, Timeout: 10 * time.Second}
	i, err := newInfluxDB(o)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func influxDo(t *testing.T, url, body string) {
	t.Helper()
	resp, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s %s", resp.Status, text)
	}
}

// lineTag is a tag's value in the line protocol.
var lineTag = strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `)

func TestInfluxDBReal(t *testing.T) {
	server := realtest.InfluxDB(t, "shop")
	from := time.Now().Add(-time.Hour).Truncate(time.Minute)
	var lines strings.Builder
	write := func(app string, code int, seconds int, v float64) {
		fmt.Fprintf(&lines, "http,app=%s,code=%d count=%v %d\n", lineTag.Replace(app), code, v, from.Unix()+int64(seconds))
	}
	services := []string{"checkout"}
	for _, v := range hostileValues {
		if !strings.ContainsAny(v, "\n") && !strings.HasSuffix(v, `\`) { // a tag can't hold them
			services = append(services, v)
		}
	}
	for n, s := range services {
		write(s, 200, 0, float64(n))
		write(s, 200, 10, float64(n+1))
		write(s, 500, 10, 1)
	}
	fmt.Fprintf(&lines, "http,app=checkout,code=200 other=1 %d\n", from.Unix()+20) // count is null there
	influxDo(t, server+"/write?precision=s&db=shop", lines.String())
	i := influxAt(t, InfluxDBOptions{Database: "shop"}, server)
	const query = `SELECT "count" FROM "http" WHERE ("app" = '$service' OR "app" = '$service') AND $window`
	for n, s := range services { // every value selects its own series, and no other
		for _, text := range []string{query, `SELECT "count" FROM "http" WHERE "app" =~ /^$service$/ AND $window GROUP BY "app", "code"`} {
			got := ask(t, i, Query{Kind: Counter, Text: text, Vars: map[string]string{"service": s}}, from, from.Add(time.Minute), time.Second)
			if want := fmt.Sprintf("0:%d 10:%d", n, n+1); len(got) != 2 || compact(got[0], from) != want || compact(got[1], from) != "10:1" || got[0].Labels["code"] != "200" {
				t.Errorf("%q: got %v, want %s", s, got, want)
			}
		}
	}
	vars := map[string]string{"service": "checkout"}
	got := ask(t, i, Query{Kind: Counter, Text: query, Vars: vars}, from.Add(time.Millisecond), from.Add(10*time.Second), time.Second)
	if len(got) != 0 {
		t.Errorf("to is not in: got %v", got)
	}
	got = ask(t, i, Query{Kind: Expr, Text: `SELECT mean("count") FROM "http" WHERE "app" = '$service' AND $window GROUP BY time($step)`, Vars: vars}, from, from.Add(20*time.Second), 10*time.Second)
	if len(got) != 1 || compact(got[0], from) != "0:0 10:1" {
		t.Errorf("an expression: got %v", got)
	}
	for _, c := range []struct {
		i    *influxDB
		text string
		want Trouble
	}{
		{i, `SELECT "count" FROM "nowhere" WHERE $window`, ""},
		{i, `SELECT "count" FROM WHERE $window`, BadQuery},
		{influxAt(t, InfluxDBOptions{Database: "nope"}, server), query, BadQuery},
		{influxAt(t, InfluxDBOptions{Org: "acme"}, server), `from(bucket: "x") |> range($window)`, BackendDown}, // 1.6 has no such API
	} {
		_, err := c.i.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: c.text, Vars: vars}}, from, from.Add(time.Minute), time.Second)
		if c.want == "" && err != nil || c.want != "" && troubleOf(t, err).Trouble != c.want {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
	lines.Reset()
	for k := range 6000 {
		fmt.Fprintf(&lines, "many v=%d %d\n", k, from.Unix()+int64(k))
	}
	influxDo(t, server+"/write?precision=s&db=shop", lines.String())
	_, err := i.Range(t.Context(), []Query{{ID: "q", Kind: Gauge, Text: `SELECT "v" FROM "many" WHERE $window`}}, from, from.Add(3*time.Hour), time.Second)
	if q := troubleOf(t, err); q.Trouble != Truncated || !strings.Contains(err.Error(), "max-row-limit") {
		t.Errorf("a reply above max-row-limit: got %v", err)
	}
}

// No value changes what a Flux pipeline asks: with the strings left out, it is the same.
func TestFluxInjection(t *testing.T) {
	const text = `from(bucket: "m-$environment") |> range($window) |> filter(fn: (r) => r.app == "x$service" and r.v =~ /^$version$/)`
	for _, value := range append([]string{`"`, `\"`, `${r.x}`, `/`, `\/`, "\r\n", `") |> to(bucket: "b")`}, hostileValues...) {
		filled, _, err := flux.fill(text, values{vars: map[string]string{"service": value, "environment": value, "version": "v1"}}, time.Second, window{0, 1000})
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		rest := filled
		for _, want := range []string{"m-" + value, "x" + value} {
			var got string
			if got, rest = fluxString(t, rest); got != want {
				t.Errorf("%q: the string is %q, want %q: %s", value, got, want, filled)
			}
		}
		if rest != " and r.v =~ /^(?:v1)$/)" {
			t.Errorf("%q: the rest is %s", value, rest)
		}
	}
}

// fluxString reads the first string of a text as Flux does, and gives what stands behind it.
func fluxString(t *testing.T, text string) (value, rest string) {
	t.Helper()
	_, text, _ = strings.Cut(text, `"`)
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:]
		case c == '$' && strings.HasPrefix(text[i:], "${"):
			t.Fatalf("an expression in a string: %s", text)
		case c == '\\' && text[i+1] == 'x':
			b.WriteString("$")
			i += 3
		case c == '\\':
			i++
			b.WriteString(map[byte]string{'n': "\n", 'r': "\r", 't': "\t", '\\': `\`, '"': `"`}[text[i]])
		default:
			b.WriteByte(c)
		}
	}
	t.Fatalf("a string without end: %s", text)
	return "", ""
}

func TestFluxError(t *testing.T) {
	i := influxAt(t, InfluxDBOptions{Org: "acme"}, "https://influx.example")
	for body, want := range map[string]Trouble{
		"#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,query timeout,897\r\n":                                                                BackendDown,
		"#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,no such bucket,897\r\n":                                                               BadQuery,
		"#datatype,string,long,dateTime:RFC3339,string\r\n#group,false,false,false,false\r\n#default,_result,,,\r\n,result,table,_time,_value\r\n,,0,2026-11-26T05:33:10Z,x\r\n": BadQuery,
		"#datatype,string,long\r\n#group,false,false\r\n#default,_result,\r\n,result,table\r\n,,0\r\n":                                                                           BadQuery,
	} {
		if err := i.readTables([]byte(body), &accumulator{to: 1 << 60}); queryError("q", err).(*QueryError).Trouble != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestInfluxDBCheck(t *testing.T) {
	ql, fx := InfluxDBOptions{Database: "d"}, InfluxDBOptions{Org: "o"}
	for _, c := range []struct {
		o    InfluxDBOptions
		kind Kind
		text string
		want string
	}{
		{ql, Counter, `SELECT "count" FROM "http" WHERE "app" = '$service' AND $window`, ""},
		{ql, Counter, `SELECT derivative("count") FROM "http" WHERE $window`, "got derivative(...)"},
		{ql, Counter, `SELECT "sum" FROM "sum(x)" WHERE $window`, ""},
		{ql, Gauge, `SELECT mean("v") FROM "http" WHERE $window GROUP BY time($step)`, ""},
		{ql, Gauge, `SELECT "v" FROM "http"`, "$window stands in it 0 times"},
		{ql, Gauge, `SELECT "v" INTO "x" FROM "http" WHERE $window`, "SELECT INTO writes"},
		{ql, Gauge, `DROP MEASUREMENT x -- $window`, "\"--\" outside"},
		{ql, Gauge, `SELECT "v" FROM "http" WHERE $window; DROP DATABASE d`, "\";\" outside"},
		{ql, Gauge, `SHOW TAG KEYS WHERE $window`, "want SELECT"},
		{ql, Gauge, `SELECT "v" FROM "http" WHERE app = $service AND $window`, "outside of a string"},
		{ql, Gauge, `SELECT "v" FROM "http" WHERE app = 'x AND $window`, "unknown variable $window"},
		{ql, Histogram, `SELECT "v"`, "no histograms"},
		{fx, Counter, `from(bucket: "m") |> range($window) |> filter(fn: (r) => r.app == "$service")`, ""},
		{fx, Counter, `from(bucket: "m") |> range($window) |> derivative(unit: 1s)`, "got derivative(...)"},
		{fx, Gauge, `from(bucket: "m") |> range($window) |> aggregateWindow(every: $step, fn: mean)`, ""},
		{fx, Gauge, `from(bucket: "m") |> range($window) |> to(bucket: "x")`, "want one pipeline that reads"},
		{fx, Gauge, `import "x" from(bucket: "m") |> range($window)`, "want one pipeline that reads"},
		{fx, Gauge, `from(bucket: "m") |> range($window) // "`, "\"//\" outside"},
		{fx, Gauge, `from(bucket: "m") |> range(start: -1h)`, "0 times"},
	} {
		err := influxAt(t, c.o, "https://influx.example").Check(Query{Kind: c.kind, Text: c.text})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
	for _, o := range []InfluxDBOptions{{}, {Database: "d", Org: "o"}, {Org: "o", RetentionPolicy: "x"}, {Database: "d", Username: "u", Token: suiteToken}} {
		o.Remote = httpx.Remote{URL: "https://influx.example"}
		if _, err := newInfluxDB(o); err == nil {
			t.Errorf("accepted: %+v", o)
		}
	}
}
