package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

const maxDescriptors = 1000

// document is a manifest or an index, of Docker or of OCI.
type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Manifests     []descriptor      `json:"manifests"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Subject       *descriptor       `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
	FSLayers      []any             `json:"fsLayers"`

	isIndex bool
}

// descriptor points to a blob or a manifest.
type descriptor struct {
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

func (d document) index() bool { return d.isIndex }

// parseManifest reads a manifest by what it holds. contentType is what the registry calls it: only used to refuse Docker's schema 1,
// whose digest is not that of its bytes. A document that is a manifest and an index at once is refused: two readers would see two images.
func parseManifest(b []byte, contentType string) (document, error) {
	var d document
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
func (d document) check() error {
	for _, m := range d.Manifests {
		if err := checkDigest(m.Digest); err != nil {
			return fmt.Errorf("its entry for %s: %w", m.platform(), err)
		}
	}
	if !d.isIndex {
		if err := checkDigest(d.Config.Digest); err != nil {
			return fmt.Errorf("its config: %w", err)
		}
	}
	return nil
}

// images are the entries of an index that a runtime can pull; attestations, which buildx adds, are none.
func (d document) images() []descriptor {
	var out []descriptor
	for _, m := range d.Manifests {
		if !m.attestation() {
			out = append(out, m)
		}
	}
	return out
}

func (d descriptor) attestation() bool {
	return d.Annotations["vnd.docker.reference.type"] == "attestation-manifest" || d.platform() == "unknown/unknown"
}

// platform is os/arch[/variant]; "" where it is not said.
func (d descriptor) platform() string {
	if d.Platform == nil {
		return ""
	}
	return platformOf(d.Platform.OS, d.Platform.Architecture, d.Platform.Variant)
}

func platformOf(os, arch, variant string) string {
	if os == "" && arch == "" {
		return ""
	}
	s := os + "/" + arch
	if variant != "" {
		s += "/" + variant
	}
	return clean.Cut(s, 60)
}

// normal writes a platform in one way: arm64 is arm64/v8, arm is arm/v7, amd64 is amd64/v1 (as containerd has it).
func normal(platform string) string {
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

// config is the part of an image's config that is read.
type config struct {
	Created      string `json:"created"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// created is when the image was made; zero where the config does not say, or names the beginning of time, as reproducible builds do.
func (c config) created() time.Time {
	t, err := time.Parse(time.RFC3339, c.Created)
	if err != nil || t.Year() < 2000 {
		return time.Time{}
	}
	return t.UTC()
}

func (c config) platform() string { return platformOf(c.OS, c.Architecture, c.Variant) }
