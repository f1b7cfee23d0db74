package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// reference is what is deployed: a repository with a tag, a digest or both.
type reference struct {
	text   string // as it was written, sanitised
	base   string // the repository, as it was written
	repo   name.Repository
	tag    string // "" for none
	digest string // "" for none
}

func parseReference(i Image) (reference, error) {
	r := reference{text: clean.Cut(i.Image, 300)}
	if strings.Contains(i.Image, "://") {
		return r, fmt.Errorf("image %q: want HOST/REPOSITORY:TAG without a scheme", r.text)
	}
	base, digest, pinned := strings.Cut(i.Image, "@")
	if at := strings.LastIndexByte(base, ':'); at > strings.LastIndexByte(base, '/') {
		base, r.tag = base[:at], base[at+1:]
	}
	if pinned {
		if err := artifact.CheckDigest(digest); err != nil {
			return r, fmt.Errorf("image %q: %w", r.text, err)
		}
		r.digest = digest
	}
	if r.tag == "" && r.digest == "" {
		return r, fmt.Errorf("image %q has neither tag nor digest: say which image is deployed", r.text)
	}
	var opts []name.Option
	if i.PlainHTTP {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(base, opts...)
	if err == nil && r.tag != "" {
		_, err = name.NewTag(base+":"+r.tag, opts...)
	}
	if err != nil {
		return r, fmt.Errorf("image %q: want HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:...: %s", r.text, clean.Cut(err.Error(), 200))
	}
	r.repo, r.base = repo, base
	return r, nil
}

// mostAhead bounds what Ahead asks for: a manifest may have 4 MiB.
const mostAhead = 4

// Ahead begins to fetch what Run asks for first. What is wrong with an image, Run says.
func Ahead(ctx context.Context, images []Image, c *registry.Client) {
	for _, i := range images[:min(len(images), mostAhead)] {
		if r, err := parseReference(i); err == nil {
			c.Ahead(ctx, r.deployed())
		}
	}
}

// deployed is what a runtime pulls: where there is a digest, it alone counts.
func (r reference) deployed() name.Reference {
	if r.digest != "" {
		return r.repo.Digest(r.digest)
	}
	return r.repo.Tag(r.tag)
}
