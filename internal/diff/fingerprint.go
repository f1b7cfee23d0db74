package diff

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/httpx"
)

// TypeSecret is the Type of a secret that is known by its fingerprint alone, as a record holds it: Value is what Fingerprint gave, ""
// where there was no key.
const TypeSecret = "secret"

// minKey is the shortest key of a fingerprint, in bytes. Who knows a short one can try all likely secrets.
const minKey = 16

// ValidKey says what is wrong with a key for Fingerprint.
func ValidKey(key httpx.Secret) error {
	if len(key.Reveal()) < minKey {
		return fmt.Errorf("the key of the fingerprints is too short, want at least %d characters: make one with openssl rand -base64 32", minKey)
	}
	return nil
}

// Fingerprint gives a text by which a secret is known again, and which tells nothing else of it, not even its length, to those who don't
// have the key: "v1:KEY:MAC", an HMAC-SHA256 (RFC 2104) of the value behind the beginning of one of a fixed text, by which the key is
// known again. It is "" where the key is not valid.
func Fingerprint(key httpx.Secret, value string) string {
	if ValidKey(key) != nil {
		return ""
	}
	return fingerprint([]byte(key.Reveal()), value)
}

func fingerprint(key []byte, value string) string {
	id := mac(key, "the key of bakegate's fingerprints, v1")
	return "v1:" + base64.RawURLEncoding.EncodeToString(id[:6]) + ":" + base64.RawURLEncoding.EncodeToString(mac(key, "value\x00"+value))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// keyOf gives the part of a fingerprint that says with which key it was made.
func keyOf(fingerprint string) string {
	return fingerprint[:max(0, strings.LastIndexByte(fingerprint, ':'))]
}

// fingerprints compares secrets, under the user's key, or one that lives as long as the run.
type fingerprints struct{ key []byte }

func newFingerprints(key httpx.Secret) fingerprints {
	if ValidKey(key) == nil {
		return fingerprints{[]byte(key.Reveal())}
	}
	k := make([]byte, 32)
	_, _ = rand.Read(k) // never fails (crypto/rand)
	return fingerprints{k}
}

// of gives the fingerprint of a secret, whose plain text is given too: in a Secret it is not the value as it is written.
func (f fingerprints) of(n *Node, plain string) string {
	if n.Type == TypeSecret {
		return n.Value
	}
	return fingerprint(f.key, plain)
}

// same says whether two fingerprints are of equal secrets. known is false where that can't be said: a record holds none, or one of
// another key.
func (f fingerprints) same(a, b string) (same, known bool) {
	if keyOf(a) == "" || keyOf(a) != keyOf(b) {
		return false, false
	}
	return hmac.Equal([]byte(a), []byte(b)), true
}
