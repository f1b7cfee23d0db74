package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

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

// dockerAuth looks into DOCKER_AUTH_CONFIG.
func (k *keychain) dockerAuth(_ context.Context, r authn.Resource) (credential, string, error) {
	const what = "DOCKER_AUTH_CONFIG"
	if k.c.DockerAuth.IsZero() {
		return credential{}, what + ": not set", nil
	}
	cf, err := config.LoadFromReader(strings.NewReader(k.c.DockerAuth.Reveal()))
	if err != nil {
		return credential{}, "", fmt.Errorf("%s is not the JSON of a Docker config.json", what) // the cause could show parts of it
	}
	return fromDocker(cf, r, what)
}

// dockerConfig looks into the file that `docker login` writes, and asks the credential helpers that it names.
func (k *keychain) dockerConfig(_ context.Context, r authn.Resource) (credential, string, error) {
	if k.c.DockerConfig == "" {
		return credential{}, "", nil
	}
	path := filepath.Join(k.c.DockerConfig, config.ConfigFileName)
	b, err := readBounded(path, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return credential{}, clean.Cut(path, 200) + ": no such file", nil
	case errors.Is(err, errTooLarge):
		return credential{}, "", fmt.Errorf("%s is larger than 1 MiB: this is not Docker's configuration", path)
	case err != nil:
		return credential{}, "", err
	}
	cf, err := config.LoadFromReader(bytes.NewReader(b))
	if err != nil {
		return credential{}, "", fmt.Errorf("%s is not Docker's configuration as JSON", path) // the cause could show parts of it
	}
	return fromDocker(cf, r, path)
}

// hubKeys are the names under which other programs than Docker's own keep a login to Docker Hub.
var hubKeys = []string{"docker.io", "index.docker.io", "registry-1.docker.io"}

// fromDocker looks for the repository, then for its registry, as Docker's and go-containerregistry's own lookup does. The environment
// is not asked: DOCKER_AUTH_CONFIG has its own place.
func fromDocker(cf *configfile.ConfigFile, r authn.Resource, where string) (credential, string, error) {
	keys := []string{r.String(), r.RegistryStr()}
	if r.RegistryStr() == name.DefaultRegistry {
		keys = append(keys, hubKeys...)
	}
	for i, key := range keys {
		if i < 2 && key == name.DefaultRegistry {
			key = authn.DefaultAuthKey
		}
		if _, ok := cf.AuthConfigs[key]; i >= 2 && !ok {
			continue
		}
		cred, ok, err := underKey(cf, key, where)
		if ok || err != nil {
			return cred, "", err
		}
	}
	return credential{}, clean.Cut(where, 200) + ": no login for this host", nil
}

func underKey(cf *configfile.ConfigFile, key, where string) (credential, bool, error) {
	helper := cf.CredentialHelpers[key]
	if helper == "" && !slices.Contains(hubKeys, key) {
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
	return fromConfig(a, label), a != (types.AuthConfig{}), nil
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
