package metric

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

func graphiteAt(t *testing.T, url string, counts bool) *graphite {
	t.Helper()
	g, err := newGraphite(GraphiteOptions{Remote: httpx.Remote{URL: url, Timeout: 10 * time.Second}, Counts: counts})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// compact is a series' points by their second behind from.
func compact(s Series, from time.Time) string {
	var b strings.Builder
	for _, p := range s.Points {
		fmt.Fprintf(&b, "%v:%v ", p.T.Sub(from).Seconds(), p.V)
	}
	return strings.TrimSpace(b.String())
}

func TestGraphiteReal(t *testing.T) {
	from := time.Now().Add(-10 * time.Minute).Truncate(time.Minute)
	counter := make([]float64, 80) // on, beyond now: the interval of now is there too
	for i := range counter {
		counter[i] = float64(i)
	}
	counter[3] = math.NaN()
	url := realtest.Graphite(t, realtest.History{Name: "shop.check_out.errors", From: from.Add(-time.Minute), Every: 10 * time.Second, Values: counter},
		realtest.History{Name: "shop.other.errors", From: from, Every: 10 * time.Second, Values: []float64{1}})
	g := graphiteAt(t, url, false)
	vars := map[string]string{"service": "check.out"}
	read := func(g *graphite, q Query, a, b time.Duration) string {
		t.Helper()
		q.Vars = vars
		got := ask(t, g, q, from.Add(a), from.Add(b), 10*time.Second)
		if len(got) != 1 {
			return fmt.Sprint(got)
		}
		return compact(got[0], from)
	}
	q := Query{Kind: Counter, Text: "shop.$service.errors"}
	for _, c := range []struct {
		a, b time.Duration
		want string
	}{
		{0, 30 * time.Second, "0:6 10:7 20:8"}, // from is in, to is not
		{time.Second, 30 * time.Second, "10:7 20:8"},
		{0, 20*time.Second + time.Millisecond, "0:6 10:7 20:8"},
		{-40 * time.Second, 0, "-40:2 -20:4 -10:5"}, // null is no data
		{time.Second, 2 * time.Second, "[]"},
	} {
		if got := read(g, q, c.a, c.b); got != c.want {
			t.Errorf("%s to %s: got %s, want %s", c.a, c.b, got, c.want)
		}
	}
	if got := read(graphiteAt(t, url, true), q, 0, 30*time.Second); got != "9.999:6 19.999:7 29.999:8" {
		t.Errorf("counts of intervals stand at their ends: got %s", got)
	}
	if got := read(g, Query{Kind: Expr, Text: "scale(shop.$service.errors,2)"}, 0, 15*time.Second); got != "0:12 10:14" {
		t.Errorf("an expression: got %s", got)
	}
	got := ask(t, g, Query{Kind: Counter, Text: "shop.*.errors"}, from, time.Now().Add(time.Minute), 10*time.Second)
	if len(got) != 2 || got[0].Name != "shop.check_out.errors" {
		t.Fatalf("got %v", got)
	}
	if last := got[0].Points[len(got[0].Points)-1].T; last.Add(10 * time.Second).After(time.Now()) {
		t.Errorf("the interval of now is in: %s", last)
	}
	if none := ask(t, g, Query{Kind: Counter, Text: "shop.nowhere.errors"}, from, time.Now(), time.Second); len(none) != 0 {
		t.Errorf("got %v", none)
	}
}

// No value of a variable changes what a target asks.
func TestGraphiteInjection(t *testing.T) {
	shape := func(target string) string { // all but letters, digits and _-
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(`.*?[]{}(),'"=~!;\ `, r) {
				return r
			}
			return -1
		}, target)
	}
	for _, text := range []string{"shop.$service.errors", "aliasByNode(shop.{a,$service}.x,1)", "shop.a$service*.b"} {
		plain, err := fillGraphite(text, values{vars: map[string]string{"service": "a"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range hostileValues {
			got, err := fillGraphite(text, values{vars: map[string]string{"service": value}})
			if err != nil || shape(got) != shape(plain) {
				t.Errorf("%s with %q: got %s, %v", text, value, got, err)
			}
		}
	}
	for _, text := range []string{"seriesByTag('app=$service')", `seriesByTag("app=~^$service$$")`, "seriesByTag('a=b', 'x!=$service')"} {
		for _, value := range append([]string{"~a", "a'", "=~.*"}, hostileValues...) {
			got, err := fillGraphite(text, values{vars: map[string]string{"service": value}})
			if err == nil && strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@") != "" {
				t.Errorf("%s with %q: got %s", text, value, got)
			}
		}
	}
	got, err := fillGraphite(`seriesByTag('app=~^$service$$', 'v=$version')`, values{vars: map[string]string{"service": "a.b", "version": "v1.2"}})
	if err != nil || got != `seriesByTag('app=~^a[.]b$', 'v=v1.2')` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestGraphiteCheck(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		text   string
		counts bool
		want   string
	}{
		{Counter, "shop.$service.errors", false, ""},
		{Counter, "aliasByNode(shop.$service.*.errors, 2)", false, ""},
		{Counter, "seriesByTag('name=errors(x)', 'app=$service')", false, ""},
		{Counter, "perSecond(shop.errors)", false, "got perSecond(...)"},
		{Counter, "aliasByNode(sumSeries(shop.*.errors),1)", false, "got sumSeries(...)"},
		{Counter, "transformNull(shop.errors)", false, "got transformNull(...)"},
		{Counter, "transformNull(shop.errors)", true, ""},
		{Counter, "sumSeries(shop.*.errors)", true, ""},
		{Gauge, "movingAverage(shop.queue, '5min')", false, ""},
		{Histogram, "shop.latency", false, "no histograms"},
		{Counter, "shop.$servic", false, "unknown variable"},
		{Gauge, "seriesByTag('a=b)", false, "has no end"},
		{Gauge, "sum(a", false, "brackets"},
		{Gauge, "a)(", false, "brackets"},
		{Gauge, "a.{b,c", false, "brackets"},
	} {
		err := graphiteAt(t, "https://graphite.example", c.counts).Check(Query{Kind: c.kind, Text: c.text})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
}

func TestGraphiteSameNames(t *testing.T) {
	reply := []graphiteSeries{{Target: "a"}, {Target: "a"}}
	if err := gatherGraphite(Query{Kind: Gauge}, reply, time.Now(), &accumulator{}); err == nil || !strings.Contains(err.Error(), "aliasByNode") {
		t.Errorf("got %v", err)
	}
	reply[1].Target = "b"
	if err := gatherGraphite(Query{Kind: Expr}, reply, time.Now(), &accumulator{}); err == nil || !strings.Contains(err.Error(), "want one value") {
		t.Errorf("got %v", err)
	}
}
