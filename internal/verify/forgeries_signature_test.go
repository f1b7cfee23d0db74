package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"

	"github.com/bakegate/bakegate/internal/verify/signed"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

const (
	annSignature   = "dev.cosignproject.cosign/signature"
	annCertificate = "dev.sigstore.cosign/certificate"
	annLog         = "dev.sigstore.cosign/bundle"
)

// claim is what an honest signer signs in the tag form, statement what he signs in a bundle.
func (s *scene) claim() []byte     { return forge.Claim(s.Ref(""), s.good.digest) }
func (s *scene) statement() []byte { return forge.Statement(s.good.digest, forge.SignType) }

func (s *scene) tagged(ls ...forge.Layer) { forge.SignTag(s.t, s.Registry, s.good.digest, ls...) }
func (s *scene) bundled(b []byte)         { forge.Refer(s.t, s.Registry, s.good.digest, b) }

// keyless asks for a certificate of forge's signer, by the trusted root of a Sigstore.
func (s *scene) keyless(trusted *forge.Sigstore) {
	s.trusts(forge.RootFile(s.t, trusted))
}

// trusts asks for the same by a file of trusted roots.
func (s *scene) trusts(file string) {
	s.signature = &signed.Signature{Signer: signed.Signer{TrustedRoot: file,
		Keyless: &signed.Keyless{Certificate: signed.Certificate{Issuer: forge.Issuer, Identity: forge.Identity}}}}
}

// both makes a step of each form of signature. One of them goes through the binary.
func both(name string, key func(s *scene), tag func(s *scene) forge.Layer, bundle func(s *scene) []byte, want, says string) []step {
	return []step{
		{name: name + ", tag", set: func(s *scene) { key(s); s.tagged(tag(s)) }, want: want, says: says},
		{name: name + ", bundle", inside: true, set: func(s *scene) { key(s); s.bundled(bundle(s)) }, want: want, says: says},
	}
}

// byKey is both with the scene's key.
func byKey(name string, tag func(s *scene) forge.Layer, bundle func(s *scene) []byte, want, says string) []step {
	return both(name, (*scene).sign, tag, bundle, want, says)
}

func honestKey() []step {
	return byKey("honest", func(s *scene) forge.Layer { return s.key.Layer(s.t, s.claim()) },
		func(s *scene) []byte { return s.key.Bundle(s.t, s.statement()) }, signedPasses, "is signed by the key")
}

// keylessSteps are both forms by one Sigstore with the same signer, each changed by its function.
func keylessSteps(name string, sg *forge.Sigstore, o forge.Signing, want, says string) []step {
	return both(name, func(s *scene) { s.keyless(sg) }, func(s *scene) forge.Layer { return sg.Layer(s.t, s.claim(), o) },
		func(s *scene) []byte { return sg.Bundle(s.t, s.statement(), o) }, want, says)
}

func join(all ...[]step) []step {
	var out []step
	for _, l := range all {
		out = append(out, l...)
	}
	return out
}

func signatureForgeries(t *testing.T) []forgery {
	sg, stranger := forge.NewSigstore(t), forge.NewSigstore(t)
	honest := keylessSteps("honest", sg, forge.Signing{}, signedPasses, "is signed by "+forge.Identity)
	return []forgery{
		{name: "case 18 for another digest", steps: join(honestKey(),
			byKey("forged", func(s *scene) forge.Layer { return s.key.Layer(s.t, forge.Claim(s.Ref(""), nowhere)) },
				func(s *scene) []byte { return s.key.Bundle(s.t, forge.Statement(nowhere, forge.SignType)) }, badSignature, "another image|not about this image"))},
		{name: "case 19 replay from another repository", steps: join(honestKey(), []step{
			{name: "made for another repository", set: func(s *scene) { s.sign(); s.tagged(s.key.Layer(s.t, forge.Claim(s.Host+"/evil/app", s.good.digest))) },
				want: badSignature, says: "evil/app"},
			{name: "made for another registry", set: func(s *scene) { s.sign(); s.tagged(s.key.Layer(s.t, forge.Claim("ghcr.io/acme/app", s.good.digest))) },
				want: badSignature, says: "ghcr.io/acme/app"},
			{name: "made for no repository", set: func(s *scene) { s.sign(); s.tagged(s.key.Layer(s.t, forge.Claim("", s.good.digest))) }, want: badSignature, says: `it was made for ""`},
			{name: "made for another registry, which is allowed", set: func(s *scene) {
				s.sign()
				s.signature.SignedAs = []string{"ghcr.io/acme/app"}
				s.tagged(s.key.Layer(s.t, forge.Claim("ghcr.io/acme/app", s.good.digest)))
			}, want: signedPasses},
			{name: "made for a third, where one is allowed", set: func(s *scene) {
				s.sign()
				s.signature.SignedAs = []string{"ghcr.io/acme/app"}
				s.tagged(s.key.Layer(s.t, forge.Claim("ghcr.io/acme/app2", s.good.digest)))
			}, want: badSignature, says: "ghcr.io/acme/app2"},
		})},
		{name: "case 20 wrong or second key", steps: join(honestKey(),
			byKey("wrong key", func(s *scene) forge.Layer { return forge.NewKey(s.t).Layer(s.t, s.claim()) },
				func(s *scene) []byte { return forge.NewKey(s.t).Bundle(s.t, s.statement()) }, badSignature, "it was not made with the key"),
			[]step{
				{name: "wrong and right, tag", set: func(s *scene) {
					s.sign()
					s.tagged(forge.NewKey(s.t).Layer(s.t, s.claim()), s.key.Layer(s.t, s.claim()))
				}, want: signedPasses, says: "refused"},
				{name: "right and wrong, bundles", set: func(s *scene) { // in the order of their digests; a good one ends the search
					s.sign()
					s.bundled(s.key.Bundle(s.t, s.statement()))
					s.bundled(forge.NewKey(s.t).Bundle(s.t, s.statement()))
				}, want: signedPasses, says: "is signed by the key"},
			})},
		{name: "case 21 key or certificate supplied by the bundle", steps: supplied(sg)},
		{name: "case 22 empty identity, unanchored look-alike, wrong issuer or workflow ref", steps: join(honest, identities(sg))},
		{name: "case 23 expired certificate, log time outside validity, missing SCT", steps: join(honest,
			keylessSteps("logged when the certificate had expired", sg, forge.Signing{Logged: 20 * time.Minute}, badSignature, "expired"),
			keylessSteps("logged before the certificate was made", sg, forge.Signing{Logged: -5 * time.Minute}, badSignature, ""),
			keylessSteps("no promise of a certificate log", sg, forge.Signing{NoPromise: true}, badSignature, "no certificate transparency log"),
			otherCertificateLog(sg, stranger))},
		{name: "case 24 another bundle's Rekor entry", steps: join(honest, otherEntries(sg))},
		{name: "case 25 swapped payload", steps: join(honestKey(), swapped(sg))},
		{name: "case 26 other root, expired or threshold-0 TUF, duplicate log entries", steps: join(honest,
			otherRoots(sg, stranger), tufForgeries(sg, stranger))},
		{name: "case 27 malformed bundle: fails, never crashes, never exit 0", steps: malformed(sg)},
	}
}

// supplied are signatures that bring along what they want to be checked with.
func supplied(sg *forge.Sigstore) []step {
	own := func(s *scene) (*x509.Certificate, forge.Key) { return selfSigned(s.t) }
	withCertificate := func(s *scene) forge.Layer {
		cert, key := own(s)
		l := key.Layer(s.t, s.claim())
		l.Annotations[annCertificate], l.Annotations["dev.sigstore.cosign/chain"] = certPEM(cert), certPEM(cert)
		return l
	}
	inBundle := func(s *scene) []byte {
		cert, key := own(s)
		return forge.Change(s.t, key.Bundle(s.t, s.statement()), func(b *protobundle.Bundle) {
			b.VerificationMaterial.Content = &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: cert.Raw}}
		})
	}
	hinted := func(hint func(s *scene, k forge.Key) string) func(*scene) {
		return func(s *scene) {
			s.sign()
			k := forge.NewKey(s.t)
			s.bundled(forge.Change(s.t, k.Bundle(s.t, s.statement()), func(b *protobundle.Bundle) {
				b.VerificationMaterial.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: hint(s, k)}}
			}))
		}
	}
	return join(
		byKey("certificate of its own, for a key", withCertificate, inBundle, badSignature, "made keyless|not from Fulcio"),
		both("certificate of its own, keyless", func(s *scene) { s.keyless(sg) }, withCertificate, inBundle, badSignature, "no proof of the transparency log|not from Fulcio"),
		byKey("certificate of a real authority, for a key", func(s *scene) forge.Layer { return sg.Layer(s.t, s.claim(), forge.Signing{}) },
			func(s *scene) []byte { return sg.Bundle(s.t, s.statement(), forge.Signing{}) }, badSignature, "a signature by a key is wanted"),
		[]step{
			{name: "the key in the hint", set: hinted(func(s *scene, k forge.Key) string {
				return base64.StdEncoding.EncodeToString(forge.DER(s.t, k.Private.Public()))
			}), want: badSignature, says: "it was not made with the key"},
			{name: "the hint names a file", set: hinted(func(_ *scene, k forge.Key) string { return k.Path }), want: badSignature, says: "it was not made with the key"},
			{name: "a key, keyless", set: func(s *scene) { s.keyless(sg); s.bundled(s.key.Bundle(s.t, s.statement())) }, want: badSignature, says: "made with a key"},
			{name: "a key in the tag form, keyless", set: func(s *scene) { s.keyless(sg); s.tagged(s.key.Layer(s.t, s.claim())) }, want: badSignature, says: "made with a key"},
		})
}

// selfSigned is a certificate that vouches for itself, and claims to be our signer.
func selfSigned(t testing.TB) (*x509.Certificate, forge.Key) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sigstore"}, NotBefore: time.Now().Add(-time.Minute),
		NotAfter: time.Now().Add(time.Hour), EmailAddresses: []string{"build@acme.example"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, forge.KeyOf(t, key)
}

// identities are wishes that take anybody, and signers that only look like ours.
func identities(sg *forge.Sigstore) []step {
	wish := func(name string, c signed.Certificate, says string) step {
		return step{name: "wish: " + name, want: "mistake", says: says, set: func(s *scene) {
			s.keyless(sg)
			s.signature.Keyless.Certificate = c
			s.tagged(sg.Layer(s.t, s.claim(), forge.Signing{}))
		}}
	}
	pattern := signed.Certificate{Issuer: forge.Issuer, IdentityRegexp: `https://github\.com/acme/app/\.github/workflows/build\.yml@refs/tags/v\d`}
	by := func(name string, o forge.Signing, want, says string) []step {
		return both(name, func(s *scene) { s.keyless(sg); s.signature.Keyless.Certificate = pattern }, func(s *scene) forge.Layer { return sg.Layer(s.t, s.claim(), o) },
			func(s *scene) []byte { return sg.Bundle(s.t, s.statement(), o) }, want, says)
	}
	return join([]step{
		wish("nobody", signed.Certificate{}, "got none of issuer"),
		wish("no identity", signed.Certificate{Issuer: forge.Issuer}, "got none of identity"),
		wish("no issuer", signed.Certificate{Identity: forge.Identity}, "got none of issuer"),
		wish("everybody", signed.Certificate{Issuer: forge.Issuer, IdentityRegexp: ".*"}, "matches everything"),
		wish("everybody, in another way", signed.Certificate{IssuerRegexp: "|https://x", Identity: forge.Identity}, "matches everything"),
		wish("a parenthesis that closes ours", signed.Certificate{Issuer: forge.Issuer, IdentityRegexp: "a)|(.*"}, "is no regular expression"),
	},
		by("pattern", forge.Signing{}, signedPasses, ""),
		by("look-alike around the pattern", forge.Signing{Identity: "https://evil.example/?x=" + forge.Identity + "0/evil"}, badSignature, "got https://evil.example"),
		by("behind the pattern", forge.Signing{Identity: forge.Identity + "0"}, badSignature, "refs/tags/v10"),
		keylessSteps("wrong issuer", sg, forge.Signing{Issuer: "https://accounts.google.com"}, badSignature, "https://accounts.google.com"),
		keylessSteps("look-alike issuer", sg, forge.Signing{Issuer: forge.Issuer + ".evil.example"}, badSignature, ".evil.example"),
		keylessSteps("wrong workflow ref", sg, forge.Signing{Identity: strings.Replace(forge.Identity, "refs/tags/v1", "refs/heads/main", 1)}, badSignature, "refs/heads/main"),
		keylessSteps("wrong repository", sg, forge.Signing{Identity: strings.Replace(forge.Identity, "acme/app", "acme/app2", 1)}, badSignature, "acme/app2"),
		keylessSteps("other case", sg, forge.Signing{Identity: strings.Replace(forge.Identity, "acme/app", "Acme/app", 1)}, badSignature, "Acme/app"),
	)
}

// otherCertificateLog is a trusted root that knows another log of certificates.
func otherCertificateLog(sg, stranger *forge.Sigstore) []step {
	return both("promise of another log", func(s *scene) { s.trusts(mixedRoot(s.t, sg, stranger, "ctlogs")) },
		func(s *scene) forge.Layer { return sg.Layer(s.t, s.claim(), forge.Signing{}) },
		func(s *scene) []byte { return sg.Bundle(s.t, s.statement(), forge.Signing{}) }, badSignature, "no certificate transparency log")
}

// mixedRoot writes a trusted root with one part out of another.
func mixedRoot(t testing.TB, a, b *forge.Sigstore, part string) string {
	t.Helper()
	var one, other map[string]any
	must(t, json.Unmarshal(a.Root(t), &one))
	must(t, json.Unmarshal(b.Root(t), &other))
	one[part] = other[part]
	path := filepath.Join(t.TempDir(), "trusted_root.json")
	must(t, os.WriteFile(path, []byte(compact(one)), 0o600))
	return path
}

// pastRoot writes a trusted root that trusted its authority until an hour ago.
func pastRoot(t testing.TB, a *forge.Sigstore) string {
	t.Helper()
	text := changeJSON(t, string(a.Root(t)), time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "certificateAuthorities", 0, "validFor", "end")
	path := filepath.Join(t.TempDir(), "trusted_root.json")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// otherEntries carry the log's entry of another signature, by the same signer.
func otherEntries(sg *forge.Sigstore) []step {
	return both("entry of another signature", func(s *scene) { s.keyless(sg) },
		func(s *scene) forge.Layer {
			a, b := sg.Layer(s.t, s.claim(), forge.Signing{}), sg.Layer(s.t, forge.Claim(s.Ref(""), nowhere), forge.Signing{})
			a.Annotations[annLog] = b.Annotations[annLog]
			return a
		},
		func(s *scene) []byte {
			other := sg.Bundle(s.t, forge.Statement(nowhere, forge.SignType), forge.Signing{})
			var entries *protobundle.VerificationMaterial
			forge.Change(s.t, other, func(b *protobundle.Bundle) { entries = b.VerificationMaterial })
			return forge.Change(s.t, sg.Bundle(s.t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) {
				b.VerificationMaterial.TlogEntries = entries.TlogEntries
			})
		}, badSignature, "belongs to another signature")
}

// swapped hold an honest signature of something else.
func swapped(sg *forge.Sigstore) []step {
	payload := func(s *scene, b []byte) []byte {
		return forge.Change(s.t, b, func(b *protobundle.Bundle) { b.GetDsseEnvelope().Payload = s.statement() })
	}
	return join(
		byKey("by key", func(s *scene) forge.Layer {
			return forge.Layer{Payload: s.claim(), Annotations: s.key.Layer(s.t, forge.Claim(s.Ref(""), nowhere)).Annotations}
		}, func(s *scene) []byte { return payload(s, s.key.Bundle(s.t, forge.Statement(nowhere, forge.SignType))) }, badSignature, "or what it signs was changed"),
		both("keyless", func(s *scene) { s.keyless(sg) }, func(s *scene) forge.Layer {
			return forge.Layer{Payload: s.claim(), Annotations: sg.Layer(s.t, forge.Claim(s.Ref(""), nowhere), forge.Signing{}).Annotations}
		}, func(s *scene) []byte {
			return payload(s, sg.Bundle(s.t, forge.Statement(nowhere, forge.SignType), forge.Signing{}))
		}, badSignature, "or what it signs was changed|belongs to another signature"),
		[]step{{name: "two signatures of one envelope, the second is good", set: func(s *scene) {
			s.sign()
			s.bundled(forge.Change(s.t, s.key.Bundle(s.t, s.statement()), func(b *protobundle.Bundle) {
				e := b.GetDsseEnvelope()
				e.Signatures = append([]*protodsse.Signature{{Sig: forge.NewKey(s.t).Sign(s.t, []byte("x"))}}, e.Signatures...)
			}))
		}, want: badSignature, says: "exactly one signature"}})
}

// otherRoots know the log, but not the authority, or knew it at another time; or count one entry twice.
func otherRoots(sg, stranger *forge.Sigstore) []step {
	tag := func(s *scene) forge.Layer { return sg.Layer(s.t, s.claim(), forge.Signing{}) }
	bundle := func(s *scene) []byte { return sg.Bundle(s.t, s.statement(), forge.Signing{}) }
	return join(
		both("other root", func(s *scene) { s.keyless(stranger) }, tag, bundle, badSignature, "transparency log"),
		both("other authority, the same logs", func(s *scene) { s.trusts(mixedRoot(s.t, sg, stranger, "certificateAuthorities")) }, tag, bundle, badSignature, "authority"),
		both("other log, the same authority", func(s *scene) { s.trusts(mixedRoot(s.t, sg, stranger, "tlogs")) }, tag, bundle, badSignature, "transparency log"),
		both("the root trusted the authority until an hour ago", func(s *scene) { s.trusts(pastRoot(s.t, sg)) }, tag, bundle, badSignature, "authority"),
		both("of two roots, one knows the authority and the other the log", func(s *scene) {
			s.trusts(joined(s.t, mixedRoot(s.t, sg, stranger, "tlogs"), mixedRoot(s.t, stranger, sg, "tlogs")))
		}, tag, bundle, badSignature, "authority"),
		[]step{{name: "one log entry twice", set: func(s *scene) {
			s.keyless(sg)
			s.bundled(forge.Change(s.t, sg.Bundle(s.t, s.statement(), forge.Signing{}), func(b *protobundle.Bundle) {
				b.VerificationMaterial.TlogEntries = append(b.VerificationMaterial.TlogEntries, b.VerificationMaterial.TlogEntries...)
			}))
		}, want: badSignature, says: "one log entry twice"}})
}

// malformed are documents on which libraries have crashed, or might.
func malformed(sg *forge.Sigstore) []step {
	var out []step
	for _, text := range []string{`{"Payload":{"body":123}}`, `{"Payload":{"body":null}}`, `{"Payload":{"body":{}}}`, `null`, `{}`, `[]`, `{"Payload":null}`, `{"Payload":{"body":"e30="}}`,
		`{"Payload":{"body":"eyJraW5kIjoiaGFzaGVkcmVrb3JkIiwiYXBpVmVyc2lvbiI6IjAuMC4xIiwic3BlYyI6e319"}}`, `{"Payload":{"body":"!"}}`,
		`{"SignedEntryTimestamp":"","Payload":{"body":"","logID":"zz"}}`, strings.Repeat(`{"Payload":`, 5000), "\x00\x01"} {
		out = append(out, step{name: "log entry " + head(text), want: badSignature, says: "refused: it", set: func(s *scene) {
			s.keyless(sg)
			l := sg.Layer(s.t, s.claim(), forge.Signing{})
			l.Annotations[annLog] = text
			s.tagged(l)
		}})
	}
	for _, cert := range []string{"x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		out = append(out, step{name: "certificate " + head(cert), want: badSignature, says: "refused: it", set: func(s *scene) {
			s.keyless(sg)
			l := sg.Layer(s.t, s.claim(), forge.Signing{})
			l.Annotations[annCertificate] = cert
			s.tagged(l)
		}})
	}
	for _, text := range []string{``, `{}`, `null`, `[]`, `123`, `"x"`, "\x00\x01", `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`,
		`{"mediaType":123,"verificationMaterial":null,"dsseEnvelope":null}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":null},"dsseEnvelope":{"payload":null,"payloadType":"application/vnd.in-toto+json","signatures":[]}}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"a"}},"dsseEnvelope":{"payload":"bnVsbA==","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""}]}}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":""},"tlogEntries":[{}]},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":"AAAA"},"tlogEntries":[null]},"messageSignature":{"messageDigest":null,"signature":"AAAA"}}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"x509CertificateChain":{"certificates":[]}},"messageSignature":{}}`,
		strings.Repeat(`{"verificationMaterial":`, 20000)} {
		for _, keyless := range []bool{false, true} {
			name := "bundle " + head(text)
			if keyless {
				name += ", keyless"
			}
			out = append(out, step{name: name, want: badSignature, says: "refused: it", set: func(s *scene) {
				s.sign()
				if keyless {
					s.keyless(sg)
				}
				s.bundled([]byte(text))
			}})
		}
	}
	return out
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// joined writes several trusted roots into one file, one a line.
func joined(t testing.TB, files ...string) string {
	t.Helper()
	var out []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		out = append(append(out, b...), '\n')
	}
	path := filepath.Join(t.TempDir(), "trusted_root.jsonl")
	must(t, os.WriteFile(path, out, 0o600))
	return path
}

func head(s string) string { return strings.ReplaceAll(s[:min(len(s), 40)], "\n", " ") }
