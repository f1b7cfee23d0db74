package verify

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
)

// world is a registry in process, with a place for hostility in front of it.
type world struct {
	t    testing.TB
	host string
	mu   sync.Mutex
	seen []string
	// evil answers in the registry's place where it returns true.
	evil func(w http.ResponseWriter, r *http.Request) bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(true))
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r.Method+" "+r.URL.Path)
		evil := w.evil
		w.mu.Unlock()
		if evil == nil || !evil(rw, r) {
			inner.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(s.Close)
	w.host = strings.TrimPrefix(s.URL, "http://")
	return w
}

func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.seen...)
}

func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = nil
}

// ref is a reference in the world's repository: ":v1", "@sha256:...".
func (w *world) ref(suffix string) string { return w.host + "/acme/app" + suffix }

func (w *world) push(suffix string, what remote.Taggable) string {
	w.t.Helper()
	return pushTo(w.t, w.ref(suffix), what)
}

func pushTo(t testing.TB, ref string, what remote.Taggable) string {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	switch x := what.(type) {
	case v1.Image:
		err = remote.Write(r, x)
	case v1.ImageIndex:
		err = remote.WriteIndex(r, x)
	default:
		err = remote.Put(r, what)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := what.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	return registry.Digest(raw)
}

// img builds an image of one platform; content makes it different from others.
func img(t testing.TB, content, platform string) v1.Image {
	t.Helper()
	i, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer([]byte(content), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	p := strings.Split(platform, "/")
	cfg.OS, cfg.Architecture = p[0], p[1]
	cfg.Created = v1.Time{Time: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}
	if i, err = mutate.ConfigFile(i, cfg); err != nil {
		t.Fatal(err)
	}
	return i
}

// idx builds an index; an attestation as buildx adds it is in it.
func idx(t testing.TB, content string, platforms ...string) v1.ImageIndex {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, p := range platforms {
		parts := strings.Split(p, "/")
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img(t, content+p, p),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: parts[0], Architecture: parts[1]}}})
	}
	return mutate.AppendManifests(index, mutate.IndexAddendum{Add: img(t, content+"attestation", "unknown/unknown"), Descriptor: v1.Descriptor{
		Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"}}})
}

func digestOf(t testing.TB, x interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := x.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func configOf(t testing.TB, i v1.Image) string {
	t.Helper()
	h, err := i.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func childOf(t testing.TB, i v1.ImageIndex, n int) v1.Image {
	t.Helper()
	m, err := i.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	c, err := i.Image(m.Manifests[n].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func quick() *registry.Client {
	return registry.New(registry.Credentials{}, registry.Options{RetryWait: time.Millisecond, Timeout: 2 * time.Second, Limit: 5 * time.Second})
}

func built(t testing.TB, digest string) BuiltDigest {
	t.Helper()
	b, err := FromDigest(digest, "test")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func verifyOne(t testing.TB, i Image, b BuiltDigest) (Result, error) {
	t.Helper()
	return Run(context.Background(), Options{Images: []Image{i}}, []BuiltDigest{b}, quick(), BeforeDeploy)
}

// brief writes findings for a comparison: check, outcome, reason.
func brief(fs []verdict.Finding) string {
	var out []string
	for _, f := range fs {
		s := f.Check + " " + f.Outcome.String()
		if f.Outcome == verdict.Fail {
			s += " " + f.Reason
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func dump(fs []verdict.Finding) string { return fmt.Sprintf("%+v", fs) }
