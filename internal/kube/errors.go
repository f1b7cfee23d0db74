package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bakegate/bakegate/internal/httpx"
)

// Kind is what went wrong, as far as it changes what to do.
type Kind string

// The kinds.
const (
	Unauthorized Kind = "unauthorized" // 401: the cluster does not know who we are
	Forbidden    Kind = "forbidden"    // 403: it knows, and says no
	NotFound     Kind = "not-found"    // 404 in the API's own words: there is no such object
	Unknown      Kind = "unknown-kind" // 404 in the API's own words: the cluster has no such resource
	Expired      Kind = "expired"      // 410: a list changed faster than it could be read
	Limited      Kind = "rate-limited" // 429
	Unavailable  Kind = "unavailable"  // 5xx
	Timeout      Kind = "timeout"      // no complete reply in time
	Unreachable  Kind = "unreachable"  // no connection, or one that broke
	TooLarge     Kind = "too-large"    // more than our own bounds allow: nothing of it is used
	Invalid      Kind = "invalid"      // a reply that no Kubernetes API gives
	Credential   Kind = "credential"   // the program or file that the kubeconfig names gave no credential
)

// Error is a call to a Kubernetes API that failed.
type Error struct {
	What   string // what was asked for: "list pods in namespace shop"
	Server string // address and login, without any secret
	Status int    // of HTTP; 0 without a reply
	Kind   Kind
	Got    string // what the API said, sanitised
	Hint   string // the usual cure
	err    error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("kubernetes: %s: %s; cluster: %s", e.What, e.Got, e.Server)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// IsNotFound reports whether the API says that the object is not there.
func IsNotFound(err error) bool { return is(err, NotFound) }

// IsForbidden reports whether the role lacks a right.
func IsForbidden(err error) bool { return is(err, Forbidden) }

func is(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// status is the API's answer where something failed.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
type status struct {
	Kind       string
	APIVersion string
	Message    string
	Reason     string
	Details    struct{ Name, Group, Kind string }
}

// refused explains a reply that is not 200.
func (c *Client) refused(q query, code int, body []byte) error {
	var s status
	ours := json.Unmarshal(body, &s) == nil && s.Kind == "Status" && s.APIVersion == "v1"
	e := &Error{What: q.what(), Server: c.Server(), Status: code, Kind: kindOf(code, s, ours)}
	e.Got = fmt.Sprintf("HTTP %d %s", code, http.StatusText(code))
	if ours && s.Message != "" {
		e.Got += ": " + c.safe(s.Message, 400)
	}
	e.Hint = q.hint(e.Kind)
	return e
}

// kindOf classifies a status. A 404 counts as the API's own only in the API's form: a proxy's says nothing about an object. Where the
// path itself is unknown, the API answers in plain text or names no object.
func kindOf(code int, s status, ours bool) Kind {
	switch {
	case code == http.StatusUnauthorized:
		return Unauthorized
	case code == http.StatusForbidden:
		return Forbidden
	case code == http.StatusNotFound && ours && s.Reason == "NotFound" && s.Details.Name != "":
		return NotFound
	case code == http.StatusNotFound && ours:
		return Unknown
	case code == http.StatusGone:
		return Expired
	case code == http.StatusTooManyRequests:
		return Limited
	case code == http.StatusRequestTimeout, code >= 500:
		return Unavailable
	}
	return Invalid
}

// hint is the usual cure.
func (q query) hint(k Kind) string {
	switch k {
	case Unauthorized:
		return "the credential is missing, wrong or has expired: log in to the cluster again before this step"
	case Forbidden:
		if q.about != "" {
			return "the role needs the verb get on the URL " + q.about + ": the ClusterRole system:discovery has it"
		}
		return fmt.Sprintf("the role needs the verb %s on %s: kubectl auth can-i %s %s", q.verb(), q.resource, q.verb(), q.canI())
	case NotFound:
		return "check its name, the namespace and the context"
	case Unknown:
		return fmt.Sprintf("the cluster does not know %s in version %s: kubectl api-resources", q.resource, q.resource.Version)
	case Expired:
		return "the objects change faster than they can be listed: narrow the selector"
	case Limited, Unavailable, Timeout, Unreachable:
		return "this is an outage on the way to the cluster, not a finding about it: try again"
	case TooLarge:
		return "narrow the selector"
	case Invalid:
		return "is this the address of a Kubernetes API, or does a proxy or a login page answer in its place?"
	case Credential:
		return "run kubectl get namespaces with the same environment: it says more"
	}
	return ""
}

// failed explains a request without a complete reply.
func (c *Client) failed(q query, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := &Error{What: q.what(), Server: c.Server(), err: err}
	var u *url.Error
	if errors.As(err, &u) {
		e.err = u.Err
	}
	var large *httpx.TooLargeError
	var cred *credentialError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &large):
		e.Kind, e.Got = TooLarge, fmt.Sprintf("a reply of more than %d MiB", large.Limit>>20)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Got = Timeout, fmt.Sprintf("no complete reply in time (%s a request, %s a call)", c.options.Timeout, c.options.Limit)
	case errors.As(err, &cred):
		e.Kind, e.Got = Credential, c.safe(cred.Error(), 400)
	default:
		e.Kind, e.Got = Unreachable, c.safe(e.err.Error(), 300)
	}
	e.Hint = q.hint(e.Kind)
	return e
}

// invalid is a reply that is not what an API gives. What it holds is not said: it may be a Secret.
func (c *Client) invalid(q query, got string, err error) error {
	return &Error{What: q.what(), Server: c.Server(), Status: http.StatusOK, Kind: Invalid, Got: got, Hint: q.hint(Invalid), err: err}
}

// credentialError is a credential that client-go could not make.
type credentialError struct{ text string }

func (e *credentialError) Error() string { return e.text }

// credentials gives an error of client-go about a credential its type, and drops what the program printed: it may be a token.
func credentials(err error) error {
	if err == nil {
		return nil
	}
	_, text, ok := strings.Cut(err.Error(), "getting credentials: ")
	if !ok {
		return err
	}
	if before, _, ok := strings.Cut(text, "decoding stdout"); ok {
		text = before + "what it printed is no ExecCredential"
	}
	return &credentialError{"the kubeconfig's program gave no credential: " + text}
}
