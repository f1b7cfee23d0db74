// Package registry is the one way to an OCI registry: credentials, limits, and errors that say which credential was tried. verify, the
// ledger and the sources that read images go through it.
package registry

import "github.com/bakegate/bakegate/internal/httpx"

// Credentials is what the environment offers for registries, read by the caller: no stage reads the environment.
type Credentials struct {
	DockerConfig   string       // directory with config.json; "" for none
	GitHubActor    string       // user name beside GitHubToken, default "x-access-token"
	GitHubToken    httpx.Secret // for ghcr.io only
	GitLabRegistry string       // CI_REGISTRY: host[:port] that GitLabUser and GitLabPassword are for
	GitLabUser     string
	GitLabPassword httpx.Secret
	DockerAuth     httpx.Secret // DOCKER_AUTH_CONFIG: the text of a config.json
}
