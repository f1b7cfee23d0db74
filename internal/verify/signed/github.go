package signed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/golang/snappy"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/release"
)

// Bounds of what GitHub is asked for.
const (
	perPage      = "30" // gh asks for as many
	maxPages     = 4
	maxListReply = 32 << 20
)

const publicGitHub = "https://api.github.com"

// repositoryForm is OWNER/NAME as GitHub has it.
var repositoryForm = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$`)

// github reads artifact attestations (docs.github.com/rest/repos/attestations, API version 2022-11-28).
type github struct {
	api     *httpx.Client
	options GitHub
}

func newGitHub(g GitHub) (*github, error) {
	if g.URL == "" {
		g.URL = publicGitHub
	}
	c, err := httpx.New(g.Remote, httpx.WithBearer(g.Token), httpx.WithMaxBody(maxListReply), httpx.WithUserAgent(g.Version))
	if err != nil {
		return nil, fmt.Errorf("GitHub's API: %w", err)
	}
	return &github{c, g}, nil
}

// repositoryOf is where the attestations of a look are kept.
func (l *look) repositoryOf() (string, error) {
	repo := l.repository
	if repo == "" {
		repo = l.release.Repository
		if u, err := url.Parse(repo); err == nil && u.Host != "" {
			repo = strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
		}
	}
	if !repositoryForm.MatchString(repo) {
		return "", fmt.Errorf("the repository of this deploy is not known, so that GitHub can't be asked for its attestations: add repository: OWNER/NAME")
	}
	return repo, nil
}

// readGitHub reads what is kept on GitHub, once for each repository.
func (a *Attestations) readGitHub(ctx context.Context, looks []look, on Subject, r release.Release) error {
	byRepo := map[string][]*look{}
	var order []string
	for i := range looks {
		l := &looks[i]
		if l.wanted.from != fromGitHub {
			continue
		}
		repo, err := l.repositoryOf()
		if err != nil {
			return err
		}
		if byRepo[repo] == nil {
			order = append(order, repo)
		}
		byRepo[repo] = append(byRepo[repo], l)
	}
	for _, repo := range order {
		for _, digest := range on.Digests {
			if err := a.github.read(ctx, repo, digest, on.Digests, byRepo[repo]); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is one attestation of GitHub's list: its bundle, or where that is.
type entry struct {
	Bundle    json.RawMessage `json:"bundle"`
	BundleURL string          `json:"bundle_url"`
}

func (g *github) read(ctx context.Context, repo, digest string, digests []string, looks []*look) error {
	entries, more, err := g.list(ctx, repo, digest)
	if err != nil {
		return err
	}
	for _, l := range looks {
		l.more = l.more || more
	}
	read := 0
	for i, e := range entries {
		if read >= maxRead {
			for _, l := range looks {
				l.more = true
			}
			return nil
		}
		name := fmt.Sprintf("GitHub attestation %d", i+1)
		if len(entries) > 1 || len(digests) > 1 {
			name += " of " + digest[:19]
		}
		b, bad, err := g.bundle(ctx, e, readLimit(looks))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		read += len(b)
		for _, l := range looks {
			if bad != nil {
				l.refused(name, bad)
				continue
			}
			l.take(ctx, name, func(s *signer) (claim, error) { return s.bundle(b, digests) })
		}
	}
	return nil
}

// list gets the attestations of a digest, page by page.
func (g *github) list(ctx context.Context, repo, digest string) (entries []entry, more bool, err error) {
	query := url.Values{"per_page": {perPage}}
	for range maxPages {
		resp, err := g.api.Do(ctx, httpx.Request{Path: "/repos/" + repo + "/attestations/" + digest, Query: query,
			Header: http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}}})
		var status *httpx.StatusError
		switch {
		case errors.As(err, &status) && status.Status == http.StatusNotFound:
			return entries, false, g.visible(ctx, repo)
		case err != nil:
			return nil, false, fmt.Errorf("GitHub's attestations: %w", err)
		}
		var page struct {
			Attestations []entry `json:"attestations"`
		}
		if err := httpx.DecodeJSON(resp, &page); err != nil {
			return nil, false, fmt.Errorf("GitHub's attestations: %w", err)
		}
		entries = append(entries, page.Attestations...)
		after := nextPage(resp.Header.Get("Link"))
		if after == "" {
			return entries, false, nil
		}
		query.Set("after", after)
	}
	return entries, true, nil
}

// visible tells "there is none" from "you may not see it": GitHub answers 404 to both. Only a repository that can be read has none.
func (g *github) visible(ctx context.Context, repo string) error {
	_, err := g.api.Do(ctx, httpx.Request{Path: "/repos/" + repo, Header: http.Header{"Accept": {"application/vnd.github+json"}}})
	if err == nil {
		return nil
	}
	return fmt.Errorf("GitHub's attestations of %s: %w; give the job `permissions: attestations: read, contents: read` and the step its token", repo, err)
}

// nextPage is the cursor of the next page in a Link header (RFC 8288); "" on the last one. Only the cursor is taken: the address stays ours.
func nextPage(link string) string {
	for _, part := range strings.Split(link, ",") {
		target, rel, ok := strings.Cut(strings.TrimSpace(part), ">")
		if !ok || !strings.Contains(rel, `rel="next"`) {
			continue
		}
		if u, err := url.Parse(strings.TrimPrefix(target, "<")); err == nil {
			return u.Query().Get("after")
		}
	}
	return ""
}

// bundle gives the bytes of an attestation's bundle. bad says that they are no such thing; err that they could not be read.
func (g *github) bundle(ctx context.Context, e entry, limit int64) (b []byte, bad, err error) {
	switch {
	case len(e.Bundle) > 0 && string(e.Bundle) != "null":
		if int64(len(e.Bundle)) > limit {
			return nil, fmt.Errorf("it has %d bytes; one larger than %s is not read", len(e.Bundle), size(limit)), nil
		}
		return e.Bundle, nil, nil
	case e.BundleURL == "":
		return nil, errors.New("GitHub gives neither a bundle nor its address"), nil
	}
	packed, err := g.fetch(ctx, e.BundleURL, limit)
	if err != nil {
		return nil, nil, err
	}
	return unpack(packed, limit)
}

// fetch reads a bundle from the store behind GitHub: another host, which never sees the token. The address carries its own signature.
func (g *github) fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && strings.HasPrefix(g.api.URL(), "https:") {
		return nil, fmt.Errorf("GitHub gives the address %q for a bundle, want https://HOST/PATH", clean.Cut(address, 60))
	}
	r := httpx.Remote{URL: u.Scheme + "://" + u.Host, CA: g.options.CA, Timeout: g.options.Timeout}
	c, err := httpx.New(r, httpx.WithMaxBody(limit+limit/6+64), httpx.WithUserAgent(g.options.Version)) // snappy grows what it can't pack by a sixth
	if err != nil {
		return nil, fmt.Errorf("GitHub's address for a bundle: %w", err)
	}
	resp, err := c.Do(ctx, httpx.Request{Path: u.EscapedPath(), Query: u.Query()})
	if err != nil {
		return nil, fmt.Errorf("GitHub's store of bundles: %w", err)
	}
	return resp.Body, nil
}

// unpack undoes the compression (snappy's block format), which tells first how large the result is.
func unpack(b []byte, limit int64) (out []byte, bad, err error) {
	if len(b) > 0 && b[0] == '{' { // not packed; a packed bundle that begins so would be 123 bytes long
		return b, nil, nil
	}
	n, err := snappy.DecodedLen(b)
	if err != nil || int64(n) > limit {
		return nil, fmt.Errorf("it is no bundle packed with snappy, or it has more than %s", size(limit)), nil
	}
	if out, err = snappy.Decode(make([]byte, n), b); err != nil {
		return nil, errors.New("it is no bundle packed with snappy: it is damaged"), nil
	}
	return out, nil, nil
}
