package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/clean"
)

// accept is every form of a manifest that says what it holds. Docker's schema 1 is none: its digest is not that of its bytes.
var accept = strings.Join([]string{string(types.OCIImageIndex), string(types.DockerManifestList), string(types.OCIManifestSchema1),
	string(types.DockerManifestSchema2)}, ", ")

// Manifest is what a registry serves for a reference.
type Manifest struct {
	Bytes       []byte
	Digest      string // of Bytes, computed here
	ContentType string // what the registry calls it, sanitised; not to be believed
}

// DigestError says that a registry served other bytes than those asked for.
type DigestError struct{ Ref, Asked, Got string }

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: the registry serves other bytes than asked for: they hash to %s, want %s", e.Ref, e.Got, e.Asked)
}

// Manifest gets a manifest by tag or digest and hashes it. No header is believed. Bytes that do not have the digest asked for are a
// *DigestError; everything else that fails is an *Error, or the context's error.
func (c *Client) Manifest(ctx context.Context, ref name.Reference) (Manifest, error) {
	b, h, err := c.get(ctx, ref.Context(), "manifests/"+ref.Identifier(), ref.Name(), accept, MaxManifest)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Bytes: b, Digest: Digest(b), ContentType: clean.Cut(h.Get("Content-Type"), 200)}
	if d, ok := ref.(name.Digest); ok && d.DigestStr() != m.Digest {
		return m, &DigestError{Ref: ref.Name(), Asked: d.DigestStr(), Got: m.Digest}
	}
	return m, nil
}

// Blob gets a blob of at most limit bytes and hashes it; a wrong hash is a *DigestError.
func (c *Client) Blob(ctx context.Context, repo name.Repository, digest string, limit int64) ([]byte, error) {
	ref := repo.Name() + "@" + digest
	b, _, err := c.get(ctx, repo, "blobs/"+digest, ref, "*/*", limit)
	if err != nil {
		return nil, err
	}
	if got := Digest(b); got != digest {
		return nil, &DigestError{Ref: ref, Asked: digest, Got: got}
	}
	return b, nil
}

// Digest is the digest of bytes, as registries write it.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Referrers lists what refers to a digest, from the referrers API or, where the registry has none, from the fallback tag
// (distribution specification 1.1). At most limit are given; more says that there were others.
func (c *Client) Referrers(ctx context.Context, repo name.Repository, digest string, limit int) (ds []v1.Descriptor, more bool, err error) {
	b, h, err := c.get(ctx, repo, "referrers/"+digest, repo.Name()+"@"+digest, string(types.OCIImageIndex), MaxManifest)
	var e *Error
	switch {
	case err == nil:
		more = h.Get("Link") != ""
	case errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusBadRequest):
		m, err := c.Manifest(ctx, repo.Tag(strings.Replace(digest, ":", "-", 1)))
		if IsMissing(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		b = m.Bytes
	default:
		return nil, false, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, false, &Error{Ref: repo.Name() + "@" + digest, Kind: Invalid, Got: "its list of referrers is no image index", err: err}
	}
	if len(index.Manifests) > limit {
		return index.Manifests[:limit], true, nil
	}
	return index.Manifests, more, nil
}

// get reads one resource of a repository, within the time limit of a call. A body that breaks off is fetched a second time.
func (c *Client) get(ctx context.Context, repo name.Repository, path, ref, accept string, limit int64) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Limit)
	defer cancel()
	b, h, err := c.once(ctx, repo, path, accept, limit)
	if errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil {
		b, h, err = c.once(ctx, repo, path, accept, limit)
	}
	if err != nil {
		return nil, nil, c.explain(repo, ref, err)
	}
	return b, h, nil
}

func (c *Client) once(ctx context.Context, repo name.Repository, path, accept string, limit int64) ([]byte, http.Header, error) {
	client, err := c.login(ctx, repo)
	if err != nil {
		return nil, nil, err
	}
	u := url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/" + path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, statusError(resp)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = &TooLarge{limit}
	}
	return b, resp.Header, err
}

// statusError is the registry's answer; one whose body can't be read is still an answer.
func statusError(resp *http.Response) error {
	err := transport.CheckError(resp)
	var e *transport.Error
	if errors.As(err, &e) {
		return err
	}
	return &transport.Error{StatusCode: resp.StatusCode, Request: resp.Request}
}
