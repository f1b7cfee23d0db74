package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// proxy stands before the registry and counts.
type proxy struct {
	addr   string
	server *http.Server

	mu       sync.Mutex
	delay    time.Duration
	paths    []string
	inFlight int
	most     int
}

func startProxy(registry string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{addr: l.Addr().String()}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: registry})
		r.Out.Host = r.In.Host // the registry sends uploads on to where it was asked
	}}
	p.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait := p.enter(r)
		defer p.leave()
		time.Sleep(wait)
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = p.server.Serve(l) }() // ends with stop
	return p, nil
}

func (p *proxy) enter(r *http.Request) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paths = append(p.paths, r.Method+" "+r.URL.Path)
	p.inFlight++
	p.most = max(p.most, p.inFlight)
	return p.delay
}

func (p *proxy) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
}

func (p *proxy) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paths, p.most = nil, 0
}

func (p *proxy) seen() (paths []string, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paths, p.most
}

func (p *proxy) slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

func (p *proxy) stop() { _ = p.server.Close() }

var digests = regexp.MustCompile(`sha256([:-])([0-9a-f]{6})[0-9a-f]{58}`)

// list writes requests short enough to be read.
func list(paths []string) string {
	return digests.ReplaceAllString(strings.Join(paths, ", "), "sha256$1$2…")
}

// dockerRegistry is a real registry on a free port of this machine.
type dockerRegistry struct {
	addr string
	stop func()
}

func startRegistry(ctx context.Context, dir string) (*dockerRegistry, error) {
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		return nil, fmt.Errorf("%w: Debian and Ubuntu have it as the package docker-registry", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: %q\nhttp:\n  addr: %s\n",
		filepath.Join(dir, "data"), addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, bin, "serve", config)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &dockerRegistry{addr: addr, stop: func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }}
	for range 200 {
		if resp, err := http.Get("http://" + addr + "/v2/"); err == nil {
			return r, resp.Body.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.stop()
	return nil, fmt.Errorf("docker-registry did not answer on %s within 10 s", addr)
}
