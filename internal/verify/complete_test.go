package verify

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
)

// lose has the registry say of some blobs that they are unknown.
func lose(digests ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		for _, d := range digests {
			if strings.HasSuffix(r.URL.Path, "/blobs/"+d) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusNotFound)
				if r.Method != http.MethodHead {
					fmt.Fprint(w, `{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`)
				}
				return true
			}
		}
		return false
	}
}

// A half-pushed image never deploys.
func TestIncompleteImages(t *testing.T) {
	w := fake.New(t)
	one, multi := fake.Image(t, "one", "linux/amd64"), fake.Index(t, "multi", "linux/amd64", "linux/arm64")
	foreign, err := mutate.AppendLayers(one, static.NewLayer([]byte("windows"), types.DockerForeignLayer))
	must(t, err)
	w.Push(":one", one)
	w.Push(":multi", multi)
	w.Push(":foreign", foreign)
	arm := fake.ChildOf(t, multi, 1)
	for _, tt := range []struct {
		name, ref, built, platforms string
		lost                        string
		want, says                  string
	}{
		{"all there", ":one", fake.DigestOf(t, one), "", "", "verify/digest pass", ""},
		{"a layer is gone", ":one", fake.DigestOf(t, one), "", fake.LayerOf(t, one, 0), "verify/digest pass; verify/complete fail missing-image", "but not layer sha256:"},
		{"the config is gone", ":one", fake.DigestOf(t, one), "", fake.ConfigOf(t, one), "verify/digest pass; verify/complete fail missing-image", "but not config sha256:"},
		{"a platform's layer is gone", ":multi", fake.DigestOf(t, multi), "", fake.LayerOf(t, arm, 0), "verify/digest pass; verify/complete fail missing-image", "layer of linux/arm64"},
		{"a platform's that nobody deploys", ":multi", fake.DigestOf(t, multi), "linux/amd64", fake.LayerOf(t, arm, 0), "verify/digest pass; verify/platforms pass", ""},
		{"a layer that lies elsewhere by intent", ":foreign", fake.DigestOf(t, foreign), "", fake.LayerOf(t, foreign, 1), "verify/digest pass", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.Evil = lose(tt.lost)
			i := Image{Image: w.Ref(tt.ref)}
			if tt.platforms != "" {
				i.Platforms = []string{tt.platforms}
			}
			r, err := verifyOne(t, i, wanted(t, tt.built))
			must(t, err)
			if got := brief(r.Findings); got != tt.want || !strings.Contains(dump(r.Findings), tt.says) {
				t.Errorf("got %s, want %s saying %q\n%s", got, tt.want, tt.says, dump(r.Findings))
			}
		})
	}
}

// A registry that can't tell whether a blob is there proves nothing.
func TestOutageOfBlobs(t *testing.T) {
	w := fake.New(t)
	d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	for name, evil := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"503": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/blobs/") {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		},
		"404 of a proxy": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/blobs/") {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, "<html>nothing here</html>")
				return true
			}
			return false
		},
	} {
		w.Evil = evil
		r, err := verifyOne(t, Image{Image: w.Ref(":v1")}, wanted(t, d))
		var e *registry.Error
		if !errors.As(err, &e) || strings.Contains(brief(r.Findings), "complete") {
			t.Errorf("%s: got %v, %s", name, err, brief(r.Findings))
		}
	}
}
