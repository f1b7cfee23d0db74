package registry

import (
	"errors"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// hintInvalid is the cure for what no registry answers.
const hintInvalid = "is this the address of a registry, or does a proxy answer in its place?"

// cure is what usually helps.
func (c *Client) cure(e *Error, host string) string {
	switch e.Kind {
	case Unauthorized, Forbidden:
		return c.family(e, host).cure(e, host)
	case Missing:
		return "check the name and the tag, and that the push has ended"
	case Limited:
		return "the registry limits how often it is asked: log in (anonymous limits are lower), or try again later"
	case Unavailable, Timeout, Unreachable:
		return "this is an outage on the way to the registry, not a finding about the image: try again"
	case Invalid:
		return hintInvalid
	case Refused:
		return tlsCure(e.Got, host)
	}
	return ""
}

func tlsCure(got, host string) string {
	switch {
	case strings.Contains(got, "unknown authority"):
		return "give the authority's PEM file as ca under registries." + host
	case strings.Contains(got, "HTTP response to HTTPS client"):
		return "set plain-http under registries." + host + " if it has no TLS"
	}
	return ""
}

// family is what registries of one make want for reading, in the words of their own settings.
type family struct {
	name   string
	host   *lazyregexp.Regexp
	login  string // how a job that has no credential gets one
	rights string // what a credential needs that was taken, or understood, and is not enough
	expiry string // what may have become of a login
}

// families are told by the host. Harbor has none of its own, and is told by its token service; GitLab may have any.
var families = []family{
	{"GitHub", lazyregexp.New(`^ghcr\.io$`),
		"give the step GITHUB_TOKEN and the job `permissions: packages: read`, or log in before it",
		"the job needs `permissions: packages: read`, and the package must give this repository access (package settings, Manage Actions access)", ""},
	{"Docker Hub", lazyregexp.New(`^index\.docker\.io$`),
		"log in before this step (docker login, with an access token that may read); Docker Hub answers like this for a repository that does not " +
			"exist, too",
		"the access token needs Read, its user must be a member of the repository's organisation, and the repository must exist", ""},
	{"GitLab", lazyregexp.New(`^registry\.gitlab\.com$`),
		"in a GitLab job CI_REGISTRY_PASSWORD is there by itself; elsewhere log in with a deploy token that has read_registry",
		"a job token reads only its own project: add this project to the other's job token allowlist (Settings, CI/CD, Job token permissions), " +
			"or use a deploy token with read_registry", ""},
	{"ECR", lazyregexp.New(`\.dkr[.-]ecr(-fips)?\.[a-z0-9.-]+$|^public\.ecr\.aws$`),
		"give the job a role (OIDC or an instance profile), or run `aws ecr get-login-password | docker login --username AWS --password-stdin HOST` " +
			"before this step",
		"the role needs ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; in another account the repository's policy must " +
			"name it, too", "a login to ECR lasts 12 hours"},
	{"Artifact Registry", lazyregexp.New(`(^|[.-])docker\.pkg\.dev$|(^|\.)gcr\.io$`),
		"give the job Google credentials (workload identity federation), or run `gcloud auth configure-docker HOST` before this step",
		"the service account needs roles/artifactregistry.reader on the repository", "an access token of Google lasts an hour"},
	{"ACR", lazyregexp.New(`\.azurecr\.(io|cn|us)$`),
		"give the job an Azure identity, or run `az acr login` before this step",
		"the identity needs the role AcrPull on the registry (or a token with content/read on the repository)", "a login to ACR lasts three hours"},
	{"Quay", lazyregexp.New(`^quay\.io$|(^|\.)quay\.`),
		"log in before this step with a robot account that may read the repository",
		"give the robot account Read on the repository (Settings, User and Robot Permissions)", ""},
	{"Harbor", lazyregexp.New(`(^|[.-])harbor[.-]`),
		"log in before this step with a robot account of the project",
		"the user or robot account must be a member of the project that may pull; a robot's name begins with robot$, which is robot$$ in " +
			"bakegate.yaml", ""},
}

var general = family{
	login: "log in before this step (docker login HOST) or give DOCKER_AUTH_CONFIG; a registry answers like this for a repository that does not " +
		"exist, too",
	rights: "this user may not read the repository: check its role, and the repository's name",
}

func (c *Client) family(e *Error, host string) family {
	byName := func(name string) family {
		for _, f := range families {
			if f.name == name {
				return f
			}
		}
		return general
	}
	if c.keys.c.GitLabRegistry != "" && sameHost(c.keys.c.GitLabRegistry, host) {
		return byName("GitLab")
	}
	var te *transport.Error
	if errors.As(e.err, &te) && te.Request != nil && strings.Contains(te.Request.URL.RawQuery, "service=harbor-registry") {
		return byName("Harbor")
	}
	for _, f := range families {
		if f.host.MatchString(strings.ToLower(hostOnly(host))) {
			return f
		}
	}
	return general
}

// cure says what to do about a 401 or 403.
func (f family) cure(e *Error, host string) string {
	if host == name.DefaultRegistry {
		host = "docker.io"
	}
	switch {
	case strings.HasPrefix(e.Tried, "anonymous"):
		return strings.ReplaceAll(f.login, "HOST", host)
	case e.Kind == Forbidden:
		return f.rights
	}
	expired := "the credential is wrong or has expired: log in again"
	if f.expiry != "" {
		expired += " (" + f.expiry + ")"
	}
	if f.name == "" {
		return expired
	}
	return expired + "; or it may not read this: " + f.rights
}
