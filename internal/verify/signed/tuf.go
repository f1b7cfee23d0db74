package signed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/httpx"
)

// Bounds of fetching a trusted root: a handful of requests, or one more for each time that the root's keys were changed.
const (
	tufLimit    = 45 * time.Second
	tufRequests = 64
	maxTUFFile  = 5 << 20
)

// publicRoot fetches the public good instance's root through TUF, from the trust anchor that is built into the library.
func publicRoot(ctx context.Context) ([]trust, error) {
	t, err := fetchRoot(ctx, httpx.Remote{URL: tuf.DefaultMirror}, tuf.DefaultRoot())
	if err != nil {
		const cure = "where the runner cannot reach it, save a trusted_root.json and name it in trusted-root"
		return nil, fmt.Errorf("fetching Sigstore's public trusted root: %w; %s", err, cure)
	}
	t.name = "Sigstore's public trusted root"
	return []trust{t}, nil
}

// privateRoot fetches the root of another instance, from the trust anchor that the configuration names.
func privateRoot(ctx context.Context, o TUF, dir string) ([]trust, error) {
	anchor, err := readFile(inDir(dir, o.Root))
	if err != nil {
		return nil, fmt.Errorf("tuf.root: %w", err)
	}
	t, err := fetchRoot(ctx, o.Remote, anchor)
	if err != nil {
		return nil, fmt.Errorf("tuf: fetching the trusted root: %w", err)
	}
	t.name = "the trusted root of " + clean.Cut(o.URL, 100)
	return []trust{t}, nil
}

// fetchRoot gets trusted_root.json out of a TUF repository. Nothing is read from the disk or left there: a checkout that brings a cache
// along must not be believed.
func fetchRoot(ctx context.Context, r httpx.Remote, anchor []byte) (trust, error) {
	ctx, cancel := context.WithTimeout(ctx, tufLimit)
	defer cancel()
	c, err := httpx.New(r, httpx.WithMaxBody(maxTUFFile))
	if err != nil {
		return trust{}, err
	}
	f := &tufFetcher{ctx: ctx, client: c}
	var t trust
	err = guarded(func() error {
		client, err := tuf.New(&tuf.Options{Root: anchor, RepositoryBaseURL: c.URL(), Fetcher: f, DisableLocalCache: true,
			CachePath: filepath.Join(os.DevNull, "none")}) // the library looks there even without a cache
		if err != nil {
			return err
		}
		t.TrustedMaterial, err = root.GetTrustedRoot(client)
		return err
	})
	switch {
	case err == nil:
		return t, nil
	case ctx.Err() != nil:
		return trust{}, fmt.Errorf("%s: no complete answer within %s: %w", c.URL(), tufLimit, ctx.Err())
	case f.err != nil: // what went wrong on the network says more than what the library makes of it
		return trust{}, f.err
	}
	return trust{}, fmt.Errorf("%s: %s%s", c.URL(), clean.Cut(err.Error(), 400), tufCause(err))
}

// tufCause is the usual reason behind a refusal of the library.
func tufCause(err error) string {
	switch {
	case errors.Is(err, &metadata.ErrExpiredMetadata{}):
		return "; the repository was not renewed in time, or an old copy is served"
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		return "; it is signed by other keys than tuf.root says: is that the root.json of this repository?"
	}
	return ""
}

// tufFetcher fetches for the TUF library, which knows neither contexts nor limits on how often it asks.
type tufFetcher struct {
	ctx    context.Context
	client *httpx.Client
	n      int
	err    error
}

// DownloadFile gets one file of the repository. A file that is not there is an error of the library's own kind, which it waits for to know
// that there is no newer root.
func (f *tufFetcher) DownloadFile(url string, limit int64, _ time.Duration) ([]byte, error) {
	path, ok := strings.CutPrefix(url, f.client.URL()+"/")
	if !ok {
		return nil, f.fail(fmt.Errorf("%s: the repository names a file outside of itself (%s)", f.client.URL(), clean.Cut(url, 200)))
	}
	if f.n++; f.n > tufRequests {
		return nil, f.fail(fmt.Errorf("%s: more than %d requests for one trusted root", f.client.URL(), tufRequests))
	}
	resp, err := f.client.Do(f.ctx, httpx.Request{Path: "/" + path})
	var status *httpx.StatusError
	switch {
	case errors.As(err, &status) && status.Status == http.StatusNotFound:
		return nil, &metadata.ErrDownloadHTTP{StatusCode: status.Status, URL: url}
	case err != nil:
		return nil, f.fail(err)
	case int64(len(resp.Body)) > limit:
		return nil, &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("%s has %d bytes, want at most %d", url, len(resp.Body), limit)}
	}
	return resp.Body, nil
}

func (f *tufFetcher) fail(err error) error {
	f.err = err
	return err
}
