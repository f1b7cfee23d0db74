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
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	ggcrtypes "github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bakegate/bakegate/internal/registry/fake"
)

// The signer in these tests.
const (
	Issuer   = "https://token.actions.githubusercontent.com"
	Identity = "https://github.com/acme/app/.github/workflows/build.yml@refs/tags/v1"
	SignType = "https://sigstore.dev/cosign/sign/v1"
)

// Key is a signing key and the file with its public part.
type Key struct {
	Private *ecdsa.PrivateKey
	Path    string // PEM
}

// NewKey makes a key and writes its public part to a file of the test.
func NewKey(t testing.TB) Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	must(t, err)
	path := filepath.Join(t.TempDir(), "cosign.pub")
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	return Key{private, path}
}

// Sign signs bytes: ECDSA P-256 over SHA-256, in ASN.1.
func (k Key) Sign(t testing.TB, payload []byte) []byte {
	t.Helper()
	s, err := signature.LoadSigner(k.Private, crypto.SHA256)
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

// Claim is the payload of the simple signing form.
func Claim(repo, digest string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, repo, digest)
}

// Layer is one signature of the tag form.
type Layer struct {
	Payload     []byte
	Annotations map[string]string
}

// Layer signs a payload in the tag form, without a log.
func (k Key) Layer(t testing.TB, payload []byte) Layer {
	return Layer{payload, map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(k.Sign(t, payload))}}
}

// Keyless signs a payload in the tag form with a certificate, as Fulcio and Rekor would have it.
func Keyless(t testing.TB, vs *ca.VirtualSigstore, id string, payload []byte, at time.Time) Layer {
	t.Helper()
	e, err := vs.SignAtTime(id, Issuer, payload, at)
	must(t, err)
	sc, err := e.SignatureContent()
	must(t, err)
	vc, err := e.VerificationContent()
	must(t, err)
	entries, err := e.TlogEntries()
	must(t, err)
	entry := entries[0]
	payloadOf := tlog.RekorPayload{Body: entry.Body(), IntegratedTime: entry.IntegratedTime().Unix(), LogIndex: entry.LogIndex(),
		LogID: hex.EncodeToString([]byte(entry.LogKeyID()))}
	set, err := vs.RekorSignPayload(payloadOf)
	must(t, err)
	b, err := json.Marshal(map[string]any{"SignedEntryTimestamp": set, "Payload": payloadOf})
	must(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vc.Certificate().Raw})
	return Layer{payload, map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sc.Signature()),
		"dev.sigstore.cosign/certificate":    string(cert),
		"dev.sigstore.cosign/bundle":         string(b),
	}}
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
	var layers []map[string]any
	for _, s := range sigs {
		l := Blob(t, w, s.Payload, "application/vnd.dev.cosign.simplesigning.v1+json")
		l["annotations"] = s.Annotations
		layers = append(layers, l)
	}
	Manifest(t, w, ":sha256-"+digest[len("sha256:"):]+".sig", nil, layers...)
}

// Refer pushes a bundle that refers to subject.
func Refer(t testing.TB, w *fake.Registry, subject string, bundle []byte) {
	t.Helper()
	const mt = "application/vnd.dev.sigstore.bundle.v0.3+json"
	sum := hex.EncodeToString([]byte(subject + string(bundle)))
	Manifest(t, w, ":bundle-"+sum[len(sum)-40:], map[string]any{"artifactType": mt, "subject": map[string]any{
		"mediaType": string(ggcrtypes.OCIManifestSchema1), "digest": subject, "size": 1}}, Blob(t, w, bundle, mt))
}

// Statement is what a bundle signs.
func Statement(digest, predicateType string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`, digest[len("sha256:"):], predicateType)
}

func protoEnvelope(t testing.TB, payload, sig []byte) *protobundle.Bundle_DsseEnvelope {
	t.Helper()
	return &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{PayloadType: "application/vnd.in-toto+json", Payload: payload,
		Signatures: []*protodsse.Signature{{Sig: sig}}}}
}

func marshal(t testing.TB, b *protobundle.Bundle) []byte {
	t.Helper()
	b.MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	out, err := protojson.Marshal(b)
	must(t, err)
	return out
}

// Bundle signs a Statement with the key, without a log.
func (k Key) Bundle(t testing.TB, stmt []byte) []byte {
	t.Helper()
	sig := k.Sign(t, dsse.PAE("application/vnd.in-toto+json", stmt))
	return marshal(t, &protobundle.Bundle{Content: protoEnvelope(t, stmt, sig), VerificationMaterial: &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: "key"}}}})
}

// KeylessBundle signs a Statement with a certificate, with an entry and a proof of the log.
func KeylessBundle(t testing.TB, vs *ca.VirtualSigstore, id string, stmt []byte) []byte {
	t.Helper()
	e, err := vs.AttestAtTime(id, Issuer, stmt, time.Now().Add(5*time.Minute), true)
	must(t, err)
	sc, err := e.SignatureContent()
	must(t, err)
	vc, err := e.VerificationContent()
	must(t, err)
	entries, err := e.TlogEntries()
	must(t, err)
	entry := entries[0].TransparencyLogEntry()
	entry.KindVersion = &protorekor.KindVersion{Kind: "dsse", Version: "0.0.1"}
	set, err := vs.RekorSignPayload(tlog.RekorPayload{Body: base64.StdEncoding.EncodeToString(entry.GetCanonicalizedBody()), IntegratedTime: entry.GetIntegratedTime(),
		LogIndex: entry.GetLogIndex(), LogID: hex.EncodeToString(entry.GetLogId().GetKeyId())})
	must(t, err)
	entry.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: set}
	return marshal(t, &protobundle.Bundle{Content: protoEnvelope(t, stmt, sc.Signature()), VerificationMaterial: &protobundle.VerificationMaterial{
		Content:     &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: vc.Certificate().Raw}},
		TlogEntries: []*protorekor.TransparencyLogEntry{entry}}})
}

// Stamped takes the log's promise, which tells the time, out of a bundle and puts a timestamp in its place, as Rekor 2 has it.
func Stamped(t testing.TB, raw []byte, vs *ca.VirtualSigstore) []byte {
	t.Helper()
	var b protobundle.Bundle
	must(t, protojson.Unmarshal(raw, &b))
	b.VerificationMaterial.TlogEntries[0].InclusionPromise = nil
	ts, err := vs.TimestampResponse(b.GetDsseEnvelope().GetSignatures()[0].GetSig())
	must(t, err)
	b.VerificationMaterial.TimestampVerificationData = &protobundle.TimestampVerificationData{
		Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: ts}}}
	return marshal(t, &b)
}

// TrustedRootFile writes what vs is trusted for as a trusted_root.json.
func TrustedRootFile(t testing.TB, dir string, vs *ca.VirtualSigstore) {
	t.Helper()
	logs := func(ls map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
		for id, l := range ls { // in process the ID is hexadecimal text, in the file it is bytes
			b, err := hex.DecodeString(id)
			must(t, err)
			l.ID, l.SignatureHashFunc = b, crypto.SHA256
		}
		return ls
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01, vs.FulcioCertificateAuthorities(), logs(vs.CTLogs()), vs.TimestampingAuthorities(), logs(vs.RekorLogs()))
	must(t, err)
	b, err := tr.MarshalJSON()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "root.json"), b, 0o600))
}
