package signed

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// readRegistry reads both forms: the layers under the tag sha256-….att, and the bundles that refer to the digest.
func readRegistry(ctx context.Context, f *finder, looks []*look) error {
	for _, digest := range f.on.Digests {
		if err := readEnvelopes(ctx, f, digest, looks); err != nil {
			return err
		}
		if err := readBundles(ctx, f, digest, looks); err != nil {
			return err
		}
	}
	return nil
}

// readLimit is how much of a document may be read: as much as the look that allows most.
func readLimit(looks []*look) int64 {
	n := int64(0)
	for _, l := range looks {
		n = max(n, limitOf(l.types))
	}
	return n
}

func readEnvelopes(ctx context.Context, f *finder, digest string, looks []*look) error {
	layers, bad, err := f.layers(ctx, digest, ".att", envelopeType)
	if err != nil {
		return err
	}
	if bad != nil {
		each(looks, func(l *look) { l.refused("attestation tag", bad) })
	}
	for i, d := range layers {
		name := fmt.Sprintf("attestation tag, layer %d", i+1)
		these := asked(looks, d.Annotations["predicateType"])
		if len(these) == 0 {
			continue
		}
		if f.full() {
			return nil
		}
		b, bad, err := f.blob(ctx, d, readLimit(these))
		if err != nil {
			return err
		}
		f.read += len(b)
		for _, l := range these {
			if bad != nil {
				l.refused(name, bad)
				continue
			}
			l.take(ctx, name, func(s *signer) (claim, error) { return s.envelope(ctx, b, d.Annotations, digest, f.on.Digests) })
		}
	}
	return nil
}

func readBundles(ctx context.Context, f *finder, digest string, looks []*look) error {
	ds, err := f.referrers(ctx, digest)
	if err != nil {
		return err
	}
	for _, d := range ds {
		if f.full() {
			return nil
		}
		if err := readReferrer(ctx, f, digest, d, looks); err != nil {
			return err
		}
	}
	return nil
}

func readReferrer(ctx context.Context, f *finder, digest string, d v1.Descriptor, looks []*look) error {
	name := "bundle " + artifact.Short(d.Digest.String())
	these := looks
	b, bad, err := f.bundle(ctx, d, digest, func(t string) bool { these = asked(looks, t); return len(these) > 0 }, readLimit(looks))
	if err != nil {
		return err
	}
	f.read += len(b)
	for _, l := range these {
		switch {
		case bad != nil:
			l.refused(name, bad)
		case b != nil:
			l.take(ctx, name, func(s *signer) (claim, error) { return s.bundle(b, f.on.Digests) })
		}
	}
	return nil
}

// asked are the looks that want a type, as whoever stored the document noted it; all of them where nothing is noted.
func asked(looks []*look, predicateType string) []*look {
	if predicateType == "" {
		return looks
	}
	var out []*look
	for _, l := range looks {
		if l.wants(predicateType) {
			out = append(out, l)
		} else {
			l.other(predicateType)
		}
	}
	return out
}

func each(looks []*look, do func(*look)) {
	for _, l := range looks {
		do(l)
	}
}

// envelope reads an attestation as cosign 1 and 2 store it. Its check proves that one of our keys or identities signed it.
func (s *signer) envelope(ctx context.Context, b []byte, annotations map[string]string, digest string, digests []string) (claim, error) {
	var c claim
	payload, err := parseEnvelope(b)
	if err != nil {
		return c, err
	}
	if c.statement, err = parseStatement(payload); err != nil {
		return c, err
	}
	t, err := s.newTagged(b, annotations, true)
	if err != nil {
		return c, err
	}
	if t.cert != nil {
		sum, err := summarize(t.cert)
		if err != nil {
			return c, err
		}
		c.cert = &sum
	}
	if c.digest, err = c.about(digests); err != nil {
		return c, err
	}
	c.check = func() error { return s.checkTagged(ctx, t, c.digest, checkEnvelope) }
	return c, nil
}
