package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/ci"
	"github.com/bakegate/bakegate/internal/cloud"
	"github.com/bakegate/bakegate/internal/cloud/aws"
	"github.com/bakegate/bakegate/internal/cloud/azure"
	"github.com/bakegate/bakegate/internal/cloud/google"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/kube"
	"github.com/bakegate/bakegate/internal/registry"
)

// credentials are what the job's environment offers for registries.
func (a *app) credentials() registry.Credentials {
	dir := a.env.get("DOCKER_CONFIG")
	if home := a.env.get("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".docker")
	}
	o := cloud.Options{Getenv: a.env.get, Version: Version}
	return registry.Credentials{DockerConfig: dir, GitHubActor: a.env.get("GITHUB_ACTOR"), GitHubToken: a.gitHubToken(),
		GitLabRegistry: a.env.get("CI_REGISTRY"), GitLabUser: a.env.get("CI_REGISTRY_USER"),
		GitLabPassword: httpx.NewSecret(a.env.get("CI_REGISTRY_PASSWORD")), DockerAuth: httpx.NewSecret(a.env.get("DOCKER_AUTH_CONFIG")),
		Clouds: []registry.Cloud{aws.New(o), google.New(o), azure.New(o)}}
}

// gitHubToken is the action's input, or the variable.
func (a *app) gitHubToken() httpx.Secret {
	if t := ci.Input(a.env.get, "github-token"); t != "" {
		return httpx.NewSecret(t)
	}
	return httpx.NewSecret(a.env.get("GITHUB_TOKEN"))
}

// registries are the registries section, with the pull secrets that it names read from their cluster.
func (l *loaded) registries(ctx context.Context) (map[string]registry.Host, error) {
	hosts := map[string]registry.Host{}
	for name, h := range l.file.Registries {
		if h.PullSecret != "" && !l.o.offline {
			text, err := l.pullSecret(ctx, h.PullSecret)
			if err != nil {
				return nil, fmt.Errorf("registries.%s.pull-secret %s: %w", name, h.PullSecret, err)
			}
			h.DockerConfigJSON = text
		}
		hosts[name] = h
	}
	return hosts, nil
}

// pullSecret reads a secret of one of the two types that kubelet takes.
func (l *loaded) pullSecret(ctx context.Context, ref string) (httpx.Secret, error) {
	client, err := kube.New(kube.Options{Getenv: l.app.env.get})
	if err != nil {
		return httpx.Secret{}, err
	}
	namespace, name, _ := strings.Cut(ref, "/")
	s, err := client.Secret(ctx, namespace, name)
	if err != nil {
		return httpx.Secret{}, err
	}
	for _, key := range []string{".dockerconfigjson", ".dockercfg"} {
		if text, ok := s.Data[key]; ok {
			return text, nil
		}
	}
	return httpx.Secret{}, fmt.Errorf("the secret is of type %q and has neither .dockerconfigjson nor .dockercfg: want one that `kubectl create secret docker-registry` makes", s.Type)
}
