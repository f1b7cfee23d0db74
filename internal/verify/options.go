package verify

// Options is the verify section of the configuration.
type Options struct {
	Images    []Image    `yaml:"images"`
	Signature *Signature `yaml:"signature"`

	dir string
}

// InDir says where the relative paths of the section start: the folder of the configuration file.
func (o *Options) InDir(dir string) { o.dir = dir }

// Image is one image that is (to be) deployed and the artifact it must be.
type Image struct {
	Image     string   `yaml:"image,required"` // what is deployed: a reference with a tag, a digest or both
	Built     Built    `yaml:"built,required"`
	Platforms []string `yaml:"platforms"` // os/arch[/variant] that must be in the index, e.g. linux/amd64
	PlainHTTP bool     `yaml:"plain-http"`
}

// Built says where the built digest comes from. Exactly one is set. Paths are relative to the configuration file.
type Built struct {
	Digest         string `yaml:"digest"`          // sha256:...
	BuildxMetadata string `yaml:"buildx-metadata"` // FILE of docker buildx build --metadata-file; FILE#TARGET for bake
	DigestFile     string `yaml:"digest-file"`     // a file that holds sha256:..., REPO@sha256:... or REPO:TAG@sha256:...
	OCILayout      string `yaml:"oci-layout"`      // an OCI layout directory
	DockerArchive  string `yaml:"docker-archive"`  // docker save: only its config digest can be compared
	Record         string `yaml:"record"`          // ENVIRONMENT: the digest that last passed there, from the ledger
}

// Signature is who must have signed every image. Exactly one of Key and Keyless is set.
type Signature struct {
	Key         string   `yaml:"key"` // PEM file with a public key
	Keyless     *Keyless `yaml:"keyless"`
	TrustedRoot string   `yaml:"trusted-root"` // trusted_root.json; default: the public good instance through TUF
	// IgnoreTlog drops the transparency log's proof, for a key that signs without it.
	IgnoreTlog bool `yaml:"ignore-tlog"`
}

// Keyless names a Fulcio certificate. An exact value or an anchored regular expression; never "any".
type Keyless struct {
	Issuer         string `yaml:"issuer"`
	IssuerRegexp   string `yaml:"issuer-regexp"`
	Identity       string `yaml:"identity"`
	IdentityRegexp string `yaml:"identity-regexp"`
}
