package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/bakegate/bakegate/internal/clean"
)

const maxDescriptors = 1000

// How buildx marks an attestation among the entries of an index.
const (
	referenceType       = "vnd.docker.reference.type"
	attestationManifest = "attestation-manifest"
)

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
	if err := bounded(b); err != nil {
		return d, err
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("it is no JSON of a manifest: %w", err)
	}
	has, err := topKeys(b)
	if err != nil {
		return d, err
	}
	manifests, cfg, layers := has[fold("manifests")], has[fold("config")], has[fold("layers")]
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

// Bounds on what a manifest is made of, looked at before it is decoded: decoding {} costs a hundred times its two bytes. An index of
// maxDescriptors entries with platforms and annotations stays far below.
const (
	maxContainers = 10_000 // objects and lists
	maxSeparators = 40_000 // commas: values but one
)

// bounded counts what is in a JSON document, outside of its texts.
func bounded(b []byte) error {
	containers, separators, text := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{', c == '[':
			containers++
		case c == ',':
			separators++
		}
	}
	if containers > maxContainers || separators > maxSeparators {
		return fmt.Errorf("it has more than %d entries", maxDescriptors)
	}
	return nil
}

// Slim leaves out of a document what is not needed to find its images and blobs: annotations can be large.
func (d Document) Slim() Document {
	d.Annotations, d.FSLayers = nil, nil
	d.Config = Descriptor{Digest: d.Config.Digest}
	layers := make([]Descriptor, len(d.Layers))
	for i, l := range d.Layers {
		layers[i] = Descriptor{MediaType: clean.Cut(l.MediaType, 200), Digest: l.Digest}
	}
	d.Layers = layers
	entries := make([]Descriptor, len(d.Manifests))
	for i, m := range d.Manifests {
		entries[i] = Descriptor{Digest: m.Digest, Platform: m.Platform}
		if m.Attestation() {
			entries[i].Annotations = map[string]string{referenceType: attestationManifest}
		}
	}
	d.Manifests = entries
	return d
}

// topKeys are the keys of a JSON object, folded. One that is there twice, or in another spelling (readers in Go take "Manifests"
// for "manifests", others do not), is refused: two readers would see two documents.
func topKeys(b []byte) (map[string]bool, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	keys := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		folded := fold(key)
		switch {
		case keys[folded]:
			return nil, fmt.Errorf("its key %q is there twice, so that two readers see two documents", clean.Cut(key, 60))
		case known[folded] != "" && known[folded] != key:
			return nil, fmt.Errorf("its key %q is spelled like %q, so that two readers see two documents", clean.Cut(key, 60), known[folded])
		}
		keys[folded] = true
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// fold writes keys that encoding/json takes for each other in one way: case is folded as Unicode does, so that "ſ" is "s".
func fold(key string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, key)
}

// known are the keys that decide what a document is, by their folded spelling.
var known = func() map[string]string {
	m := map[string]string{}
	for _, k := range []string{"schemaVersion", "mediaType", "artifactType", "manifests", "config", "layers", "subject", "annotations", "fsLayers"} {
		m[fold(k)] = k
	}
	return m
}()

// check looks at the digests that are followed.
func (d Document) check() error {
	for _, m := range d.Manifests {
		if err := CheckDigest(m.Digest); err != nil {
			return fmt.Errorf("its entry for %s: %w", m.PlatformName(), err)
		}
	}
	if d.isIndex {
		return nil
	}
	if err := CheckDigest(d.Config.Digest); err != nil {
		return fmt.Errorf("its config: %w", err)
	}
	for _, l := range d.Layers {
		if err := CheckDigest(l.Digest); err != nil {
			return fmt.Errorf("one of its layers: %w", err)
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
	return d.Annotations[referenceType] == attestationManifest || d.PlatformName() == "unknown/unknown"
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
	Config       struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
}

// Source says what the image says of where it was made, by the labels of the OCI image specification: "revision 4f2a9c1 of
// https://github.com/acme/app, version 2.4.0"; "" where it says nothing. Anybody can write them: they help a person, and prove nothing.
func (c Config) Source() string {
	label := func(name string) string { return clean.Cut(c.Config.Labels["org.opencontainers.image."+name], 120) }
	var parts []string
	revision, source := label("revision"), label("source")
	switch {
	case revision != "" && source != "":
		parts = append(parts, "revision "+revision+" of "+source)
	case revision != "":
		parts = append(parts, "revision "+revision)
	case source != "":
		parts = append(parts, source)
	}
	if v := label("version"); v != "" {
		parts = append(parts, "version "+v)
	}
	return strings.Join(parts, ", ")
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
