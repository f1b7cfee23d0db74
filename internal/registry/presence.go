package registry

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/clean"
)

// Has reports whether a repository has a blob. It is there where the registry, or one of its mirrors, says so; it is missing where the
// registry says so in its own words. Everything else is an *Error, or the context's error.
//
// One HEAD is enough for a blob that is there. A 404 to a HEAD has no body, so that nothing tells a registry's from a proxy's: the same is
// asked with a GET for one byte, whose 404 has the registry's words, and which costs no more than a byte where the blob is there after
// all. The same GET is asked where HEAD is not allowed, and where the store behind the registry refuses it: links that are signed for GET
// answer HEAD with 403.
func (c *Client) Has(ctx context.Context, repo name.Repository, digest string) (bool, error) {
	err := c.each(ctx, repo, func(ctx context.Context, s *session) error { return s.has(ctx, digest) })
	if IsMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// has is nil where the blob is there.
func (s *session) has(ctx context.Context, digest string) error {
	ref := s.repo.Name() + "@" + digest
	if err := checkDigest(ref, digest); err != nil {
		return err
	}
	err := s.look(ctx, http.MethodHead, digest, ref)
	if err == errAskAgain {
		err = s.look(ctx, http.MethodGet, digest, ref)
	}
	if err != nil {
		return s.c.explain(s.repo, ref, err)
	}
	return nil
}

// errAskAgain is an answer to HEAD that proves nothing.
const errAskAgain = refused("HEAD proves nothing")

func (s *session) look(ctx context.Context, method, digest, ref string) error {
	h := http.Header{"Accept": {"*/*"}}
	if method == http.MethodGet {
		h.Set("Range", "bytes=0-0")
	}
	resp, err := s.do(ctx, method, "blobs/"+digest, h)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusOK, code == http.StatusPartialContent:
		return page(resp, digest, ref)
	case code == http.StatusRequestedRangeNotSatisfiable && method == http.MethodGet:
		return nil // it has no first byte: the empty blob
	case method == http.MethodHead && s.proves(resp):
		return statusError(resp)
	case method == http.MethodHead:
		return errAskAgain
	}
	return statusError(resp)
}

// proves reports whether a failed HEAD is final: a GET would be answered alike.
func (s *session) proves(resp *http.Response) bool {
	if !s.via.p.own(resp.Request.URL) {
		return false // a store
	}
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest:
		return false
	}
	return true
}

// page tells a blob from the page of a proxy or a portal, which answers everything with 200.
func page(resp *http.Response, digest, ref string) error {
	kind := resp.Header.Get("Content-Type")
	if !strings.HasPrefix(strings.ToLower(kind), "text/html") || resp.Header.Get("Docker-Content-Digest") == digest {
		return nil
	}
	return &Error{Ref: ref, Status: resp.StatusCode, Kind: Invalid, Hint: hintInvalid,
		Got: "the answer is a page (" + clean.Cut(kind, 60) + "), not a blob"}
}
