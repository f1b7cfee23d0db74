// Command registry is the part of make.sh that is no signer: it pushes the images that are signed, and saves what a registry holds
// afterwards as an OCI image layout.
//
//	registry push HOST/REPOSITORY TAG...    pushes an image or, for a tag that ends in -index, an index of two platforms; prints TAG DIGEST
//	registry save HOST/REPOSITORY FOLDER    writes every tag and what it reaches
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) < 3 {
		return errors.New("want push HOST/REPOSITORY TAG... or save HOST/REPOSITORY FOLDER")
	}
	repo, err := name.NewRepository(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "push":
		return push(repo, args[2:], out)
	case "save":
		return save(repo, args[2])
	}
	return fmt.Errorf("%q: want push or save", args[0])
}

func push(repo name.Repository, tags []string, out io.Writer) error {
	for _, tag := range tags {
		digest, err := pushOne(repo.Tag(tag))
		if err != nil {
			return err
		}
		fmt.Fprintln(out, tag, digest)
	}
	return nil
}

func pushOne(tag name.Tag) (v1.Hash, error) {
	amd, err := image(tag.TagStr(), "amd64")
	if err != nil {
		return v1.Hash{}, err
	}
	if !strings.HasSuffix(tag.TagStr(), "-index") {
		if err := remote.Write(tag, amd); err != nil {
			return v1.Hash{}, err
		}
		return amd.Digest()
	}
	arm, err := image(tag.TagStr(), "arm64")
	if err != nil {
		return v1.Hash{}, err
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: amd, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	if err := remote.WriteIndex(tag, index); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}

// image is the smallest image that a runtime would take: one layer of one file. The tag, written as the version, makes each another one.
func image(tag, arch string) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(oneFile())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	i, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		return nil, err
	}
	cfg, err := i.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", arch
	cfg.Created = v1.Time{Time: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}
	cfg.Config.Labels = map[string]string{"org.opencontainers.image.version": tag}
	return mutate.ConfigFile(i, cfg)
}

func oneFile() []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	text := []byte("checkout\n")
	_ = w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(text))}) // into memory
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

// layout is what save writes.
type layout struct {
	repo name.Repository
	dir  string
	done map[string]bool
}

func save(repo name.Repository, dir string) error {
	tags, err := remote.List(repo)
	if err != nil {
		return err
	}
	slices.Sort(tags)
	l := layout{repo, dir, map[string]bool{}}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, tag := range tags {
		d, err := remote.Get(repo.Tag(tag))
		if err != nil {
			return err
		}
		if err := l.manifest(d); err != nil {
			return fmt.Errorf("%s: %w", tag, err)
		}
		index.Manifests = append(index.Manifests, v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size,
			Annotations: map[string]string{"org.opencontainers.image.ref.name": tag}})
	}
	b, err := json.MarshalIndent(index, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`+"\n"), 0o644)
}

// manifest writes a manifest and everything that it names.
func (l layout) manifest(d *remote.Descriptor) error {
	if l.done[d.Digest.String()] {
		return nil
	}
	if err := l.write(d.Digest, d.Manifest); err != nil {
		return err
	}
	var m struct {
		Manifests []v1.Descriptor
		Config    *v1.Descriptor
		Layers    []v1.Descriptor
	}
	if err := json.Unmarshal(d.Manifest, &m); err != nil {
		return err
	}
	for _, child := range m.Manifests {
		c, err := remote.Get(l.repo.Digest(child.Digest.String()))
		if err != nil {
			return err
		}
		if err := l.manifest(c); err != nil {
			return err
		}
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, blob := range m.Layers {
		if err := l.blob(blob.Digest); err != nil {
			return err
		}
	}
	return nil
}

func (l layout) blob(h v1.Hash) error {
	layer, err := remote.Layer(l.repo.Digest(h.String()))
	if err != nil {
		return err
	}
	r, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return l.write(h, b)
}

func (l layout) write(h v1.Hash, b []byte) error {
	l.done[h.String()] = true
	dir := filepath.Join(l.dir, "blobs", h.Algorithm)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, h.Hex), b, 0o644)
}
