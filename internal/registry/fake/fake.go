// Package fake is a registry in process with a place for hostility in front of it, and the images that tests push into it.
package fake

import (
	"bytes"
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
)

// Registry is a registry in process, with the referrers API.
type Registry struct {
	t    testing.TB
	Host string // host:port
	mu   sync.Mutex
	seen []string
	// Evil answers in the registry's place where it returns true.
	Evil func(w http.ResponseWriter, r *http.Request) bool
}

// New starts a registry that ends with the test.
func New(t testing.TB) *Registry {
	t.Helper()
	w := &Registry{t: t}
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(true))
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r.Method+" "+r.URL.Path)
		evil := w.Evil
		w.mu.Unlock()
		if evil == nil || !evil(rw, r) {
			inner.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(s.Close)
	w.Host = strings.TrimPrefix(s.URL, "http://")
	return w
}

// Answer sets Evil while requests may still be on their way.
func (w *Registry) Answer(evil func(w http.ResponseWriter, r *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Evil = evil
}

// At is another registry, which the test started: pushing works, Requests and Evil do not.
func At(t testing.TB, host string) *Registry { return &Registry{t: t, Host: host} }

// Requests lists what was asked, METHOD /path, in its order.
func (w *Registry) Requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.seen...)
}

// Forget empties the list of requests.
func (w *Registry) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = nil
}

// Ref is a reference in the repository acme/app: ":v1", "@sha256:...".
func (w *Registry) Ref(suffix string) string { return w.Host + "/acme/app" + suffix }

// Push pushes an image, an index or a bare manifest, and returns its digest.
func (w *Registry) Push(suffix string, what remote.Taggable) string {
	w.t.Helper()
	return PushTo(w.t, w.Ref(suffix), what)
}

// PushTo is Push to any reference.
func PushTo(t testing.TB, ref string, what remote.Taggable) string {
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
	h, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// Image builds an image of one platform; content makes it different from others.
func Image(t testing.TB, content, platform string) v1.Image {
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

// Index builds an index; an attestation as buildx adds it is in it.
func Index(t testing.TB, content string, platforms ...string) v1.ImageIndex {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, p := range platforms {
		parts := strings.Split(p, "/")
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: Image(t, content+p, p),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: parts[0], Architecture: parts[1]}}})
	}
	return mutate.AppendManifests(index, mutate.IndexAddendum{Add: Image(t, content+"attestation", "unknown/unknown"), Descriptor: v1.Descriptor{
		Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"}}})
}

// DigestOf is the digest of an image or an index.
func DigestOf(t testing.TB, x interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := x.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// ConfigOf is the digest of an image's config.
func ConfigOf(t testing.TB, i v1.Image) string {
	t.Helper()
	h, err := i.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// LayerOf is the digest of an image's n-th layer.
func LayerOf(t testing.TB, i v1.Image, n int) string {
	t.Helper()
	m, err := i.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m.Layers[n].Digest.String()
}

// ChildOf is the n-th image of an index.
func ChildOf(t testing.TB, i v1.ImageIndex, n int) v1.Image {
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
