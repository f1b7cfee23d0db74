package httpx

import (
	"errors"
	"net/http"
	"strings"
)

// Signer proves who asks: it puts what the service wants to see on a request that is about to be sent, anew for each try. The secrets that
// it put there, or made that of, are kept out of all messages. Its error ends the request: nothing was sent.
type Signer func(*http.Request) ([]Secret, error)

// WithSigner has every request signed, after all headers are on it and its origin is checked.
func WithSigner(sign Signer) Option {
	return func(s *settings) error {
		s.signer = sign
		return nil
	}
}

// signed has every request of a block signed, where it is to be.
func (c *Client) signed(r Remote, s settings) error {
	switch {
	case s.signer == nil:
		return nil
	case r.OAuth2 != nil || s.headers.Get("Authorization") != "":
		return errors.New("token, password, oauth2 or a header Authorization is given to a service that wants signed requests: leave it out")
	}
	plain := c.network
	c.network = func() (http.RoundTripper, error) {
		next, err := plain()
		return &signing{next, s.signer, c.learn}, err
	}
	return nil
}

// signing signs what goes on to next.
type signing struct {
	next  http.RoundTripper
	sign  Signer
	learn func(secrets ...string)
}

// RoundTrip implements http.RoundTripper.
func (t *signing) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	secrets, err := t.sign(out)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, &signError{err}
	}
	var known []string
	for _, s := range secrets {
		known = append(known, strings.TrimSpace(s.Reveal()))
	}
	t.learn(known...)
	return t.next.RoundTrip(out)
}

// CloseIdleConnections lets http.Client reach the network's own method.
func (t *signing) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// signError says why a request could not be signed. Whoever signs has tried again where that is of use.
type signError struct{ err error }

func (e *signError) Error() string { return e.err.Error() }
func (e *signError) Unwrap() error { return e.err }
