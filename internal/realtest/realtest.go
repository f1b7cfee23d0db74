// Package realtest starts the real servers that the tests need, on 127.0.0.1 and free ports, and stops them with the test.
package realtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Need returns the path of a tool. A test that needs a missing one is skipped, with the reason; in the project's CI (BAKEGATE_CI=1)
// it fails, so that no test is skipped for good unnoticed.
func Need(t testing.TB, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err == nil {
		return path
	}
	if os.Getenv("BAKEGATE_CI") == "1" {
		t.Fatalf("%s is not in PATH, and with BAKEGATE_CI=1 every real server has to be there", tool)
	}
	t.Skipf("%s is not in PATH: this test needs the real one", tool)
	return ""
}

// freePort finds a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Poll calls done every 20 ms until it is true, and fails the test after limit. A real server has no other way to be waited for.
func Poll(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited %s for %s", limit, what)
}

// answers reports whether url answers with 200.
func answers(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Cut is a proxy between a client and a server that can be cut, for tests of outages.
type Cut struct {
	URL  string // http://127.0.0.1:port, forwards to the server
	t    testing.TB
	addr string
	to   string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	hung     bool
}

// CutProxy starts a proxy to the server at addr, a host and port. It forwards bytes and changes nothing.
func CutProxy(t testing.TB, addr string) *Cut {
	t.Helper()
	c := &Cut{t: t, to: addr, addr: "127.0.0.1:0", open: map[net.Conn]bool{}}
	c.listen()
	c.URL = "http://" + c.addr
	t.Cleanup(c.Cut)
	return c
}

func (c *Cut) listen() {
	c.t.Helper()
	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.listener, c.addr = l, l.Addr().String()
	c.mu.Unlock()
	go c.serve(l)
}

func (c *Cut) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return // cut
		}
		go c.forward(in)
	}
}

func (c *Cut) forward(in net.Conn) {
	defer c.drop(in)
	if !c.keep(in) {
		_, _ = io.Copy(io.Discard, in) // hung: it takes the request and never answers
		return
	}
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	c.keep(out)
	defer c.drop(out)
	go func() {
		_, _ = io.Copy(out, in) // ends when either side is closed
		c.drop(out)
	}()
	_, _ = io.Copy(in, out)
}

// keep notes an open connection and reports whether it may be forwarded.
func (c *Cut) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn] = true
	return !c.hung
}

func (c *Cut) drop(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
	_ = conn.Close()
}

// Cut refuses connections from now on and ends those that are open.
func (c *Cut) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener != nil {
		_ = c.listener.Close()
		c.listener = nil
	}
	c.end()
}

// Hang takes connections from now on but never answers; those that are open end.
func (c *Cut) Hang() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hung = true
	c.end()
}

func (c *Cut) end() {
	for conn := range c.open {
		_ = conn.Close()
	}
	clear(c.open)
}

// Resume forwards again, at the same address.
func (c *Cut) Resume() {
	c.t.Helper()
	c.mu.Lock()
	c.hung = false
	listening := c.listener != nil
	c.end()
	c.mu.Unlock()
	if !listening {
		c.listen()
	}
}
