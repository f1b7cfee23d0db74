package signed

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// Bounds of what belongs to a signature. Real ones take a few KiB.
const (
	maxPayload    = 256 << 10
	maxAnnotation = 256 << 10
)

// tagged reads the signatures under the tag sha256-….sig: each layer is a payload in the simple signing form, its annotations hold
// signature, certificate and the log's promise.
func (p *Policy) tagged(ctx context.Context, c *registry.Client, on Subject, digest string, s *search) error {
	tag := strings.Replace(digest, ":", "-", 1) + ".sig"
	m, err := c.Manifest(ctx, on.Repo.Tag(tag))
	if registry.IsMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	doc, err := artifact.ParseManifest(m.Bytes, m.ContentType)
	if err == nil && doc.Index() {
		err = errors.New("it is an index")
	}
	if err != nil {
		s.add(candidate{name: "signature tag", why: err.Error()})
		return nil
	}
	for i, layer := range doc.Layers {
		if i == maxBundles {
			s.truncated = true
			break
		}
		if layer.MediaType != types.SimpleSigningMediaType {
			continue
		}
		cand := candidate{name: fmt.Sprintf("signature tag, layer %d", i+1)}
		if err := p.layer(ctx, c, on, digest, layer, &cand); err != nil {
			return err
		}
		s.add(cand)
	}
	return nil
}

// layer checks one signature. The error says that it could not be read; what is wrong with it goes into the candidate.
func (p *Policy) layer(ctx context.Context, c *registry.Client, on Subject, digest string, layer artifact.Descriptor, cand *candidate) error {
	if err := artifact.CheckDigest(layer.Digest); err != nil {
		cand.why = err.Error()
		return nil
	}
	payload, err := c.Blob(ctx, on.Repo, layer.Digest, maxPayload)
	if err != nil {
		if !artifact.Proves(err) && !tooLarge(err) {
			return err
		}
		cand.why = err.Error()
		return nil
	}
	err = guarded(func() error {
		sig, err := newSignature(payload, layer.Annotations)
		if err != nil {
			return err
		}
		if cert, err := sig.Cert(); err == nil && cert != nil {
			cand.signer = signerOf(cert)
		}
		return p.old(ctx, sig, payload, digest, on)
	})
	if err != nil {
		cand.why = err.Error()
	}
	return nil
}

func tooLarge(err error) bool {
	var large *registry.TooLarge
	return errors.As(err, &large)
}

// newSignature builds what the library checks, from annotations that were looked at first: it crashes on some that are malformed.
func newSignature(payload []byte, a map[string]string) (oci.Signature, error) {
	for k, v := range a {
		if len(v) > maxAnnotation {
			return nil, fmt.Errorf("its annotation %s is larger than 256 KiB", clean.Cut(k, 80))
		}
	}
	sig := a[static.SignatureAnnotationKey]
	if _, err := base64.StdEncoding.DecodeString(sig); err != nil || sig == "" {
		return nil, errors.New("it holds no signature in base64")
	}
	var opts []static.Option
	if cert := a[static.CertificateAnnotationKey]; cert != "" {
		opts = append(opts, static.WithCertChain([]byte(cert), []byte(a[static.ChainAnnotationKey])))
	}
	if text := a[static.BundleAnnotationKey]; text != "" {
		b, err := logBundle(text)
		if err != nil {
			return nil, err
		}
		opts = append(opts, static.WithBundle(b))
	}
	if text := a[static.RFC3161TimestampAnnotationKey]; text != "" {
		var t bundle.RFC3161Timestamp
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			return nil, fmt.Errorf("its timestamp is malformed: %w", err)
		}
		opts = append(opts, static.WithRFC3161Timestamp(&t))
	}
	return static.NewSignature(payload, sig, opts...)
}

// logBundle reads the transparency log's promise. Its body must be a text: the library asserts that without a look.
func logBundle(text string) (*bundle.RekorBundle, error) {
	var b struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           *string `json:"body"`
			IntegratedTime int64   `json:"integratedTime"`
			LogIndex       int64   `json:"logIndex"`
			LogID          string  `json:"logID"`
		}
	}
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return nil, fmt.Errorf("its log entry is malformed: %w", err)
	}
	if b.Payload.Body == nil {
		return nil, errors.New("its log entry is malformed: it has no body")
	}
	if _, err := base64.StdEncoding.DecodeString(*b.Payload.Body); err != nil {
		return nil, errors.New("its log entry is malformed: the body is no base64")
	}
	if _, err := hex.DecodeString(b.Payload.LogID); err != nil {
		return nil, errors.New("its log entry is malformed: the log's ID is not hexadecimal")
	}
	return &bundle.RekorBundle{SignedEntryTimestamp: b.SignedEntryTimestamp, Payload: bundle.RekorPayload{Body: *b.Payload.Body,
		IntegratedTime: b.Payload.IntegratedTime, LogIndex: b.Payload.LogIndex, LogID: b.Payload.LogID}}, nil
}

// old checks a signature in the simple signing form: by our key or identity, over a payload that names this digest and this repository.
func (p *Policy) old(ctx context.Context, sig oci.Signature, payload []byte, digest string, on Subject) error {
	h, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	co := &cosign.CheckOpts{
		ClaimVerifier: cosign.SimpleClaimVerifier, // without it a signature of any other image would do
		SigVerifier:   p.key, TrustedMaterial: p.trusted, IgnoreTlog: p.ignoreTlog, IgnoreSCT: p.noSCT,
		Offline:             true, // never asks the log: the promise must be there
		UseSignedTimestamps: p.key == nil && len(p.trusted.TimestampingAuthorities()) > 0,
	}
	if p.key == nil {
		co.Identities = []cosign.Identity{p.identity} // empty, it would accept anybody's certificate
		if cert, err := sig.Cert(); err != nil || cert == nil {
			return fmt.Errorf("it has no certificate: it was made with a key, and a keyless signature is wanted (%v)", err)
		}
	}
	if _, err := cosign.VerifyImageSignature(ctx, sig, h, co); err != nil {
		return err
	}
	return claims(payload, digest, on)
}

// claims compares what was signed with what is deployed. The library does not compare the repository: a signature would replay.
func claims(payload []byte, digest string, on Subject) error {
	var c struct {
		Critical struct {
			Identity struct {
				Reference string `json:"docker-reference"`
			} `json:"identity"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("its payload is malformed: %w", err)
	}
	if c.Critical.Image.Digest != digest {
		return fmt.Errorf("it signs %s", clean.Cut(c.Critical.Image.Digest, 100))
	}
	signed, err := name.ParseReference(c.Critical.Identity.Reference)
	if err != nil || signed.Context().Name() != on.Repo.Name() {
		return fmt.Errorf("it was made for %q, not for %s: signatures are not carried over to another repository; sign it there",
			clean.Cut(c.Critical.Identity.Reference, 200), on.Repo.Name())
	}
	return nil
}
