package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxCA      = 1 << 20
	maxHeaders = 256 << 10
)

// place is one registry: its options, the connections that are made for it, and how near it is. All its repositories share it.
type place struct {
	c     *Client
	host  string // host[:port], as in a reference
	o     Host
	slots chan struct{}
	// near is 1 + the zone of the farthest address at which the registry was reached, 0 before that.
	near atomic.Uint32
	down outage

	mu    sync.Mutex
	wires map[wire]http.RoundTripper
}

func newPlace(c *Client, host string) *place {
	p := &place{c: c, host: host, o: c.hosts[canonical(host)], wires: map[wire]http.RoundTripper{}}
	n := p.o.AtOnce
	if n <= 0 {
		n = DefaultAtOnce
	}
	p.slots = make(chan struct{}, n)
	return p
}

// enter takes one of the registry's slots.
func (p *place) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-p.slots }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// own reports whether a URL is at the registry itself, and not somewhere it sends us.
func (p *place) own(u *url.URL) bool {
	return sameHost(u.Host, p.host) || u.Scheme == "http" && sameHost(u.Host, p.host+":80")
}

// zone is how near the registry itself is: where it was reached, or what its name says.
func (p *place) zone() zone {
	if n := p.near.Load(); n > 0 {
		return zone(n - 1)
	}
	return zoneOfName(hostOnly(p.host))
}

// reached notes an address of the registry. The farthest counts: a name that leads to several networks is no proof of being in one.
func (p *place) reached(a net.Addr) {
	addr, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return
	}
	z := uint32(p.c.zoneOf(addr.Addr())) + 1
	for old := p.near.Load(); old == 0 || z < old; old = p.near.Load() {
		if p.near.CompareAndSwap(old, z) {
			return
		}
	}
}

// wire is a kind of connection. Kinds are never mixed: a connection that was made without the guard must not be used by a request that
// needs it.
type wire struct {
	ca       string // beside the client's
	insecure bool
	own      bool // to the registry itself: its addresses are noted, and may not come nearer
	guarded  bool // to somewhere the registry sends us: not nearer than the registry is
	proxied  bool // the address that is dialled is the proxy's
}

// RoundTrip sends a request over the kind of connection that it may use.
func (p *place) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.c.base != nil {
		return p.c.base.RoundTrip(req)
	}
	rt, err := p.to(req.URL)
	if err != nil {
		return nil, err
	}
	return rt.RoundTrip(req)
}

func (p *place) to(u *url.URL) (http.RoundTripper, error) {
	proxy, err := p.c.proxy()(u)
	if err != nil { // a CGI, where a client's header would be taken for HTTP_PROXY
		return nil, refused("HTTP_PROXY is not used where REQUEST_METHOD is set")
	}
	w := wire{ca: p.o.CA, own: p.own(u), proxied: proxy != nil}
	named, isNamed := p.c.hosts[canonical(u.Host)]
	switch {
	case w.own:
		w.insecure = p.o.Insecure
	case isNamed:
		w.ca, w.insecure = named.CA, named.Insecure
	default:
		w.guarded = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if rt, ok := p.wires[w]; ok {
		return rt, nil
	}
	rt, err := p.transport(w)
	if err == nil {
		p.wires[w] = rt
	}
	return rt, err
}

// transport is the network: TLS 1.2 or later, HTTP/2 where offered.
func (p *place) transport(w wire) (http.RoundTripper, error) {
	roots, err := roots(p.c.options.CA, w.ca)
	if err != nil {
		return nil, refused(err.Error())
	}
	t := &http.Transport{
		DialContext:            p.dial(w),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: w.insecure},
		TLSHandshakeTimeout:    p.c.options.Timeout,
		ResponseHeaderTimeout:  p.c.options.Timeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaders,
		// A registry's bytes are hashed as they are: nothing may decompress them on the way.
		DisableCompression: true,
	}
	if w.proxied {
		t.Proxy = func(r *http.Request) (*url.URL, error) { return p.c.proxy()(r.URL) }
	}
	return t, nil
}

// dial makes connections. The address is looked at when it is known, behind the resolver: a name may lead anywhere, and another time to
// another place. A proxy is in our own network, and the addresses behind it are not ours to see.
func (p *place) dial(w wire) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: p.c.options.Timeout, KeepAlive: 30 * time.Second, Resolver: p.c.resolver}
	if w.proxied || !w.own && !w.guarded {
		return d.DialContext
	}
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error { return p.mayDial(address, w.own) }
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err == nil && w.own {
			p.reached(conn.RemoteAddr())
		}
		return conn, err
	}
}

func (p *place) mayDial(address string, own bool) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused("the address " + address + " can't be judged")
	}
	z := p.c.zoneOf(addr.Addr())
	switch {
	case own && p.near.Load() > 0 && z > p.zone():
		return refused("the name " + p.host + " leads to the private address " + addr.Addr().String() + " now, and led to the internet before")
	case !own && z > p.zone():
		return tooNear(addr.Addr().String())
	}
	return nil
}

func tooNear(host string) error {
	return refused("the registry sends us to the private address " + host + "; if that is meant, give its host a block under registries")
}

// mayGo looks at the host of an address that a registry sends us to, as it is written. It is all that can be done where a proxy dials.
func (p *place) mayGo(u *url.URL) error {
	if _, named := p.c.hosts[canonical(u.Host)]; named {
		return nil
	}
	if zoneOfName(u.Hostname()) > p.zone() {
		return tooNear(u.Host)
	}
	return nil
}

func hostOnly(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}

// roots is the system's pool with the certificates of the files beside it; nil means the system's.
func roots(files ...string) (*x509.CertPool, error) {
	var pool *x509.CertPool
	for _, file := range files {
		if file == "" {
			continue
		}
		pem, err := readBounded(file, maxCA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		if pool == nil {
			if pool, err = x509.SystemCertPool(); err != nil {
				pool = x509.NewCertPool()
			}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca %q: it holds no certificate, want PEM (-----BEGIN CERTIFICATE-----)", file)
		}
	}
	return pool, nil
}

// errTooLarge is a file that holds more than belongs there.
var errTooLarge = errors.New("it is too large")

func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", strings.TrimSpace(file), err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%s: %w: more than %d bytes", strings.TrimSpace(file), errTooLarge, limit)
	}
	return b, nil
}
