package signed

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/bakegate/bakegate/internal/clean"
)

// key is a public key that may have signed.
type key struct {
	name     string // for people
	verifier signature.Verifier
}

// hashes are the names that hash-algorithm takes.
var hashes = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

// pemBegin tells the text of a key from the path of one.
const pemBegin = "-----BEGIN"

func isPEM(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), pemBegin) }

// keyName is what people call a key: the file, or that it was written out.
func keyName(s string) string {
	if isPEM(s) {
		return "the key of the configuration"
	}
	return "the key " + clean.Cut(filepath.Base(s), 100)
}

// readKey reads a key's file, or the text where that was given instead.
func readKey(dir, s, hash string) (key, error) {
	b, from := []byte(s), "the key"
	if !isPEM(s) {
		var err error
		from = "key " + inDir(dir, s)
		if b, err = readFile(inDir(dir, s)); err != nil {
			return key{}, fmt.Errorf("key: %w", err)
		}
	}
	pub, err := parseKey(b)
	if err != nil {
		return key{}, fmt.Errorf("%s: %w", from, err)
	}
	v, err := newVerifier(pub, hash)
	if err != nil {
		return key{}, fmt.Errorf("%s: %w", from, err)
	}
	return key{keyName(s), v}, nil
}

// parseKey reads a public key: PEM, as cosign and `gcloud kms keys versions get-public-key` write it, DER, or DER in base64, as
// `aws kms get-public-key` prints it. One key, and nothing else.
func parseKey(b []byte) (crypto.PublicKey, error) {
	var pub crypto.PublicKey
	var err error
	if isPEM(string(b)) {
		pub, err = parsePEM(b)
	} else {
		pub, err = parseDER(b)
	}
	if err != nil {
		return nil, err
	}
	return pub, checkStrength(pub)
}

func parsePEM(b []byte) (crypto.PublicKey, error) {
	block, rest := pem.Decode(bytes.TrimSpace(b))
	switch {
	case block == nil:
		return nil, errors.New("want a PEM file with a public key (cosign.pub): this one is cut off or damaged")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("it holds more than one block: give one public key a file, and several in keys")
	case block.Type == "CERTIFICATE":
		return nil, errors.New("it holds a certificate, want a PUBLIC KEY: openssl x509 -pubkey -noout -in FILE writes it")
	case block.Type == "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("it holds a %q, want a PUBLIC KEY (cosign.pub)", clean.Cut(block.Type, 60))
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

func parseDER(b []byte) (crypto.PublicKey, error) {
	der := b
	if text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), "")); err == nil {
		der = text
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("want a PEM file with a public key (cosign.pub), or its DER: %w", err)
	}
	return pub, nil
}

// The smallest RSA key that NIST SP 800-131A rev. 2 still allows, and the largest that costs no noticeable time.
const (
	minRSA = 2048
	maxRSA = 16384
)

// checkStrength refuses keys that are too weak, and kinds that no signer of images uses.
func checkStrength(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("the RSA key has %d bits, want %d to %d", n, minRSA, maxRSA)
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
		default:
			return fmt.Errorf("the ECDSA key is on the curve %s, want P-256, P-384 or P-521", k.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("got a key of type %T, want ECDSA, RSA or Ed25519", pub)
	}
	return nil
}

// newVerifier makes what checks a key's signatures. Cosign signs a hash that fits the key (SHA-384 for P-384), some KMS and older
// versions SHA-256 whatever the key, and Ed25519 with or without hashing first; where hash does not say which, each of them counts. That
// takes nothing from the proof: a signature is over one of these hashes of the same bytes.
func newVerifier(pub crypto.PublicKey, hash string) (signature.Verifier, error) {
	_, isEd := pub.(ed25519.PublicKey)
	if h, ok := hashes[hash]; ok && !isEd {
		return signature.LoadVerifier(pub, h)
	} else if hash != "" && isEd {
		return nil, errors.New("hash-algorithm is for ECDSA and RSA keys: Ed25519 has one of its own")
	}
	var vs []signature.Verifier
	add := func(v signature.Verifier, err error) error {
		vs = append(vs, v)
		return err
	}
	var err error
	switch k := pub.(type) {
	case ed25519.PublicKey:
		err = errors.Join(add(signature.LoadED25519Verifier(k)), add(signature.LoadED25519phVerifier(k)))
	default:
		for _, h := range usualHashes(pub) {
			err = errors.Join(err, add(signature.LoadVerifier(pub, h)))
		}
	}
	if err != nil {
		return nil, err
	}
	return anyHash(vs), nil
}

func usualHashes(pub crypto.PublicKey) []crypto.Hash {
	k, ok := pub.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} // RSA: the signature itself names its hash
	case k.Curve == elliptic.P384():
		return []crypto.Hash{crypto.SHA384, crypto.SHA256}
	case k.Curve == elliptic.P521():
		return []crypto.Hash{crypto.SHA512, crypto.SHA256}
	}
	return []crypto.Hash{crypto.SHA256}
}

// anyHash is several ways to check one key's signature; all have the same key, and one good is enough.
type anyHash []signature.Verifier

// PublicKey gives the key.
func (a anyHash) PublicKey(opts ...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return a[0].PublicKey(opts...)
}

// VerifySignature checks a signature of a message, both of which are bounded by whoever read them.
func (a anyHash) VerifySignature(sig, message io.Reader, opts ...signature.VerifyOption) error {
	s, err := io.ReadAll(sig)
	if err != nil {
		return err
	}
	m, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	var first error
	for _, v := range a {
		err := v.VerifySignature(bytes.NewReader(s), bytes.NewReader(m), opts...)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}
