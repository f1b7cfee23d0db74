// Package signed proves who signed an image and what was attested about it. It is the only place that imports cosign and sigstore-go:
// the rest of the house does not depend on how signatures are checked.
package signed

import (
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/httpx"
)

// Subject is the image whose signatures are looked for.
type Subject struct {
	Text    string // as it was written
	Base    string // its repository, as it was written
	Repo    name.Repository
	Digests []string // computed from the bytes that are served: what is deployed first, then the built index that it is a part of
}

// Signer is who must have signed. Exactly one of Key, Keys and Keyless is set.
type Signer struct {
	Key  string   `yaml:"key,file"`  // a public key: a file (PEM, DER, or DER in base64 as KMS tools print it), or the PEM text itself
	Keys []string `yaml:"keys,file"` // several of them; any one is enough
	// HashAlgorithm is what the key signs a hash of: sha256, sha384 or sha512. Empty: whatever cosign takes for a key of this type.
	HashAlgorithm string   `yaml:"hash-algorithm"`
	Keyless       *Keyless `yaml:"keyless"`
	// TrustedRoot is a file with one or more trusted roots of Sigstore (trusted_root.json, or what `gh attestation trusted-root` prints);
	// default: the public good instance, through TUF. Each root is tried by itself: a certificate of one never counts with the log of another.
	TrustedRoot string `yaml:"trusted-root,file"`
	TUF         *TUF   `yaml:"tuf"` // a Sigstore of one's own, through its TUF repository
	// IgnoreTlog drops the transparency log's proof. A key may sign without it; for a certificate a timestamp must then tell when it signed.
	IgnoreTlog bool `yaml:"ignore-tlog"`
}

// Signature is who must have signed every image.
type Signature struct {
	Signer
	// SignedAs lists further repositories (HOST/REPOSITORY) that a signature may have been made for, where images are mirrored or promoted
	// with their signatures.
	SignedAs []string `yaml:"signed-as"`
}

// Keyless names the Fulcio certificates that are accepted: one, or any of several.
type Keyless struct {
	Certificate
	AnyOf []Certificate `yaml:"any-of"`
}

// Certificate is what a Fulcio certificate must say. An exact value or a regular expression that must match the whole; never "any".
type Certificate struct {
	Issuer         string `yaml:"issuer"`
	IssuerRegexp   string `yaml:"issuer-regexp"`
	Identity       string `yaml:"identity"`
	IdentityRegexp string `yaml:"identity-regexp"`

	// Further claims, each exact. A certificate that does not make one is refused.
	WorkflowRepository string `yaml:"workflow-repository"` // acme/app, or https://github.com/acme/app
	WorkflowRef        string `yaml:"workflow-ref"`        // refs/heads/main
	WorkflowSHA        string `yaml:"workflow-sha"`        // the commit
	WorkflowTrigger    string `yaml:"workflow-trigger"`    // push
	BuildSignerURI     string `yaml:"build-signer-uri"`    // the reusable workflow that signed, with its ref
	RunnerEnvironment  string `yaml:"runner-environment"`  // github-hosted
}

// TUF is the TUF repository of a private Sigstore instance. What is fetched from it is not kept on the disk.
type TUF struct {
	httpx.Remote
	Root string `yaml:"root,required,file"` // the repository's initial root.json, which came to you by a way that you trust
}

// Attestation is one statement about the image that must be there.
type Attestation struct {
	// Type is slsa-provenance, spdx, cyclonedx, vuln, or a predicate type (a URI), which must then be exactly this.
	Type string `yaml:"type,required"`
	// Signer is who must have made it; default: that of the signature.
	Signer
	// Provenance is what an SLSA provenance must say.
	Provenance *Provenance `yaml:"provenance"`
	// Condition is a condition in CEL over predicate, subject and release.
	Condition string `yaml:"check"`
	// From is where it is kept: registry (default), or github (artifact attestations).
	From string `yaml:"from"`
	// Repository is OWNER/NAME on GitHub, where From is github; default: the repository of the release.
	Repository string `yaml:"repository"`
}

// Provenance is what an SLSA provenance must say; an empty field is not looked at. "release" stands for the value of the release that is
// being deployed.
type Provenance struct {
	Builder  string `yaml:"builder"`  // the builder's id; without an @ it stands for each of its versions
	Source   string `yaml:"source"`   // the source repository: https://github.com/acme/app, or release
	Ref      string `yaml:"ref"`      // refs/tags/v1.2.3, or release
	Commit   string `yaml:"commit"`   // 40 or 64 hexadecimal digits, or release
	Workflow string `yaml:"workflow"` // the path of the build's definition: .github/workflows/build.yml
}

// GitHub is how GitHub's API is reached for the attestations that it keeps.
type GitHub struct {
	httpx.Remote              // URL: GITHUB_API_URL; default https://api.github.com
	Token        httpx.Secret // needs `attestations: read`
	Version      string       // of bakegate, for the User-Agent
}
