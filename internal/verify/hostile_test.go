package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/built"
)

// serve answers manifests with these bytes and headers.
func serve(body string, headers ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		fmt.Fprint(w, body)
		return true
	}
}

// What a hostile registry serves is a finding against the image, never a pass.
func TestHostileBytes(t *testing.T) {
	w := fake.New(t)
	good := fake.Image(t, "one", "linux/amd64")
	d := w.Push(":v1", good)
	evil := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"digest":%q},"layers":[]}`, digestA)
	ociType, schema1 := "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws"
	for _, tt := range []struct {
		name string
		ref  string
		evil func(http.ResponseWriter, *http.Request) bool
		want string
		says string
	}{
		{"lying digest header, by tag", ":v1", serve(evil, "Content-Type", ociType, "Docker-Content-Digest", d), "verify/digest fail digest", "asked for the built digest"},
		{"tampered body, by digest", "@" + d, serve(evil, "Content-Type", ociType, "Docker-Content-Digest", d), "verify/digest fail digest", "serves other bytes than asked for"},
		{"tampered body called schema 1", "@" + d, serve(evil, "Content-Type", schema1, "Docker-Content-Digest", d), "verify/digest fail digest", "serves other bytes than asked for"},
		{"schema 1 by tag", ":v1", serve(evil, "Content-Type", schema1, "Docker-Content-Digest", d), "verify/digest fail digest", "schema 1"},
		{"schema 1 inside", ":v1", serve(`{"schemaVersion":1,"fsLayers":[{}]}`, "Content-Type", ociType), "verify/digest fail digest", "schema 1"},
		{"index and manifest at once", ":v1", serve(`{"schemaVersion":2,"manifests":[],"config":{"digest":"` + digestA + `"},"layers":[]}`), "verify/digest fail digest", "at once"},
		{"not JSON", ":v1", serve("<html>hello</html>"), "verify/digest fail digest", "no JSON of a manifest"},
		{"neither", ":v1", serve(`{"schemaVersion":2}`), "verify/digest fail digest", "neither"},
		{"an index of nothing", ":v1", serve(`{"schemaVersion":2,"manifests":[]}`), "verify/digest fail digest; verify/platforms fail missing-platform", ""},
		{"sha512 child", ":v1", serve(`{"schemaVersion":2,"manifests":[{"digest":"sha512:` + strings.Repeat("a", 128) + `"}]}`), "verify/digest fail digest", "sha512"},
		{"path in a child's digest", ":v1", serve(`{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x"}]}`), "verify/digest fail digest", "want sha256:"},
		{"escape sequences", ":v1", serve(`{"schemaVersion":2,"mediaType":"\u001b[31mindex\u202e","config":{"digest":"` + digestA + `"}}`), "verify/digest fail digest", "calls itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.Evil = tt.evil
			r, err := verifyOne(t, Image{Image: w.Ref(tt.ref)}, wanted(t, d))
			must(t, err)
			if got := brief(r.Findings); got != tt.want || !strings.Contains(dump(r.Findings), tt.says) {
				t.Errorf("got %s, want %s saying %q\n%s", got, tt.want, tt.says, dump(r.Findings))
			}
			if strings.ContainsAny(dump(r.Findings), "\x1b\u202e") {
				t.Error("an escape sequence came through")
			}
		})
	}
}

// Other bytes for the second request: tag and digest are fetched apart, and both are hashed.
func TestOtherBytesOnSecondGet(t *testing.T) {
	w := fake.New(t)
	d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	other := fake.Image(t, "two", "linux/amd64")
	raw, err := other.RawManifest()
	must(t, err)
	var n atomic.Int32
	w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/manifests/") || n.Add(1) == 1 {
			return false
		}
		_, _ = rw.Write(raw)
		return true
	}
	r, err := verifyOne(t, Image{Image: w.Ref(":v1@" + d)}, wanted(t, d))
	must(t, err)
	if got := brief(r.Findings); got != "verify/digest pass; verify/digest note" {
		t.Errorf("got %s", got)
	}
}

// Nests indexes deeper than allowed, each naming the next, and wide ones.
func TestNestedIndexes(t *testing.T) {
	w := fake.New(t)
	w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	docs := map[string]string{}
	next := ""
	for i := range 6 {
		doc := fmt.Sprintf(`{"schemaVersion":2,"manifests":[],"annotations":{"n":"%d"}}`, i)
		if next != "" {
			doc = fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"digest":%q},{"digest":%q}]}`, next, next)
		}
		next = registry.Digest([]byte(doc))
		docs[next] = doc
	}
	top := next
	w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
		_, id, ok := strings.Cut(r.URL.Path, "/manifests/")
		if doc := docs[id]; ok && doc != "" {
			fmt.Fprint(rw, doc)
			return true
		}
		return false
	}
	r, err := verifyOne(t, Image{Image: w.Ref("@" + top)}, wanted(t, top))
	must(t, err)
	if got := brief(r.Findings); got != "verify/digest fail digest" || !strings.Contains(dump(r.Findings), "nested deeper") {
		t.Errorf("got %s\n%s", got, dump(r.Findings))
	}
	var wide []string
	for i := range maxImages + 1 {
		wide = append(wide, fmt.Sprintf(`{"digest":"sha256:%064x"}`, i))
	}
	w.Evil = serve(`{"schemaVersion":2,"manifests":[` + strings.Join(wide, ",") + `]}`)
	w.Forget()
	r, err = verifyOne(t, Image{Image: w.Ref(":v1")}, wanted(t, digestA))
	must(t, err)
	if !strings.Contains(dump(r.Findings), "more than 64 images") || len(w.Requests()) > 5 {
		t.Errorf("%d requests\n%s", len(w.Requests()), dump(r.Findings))
	}
}

// An outage is an error: it says nothing about the image.
func TestOutagesAreErrors(t *testing.T) {
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			w.WriteHeader(code)
			fmt.Fprint(w, body)
			return true
		}
	}
	for name, tt := range map[string]struct {
		evil func(http.ResponseWriter, *http.Request) bool
		kind registry.Kind
	}{
		"401":             {status(401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`), registry.Unauthorized},
		"403":             {status(403, `{"errors":[{"code":"DENIED"}]}`), registry.Forbidden},
		"404 of a proxy":  {status(404, `<html>not here</html>`), registry.Invalid},
		"404 of nobody":   {status(404, ``), registry.Invalid},
		"429":             {status(429, ``), registry.Limited},
		"500":             {status(500, ``), registry.Unavailable},
		"503":             {status(503, `down`), registry.Unavailable},
		"oversized":       {serve(strings.Repeat(" ", registry.MaxManifest+10)), registry.Invalid},
		"oversized error": {status(500, strings.Repeat("x", 5<<20)), registry.Unavailable},
		"slow drip": {func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			w.Header().Set("Content-Length", "1000")
			for range 100 {
				if _, err := fmt.Fprint(w, " "); err != nil || r.Context().Err() != nil {
					return true
				}
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond) // the client must not wait for the last byte
			}
			return true
		}, registry.Timeout},
		"broken off": {func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"schemaVersion":2`)
			return true
		}, registry.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			w := fake.New(t)
			d := w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
			w.Evil = tt.evil
			c := registry.New(registry.Credentials{}, registry.Options{RetryWait: time.Millisecond, Timeout: time.Second, Limit: 5 * time.Second})
			r, err := Run(context.Background(), Options{Images: []Image{{Image: w.Ref(":v1")}}}, []built.Digest{wanted(t, d)}, c, BeforeDeploy)
			var e *registry.Error
			if !errors.As(err, &e) || e.Kind != tt.kind {
				t.Fatalf("got %v, want an error of kind %s", err, tt.kind)
			}
			if len(r.Findings) > 0 {
				t.Errorf("findings: %s", dump(r.Findings))
			}
			if !strings.Contains(err.Error(), "anonymous: no credential for this host") {
				t.Errorf("it does not say which credential was tried: %v", err)
			}
		})
	}
}

// Where the tag was moved, and the question for the built image meets an outage, nothing is proved: it might be a platform of it.
func TestOutageDuringDiagnosis(t *testing.T) {
	w := fake.New(t)
	w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, digestA) {
			rw.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	r, err := verifyOne(t, Image{Image: w.Ref(":v1")}, wanted(t, digestA))
	if err == nil || len(r.Findings) > 0 {
		t.Errorf("got %v, %s", err, dump(r.Findings))
	}
}

// Nobody listens there.
func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	host := strings.TrimPrefix(s.URL, "http://")
	s.Close()
	r, err := verifyOne(t, Image{Image: host + "/acme/app:v1"}, wanted(t, digestA))
	var e *registry.Error
	if !errors.As(err, &e) || e.Kind != registry.Unreachable || len(r.Findings) > 0 {
		t.Errorf("got %v, %s", err, dump(r.Findings))
	}
}

func TestBadReferences(t *testing.T) {
	for ref, want := range map[string]string{"acme/app": "neither tag nor digest", "ACME/app:v1": "want HOST/REPOSITORY:TAG", "https://x.io/a:v1": "without a scheme",
		"x.io/a@sha256:abc": "3 characters", "x.io/a@v1": "want sha256:"} {
		if _, err := verifyOne(t, Image{Image: ref}, wanted(t, digestA)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", ref, err, want)
		}
	}
}
