package forge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
)

// Sigstore is an instance of Sigstore in process: Fulcio, with a certificate transparency log that promises to list each certificate, Rekor
// and a timestamping authority. Its signatures pass through the same door as a user's.
type Sigstore struct {
	rekor        *ca.VirtualSigstore // the log, and the timestamps
	root, issuer *x509.Certificate
	issuerKey    *ecdsa.PrivateKey
	ctKey        *ecdsa.PrivateKey
	noLogs       bool // as GitHub's private instance
}

// NewSigstore starts an instance.
func NewSigstore(t testing.TB) *Sigstore {
	t.Helper()
	var s Sigstore
	var err error
	s.rekor, err = ca.NewVirtualSigstore()
	must(t, err)
	rootCert, rootKey, err := ca.GenerateRootCa()
	must(t, err)
	s.root = rootCert
	s.issuer, s.issuerKey, err = ca.GenerateFulcioIntermediate(rootCert, rootKey)
	must(t, err)
	s.ctKey = ecKey(t)
	return &s
}

// NewPrivateSigstore starts an instance that keeps no logs and signs timestamps instead.
func NewPrivateSigstore(t testing.TB) *Sigstore {
	t.Helper()
	s := NewSigstore(t)
	s.noLogs = true
	return s
}

// Root is the instance's trusted_root.json.
func (s *Sigstore) Root(t testing.TB) []byte {
	t.Helper()
	authority := &root.FulcioCertificateAuthority{Root: s.root, Intermediates: []*x509.Certificate{s.issuer}, URI: "https://fulcio.example",
		ValidityPeriodStart: s.root.NotBefore, ValidityPeriodEnd: s.root.NotAfter}
	tlogs, ctlogs := s.rekor.RekorLogs(), map[string]*root.TransparencyLog{}
	for id, l := range tlogs { // in process the ID is hexadecimal text, in the file it is bytes
		b, err := hex.DecodeString(id)
		must(t, err)
		l.ID, l.SignatureHashFunc = b, crypto.SHA256
	}
	id := logID(t, s.ctKey)
	ctlogs[hex.EncodeToString(id[:])] = &root.TransparencyLog{BaseURL: "https://ct.example", ID: id[:], ValidityPeriodStart: time.Now().Add(-time.Hour),
		HashFunc: crypto.SHA256, SignatureHashFunc: crypto.SHA256, PublicKey: s.ctKey.Public()}
	if s.noLogs {
		tlogs, ctlogs = nil, nil
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{authority}, ctlogs, s.rekor.TimestampingAuthorities(), tlogs)
	must(t, err)
	b, err := tr.MarshalJSON()
	must(t, err)
	return b
}

// RootFile writes the trusted roots of some instances to a file of the test, one a line as `gh attestation trusted-root` prints them.
func RootFile(t testing.TB, ss ...*Sigstore) string {
	t.Helper()
	var out []byte
	for _, s := range ss {
		out = append(append(out, s.Root(t)...), '\n')
	}
	path := filepath.Join(t.TempDir(), "trusted_root.jsonl")
	must(t, os.WriteFile(path, out, 0o600))
	return path
}

// Signing is who signs, and how. The zero value is the honest signer, now.
type Signing struct {
	Identity, Issuer string            // default: those of this package
	Claims           map[string]string // extensions of Fulcio by their last number: "12" is the source repository
	Logged           time.Duration     // how long after the certificate was made the log took it; negative: before; 0: a minute
	NoPromise        bool              // no certificate transparency log promised to list the certificate
	NotLogged        bool              // not in the transparency log
	Stamped          bool              // a timestamping authority tells when it was signed
	ByTimestamp      bool              // the log's entry has no promise, which would tell the time: as Rekor 2 has it, with a timestamp
	InTotoEntry      bool              // an attestation of the tag form is logged as cosign did before 2.1
}

func (o Signing) at() time.Time {
	if o.Logged == 0 {
		return time.Now().Add(time.Minute)
	}
	return time.Now().Add(o.Logged)
}

func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// Layer signs a payload in the tag form.
func (s *Sigstore) Layer(t testing.TB, payload []byte, o Signing) Layer {
	t.Helper()
	cert, key := s.Certificate(t, o)
	sig := key.Sign(t, payload)
	sum := sha256.Sum256(payload)
	body := compact(t, map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
		"signature": map[string]any{"content": sig, "publicKey": map[string]any{"content": pemOf(cert)}}}})
	return s.annotated(t, Layer{payload, map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sig)}}, cert, body, sig, o)
}

// Envelope signs a statement as an attestation of the tag form.
func (s *Sigstore) Envelope(t testing.TB, stmt []byte, o Signing) Layer {
	t.Helper()
	cert, key := s.Certificate(t, o)
	sig := key.Sign(t, dsse.PAE(inTotoType, stmt))
	env := envelope(t, stmt, sig)
	sum, payloadSum := sha256.Sum256(env), sha256.Sum256(stmt)
	hash := func(b []byte) map[string]any {
		return map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(b)}
	}
	body := compact(t, map[string]any{"apiVersion": "0.0.1", "kind": "dsse", "spec": map[string]any{
		"envelopeHash": hash(sum[:]), "payloadHash": hash(payloadSum[:]),
		"signatures": []any{map[string]any{"signature": base64.StdEncoding.EncodeToString(sig), "verifier": pemOf(cert)}}}})
	if o.InTotoEntry {
		body = compact(t, map[string]any{"apiVersion": "0.0.1", "kind": "intoto", "spec": map[string]any{"publicKey": pemOf(cert),
			"content": map[string]any{"hash": hash(sum[:]), "payloadHash": hash(payloadSum[:])}}})
	}
	return s.annotated(t, Layer{env, map[string]string{signatureAnnotation: "", "predicateType": typeOf(stmt)}}, cert, body, env, o)
}

// annotated adds the certificate, and when and where it was signed.
func (s *Sigstore) annotated(t testing.TB, l Layer, cert *x509.Certificate, body, stamped []byte, o Signing) Layer {
	t.Helper()
	l.Annotations["dev.sigstore.cosign/certificate"] = string(pemOf(cert))
	l.Annotations["dev.sigstore.cosign/chain"] = string(pemOf(s.issuer)) + string(pemOf(s.root))
	if !o.NotLogged {
		id, err := s.rekor.RekorLogID()
		must(t, err)
		entry := tlog.RekorPayload{Body: base64.StdEncoding.EncodeToString(body), IntegratedTime: o.at().Unix(), LogIndex: 7, LogID: id}
		set, err := s.rekor.RekorSignPayload(entry)
		must(t, err)
		l.Annotations["dev.sigstore.cosign/bundle"] = string(compact(t, map[string]any{"SignedEntryTimestamp": set, "Payload": entry}))
	}
	if o.Stamped {
		ts, err := s.rekor.TimestampResponse(stamped)
		must(t, err)
		l.Annotations["dev.sigstore.cosign/rfc3161timestamp"] = string(compact(t, map[string]any{"SignedRFC3161Timestamp": ts}))
	}
	return l
}

func compact(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

// Bundle signs a statement in the bundle form.
func (s *Sigstore) Bundle(t testing.TB, stmt []byte, o Signing) []byte {
	t.Helper()
	cert, key := s.Certificate(t, o)
	sig := key.Sign(t, dsse.PAE(inTotoType, stmt))
	m := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: cert.Raw}}}
	if !o.NotLogged {
		m.TlogEntries = []*protorekor.TransparencyLogEntry{s.entry(t, cert, stmt, sig, o)}
	}
	if o.Stamped || o.ByTimestamp {
		ts, err := s.rekor.TimestampResponse(sig)
		must(t, err)
		m.TimestampVerificationData = &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: ts}}}
	}
	return marshal(t, &protobundle.Bundle{Content: protoEnvelope(stmt, sig), VerificationMaterial: m})
}

// entry is the log's entry of an envelope, with its proof.
func (s *Sigstore) entry(t testing.TB, cert *x509.Certificate, stmt, sig []byte, o Signing) *protorekor.TransparencyLogEntry {
	t.Helper()
	e, err := s.rekor.GenerateTlogEntry(cert, &dsse.Envelope{PayloadType: inTotoType, Payload: base64.StdEncoding.EncodeToString(stmt),
		Signatures: []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(sig)}}}, sig, o.at().Unix(), true)
	must(t, err)
	entry := e.TransparencyLogEntry()
	entry.KindVersion = &protorekor.KindVersion{Kind: "dsse", Version: "0.0.1"}
	if o.ByTimestamp {
		return entry
	}
	set, err := s.rekor.RekorSignPayload(tlog.RekorPayload{Body: base64.StdEncoding.EncodeToString(entry.GetCanonicalizedBody()),
		IntegratedTime: entry.GetIntegratedTime(), LogIndex: entry.GetLogIndex(), LogID: hex.EncodeToString(entry.GetLogId().GetKeyId())})
	must(t, err)
	entry.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: set}
	return entry
}
