package forge

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// logID names a log of certificates: the hash of its key (RFC 6962, section 3.2).
func logID(t testing.TB, key *ecdsa.PrivateKey) [sha256.Size]byte {
	t.Helper()
	return sha256.Sum256(DER(t, key.Public()))
}

// Certificate makes a key and a certificate that lives ten minutes from now, as Fulcio does.
func (s *Sigstore) Certificate(t testing.TB, o Signing) (*x509.Certificate, Key) {
	t.Helper()
	key := ecKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore: time.Now().Add(-time.Second), NotAfter: time.Now().Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
	nameOf(t, template, cmp.Or(o.Identity, Identity))
	issuer := cmp.Or(o.Issuer, Issuer)
	template.ExtraExtensions = append(template.ExtraExtensions, extension(t, "1", issuer), extension(t, "8", issuer))
	for n, v := range o.Claims {
		template.ExtraExtensions = append(template.ExtraExtensions, extension(t, n, v))
	}
	cert := s.issue(t, template, key)
	if !o.NoPromise && !s.noLogs {
		template.ExtraExtensions = append(template.ExtraExtensions, s.promise(t, cert.RawTBSCertificate))
		cert = s.issue(t, template, key)
	}
	return cert, Key{Private: key}
}

func nameOf(t testing.TB, template *x509.Certificate, identity string) {
	t.Helper()
	if !strings.Contains(identity, "://") {
		template.EmailAddresses = []string{identity}
		return
	}
	u, err := url.Parse(identity)
	must(t, err)
	template.URIs = []*url.URL{u}
}

// extension is a claim of Fulcio's (1.3.6.1.4.1.57264.1.N): those up to 6 are bare text, later ones are in DER.
func extension(t testing.TB, number, value string) pkix.Extension {
	t.Helper()
	n, err := strconv.Atoi(number)
	must(t, err)
	e := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}, Value: []byte(value)}
	if n > 6 {
		e.Value, err = asn1.MarshalWithParams(value, "utf8")
		must(t, err)
	}
	return e
}

func (s *Sigstore) issue(t testing.TB, template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, s.issuer, key.Public(), s.issuerKey)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

// promise is the extension with the log's signed timestamp of a certificate that does not hold it yet (RFC 6962, sections 3.2 and 3.3).
func (s *Sigstore) promise(t testing.TB, tbs []byte) pkix.Extension {
	t.Helper()
	now := uint64(time.Now().UnixMilli())
	issuer, id := sha256.Sum256(s.issuer.RawSubjectPublicKeyInfo), logID(t, s.ctKey)
	var signed cryptobyte.Builder
	signed.AddBytes([]byte{0, 0}) // version 1, the timestamp of a certificate
	signed.AddUint64(now)
	signed.AddUint16(1) // before it was issued
	signed.AddBytes(issuer[:])
	signed.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(tbs) })
	signed.AddUint16(0) // no extensions
	sum := sha256.Sum256(signed.BytesOrPanic())
	sig, err := ecdsa.SignASN1(rand.Reader, s.ctKey, sum[:])
	must(t, err)
	var list cryptobyte.Builder
	list.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint8(0)
			b.AddBytes(id[:])
			b.AddUint64(now)
			b.AddUint16(0)
			b.AddBytes([]byte{4, 3}) // SHA-256 with ECDSA
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(sig) })
		})
	})
	value, err := asn1.Marshal(list.BytesOrPanic())
	must(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value}
}
