package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// The media types of the layers in a registry.
const (
	RecordMediaType = "application/vnd.bakegate.record.v1+json"
	StateMediaType  = "application/vnd.bakegate.state.v1+json+gzip"
)

// newest bounds how many records of one service and environment are read from a registry.
const newest = 200

// registryOptions is written `registry: REPOSITORY` or as a mapping.
type registryOptions struct {
	Repository string `yaml:"repository,required"` // ghcr.io/acme/deploys
	PlainHTTP  bool   `yaml:"plain-http"`
}

func (o *registryOptions) UnmarshalText(b []byte) error {
	o.Repository = string(b)
	return nil
}

func buildRegistry(decode func(any) error) (Opener, error) {
	var o registryOptions
	if err := decode(&o); err != nil {
		return nil, err
	}
	var opts []name.Option
	if o.PlainHTTP {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(o.Repository, opts...)
	if err != nil {
		return nil, fmt.Errorf("the ledger's repository %q: %w", o.Repository, err)
	}
	return func(e Env) (Store, error) { return ociStore{repo, e.Registry}, nil }, nil
}

// Remotes is the way to a registry: registry.Client.
type Remotes interface {
	// Remote gives the options with which a repository is reached: credentials, limits, time-outs.
	Remote(ctx context.Context, repo name.Repository) []remote.Option
	// Explain says what an error of a call means, and which credential was tried.
	Explain(repo name.Repository, err error) error
}

// ociStore keeps each record as an artifact with a tag of its own. There is no shared index, so that no two writers can lose each
// other's record: a registry has no conditional writes.
type ociStore struct {
	repo    name.Repository
	remotes Remotes
}

func (s ociStore) String() string { return "registry " + s.repo.Name() }

// readBack is how often a record is looked for after it was written: some registries show a new tag late.
const readBack = 5

func (s ociStore) Put(ctx context.Context, r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	img, err := artifact(b, RecordMediaType)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	tag := s.repo.Tag(tagOf(r))
	if err := remote.Write(tag, img, s.remotes.Remote(ctx, s.repo)...); err != nil {
		return fmt.Errorf("ledger: writing %s: %w", tag, s.remotes.Explain(s.repo, err))
	}
	var last error
	for i := range readBack {
		got, err := s.read(ctx, tag)
		if err == nil && got.DeployID == r.DeployID && got.Kind == r.Kind {
			return nil
		}
		last = err
		if err := pause(ctx, time.Duration(i)*200*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("ledger: %s was written but can't be read back: %w", tag, errors.Join(last, ctx.Err()))
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func artifact(b []byte, mediaType types.MediaType) (v1.Image, error) {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, "application/vnd.oci.empty.v1+json")
	return mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(b, mediaType), MediaType: mediaType})
}

var notTag = lazyregexp.New(`[^A-Za-z0-9_-]+`)

// prefixOf is the part of a tag that says service and environment. Two names that look alike here are told apart by the record itself.
func prefixOf(service, environment string) string {
	part := func(s string) string {
		s = notTag.ReplaceAllString(s, "-")
		return s[:min(len(s), 30)]
	}
	return "d." + part(service) + "." + part(environment) + "."
}

// tagOf names a record: prefix, time in ms, kind and the end of the deploy id, which holds its hash. At most 128 characters.
func tagOf(r Record) string {
	id := notTag.ReplaceAllString(r.DeployID, "-")
	return fmt.Sprintf("%s%013d.%s.%s", prefixOf(r.Release.Service, r.Release.Environment), r.At.UnixMilli(), r.Kind, id[max(0, len(id)-24):])
}

func (s ociStore) List(ctx context.Context, service, environment string) ([]Record, error) {
	tags, err := remote.List(s.repo, s.remotes.Remote(ctx, s.repo)...)
	if err != nil {
		if missing(err) {
			return nil, nil // nothing was written yet
		}
		return nil, fmt.Errorf("ledger: listing %s: %w", s.repo, s.remotes.Explain(s.repo, err))
	}
	return s.readAll(ctx, newestTags(tags, service, environment), service, environment)
}

func newestTags(tags []string, service, environment string) []string {
	prefix := prefixOf(service, environment)
	var own []string
	for _, t := range tags {
		parts := strings.Split(t, ".")
		if len(parts) != 6 || parts[0] != "d" {
			continue // not a record
		}
		if (service != "" || environment != "") && !matches(prefix, t, service, environment) {
			continue
		}
		own = append(own, t)
	}
	when := func(t string) string { return strings.Split(t, ".")[3] }
	sort.Slice(own, func(i, j int) bool { return when(own[i]) > when(own[j]) })
	return own[:min(len(own), newest)]
}

func matches(prefix, tag, service, environment string) bool {
	if service != "" && environment != "" {
		return strings.HasPrefix(tag, prefix)
	}
	if service != "" {
		return strings.HasPrefix(tag, strings.TrimSuffix(prefix, "."))
	}
	return strings.Split(tag, ".")[2] == strings.Split(prefix, ".")[2]
}

// readAll reads the records, a few at a time.
func (s ociStore) readAll(ctx context.Context, tags []string, service, environment string) ([]Record, error) {
	got, errs := make([]Record, len(tags)), make([]error, len(tags))
	slots := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i, t := range tags {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			got[i], errs[i] = s.read(ctx, s.repo.Tag(t))
		}()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var rs []Record
	for _, r := range got {
		if (service == "" || r.Release.Service == service) && (environment == "" || r.Release.Environment == environment) {
			rs = append(rs, r)
		}
	}
	return byTime(rs), nil
}

func (s ociStore) read(ctx context.Context, tag name.Tag) (Record, error) {
	b, err := s.layer(ctx, tag, maxRecord)
	if err != nil {
		return Record{}, fmt.Errorf("ledger: reading %s: %w", tag, s.remotes.Explain(s.repo, err))
	}
	r, err := decodeRecord(b)
	if err != nil {
		return r, fmt.Errorf("ledger: %s: %w", tag, err)
	}
	return r, nil
}

// stateTag keeps a registry's clean-up from a state: what has no tag is garbage to it.
func (s ociStore) stateTag(digest string) name.Tag { return s.repo.Tag("s." + stateName(digest)) }

func (s ociStore) PutState(ctx context.Context, state []byte) (string, error) {
	packed, digest, err := packState(state)
	if err != nil {
		return "", err
	}
	img, err := artifact(packed, StateMediaType)
	if err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	tag := s.stateTag(digest)
	if err := remote.Write(tag, img, s.remotes.Remote(ctx, s.repo)...); err != nil {
		return "", fmt.Errorf("ledger: writing %s: %w", tag, s.remotes.Explain(s.repo, err))
	}
	return digest, nil
}

func (s ociStore) State(ctx context.Context, digest string) ([]byte, error) {
	if err := checkState(digest); err != nil {
		return nil, err
	}
	tag := s.stateTag(digest)
	b, err := s.layer(ctx, tag, maxState)
	if err != nil {
		return nil, fmt.Errorf("ledger: reading %s: %w", tag, s.remotes.Explain(s.repo, err))
	}
	return unpackState(bytes.NewReader(b), digest)
}

// layer reads the bytes of an artifact's one layer; go-containerregistry checks them against the manifest's digest.
func (s ociStore) layer(ctx context.Context, tag name.Tag, limit int64) ([]byte, error) {
	img, err := remote.Image(tag, s.remotes.Remote(ctx, s.repo)...)
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	if len(layers) != 1 {
		return nil, fmt.Errorf("it has %d layers, want one", len(layers))
	}
	rc, err := layers[0].Compressed()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, io.LimitReader(rc, limit+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes: bakegate wrote none like it", limit)
	}
	return buf.Bytes(), nil
}

// missing reports whether the registry says that there is no such repository or tag.
func missing(err error) bool {
	var te *transport.Error
	return errors.As(err, &te) && te.StatusCode == http.StatusNotFound
}
