package signed

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"

	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

const token = "ghs-secret-token"

// hub is GitHub's API and the store of bundles behind it, which is another host.
type hub struct {
	t       *testing.T
	api     *httptest.Server
	store   *httptest.Server
	mu      sync.Mutex
	asked   []string
	entries []map[string]any
	stored  map[string][]byte
	private bool                           // the repository can't be seen
	evil    func(http.ResponseWriter) bool // answers the list in its place
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, stored: map[string][]byte{}}
	h.api = httptest.NewServer(http.HandlerFunc(h.serve))
	h.store = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := h.stored[r.URL.Path]
		switch {
		case r.Header.Get("Authorization") != "":
			t.Error("the store of bundles was given the token")
		case r.URL.Query().Get("sig") != "a+b/c=":
			t.Errorf("the address's own signature is %q", r.URL.RawQuery)
		case !ok:
			http.NotFound(w, r)
		default:
			w.Header().Set("Content-Type", "application/x-snappy")
			_, _ = w.Write(b)
		}
	}))
	t.Cleanup(h.api.Close)
	t.Cleanup(h.store.Close)
	return h
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked = append(h.asked, r.URL.RequestURI())
	h.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+token {
		h.t.Errorf("Authorization %q", r.Header.Get("Authorization"))
	}
	path, _ := strings.CutPrefix(r.URL.Path, "/api/v3")
	switch {
	case path == "/repos/acme/app" && !h.private:
		_, _ = fmt.Fprint(w, `{"full_name":"acme/app"}`)
	case !strings.HasPrefix(path, "/repos/acme/app/attestations/sha256:"), h.private:
		http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
	case h.evil != nil && h.evil(w):
	case len(h.entries) == 0:
		http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
	default:
		h.page(w, r)
	}
}

// page gives 30 a page, as GitHub does when it is asked for 30.
func (h *hub) page(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("per_page") != "30" {
		h.t.Errorf("asked for %s", r.URL)
	}
	from := 0
	_, _ = fmt.Sscanf(r.URL.Query().Get("after"), "Y%d", &from)
	end := min(from+30, len(h.entries))
	if end < len(h.entries) {
		w.Header().Set("Link", fmt.Sprintf(`<https://elsewhere.example%s?per_page=30&after=Y%d>; rel="next", <https://x.example/?after=Z>; rel="prev"`, r.URL.Path, end))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"attestations": h.entries[from:end]})
}

func (h *hub) inline(b []byte) {
	h.entries = append(h.entries, map[string]any{"bundle": json.RawMessage(b), "repository_id": 1, "bundle_url": ""})
}

func (h *hub) remote(b []byte) {
	path := fmt.Sprintf("/bundles/%d.json.sn", len(h.stored))
	h.stored[path] = b
	h.entries = append(h.entries, map[string]any{"bundle": nil, "repository_id": 1, "bundle_url": h.store.URL + path + "?sv=1&sig=a%2Bb%2Fc%3D"})
}

func (h *hub) options() GitHub {
	return GitHub{Remote: httpx.Remote{URL: h.api.URL + "/api/v3", Timeout: 2 * time.Second}, Token: httpx.NewSecret(token), Version: "1"}
}

// ask asks GitHub for the provenance of an image.
func (h *hub) ask(k forge.Key, w *fake.Registry, d string, r release.Release, change func(a *Attestation)) (verdict.Finding, error) {
	h.t.Helper()
	a := Attestation{Type: "slsa-provenance", From: "github", Provenance: &Provenance{Commit: commit}}
	if change != nil {
		change(&a)
	}
	as, err := NewAttestations(h.t.Context(), []Attestation{a}, byKey(k), h.options(), "")
	must(h.t, err)
	as.Lag = 0
	w.Forget()
	fs, err := as.Verify(h.t.Context(), client(), subjectOf(h.t, w, d), r)
	if len(w.Requests()) > 0 {
		h.t.Errorf("the registry was asked: %v", w.Requests())
	}
	if err != nil {
		return verdict.Finding{}, err
	}
	return fs[0], nil
}

func TestGitHubAttestations(t *testing.T) {
	k, stranger := forge.NewKey(t), forge.NewKey(t)
	w, d := image(t)
	good := k.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1))
	huge := snappy.Encode(nil, append([]byte(" "), make([]byte, maxBundle)...))
	for _, tt := range []struct {
		name string
		put  func(h *hub)
		want verdict.Outcome
		says string
	}{
		{"inline", func(h *hub) { h.inline(good) }, verdict.Pass, "has SLSA provenance by the key cosign.pub (GitHub attestation 1)"},
		{"in the store, packed", func(h *hub) { h.remote(snappy.Encode(nil, good)) }, verdict.Pass, "has SLSA provenance"},
		{"in the store, as it is", func(h *hub) { h.remote(good) }, verdict.Pass, "has SLSA provenance"},
		{"by another key", func(h *hub) { h.inline(stranger.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1))) }, verdict.Fail, "it was not made with"},
		{"of another image", func(h *hub) { h.inline(k.Bundle(t, forge.Attest(nowhere, forge.SLSAType, provenance1))) }, verdict.Fail, "not about this image"},
		{"of another type", func(h *hub) { h.inline(k.Bundle(t, forge.Attest(d, "https://spdx.dev/Document/v2.3", "{}"))) }, verdict.Fail, "it has https://spdx.dev/Document/v2.3"},
		{"bad and good", func(h *hub) { h.inline([]byte(`{"x":1}`)); h.inline(good) }, verdict.Pass, "(GitHub attestation 2 of sha256:"},
		{"neither bundle nor address", func(h *hub) { h.entries = append(h.entries, map[string]any{"repository_id": 1}) }, verdict.Fail, "neither a bundle nor its address"},
		{"damaged", func(h *hub) { b := snappy.Encode(nil, good); b[len(b)/2] ^= 0xff; h.remote(b[:len(b)-3]) }, verdict.Fail, "it is damaged"},
		{"packed bomb", func(h *hub) { h.remote(huge) }, verdict.Fail, "more than 1 MiB"},
		{"tells that it is 4 GiB", func(h *hub) { h.remote([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}) }, verdict.Fail, "more than 1 MiB"},
		{"none", func(*hub) {}, verdict.Fail, "has no SLSA provenance"},
		{"on the second page", func(h *hub) {
			for range 31 {
				h.inline([]byte(`{"x":1}`))
			}
			h.inline(good)
		}, verdict.Pass, "(GitHub attestation 32 of sha256:"},
		{"more pages than are read", func(h *hub) {
			for range 200 {
				h.inline([]byte(`{"x":1}`))
			}
			h.inline(good)
		}, verdict.Unknown, "the others were not read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t)
			tt.put(h)
			f, err := h.ask(k, w, d, thisRelease, nil)
			expect(t, f, err, tt.want, tt.says)
			if want := "/api/v3/repos/acme/app/attestations/" + d + "?per_page=30"; h.asked[0] != want {
				t.Errorf("asked for %s, want %s", h.asked[0], want)
			}
		})
	}
}

// What can't be read is an error, never a missing attestation; and no message holds the token.
func TestGitHubOutage(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	status := func(n int, body string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(n)
			_, _ = fmt.Fprint(w, body)
			return true
		}
	}
	for _, tt := range []struct {
		name   string
		change func(h *hub)
		want   string
	}{
		{"the repository can't be seen", func(h *hub) { h.private = true }, "permissions: attestations: read"},
		{"401", func(h *hub) { h.evil = status(401, token) }, "HTTP 401"},
		{"403", func(h *hub) { h.evil = status(403, "no "+token) }, "HTTP 403"},
		{"500", func(h *hub) { h.evil = status(500, "") }, "HTTP 500"},
		{"a web page", func(h *hub) { h.evil = status(200, "<html>") }, "HTML page"},
		{"no JSON", func(h *hub) { h.evil = status(200, "[") }, "want JSON"},
		{"a bundle that is gone", func(h *hub) { h.remote(nil); clear(h.stored) }, "GitHub attestation 1: GitHub's store of bundles"},
		{"the store hangs up", func(h *hub) { h.remote(nil); h.store.Close() }, "GitHub's store of bundles"},
		{"an address that is none", func(h *hub) { h.entries = append(h.entries, map[string]any{"bundle_url": "::"}) }, "want https://HOST"},
		{"an address with a password", func(h *hub) {
			h.entries = append(h.entries, map[string]any{"bundle_url": "https://u:" + token + "@h.invalid/x"})
		}, "GitHub's store of bundles"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t)
			tt.change(h)
			f, err := h.ask(k, w, d, thisRelease, nil)
			if err == nil || f.Check != "" || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), token) {
				t.Errorf("got %+v and %v, want %q", f, err, tt.want)
			}
		})
	}
}

func TestGitHubRepository(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	h := newHub(t)
	h.inline(k.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1)))
	for _, r := range []release.Release{{Repository: "acme/app"}, {Repository: "https://github.com/acme/app.git"}} {
		f, err := h.ask(k, w, d, r, nil)
		expect(t, f, err, verdict.Pass, "")
	}
	f, err := h.ask(k, w, d, release.Release{}, func(a *Attestation) { a.Repository = "acme/app" })
	expect(t, f, err, verdict.Pass, "")
	for _, r := range []string{"", "app", "acme/app/../../evil", "group/sub/app"} {
		if _, err := h.ask(k, w, d, release.Release{Repository: r}, nil); err == nil || !strings.Contains(err.Error(), "add repository: OWNER/NAME") {
			t.Errorf("%q: %v", r, err)
		}
	}
	if _, err := NewAttestations(t.Context(), []Attestation{{Type: "spdx", From: "github"}}, byKey(k), GitHub{Remote: httpx.Remote{URL: "http://api.github.com"}}, ""); err == nil {
		t.Error("plain HTTP was taken")
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(snappy.Encode(nil, []byte(`{"mediaType":"x"}`)))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		out, bad, err := unpack(b, 1<<16)
		if err != nil || bad == nil && len(out) > max(1<<16, len(b)) || bad != nil && out != nil {
			t.Errorf("%d bytes, %v, %v", len(out), bad, err)
		}
	})
}

func FuzzNextPage(f *testing.F) {
	f.Add(`<https://api.github.com/x?after=Y>; rel="next"`)
	f.Fuzz(func(_ *testing.T, link string) { _ = nextPage(link) })
}
