package httpx

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Option changes how a client is made.
type Option func(*settings) error

type settings struct {
	headers    http.Header
	secrets    []string
	maxBody    int64
	retries    int
	timeout    time.Duration
	repeatable bool
	target     *url.URL
	network    http.RoundTripper
	address    string
	signer     Signer
}

// WithBearer sends `Authorization: Bearer TOKEN`. An empty token sends nothing.
func WithBearer(token Secret) Option {
	return func(s *settings) error {
		if token.IsZero() {
			return nil
		}
		v := strings.TrimSpace(token.Reveal())
		return s.add("token", "Authorization", "Bearer "+v, v)
	}
}

// WithBasic sends the user and the password (RFC 7617).
func WithBasic(user string, password Secret) Option {
	return func(s *settings) error {
		if user == "" && password.IsZero() {
			return nil
		}
		if user == "" {
			return errors.New("a password is given without a user name: set username")
		}
		if strings.Contains(user, ":") {
			return errors.New("the user name holds a colon, which basic authentication cannot carry")
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + password.Reveal()))
		return s.add("password", "Authorization", "Basic "+encoded, password.Reveal(), encoded)
	}
}

// WithHeader sends a header whose value is a secret.
func WithHeader(name string, value Secret) Option {
	return func(s *settings) error {
		v := strings.TrimSpace(value.Reveal())
		return s.add("header "+name, name, v, v)
	}
}

// WithSecret takes a value out of all messages that is sent as a part of another one.
func WithSecret(value Secret) Option {
	return func(s *settings) error {
		if v := strings.TrimSpace(value.Reveal()); v != "" {
			s.secrets = append(s.secrets, v)
		}
		return nil
	}
}

// WithMaxBody caps what is read of a reply, in bytes after decompression. Default 8 MiB.
func WithMaxBody(n int64) Option {
	return func(s *settings) error {
		if n <= 0 {
			return fmt.Errorf("the cap on a reply is %d bytes, want more than 0", n)
		}
		s.maxBody = n
		return nil
	}
}

// WithRetries sets how often a request is repeated after its first try. Default 3.
func WithRetries(n int) Option {
	return func(s *settings) error {
		if n < 0 {
			return fmt.Errorf("%d retries, want 0 or more", n)
		}
		s.retries = n
		return nil
	}
}

// WithRepeatable says that every request of this client only reads, those by POST too (the query APIs of metrics backends), so that
// all may be repeated.
func WithRepeatable() Option {
	return func(s *settings) error {
		s.repeatable = true
		return nil
	}
}

// WithUserAgent sends `User-Agent: bakegate/VERSION`.
func WithUserAgent(version string) Option {
	return func(s *settings) error {
		return s.add("version", "User-Agent", "bakegate/"+version)
	}
}

// WithTarget sends every request to this path and query of the host, whatever its own path is. They are a secret: the address of a
// webhook is its password. Messages show the request's own path.
func WithTarget(target Secret) Option {
	return func(s *settings) error {
		u, err := url.Parse(target.Reveal())
		if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return errors.New("the secret path of the address cannot be read, want one that begins with a slash")
		}
		s.target = u
		s.secrets = append(s.secrets, target.Reveal(), u.EscapedPath())
		for _, part := range strings.FieldsFunc(target.Reveal(), func(r rune) bool { return strings.ContainsRune("/?&=", r) }) {
			if len(part) >= longPart { // what is shorter is a word such as "services"
				s.secrets = append(s.secrets, part)
			}
		}
		return nil
	}
}

// longPart is the length from which a part of a secret path is a secret itself.
const longPart = 16

// WithAddress connects to this HOST:PORT and to no proxy, whatever the URL's host is: one of several machines behind a name. The Host
// header and the name that TLS verifies stay those of the URL.
func WithAddress(address string) Option {
	return func(s *settings) error {
		s.address = address
		return nil
	}
}

// WithNetwork replaces the network: a server in process, where testing/synctest can turn the clock.
func WithNetwork(rt http.RoundTripper) Option {
	return func(s *settings) error {
		s.network = rt
		return nil
	}
}

// settle brings the block's options and those of its owner together.
func settle(r Remote, options []Option) (settings, error) {
	s := settings{headers: http.Header{}, maxBody: DefaultMaxBody, retries: defaultRetries, timeout: r.Timeout}
	if r.Timeout < 0 {
		return s, fmt.Errorf("timeout %s, want more than 0", r.Timeout)
	}
	if (r.ClientCert == "") != (r.ClientKey == "") {
		return s, errors.New("client-cert and client-key belong together, and one of them is missing")
	}
	if r.Timeout == 0 {
		s.timeout = DefaultTimeout
	}
	for _, o := range options {
		if err := o(&s); err != nil {
			return s, err
		}
	}
	for name, value := range r.Headers {
		if err := WithHeader(name, value)(&s); err != nil {
			return s, err
		}
	}
	if s.headers.Get("User-Agent") == "" {
		s.headers.Set("User-Agent", "bakegate")
	}
	return s, nil
}

// ours are the headers that the connection itself needs.
var ours = []string{"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// add takes a header. what names it in messages, secrets are the parts of the value that must never be printed.
func (s *settings) add(what, name, value string, secrets ...string) error {
	key := http.CanonicalHeaderKey(name)
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%q is not a name of a header: want letters, digits and hyphens", name)
	case slices.Contains(ours, key):
		return fmt.Errorf("header %s cannot be set: the connection sets it", key)
	case value == "":
		return fmt.Errorf("header %s is empty: give it a value or leave it out", key)
	case !httpguts.ValidHeaderFieldValue(value):
		return fmt.Errorf("%s holds a line break or another control character: is something else pasted behind it?", what)
	case s.headers.Get(name) != "":
		return fmt.Errorf("header %s is given twice: by the block's own options and by headers", key)
	}
	s.headers.Set(name, value)
	s.secrets = append(s.secrets, secrets...)
	return nil
}
