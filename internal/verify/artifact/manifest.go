package artifact

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

const maxDescriptors = 1000

// Document is a manifest or an index, of Docker or of OCI.
type Document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Manifests     []Descriptor      `json:"manifests"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Subject       *Descriptor       `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
	FSLayers      []any             `json:"fsLayers"`

	isIndex bool
}

// Descriptor points to a blob or a manifest.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations"`
	Platform     *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform"`
}

// Index reports whether it is an index: it names manifests, not layers.
func (d Document) Index() bool { return d.isIndex }

// ParseManifest reads a manifest by what it holds. contentType is what the registry calls it: only used to refuse Docker's schema 1,
// whose digest is not that of its bytes. A document that is a manifest and an index at once is refused: two readers would see two images.
func ParseManifest(b []byte, contentType string) (Document, error) {
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("it is no JSON of a manifest: %w", err)
	}
	var has map[string]json.RawMessage
	_ = json.Unmarshal(b, &has) // it is an object, or the first would have failed
	_, manifests := has["manifests"]
	_, cfg := has["config"]
	_, layers := has["layers"]
	d.isIndex = manifests
	said := strings.Contains(d.MediaType, "index") || strings.Contains(d.MediaType, "manifest.list")
	switch {
	case strings.Contains(contentType, "docker.distribution.manifest.v1"), d.SchemaVersion == 1, len(d.FSLayers) > 0:
		return d, errors.New("it is in Docker's schema 1, or the registry calls it so: that form has no digest of what it holds; push it again with a current tool")
	case d.SchemaVersion != 2:
		return d, fmt.Errorf("its schemaVersion is %d, want 2", d.SchemaVersion)
	case manifests && (cfg || layers):
		return d, errors.New("it is an index and a manifest at once, so that two readers see two images")
	case d.MediaType != "" && said != manifests:
		return d, fmt.Errorf("it calls itself %q but holds something else", clean.Cut(d.MediaType, 100))
	case !manifests && !cfg:
		return d, errors.New("it is neither an image's manifest nor an index")
	case len(d.Manifests)+len(d.Layers) > maxDescriptors:
		return d, fmt.Errorf("it has more than %d entries", maxDescriptors)
	}
	return d, d.check()
}

// check looks at the digests that are followed.
func (d Document) check() error {
	for _, m := range d.Manifests {
		if err := CheckDigest(m.Digest); err != nil {
			return fmt.Errorf("its entry for %s: %w", m.PlatformName(), err)
		}
	}
	if !d.isIndex {
		if err := CheckDigest(d.Config.Digest); err != nil {
			return fmt.Errorf("its config: %w", err)
		}
	}
	return nil
}

// Images are the entries of an index that a runtime can pull; attestations, which buildx adds, are none.
func (d Document) Images() []Descriptor {
	var out []Descriptor
	for _, m := range d.Manifests {
		if !m.Attestation() {
			out = append(out, m)
		}
	}
	return out
}

// Attestation reports whether the entry of an index is an attestation as buildx adds it, which no runtime pulls.
func (d Descriptor) Attestation() bool {
	return d.Annotations["vnd.docker.reference.type"] == "attestation-manifest" || d.PlatformName() == "unknown/unknown"
}

// PlatformName is os/arch[/variant]; "" where it is not said.
func (d Descriptor) PlatformName() string {
	if d.Platform == nil {
		return ""
	}
	return PlatformOf(d.Platform.OS, d.Platform.Architecture, d.Platform.Variant)
}

// PlatformOf writes a platform as os/arch[/variant].
func PlatformOf(os, arch, variant string) string {
	if os == "" && arch == "" {
		return ""
	}
	s := os + "/" + arch
	if variant != "" {
		s += "/" + variant
	}
	return clean.Cut(s, 60)
}

// Normal writes a platform in one way: arm64 is arm64/v8, arm is arm/v7, amd64 is amd64/v1 (as containerd has it).
func Normal(platform string) string {
	switch p := strings.ToLower(platform); {
	case strings.HasSuffix(p, "/arm64/v8"):
		return strings.TrimSuffix(p, "/v8")
	case strings.HasSuffix(p, "/amd64/v1"):
		return strings.TrimSuffix(p, "/v1")
	case strings.HasSuffix(p, "/arm"):
		return p + "/v7"
	default:
		return p
	}
}

// Config is the part of an image's config that is read.
type Config struct {
	Created      string `json:"created"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// CreatedAt is when the image was made; zero where the config does not say, or names the beginning of time, as reproducible builds do.
func (c Config) CreatedAt() time.Time {
	t, err := time.Parse(time.RFC3339, c.Created)
	if err != nil || t.Year() < 2000 {
		return time.Time{}
	}
	return t.UTC()
}

// PlatformName is the platform as os/arch[/variant].
func (c Config) PlatformName() string { return PlatformOf(c.OS, c.Architecture, c.Variant) }
