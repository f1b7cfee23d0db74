package signed

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/bakegate/bakegate/internal/clean"
)

// maxAnnotation bounds what a signature of the tag form carries beside its payload. Real ones take a few KiB.
const maxAnnotation = 256 << 10

// tagged is a signature in the form of cosign 1 and 2: the payload is a layer, the signature, its certificate and the log's promise are
// its annotations.
type tagged struct {
	sig    oci.Signature
	cert   *x509.Certificate // nil: made with a key
	logged time.Time         // when the log says that it was signed; zero without its promise
	stamp  []byte            // a timestamp (RFC 3161)
	over   []byte            // what a timestamp must be over: the signature, or an attestation's envelope
}

// newTagged builds what the library checks from annotations that were looked at first: it crashes on some that are malformed.
func (s *signer) newTagged(payload []byte, a map[string]string, attestation bool) (tagged, error) {
	for k, v := range a {
		if len(v) > maxAnnotation {
			return tagged{}, fmt.Errorf("its annotation %s is larger than 256 KiB", clean.Cut(k, 80))
		}
	}
	sig := a[static.SignatureAnnotationKey]
	raw, err := base64.StdEncoding.DecodeString(sig)
	t := tagged{over: raw}
	switch {
	case attestation: // whose signature is inside of its payload
		sig, t.over = "", payload
	case err != nil || sig == "":
		return t, errors.New("it holds no signature in base64")
	}
	opts, err := t.proofs(a)
	if err != nil {
		return t, err
	}
	if t.cert, err = certificateOf(a); err != nil {
		return t, err
	}
	if t.cert != nil && len(s.keys) == 0 { // our key decides alone, whatever certificate comes with its signature
		opts = append(opts, static.WithCertChain([]byte(a[static.CertificateAnnotationKey]), []byte(a[static.ChainAnnotationKey])))
	}
	t.sig, err = static.NewSignature(payload, sig, opts...)
	return t, err
}

// proofs reads when and where it was signed.
func (t *tagged) proofs(a map[string]string) ([]static.Option, error) {
	var opts []static.Option
	if text := a[static.BundleAnnotationKey]; text != "" {
		b, err := logBundle(text)
		if err != nil {
			return nil, err
		}
		t.logged = time.Unix(b.Payload.IntegratedTime, 0)
		opts = append(opts, static.WithBundle(b))
	}
	if text := a[static.RFC3161TimestampAnnotationKey]; text != "" {
		var stamp bundle.RFC3161Timestamp
		if err := json.Unmarshal([]byte(text), &stamp); err != nil {
			return nil, fmt.Errorf("its timestamp is malformed: %s", clean.Cut(err.Error(), 200))
		}
		t.stamp = stamp.SignedRFC3161Timestamp
		opts = append(opts, static.WithRFC3161Timestamp(&stamp))
	}
	return opts, nil
}

func certificateOf(a map[string]string) (*x509.Certificate, error) {
	text := a[static.CertificateAnnotationKey]
	if text == "" {
		return nil, nil
	}
	certs, err := cryptoutils.UnmarshalCertificatesFromPEM([]byte(text))
	if err != nil || len(certs) != 1 {
		return nil, fmt.Errorf("its certificate is malformed (%d certificates): %s", len(certs), clean.Cut(fmt.Sprint(err), 200))
	}
	return certs[0], nil
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
		return nil, fmt.Errorf("its log entry is malformed: %s", clean.Cut(err.Error(), 200))
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

// checker is one of the library's two checks of the tag form.
type checker func(context.Context, oci.Signature, v1.Hash, *cosign.CheckOpts) (bool, error)

func checkSimple(ctx context.Context, sig oci.Signature, h v1.Hash, co *cosign.CheckOpts) (bool, error) {
	co.ClaimVerifier = cosign.SimpleClaimVerifier // without it a signature of any other image would do
	return cosign.VerifyImageSignature(ctx, sig, h, co)
}

func checkEnvelope(ctx context.Context, sig oci.Signature, h v1.Hash, co *cosign.CheckOpts) (bool, error) {
	co.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
	return cosign.VerifyBlobAttestation(ctx, sig, h, co)
}

// checkTagged proves that one of our keys or identities made a signature of the tag form over a payload that names the digest.
func (s *signer) checkTagged(ctx context.Context, t tagged, digest string, check checker) error {
	h, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	if len(s.keys) == 0 && t.cert == nil {
		return s.rightKind(nil)
	}
	var errs []error
	for _, r := range s.roots {
		for _, co := range s.checkOptions(r) {
			err := s.stamped(t, r)
			if err == nil {
				_, err = check(ctx, t.sig, h, co)
			}
			if err == nil {
				return s.taggedClaims(t.cert)
			}
			errs = append(errs, s.explainTagged(err, t, r))
		}
	}
	return s.nearest(errs)
}

func (s *signer) explainTagged(err error, t tagged, r trust) error {
	if len(s.keys) > 0 && t.cert != nil {
		return &refusal{why: s.rightKind(t.cert).Error(), step: stepSignature, err: err}
	}
	sc := scene{s: s, root: r, cert: t.cert, logged: t.logged, err: err}
	if !t.logged.IsZero() {
		sc.entries = 1
	}
	return sc.explain()
}

// checkOptions is a root with each of our keys, or with all our identities.
func (s *signer) checkOptions(t trust) []*cosign.CheckOpts {
	d := s.demands(t)
	base := cosign.CheckOpts{TrustedMaterial: t, IgnoreTlog: !d.log, IgnoreSCT: !d.sct,
		Offline:             true, // never asks the log: the promise must be there
		UseSignedTimestamps: d.stamp,
	}
	if len(s.keys) == 0 {
		for _, id := range s.identities { // empty, anybody's certificate would do
			base.Identities = append(base.Identities, cosign.Identity{Issuer: id.want.Issuer, IssuerRegExp: text(id.issuer),
				Subject: id.want.Identity, SubjectRegExp: text(id.san)})
		}
		return []*cosign.CheckOpts{&base}
	}
	var out []*cosign.CheckOpts
	for _, k := range s.keys {
		co := base
		co.SigVerifier = k.verifier
		out = append(out, &co)
	}
	return out
}

// stamped demands a good timestamp where the log is waived for a certificate. The library takes the present time where there is none, and
// crashes on one that is not good.
func (s *signer) stamped(t tagged, r trust) error {
	if !s.demands(r).stamp {
		return nil
	}
	for _, authority := range r.TimestampingAuthorities() {
		if _, err := authority.Verify(t.stamp, t.over); err == nil {
			return nil
		}
	}
	return errors.New("threshold not met for verified signed timestamps: 0 < 1")
}

// taggedClaims holds the proved certificate against the identities once more, with every claim that they ask for.
func (s *signer) taggedClaims(cert *x509.Certificate) error {
	if cert == nil || len(s.keys) > 0 {
		return s.claims(nil)
	}
	sum, err := summarize(cert)
	if err != nil {
		return err
	}
	return s.claims(&sum)
}
