package signed

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	must(t, err)
	return k
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	return k
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return k
}

// signBoth signs an image in both forms with a hash of one's choice; hash 0 with Ed25519 is Ed25519ph.
func signBoth(t *testing.T, k forge.Key, sign func(b []byte) []byte, check func(t *testing.T, w *fake.Registry, d string)) {
	t.Helper()
	t.Run("tag", func(t *testing.T) {
		w, d := image(t)
		l := k.Layer(t, forge.Claim(w.Ref(""), d))
		l.Annotations["dev.cosignproject.cosign/signature"] = base64.StdEncoding.EncodeToString(sign(l.Payload))
		forge.SignTag(t, w, d, l)
		check(t, w, d)
	})
	t.Run("bundle", func(t *testing.T) {
		w, d := image(t)
		stmt := forge.Statement(d, forge.SignType)
		forge.Refer(t, w, d, forge.Change(t, k.Bundle(t, stmt), func(b *protobundle.Bundle) {
			b.GetDsseEnvelope().Signatures[0].Sig = sign(dsse.PAE("application/vnd.in-toto+json", stmt))
		}))
		check(t, w, d)
	})
}

// Whatever kind of key, with the hashes that cosign and KMS sign.
func TestKindsOfKeys(t *testing.T) {
	p256, p384, p521, r, ed := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521()), rsaKey(t, 2048), edKey(t)
	ph := func(b []byte) []byte {
		s, err := signature.LoadED25519phSigner(ed)
		must(t, err)
		sig, err := s.SignMessage(strings.NewReader(string(b)))
		must(t, err)
		return sig
	}
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		hash crypto.Hash // 0: Ed25519ph
		said string      // hash-algorithm
		want verdict.Outcome
	}{
		{"P-256", p256, crypto.SHA256, "", verdict.Pass},
		{"P-256 with another hash", p256, crypto.SHA512, "", verdict.Fail},
		{"P-256 with another hash, as configured", p256, crypto.SHA512, "sha512", verdict.Pass},
		{"P-256 with the usual hash, another configured", p256, crypto.SHA256, "sha384", verdict.Fail},
		{"P-384 as cosign signs", p384, crypto.SHA384, "", verdict.Pass},
		{"P-384 as older tools sign", p384, crypto.SHA256, "", verdict.Pass},
		{"P-521 as cosign signs", p521, crypto.SHA512, "", verdict.Pass},
		{"P-521 as older tools sign", p521, crypto.SHA256, "", verdict.Pass},
		{"RSA", r, crypto.SHA256, "", verdict.Pass},
		{"RSA of a KMS", r, crypto.SHA512, "", verdict.Pass},
		{"RSA, another hash configured", r, crypto.SHA512, "sha256", verdict.Fail},
		{"Ed25519", ed, crypto.SHA512, "", verdict.Pass},
		{"Ed25519ph, as cosign 3 signs", ed, 0, "", verdict.Pass},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := forge.KeyOf(t, tt.key)
			sign := func(b []byte) []byte { return k.SignHash(t, b, tt.hash) }
			if tt.hash == 0 {
				sign = ph
			}
			p := policyOf(t, Signature{Signer: Signer{Key: k.Path, HashAlgorithm: tt.said, IgnoreTlog: true}})
			signBoth(t, k, sign, func(t *testing.T, w *fake.Registry, d string) {
				f, err := ask(t, w, d, p)
				expect(t, f, err, tt.want, "")
			})
		})
	}
}

// Any of several keys: the old one still counts while the new one is rolled out.
func TestSeveralKeys(t *testing.T) {
	a, b, stranger := forge.NewKey(t), forge.NewKey(t), forge.NewKey(t)
	for _, tt := range []struct {
		by   forge.Key
		want verdict.Outcome
	}{{a, verdict.Pass}, {b, verdict.Pass}, {stranger, verdict.Fail}} {
		signBoth(t, tt.by, func(p []byte) []byte { return tt.by.Sign(t, p) }, func(t *testing.T, w *fake.Registry, d string) {
			f, err := ask(t, w, d, policyOf(t, Signature{Signer: Signer{Keys: []string{a.Path, string(forge.PEM(t, b.Private.Public()))}, IgnoreTlog: true}}))
			expect(t, f, err, tt.want, "the key cosign.pub or the key of the configuration")
		})
	}
}

// The forms in which cosign and the KMS tools give a public key.
func TestFormsOfKeys(t *testing.T) {
	k, r := forge.NewKey(t), rsaKey(t, 2048)
	der := forge.DER(t, k.Private.Public())
	text := base64.StdEncoding.EncodeToString(der)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&r.PublicKey)})
	cert, _ := forge.NewSigstore(t).Certificate(t, forge.Signing{})
	for _, tt := range []struct {
		name, text, want string // want: of the error; "": good
	}{
		{"PEM", string(forge.PEM(t, k.Private.Public())), ""},
		{"PEM with space around it", "\n " + string(forge.PEM(t, k.Private.Public())) + "\n\n", ""},
		{"DER", string(der), ""},
		{"DER in base64", text, ""},
		{"DER in base64, on lines", text[:40] + "\n" + text[40:] + "\n", ""},
		{"RSA", string(pkcs1), ""},
		{"nothing", "", "want a PEM file with a public key"},
		{"text", "hello", "want a PEM file with a public key"},
		{"a certificate", pemText(cert), "openssl x509 -pubkey"},
		{"a private key", "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "want a PUBLIC KEY"},
		{"cut off", string(forge.PEM(t, k.Private.Public()))[:60], "cut off"},
		{"two keys", string(pkcs1) + string(pkcs1), "more than one block"},
		{"RSA of 1024 bits", string(forge.PEM(t, weak(t).Public())), "the RSA key has 1024 bits, want 2048"},
		{"P-224", string(forge.PEM(t, ecKey(t, elliptic.P224()).Public())), "is on the curve P-224"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			must(t, os.WriteFile(path, []byte(tt.text), 0o600))
			_, err := readKey("", path, "")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// weak is a key that Go does not make any more.
func weak(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	return rsaKey(t, 1024)
}

func FuzzKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEv2eYqK3rB8jbf2BX7Ry/BcJv5LPM\ngzkDwlKlHAPwLjHoVw0bgVV362Dah8zALxk6f6zhxjtey7BK7NLBqnxwZA==\n-----END PUBLIC KEY-----\n"))
	f.Add([]byte("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEv2eYqK3rB8jbf2BX7Ry/BcJv5LPMgzkDwlKlHAPwLjHoVw0bgVV362Dah8zALxk6f6zhxjtey7BK7NLBqnxwZA=="))
	f.Fuzz(func(t *testing.T, b []byte) {
		pub, err := parseKey(b)
		if err != nil {
			return
		}
		if err := checkStrength(pub); err != nil {
			t.Errorf("took a key that is refused: %v", err)
		}
		if _, err := newVerifier(pub, ""); err != nil {
			t.Errorf("took a key that nothing can use: %v", err)
		}
	})
}
