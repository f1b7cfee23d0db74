// Package fake holds servers that behave like the tools that deploys are marked in, with their limits and their silent traps, for tests
// and the demo. Each is reached by a real URL, or in process as an http.RoundTripper, where testing/synctest can turn the clock.
package fake

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// Fault makes requests go wrong.
type Fault struct {
	Method string // "" for any
	Path   string // prefix, "" for any
	Times  int    // how many requests, 0 for one
	Status int    // the reply; 0 with Hang
	Header http.Header
	Body   string
	After  bool // the request is done first: the reply lies, or comes too late
	Hang   bool // no reply at all
}

// Request is one request that was received.
type Request struct {
	Method string
	Path   string
	Query  string
	Header http.Header
	Body   []byte
}

// server is what the fakes share: the address, the log of requests, the faults.
type server struct {
	mu       sync.Mutex
	faults   []*Fault
	requests []Request
	handler  http.HandlerFunc
	http     *httptest.Server
	closed   chan struct{}
}

func (s *server) start(h http.HandlerFunc) {
	s.handler, s.closed = h, make(chan struct{})
}

// URL starts a real server on a loopback port, once, and is its address. Close ends it.
func (s *server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		s.http = httptest.NewServer(s)
	}
	return s.http.URL
}

// Close ends the server, and requests that hang.
func (s *server) Close() {
	close(s.closed)
	if s.http != nil {
		s.http.Close()
	}
}

// Fail makes the next requests that fit go wrong.
func (s *server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// FailNext makes the next n requests end in a status without having been done.
func (s *server) FailNext(status, n int) { s.Fail(Fault{Status: status, Times: n}) }

// Requests are those received so far.
func (s *server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Count is how many requests had this method; "" for all.
func (s *server) Count(method string) int {
	n := 0
	for _, r := range s.Requests() {
		if method == "" || r.Method == method {
			n++
		}
	}
	return n
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f := s.receive(Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body})
	if f == nil {
		s.handler(w, r)
		return
	}
	if f.After {
		s.handler(httptest.NewRecorder(), r)
	}
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		return
	}
	for k, v := range f.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// receive logs a request and takes the fault that fits.
func (s *server) receive(r Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	for i, f := range s.faults {
		if f.Method != "" && f.Method != r.Method || !strings.HasPrefix(r.Path, f.Path) {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		return f
	}
	return nil
}

// RoundTrip implements http.RoundTripper: the server in process, without a network.
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeHTTP(out, in)
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-done:
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := out.Result()
	resp.Request = r
	return resp, nil
}
