package signed

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/bakegate/bakegate/internal/clean"
)

// claim is what a document says before its signature is checked: a statement, and whom it names as its signer.
type claim struct {
	statement
	digest string // the one of the image's digests that the statement is about
	cert   *certificate.Summary
	check  func() error // checks the signature
}

// signer is whom the claim's certificate names; "" for a key.
func (c claim) signer() string {
	if c.cert == nil {
		return ""
	}
	return signerOf(*c.cert)
}

// bundle reads a Sigstore bundle (protobuf-specs, v0.1 to v0.3, as JSON). Its check proves that one of our keys or identities signed it.
func (s *signer) bundle(raw []byte, digests []string) (claim, error) {
	var c claim
	var b bundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		return c, fmt.Errorf("it is no valid bundle: %s", clean.Cut(err.Error(), 300))
	}
	content, err := b.VerificationContent()
	if err != nil {
		return c, fmt.Errorf("it is no valid bundle: %s", clean.Cut(err.Error(), 300))
	}
	cert := content.Certificate()
	if cert != nil {
		sum, err := summarize(cert)
		if err != nil {
			return c, err
		}
		c.cert = &sum
	}
	payload, err := bundlePayload(&b)
	if err != nil {
		return c, err
	}
	if c.statement, err = parseStatement(payload); err != nil {
		return c, err
	}
	c.digest, err = c.about(digests)
	c.check = func() error { return s.checkBundle(&b, cert, c) }
	return c, err
}

func bundlePayload(b *bundle.Bundle) ([]byte, error) {
	if b.GetMessageSignature() != nil {
		return nil, errors.New("it signs bare bytes and holds no statement of what they are")
	}
	e, err := b.Envelope()
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is no valid bundle: %s", clean.Cut(err.Error(), 300))
	case e.PayloadType != inTotoType:
		return nil, fmt.Errorf("its payload is %q, want %s", clean.Cut(e.PayloadType, 100), inTotoType)
	}
	return base64.StdEncoding.DecodeString(e.Payload)
}

// checkBundle tries each root with each key or all identities. The last error is that of the root which came furthest.
func (s *signer) checkBundle(b *bundle.Bundle, cert *x509.Certificate, c claim) error {
	if err := s.rightKind(cert); err != nil {
		return err
	}
	digest, err := sum(c.digest)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range s.roots {
		for _, m := range s.materials(t) {
			err := s.verify(b, t, m, digest)
			if err == nil {
				return s.claims(c.cert)
			}
			errs = append(errs, s.explainBundle(err, b, cert, t))
		}
	}
	return s.nearest(errs)
}

// rightKind refuses a certificate where a key is wanted, and the other way round: whatever else is right about it.
func (s *signer) rightKind(cert *x509.Certificate) error {
	switch {
	case len(s.keys) > 0 && cert != nil:
		return errors.New("it was made keyless, with a certificate, and a signature by a key is wanted")
	case len(s.keys) == 0 && cert == nil:
		return errors.New("it was made with a key, and a keyless signature is wanted")
	}
	return nil
}

// materials is a root with each of our keys in the place of whatever a bundle names.
func (s *signer) materials(t trust) []root.TrustedMaterial {
	if len(s.keys) == 0 {
		return []root.TrustedMaterial{keyed{TrustedMaterial: t}}
	}
	var out []root.TrustedMaterial
	for _, k := range s.keys {
		out = append(out, keyed{t, root.NewExpiringKey(k.verifier, time.Time{}, time.Time{})})
	}
	return out
}

// keyed is the trusted root with our key, if there is one.
type keyed struct {
	root.TrustedMaterial
	key *root.ExpiringKey
}

// PublicKeyVerifier gives our key, whichever the bundle hints at.
func (k keyed) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	if k.key == nil {
		return nil, errors.New("it was made with a key, and a keyless signature is wanted")
	}
	return k.key, nil
}

func (s *signer) verify(b *bundle.Bundle, t trust, m root.TrustedMaterial, digest []byte) error {
	v, err := verify.NewVerifier(m, s.verifierOptions(t)...)
	if err != nil {
		return err
	}
	who, err := s.policyOptions()
	if err != nil {
		return err
	}
	result, err := v.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", digest), who...))
	switch {
	case err != nil:
		return err
	case result.Statement == nil: // never of an envelope; without one nothing says what was signed
		return errors.New("it holds no statement of what was signed")
	}
	return nil
}

func (s *signer) verifierOptions(t trust) []verify.VerifierOption {
	d := s.demands(t)
	os := []verify.VerifierOption{verify.WithoutStatementPredicate()}
	if d.sct {
		os = append(os, verify.WithSignedCertificateTimestamps(1))
	}
	if d.log {
		os = append(os, verify.WithTransparencyLog(1))
	}
	switch {
	case len(s.keys) > 0:
		return append(os, verify.WithNoObserverTimestamps())
	case d.stamp:
		return append(os, verify.WithSignedTimestamps(1))
	}
	return append(os, verify.WithObserverTimestamps(1))
}

func (s *signer) policyOptions() ([]verify.PolicyOption, error) {
	if len(s.keys) > 0 {
		return []verify.PolicyOption{verify.WithKey()}, nil
	}
	var out []verify.PolicyOption
	for _, id := range s.identities {
		o, err := id.option()
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// claims holds a proved certificate against the identities once more, with every claim that they ask for.
func (s *signer) claims(cert *certificate.Summary) error {
	if len(s.keys) > 0 {
		return nil
	}
	if cert == nil {
		return errors.New("it was made with a key, and a keyless signature is wanted")
	}
	if why, fix := s.stranger(*cert); why != "" {
		return &refusal{why: why, fix: fix}
	}
	return nil
}
