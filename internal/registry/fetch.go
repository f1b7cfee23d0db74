package registry

import (
	"bytes"
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
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// accept is every form of a manifest that says what it holds. Docker's schema 1 is none: its digest is not that of its bytes.
var accept = strings.Join([]string{string(types.OCIImageIndex), string(types.DockerManifestList), string(types.OCIManifestSchema1),
	string(types.DockerManifestSchema2)}, ", ")

// Manifest is what a registry serves for a reference.
type Manifest struct {
	Bytes       []byte
	Digest      string // of Bytes, computed here
	ContentType string // what the registry calls it, sanitised; not to be believed
	From        string // the repository that served it: a mirror's, or the one that was asked for
}

// DigestError says that a registry served other bytes than those asked for.
type DigestError struct{ Ref, Asked, Got string }

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: the registry serves other bytes than asked for: they hash to %s, want %s", e.Ref, e.Got, e.Asked)
}

func (c *Client) manifest(ctx context.Context, ref name.Reference) (Manifest, error) {
	var m Manifest
	err := c.each(ctx, ref.Context(), func(ctx context.Context, s *session) (err error) {
		m, err = s.manifest(ctx, ref)
		return err
	})
	return m, err
}

func (s *session) manifest(ctx context.Context, ref name.Reference) (Manifest, error) {
	at := s.ref(ref)
	b, h, err := s.get(ctx, "manifests/"+ref.Identifier(), at, accept, MaxManifest)
	if err != nil {
		return Manifest{}, err
	}
	if err := s.plainBytes(at, h); err != nil {
		return Manifest{}, err
	}
	m := Manifest{Bytes: b, Digest: Digest(b), ContentType: clean.Cut(h.Get("Content-Type"), 200), From: s.repo.Name()}
	if d, ok := ref.(name.Digest); ok && d.DigestStr() != m.Digest {
		return m, &DigestError{Ref: at, Asked: d.DigestStr(), Got: m.Digest}
	}
	return m, nil
}

// ref names what is asked of this session: on a mirror it is another name.
func (s *session) ref(ref name.Reference) string {
	if _, ok := ref.(name.Digest); ok {
		return s.repo.Name() + "@" + ref.Identifier()
	}
	return s.repo.Name() + ":" + ref.Identifier()
}

// plainBytes refuses a reply that somebody on the way has compressed, which nobody asked for: its bytes prove nothing about the image.
func (s *session) plainBytes(ref string, h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &Error{Ref: ref, Status: http.StatusOK, Kind: Invalid, Hint: hintInvalid,
			Got: fmt.Sprintf("the reply is encoded as %q, which was not asked for", clean.Cut(e, 40))}
	}
	return nil
}

// Blob gets a blob of at most limit bytes and hashes it; a wrong hash is a *DigestError.
func (c *Client) Blob(ctx context.Context, repo name.Repository, digest string, limit int64) ([]byte, error) {
	var b []byte
	err := c.each(ctx, repo, func(ctx context.Context, s *session) (err error) {
		b, err = s.blob(ctx, digest, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (s *session) blob(ctx context.Context, digest string, limit int64) ([]byte, error) {
	ref := s.repo.Name() + "@" + digest
	if err := checkDigest(ref, digest); err != nil {
		return nil, err
	}
	b, h, err := s.get(ctx, "blobs/"+digest, ref, "*/*", limit)
	if err != nil {
		return nil, err
	}
	if got := Digest(b); got != digest {
		if err := s.plainBytes(ref, h); err != nil { // some stores call a layer's own compression an encoding: then the hash fits
			return nil, err
		}
		return nil, &DigestError{Ref: ref, Asked: digest, Got: got}
	}
	return b, nil
}

// Digest is the digest of bytes, as registries write it.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

var digestForm = lazyregexp.New(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// checkDigest keeps what is no digest out of an address.
func checkDigest(ref, digest string) error {
	if digestForm.MatchString(digest) {
		return nil
	}
	return &Error{Ref: clean.Cut(ref, 300), Kind: Refused, Got: "it is no digest, want sha256: and 64 hexadecimal digits"}
}

// Referrers lists what refers to a digest, from the referrers API or, where the registry has none, from the fallback tag
// (distribution specification 1.1). At most limit are given; more says that there were others.
//
// The registry itself is asked first: a mirror's list is what it happened to copy, and that something is not in it proves nothing. Only
// where the registry can't be asked, a mirror's list counts, if it has any entries.
func (c *Client) Referrers(ctx context.Context, repo name.Repository, digest string, limit int) (ds []v1.Descriptor, more bool, err error) {
	read := func(ctx context.Context, s *session) (err error) {
		ds, more, err = s.referrers(ctx, digest, limit)
		return err
	}
	err = c.itself(ctx, repo, read)
	var e *Error
	if !errors.As(err, &e) || ctx.Err() != nil {
		return ds, more, err
	}
	for _, m := range c.mirrors(repo) {
		if m.try(ctx, read) == nil && len(ds) > 0 {
			return ds, more, nil
		}
	}
	return nil, false, err
}

func (s *session) referrers(ctx context.Context, digest string, limit int) (ds []v1.Descriptor, more bool, err error) {
	ref := s.repo.Name() + "@" + digest
	if err := checkDigest(ref, digest); err != nil {
		return nil, false, err
	}
	b, h, err := s.get(ctx, "referrers/"+digest, ref, string(types.OCIImageIndex), MaxManifest)
	var e *Error
	switch {
	case err == nil:
		return s.pages(ctx, digest, b, h, limit)
	case errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusBadRequest):
		m, err := s.manifest(ctx, s.repo.Tag(strings.Replace(digest, ":", "-", 1)))
		if IsMissing(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		ds, err = list(m.Bytes, ref)
		return ds[:min(len(ds), limit)], len(ds) > limit, err
	}
	return nil, false, err
}

// maxPages bounds how many pages of a list are asked for. Registries give some dozens of entries a page.
const maxPages = 10

// pages reads a list of referrers to its end, or to the limit. b and h are its first page.
func (s *session) pages(ctx context.Context, digest string, b []byte, h http.Header, limit int) (ds []v1.Descriptor, more bool, err error) {
	ref := s.repo.Name() + "@" + digest
	for page := 1; ; page++ {
		entries, err := list(b, ref)
		if err != nil {
			return nil, false, err
		}
		ds = append(ds, entries...)
		next := nextPage(h)
		switch {
		case len(ds) > limit:
			return ds[:limit], true, nil
		case next == "":
			return ds, false, nil
		case len(ds) == limit || page == maxPages:
			return ds, true, nil
		}
		if b, h, err = s.get(ctx, "referrers/"+digest+"?"+next, ref, string(types.OCIImageIndex), MaxManifest); err != nil {
			return nil, false, err
		}
	}
}

func list(b []byte, ref string) ([]v1.Descriptor, error) {
	var index v1.IndexManifest
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, &Error{Ref: ref, Kind: Invalid, Got: "its list of referrers is no image index", err: err}
	}
	return index.Manifests, nil
}

// nextPage is the query of the next page (RFC 8288, rel="next"), "" where there is none. Only the query is taken: the page is asked for
// where the list is, wherever the link leads.
func nextPage(h http.Header) string {
	for _, link := range strings.Split(strings.Join(h.Values("Link"), ", "), ", <") {
		target, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
		if !ok || !strings.Contains(rest, "next") || len(target) > 4096 {
			continue
		}
		if u, err := url.Parse(target); err == nil {
			return u.Query().Encode()
		}
	}
	return ""
}

// get reads one resource of a repository. A body that breaks off is fetched a second time.
func (s *session) get(ctx context.Context, path, ref, accept string, limit int64) ([]byte, http.Header, error) {
	b, h, err := s.once(ctx, path, accept, limit)
	if errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil {
		b, h, err = s.once(ctx, path, accept, limit)
	}
	if err != nil {
		return nil, nil, s.c.explain(s.repo, ref, err)
	}
	return b, h, nil
}

func (s *session) once(ctx context.Context, path, accept string, limit int64) ([]byte, http.Header, error) {
	resp, err := s.do(ctx, http.MethodGet, path, http.Header{"Accept": {accept}})
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, statusError(resp)
	}
	defer resp.Body.Close()
	b, err := readBody(resp, limit)
	return b, resp.Header, err
}

// readBody reads at most limit bytes. The length that the registry names saves the copies of a buffer that grows, up to what a manifest may
// have: it is only a claim.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	var b bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= limit {
		b.Grow(int(min(n, MaxManifest)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(b.Len()) > limit {
		err = &TooLarge{limit}
	}
	return b.Bytes(), err
}

// statusError is the registry's answer, read and closed; one whose body can't be read is still an answer.
func statusError(resp *http.Response) error {
	defer resp.Body.Close()
	err := transport.CheckError(resp)
	var e *transport.Error
	if errors.As(err, &e) {
		return err
	}
	return &transport.Error{StatusCode: resp.StatusCode, Request: resp.Request}
}
