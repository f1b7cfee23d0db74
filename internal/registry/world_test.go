package registry

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/net/dns/dnsmessage"
)

// server is a registry, or something in its place, that keeps what it was asked.
type server struct {
	*httptest.Server
	host string // host:port
	mu   sync.Mutex
	seen []string
}

// serve starts a server on this machine, with TLS where the scheme says so.
func serve(t *testing.T, scheme string, f http.HandlerFunc) *server {
	t.Helper()
	return serveAt(t, scheme, "127.0.0.1", f)
}

// serveAt is serve on another address of this machine.
func serveAt(t *testing.T, scheme, ip string, f http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		f(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Listener.Close()
	s.Listener = l
	if scheme == "https" {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	s.host = s.Listener.Addr().String()
	return s
}

func (s *server) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.seen, ", ")
}

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.host)
	return port
}

// caFile is the certificate of a test server as a file.
func caFile(t *testing.T, s *server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// resolve answers for names, over the network as a name server does, and takes 127.0.0.1 for the internet: the rest of 127.0.0.0/8 stays
// this machine. So a test can tell a registry out there from one in here.
func (c *Client) resolve(t *testing.T, names map[string]string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := answerName(b[:n], names); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	c.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	c.zoneOf = func(a netip.Addr) zone {
		if a.Unmap() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			return internet
		}
		return zoneOf(a)
	}
}

func answerName(query []byte, names map[string]string) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	addr, ok := names[strings.TrimSuffix(q.Name.String(), ".")]
	switch {
	case !ok:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body: &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()}}}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func quickWith(c Credentials, hosts map[string]Host) *Client {
	return New(c, Options{RetryWait: time.Millisecond, Timeout: 2 * time.Second, Limit: 5 * time.Second, Hosts: hosts})
}

func mustManifest(t *testing.T, c *Client, ref string) Manifest {
	t.Helper()
	m, err := c.Manifest(context.Background(), mustRef(t, ref))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantError looks at an error's kind, and for parts of its text.
func wantError(t *testing.T, err error, kind Kind, parts ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("got %v, want an *Error of kind %q", err, kind)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want %q in it", err, part)
		}
	}
}

func newRepo(s string) (name.Repository, error) { return name.NewRepository(s) }

func mustRepo(t *testing.T, s string) name.Repository {
	t.Helper()
	r, err := newRepo(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// roundTrip is a network in process.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(r *http.Request, status int, h http.Header, body string) *http.Response {
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}
}

func listTags(t *testing.T, c *Client, repo name.Repository) {
	t.Helper()
	if _, err := remote.List(repo, c.Remote(context.Background(), repo)...); err != nil {
		t.Fatal(c.Explain(repo, err))
	}
}
