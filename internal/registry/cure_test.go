package registry

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bakegate/bakegate/internal/httpx"
)

// A refusal says who we were, who else we could have been, and what the makers of this registry want.
func TestCures(t *testing.T) {
	env := func(hosts ...string) Credentials {
		var auths []string
		for _, h := range hosts {
			auths = append(auths, strings.TrimSuffix(strings.TrimPrefix(dockerConfig(h, "u", "password"), `{"auths":{`), "}}"))
		}
		return Credentials{DockerAuth: httpx.NewSecret(`{"auths":{` + strings.Join(auths, ",") + "}}")}
	}
	gitlab := Credentials{GitLabRegistry: "registry.acme.dev:5050", GitLabUser: "gitlab-ci-token", GitLabPassword: httpx.NewSecret("job-password")}
	const ecr, gar, acr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "europe-docker.pkg.dev", "acme.azurecr.io"
	for _, tt := range []struct {
		repo   string
		c      Credentials
		status int
		want   []string
	}{
		{"ghcr.io/acme/app", Credentials{}, 401, []string{"credential: anonymous", "(tried: DOCKER_AUTH_CONFIG: not set; GITHUB_TOKEN: not set)", "packages: read"}},
		{"ghcr.io/acme/app", Credentials{GitHubToken: httpx.NewSecret("ghs_token")}, 403, []string{"GITHUB_TOKEN as x-access-token", "Manage Actions access"}},
		{"acme/app", Credentials{}, 401, []string{"docker login", "does not exist"}},
		{"acme/app", env("https://index.docker.io/v1/"), 403, []string{"DOCKER_AUTH_CONFIG as u", "access token needs Read"}},
		{"registry.gitlab.com/acme/app", Credentials{}, 401, []string{"CI_REGISTRY_PASSWORD", "read_registry"}},
		{"registry.acme.dev:5050/acme/app", gitlab, 403, []string{"CI_REGISTRY_PASSWORD as gitlab-ci-token", "job token allowlist"}},
		{"registry.acme.dev:5050/acme/app", Credentials{GitLabRegistry: "registry.acme.dev:5050"}, 401, []string{"CI_REGISTRY_PASSWORD: not set", "read_registry"}},
		{ecr + "/app", Credentials{}, 401, []string{"--password-stdin " + ecr}},
		{ecr + "/app", env(ecr), 401, []string{"12 hours", "ecr:BatchGetImage"}},
		{ecr + "/app", env(ecr), 403, []string{"ecr:GetAuthorizationToken"}},
		{"public.ecr.aws/acme/app", Credentials{}, 401, []string{"aws ecr"}},
		{gar + "/acme/app/app", Credentials{}, 403, []string{"gcloud auth configure-docker " + gar}},
		{gar + "/acme/app/app", env(gar), 401, []string{"an hour", "artifactregistry.reader"}},
		{"eu.gcr.io/acme/app", env("eu.gcr.io"), 403, []string{"artifactregistry.reader"}},
		{acr + "/app", Credentials{}, 401, []string{"az acr login"}},
		{acr + "/app", env(acr), 401, []string{"three hours", "AcrPull"}},
		{"quay.io/acme/app", Credentials{}, 401, []string{"robot account"}},
		{"harbor.acme.dev/app/app", Credentials{}, 401, []string{"robot account of the project"}},
		{"harbor.acme.dev/app/app", env("harbor.acme.dev"), 403, []string{"robot$$"}},
		{"reg.acme.dev/app", Credentials{}, 401, []string{"docker login reg.acme.dev", "DOCKER_AUTH_CONFIG"}},
		{"reg.acme.dev/app", env("reg.acme.dev"), 401, []string{"log in again"}},
		{"reg.acme.dev/app", env("reg.acme.dev"), 403, []string{"check its role"}},
		{"ghcr.io.evil.example/app", Credentials{}, 401, []string{"docker login ghcr.io.evil.example"}},
	} {
		c := New(tt.c, Options{})
		err := c.Explain(mustRepo(t, tt.repo), &transport.Error{StatusCode: tt.status})
		for _, part := range tt.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s %d: got %v, want %q in it", tt.repo, tt.status, err, part)
			}
		}
		if strings.Contains(err.Error(), "password;") || strings.Contains(err.Error(), "ghs_token") || strings.Contains(err.Error(), "HOST") {
			t.Errorf("%s %d: got %v", tt.repo, tt.status, err)
		}
	}
}

// Harbor has no host name of its own; its token service has.
func TestHarborByItsTokenService(t *testing.T) {
	c := New(Credentials{}, Options{})
	u, err := url.Parse("https://images.acme.dev/service/token?service=harbor-registry&scope=repository%3Aapp%3Apull")
	if err != nil {
		t.Fatal(err)
	}
	got := c.Explain(mustRepo(t, "images.acme.dev/app"), &transport.Error{StatusCode: 401, Request: &http.Request{URL: u}})
	wantError(t, got, Unauthorized, "robot account of the project")
}

// Who was looked for is told where it matters: not where the registry is down.
func TestLookedIsForRefusals(t *testing.T) {
	c := New(Credentials{}, Options{})
	err := c.Explain(mustRepo(t, "ghcr.io/acme/app"), &transport.Error{StatusCode: 503})
	if strings.Contains(err.Error(), "not set") {
		t.Errorf("got %v", err)
	}
}
