package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// signer signs as `cosign sign --key --tlog-upload=false` of version 2 does, so that the benchmark runs without cosign too.
type signer struct {
	key       *ecdsa.PrivateKey
	public    string // file
	emptyRoot string // file: a trusted_root.json of nothing
}

func newSigner(dir string) (signer, error) {
	s := signer{public: filepath.Join(dir, "cosign.pub"), emptyRoot: filepath.Join(dir, "trusted_root.json")}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return s, err
	}
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		return s, err
	}
	if err := os.WriteFile(s.public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		return s, err
	}
	const nothing = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[],"certificateAuthorities":[],"ctlogs":[],"timestampAuthorities":[]}`
	return s, os.WriteFile(s.emptyRoot, []byte(nothing), 0o600)
}

// image is a signed image in the registry.
type image struct {
	ref    string // REPOSITORY@DIGEST
	digest string
}

// push pushes an image of one small layer and signs it.
func (b *bench) push(ctx context.Context, content string) (image, error) {
	repo, err := name.NewRepository(b.proxy.addr + "/acme/app")
	if err != nil {
		return image{}, err
	}
	img, err := build(content)
	if err != nil {
		return image{}, err
	}
	if err := remote.Write(repo.Tag(content), img, remote.WithContext(ctx)); err != nil {
		return image{}, err
	}
	d, err := img.Digest()
	if err != nil {
		return image{}, err
	}
	return image{ref: repo.Name() + "@" + d.String(), digest: d.String()}, b.sign(ctx, repo, d)
}

func build(content string) (v1.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(base, static.NewLayer([]byte(content), types.OCIUncompressedLayer))
	if err != nil {
		return nil, err
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", "amd64"
	return mutate.ConfigFile(img, cfg)
}

// sign pushes a signature in the simple signing form under the tag of the digest.
func (b *bench) sign(ctx context.Context, repo name.Repository, d v1.Hash) error {
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`,
		repo.Name(), d.String())
	sum := sha256.Sum256(payload)
	sig, err := b.signer.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{Layer: static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig)}})
	if err != nil {
		return err
	}
	return remote.Write(repo.Tag(strings.Replace(d.String(), ":", "-", 1)+".sig"), img, remote.WithContext(ctx))
}

// config writes what a user would. JSON is YAML.
func (b *bench) config(ims ...image) (string, error) {
	var list []any
	for _, im := range ims {
		list = append(list, map[string]any{"image": im.ref, "built": map[string]any{"digest": im.digest}})
	}
	doc := map[string]any{"version": 1, "service": "app", "environment": "bench", "verify": map[string]any{"images": list,
		"signature": map[string]any{"key": b.signer.public, "ignore-tlog": true}}}
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(doc); err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, fmt.Sprintf("bakegate-%d.yaml", len(ims)))
	return path, os.WriteFile(path, out.Bytes(), 0o600)
}
