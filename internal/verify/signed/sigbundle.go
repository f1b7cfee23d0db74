package signed

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

const (
	bundleType = "application/vnd.dev.sigstore.bundle"
	maxBundles = 100
	maxBundle  = 1 << 20 // real ones take some 10 KiB; what is packed inside is not unpacked
)

// bundles reads the Sigstore bundles that refer to a digest, as cosign writes them since version 3.
func (p *Policy) bundles(ctx context.Context, c *registry.Client, on Subject, digest string, s *search) error {
	ds, more, err := c.Referrers(ctx, on.Repo, digest, maxBundles)
	if err != nil {
		return err
	}
	s.truncated = s.truncated || more
	for _, d := range ds {
		if !perhapsBundle(d.ArtifactType) {
			continue
		}
		cand, ok, err := p.referrer(ctx, c, on, digest, d)
		if err != nil {
			return err
		}
		if ok {
			s.add(cand)
		}
	}
	return nil
}

// perhapsBundle leaves out what surely is no bundle. Some registries do not tell the type, others tell that of the empty config.
func perhapsBundle(artifactType string) bool {
	return artifactType == "" || artifactType == "application/vnd.oci.empty.v1+json" || strings.HasPrefix(artifactType, bundleType)
}

// referrer reads and checks one bundle. ok is false for what is no bundle, or a bundle that is no signature but a good attestation.
func (p *Policy) referrer(ctx context.Context, c *registry.Client, on Subject, digest string, d v1.Descriptor) (cand candidate, ok bool, err error) {
	cand = candidate{name: "bundle " + artifact.Short(d.Digest.String())}
	b, ok, err := readBundle(ctx, c, on, digest, d)
	switch {
	case err != nil && !artifact.Proves(err) && !tooLarge(err):
		return cand, false, err
	case err != nil:
		cand.why = err.Error()
		return cand, true, nil
	case !ok:
		return cand, false, nil
	}
	if err := guarded(func() error { return p.bundle(b, digest, &cand) }); err != nil {
		cand.why = err.Error()
	}
	return cand, true, nil
}

// readBundle gets a bundle's bytes. ok is false where the referrer is something else.
func readBundle(ctx context.Context, c *registry.Client, on Subject, digest string, d v1.Descriptor) (b []byte, ok bool, err error) {
	if err := artifact.CheckDigest(d.Digest.String()); err != nil {
		return nil, false, &artifact.Bad{Err: err}
	}
	m, err := c.Manifest(ctx, on.Repo.Digest(d.Digest.String()))
	if err != nil {
		return nil, false, err
	}
	doc, err := artifact.ParseManifest(m.Bytes, m.ContentType)
	if err != nil {
		return nil, false, &artifact.Bad{Err: err}
	}
	switch {
	case doc.Index() || len(doc.Layers) != 1 || !strings.HasPrefix(doc.Layers[0].MediaType, bundleType):
		return nil, false, nil
	case doc.Subject == nil || doc.Subject.Digest != digest:
		return nil, false, &artifact.Bad{Err: errors.New("it refers to another image than the registry says")}
	}
	if err := artifact.CheckDigest(doc.Layers[0].Digest); err != nil {
		return nil, false, &artifact.Bad{Err: err}
	}
	b, err = c.Blob(ctx, on.Repo, doc.Layers[0].Digest, maxBundle)
	return b, true, err
}

// bundle checks a bundle: by our key or identity, over a statement whose subject is this digest and which says that it is a signature.
func (p *Policy) bundle(raw []byte, digest string, cand *candidate) error {
	var b bundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		return fmt.Errorf("it is no valid bundle: %w", err)
	}
	if content, err := b.VerificationContent(); err == nil && content.Certificate() != nil {
		cand.signer = signerOf(content.Certificate())
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return err
	}
	v, err := verify.NewVerifier(p.material(), p.verifierOptions()...)
	if err != nil {
		return err
	}
	who, err := p.policyOption()
	if err != nil {
		return err
	}
	result, err := v.Verify(&b, verify.NewPolicy(verify.WithArtifactDigest("sha256", sum), who))
	if err != nil {
		return err
	}
	switch {
	case result.Statement == nil:
		return errors.New("it holds no statement of what was signed")
	case result.Statement.GetPredicateType() != types.CosignSignPredicateType:
		return fmt.Errorf("it is an attestation (%s), no signature", clean.Cut(result.Statement.GetPredicateType(), 150))
	}
	return nil
}

// keyed is the trusted root with our key in the place of any that a bundle names.
type keyed struct {
	root.TrustedMaterial
	key *root.ExpiringKey
}

func (k keyed) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	if k.key == nil {
		return nil, errors.New("it was made with a key, and a keyless signature is wanted")
	}
	return k.key, nil
}

func (p *Policy) material() root.TrustedMaterial {
	if p.key == nil {
		return keyed{TrustedMaterial: p.trusted}
	}
	return keyed{p.trusted, root.NewExpiringKey(p.key, time.Time{}, time.Time{})}
}

// verifierOptions are what must be proved beside the signature: for a certificate that a log promised to list it, that it signed while
// it was valid, and that the signature is logged; for a key that the signature is logged, unless that was waived.
func (p *Policy) verifierOptions() []verify.VerifierOption {
	var os []verify.VerifierOption
	if p.key == nil && !p.noSCT {
		os = append(os, verify.WithSignedCertificateTimestamps(1))
	}
	if !p.ignoreTlog {
		os = append(os, verify.WithTransparencyLog(1))
	}
	if p.key == nil {
		return append(os, verify.WithObserverTimestamps(1))
	}
	return append(os, verify.WithNoObserverTimestamps())
}

func (p *Policy) policyOption() (verify.PolicyOption, error) {
	if p.key != nil {
		return verify.WithKey(), nil
	}
	id := p.identity
	ci, err := verify.NewShortCertificateIdentity(id.Issuer, id.IssuerRegExp, id.Subject, id.SubjectRegExp)
	if err != nil {
		return nil, err
	}
	return verify.WithCertificateIdentity(ci), nil
}

// signerOf is whom a certificate names: its identity and who vouched for it.
func signerOf(cert *x509.Certificate) string {
	s, err := certificate.SummarizeCertificate(cert)
	if err != nil {
		return ""
	}
	return clean.Cut(s.SubjectAlternativeName+" of "+s.Issuer, 300)
}
