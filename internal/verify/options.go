package verify

import (
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/deployed"
	"github.com/bakegate/bakegate/internal/verify/signed"
)

// Options is the verify section of the configuration.
type Options struct {
	Images    []Image           `yaml:"images"`
	Signature *signed.Signature `yaml:"signature"`
	// Attestations are statements about every image that must be there, each signed.
	Attestations []signed.Attestation `yaml:"attestations"`
	Deployed     []deployed.Spec      `yaml:"deployed"` // what is declared, and what runs: must be the images

	dir string
	env Env
}

// Env is what verify needs from outside of the configuration.
type Env struct {
	Getenv  func(string) string // for clients that find their own way: Kubernetes, clouds
	Release release.Release     // what is being deployed: attestations are compared with it
	// GitHubToken reads the attestations that GitHub keeps; Version is bakegate's, for the User-Agent.
	GitHubToken httpx.Secret
	Version     string
}

// Use says where verify runs, and for which release.
func (o *Options) Use(e Env) { o.env = e }

// InDir says where the relative paths of the section start: the folder of the configuration file.
func (o *Options) InDir(dir string) { o.dir = dir }

// Image is one image that is (to be) deployed and the artifact it must be.
type Image struct {
	Image     string      `yaml:"image,required"` // what is deployed: a reference with a tag, a digest or both
	Built     *built.Spec `yaml:"built,required"`
	Platforms []string    `yaml:"platforms"` // os/arch[/variant] that must be in the index, e.g. linux/amd64
	PlainHTTP bool        `yaml:"plain-http"`
}

func (o Options) gitHub() signed.GitHub {
	g := signed.GitHub{Token: o.env.GitHubToken, Version: o.env.Version}
	if o.env.Getenv != nil {
		g.URL = o.env.Getenv("GITHUB_API_URL")
	}
	return g
}
