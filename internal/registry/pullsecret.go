package registry

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/clean"
)

// pullSecret looks into the Kubernetes secret of the registry's own options.
func (k *keychain) pullSecret(_ context.Context, r authn.Resource) (credential, string, error) {
	h := k.hosts[canonical(r.RegistryStr())]
	if h.PullSecret == "" && h.DockerConfigJSON.IsZero() {
		return credential{}, "", nil
	}
	what := strings.TrimSpace("pull secret " + clean.Cut(h.PullSecret, 320))
	if h.DockerConfigJSON.IsZero() {
		return credential{}, what + ": not read", nil
	}
	user, password, err := pullSecretLogin(h.DockerConfigJSON.Reveal(), r)
	switch {
	case err != nil:
		return credential{}, "", fmt.Errorf("%s: %w", what, err)
	case user == "" && password == "":
		return credential{}, what + ": no login for this host", nil
	}
	return basic(what, user, password), "", nil
}

// pullLogin is one entry of a pull secret.
type pullLogin struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Auth     string `json:"auth"` // base64 of user:password; beats the two
}

// pullSecretLogin finds the login for a repository in the text of a kubernetes.io/dockerconfigjson secret, or of the older .dockercfg,
// which is the same without its outer object. It matches as the kubelet does (k8s.io/kubernetes, pkg/credentialprovider): the entry is a
// host of as many parts, each of which may be a glob, with the same port and the beginning of the path; of several the last in the
// alphabet is taken, which is the one with the longest path. Nothing found is "" and "". No error shows any of the text.
func pullSecretLogin(text string, r authn.Resource) (user, password string, err error) {
	logins, err := parsePullSecret(text)
	if err != nil {
		return "", "", err
	}
	targets := targetsOf(r)
	var keys []string
	for key := range logins {
		if k, ok := pullKey(key); ok && slices.ContainsFunc(targets, func(t string) bool { return globs(k, t) }) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return "", "", nil
	}
	best := slices.MaxFunc(keys, func(a, b string) int {
		ka, _ := pullKey(a)
		kb, _ := pullKey(b)
		return cmp.Or(strings.Compare(ka, kb), strings.Compare(a, b))
	})
	return logins[best].login()
}

func parsePullSecret(text string) (map[string]pullLogin, error) {
	if len(text) > maxConfig {
		return nil, errors.New("it is larger than 1 MiB")
	}
	inner := []byte(text)
	var outer struct {
		Auths json.RawMessage `json:"auths"`
	}
	if json.Unmarshal(inner, &outer) == nil && outer.Auths != nil {
		inner = outer.Auths
	}
	var logins map[string]pullLogin
	if json.Unmarshal(inner, &logins) != nil {
		return nil, errors.New("it holds no JSON of .dockerconfigjson or .dockercfg")
	}
	return logins, nil
}

func (l pullLogin) login() (user, password string, err error) {
	if l.Auth == "" {
		return l.Username, l.Password, nil
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(l.Auth), "="))
	user, password, ok := strings.Cut(string(b), ":")
	if err != nil || !ok {
		return "", "", errors.New("the auth of the entry for this host is not the base64 of USER:PASSWORD")
	}
	return user, password, nil
}

// pullKey is an entry's key as host[:port][/path]: it may be an address with a scheme and a version, as in https://index.docker.io/v1/.
func pullKey(key string) (string, bool) {
	if !strings.HasPrefix(key, "https://") && !strings.HasPrefix(key, "http://") {
		key = "https://" + key
	}
	u, err := url.Parse(key)
	if err != nil {
		return "", false
	}
	p := u.Path
	if strings.HasPrefix(p, "/v1/") || strings.HasPrefix(p, "/v2/") {
		p = p[len("/v1"):]
	}
	if p == "/" {
		p = ""
	}
	return u.Host + p, true
}

// targetsOf names a repository as a pod does; Docker Hub has two names.
func targetsOf(r authn.Resource) []string {
	path, _ := strings.CutPrefix(r.String(), r.RegistryStr())
	if r.RegistryStr() == name.DefaultRegistry {
		return []string{"docker.io" + path, name.DefaultRegistry + path}
	}
	return []string{r.RegistryStr() + path}
}

func globs(key, target string) bool {
	keyHost, keyPort, keyPath := parts(key)
	host, port, p := parts(target)
	if keyPort != port || len(keyHost) != len(host) || !strings.HasPrefix(p, keyPath) {
		return false
	}
	for i, glob := range keyHost {
		if ok, err := path.Match(glob, host[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

func parts(s string) (host []string, port, path string) {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		s, path = s[:i], s[i:]
	}
	h, port, err := net.SplitHostPort(s)
	if err != nil {
		h, port = s, ""
	}
	return strings.Split(h, "."), port, path
}
