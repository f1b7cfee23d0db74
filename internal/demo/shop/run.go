package shop

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Running is a shop that serves on an address which outlives its processes, as a Kubernetes Service's does.
type Running struct {
	URL    string // http://127.0.0.1:port
	server *http.Server
	shop   atomic.Pointer[Shop]
}

// Start serves a shop on a free port of 127.0.0.1.
func Start(c Config) (*Running, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Running{URL: "http://" + l.Addr().String()}
	r.shop.Store(New(c))
	r.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.shop.Load().ServeHTTP(w, q) }),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go r.server.Serve(l) //nolint:errcheck // it returns when Stop closes it
	return r, nil
}

// Addr is the host and port, as Prometheus' targets are written.
func (r *Running) Addr() string { return r.URL[len("http://"):] }

// MetricsURL is the address of the metrics page.
func (r *Running) MetricsURL() string { return r.URL + "/metrics" }

// Shop is the process that serves now.
func (r *Running) Shop() *Shop { return r.shop.Load() }

// Replace deploys: from now on a new process of another version serves, with counters from 0. Requests under way end in the old one.
func (r *Running) Replace(c Config) { r.shop.Store(New(c)) }

// Restart replaces the process by one of the same configuration.
func (r *Running) Restart() { r.Replace(r.shop.Load().config) }

// Stop closes the port.
func (r *Running) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return r.server.Close()
}
