package registry

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/net/http/httpproxy"
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
	UserAgent string          // "bakegate/1.2.3"
	CA        string          // PEM file with certificate authorities to trust beside the system's
	Timeout   time.Duration   // one request, from the connection to the last byte of the reply; default 15s
	Limit     time.Duration   // one call with all its tries; default 1m. Each mirror that is asked before may add one Timeout
	RetryWait time.Duration   // wait before the second try where the registry does not say; doubles; default 500ms
	Hosts     map[string]Host // by host[:port], as ParseHost reads it
}

// Client talks to registries. It is safe for concurrent use, and keeps a login per repository.
type Client struct {
	options Options
	hosts   map[string]Host // by canonical host
	keys    *keychain
	seen    scrubber

	proxy    func() func(*url.URL) (*url.URL, error) // nil without a proxy for the address
	resolver *net.Resolver                           // nil: the system's
	zoneOf   func(netip.Addr) zone
	base     http.RoundTripper // in the network's place, where it is set

	aheads sync.Map // reference -> *ahead

	mu       sync.Mutex
	places   map[string]*place
	sessions map[sessionKey]*session
}

// sessionKey is a repository, and whether it is asked in another's place.
type sessionKey struct {
	repo   name.Repository
	mirror bool
}

// New makes a client. It does no I/O: files are read, and credential helpers run, when a registry is first asked. Proxies are those of the
// process's HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
func New(c Credentials, o Options) *Client {
	o.Timeout, o.Limit, o.RetryWait = or(o.Timeout, defaultTimeout), or(o.Limit, defaultLimit), or(o.RetryWait, 500*time.Millisecond)
	if o.UserAgent == "" {
		o.UserAgent = "bakegate"
	}
	hosts := make(map[string]Host, len(o.Hosts))
	for host, h := range o.Hosts {
		hosts[canonical(host)] = h
	}
	return &Client{
		options:  o,
		hosts:    hosts,
		keys:     &keychain{c: c, hosts: hosts, timeout: o.Timeout, found: map[string]*lookup{}, clouds: map[cloudKey]*cloudLogin{}},
		proxy:    sync.OnceValue(func() func(*url.URL) (*url.URL, error) { return httpproxy.FromEnvironment().ProxyFunc() }),
		zoneOf:   zoneOf,
		places:   map[string]*place{},
		sessions: map[sessionKey]*session{},
	}
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
		return anonymous
	}
	return c.credential(reg).label
}

// credential is what is used for a registry or repository, for a message.
func (c *Client) credential(r authn.Resource) credential {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.Timeout)
	defer cancel()
	cred, err := c.keys.find(ctx, r)
	if err != nil {
		return credential{label: "none: " + err.Error()}
	}
	return cred
}

// place is what is known of a registry.
func (c *Client) place(host string) *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.places[host]
	if !ok {
		p = newPlace(c, host)
		c.places[host] = p
	}
	return p
}

// session is the way to a repository. A registry that has no TLS is another value to go-containerregistry.
func (c *Client) session(repo name.Repository, mirror bool) *session {
	place := c.place(repo.RegistryStr())
	if place.o.PlainHTTP {
		repo = plain(repo)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sessionKey{repo, mirror}
	s, ok := c.sessions[key]
	if !ok {
		s = &session{c: c, repo: repo, via: newCareful(place, repo, mirror)}
		c.sessions[key] = s
	}
	return s
}

// Remote gives the options with which go-containerregistry reaches a repository: credentials, limits, time-outs, one login for all calls.
// It reaches the registry itself, never a mirror: what is written must be read back from where it was written.
func (c *Client) Remote(ctx context.Context, repo name.Repository) []remote.Option {
	s := c.session(repo, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.puller == nil {
		opts := []remote.Option{remote.WithTransport(s.via), remote.WithAuthFromKeychain(c.keys), remote.WithUserAgent(c.options.UserAgent),
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
