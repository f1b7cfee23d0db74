package metric

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

// fault says whose failure a probe's is. Only the service's is data.
type fault uint8

const (
	none    fault = iota
	service       // it refused, was too slow, or answered wrongly
	ours          // the probe never left this machine
	unclear       // nothing came back: the service is gone, or the network on the way to it
)

// The reasons of a service's failure, the label reason of probe_requests_total. The set is fixed, so that every series is there from
// the start, at 0: what appears later could not be told from a counter that is seen for the first time.
const (
	noReason       = ""
	badConnection  = "connection"  // refused, reset, or no such name any more
	badTimeout     = "timeout"     // no complete answer in time
	badCertificate = "certificate" // not trusted, or it ends too soon
	badStatus      = "status"      // HTTP status, gRPC code, DNS rcode
	badReply       = "reply"       // the answer is not the one that is wanted
)

var badReasons = []string{badCertificate, badConnection, badReply, badStatus, badTimeout}

// badError is a failure of the service that the probe itself recognised.
type badError struct {
	reason string
	err    error
}

func (e *badError) Error() string { return e.err.Error() }
func (e *badError) Unwrap() error { return e.err }

func badf(reason, format string, args ...any) error {
	return &badError{reason, fmt.Errorf(format, args...)}
}

// oursError is a failure that the probe itself knows to be on this side.
type oursError struct{ error }

func (e oursError) Unwrap() error { return e.error }

// maxFailed is how many failed connections of one probe are remembered.
const maxFailed = 16

// attempt is one probe, with what is known of its way to the service.
type attempt struct {
	host  string
	began time.Time
	took  time.Duration // 0: until it returned

	mu        sync.Mutex
	resolving bool // a lookup is under way
	resolved  bool
	dialled   bool    // a packet may have left
	connected bool    // the other side took the connection
	proxied   bool    // a proxy stands between: its taking the connection says nothing of the service
	failed    []error // of connections that could not be made: a host may have several addresses
}

// through takes the proxy that a request will go through, nil for none.
func (a *attempt) through(proxy *url.URL, _ error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proxied = proxy != nil
}

// answered ends the time that counts as the probe's latency.
func (a *attempt) answered() { a.took = time.Since(a.began) }

// trace watches the lookups and connections that are made with the context: dialers tell it, and so does net/http.
func (a *attempt) trace(ctx context.Context) context.Context {
	set := func(f func()) { a.mu.Lock(); defer a.mu.Unlock(); f() }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { set(func() { a.resolving = true }) },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			set(func() { a.resolving, a.resolved = isTimeout(i.Err), i.Err == nil })
		},
		TLSHandshakeStart: func() { set(func() { a.connected = true }) }, // behind the proxy
		ConnectStart:      func(string, string) { set(func() { a.dialled = true }) },
		ConnectDone: func(_, _ string, err error) {
			set(func() {
				a.connected = a.connected || err == nil && !a.proxied
				if err != nil && len(a.failed) < maxFailed {
					a.failed = append(a.failed, err)
				}
			})
		},
	})
}

// judge says whose failure err is, and its reason if it is the service's. known says that the name was resolved before.
func (a *attempt) judge(err error, known bool) (fault, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var mine oursError
	var bad *badError
	switch {
	case err == nil:
		return none, noReason
	case errors.As(err, &mine):
		return ours, noReason
	case errors.As(err, &bad):
		return service, bad.reason
	case a.connected:
		return service, reasonOf(err)
	case a.resolving:
		return ours, noReason // the resolver did not answer in time
	}
	return a.unconnected(append([]error{err}, a.failed...), known)
}

// unconnected judges a failure before there was a connection. Where a host has several addresses, what came back from one of them counts
// for more than that there is no way to another: many runners have no IPv6.
func (a *attempt) unconnected(errs []error, known bool) (fault, string) {
	var dns *net.DNSError
	switch {
	case errors.As(errs[0], &dns):
		// A name that was never there is a typing mistake or a resolver that does not know it; one that is gone is the service's.
		if dns.IsNotFound && known {
			return service, badConnection
		}
		return ours, noReason
	case !a.dialled, proxyAway(errs[0]):
		return ours, noReason
	case slices.ContainsFunc(errs, isRefused):
		return service, badConnection
	case slices.ContainsFunc(errs, isTimeout):
		return unclear, badTimeout
	case slices.ContainsFunc(errs, isLocal):
		return ours, noReason
	}
	return unclear, badConnection
}

// reached reports whether the other side was heard.
func (a *attempt) reached(f fault) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return f == none || a.connected || f == service && slices.ContainsFunc(a.failed, isRefused)
}

func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

func proxyAway(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "proxyconnect"
}

func reasonOf(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
	)
	switch {
	case isTimeout(err):
		return badTimeout
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verify):
		return badCertificate
	}
	return badConnection
}

// localErrors are what this machine says when it cannot send: no way there, no address, no port, no file left, forbidden.
var localErrors = []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EMFILE,
	syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EACCES, syscall.EPERM, syscall.EAFNOSUPPORT}

func isLocal(err error) bool {
	for _, e := range localErrors {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.Is(err, context.Canceled)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// maxWaiting is how many unclear failures may wait for a witness.
const maxWaiting = 4096

// unclearAttempt waits until other hosts show whether the network works.
type unclearAttempt struct {
	host   string
	began  time.Time
	settle func(fault)
	silent map[string]bool // hosts that were not heard either
}

// witnesses tell a service that is gone from a network that is. Where probes go to several hosts, a connection that was never answered
// is settled by the next probes of the others, begun later: if one of them was heard, the network works and the service does not; if none
// was, the network here is the likelier cause, and nothing is counted.
type witnesses struct {
	hosts   int // different ones; where there is one only, nobody can tell
	waiting []*unclearAttempt
}

func (w *witnesses) unclear(host string, began time.Time, settle func(fault)) {
	if w.hosts < 2 {
		settle(service)
		return
	}
	if len(w.waiting) >= maxWaiting {
		w.waiting[0].settle(ours)
		w.waiting = w.waiting[1:]
	}
	w.waiting = append(w.waiting, &unclearAttempt{host, began, settle, map[string]bool{}})
}

// heard takes whether another probe reached its host.
func (w *witnesses) heard(host string, began time.Time, reached bool) {
	w.waiting = slices.DeleteFunc(w.waiting, func(u *unclearAttempt) bool {
		if u.host == host || began.Before(u.began) {
			return false
		}
		if reached {
			u.settle(service)
			return true
		}
		u.silent[host] = true
		if len(u.silent) < w.hosts-1 {
			return false
		}
		u.settle(ours)
		return true
	})
}

func (a *attempt) wasResolved() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.resolved
}
