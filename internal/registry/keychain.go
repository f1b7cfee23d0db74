package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bakegate/bakegate/internal/clean"
)

// anonymous is the label of no credential.
const anonymous = "anonymous: no credential for this host"

// credential is who we are for one registry. label names it, and looked what was looked at before in vain, without any secret.
type credential struct {
	auth    authn.Authenticator
	label   string
	looked  []string
	secrets []string
}

// keychain finds credentials, in the order of Credentials.
type keychain struct {
	c       Credentials
	hosts   map[string]Host // by canonical host
	timeout time.Duration   // of one question to a cloud

	mu sync.Mutex
	// found keeps what was found per resource: a credential helper is a program, and asking it may cost a second.
	found  map[string]*lookup
	clouds map[cloudKey]*cloudLogin
}

// lookup is a search for a credential; done is closed at its end.
type lookup struct {
	done chan struct{}
	cred credential
	err  error
}

// Resolve implements authn.Keychain.
func (k *keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain.
func (k *keychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	cred, err := k.find(ctx, r)
	return cred.auth, err
}

// find looks for the credential of a repository or registry. A helper that hangs does not hang the caller.
func (k *keychain) find(ctx context.Context, r authn.Resource) (credential, error) {
	l := k.search(ctx, r)
	select {
	case <-l.done:
		return l.cred, l.err
	case <-ctx.Done():
		return credential{}, fmt.Errorf("%s: looking for credentials, perhaps in a credential helper: %w", r.RegistryStr(), ctx.Err())
	}
}

// search begins a search, or joins one. Failures are not kept.
func (k *keychain) search(ctx context.Context, r authn.Resource) *lookup {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := r.String()
	if l, ok := k.found[key]; ok {
		return l
	}
	l := &lookup{done: make(chan struct{})}
	k.found[key] = l
	go func() {
		defer close(l.done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.timeout) // others may join who have more time
		defer cancel()
		if l.cred, l.err = k.look(ctx, r); l.err == nil {
			return
		}
		l.err = keyError(r, l.err)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.found[key] == l {
			delete(k.found, key)
		}
	}()
	return l
}

func keyError(r authn.Resource, err error) error {
	e := &Error{Ref: r.RegistryStr(), Kind: Refused, Got: clean.Cut(err.Error(), 600), Tried: "none", err: err,
		Hint: "repair this credential, or log in before this step; bakegate does not go on as somebody else"}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		e.Kind = Timeout
	}
	return e
}

// forget drops what was found: the registry does not take it any more.
func (k *keychain) forget(r authn.Resource) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.found, r.String())
	maps.DeleteFunc(k.clouds, func(key cloudKey, _ *cloudLogin) bool { return key.host == r.RegistryStr() })
}

// look asks one place after another. Each gives a credential, or why it has none: "" where that is nothing to tell.
func (k *keychain) look(ctx context.Context, r authn.Resource) (credential, error) {
	var looked []string
	for _, from := range []func(context.Context, authn.Resource) (credential, string, error){
		k.explicit, k.pullSecret, k.dockerAuth, k.dockerConfig, k.cloud, k.platform,
	} {
		cred, why, err := from(ctx, r)
		switch {
		case err != nil:
			return credential{}, err
		case cred.auth != nil:
			cred.looked = looked
			return cred, nil
		case why != "":
			looked = append(looked, why)
		}
	}
	return credential{auth: authn.Anonymous, label: anonymous, looked: looked}, nil
}

// explicit is the user and password in the registry's own options.
func (k *keychain) explicit(_ context.Context, r authn.Resource) (credential, string, error) {
	h := k.hosts[canonical(r.RegistryStr())]
	if h.Username == "" || h.Password.IsZero() {
		return credential{}, "", nil
	}
	return basic("registries."+r.RegistryStr(), h.Username, h.Password.Reveal()), "", nil
}

// platform is what the CI platform offers, each for exactly one host.
func (k *keychain) platform(_ context.Context, r authn.Resource) (credential, string, error) {
	host := r.RegistryStr()
	switch {
	case host == "ghcr.io" && k.c.GitHubToken.IsZero():
		return credential{}, "GITHUB_TOKEN: not set", nil
	case host == "ghcr.io":
		user := k.c.GitHubActor
		if user == "" {
			user = "x-access-token"
		}
		return basic("GITHUB_TOKEN", user, k.c.GitHubToken.Reveal()), "", nil
	case k.c.GitLabRegistry != "" && sameHost(k.c.GitLabRegistry, host) && k.c.GitLabPassword.IsZero():
		return credential{}, "CI_REGISTRY_PASSWORD: not set", nil
	case k.c.GitLabRegistry != "" && sameHost(k.c.GitLabRegistry, host):
		return basic("CI_REGISTRY_PASSWORD", k.c.GitLabUser, k.c.GitLabPassword.Reveal()), "", nil
	}
	return credential{}, "", nil
}

// sameHost compares host[:port], where 443 is the default port.
func sameHost(a, b string) bool {
	plain := func(s string) string { return strings.TrimSuffix(strings.ToLower(s), ":443") }
	return plain(a) == plain(b)
}

func basic(what, user, password string) credential {
	return credential{label: clean.Cut(what+" as "+user, 200), secrets: []string{password},
		auth: authn.FromConfig(authn.AuthConfig{Username: user, Password: password})}
}
