// Package registry is the one way to an OCI registry: credentials, mirrors, limits, and errors that say which credential was tried. verify,
// the ledger and the sources that read images go through it.
//
// What a registry says is not believed: bytes are hashed, sizes and times are bounded, and nobody on the internet leads us into a private
// network (RFC 1918 and its like) by a redirect or by the address of a token server.
package registry

import "github.com/bakegate/bakegate/internal/httpx"

// Credentials is what the environment offers for registries, read by the caller: no stage reads the environment. They are asked in this
// order: the registry's own options (Host), DockerAuth, DockerConfig, Clouds, and what the CI platform gives every job. A login that
// somebody made is meant; the platform's is merely there.
type Credentials struct {
	DockerConfig   string       // directory with config.json; "" for none
	GitHubActor    string       // user name beside GitHubToken, default "x-access-token"
	GitHubToken    httpx.Secret // for ghcr.io only
	GitLabRegistry string       // CI_REGISTRY: host[:port] that GitLabUser and GitLabPassword are for
	GitLabUser     string
	GitLabPassword httpx.Secret
	DockerAuth     httpx.Secret // DOCKER_AUTH_CONFIG: the text of a config.json
	Clouds         []Cloud      // asked in their order
}
