package registry

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Limits. Credentials and manifests are small: what is larger is no manifest, and reading it would only cost memory.
const (
	MaxManifest = 4 << 20 // the distribution specification asks registries to take manifests of at least this size
	maxOther    = 256 << 20

	defaultTimeout = 15 * time.Second
	defaultLimit   = time.Minute
)

// Options is how the registries are talked to. The zero value is good.
type Options struct {
	UserAgent string        // "bakegate/1.2.3"
	CA        string        // PEM file with certificate authorities to trust beside the system's
	Timeout   time.Duration // one request, from the connection to the last byte of the reply; default 15s
	Limit     time.Duration // one call with all its tries; default 1m
	RetryWait time.Duration // wait before the second try where the registry does not say; doubles; default 500ms
}

// Client talks to registries. It is safe for concurrent use, and keeps a login per repository.
type Client struct {
	options Options
	keys    *keychain
	seen    scrubber
	network func() (http.RoundTripper, error)

	mu       sync.Mutex
	sessions map[name.Repository]*session
}

// New makes a client. It does no I/O: files are read, and credential helpers run, when a registry is first asked.
func New(c Credentials, o Options) *Client {
	o.Timeout, o.Limit, o.RetryWait = or(o.Timeout, defaultTimeout), or(o.Limit, defaultLimit), or(o.RetryWait, 500*time.Millisecond)
	if o.UserAgent == "" {
		o.UserAgent = "bakegate"
	}
	client := &Client{options: o, keys: &keychain{c: c}, sessions: map[name.Repository]*session{}}
	client.network = sync.OnceValues(func() (http.RoundTripper, error) { return network(o) })
	return client
}

func or(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Keychain gives the credentials to a library.
func (c *Client) Keychain() authn.Keychain { return c.keys }

// Tried names the credential that is used for a registry, without any secret: "GITHUB_TOKEN as octocat",
// "anonymous: no credential for this host".
func (c *Client) Tried(host string) string {
	reg, err := name.NewRegistry(host)
	if err != nil {
		return "anonymous: no credential for this host"
	}
	return c.tried(reg)
}

func (c *Client) tried(r authn.Resource) string {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.Timeout)
	defer cancel()
	cred, err := c.keys.find(ctx, r)
	if err != nil {
		return "none: " + err.Error()
	}
	return cred.label
}

// session is one repository, logged in. Its logins are made when they are first needed, and again where that failed.
type session struct {
	mu     sync.Mutex
	http   *http.Client
	puller *remote.Puller
	pusher *remote.Pusher
}

func (c *Client) session(repo name.Repository) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.sessions[repo]
	if !ok {
		s = &session{}
		c.sessions[repo] = s
	}
	return s
}

// login gives the HTTP client that is logged in to pull from a repository.
func (c *Client) login(ctx context.Context, repo name.Repository) (*http.Client, error) {
	s := c.session(repo)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return s.http, nil
	}
	cred, err := c.keys.find(ctx, repo)
	if err != nil {
		return nil, err
	}
	c.seen.credential(cred)
	base := c.transport(repo)
	rt, err := transport.NewWithContext(ctx, repo.Registry, cred.auth, base, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	s.http = &http.Client{Transport: rt, CheckRedirect: fewRedirects}
	return s.http, nil
}

// Remote gives the options with which go-containerregistry reaches a repository: credentials, limits, time-outs, one login for all calls.
func (c *Client) Remote(ctx context.Context, repo name.Repository) []remote.Option {
	s := c.session(repo)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.puller == nil {
		opts := []remote.Option{remote.WithTransport(c.transport(repo)), remote.WithAuthFromKeychain(c.keys), remote.WithUserAgent(c.options.UserAgent),
			// the transport tries again by itself, and keeps to Retry-After
			remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Steps: 1}), remote.WithRetryStatusCodes(),
			remote.WithRetryPredicate(func(error) bool { return false })}
		puller, err := remote.NewPuller(opts...)
		if err != nil {
			return append(opts, remote.WithContext(ctx))
		}
		pusher, err := remote.NewPusher(opts...)
		if err != nil {
			return append(opts, remote.WithContext(ctx))
		}
		s.puller, s.pusher = puller, pusher
	}
	return []remote.Option{remote.WithContext(ctx), remote.Reuse(s.puller), remote.Reuse(s.pusher)}
}
