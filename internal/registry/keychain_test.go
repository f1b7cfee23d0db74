package registry

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/httpx"
)

func dockerConfig(host, user, password string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func write(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestKeychain(t *testing.T) {
	dir := write(t, dockerConfig("reg.example", "docker", "docker-pw"))
	hub := write(t, dockerConfig("https://index.docker.io/v1/", "hub", "hub-pw"))
	ghcr := write(t, dockerConfig("ghcr.io", "pat", "pat-pw"))
	gitlab := Credentials{GitLabRegistry: "registry.gitlab.example:5050", GitLabUser: "gitlab-ci-token", GitLabPassword: httpx.NewSecret("job-pw")}
	both := Credentials{DockerConfig: dir, DockerAuth: httpx.NewSecret(dockerConfig("reg.example", "env", "env-pw"))}
	for _, tt := range []struct {
		name, repo string
		c          Credentials
		user, pw   string
		tried      string
	}{
		{"nothing", "reg.example/a", Credentials{}, "", "", "anonymous: no credential for this host"},
		{"no such directory", "reg.example/a", Credentials{DockerConfig: "/nowhere"}, "", "", "anonymous"},
		{"Docker's configuration", "reg.example/a", Credentials{DockerConfig: dir}, "docker", "docker-pw", "config.json as docker"},
		{"Docker's configuration, other host", "other.example/a", Credentials{DockerConfig: dir}, "", "", "anonymous"},
		{"Docker Hub", "nginx", Credentials{DockerConfig: hub}, "hub", "hub-pw", "as hub"},
		{"Docker Hub, as podman writes it", "nginx", Credentials{DockerAuth: httpx.NewSecret(dockerConfig("docker.io", "hub", "hub-pw"))}, "hub", "hub-pw", "as hub"},
		{"Docker Hub, a look-alike", "nginx", Credentials{DockerAuth: httpx.NewSecret(dockerConfig("docker.io.evil.example", "x", "x-pw"))}, "", "", "anonymous"},
		{"DOCKER_AUTH_CONFIG first", "reg.example/a", both, "env", "env-pw", "DOCKER_AUTH_CONFIG as env"},
		{"GITHUB_TOKEN", "ghcr.io/a/b", Credentials{GitHubActor: "octocat", GitHubToken: httpx.NewSecret("ghs_x"), DockerConfig: dir}, "octocat", "ghs_x", "GITHUB_TOKEN as octocat"},
		{"a login beats GITHUB_TOKEN", "ghcr.io/a/b", Credentials{GitHubToken: httpx.NewSecret("ghs_x"), DockerConfig: ghcr}, "pat", "pat-pw", "config.json as pat"},
		{"GITHUB_TOKEN without actor", "ghcr.io/a/b", Credentials{GitHubToken: httpx.NewSecret("ghs_x")}, "x-access-token", "ghs_x", "GITHUB_TOKEN as x-access-token"},
		{"GITHUB_TOKEN stays at ghcr.io", "ghcr.io.evil.example/a", Credentials{GitHubToken: httpx.NewSecret("ghs_x")}, "", "", "anonymous"},
		{"GITHUB_TOKEN stays off the port", "ghcr.io:8443/a", Credentials{GitHubToken: httpx.NewSecret("ghs_x")}, "", "", "anonymous"},
		{"GitLab", "registry.gitlab.example:5050/a/b", gitlab, "gitlab-ci-token", "job-pw", "CI_REGISTRY_PASSWORD as gitlab-ci-token"},
		{"GitLab, other port", "registry.gitlab.example/a/b", gitlab, "", "", "anonymous"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo, err := name.NewRepository(tt.repo)
			if err != nil {
				t.Fatal(err)
			}
			c := New(tt.c, Options{})
			auth, err := c.Keychain().Resolve(repo)
			if err != nil {
				t.Fatal(err)
			}
			got, err := authn.Authorization(context.Background(), auth)
			if err != nil {
				t.Fatal(err)
			}
			if got.Username != tt.user || got.Password != tt.pw {
				t.Errorf("got %q %q, want %q %q", got.Username, got.Password, tt.user, tt.pw)
			}
			if tried := c.Tried(repo.RegistryStr()); !strings.Contains(tried, tt.tried) || tt.pw != "" && strings.Contains(tried, tt.pw) {
				t.Errorf("tried %q, want %q", tried, tt.tried)
			}
		})
	}
}

// A configuration that cannot be read is an error, not an anonymous request; its text may hold a secret and is not shown.
func TestKeychainMistakes(t *testing.T) {
	const secret = "hunter2hunter2"
	for want, c := range map[string]Credentials{
		"DOCKER_AUTH_CONFIG is not the JSON":      {DockerAuth: httpx.NewSecret(`{"auths":{"reg.example":{"auth":"` + secret)},
		"is not Docker's configuration":           {DockerConfig: write(t, `{"auths":{"reg.example":{"auth":"!`+secret+`"}}}`)},
		"docker-credential-bakegate-is-not-there": {DockerConfig: write(t, `{"credHelpers":{"reg.example":"bakegate-is-not-there"}}`)},
	} {
		repo, _ := name.NewRepository("reg.example/a")
		_, err := New(c, Options{}).Keychain().Resolve(repo)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A credential helper is a program in PATH.
func TestCredentialHelper(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\nread host\necho \"{\\\"ServerURL\\\":\\\"$host\\\",\\\"Username\\\":\\\"helped\\\",\\\"Secret\\\":\\\"helper-pw\\\"}\"\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	c := New(Credentials{DockerConfig: write(t, `{"credHelpers":{"reg.example":"test"}}`)}, Options{})
	if got := c.Tried("reg.example"); !strings.Contains(got, "docker-credential-test) as helped") || strings.Contains(got, "helper-pw") {
		t.Errorf("got %q", got)
	}
}

func TestCredentialHelperThatHangs(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-hang"), []byte("#!/bin/sh\nexec sleep 10\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	c := New(Credentials{DockerConfig: write(t, `{"credsStore":"hang"}`)}, Options{Timeout: 100 * time.Millisecond})
	begin := time.Now()
	if got := c.Tried("reg.example"); !strings.HasPrefix(got, "none: ") || !strings.Contains(got, "credential helper") || time.Since(begin) > 9*time.Second {
		t.Errorf("got %q after %s", got, time.Since(begin))
	}
}
