// Package signed proves who signed an image and what was attested about it. It is the only place that imports cosign and sigstore-go:
// the rest of the house does not depend on how signatures are checked.
package signed

import "github.com/google/go-containerregistry/pkg/name"

// Subject is the image whose signatures are looked for.
type Subject struct {
	Text    string // as it was written
	Base    string // its repository, as it was written
	Repo    name.Repository
	Digests []string // computed from the bytes that are served: what is deployed first, then the built index that it is a part of
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
