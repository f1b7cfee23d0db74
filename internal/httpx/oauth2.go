package httpx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bakegate/bakegate/internal/clean"
)

// OAuth2 is the client credentials grant (RFC 6749, section 4.4): a token is fetched when it is first needed, and again when it has expired or was
// refused.
type OAuth2 struct {
	TokenURL     string            `yaml:"token-url,required"`
	ClientID     string            `yaml:"client-id,required"`
	ClientSecret Secret            `yaml:"client-secret,required"` // sent to the token URL's host only
	Scopes       []string          `yaml:"scopes"`
	Params       map[string]string `yaml:"params"` // further parameters of the request: audience, resource
}

const maxTokenReply = 1 << 20

// credentials fetches and keeps the token of one block.
type credentials struct {
	config clientcredentials.Config
	http   *http.Client
	where  string

	mu    sync.Mutex
	token *oauth2.Token
}

// newCredentials looks at the options; no request is made.
func newCredentials(r Remote) (*credentials, error) {
	o := *r.OAuth2
	if o.ClientID == "" || o.ClientSecret.IsZero() {
		return nil, errors.New("oauth2: want client-id and client-secret")
	}
	u, err := checkURL(o.TokenURL, r.Insecure)
	if err != nil {
		return nil, fmt.Errorf("oauth2: token-url: %w", err)
	}
	remote := Remote{URL: u.Scheme + "://" + u.Host, CA: r.CA, Timeout: r.Timeout, Insecure: r.Insecure}
	secret := strings.TrimSpace(o.ClientSecret.Reveal())
	c, err := New(remote, WithMaxBody(maxTokenReply), WithRetries(1), WithRepeatable(), WithSecret(o.ClientSecret))
	if err != nil {
		return nil, fmt.Errorf("oauth2: token-url: %w", err)
	}
	params := url.Values{}
	for k, v := range o.Params {
		params.Set(k, v)
	}
	return &credentials{http: c.HTTP(), where: showURL(u), config: clientcredentials.Config{
		ClientID: o.ClientID, ClientSecret: secret, TokenURL: u.String(), Scopes: o.Scopes, EndpointParams: params,
	}}, nil
}

// get is the token. Of those who ask at the same time one fetches it.
func (c *credentials) get(ctx context.Context) (*oauth2.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Valid() {
		return c.token, nil
	}
	token, err := c.config.Token(context.WithValue(ctx, oauth2.HTTPClient, c.http))
	if err != nil {
		return nil, &tokenError{c.where, err}
	}
	if kind := token.Type(); kind != "Bearer" {
		return nil, &tokenError{c.where, fmt.Errorf("got a token of type %s, want Bearer", clean.Cut(kind, 40))}
	}
	c.token = token
	return token, nil
}

// refused forgets a token that the service did not take, so that the next try gets a new one.
func (c *credentials) refused(token *oauth2.Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == token {
		c.token = nil
	}
}

// tokenError says why there is no token.
type tokenError struct {
	where string
	err   error
}

func (e *tokenError) Error() string {
	const hint = ": check oauth2: client-id, client-secret and scopes"
	var r *oauth2.RetrieveError
	if !errors.As(e.err, &r) {
		return fmt.Sprintf("no token from %s: %v", e.where, e.err)
	}
	text := fmt.Sprintf("no token from %s: HTTP %d", e.where, r.Response.StatusCode)
	if r.ErrorCode != "" {
		text += " " + strings.TrimSpace(r.ErrorCode+" "+r.ErrorDescription)
	}
	return clean.Cut(text, maxExcerpt) + hint
}

func (e *tokenError) Unwrap() error { return e.err }

// final says that asking again is of no use: the server knows us, and says no.
func (e *tokenError) final() bool {
	var r *oauth2.RetrieveError
	return errors.As(e.err, &r) && r.Response.StatusCode/100 == 4 && r.Response.StatusCode != http.StatusTooManyRequests
}

// authorizing puts the token on every request of a block.
type authorizing struct {
	next        http.RoundTripper
	credentials *credentials
	learn       func(secrets ...string) // is told every token, to keep it out of messages
}

func (a *authorizing) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := a.credentials.get(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	a.learn(token.AccessToken)
	out := req.Clone(req.Context())
	token.SetAuthHeader(out)
	resp, err := a.next.RoundTrip(out)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		a.credentials.refused(token)
	}
	return resp, err
}

// CloseIdleConnections lets http.Client reach the network's own method.
func (a *authorizing) CloseIdleConnections() {
	if c, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
