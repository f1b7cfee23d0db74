package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

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
	Got    string // what the registry said, sanitised
	Tried  string // which credential was used, without any secret
	Hint   string // the usual cure
	err    error
}

func (e *Error) Error() string {
	s := e.Ref + ": " + e.Got
	if e.Tried != "" {
		s += "; credential: " + e.Tried
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
	e.Tried = c.tried(repo)
	if e.Hint == "" {
		e.Hint = hint(e, repo.RegistryStr())
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
	var timeout net.Error
	switch {
	case errors.As(err, &rule):
		e.Kind, e.Got = Refused, rule.Error()
	case errors.As(err, &status):
		e.Status, e.Got = status.StatusCode, words(status)
		e.Kind = kindOf(status)
	case errors.As(err, &large):
		e.Kind, e.Got = Invalid, large.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Got = Timeout, fmt.Sprintf("no complete reply in time (%s a request, %s a call)", c.options.Timeout, c.options.Limit)
	case errors.As(err, &dns):
		e.Kind, e.Got = Unreachable, "the name "+dns.Name+" can't be resolved"
	case errors.As(err, &op), errors.As(err, &u), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Kind, e.Got = Unreachable, bare(err).Error()
	case strings.Contains(err.Error(), "realm"), strings.Contains(err.Error(), "server gave HTTP"), strings.Contains(err.Error(), "tls:"),
		strings.Contains(err.Error(), "x509:"):
		e.Kind, e.Got = Refused, err.Error()
	default:
		return false
	}
	return true
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

// hint is the usual cure.
func hint(e *Error, host string) string {
	anonymous := strings.HasPrefix(e.Tried, "anonymous")
	switch e.Kind {
	case Unauthorized, Forbidden:
		switch {
		case anonymous && host == "ghcr.io":
			return "give the step GITHUB_TOKEN and the job `permissions: packages: read`, or log in before it"
		case anonymous:
			return "log in before this step (docker login " + host + ") or give DOCKER_AUTH_CONFIG; a registry answers like this for a repository that does not exist, too"
		case host == "ghcr.io":
			return "the job needs `permissions: packages: read`, and the package must give this repository access (package settings, Manage Actions access)"
		case e.Kind == Forbidden:
			return "this user may not read the repository: check its role, and the repository's name"
		}
		return "the credential is wrong or has expired: log in again"
	case Missing:
		return "check the name and the tag, and that the push has ended"
	case Limited:
		return "the registry limits how often it is asked: log in (anonymous limits are lower), or try again later"
	case Unavailable, Timeout, Unreachable:
		return "this is an outage on the way to the registry, not a finding about the image: try again"
	case Invalid:
		return "is this the address of a registry, or does a proxy answer in its place?"
	}
	return ""
}

// scrubber knows the secrets that were sent, to take them out of what a registry says: some repeat the request in their messages.
type scrubber struct {
	mu     sync.Mutex
	values []string
}

const maxSecrets = 64 // tokens are renewed; a run that needs more has ended long before

func (s *scrubber) header(h http.Header) {
	if _, v, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		s.add(v)
		if b, err := base64.StdEncoding.DecodeString(v); err == nil {
			if _, password, ok := strings.Cut(string(b), ":"); ok {
				s.add(password)
			}
		}
	}
}

func (s *scrubber) credential(c credential) {
	for _, v := range c.secrets {
		s.add(v)
	}
}

func (s *scrubber) add(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(v) >= 4 && len(s.values) < maxSecrets && !slices.Contains(s.values, v) {
		s.values = append(s.values, v)
		slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	}
}

func (s *scrubber) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, "[secret]")
	}
	return text
}
