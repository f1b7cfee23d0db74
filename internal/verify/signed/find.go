package signed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// Bounds of what is looked at. Real images have a handful of signatures and attestations of some ten KiB each.
const (
	maxDocuments = 100
	maxBundle    = 1 << 20  // what is packed inside is not unpacked
	maxRead      = 64 << 20 // all the attestations of one image together
)

// The media types of what is read.
const (
	bundleType   = "application/vnd.dev.sigstore.bundle" // and a version: .v0.3+json
	emptyType    = "application/vnd.oci.empty.v1+json"
	envelopeType = "application/vnd.dsse.envelope.v1+json"

	predicateAnnotation = "dev.sigstore.bundle.predicateType" // of a bundle's manifest, by cosign 3
)

// finder reads what belongs to one image from its registry.
type finder struct {
	c    *registry.Client
	on   Subject
	more bool // there was more than is looked at
	read int  // bytes of attestations so far
}

// full reports whether enough was read of one image; what is left stays unread.
func (f *finder) full() bool {
	if f.read >= maxRead {
		f.more = true
	}
	return f.read >= maxRead
}

// tagOf is the tag under which cosign 1 and 2 keep what belongs to a digest.
func tagOf(digest, suffix string) string { return strings.Replace(digest, ":", "-", 1) + suffix }

// layers reads the manifest under a digest's tag and gives the layers of one media type. bad says that what lies there is no such thing.
func (f *finder) layers(ctx context.Context, digest, suffix, mediaType string) (ls []artifact.Descriptor, bad, err error) {
	m, err := f.c.Manifest(ctx, f.on.Repo.Tag(tagOf(digest, suffix)))
	switch {
	case registry.IsMissing(err):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	doc, err := artifact.ParseManifest(m.Bytes, m.ContentType)
	if err == nil && doc.Index() {
		err = errors.New("it is an index")
	}
	if err != nil {
		return nil, err, nil
	}
	for _, l := range doc.Layers {
		if l.MediaType != mediaType {
			continue
		}
		if len(ls) == maxDocuments {
			f.more = true
			break
		}
		ls = append(ls, l)
	}
	return ls, nil, nil
}

// blob gets a layer's bytes. bad says that they can't be had or are not what their digest says; err that they could not be looked at.
func (f *finder) blob(ctx context.Context, l artifact.Descriptor, limit int64) (b []byte, bad, err error) {
	if err := artifact.CheckDigest(l.Digest); err != nil {
		return nil, err, nil
	}
	if l.Size > limit {
		return nil, fmt.Errorf("it has %d bytes; one larger than %s is not read", l.Size, size(limit)), nil
	}
	b, err = f.c.Blob(ctx, f.on.Repo, l.Digest, limit)
	if err != nil && (artifact.Proves(err) || tooLarge(err)) {
		return nil, err, nil
	}
	return b, nil, err
}

func size(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

func tooLarge(err error) bool {
	var large *registry.TooLarge
	return errors.As(err, &large)
}

// referrers lists what may be a bundle about a digest.
func (f *finder) referrers(ctx context.Context, digest string) ([]v1.Descriptor, error) {
	ds, more, err := f.c.Referrers(ctx, f.on.Repo, digest, maxDocuments)
	if err != nil {
		return nil, err
	}
	f.more = f.more || more
	var out []v1.Descriptor
	for _, d := range ds {
		if perhapsBundle(d.ArtifactType) {
			out = append(out, d)
		}
	}
	return out, nil
}

// perhapsBundle leaves out what surely is no bundle. Some registries do not tell the type, others tell that of the empty config.
func perhapsBundle(artifactType string) bool {
	return artifactType == "" || artifactType == emptyType || strings.HasPrefix(artifactType, bundleType)
}

// bundle reads one referrer. b is nil for what is no bundle, or one whose manifest says that it is about something else than wanted: that
// note proves nothing, but whoever wrote it does not want it to count.
func (f *finder) bundle(ctx context.Context, d v1.Descriptor, digest string, wanted func(predicateType string) bool, limit int64) (
	b []byte, bad, err error) {
	if p := d.Annotations[predicateAnnotation]; p != "" && !wanted(p) {
		return nil, nil, nil
	}
	if err := artifact.CheckDigest(d.Digest.String()); err != nil {
		return nil, err, nil
	}
	m, err := f.c.Manifest(ctx, f.on.Repo.Digest(d.Digest.String()))
	switch {
	case err != nil && artifact.Proves(err):
		return nil, err, nil
	case err != nil:
		return nil, nil, err
	}
	doc, err := artifact.ParseManifest(m.Bytes, m.ContentType)
	switch {
	case err != nil:
		return nil, err, nil
	case doc.Index() || len(doc.Layers) != 1 || !strings.HasPrefix(doc.Layers[0].MediaType, bundleType):
		return nil, nil, nil
	case doc.Subject == nil || doc.Subject.Digest != digest:
		return nil, errors.New("it refers to another image than the registry says"), nil
	}
	if p := doc.Annotations[predicateAnnotation]; p != "" && !wanted(p) {
		return nil, nil, nil
	}
	return f.blob(ctx, doc.Layers[0], limit)
}

// indexLag is how long an index of referrers may lag behind a push: "no signature" right behind one is often a race.
const indexLag = 2 * time.Second

// twice looks, and where nothing at all was found looks once more behind the lag, if there is one and the context leaves the time.
func twice(ctx context.Context, lag time.Duration, look func() (found bool, err error)) error {
	found, err := look()
	if found || err != nil || lag <= 0 {
		return err
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= lag {
		return nil
	}
	wait := time.NewTimer(lag)
	defer wait.Stop()
	select {
	case <-wait.C:
		_, err = look()
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guarded runs the check of one signature. The libraries parse what an attacker wrote: a panic is a refusal, never a success.
func guarded(check func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("checking it ended without a result")
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("it is malformed: checking it crashed (%s)", clean.Cut(fmt.Sprint(r), 100))
			}
			done <- err
		}()
		err = check()
	}()
	return <-done
}
