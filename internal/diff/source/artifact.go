package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
)

// artifact is what a reference of a registry stands for: one manifest, by its digest.
type artifact struct {
	registry *registry.Client
	repo     name.Repository
	text     string // the reference as it was written
	digest   string
	manifest v1.Manifest
	platform string // of the entry of an index; "" where there was none
}

// parseReference reads REPO:TAG or REPO@sha256:..., with oci:// in front or without.
func parseReference(s string) (name.Reference, error) {
	ref, err := name.ParseReference(strings.TrimPrefix(s, "oci://"))
	if err != nil {
		return nil, fmt.Errorf("got %q, want the reference of an image or artifact, e.g. ghcr.io/acme/config:production", clean.Cut(s, 300))
	}
	return ref, nil
}

// pull gets the manifest of a reference; of an index the entry for the platform ("": the only one, else linux/amd64).
func pull(ctx context.Context, c *registry.Client, ref name.Reference, text, platform string) (*artifact, error) {
	if c == nil {
		return nil, errors.New("there is no client for registries")
	}
	a := &artifact{registry: c, repo: ref.Context(), text: clean.Cut(text, 300)}
	m, err := c.Manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	index, err := parseIndex(m.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.text, err)
	}
	if index == nil {
		return a, a.take(m)
	}
	d, err := choose(*index, platform)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.text, err)
	}
	a.platform = platformOf(d)
	if m, err = c.Manifest(ctx, a.repo.Digest(d.Digest.String())); err != nil {
		return nil, err
	}
	return a, a.take(m)
}

// take reads the manifest itself.
func (a *artifact) take(m registry.Manifest) error {
	a.digest = m.Digest
	index, err := parseIndex(m.Bytes)
	if err == nil && index != nil {
		err = errors.New("it is an index in an index")
	}
	if err == nil {
		err = json.Unmarshal(m.Bytes, &a.manifest)
	}
	if err != nil {
		return fmt.Errorf("%s (%s): %w", a.text, shortDigest(a.digest), err)
	}
	if a.manifest.SchemaVersion != 2 || a.manifest.Config.Digest.Hex == "" {
		return fmt.Errorf("%s (%s): want an image manifest of OCI or of Docker (schema 2)", a.text, shortDigest(a.digest))
	}
	return nil
}

// name is what the artifact is called: by its digest, so that a reader finds the same.
func (a *artifact) name() string { return clean.Cut(a.repo.Name(), 300) + "@" + shortDigest(a.digest) }

// shortDigest is as much of a digest as people read.
func shortDigest(d string) string { return clean.Cut(d[:min(len(d), len("sha256:")+12)], 40) }

// parseIndex gives the entries of an index, nil where the manifest is none. One that is both would be read in two ways.
func parseIndex(b []byte) (*v1.IndexManifest, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return nil, errors.New("its manifest is no JSON")
	}
	_, manifests := keys["manifests"]
	_, layers := keys["layers"]
	switch {
	case manifests && layers:
		return nil, errors.New("its manifest is an index and an image at once")
	case !manifests:
		return nil, nil
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, errors.New("its index can't be read")
	}
	return &index, nil
}

// choose takes the entry of an index for a platform. Attestations, which buildx adds, are none.
func choose(index v1.IndexManifest, platform string) (v1.Descriptor, error) {
	var found []v1.Descriptor
	var names []string
	for _, d := range index.Manifests {
		if d.Annotations["vnd.docker.reference.type"] != "" || platformOf(d) == "unknown/unknown" {
			continue
		}
		names = append(names, orWord(platformOf(d), "no platform"))
		if platform == "" || samePlatform(platformOf(d), platform) {
			found = append(found, d)
		}
	}
	if platform == "" && len(found) > 1 {
		found = slices.DeleteFunc(found, func(d v1.Descriptor) bool { return !samePlatform(platformOf(d), "linux/amd64") })
	}
	if len(found) == 1 {
		return found[0], nil
	}
	want := "one entry for " + platform
	if platform == "" {
		want = "one entry, or one for linux/amd64"
	}
	return v1.Descriptor{}, fmt.Errorf("it is an index with %s, want %s: say which under platform, or give its digest", clean.Cut(orWord(strings.Join(names, ", "), "nothing"), 300), want)
}

func platformOf(d v1.Descriptor) string {
	if d.Platform == nil || d.Platform.OS+d.Platform.Architecture == "" {
		return ""
	}
	return clean.Cut(strings.TrimSuffix(path.Join(d.Platform.OS, d.Platform.Architecture, d.Platform.Variant), "/"), 60)
}

// samePlatform compares os/arch[/variant]; arm64 is arm64/v8, amd64 is amd64/v1.
func samePlatform(a, b string) bool {
	normal := func(s string) string {
		s = strings.ToLower(s)
		if strings.HasSuffix(s, "/arm64/v8") || strings.HasSuffix(s, "/amd64/v1") {
			s = path.Dir(s)
		}
		return s
	}
	return normal(a) == normal(b)
}
