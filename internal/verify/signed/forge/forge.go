// Package forge signs images for tests: as an honest signer does, and as a forger would.
package forge

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	ggcrtypes "github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bakegate/bakegate/internal/registry/fake"
)

// The signer in these tests, and what signatures and statements are called.
const (
	Issuer   = "https://token.actions.githubusercontent.com"
	Identity = "https://github.com/acme/app/.github/workflows/build.yml@refs/tags/v1"

	SignType   = "https://sigstore.dev/cosign/sign/v1"
	SLSAType   = "https://slsa.dev/provenance/v1"
	inTotoType = "application/vnd.in-toto+json"
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// Key is a signing key and the file with its public part.
type Key struct {
	Private crypto.Signer
	Path    string // PEM
}

// NewKey makes a key as cosign does, ECDSA P-256, and writes its public part to a file of the test.
func NewKey(t testing.TB) Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return KeyOf(t, private)
}

// KeyOf takes a key of any kind, and writes its public part to a file of the test.
func KeyOf(t testing.TB, private crypto.Signer) Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cosign.pub")
	must(t, os.WriteFile(path, PEM(t, private.Public()), 0o600))
	return Key{private, path}
}

// DER is a public key as X.509 has it.
func DER(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	return der
}

// PEM is a public key as cosign writes it.
func PEM(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: DER(t, public)})
}

// Sign signs bytes over SHA-256; Ed25519 signs them as they are.
func (k Key) Sign(t testing.TB, payload []byte) []byte {
	t.Helper()
	return k.SignHash(t, payload, crypto.SHA256)
}

// SignHash signs bytes over another hash.
func (k Key) SignHash(t testing.TB, payload []byte, h crypto.Hash) []byte {
	t.Helper()
	s, err := signature.LoadSigner(k.Private, h)
	must(t, err)
	sig, err := s.SignMessage(bytes.NewReader(payload))
	must(t, err)
	return sig
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Claim is the payload of the simple signing form, as cosign writes it.
func Claim(repo, digest string) []byte {
	const form = `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`
	return fmt.Appendf(nil, form, repo, digest)
}

// Layer is one signature or attestation of the tag form.
type Layer struct {
	Payload     []byte
	Annotations map[string]string
}

const signatureAnnotation = "dev.cosignproject.cosign/signature"

// Layer signs a payload in the tag form, without a log.
func (k Key) Layer(t testing.TB, payload []byte) Layer {
	t.Helper()
	return Layer{payload, map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(k.Sign(t, payload))}}
}

// Envelope signs a statement as an attestation of the tag form, without a log.
func (k Key) Envelope(t testing.TB, stmt []byte) Layer {
	t.Helper()
	return Layer{envelope(t, stmt, k.Sign(t, dsse.PAE(inTotoType, stmt))), map[string]string{signatureAnnotation: "", "predicateType": typeOf(stmt)}}
}

func envelope(t testing.TB, stmt, sig []byte) []byte {
	t.Helper()
	b, err := json.Marshal(dsse.Envelope{PayloadType: inTotoType, Payload: base64.StdEncoding.EncodeToString(stmt),
		Signatures: []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(sig)}}})
	must(t, err)
	return b
}

// typeOf is the predicate type of a statement; "" for what is none.
func typeOf(stmt []byte) string {
	var s struct{ PredicateType string }
	_ = json.Unmarshal(stmt, &s)
	return s.PredicateType
}

// Statement is what a bundle signs.
func Statement(digest, predicateType string) []byte { return Attest(digest, predicateType, `{}`) }

// Attest is a statement with a predicate.
func Attest(digest, predicateType, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":%s}`,
		digest[len("sha256:"):], predicateType, predicate)
}

// Bundle signs a statement with the key, without a log.
func (k Key) Bundle(t testing.TB, stmt []byte) []byte {
	t.Helper()
	sig := k.Sign(t, dsse.PAE(inTotoType, stmt))
	return marshal(t, &protobundle.Bundle{Content: protoEnvelope(stmt, sig), VerificationMaterial: &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: "key"}}}})
}

func protoEnvelope(payload, sig []byte) *protobundle.Bundle_DsseEnvelope {
	return &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{PayloadType: inTotoType, Payload: payload,
		Signatures: []*protodsse.Signature{{Sig: sig}}}}
}

func marshal(t testing.TB, b *protobundle.Bundle) []byte {
	t.Helper()
	b.MediaType = bundleType
	out, err := protojson.Marshal(b)
	must(t, err)
	return out
}

// Change changes what a bundle says.
func Change(t testing.TB, raw []byte, change func(*protobundle.Bundle)) []byte {
	t.Helper()
	var b protobundle.Bundle
	must(t, protojson.Unmarshal(raw, &b))
	change(&b)
	return marshal(t, &b)
}

// Raw is pushed as it is.
type Raw struct {
	Bytes []byte
	Type  ggcrtypes.MediaType
}

// RawManifest gives the bytes.
func (r Raw) RawManifest() ([]byte, error) { return r.Bytes, nil }

// MediaType gives the type.
func (r Raw) MediaType() (ggcrtypes.MediaType, error) { return r.Type, nil }

// Blob pushes a blob and describes it.
func Blob(t testing.TB, w *fake.Registry, b []byte, mt string) map[string]any {
	t.Helper()
	l := static.NewLayer(b, ggcrtypes.MediaType(mt))
	repo, err := name.NewRepository(w.Ref(""))
	must(t, err)
	must(t, remote.WriteLayer(repo, l))
	return map[string]any{"mediaType": mt, "digest": fake.DigestOf(t, l), "size": len(b)}
}

// Manifest pushes a manifest of layers and returns its digest.
func Manifest(t testing.TB, w *fake.Registry, suffix string, more map[string]any, layers ...map[string]any) string {
	t.Helper()
	m := map[string]any{"schemaVersion": 2, "mediaType": string(ggcrtypes.OCIManifestSchema1),
		"config": Blob(t, w, []byte("{}"), "application/vnd.oci.empty.v1+json"), "layers": layers}
	for k, v := range more {
		m[k] = v
	}
	b, err := json.Marshal(m)
	must(t, err)
	return w.Push(suffix, Raw{b, ggcrtypes.OCIManifestSchema1})
}

// SignTag pushes signatures under the tag of a digest.
func SignTag(t testing.TB, w *fake.Registry, digest string, sigs ...Layer) {
	t.Helper()
	pushTag(t, w, digest, ".sig", "application/vnd.dev.cosign.simplesigning.v1+json", sigs)
}

// AttestTag pushes attestations under the tag of a digest.
func AttestTag(t testing.TB, w *fake.Registry, digest string, atts ...Layer) {
	t.Helper()
	pushTag(t, w, digest, ".att", "application/vnd.dsse.envelope.v1+json", atts)
}

func pushTag(t testing.TB, w *fake.Registry, digest, suffix, mt string, ls []Layer) {
	t.Helper()
	var layers []map[string]any
	for _, s := range ls {
		l := Blob(t, w, s.Payload, mt)
		l["annotations"] = s.Annotations
		layers = append(layers, l)
	}
	Manifest(t, w, ":sha256-"+digest[len("sha256:"):]+suffix, nil, layers...)
}

// Refer pushes a bundle that refers to subject. No annotation says what it is.
func Refer(t testing.TB, w *fake.Registry, subject string, bundle []byte) {
	t.Helper()
	refer(t, w, subject, bundle, nil)
}

// ReferNoted pushes a bundle that refers to subject, with a note of its predicate type as cosign 3 writes it.
func ReferNoted(t testing.TB, w *fake.Registry, subject, predicateType string, bundle []byte) {
	t.Helper()
	refer(t, w, subject, bundle, map[string]any{"dev.sigstore.bundle.predicateType": predicateType, "dev.sigstore.bundle.content": "dsse-envelope"})
}

func refer(t testing.TB, w *fake.Registry, subject string, bundle []byte, annotations map[string]any) {
	t.Helper()
	sum := hex.EncodeToString([]byte(subject + string(bundle)))
	more := map[string]any{"artifactType": bundleType, "subject": map[string]any{
		"mediaType": string(ggcrtypes.OCIManifestSchema1), "digest": subject, "size": 1}}
	if annotations != nil {
		more["annotations"] = annotations
	}
	Manifest(t, w, ":bundle-"+sum[len(sum)-40:], more, Blob(t, w, bundle, bundleType))
}
