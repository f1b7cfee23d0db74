package examples_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/demo/shop"
	"github.com/bakegate/bakegate/internal/mark/sink/fake"
	"github.com/bakegate/bakegate/internal/realtest"
)

// world is what the examples deploy to: the checkout service with real traffic, a real Prometheus that watches it, a registry with two
// images, and a Grafana. The pipelines are the examples, with these addresses in the place of acme's and a short window.
type world struct {
	t       *testing.T
	shop    *shop.Running
	prom    *realtest.PrometheusServer
	grafana *fake.Grafana
	host    string // of the registry
	control *httptest.Server

	mu     sync.Mutex
	did    []string // what the deploy scripts asked for, in order
	digest map[string]string
}

const (
	good     = "2.4.0"
	bad      = "2.5.0"
	previous = "2.3.0"
	rps      = 150
)

// version is the service's configuration: the bad release fails every fifth request.
func version(v string) shop.Config {
	c := shop.Config{App: "checkout", Version: v, ErrorRate: 0.002}
	if v == bad {
		c.ErrorRate = 0.2
	}
	return c
}

func newWorld(t *testing.T) *world {
	t.Helper()
	realtest.Need(t, "prometheus")
	w := &world{t: t, digest: map[string]string{}}
	var err error
	if w.shop, err = shop.Start(version(previous)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	load.Go(func() { shop.Load(ctx, w.shop.URL, rps) })
	t.Cleanup(func() { cancel(); load.Wait(); _ = w.shop.Stop() })
	w.prom = realtest.Prometheus(t, time.Second, nil, realtest.Target{Addr: w.shop.Addr()})
	w.grafana = fake.NewGrafana("glsa_example")
	t.Cleanup(w.grafana.Close)
	reg := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(reg.Close)
	w.host = strings.TrimPrefix(reg.URL, "http://")
	for _, v := range []string{good, bad} {
		w.push(v)
	}
	w.control = httptest.NewServer(http.HandlerFunc(w.deploy))
	t.Cleanup(w.control.Close)
	time.Sleep(20 * time.Second) // there is no "no worse than before" without a before
	return w
}

func (w *world) image(v string) string { return w.host + "/acme/checkout:" + v }

func (w *world) push(v string) {
	w.t.Helper()
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte("checkout "+v), types.OCIUncompressedLayer))
	if err != nil {
		w.t.Fatal(err)
	}
	tag, err := name.NewTag(w.image(v))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		w.t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	w.digest[v] = d.String()
}

// deploy is the cluster: POST /deploy/IMAGE and /rollback/IMAGE make it that version.
func (w *world) deploy(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what, image, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	w.did = append(w.did, what+" "+strings.TrimPrefix(image, w.host+"/acme/"))
	switch {
	case what == "rollback":
		w.shop.Replace(version(previous))
	case strings.HasSuffix(image, ":"+bad):
		w.shop.Replace(version(bad))
	default:
		w.shop.Replace(version(good))
	}
}

func (w *world) asked() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.did, ", ")
}

// checkout copies the examples into a directory of their own and puts this world's addresses in. It returns the directory.
func (w *world) checkout() string {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		w.t.Fatal(err)
	}
	w.edit(filepath.Join(dir, "bakegate.yaml"), "https://grafana.acme.dev", w.grafana.URL(), "https://prometheus.acme.dev", w.prom.URL,
		"ghcr.io/acme/checkout-deploys", w.host+"/acme/checkout-deploys", "window: 15m", "window: 15s\n  step: 1s\n  warm-up: 0s")
	// The cluster answers on plain HTTP, and the runner's image has neither kubectl nor curl.
	for _, script := range []string{"deploy", "rollback"} {
		text := "#!/bin/bash\nset -eu\nexec 3<>/dev/tcp/" + strings.Replace(w.control.Listener.Addr().String(), ":", "/", 1) +
			"\nprintf 'POST /" + script + "/%s HTTP/1.0\\r\\n\\r\\n' \"${1:-}\" >&3\nread -r line <&3\ncase \"$line\" in *' 200 '*) echo \"" + script +
			" of ${1:-}\"; echo '::error::from the deploy script';; *) exit 1;; esac\n"
		if err := os.WriteFile(filepath.Join(dir, script+".sh"), []byte(text), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	return dir
}

// edit replaces text in a file; each piece must be there exactly once, so that an example which changes is noticed.
func (w *world) edit(path string, pairs ...string) {
	w.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	s := string(b)
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(s, pairs[i]); n == 0 {
			w.t.Fatalf("%s: %q is not there any more", path, pairs[i])
		}
		s = strings.ReplaceAll(s, pairs[i], pairs[i+1])
	}
	if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
		w.t.Fatal(err)
	}
}
