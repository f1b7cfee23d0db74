package registry

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
)

func TestParseHost(t *testing.T) {
	for in, want := range map[string]string{
		"ghcr.io": "ghcr.io", "GHCR.io": "ghcr.io", "ghcr.io:443": "ghcr.io", "ghcr.io:8443": "ghcr.io:8443", "docker.io": "index.docker.io",
		"registry-1.docker.io": "index.docker.io", "index.docker.io": "index.docker.io", "localhost": "localhost", "localhost:5000": "localhost:5000",
		"registry:5000": "registry:5000", "10.0.0.7": "10.0.0.7", "[::1]:5000": "[::1]:5000", "[fd00::1]": "[fd00::1]", "my_reg.example": "my_reg.example",
	} {
		if got, err := ParseHost(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "empty", "https://ghcr.io": "scheme", "ghcr.io/acme": "path", "*.acme.dev": "patterns", "${REG}": "variables", "registry": "add the domain",
		"ghcr.io:": "port", "ghcr.io:0": "port", "ghcr.io:65536": "port", "ghcr.io:http": "port", "ghcr.io:+80": "port", "a b.io": "no host name", "user@ghcr.io": "no host name",
		"ghcr.io?x": "no host name", "ghcr..io": "no host name", "ghcr.io.": "no host name", "-a.io": "no host name", "[::1": "no host name", "[fe80::1%25eth0]": "no host name",
		"::1": "no host name", "ä.example": "no host name", "[127.0.0.1]:80": "no host name", "x.io\n": "no host name",
	} {
		if got, err := ParseHost(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v; want an error with %q", in, got, err, want)
		}
	}
}

func TestParseMirror(t *testing.T) {
	for in, want := range map[string]string{
		"mirror.acme.dev": "mirror.acme.dev/acme/app", "mirror.acme.dev/": "mirror.acme.dev/acme/app", "mirror.acme.dev:443/hub": "mirror.acme.dev/hub/acme/app",
		"localhost:5000/a/b_c": "localhost:5000/a/b_c/acme/app", "docker.io/x": "index.docker.io/x/acme/app", "10.0.0.7/hub": "10.0.0.7/hub/acme/app",
	} {
		m, err := ParseMirror(in)
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		got, err := m.repository(mustRepo(t, "ghcr.io/acme/app"))
		if err != nil || got.Name() != want {
			t.Errorf("%q: got %v, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "empty", "http://m.io": "plain-http", "mirror": "add the domain", "m.io/v2": "leave out v2", "m.io/v2/hub": "leave out v2", "m.io/Hub": "prefix", "m.io//a": "prefix",
		"m.io/a/../b": "prefix", "m.io/a?b": "prefix", "m.io/a:tag": "prefix", "m.io/" + strings.Repeat("a", 300): "prefix", "m.io:x/a": "port",
	} {
		if m, err := ParseMirror(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v; want an error with %q", in, m, err, want)
		}
	}
}

func TestParsePullSecret(t *testing.T) {
	ns, secret, err := ParsePullSecret("acme/reg.cred-1")
	if err != nil || ns != "acme" || secret != "reg.cred-1" {
		t.Errorf("got %q, %q, %v", ns, secret, err)
	}
	for _, bad := range []string{"", "acme", "/x", "acme/", "Acme/x", "acme/x/y", "acme/-x", "a.b/x", "acme/..", "acme/" + strings.Repeat("a", 260)} {
		if _, _, err := ParsePullSecret(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzParseHost wants one spelling that stays, and that an image reference reads as the same host.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"ghcr.io", "Docker.io:443", "[::1]:5000", "localhost", "a:1", "x.io:0", "127.1", "a/b", "::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := ParseHost(s)
		if err != nil {
			if s != "" && len(s) > 20 && strings.Contains(err.Error(), s) {
				t.Errorf("the error repeats %q", s)
			}
			return
		}
		if again, err := ParseHost(host); err != nil || again != host {
			t.Errorf("%q is %q, which is %q, %v", s, host, again, err)
		}
		ref, err := name.ParseReference(host + "/acme/app:v1")
		if err != nil || canonical(ref.Context().RegistryStr()) != host {
			t.Errorf("%q: a reference reads %v, %v; want %q", s, ref, err, host)
		}
	})
}

// FuzzParseMirror wants a repository that a reference can name, and nothing outside of the prefix.
func FuzzParseMirror(f *testing.F) {
	for _, s := range []string{"m.io", "m.io/hub", "m.io:5000/a/b", "m.io/../x", "m.io/v2", "docker.io"} {
		f.Add(s)
	}
	repo, err := name.NewRepository("ghcr.io/acme/app")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMirror(s)
		if err != nil {
			return
		}
		got, err := m.repository(repo)
		if err != nil || !strings.HasSuffix(got.RepositoryStr(), "acme/app") || !strings.HasPrefix(got.RepositoryStr(), m.Prefix) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
		if again, err := ParseMirror(m.String()); err != nil || again != m {
			t.Errorf("%q is %v, which is %v, %v", s, m, again, err)
		}
		if _, err := name.NewRepository(got.Name()); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}

func TestInDir(t *testing.T) {
	for ca, want := range map[string]string{"": "", "ca.pem": "deploy/ca.pem", "/etc/ca.pem": "/etc/ca.pem", "../ca.pem": "ca.pem"} {
		h := Host{CA: ca}
		if h.InDir("deploy"); h.CA != want {
			t.Errorf("%q: got %q, want %q", ca, h.CA, want)
		}
	}
}
