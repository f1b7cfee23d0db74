package verify

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	schemaOne   = "application/vnd.docker.distribution.manifest.v1+prettyjws"

	passes       = "verify/digest pass"
	signedPasses = "verify/digest pass; verify/signature pass"
	wrongDigest  = "verify/digest fail digest"
	badSignature = "verify/digest pass; verify/signature fail signature"
)

// counter counts from 1.
func counter() func() int {
	var n atomic.Int32
	return func() int { return int(n.Add(1)) }
}

// otherBytes is a manifest that nobody built.
func otherBytes() string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[]}`, ociManifest, digestA)
}

func registryForgeries() []forgery {
	lying := func(s *scene, contentType string) {
		s.Evil = answer("/manifests/", otherBytes(), "Content-Type", contentType, "Docker-Content-Digest", s.good.digest)
	}
	return []forgery{
		{name: "case 01 tampered body under an OCI type", steps: []step{
			{name: "honest", set: func(s *scene) { s.want("@"+s.good.digest, s.good.digest) }, want: passes},
			{name: "by digest", set: func(s *scene) { s.want("@"+s.good.digest, s.good.digest); lying(s, ociManifest) }, want: wrongDigest, says: "serves other bytes than asked for"},
			{name: "by tag", set: func(s *scene) { lying(s, ociManifest) }, want: wrongDigest, says: "asked for the built digest, the registry gives no usable image"},
			{name: "one space more", set: func(s *scene) {
				s.want("@"+s.good.digest, s.good.digest)
				s.Evil = answer("/manifests/", string(s.good.raw)+" ", "Content-Type", ociManifest, "Docker-Content-Digest", s.good.digest)
			}, want: wrongDigest, says: "serves other bytes than asked for"},
			{name: "a child of the index", set: func(s *scene) {
				multi := fake.Index(s.t, "multi", "linux/amd64", "linux/arm64")
				i := s.push(":v1", multi)
				s.want(":v1", i.digest)
				s.Evil = answer(fake.DigestOf(s.t, fake.ChildOf(s.t, multi, 1)), otherBytes(), "Content-Type", ociManifest)
			}, want: wrongDigest, says: "serves other bytes than asked for"},
		}},
		{name: "case 02 tampered body typed as signed schema1 with a lying header", steps: []step{
			{name: "by digest", set: func(s *scene) { s.want("@"+s.good.digest, s.good.digest); lying(s, schemaOne) }, want: wrongDigest, says: "serves other bytes than asked for"},
			{name: "by tag", set: func(s *scene) { lying(s, schemaOne) }, want: wrongDigest, says: "schema 1"},
			{name: "honest bytes called so", set: func(s *scene) {
				s.Evil = answer("/manifests/v1$", string(s.good.raw), "Content-Type", schemaOne, "Docker-Content-Digest", s.good.digest)
			}, want: wrongDigest, says: "schema 1"},
			{name: "the signature's manifest", set: func(s *scene) {
				s.sign()
				forge.SignTag(s.t, s.Registry, s.good.digest, s.key.Layer(s.t, forge.Claim(s.Ref(""), s.good.digest)))
				s.Evil = answer(`\.sig$`, otherBytes(), "Content-Type", schemaOne)
			}, want: badSignature, says: "schema 1"},
		}},
		{name: "case 03 HEAD differs from GET", steps: []step{
			{name: "HEAD names the built digest", set: func(s *scene) {
				s.push(":v1", fake.Image(s.t, "two", "linux/amd64"))
				s.Evil = onHead("/manifests/", http.StatusOK, "Docker-Content-Digest", s.good.digest, "Content-Type", ociManifest, "Content-Length", "401")
			}, want: wrongDigest, says: "the tag names another one"},
			{name: "HEAD knows nothing", set: func(s *scene) { s.Evil = onHead("/manifests/", http.StatusNotFound) }, want: passes},
			{name: "HEAD names another digest", set: func(s *scene) {
				s.Evil = onHead("/manifests/", http.StatusOK, "Docker-Content-Digest", digestA, "Content-Type", ociManifest, "Content-Length", "401")
			}, want: passes},
		}},
		{name: "case 04 digest header missing", steps: []step{
			{name: "by tag", set: func(s *scene) { s.Evil = answer("/manifests/", string(s.good.raw), "Content-Type", ociManifest) }, want: passes},
			{name: "by digest", set: func(s *scene) {
				s.want("@"+s.good.digest, s.good.digest)
				s.Evil = answer("/manifests/", string(s.good.raw), "Content-Type", ociManifest)
			}, want: passes},
			{name: "tampered", set: func(s *scene) {
				s.want("@"+s.good.digest, s.good.digest)
				s.Evil = answer("/manifests/", otherBytes(), "Content-Type", ociManifest)
			}, want: wrongDigest, says: "serves other bytes than asked for"},
		}},
		{name: "case 05 other bytes on the second GET", steps: []step{
			{name: "good first, by tag and digest", set: func(s *scene) {
				s.want(":v1@"+s.good.digest, s.good.digest)
				s.Evil = onGet("/manifests/", func(n int) bool { return n > 1 }, otherBytes())
			}, want: "verify/digest pass; verify/digest note", says: "not the digest beside it"},
			{name: "bad first, by tag and digest", set: func(s *scene) {
				s.want(":v1@"+s.good.digest, s.good.digest)
				s.Evil = onGet("/manifests/", func(n int) bool { return n == 1 }, otherBytes())
			}, want: wrongDigest, says: "serves other bytes than asked for"},
			{name: "bad first, by tag", set: func(s *scene) {
				s.Evil = onGet("/manifests/", func(n int) bool { return n == 1 }, otherBytes())
			}, want: wrongDigest, says: "the tag names another one"},
			{name: "the signature", set: func(s *scene) { // what is signed is what was hashed, whatever the tag names later
				s.sign()
				other := s.push(":v2", fake.Image(s.t, "two", "linux/amd64"))
				forge.SignTag(s.t, s.Registry, other.digest, s.key.Layer(s.t, forge.Claim(s.Ref(""), other.digest)))
				s.Evil = onGet("/manifests/v1$", func(n int) bool { return n > 1 }, string(other.raw))
			}, want: badSignature, says: "has no signature", inside: true},
		}},
		{name: "case 06 tag moved between check and deploy", test: movedTag},
		{name: "case 07 oversized manifest, slow-drip body", steps: []step{
			{name: "5 MiB", set: func(s *scene) { s.Evil = answer("/manifests/", strings.Repeat(" ", 5<<20)) }, want: "error invalid", says: "larger than"},
			{name: "slow drip", inside: true, set: func(s *scene) {
				s.client = &registry.Options{RetryWait: time.Millisecond, Timeout: 200 * time.Millisecond, Limit: time.Second}
				s.Evil = drip("/manifests/")
			}, want: "error timeout", says: "no complete reply in time"},
		}},
		{name: "case 08 redirect or Bearer realm to another host, a private address, 0.0.0.0, with credentials", steps: redirects(), test: credentialsStay},
		{name: "case 09 429 with Retry-After, 503, 401 midway", steps: []step{
			{name: "429, come back in an hour", set: func(s *scene) { s.Evil = status("/manifests/", 1, 429, "Retry-After", "3600") }, want: "error rate-limited", says: "429"},
			{name: "429 once, come back now", set: func(s *scene) {
				limited := status("/manifests/", 1, 429, "Retry-After", "0")
				s.Evil = first("/manifests/", limited)
			}, want: passes},
			{name: "503", inside: true, set: func(s *scene) { s.Evil = status("/manifests/", 1, 503) }, want: "error unavailable", says: "503"},
			{name: "503, come back tomorrow", set: func(s *scene) { s.Evil = status("/manifests/", 1, 503, "Retry-After", "86400") }, want: "error unavailable", says: "503"},
			{name: "401 midway", set: func(s *scene) { s.sign(); s.Evil = status("/manifests/sha256-.*sig", 1, 401) }, want: "error unauthorized", says: "401"},
			{name: "503 midway", inside: true, set: func(s *scene) { s.sign(); s.Evil = status("/manifests/sha256-.*sig", 1, 503) }, want: "error unavailable", says: "reading the signatures"},
			{name: "403 midway", set: func(s *scene) { s.sign(); s.Evil = status("/manifests/sha256-.*sig", 1, 403) }, want: "error forbidden", says: "403"},
			{name: "404 of a proxy midway", set: func(s *scene) { s.sign(); s.Evil = status("/manifests/sha256-.*sig", 1, 404) }, want: "error invalid", says: "404"},
		}},
		{name: "case 10 the signature tag exists, the image does not", steps: []step{
			{name: "by digest", set: func(s *scene) {
				s.sign()
				s.want("@"+nowhere, nowhere)
				forge.SignTag(s.t, s.Registry, nowhere, s.key.Layer(s.t, forge.Claim(s.Ref(""), nowhere)))
				forge.Refer(s.t, s.Registry, nowhere, s.key.Bundle(s.t, forge.Statement(nowhere, forge.SignType)))
			}, want: "verify/digest fail missing-image", says: "is not in the registry"},
			{name: "by tag", set: func(s *scene) {
				s.sign()
				s.want(":v2", nowhere)
				forge.SignTag(s.t, s.Registry, nowhere, s.key.Layer(s.t, forge.Claim(s.Ref(""), nowhere)))
			}, want: "verify/digest fail missing-image", says: "is not in the registry"},
		}},
	}
}

// onHead answers HEAD alone.
func onHead(path string, code int, headers ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodHead || !strings.Contains(r.URL.Path, path) {
			return false
		}
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		return true
	}
}

// onGet answers those GETs of a path with a body that lies says, counted from 1.
func onGet(path string, lies func(n int) bool, body string) func(http.ResponseWriter, *http.Request) bool {
	n, evil := counter(), answer(path, body, "Content-Type", ociManifest)
	return func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodGet && matches(path, r) && lies(n()) && evil(w, r)
	}
}

// first lets an Evil answer once.
func first(path string, evil func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	n := counter()
	return func(w http.ResponseWriter, r *http.Request) bool { return matches(path, r) && n() == 1 && evil(w, r) }
}

// drip promises a body and sends it a byte at a time.
func drip(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !matches(path, r) {
			return false
		}
		w.Header().Set("Content-Length", "100000")
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, " "); err != nil {
				break
			}
			w.(http.Flusher).Flush()
			select { // the client must not wait for the last byte
			case <-r.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		return true
	}
}

// redirects lead away from the registry. Content may come from elsewhere, its hash is checked; nothing else may.
func redirects() []step {
	to := func(target string) func(*scene) {
		return func(s *scene) {
			s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/manifests/v1") {
					http.Redirect(w, r, strings.ReplaceAll(target, "PORT", s.Host[strings.LastIndex(s.Host, ":")+1:]), http.StatusTemporaryRedirect)
					return true
				}
				return false
			}
		}
	}
	realm := func(url string) func(*scene) {
		return func(s *scene) {
			s.docker = dockerLogin(s.Host)
			s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="registry",scope="repository:acme/app:pull"`, url))
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
		}
	}
	return []step{
		{name: "redirect, plain HTTP to a private address", set: to("http://10.11.12.13/v2/"), want: "error refused", says: "10.11.12.13"},
		{name: "redirect, plain HTTP to the cloud's metadata", set: to("http://169.254.169.254/latest/meta-data"), want: "error refused", says: "169.254.169.254"},
		{name: "redirect to a file", set: to("file:///etc/passwd"), want: "error refused", says: `"file"`},
		{name: "redirect without end", set: to("http://127.0.0.1:PORT/v2/acme/app/manifests/v1"), want: "error refused", says: "redirects"},
		{name: "realm on a private address", set: realm("http://10.11.12.13/token"), want: "error refused", says: "10.11.12.13"},
		{name: "realm on 0.0.0.0", set: realm("http://0.0.0.0/token"), want: "error refused", says: "0.0.0.0"},
		{name: "realm is the cloud's metadata", set: realm("http://169.254.169.254/token"), want: "error refused", says: "169.254.169.254"},
		{name: "realm is a file", set: realm("file:///etc/passwd"), want: "error refused", says: "file"},
	}
}

func dockerLogin(host string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("bake:correct-horse")))
}

// credentialsStay with the registry: another host, to which it sends us for content, must not see them.
func credentialsStay(t *testing.T) {
	s := newScene(t)
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(leaked.Load() || r.Header.Get("Authorization") != "")
		w.Header().Set("Content-Type", ociManifest)
		_, _ = w.Write(s.good.raw)
	}))
	t.Cleanup(other.Close)
	asked := counter()
	s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user != "bake" || password != "correct-horse" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if strings.Contains(r.URL.Path, "/manifests/") {
			asked()
			http.Redirect(w, r, other.URL+"/elsewhere?signature="+url.QueryEscape("a b"), http.StatusFound)
			return true
		}
		return false
	}
	b := runBinary(t, command(t, s.config(), "DOCKER_AUTH_CONFIG="+dockerLogin(s.Host)))
	if b.code != 0 || asked() != 2 {
		t.Errorf("content from elsewhere, with the right hash, must do: exit %d\n%s", b.code, b.text)
	}
	if leaked.Load() || strings.Contains(b.text, "correct-horse") {
		t.Errorf("the credential went to another host, or into the output:\n%s", b.text)
	}
}
