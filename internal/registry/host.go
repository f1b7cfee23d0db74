package registry

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// DefaultAtOnce is how many requests one registry gets at a time.
const DefaultAtOnce = 8

// Host is how one registry is talked to. The zero value is good.
type Host struct {
	CA         string       `yaml:"ca,file"`     // PEM file with certificate authorities to trust beside the system's
	PlainHTTP  bool         `yaml:"plain-http"`  // it has no TLS
	Insecure   bool         `yaml:"insecure"`    // its certificate is not verified
	Mirrors    []string     `yaml:"mirrors"`     // host[:port][/prefix] that are asked first, in this order
	Username   string       `yaml:"username"`    // with Password
	Password   httpx.Secret `yaml:"password"`    // sent to this host and its token server only
	PullSecret string       `yaml:"pull-secret"` // NAMESPACE/NAME of a secret in Kubernetes
	AtOnce     int          `yaml:"at-once"`     // requests at a time; default 8

	// DockerConfigJSON is what the pull secret holds: the text of its .dockerconfigjson, or of the older .dockercfg. The caller reads it.
	DockerConfigJSON httpx.Secret
}

// InDir gives relative paths the folder of the configuration file.
func (h *Host) InDir(dir string) {
	if h.CA != "" && !filepath.IsAbs(h.CA) {
		h.CA = filepath.Join(dir, h.CA)
	}
}

var (
	hostForm   = lazyregexp.New(`^[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*$`)
	prefixForm = lazyregexp.New(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`) // distribution specification 1.1
	labelForm  = lazyregexp.New(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)                                     // RFC 1123
	nameForm   = lazyregexp.New(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
)

// ParseHost reads the host[:port] of a registry, as it stands in an image reference, and gives its one spelling: lower case, without the
// port of HTTPS, index.docker.io for Docker Hub. The error says what to change; it does not repeat the text.
func ParseHost(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("it is empty")
	case strings.Contains(s, "://"):
		return "", errors.New("leave out the scheme")
	case strings.Contains(s, "/"):
		return "", errors.New("leave out the path: these are options of the whole registry")
	case strings.ContainsAny(s, "*$"):
		return "", errors.New("write each registry out: patterns and variables do not work here")
	}
	host, port, ok := splitPort(strings.ToLower(s))
	if !ok {
		return "", errors.New("the port is a number from 1 to 65535")
	}
	if inner, v6 := strings.CutPrefix(host, "["); v6 {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", errors.New("it is no host name and no IP address")
		}
	} else if !hostForm.MatchString(host) || len(host) > 253 {
		return "", errors.New("it is no host name and no IP address")
	}
	if !strings.ContainsAny(host, ".:") && port == "" && host != "localhost" {
		return "", errors.New("an image reference takes this for a folder on Docker Hub: add the domain or the port")
	}
	return canonical(s), nil
}

// splitPort splits host:port; ok is false for a port that is none.
func splitPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, "", true
	}
	port = s[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	return s[:i], port, err == nil && n > 0 && port[0] != '+'
}

// canonical is the one spelling of a registry's host. A name without a dot needs its port to be read as a host.
func canonical(host string) string {
	host = strings.ToLower(host)
	if short, ok := strings.CutSuffix(host, ":443"); ok && (strings.ContainsAny(short, ".:") || short == "localhost") {
		host = short
	}
	switch host {
	case "docker.io", "registry-1.docker.io":
		return name.DefaultRegistry
	}
	return host
}

// Mirror is where the repositories of a registry are looked for before the registry itself is asked.
type Mirror struct {
	Host   string // host[:port] in its one spelling
	Prefix string // what stands before the repository's path there; "" for nothing
}

func (m Mirror) String() string { return strings.TrimSuffix(m.Host+"/"+m.Prefix, "/") }

// ParseMirror reads host[:port][/prefix]. The error says what to change; it does not repeat the text.
func ParseMirror(s string) (Mirror, error) {
	if strings.Contains(s, "://") {
		return Mirror{}, errors.New("leave out the scheme; plain-http is set in the mirror's own block under registries")
	}
	host, prefix, _ := strings.Cut(s, "/")
	host, err := ParseHost(host)
	if err != nil {
		return Mirror{}, err
	}
	prefix = strings.TrimSuffix(prefix, "/")
	switch {
	case prefix == "v2", strings.HasPrefix(prefix, "v2/"):
		return Mirror{}, errors.New("leave out v2: it is part of every registry's address")
	case prefix != "" && !prefixForm.MatchString(prefix), len(prefix) > 200:
		return Mirror{}, errors.New("the prefix is the beginning of a repository's path: lower-case letters, digits, and . _ - between them")
	}
	return Mirror{Host: host, Prefix: prefix}, nil
}

// repository is where a repository is on the mirror.
func (m Mirror) repository(repo name.Repository) (name.Repository, error) {
	reg, err := name.NewRegistry(m.Host)
	if err != nil {
		return name.Repository{}, err
	}
	return reg.Repo(m.Prefix, repo.RepositoryStr()), nil
}

// ParsePullSecret reads the NAMESPACE/NAME of a secret in Kubernetes.
func ParsePullSecret(s string) (namespace, secret string, err error) {
	namespace, secret, ok := strings.Cut(s, "/")
	if !ok || !labelForm.MatchString(namespace) || !nameForm.MatchString(secret) {
		return "", "", errors.New("want NAMESPACE/NAME of a secret in Kubernetes, in lower case")
	}
	return namespace, secret, nil
}
