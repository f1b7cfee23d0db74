package signed

import (
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/bakegate/bakegate/internal/clean"
)

// Policy is who must have signed, ready to be used.
type Policy struct {
	key        signature.Verifier // nil: keyless
	identity   cosign.Identity    // keyless; regular expressions are anchored
	trusted    root.TrustedMaterial
	ignoreTlog bool
	who        string // for people
	// noSCT accepts certificates that no transparency log promised to list. Only tests set it: their certificate authority has no such log.
	noSCT bool
}

// NewPolicy reads the key or the identity, and the trusted root. The public root is fetched through TUF only where none is given and
// one is needed; everything else is local.
func NewPolicy(ctx context.Context, s Signature, dir string) (*Policy, error) {
	p := &Policy{ignoreTlog: s.IgnoreTlog}
	var err error
	switch {
	case (s.Key == "") == (s.Keyless == nil):
		return nil, errors.New("want exactly one of key and keyless")
	case s.Keyless != nil && s.IgnoreTlog:
		return nil, errors.New("ignore-tlog is for a key: a keyless certificate lives ten minutes, and only the log proves when it signed")
	case s.Keyless != nil:
		p.identity, p.who, err = s.Keyless.identity()
	default:
		p.key, err = readKey(inDir(dir, s.Key))
		p.who = "the key " + clean.Cut(filepath.Base(s.Key), 100)
	}
	if err != nil {
		return nil, err
	}
	p.trusted, err = trustedRoot(ctx, s, dir)
	return p, err
}

func inDir(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// maxFile bounds a key or a trusted root: a few KiB.
const maxFile = 4 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than 4 MiB, which no such file is", path)
	}
	return b, nil
}

func readKey(path string) (signature.Verifier, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block != nil && block.Type != "PUBLIC KEY" && block.Type != "RSA PUBLIC KEY" {
		return nil, fmt.Errorf("key %s holds a %q, want a PUBLIC KEY (cosign.pub)", path, clean.Cut(block.Type, 60))
	}
	pub, err := cryptoutils.UnmarshalPEMToPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("key %s: want a PEM file with a public key (cosign.pub): %w", path, err)
	}
	v, err := signature.LoadVerifier(pub, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return v, nil
}

// identity is the certificate that is wanted. Both sides must be said, and a regular expression must match the whole.
func (k Keyless) identity() (cosign.Identity, string, error) {
	var id cosign.Identity
	switch {
	case (k.Issuer == "") == (k.IssuerRegexp == ""):
		return id, "", errors.New("keyless: want exactly one of issuer and issuer-regexp")
	case (k.Identity == "") == (k.IdentityRegexp == ""):
		return id, "", errors.New("keyless: want exactly one of identity and identity-regexp")
	}
	id.Issuer, id.Subject = k.Issuer, k.Identity
	var err error
	if id.IssuerRegExp, err = anchored("issuer-regexp", k.IssuerRegexp); err != nil {
		return id, "", err
	}
	if id.SubjectRegExp, err = anchored("identity-regexp", k.IdentityRegexp); err != nil {
		return id, "", err
	}
	return id, clean.Cut(fmt.Sprintf("%s%s of %s%s", k.Identity, k.IdentityRegexp, k.Issuer, k.IssuerRegexp), 400), nil
}

// anchored makes a regular expression match the whole: the libraries match anywhere.
func anchored(key, pattern string) (string, error) {
	if pattern == "" {
		return "", nil
	}
	if _, err := regexp.Compile(pattern); err != nil { // alone first: a ")" could close our own group
		return "", fmt.Errorf("keyless.%s: %w", key, err)
	}
	whole := "^(?:" + pattern + ")$"
	re, err := regexp.Compile(whole)
	if err != nil {
		return "", fmt.Errorf("keyless.%s: %w", key, err)
	}
	if re.MatchString("") || re.MatchString("https://nobody.invalid/x") {
		return "", fmt.Errorf("keyless.%s %q matches everything, so that every signature would do: name the issuer, organisation or repository", key, clean.Cut(pattern, 100))
	}
	return whole, nil
}

// rootLimit bounds fetching the public root, which takes a handful of requests.
const rootLimit = 45 * time.Second

// trustedRoot is whose certificates and logs are believed.
func trustedRoot(ctx context.Context, s Signature, dir string) (root.TrustedMaterial, error) {
	switch {
	case s.TrustedRoot != "":
		b, err := readFile(inDir(dir, s.TrustedRoot))
		if err != nil {
			return nil, fmt.Errorf("trusted-root: %w", err)
		}
		r, err := root.NewTrustedRootFromJSON(b)
		if err != nil {
			return nil, fmt.Errorf("trusted-root %s: want a trusted_root.json of Sigstore: %w", s.TrustedRoot, err)
		}
		return r, nil
	case s.Key != "" && s.IgnoreTlog:
		return &root.BaseTrustedMaterial{}, nil
	}
	return publicRoot(ctx)
}

// publicRoot fetches the public good instance's root through TUF, from the trust anchor that is built into the library. It leaves
// nothing on the disk.
func publicRoot(ctx context.Context) (root.TrustedMaterial, error) {
	ctx, cancel := context.WithTimeout(ctx, rootLimit)
	defer cancel()
	type answer struct {
		r   *root.TrustedRoot
		err error
	}
	done := make(chan answer, 1)
	go func() { // the library does not keep to the context everywhere
		o := tuf.DefaultOptions().WithContext(ctx)
		o.DisableLocalCache = true
		r, err := root.FetchTrustedRootWithOptions(o)
		done <- answer{r, err}
	}()
	var a answer
	select {
	case a = <-done:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	if a.err != nil {
		return nil, fmt.Errorf("fetching Sigstore's public trusted root from %s: %w; where the runner cannot reach it, save a trusted_root.json and name it in trusted-root",
			tuf.DefaultMirror, a.err)
	}
	return a.r, nil
}
