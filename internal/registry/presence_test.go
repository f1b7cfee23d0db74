package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bakegate/bakegate/internal/realtest"
)

var someDigest = "sha256:" + strings.Repeat("5eed", 16)

func TestHas(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}
	}
	byMethod := func(head, get http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				head(w, r)
				return
			}
			if r.Header.Get("Range") != "bytes=0-0" {
				t.Errorf("a GET without a range: %v", r.Header)
			}
			get(w, r)
		}
	}
	html := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }
	store := serve(t, "http", byMethod(status(403, "<Error>SignatureDoesNotMatch</Error>"), status(206, "x")))
	gone := serve(t, "http", status(404, "<Error>NoSuchKey</Error>"))
	open := serve(t, "http", status(200, ""))
	to := func(s *server) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.URL+"/store", http.StatusTemporaryRedirect)
		}
	}
	unknown := status(404, `{"errors":[{"code":"BLOB_UNKNOWN"}]}`)
	for _, tt := range []struct {
		name string
		f    http.HandlerFunc
		has  bool
		kind Kind
		n    int // requests to the registry
	}{
		{"there", status(200, ""), true, "", 1},
		{"missing", unknown, false, "", 2},
		{"no such repository", status(404, `{"errors":[{"code":"NAME_UNKNOWN"}]}`), false, "", 2},
		{"404 of a proxy", status(404, "<html>"), false, Invalid, 2},
		{"404 of nobody", status(404, ""), false, Invalid, 2},
		{"HEAD says 404, GET has it", byMethod(status(404, ""), status(206, "x")), true, "", 2},
		{"HEAD is not allowed", byMethod(status(405, ""), status(206, "x")), true, "", 2},
		{"HEAD is not there", byMethod(status(501, ""), unknown), false, "", 2},
		{"HEAD is not understood", byMethod(status(400, ""), status(200, "whole")), true, "", 2},
		{"no ranges", byMethod(status(405, ""), status(200, strings.Repeat("x", 1<<20))), true, "", 2},
		{"an empty blob", byMethod(status(405, ""), status(416, "")), true, "", 2},
		{"in a store", to(open), true, "", 1},
		{"in a store that signs for GET", to(store), true, "", 2},
		{"gone from the store", to(gone), false, Invalid, 2},
		{"a portal", html, false, Invalid, 1},
		{"403", status(403, ""), false, Forbidden, 1},
		{"401", status(401, ""), false, Unauthorized, 2}, // and the entrance is asked for a challenge
		{"429", status(429, ""), false, Limited, 4},
		{"500", status(500, ""), false, Unavailable, 4},
		{"a redirect to itself", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, false, Refused, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, "http", tt.f)
			has, err := quick(Credentials{}).Has(context.Background(), mustRepo(t, s.host+"/acme/app"), someDigest)
			if has != tt.has || tt.kind == "" && err != nil {
				t.Errorf("got %v, %v; want %v", has, err, tt.has)
			}
			if tt.kind != "" {
				wantError(t, err, tt.kind)
			}
			if n := len(strings.Split(s.requests(), ", ")); n != tt.n {
				t.Errorf("%d requests, want %d: %s", n, tt.n, s.requests())
			}
		})
	}
}

// A blob whose type is a page is one where the registry names its digest.
func TestHasAPage(t *testing.T) {
	s := serve(t, "http", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Docker-Content-Digest", someDigest)
	})
	if has, err := quick(Credentials{}).Has(context.Background(), mustRepo(t, s.host+"/acme/app"), someDigest); !has || err != nil {
		t.Errorf("got %v, %v", has, err)
	}
}

func TestHasWhatIsNoDigest(t *testing.T) {
	c := quick(Credentials{})
	for _, digest := range []string{"", "sha256:", "sha256:../../../x", "v1", someDigest + "/..", strings.ToUpper(someDigest)} {
		_, err := c.Has(context.Background(), mustRepo(t, "127.0.0.1:1/acme/app"), digest)
		wantError(t, err, Refused, "no digest")
	}
}

func TestHasIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := serve(t, "http", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := quick(Credentials{}).Has(ctx, mustRepo(t, s.host+"/acme/app"), someDigest); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHasOnARealRegistry(t *testing.T) {
	r := realtest.Registry(t, "bake", "right-password")
	c := quick(loginTo(r.Addr, "bake", "right-password"))
	ref := mustRef(t, r.Addr+"/acme/app:v1")
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, c.Remote(context.Background(), ref.Context())...); err != nil {
		t.Fatal(c.Explain(ref.Context(), err))
	}
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	for digest, want := range map[string]bool{config.String(): true, someDigest: false} {
		if has, err := c.Has(context.Background(), ref.Context(), digest); has != want || err != nil {
			t.Errorf("%s: got %v, %v; want %v", digest, has, err, want)
		}
	}
	if has, err := c.Has(context.Background(), mustRepo(t, r.Addr+"/acme/absent"), someDigest); has || err != nil {
		t.Errorf("absent repository: got %v, %v", has, err)
	}
}
