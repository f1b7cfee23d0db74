package metric

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bakegate/bakegate/internal/httpx"
)

// zone is what a name server knows.
type zone struct {
	mu       sync.Mutex
	names    map[string][]string // addresses
	services map[string][]string // HOST:PORT
	broken   bool
}

func (z *zone) set(name string, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.names[name] = addresses
}

func (z *zone) answer(query []byte) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	name := strings.TrimSuffix(q.Name.String(), ".")
	for _, body := range z.records(name, q.Type) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: body})
	}
	switch {
	case z.broken:
		m.RCode = dnsmessage.RCodeServerFailure
	case len(z.names[name]) == 0 && len(z.services[name]) == 0:
		m.RCode = dnsmessage.RCodeNameError
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func (z *zone) records(name string, kind dnsmessage.Type) (bodies []dnsmessage.ResourceBody) {
	for _, a := range z.names[name] {
		switch ip := net.ParseIP(a); {
		case ip.To4() != nil && kind == dnsmessage.TypeA:
			bodies = append(bodies, &dnsmessage.AResource{A: [4]byte(ip.To4())})
		case ip.To4() == nil && kind == dnsmessage.TypeAAAA:
			bodies = append(bodies, &dnsmessage.AAAAResource{AAAA: [16]byte(ip)})
		}
	}
	for _, s := range z.services[name] {
		host, port, _ := net.SplitHostPort(s)
		var n uint16
		_, _ = fmt.Sscan(port, &n)
		if kind == dnsmessage.TypeSRV {
			bodies = append(bodies, &dnsmessage.SRVResource{Target: dnsmessage.MustNewName(host + "."), Port: n})
		}
	}
	return bodies
}

// resolving is a source behind a name, and the name server that knows it.
func resolving(t *testing.T, o ScrapeOptions) (*scrape, *zone) {
	t.Helper()
	s, err := newScrape(o)
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{names: map[string][]string{}, services: map[string][]string{}}
	server := serveNames(t, z.answer)
	s.place.(*behindName).resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server)
	}}
	return s, z
}

// pod is a process with an address of its own, on a port that all of them have.
func pod(t *testing.T, address, port string) (w *worker, listens string) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		t.Skip(err) // the port is somebody else's on this address, or there is no such address
	}
	w = &worker{}
	s := httptest.NewUnstartedServer(w)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return w, l.Addr().String()
}

func TestScrapeBehindAName(t *testing.T) {
	one, address := pod(t, "127.0.0.1", "0")
	_, port, _ := net.SplitHostPort(address)
	two, _ := pod(t, "127.0.0.2", port)
	one.shows("requests_total 10\n")
	two.shows("requests_total 20\n")
	s, z := resolving(t, ScrapeOptions{Remote: httpx.Remote{URL: "http://shop.example:" + port + "/metrics"}, DNS: "pods.example"})
	q := Query{ID: "q", Kind: Counter, Text: "requests_total"}
	if _, err := poll(t, s, q); troubleOf(t, err).Trouble != BackendDown || !strings.Contains(err.Error(), "dns pods.example: ") {
		t.Errorf("a name without an address: got %v", err)
	}
	z.set("pods.example", "127.0.0.1", "::1") // the second is the same process once more
	got, err := poll(t, s, q)
	if want := map[string]float64{"map[instance:127.0.0.1:" + port + "]": 10}; err != nil || !reflect.DeepEqual(last(got), want) {
		t.Errorf("got %v, %v, want %v", last(got), err, want)
	}
	z.set("pods.example", "127.0.0.1", "127.0.0.2")
	time.Sleep(2 * time.Millisecond)
	got, err = poll(t, s, q)
	if host, _ := one.asked(); err != nil || len(got) != 2 || got[0].Late || !got[1].Late || host != "shop.example:"+port {
		t.Errorf("one joined: got %v, %v, for %s", got, err, host)
	}
	z.set("pods.example", "127.0.0.2")
	one.shows("")
	time.Sleep(2 * time.Millisecond)
	got, err = poll(t, s, q)
	if err != nil || len(got) != 2 || len(got[0].Points) != 2 || len(got[1].Points) != 2 {
		t.Errorf("one left, and what it counted stays: got %v, %v", got, err)
	}
	z.mu.Lock()
	z.broken = true
	z.mu.Unlock()
	if got, err := poll(t, s, q); len(got) != 0 || troubleOf(t, err).Trouble != BackendDown {
		t.Errorf("the name server fails: got %v, %v", got, err)
	}
}

func TestScrapeBehindServices(t *testing.T) {
	one, a := pod(t, "127.0.0.1", "0")
	two, b := pod(t, "127.0.0.1", "0")
	one.shows("requests_total 10\n")
	two.shows("requests_total 20\n")
	s, z := resolving(t, ScrapeOptions{Remote: httpx.Remote{URL: "http://shop.example/metrics"}, DNS: "_metrics._tcp.pods.example"})
	z.set("a.pods.example", "127.0.0.1")
	z.set("b.pods.example", "127.0.0.1")
	z.mu.Lock()
	z.services["_metrics._tcp.pods.example"] = []string{strings.Replace(a, "127.0.0.1", "a.pods.example", 1), strings.Replace(b, "127.0.0.1", "b.pods.example", 1)}
	z.mu.Unlock()
	got, err := poll(t, s, Query{ID: "q", Kind: Counter, Text: "requests_total"})
	if want := map[string]float64{"map[instance:" + a + "]": 10, "map[instance:" + b + "]": 20}; err != nil || !reflect.DeepEqual(last(got), want) {
		t.Errorf("got %v, %v, want %v", last(got), err, want)
	}
}

func TestScrapeBehindTooMany(t *testing.T) {
	s, z := resolving(t, ScrapeOptions{Remote: httpx.Remote{URL: "http://shop.example/metrics"}, DNS: "_metrics._tcp.pods.example"})
	z.mu.Lock()
	z.services["_metrics._tcp.pods.example"] = slices.Repeat([]string{"a:1"}, 51)
	z.mu.Unlock()
	if _, err := poll(t, s, Query{ID: "q", Kind: Counter, Text: "requests_total"}); troubleOf(t, err).Trouble != TooMany {
		t.Errorf("got %v", err)
	}
}

// The certificate is that of the url's name, whatever the address is.
func TestScrapeBehindANameWithTLS(t *testing.T) {
	w := &worker{page: "requests_total 10\n"}
	server := httptest.NewTLSServer(w) // its certificate is for example.com
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for name, want := range map[string]Trouble{"example.com": "", "other.example": BackendDown} {
		s, z := resolving(t, ScrapeOptions{Remote: httpx.Remote{URL: "https://" + name + ":" + port + "/metrics", CA: ca}, DNS: "pods.example", Token: httpx.NewSecret("hunter2hunter2")})
		z.set("pods.example", "127.0.0.1")
		got, err := poll(t, s, Query{ID: "q", Kind: Counter, Text: "requests_total"})
		if want != "" {
			if troubleOf(t, err).Trouble != want || !strings.Contains(err.Error(), "at 127.0.0.1:"+port) {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if host, sni := w.asked(); err != nil || len(got) != 1 || sni != name || host != name+":"+port {
			t.Errorf("%s: got %v, %v, for %s by the name %s", name, got, err, host, sni)
		}
	}
}
