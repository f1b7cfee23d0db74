package registry

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCustomCA(t *testing.T) {
	s := serve(t, "https", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	host := "reg.example.com:" + s.port() // the certificate of httptest is for example.com and what is below it
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	large := filepath.Join(dir, "large.pem")
	for file, text := range map[string]string{empty: "no certificate", large: strings.Repeat("x", maxCA+1)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		host Host
		want string // of the error
	}{
		"the right one":      {Host{CA: caFile(t, s)}, ""},
		"none":               {Host{}, "give the authority's PEM file as ca under registries." + host},
		"insecure":           {Host{Insecure: true}, ""},
		"no certificate":     {Host{CA: empty}, "it holds no certificate"},
		"too large":          {Host{CA: large}, "too large"},
		"no such file":       {Host{CA: filepath.Join(dir, "absent.pem")}, "no such file"},
		"for another host":   {Host{Mirrors: nil}, "unknown authority"},
		"two, one of Client": {Host{CA: caFile(t, s)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := quickWith(Credentials{}, map[string]Host{host: tt.host})
			if name == "for another host" {
				c = quickWith(Credentials{}, map[string]Host{"other.example.com": {CA: caFile(t, s), Insecure: true}})
			}
			c.resolve(t, map[string]string{"reg.example.com": "127.0.0.1"})
			_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
			if tt.want == "" && err != nil {
				t.Error(err)
			}
			if tt.want != "" {
				wantError(t, err, Refused, tt.want)
			}
		})
	}
}

// A certificate that is not verified at the registry is verified elsewhere: at its token server and its store.
func TestInsecureStaysAtTheRegistry(t *testing.T) {
	other := serve(t, "https", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"x"}`) })
	for name, header := range map[string][2]string{
		"token server": {"WWW-Authenticate", `Bearer realm="https://auth.example.com:` + other.port() + `/token"`},
		"redirect":     {"Location", "https://auth.example.com:" + other.port() + "/x"},
	} {
		s := serve(t, "https", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header[0], header[1])
			w.WriteHeader(map[string]int{"token server": 401, "redirect": 307}[name])
		})
		host := "reg.example.com:" + s.port()
		c := quickWith(Credentials{}, map[string]Host{host: {Insecure: true}})
		c.resolve(t, map[string]string{"reg.example.com": "127.0.0.1", "auth.example.com": "127.0.0.1"})
		_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
		wantError(t, err, Refused, "unknown authority")
		if s.requests() == "" || other.requests() != "" {
			t.Errorf("%s: got %q and %q", name, s.requests(), other.requests())
		}
	}
}

// proxy is an HTTP proxy that connects every name to one server, and keeps what it was asked for.
type proxy struct {
	net.Listener
	mu   sync.Mutex
	seen []string
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{Listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn, target)
		}
	}()
	return p
}

func (p *proxy) serve(conn net.Conn, target string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.seen = append(p.seen, req.Method+" "+req.Host+" "+req.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	up, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer up.Close()
	if req.Method == http.MethodConnect {
		fmt.Fprint(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	} else if err := req.Write(up); err != nil {
		return
	}
	go func() { _, _ = io.Copy(up, r) }()
	_, _ = io.Copy(conn, up)
}

func (p *proxy) requests() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.seen, ", ")
}

// The proxies are those of the process's environment. The names are resolved by the proxy alone: there is no name server that knows them.
func TestProxies(t *testing.T) {
	for name, tt := range map[string]struct {
		scheme string
		env    map[string]string
		want   string // what the proxy was asked for; "" where it must not be
		kind   Kind
	}{
		"CONNECT":               {"https", map[string]string{"HTTPS_PROXY": "http://PROXY"}, "CONNECT reg.example.com:PORT ", ""},
		"lower case":            {"https", map[string]string{"https_proxy": "http://PROXY"}, "CONNECT reg.example.com:PORT ", ""},
		"with a password":       {"https", map[string]string{"HTTPS_PROXY": "http://u:proxy-pw@PROXY"}, "CONNECT reg.example.com:PORT Basic dTpwcm94eS1wdw==", ""},
		"plain HTTP":            {"http", map[string]string{"HTTP_PROXY": "http://PROXY"}, "GET reg.example.com:PORT ", ""},
		"for the other scheme":  {"https", map[string]string{"HTTP_PROXY": "http://PROXY"}, "", Unreachable},
		"NO_PROXY":              {"https", map[string]string{"HTTPS_PROXY": "http://PROXY", "NO_PROXY": ".example.com"}, "", Unreachable},
		"a proxy that is none":  {"https", map[string]string{"HTTPS_PROXY": "http://u:proxy-pw@[::1"}, "", Unreachable},
		"a CGI's header":        {"http", map[string]string{"HTTP_PROXY": "http://PROXY", "REQUEST_METHOD": "GET"}, "", Refused},
		"a proxy that is away":  {"https", map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1"}, "", Unreachable},
		"none in the variables": {"https", nil, "", Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tt.scheme, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
			p := newProxy(t, s.host)
			for _, v := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "REQUEST_METHOD"} {
				t.Setenv(v, strings.ReplaceAll(tt.env[v], "PROXY", p.Addr().String()))
			}
			host := Host{PlainHTTP: tt.scheme == "http"}
			if tt.scheme == "https" {
				host.CA = caFile(t, s)
			}
			c := quickWith(Credentials{}, map[string]Host{"reg.example.com:" + s.port(): host})
			_, err := c.Manifest(context.Background(), mustRef(t, "reg.example.com:"+s.port()+"/acme/app:v1"))
			switch {
			case tt.kind == "" && err != nil:
				t.Error(err)
			case tt.kind != "":
				wantError(t, err, tt.kind)
			}
			if err != nil && strings.Contains(err.Error(), "proxy-pw") {
				t.Errorf("the proxy's password is in %v", err)
			}
			if got, want := p.requests(), strings.ReplaceAll(tt.want, "PORT", s.port()); got != want {
				t.Errorf("the proxy was asked for %q, want %q", got, want)
			}
		})
	}
}

// Where a proxy dials, the names are all there is to look at, and they are looked at.
func TestProxyAndPrivateAddresses(t *testing.T) {
	for _, to := range []string{"https://127.0.0.1/x", "https://2130706433/x", "https://localhost/x", "https://[::ffff:169.254.169.254]/x", "https://metadata.google.internal/x"} {
		s := serve(t, "https", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) })
		p := newProxy(t, s.host)
		t.Setenv("HTTPS_PROXY", "http://"+p.Addr().String())
		t.Setenv("NO_PROXY", "")
		host := "reg.example.com:" + s.port()
		c := quickWith(Credentials{}, map[string]Host{host: {CA: caFile(t, s)}})
		_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
		wantError(t, err, Refused, "private address")
		if want := "CONNECT " + host + " "; p.requests() != want {
			t.Errorf("%s: the proxy was asked for %q, want %q", to, p.requests(), want)
		}
	}
}

// A connection that was made without the guard is not used by a request that needs it.
func TestConnectionsAreNotShared(t *testing.T) {
	inside := serve(t, "http", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	outside := serve(t, "https", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://inside.example.com:"+inside.port()+"/x", http.StatusTemporaryRedirect)
	})
	host := "reg.example.com:" + outside.port()
	c := quickWith(Credentials{}, map[string]Host{host: {CA: caFile(t, outside)}})
	c.resolve(t, map[string]string{"reg.example.com": "127.0.0.1", "inside.example.com": "127.0.0.2"})
	mustManifest(t, c, inside.host+"/acme/app:v1") // this machine's own registry, which the user named
	_, err := c.Manifest(context.Background(), mustRef(t, host+"/acme/app:v1"))
	wantError(t, err, Refused, "private address 127.0.0.2")
	if n := strings.Count(inside.requests(), "GET"); n != 1 {
		t.Errorf("%d requests inside, want 1", n)
	}
}

func TestTLSVersion(t *testing.T) {
	c := New(Credentials{}, Options{})
	rt, err := c.place("ghcr.io").transport(wire{own: true})
	if err != nil {
		t.Fatal(err)
	}
	if tr := rt.(*http.Transport); tr.TLSClientConfig.MinVersion < 0x0303 || tr.TLSClientConfig.InsecureSkipVerify || !tr.DisableCompression {
		t.Errorf("got %+v", tr.TLSClientConfig)
	}
}
