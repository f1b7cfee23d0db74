package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bakegate/bakegate/internal/clean"
)

// Kind is what went wrong, as far as it changes what to do.
type Kind string

// The kinds.
const (
	Unauthorized Kind = "unauthorized" // 401: the registry does not know who we are
	Forbidden    Kind = "forbidden"    // 403: it knows, and says no
	Missing      Kind = "missing"      // 404 in the registry's own words: there is no such repository, tag or digest
	Limited      Kind = "rate-limited" // 429
	Unavailable  Kind = "unavailable"  // 5xx
	Timeout      Kind = "timeout"      // no complete reply in time
	Unreachable  Kind = "unreachable"  // no connection, or one that broke
	Invalid      Kind = "invalid"      // a reply that no registry gives
	Refused      Kind = "refused"      // our own rules did not let the request out
)

// Error is a call to a registry that failed.
type Error struct {
	Ref    string // what was asked for
	Status int    // HTTP status, 0 without a reply
	Kind   Kind
	Got    string   // what the registry said, sanitised
	Tried  string   // which credential was used, without any secret
	Looked []string // where a credential was looked for before that in vain, and why: "AWS: no credentials in the environment"
	Hint   string   // the usual cure
	err    error
}

func (e *Error) Error() string {
	s := e.Ref + ": " + e.Got
	if e.Tried != "" {
		s += "; credential: " + e.Tried
		if len(e.Looked) > 0 && (e.Kind == Unauthorized || e.Kind == Forbidden) {
			s += " (tried: " + strings.Join(e.Looked, "; ") + ")"
		}
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap gives the library's error.
func (e *Error) Unwrap() error { return e.err }

// IsMissing reports whether the registry says that what was asked for is not there.
func IsMissing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == Missing
}

// Explain turns an error of go-containerregistry about a repository into an *Error. Errors that are not about a registry stay as they are.
func (c *Client) Explain(repo name.Repository, err error) error {
	return c.explain(repo, repo.Name(), err)
}

func (c *Client) explain(repo name.Repository, ref string, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) {
		return err
	}
	e := &Error{Ref: ref, err: err}
	if !c.classify(e, err) {
		return err
	}
	e.Got = clean.Cut(c.seen.hide(e.Got), 600)
	cred := c.credential(repo)
	e.Tried, e.Looked = cred.label, cred.looked
	if e.Hint == "" {
		e.Hint = c.cure(e, repo.RegistryStr())
	}
	return e
}

// classify says what an error means. It reports false for one that it does not know.
func (c *Client) classify(e *Error, err error) bool {
	var status *transport.Error
	var rule refused
	var large *TooLarge
	var dns *net.DNSError
	var op *net.OpError
	var u *url.Error
	switch {
	case errors.As(err, &rule):
		e.Kind, e.Got = Refused, rule.Error()
	case errors.As(err, &status):
		e.Status, e.Kind, e.Got = status.StatusCode, kindOf(status), words(status)
	case errors.As(err, &large):
		e.Kind, e.Got = Invalid, large.Error()
	case isTimeout(err):
		e.Kind, e.Got = Timeout, fmt.Sprintf("no complete reply in time (%s a request, %s a call)", c.options.Timeout, c.options.Limit)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		e.Kind, e.Got = Unreachable, "the proxy that HTTPS_PROXY or HTTP_PROXY names can't be reached: "+op.Err.Error()
	case errors.As(err, &dns):
		e.Kind, e.Got = Unreachable, "the name "+dns.Name+" can't be resolved"
	case untrusted(err):
		e.Kind, e.Got = Refused, bare(err).Error()
	case strings.Contains(err.Error(), "realm"), strings.Contains(err.Error(), "stopped after 10 redirects"): // go-containerregistry's own rules
		e.Kind, e.Got = Refused, bare(err).Error()
	case errors.As(err, &op), errors.As(err, &u), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Kind, e.Got = Unreachable, bare(err).Error()
	default:
		e.Kind, e.Got = Invalid, loginWords(err)
		return e.Got != ""
	}
	return true
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// untrusted reports whether the connection was not made because of TLS.
func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	s := err.Error()
	return errors.As(err, &verification) || errors.As(err, &authority) || strings.Contains(s, "server gave HTTP response to HTTPS client") ||
		strings.Contains(s, "tls: ") || strings.Contains(s, "x509: ")
}

// loginWords explains an error of go-containerregistry's login that has no type. Its own text repeats what the token server said, which may
// hold a token.
func loginWords(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch s := err.Error(); {
	case strings.HasPrefix(s, "no token in bearer response"):
		return "the token server's answer holds no token"
	case strings.Contains(s, "byte limit"):
		return "the answer at the login is larger than 64 KiB"
	case errors.As(err, &syntax), errors.As(err, &kind), strings.Contains(s, "unexpected end of JSON"):
		return "an answer is not the JSON that it should be"
	}
	return ""
}

func kindOf(e *transport.Error) Kind {
	switch s := e.StatusCode; {
	case s == http.StatusUnauthorized:
		return Unauthorized
	case s == http.StatusForbidden:
		return Forbidden
	case s == http.StatusTooManyRequests:
		return Limited
	case s == http.StatusNotFound && saysMissing(e):
		return Missing
	case s == http.StatusRequestTimeout, s >= 500:
		return Unavailable
	}
	return Invalid
}

// saysMissing reports whether a 404 is the registry's own. One without its error format comes from something else on the way (a proxy,
// a web site), and proves nothing about an image. NOT_FOUND is Harbor's word.
func saysMissing(e *transport.Error) bool {
	known := []transport.ErrorCode{transport.ManifestUnknownErrorCode, transport.NameUnknownErrorCode, transport.BlobUnknownErrorCode,
		transport.ManifestBlobUnknownErrorCode, "NOT_FOUND"}
	return slices.ContainsFunc(e.Errors, func(d transport.Diagnostic) bool { return slices.Contains(known, d.Code) })
}

// words is the registry's answer in short.
func words(e *transport.Error) string {
	s := fmt.Sprintf("the registry answered %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if e.Request != nil && e.Request.URL != nil {
		s = fmt.Sprintf("%s answered %d %s", e.Request.URL.Host, e.StatusCode, http.StatusText(e.StatusCode))
	}
	var said []string
	for i, d := range e.Errors {
		if i == 3 {
			break
		}
		said = append(said, strings.TrimSuffix(clean.Cut(string(d.Code), 60)+": "+clean.Cut(d.Message, 200), ": "))
	}
	if len(said) > 0 {
		s += " (" + strings.Join(said, "; ") + ")"
	}
	return s
}
