package built

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// fromLayout reads an OCI layout directory. The image's digest is that of the one entry in index.json's manifests; index.json's own
// digest names nothing in a registry.
func fromLayout(dir string) (Digest, error) {
	d, err := readLayout(dir)
	if err != nil {
		return Digest{}, fmt.Errorf("oci-layout %s: %w", dir, err)
	}
	d.Origin = "OCI layout " + clean.Cut(filepath.Base(dir), 100)
	return d, nil
}

func readLayout(dir string) (Digest, error) {
	b, err := readSmall(filepath.Join(dir, "index.json"))
	if err != nil {
		return Digest{}, fmt.Errorf("want a directory with index.json and blobs: %w", err)
	}
	entry, err := layoutEntry(b)
	if err != nil {
		return Digest{}, err
	}
	doc, err := layoutManifest(dir, entry)
	if err != nil {
		return Digest{}, err
	}
	d := Digest{Digest: entry, Kind: OfManifest, Configs: map[string]string{}}
	if !doc.Index() {
		d.Configs[""] = doc.Config.Digest
		return d, nil
	}
	d.Children = map[string]string{}
	for _, c := range doc.Images() {
		child, err := layoutManifest(dir, c.Digest)
		if err != nil {
			return Digest{}, fmt.Errorf("the manifest of %s: %w", c.PlatformName(), err)
		}
		key := c.PlatformName()
		if _, taken := d.Children[key]; taken { // Windows: one platform, several versions of the system
			key += " " + artifact.Short(c.Digest)
		}
		d.Children[key] = c.Digest
		if !child.Index() {
			d.Configs[key] = child.Config.Digest
		}
	}
	return d, nil
}

// layoutEntry is the digest of the one image that index.json names.
func layoutEntry(b []byte) (string, error) {
	var index struct {
		Manifests []artifact.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return "", fmt.Errorf("index.json: %w", err)
	}
	if n := len(index.Manifests); n != 1 {
		var names []string
		for i, m := range index.Manifests {
			if i == 10 {
				break
			}
			names = append(names, clean.Cut(strings.TrimSpace(m.Annotations["org.opencontainers.image.ref.name"]+" "+m.Digest), 150))
		}
		return "", fmt.Errorf("index.json names %d images (%s), want one: give the digest of the one that is deployed as built.digest", n, orNone(names))
	}
	if err := artifact.CheckDigest(index.Manifests[0].Digest); err != nil {
		return "", fmt.Errorf("index.json: %w", err)
	}
	return index.Manifests[0].Digest, nil
}

// layoutManifest reads a manifest's blob and checks its hash.
func layoutManifest(dir, digest string) (artifact.Document, error) {
	b, err := readSmall(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
	if err != nil {
		return artifact.Document{}, err
	}
	if got := registry.Digest(b); got != digest {
		return artifact.Document{}, fmt.Errorf("the blob %s hashes to %s: the layout is damaged", digest, got)
	}
	return artifact.ParseManifest(b, "")
}
