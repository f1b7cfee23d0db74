package metric

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

func TestProbeOptions(t *testing.T) {
	http := func(url string) *ProbeHTTP { return &ProbeHTTP{probeRemote: probeRemote{URL: url}} }
	grpc := func(url string, watch time.Duration) *ProbeGRPC {
		return &ProbeGRPC{probeRemote: probeRemote{URL: url}, Watch: watch}
	}
	one := func(s ProbeSpec) ProbeOptions {
		if s.Name == "" {
			s.Name = "x"
		}
		return ProbeOptions{Probes: []ProbeSpec{s}}
	}
	many := func(n int, s ProbeSpec) (o ProbeOptions) {
		for i := range n {
			s.Name = strings.Repeat("x", i+1)
			o.Probes = append(o.Probes, s)
		}
		return o
	}
	tcp := &ProbeTCP{Address: "shop:80"}
	for _, c := range []struct {
		name        string
		o           ProbeOptions
		field, text string
	}{
		{"none", ProbeOptions{}, "probes", "got 0 probes, want 1 to 32"},
		{"too many", many(33, ProbeSpec{TCP: tcp}), "probes", "got 33 probes"},
		{"too often", many(3, ProbeSpec{TCP: tcp, Every: 50 * time.Millisecond, Timeout: time.Second}), "probes", "60 probes a second, want at most 50"},
		{"too many at once", many(10, ProbeSpec{TCP: tcp, Timeout: 30 * time.Second}), "probes", "320 probes would be under way"},
		{"twice", ProbeOptions{Probes: []ProbeSpec{{Name: "x", TCP: tcp}, {Name: "x", TCP: tcp}}}, "probes[1].name", "twice"},
		{"every", one(ProbeSpec{TCP: tcp, Every: time.Millisecond}), "probes[0].every", "got 1ms"},
		{"negative", one(ProbeSpec{TCP: tcp, Every: -1}), "probes[0].every", "want 20ms to 5m"},
		{"timeout", one(ProbeSpec{TCP: tcp, Timeout: time.Minute}), "probes[0].timeout", "got 1m0s"},
		{"timeout for its rate", one(ProbeSpec{TCP: tcp, Every: 100 * time.Millisecond}), "probes[0].timeout", "52 of them under way"},
		{"name", one(ProbeSpec{Name: "a\nb", TCP: tcp}), "probes[0].name", "want a name"},
		{"nothing", one(ProbeSpec{}), "probes[0]", "want one of: http, grpc, websocket, tcp, dns"},
		{"two", one(ProbeSpec{TCP: tcp, HTTP: http("https://shop")}), "probes[0]", "got http and tcp"},
		{"url", one(ProbeSpec{HTTP: http("shop/x")}), "probes[0].http.url", "not complete"},
		{"password", one(ProbeSpec{HTTP: http("https://me:secret@shop/x")}), "probes[0].http.url", "user or password"},
		{"secret in the clear", one(ProbeSpec{HTTP: &ProbeHTTP{probeRemote: probeRemote{URL: "http://shop", Headers: map[string]httpx.Secret{"X-Key": httpx.NewSecret("secret")}}}}), "probes[0].http.url", "plain http"},
		{"method", one(ProbeSpec{HTTP: &ProbeHTTP{probeRemote: probeRemote{URL: "https://shop"}, Method: "get it"}}), "probes[0].http.method", "want GET"},
		{"regexp", one(ProbeSpec{HTTP: &ProbeHTTP{probeRemote: probeRemote{URL: "https://shop"}, Matches: "("}}), "probes[0].http.matches", "RE2"},
		{"certificate", one(ProbeSpec{HTTP: &ProbeHTTP{probeRemote: probeRemote{URL: "http://shop"}, Certificate: time.Hour}}), "probes[0].http.certificate", "https"},
		{"websocket", one(ProbeSpec{WebSocket: &ProbeWebSocket{probeRemote: probeRemote{URL: "https://shop"}}}), "probes[0].websocket.url", "wss://"},
		{"grpc path", one(ProbeSpec{GRPC: grpc("https://shop/x", 0)}), "probes[0].grpc.url", "no path"},
		{"grpc watch", one(ProbeSpec{GRPC: grpc("https://shop", 5*time.Second)}), "probes[0].grpc.watch", "less than the timeout (5s)"},
		{"tcp", one(ProbeSpec{TCP: &ProbeTCP{Address: "shop"}}), "probes[0].tcp.address", "HOST:PORT"},
		{"dns type", one(ProbeSpec{DNS: &ProbeDNS{Name: "shop", Type: "ANY"}}), "probes[0].dns.type", "want A, AAAA"},
		{"dns server", one(ProbeSpec{DNS: &ProbeDNS{Name: "shop", Server: "1.1.1.1"}}), "probes[0].dns.server", "HOST:PORT"},
	} {
		var got []string
		c.o.Check(func(field, format string, args ...any) {
			if err, ok := args[0].(error); ok {
				got = append(got, field+": "+err.Error())
			}
		})
		if len(got) != 1 || !strings.HasPrefix(got[0], c.field+": ") || !strings.Contains(got[0], c.text) || strings.Contains(got[0], "secret@") {
			t.Errorf("%s: got %q, want %s: %s", c.name, got, c.field, c.text)
		}
		if _, err := newProbes(c.o); err == nil {
			t.Errorf("%s: it was built", c.name)
		}
	}
}

func TestProbeCheck(t *testing.T) {
	p, err := newProbes(ProbeOptions{Probes: []ProbeSpec{{Name: "home", TCP: &ProbeTCP{Address: "shop:80"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Kind: Counter, Text: `probe_requests_total{probe="home",result="bad"}`}, ""},
		{Query{Kind: Counter, Text: `probe_requests_total{reason=~"timeout|status"}`}, ""},
		{Query{Kind: Counter, Text: `probe_requests_total{probe=~"$service"}`}, ""},
		{Query{Kind: Histogram, Text: `probe_duration_seconds{probe="home"}`}, ""},
		{Query{Kind: Gauge, Text: `probe_up`}, ""},
		{Query{Kind: Counter, Text: `probe_requests_total{probe="hoem"}`}, "the probes home"},
		{Query{Kind: Counter, Text: `probe_request_total`}, "selects nothing"},
		{Query{Kind: Expr, Text: `sum(probe_up)`}, "a probe has no query language"},
		{Query{Kind: Counter, Text: `rate(probe_requests_total[5m])`}, "counters, not rates"},
	} {
		err := p.Check(c.q)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %q", c.q.Kind, c.q.Text, err, c.want)
		}
	}
}

func TestStatuses(t *testing.T) {
	for text, want := range map[string]string{
		"200": "200", "2xx": "200-299", "200-204, 304": "200-204, 304", " 5XX ": "500-599",
		"": "", "2x": "", "99": "", "600": "", "300-200": "", "200,": "", "200-": "", "+20": "", "ok": "",
	} {
		var s statuses
		err := s.UnmarshalText([]byte(text))
		if (err != nil) != (want == "") || err == nil && s.String() != want {
			t.Errorf("%q: got %s, %v, want %q", text, s, err, want)
		}
	}
	if s := (statuses{}); !s.has(204) || s.has(302) || s.String() != "2xx" {
		t.Error("want 2xx where nothing is said")
	}
}

func FuzzStatuses(f *testing.F) {
	for _, s := range []string{"200", "2xx", "200-204,304", "9xx", "-", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again statuses
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || !slices.Equal(s, again) {
			t.Errorf("%q is %s, and then %s: %v", text, s, again, err)
		}
		for _, r := range s {
			if r[0] < 100 || r[1] > 599 || r[0] > r[1] || !s.has(r[0]) || !s.has(r[1]) {
				t.Errorf("%q has %v", text, r)
			}
		}
	})
}
