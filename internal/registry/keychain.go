package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/clean"
)

// maxConfig bounds a Docker configuration: it holds a few logins.
const maxConfig = 1 << 20

// credential is who we are for one registry. label names it without any secret.
type credential struct {
	auth    authn.Authenticator
	label   string
	secrets []string
}

// keychain finds credentials: DOCKER_AUTH_CONFIG, then Docker's configuration, then what the CI platform gives every job, which goes to
// the platform's own registry only. A login that somebody made is meant; the platform's is merely there.
type keychain struct {
	c  Credentials
	mu sync.Mutex
	// found keeps what was found per resource: a credential helper is a program, and asking it may cost a second.
	found map[string]credential
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

func (k *keychain) find(ctx context.Context, r authn.Resource) (credential, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if cred, ok := k.found[r.String()]; ok {
		return cred, nil
	}
	type answer struct {
		cred credential
		err  error
	}
	done := make(chan answer, 1)
	go func() { // a helper that hangs must not hang the run
		cred, err := k.look(r)
		done <- answer{cred, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return credential{}, &Error{Ref: r.RegistryStr(), Kind: Refused, Got: a.err.Error(), Tried: "none", err: a.err,
				Hint: "repair the credentials' configuration; bakegate does not go on as somebody else"}
		}
		if k.found == nil {
			k.found = map[string]credential{}
		}
		k.found[r.String()] = a.cred
		return a.cred, nil
	case <-ctx.Done():
		return credential{}, fmt.Errorf("%s: looking for credentials, perhaps in a credential helper: %w", r.RegistryStr(), ctx.Err())
	}
}

func (k *keychain) look(r authn.Resource) (credential, error) {
	if !k.c.DockerAuth.IsZero() {
		const what = "DOCKER_AUTH_CONFIG"
		cf, err := config.LoadFromReader(strings.NewReader(k.c.DockerAuth.Reveal()))
		if err != nil {
			return credential{}, fmt.Errorf("%s is not the JSON of a Docker config.json", what) // the cause could show parts of it
		}
		if cred, ok, err := fromDocker(cf, r, what); ok || err != nil {
			return cred, err
		}
	}
	if k.c.DockerConfig != "" {
		path := filepath.Join(k.c.DockerConfig, config.ConfigFileName)
		cf, err := readDocker(path)
		if err != nil {
			return credential{}, err
		}
		if cred, ok, err := fromDocker(cf, r, path); ok || err != nil {
			return cred, err
		}
	}
	if cred, ok := k.platform(r.RegistryStr()); ok {
		return cred, nil
	}
	return credential{auth: authn.Anonymous, label: "anonymous: no credential for this host"}, nil
}

// platform is what the CI platform offers, each for exactly one host.
func (k *keychain) platform(host string) (credential, bool) {
	switch {
	case host == "ghcr.io" && !k.c.GitHubToken.IsZero():
		user := k.c.GitHubActor
		if user == "" {
			user = "x-access-token"
		}
		return basic("GITHUB_TOKEN", user, k.c.GitHubToken.Reveal()), true
	case k.c.GitLabRegistry != "" && sameHost(k.c.GitLabRegistry, host) && !k.c.GitLabPassword.IsZero():
		return basic("CI_REGISTRY_PASSWORD", k.c.GitLabUser, k.c.GitLabPassword.Reveal()), true
	}
	return credential{}, false
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

// readDocker reads a config.json; none is an empty one.
func readDocker(path string) (*configfile.ConfigFile, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return configfile.New(path), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > maxConfig {
		return nil, fmt.Errorf("%s is larger than 1 MiB: this is not Docker's configuration", path)
	}
	cf, err := config.LoadFromReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s is not Docker's configuration as JSON", path) // the cause could show parts of it
	}
	return cf, nil
}

// fromDocker looks for the repository, then for its registry, as Docker's and go-containerregistry's own lookup does. The environment
// is not asked: DOCKER_AUTH_CONFIG has its own place.
func fromDocker(cf *configfile.ConfigFile, r authn.Resource, where string) (credential, bool, error) {
	for _, key := range []string{r.String(), r.RegistryStr()} {
		if key == name.DefaultRegistry {
			key = authn.DefaultAuthKey
		}
		helper := cf.CredentialHelpers[key]
		if helper == "" {
			helper = cf.CredentialsStore
		}
		label, store := where, credentials.NewFileStore(cf)
		if helper != "" {
			label, store = where+" (docker-credential-"+helper+")", credentials.NewNativeStore(cf, helper)
		}
		a, err := store.Get(key)
		if err != nil {
			return credential{}, false, fmt.Errorf("%s for %s: %s", clean.Cut(label, 300), clean.Cut(key, 200), clean.Cut(err.Error(), 300))
		}
		a.ServerAddress = "" // set by the lookup even where nothing was found
		if a != (types.AuthConfig{}) {
			return fromConfig(a, label), true, nil
		}
	}
	return credential{}, false, nil
}

func fromConfig(a types.AuthConfig, label string) credential {
	user := a.Username
	if user == "" || user == "<token>" {
		user = "a token"
	}
	return credential{label: clean.Cut(label+" as "+user, 400), secrets: []string{a.Password, a.Auth, a.IdentityToken, a.RegistryToken},
		auth: authn.FromConfig(authn.AuthConfig{Username: a.Username, Password: a.Password, Auth: a.Auth,
			IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken})}
}
