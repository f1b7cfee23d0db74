package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// Bounds of one image. An index of more images than maxImages, or deeper than maxDepth, is nobody's.
const (
	maxImages = 64
	maxDepth  = 3
	maxConfig = 4 << 20
)

// served is what a registry serves for a reference.
type served struct {
	ref       reference
	digest    string
	mediaType string
	index     bool
	images    []image  // the images of an index, or the one
	extra     []string // digests of attestations in the index
	movedTo   string   // what the tag names beside the digest of the reference, where it is another; "nothing" where it is gone
}

// image is one platform's image.
type image struct {
	platform string // "" where it is not known
	digest   string // of its manifest
	config   string // digest
	layers   []string
	missing  bool // the index names it, the registry does not have it
	created  time.Time
	source   string // what its labels say of where it was made
}

// imageOf is an image as its manifest has it. Layers that Microsoft and others do not let registries hand on lie elsewhere by intent.
func imageOf(platform, digest string, doc artifact.Document) image {
	im := image{platform: platform, digest: digest, config: doc.Config.Digest}
	for _, l := range doc.Layers {
		if !strings.Contains(l.MediaType, "nondistributable") && !strings.Contains(l.MediaType, "foreign") {
			im.layers = append(im.layers, l.Digest)
		}
	}
	return im
}

// fetcher reads one image.
type fetcher struct {
	client *registry.Client
	ref    reference
}

// fetch gets what the reference names, hashes it, and follows an index to its images.
func (f fetcher) fetch(ctx context.Context) (served, error) {
	s := served{ref: f.ref}
	m, err := f.client.Manifest(ctx, f.ref.deployed())
	if err != nil {
		return s, err
	}
	s.digest = m.Digest
	doc, err := artifact.ParseManifest(m.Bytes, m.ContentType)
	if err != nil {
		return s, &artifact.Bad{Err: err}
	}
	doc, m.Bytes = doc.Slim(), nil
	s.index, s.mediaType = doc.Index(), mediaType(doc, m)
	if f.ref.tag != "" && f.ref.digest != "" {
		if s.movedTo, err = f.moved(ctx); err != nil {
			return s, err
		}
	}
	if !s.index {
		s.images = []image{imageOf("", m.Digest, doc)}
		return s, nil
	}
	s.images, s.extra, err = f.follow(ctx, doc, 1, map[string]bool{m.Digest: true})
	return s, err
}

func mediaType(d artifact.Document, m registry.Manifest) string {
	if d.MediaType != "" {
		return d.MediaType
	}
	return m.ContentType
}

// moved looks where the tag of a reference with tag and digest points.
func (f fetcher) moved(ctx context.Context) (string, error) {
	m, err := f.client.Manifest(ctx, f.ref.repo.Tag(f.ref.tag))
	switch {
	case registry.IsMissing(err):
		return "nothing", nil
	case err != nil:
		return "", err
	case m.Digest == f.ref.digest:
		return "", nil
	}
	return m.Digest, nil
}

// follow gets the manifests of an index. seen holds every digest on the way, so that no index is read twice.
func (f fetcher) follow(ctx context.Context, doc artifact.Document, depth int, seen map[string]bool) (images []image, extra []string, err error) {
	if depth > maxDepth {
		return nil, nil, &artifact.Bad{Err: fmt.Errorf("its index is nested deeper than %d", maxDepth)}
	}
	var todo []artifact.Descriptor
	for _, d := range doc.Manifests {
		if d.Attestation() {
			extra = append(extra, d.Digest)
		} else if !seen[d.Digest] {
			seen[d.Digest] = true
			todo = append(todo, d)
		}
	}
	if len(seen) > maxImages+1 {
		return nil, nil, &artifact.Bad{Err: fmt.Errorf("its index names more than %d images", maxImages)}
	}
	docs, missing, err := f.all(ctx, todo)
	if err != nil {
		return nil, nil, err
	}
	for i, d := range todo {
		if missing[i] || !docs[i].Index() {
			im := imageOf(d.PlatformName(), d.Digest, docs[i])
			im.missing = missing[i]
			images = append(images, im)
			continue
		}
		more, moreExtra, err := f.follow(ctx, docs[i], depth+1, seen)
		if err != nil {
			return nil, nil, err
		}
		images, extra = append(images, more...), append(extra, moreExtra...)
	}
	return images, extra, nil
}

// all gets manifests by digest; the client keeps to what one registry takes at a time. missing says which of them the registry does not
// have. What proves the image wrong ends the rest.
func (f fetcher) all(ctx context.Context, ds []artifact.Descriptor) (docs []artifact.Document, missing []bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	docs, missing = make([]artifact.Document, len(ds)), make([]bool, len(ds))
	errs := make([]error, len(ds))
	var read atomic.Int64
	var wg sync.WaitGroup
	for i, d := range ds {
		wg.Go(func() {
			docs[i], errs[i] = f.child(ctx, d, &read)
			if registry.IsMissing(errs[i]) {
				missing[i], errs[i] = true, nil
			}
			if artifact.Proves(errs[i]) {
				stop()
			}
		})
	}
	wg.Wait()
	return docs, missing, proof(errs)
}

// proof is what proves the image wrong, where something does: it ended the other requests, whose errors then say nothing.
func proof(errs []error) error {
	for _, err := range errs {
		if err != nil && artifact.Proves(err) {
			return err
		}
	}
	return artifact.First(errs)
}

// maxManifests bounds the bytes of all manifests of an index together. Real ones have some KiB each.
const maxManifests = 16 << 20

// parsing lets two manifests be decoded at a time: that takes several times their size.
var parsing = make(chan struct{}, 2)

// child gets one manifest of an index.
func (f fetcher) child(ctx context.Context, d artifact.Descriptor, read *atomic.Int64) (artifact.Document, error) {
	if read.Load() > maxManifests {
		return artifact.Document{}, ctx.Err()
	}
	m, err := f.client.Manifest(ctx, f.ref.repo.Digest(d.Digest))
	if err != nil {
		return artifact.Document{}, err
	}
	if read.Add(int64(len(m.Bytes))) > maxManifests {
		return artifact.Document{}, &artifact.Bad{Err: fmt.Errorf("its manifests have more than %d MiB together", maxManifests>>20)}
	}
	parsing <- struct{}{}
	defer func() { <-parsing }()
	doc, err := artifact.ParseManifest(m.Bytes, m.ContentType)
	if err != nil {
		return doc, &artifact.Bad{Err: fmt.Errorf("the manifest of %s: %w", d.PlatformName(), err)}
	}
	return doc.Slim(), nil
}

// describe adds what only the configs know: the platform of an image that is in no index, and when it was made.
func (f fetcher) describe(ctx context.Context, s *served) error {
	for i, im := range s.images {
		if im.missing || im.platform != "" && !im.created.IsZero() || i > 0 && im.platform != "" {
			continue // one image's time is enough
		}
		b, err := f.client.Blob(ctx, f.ref.repo, im.config, maxConfig)
		if err != nil {
			return err
		}
		var c artifact.Config
		if err := json.Unmarshal(b, &c); err != nil {
			return &artifact.Bad{Err: fmt.Errorf("its config is no JSON: %w", err)}
		}
		s.images[i].created, s.images[i].source = c.CreatedAt(), c.Source()
		if im.platform == "" {
			s.images[i].platform = c.PlatformName()
		}
	}
	return nil
}

// platforms lists the platforms that can be pulled.
func (s served) platforms() []string {
	var out []string
	for _, im := range s.images {
		if !im.missing && im.platform != "" {
			out = append(out, im.platform)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s served) configs() []string {
	var out []string
	for _, im := range s.images {
		if im.config != "" {
			out = append(out, im.config)
		}
	}
	return out
}

func (s served) created() time.Time {
	for _, im := range s.images {
		if !im.created.IsZero() {
			return im.created
		}
	}
	return time.Time{}
}

func (s served) source() string {
	for _, im := range s.images {
		if im.source != "" {
			return im.source
		}
	}
	return ""
}

func (s served) what() string {
	if s.index {
		return "the index of " + orNone(s.platforms())
	}
	return "an image's manifest"
}

// covers reports whether the platforms asked for are exactly this one, or the index has no other.
func (s served) covers(platform string, asked []string) (others []string) {
	all := asked
	if len(all) == 0 {
		for _, im := range s.images {
			all = append(all, im.platform)
		}
	}
	for _, p := range all {
		if artifact.Normal(p) != artifact.Normal(platform) && !slices.Contains(others, p) {
			others = append(others, p)
		}
	}
	return others
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return clean.Cut(strings.Join(names, ", "), 400)
}

func list(names []string) string { return strings.Join(names, ", ") }
