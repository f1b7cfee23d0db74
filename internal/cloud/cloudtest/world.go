// Package cloudtest is a network in process with clouds in it, for tests: nothing leaves the machine, and testing/synctest can turn the
// clock.
package cloudtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
)

// World is the hosts that can be reached, each with its server. A host that is missing refuses connections.
type World struct {
	Hosts map[string]http.HandlerFunc
	// Dead are hosts that never answer, as an address to which packets are lost.
	Dead []string

	mu    sync.Mutex
	calls []string
}

// Calls are the requests so far: "GET host/path".
func (w *World) Calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.calls...)
}

// RoundTrip implements http.RoundTripper.
func (w *World) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.calls = append(w.calls, r.Method+" "+r.URL.Host+r.URL.Path)
	w.mu.Unlock()
	for _, dead := range w.Dead {
		if dead == r.URL.Host {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
	}
	h, ok := w.Hosts[r.URL.Host]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return serve(h, r)
}

// serve lets a handler answer, as it would over a connection that ends with the request's context.
func serve(h http.HandlerFunc, r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "192.0.2.1:1"
	if r.Host != "" {
		in.Host = r.Host
	}
	in.Body = http.NoBody
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		in.Body = io.NopCloser(bytes.NewReader(b))
	}
	rec := httptest.NewRecorder()
	h(rec, in)
	if err := r.Context().Err(); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, context.Canceled
		}
		return nil, context.DeadlineExceeded
	}
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// Hang is a server that accepts and then says nothing.
func Hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Env is a job's environment.
func Env(pairs ...string) func(string) string {
	env := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return env[name] }
}
