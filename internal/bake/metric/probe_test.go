package metric

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/realtest"
)

// sent sends one probe and says whose failure it was, if it was one.
func sent(t *testing.T, s ProbeSpec) (fault, string, error) {
	t.Helper()
	if s.Timeout == 0 {
		s.Timeout = 5 * time.Second
	}
	p, field, err := s.prober()
	if err != nil {
		t.Fatalf("%s: %v", field, err)
	}
	a := &attempt{host: p.host(), began: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), s.Timeout)
	defer cancel()
	err = p.probe(a.trace(ctx), a)
	f, reason := a.judge(err, false)
	return f, reason, err
}

type probeCase struct {
	name   string
	spec   ProbeSpec
	fault  fault
	reason string
}

func checkProbes(t *testing.T, cases []probeCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, reason, err := sent(t, c.spec)
			if f != c.fault || reason != c.reason {
				t.Errorf("got fault %d, reason %q (%v), want %d, %q", f, reason, err, c.fault, c.reason)
			}
		})
	}
}

// service answers each path in a way of its own.
func serviceOf(t *testing.T) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s %s %s", r.Method, r.URL.RawQuery, r.Header.Get("X-Key"))
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hello", http.StatusInternalServerError) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 2*probeBody)+"end") })
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "hello")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, b, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			_ = conn.Write(r.Context(), kind, append([]byte(r.Header.Get("X-Key")+" "), b...))
		}
	})
	mux.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			_, _, _ = conn.Read(r.Context())
			<-conn.CloseRead(t.Context()).Done()
		}
	})
	return mux
}

// secure is a server with a certificate that ends after valid, and the file with its authority.
func secure(t *testing.T, h http.Handler, valid time.Duration) (url, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(valid), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, ca
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestProbeHTTP(t *testing.T) {
	plain := httptest.NewServer(serviceOf(t))
	plain.Config.ErrorLog = quiet
	t.Cleanup(plain.Close)
	url, ca := secure(t, serviceOf(t), 10*24*time.Hour)
	at := func(base, path string, change func(*ProbeHTTP)) ProbeSpec {
		o := &ProbeHTTP{probeRemote: probeRemote{URL: base + path}}
		if base == url {
			o.CA = ca
		}
		if change != nil {
			change(o)
		}
		return ProbeSpec{HTTP: o}
	}
	slow := at(plain.URL, "/hangs", nil)
	slow.Timeout = 200 * time.Millisecond
	checkProbes(t, []probeCase{
		{"ok", at(plain.URL, "/ok", nil), none, ""},
		{"query, method, body and header", at(plain.URL, "/ok?q=shoe", func(o *ProbeHTTP) {
			o.Method, o.Send, o.Contains = "POST", "payload", "hello POST q=shoe secretpayload"
			o.Headers = map[string]httpx.Secret{"X-Key": httpx.NewSecret("secret")}
		}), none, ""},
		{"regexp", at(plain.URL, "/ok", func(o *ProbeHTTP) { o.Matches = "^hello (GET|HEAD)" }), none, ""},
		{"wrong text", at(plain.URL, "/ok", func(o *ProbeHTTP) { o.Contains = "goodbye" }), service, badReply},
		{"wrong by regexp", at(plain.URL, "/ok", func(o *ProbeHTTP) { o.Matches = "^ello" }), service, badReply},
		{"500", at(plain.URL, "/broken", nil), service, badStatus},
		{"500 is wanted", at(plain.URL, "/broken", func(o *ProbeHTTP) { o.Status = statuses{{500, 500}} }), none, ""},
		{"a redirect is what it is", at(plain.URL, "/moved", nil), service, badStatus},
		{"followed", at(plain.URL, "/moved", func(o *ProbeHTTP) { o.Follow, o.Contains = true, "hello" }), none, ""},
		{"not to another host", at(plain.URL, "/away", func(o *ProbeHTTP) { o.Follow = true }), service, badConnection},
		{"a long reply", at(plain.URL, "/long", nil), none, ""},
		{"beyond 64 KiB nothing is read", at(plain.URL, "/long", func(o *ProbeHTTP) { o.Contains = "end" }), service, badReply},
		{"a reply that breaks off", at(plain.URL, "/cut", nil), service, badConnection},
		{"hangs", slow, service, badTimeout},
		{"refused", at("http://"+closedPort(t), "/", nil), service, badConnection},
		{"TLS", at(url, "/ok", func(o *ProbeHTTP) { o.Certificate = 9 * 24 * time.Hour }), none, ""},
		{"the certificate ends soon", at(url, "/ok", func(o *ProbeHTTP) { o.Certificate = 14 * 24 * time.Hour }), service, badCertificate},
		{"not trusted", at(url, "/ok", func(o *ProbeHTTP) { o.CA = "" }), service, badCertificate},
		{"no verification", at(url, "/ok", func(o *ProbeHTTP) { o.CA, o.Insecure = "", true }), none, ""},
		{"no such ca is ours", at(url, "/ok", func(o *ProbeHTTP) { o.CA = "/no/such/file" }), ours, ""},
		{"a name that never was is ours", at("https://no-such-host.invalid", "/", nil), ours, ""},
	})
}

func TestProbeWebSocket(t *testing.T) {
	server := httptest.NewServer(serviceOf(t))
	t.Cleanup(server.Close)
	url, ca := secure(t, serviceOf(t), time.Hour)
	to := func(base, path, send, contains string) ProbeSpec {
		o := &ProbeWebSocket{probeRemote: probeRemote{URL: "ws" + strings.TrimPrefix(base, "http") + path}, Send: send, Contains: contains}
		if base == url {
			o.CA = ca
			o.Headers = map[string]httpx.Secret{"X-Key": httpx.NewSecret("secret")}
		}
		return ProbeSpec{WebSocket: o, Timeout: 2 * time.Second}
	}
	slow := to(server.URL, "/silent", "ping", "")
	slow.Timeout = 200 * time.Millisecond
	checkProbes(t, []probeCase{
		{"upgrade", to(server.URL, "/echo", "", ""), none, ""},
		{"echo", to(server.URL, "/echo", "ping", ""), none, ""},
		{"TLS and a header", to(url, "/echo", "ping", "secret ping"), none, ""},
		{"another answer", to(server.URL, "/echo", "ping", "pong"), service, badReply},
		{"no answer", slow, service, badTimeout},
		{"no WebSocket", to(server.URL, "/ok", "", ""), service, badStatus},
		{"500", to(server.URL, "/broken", "", ""), service, badStatus},
		{"refused", to("http://"+closedPort(t), "/", "", ""), service, badConnection},
	})
}

// healthServer has a service of each state, and one that changes, or ends, while it is watched.
type healthServer struct {
	*health.Server
}

// Check wants the header wherever there is TLS.
func (h healthServer) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if p, ok := peer.FromContext(ctx); ok && p.AuthInfo != nil && !slices.Equal(md.Get("x-key"), []string{"secret"}) {
		return nil, errors.New("no key")
	}
	return h.Server.Check(ctx, r)
}

func (h healthServer) Watch(r *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	up := &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}
	switch r.Service {
	case "breaks":
		return s.Send(up)
	case "changes":
		_ = s.Send(up)
		return s.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING})
	}
	return h.Server.Watch(r, s)
}

func TestProbeGRPC(t *testing.T) {
	serve := func(register func(*grpc.Server)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		register(s)
		go func() { _ = s.Serve(l) }()
		t.Cleanup(s.Stop)
		return "http://" + l.Addr().String()
	}
	h := healthServer{health.NewServer()}
	h.SetServingStatus("down", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	for _, up := range []string{"up", "breaks", "changes"} {
		h.SetServingStatus(up, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	url := serve(func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, h) })
	bare := serve(func(*grpc.Server) {})
	overTLS := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(overTLS, h)
	tlsURL, ca := secure(t, overTLS, time.Hour)
	trusted := ProbeSpec{GRPC: &ProbeGRPC{probeRemote: probeRemote{URL: tlsURL, CA: ca, Headers: map[string]httpx.Secret{"X-Key": httpx.NewSecret("secret")}}}}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	to := func(url, service string, watch time.Duration) ProbeSpec {
		return ProbeSpec{Timeout: time.Second, GRPC: &ProbeGRPC{probeRemote: probeRemote{URL: url}, Service: service, Watch: watch}}
	}
	checkProbes(t, []probeCase{
		{"the server", to(url, "", 0), none, ""},
		{"a service", to(url, "up", 0), none, ""},
		{"a service that does not serve", to(url, "down", 0), service, badReply},
		{"no such service", to(url, "nobody", 0), service, badStatus},
		{"no health service", to(bare, "", 0), service, badStatus},
		{"TLS and a header", trusted, none, ""},
		{"TLS, not trusted", to(tlsURL, "", 0), service, badConnection},
		{"a stream", to(url, "up", 50*time.Millisecond), none, ""},
		{"a stream that breaks", to(url, "breaks", 500*time.Millisecond), service, badConnection},
		{"a stream that leaves SERVING", to(url, "changes", 500*time.Millisecond), service, badReply},
		{"a server that says nothing", to("http://"+silent.Addr().String(), "", 0), service, badTimeout},
		{"refused", to("http://"+closedPort(t), "", 0), service, badConnection},
		{"a name that never was is ours", to("https://no-such-host.invalid", "", 0), ours, ""},
	})
}

// nameServer answers shop.example with 192.0.2.1, fails for broken.example, is silent for silent.example, and knows no other name.
func nameServer(t *testing.T) string { return serveNames(t, nameReply) }

func serveNames(t *testing.T, answer func(query []byte) []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := answer(b[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func nameReply(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
	switch q.Name.String() {
	case "shop.example.":
		if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}}}
		} else if q.Type == dnsmessage.TypeTXT {
			m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.TXTResource{TXT: []string{"hello"}}}}
		}
	case "broken.example.":
		m.RCode = dnsmessage.RCodeServerFailure
	case "silent.example.":
		return nil
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	b, _ := m.Pack()
	return b
}

func TestProbeTCPAndDNS(t *testing.T) {
	server := nameServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	tcp := func(address string) ProbeSpec { return ProbeSpec{TCP: &ProbeTCP{Address: address}} }
	name := func(name, kind, contains string) ProbeSpec {
		return ProbeSpec{DNS: &ProbeDNS{Name: name, Type: kind, Contains: contains, Server: server}, Timeout: time.Second}
	}
	checkProbes(t, []probeCase{
		{"tcp", tcp(l.Addr().String()), none, ""},
		{"tcp refused", tcp(closedPort(t)), service, badConnection},
		{"tcp, no such host", tcp("no-such-host.invalid:80"), ours, ""},
		{"dns", name("shop.example", "", ""), none, ""},
		{"dns record", name("shop.example", "a", "192.0.2.1"), none, ""},
		{"dns text", name("shop.example.", "TXT", "hello"), none, ""},
		{"dns other record", name("shop.example", "A", "192.0.2.2"), service, badReply},
		{"dns no such name", name("gone.example", "A", ""), service, badStatus},
		{"dns server fails", name("broken.example", "A", ""), service, badStatus},
		{"dns server is silent", name("silent.example", "A", ""), unclear, badTimeout},
	})
}

func TestProbeFaults(t *testing.T) {
	dial := func(errno error) error { return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)} }
	gone := &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}
	for _, c := range []struct {
		name  string
		a     *attempt
		err   error
		known bool
		want  fault
	}{
		{"refused", &attempt{dialled: true}, dial(syscall.ECONNREFUSED), false, service},
		{"no route", &attempt{dialled: true}, dial(syscall.EHOSTUNREACH), false, ours},
		{"no network", &attempt{dialled: true}, dial(syscall.ENETUNREACH), true, ours},
		{"no local port left", &attempt{dialled: true}, dial(syscall.EADDRNOTAVAIL), false, ours},
		{"too many files", &attempt{dialled: true}, dial(syscall.EMFILE), false, ours},
		{"too many files, told by gRPC as text", &attempt{dialled: true, failed: []error{dial(syscall.EMFILE)}}, errors.New("unavailable"), false, ours},
		{"refused by IPv4, no way by IPv6", &attempt{dialled: true, failed: []error{dial(syscall.ECONNREFUSED), dial(syscall.ENETUNREACH)}}, dial(syscall.ENETUNREACH), false, service},
		{"no answer by IPv4, no way by IPv6", &attempt{dialled: true, failed: []error{dial(syscall.ENETUNREACH)}}, context.DeadlineExceeded, false, unclear},
		{"no answer to the connection", &attempt{dialled: true}, context.DeadlineExceeded, false, unclear},
		{"no answer on the connection", &attempt{dialled: true, connected: true}, context.DeadlineExceeded, false, service},
		{"a name that never was", &attempt{}, gone, false, ours},
		{"a name that is gone", &attempt{}, gone, true, service},
		{"the resolver fails", &attempt{}, &net.DNSError{Err: "server misbehaving", IsTemporary: true}, true, ours},
		{"the resolver is silent", &attempt{resolving: true}, context.DeadlineExceeded, true, ours},
		{"nothing was tried", &attempt{}, errors.New("?"), true, ours},
		{"the proxy is away", &attempt{dialled: true}, &net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}, false, ours},
		{"the proxy gets nowhere", &attempt{dialled: true, proxied: true}, errors.New("Bad Gateway"), false, unclear},
	} {
		if got, reason := c.a.judge(c.err, c.known); got != c.want || (got == ours) != (reason == "") {
			t.Errorf("%s: got %d %q, want %d", c.name, got, reason, c.want)
		}
	}
}

func TestProbeWitnesses(t *testing.T) {
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name string
		do   func(w *witnesses, settle func(fault))
		want string
	}{
		{"another host was heard", func(w *witnesses, settle func(fault)) {
			w.unclear("a", at(0), settle)
			w.heard("b", at(1), true)
		}, "[1]"},
		{"none was", func(w *witnesses, settle func(fault)) {
			w.unclear("a", at(0), settle)
			w.heard("b", at(1), false)
			w.heard("c", at(1), false)
		}, "[2]"},
		{"one of the others was", func(w *witnesses, settle func(fault)) {
			w.unclear("a", at(0), settle)
			w.heard("b", at(1), false)
			w.heard("b", at(2), false)
			w.heard("c", at(3), true)
		}, "[1]"},
		{"earlier ones and the same host say nothing", func(w *witnesses, settle func(fault)) {
			w.unclear("a", at(5), settle)
			w.heard("a", at(6), true)
			w.heard("b", at(4), true)
		}, "[]"},
		{"there is one host only", func(w *witnesses, settle func(fault)) {
			w.hosts = 1
			w.unclear("a", at(0), settle)
		}, "[1]"},
		{"bounded", func(w *witnesses, settle func(fault)) {
			w.unclear("a", at(0), settle)
			for range maxWaiting {
				w.unclear("a", at(0), func(fault) {})
			}
		}, "[2]"},
	} {
		got := []fault{}
		w := &witnesses{hosts: 3}
		c.do(w, func(f fault) { got = append(got, f) })
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, want %s", c.name, got, c.want)
		}
	}
}

// What one health endpoint misses: two paths of a server, one of which fails.
func TestProbeTwoPaths(t *testing.T) {
	server := httptest.NewServer(serviceOf(t))
	t.Cleanup(server.Close)
	p, err := newProbes(ProbeOptions{Every: 50 * time.Millisecond, Timeout: time.Second, Probes: []ProbeSpec{
		{Name: "home", HTTP: &ProbeHTTP{probeRemote: probeRemote{URL: server.URL + "/ok"}}},
		{Name: "cart", HTTP: &ProbeHTTP{probeRemote: probeRemote{URL: server.URL + "/broken"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	stop := p.Start(t.Context())
	var mu sync.Mutex
	counts := map[string]float64{}
	realtest.Poll(t, time.Minute, "five of each", func() bool {
		mu.Lock()
		defer mu.Unlock()
		counts = lastCounts(t, p)
		return counts["home ok"] >= 5 && counts["cart bad"] >= 5
	})
	stop()
	if counts["home bad"] != 0 || counts["cart ok"] != 0 || counts["latency home"] != counts["home ok"] || counts["latency cart"] != 0 || counts["up home"] != 1 || counts["up cart"] != 0 {
		t.Errorf("got %v", counts)
	}
}

// lastCounts asks for all there is.
func lastCounts(t *testing.T, p *probes) map[string]float64 {
	t.Helper()
	qs := []Query{{ID: "up", Kind: Gauge, Text: "probe_up"}}
	for _, name := range []string{"home", "cart"} {
		for _, result := range []string{"ok", "bad"} {
			qs = append(qs, Query{ID: name + " " + result, Kind: Counter, Text: `probe_requests_total{probe="` + name + `",result="` + result + `"}`})
		}
		qs = append(qs, Query{ID: "latency " + name, Kind: Histogram, Text: `probe_duration_seconds{probe="` + name + `"}`})
	}
	got, err := p.Range(t.Context(), qs, time.Now().Add(-time.Hour), time.Now().Add(time.Minute), 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, x := range got {
		v := x.Points[len(x.Points)-1].V
		switch {
		case x.Query == "up":
			counts["up "+x.Labels["probe"]] = v
		case x.Labels["le"] == "" || x.Labels["le"] == "+Inf":
			counts[x.Query] += v
		}
	}
	return counts
}
