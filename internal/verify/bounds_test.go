package verify

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// Whatever a registry sends, the binary stays within these.
const (
	mostMemory = 128 << 20
	mostTime   = 45 * time.Second // its own limits end it before: 15 s for a request, a minute for a call with all its tries
)

// flood is a registry that sends too much, or without end.
type flood struct {
	name     string
	set      func(s *scene)
	exits    []int
	requests int // at most; 0: 20
}

// Each floods the real binary, in a process of its own, which must end by itself: in time, in little memory, and never with 0.
func TestBounds(t *testing.T) {
	for _, f := range slices.Concat(manifestFloods(), signatureFloods(), attestationFloods()) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.run(t)
		})
	}
}

func (f flood) run(t *testing.T) {
	s := newScene(t)
	f.set(s)
	s.Forget()
	cmd := command(t, s.config(), "DOCKER_AUTH_CONFIG="+s.docker)
	peak := measured(t, cmd)
	begin := time.Now()
	b := runBinary(t, cmd) // launch ends it after mostTime
	t.Logf("%s: exit %d after %s with at most %d MiB, %d requests", f.name, b.code, time.Since(begin).Round(time.Millisecond), peak()>>20, len(s.Requests()))
	if !slices.Contains(f.exits, b.code) {
		t.Errorf("exit %d, want one of %v\n%.3000s", b.code, f.exits, b.text)
	}
	if p := peak(); p > mostMemory {
		t.Errorf("it took %d MiB, want at most %d", p>>20, mostMemory>>20)
	}
	if n, most := len(s.Requests()), cmp.Or(f.requests, 20); n > most {
		t.Errorf("%d requests, want at most %d", n, most)
	}
	if len(b.text) > 64<<10 {
		t.Errorf("it wrote %d bytes", len(b.text))
	}
}

// measured runs a command through launch. The peak can be asked for when it has ended; 0 where the system does not tell.
func measured(t testing.TB, cmd *exec.Cmd) (peak func() int64) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	path := filepath.Join(t.TempDir(), "peak")
	cmd.Args = append([]string{self}, cmd.Args...)
	cmd.Path = self
	cmd.Env = append(cmd.Env, "BAKEGATE_TEST_PEAK="+path, "BAKEGATE_TEST_LIMIT="+mostTime.String())
	return func() int64 {
		b, err := os.ReadFile(path)
		must(t, err)
		n, err := strconv.ParseInt(string(b), 10, 64)
		must(t, err)
		return n
	}
}

func manifestFloods() []flood {
	blocked, failed := []int{13}, []int{1}
	return []flood{
		{name: "honest, to compare", set: func(s *scene) { s.sign(); s.tagged(s.key.Layer(s.t, s.claim())) }, exits: []int{0}},
		{name: "a manifest of 110 MiB", set: func(s *scene) { s.Evil = sized("/manifests/", 110<<20) }, exits: failed},
		{name: "a manifest without end", set: func(s *scene) { s.Evil = endless("/manifests/", `{"schemaVersion":2,"x":[`) }, exits: failed},
		{name: "a manifest that drips", set: func(s *scene) { s.Evil = drip("/manifests/") }, exits: failed},
		{name: "an error without end", set: func(s *scene) {
			body := endless("/manifests/", "no ")
			s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
				if matches("/manifests/", r) {
					w.WriteHeader(http.StatusForbidden)
				}
				return body(w, r)
			}
		}, exits: failed},
		{name: "a manifest packed as a bomb", set: func(s *scene) {
			s.Evil = answer("/manifests/", string(bomb()), "Content-Type", ociManifest, "Content-Encoding", "gzip")
		}, exits: []int{13, 1}},
		{name: "nested JSON", set: func(s *scene) {
			s.Evil = answer("/manifests/", `{"schemaVersion":2,"annotations":`+strings.Repeat(`{"a":`, 800<<10), "Content-Type", ociManifest)
		}, exits: blocked},
		{name: "nested arrays", set: func(s *scene) {
			s.Evil = answer("/manifests/", `{"schemaVersion":2,"fsLayers":`+strings.Repeat(`[`, 4<<20-100), "Content-Type", ociManifest)
		}, exits: blocked},
		{name: "a million layers of schema 1", set: func(s *scene) {
			s.Evil = answer("/manifests/", millionOf("fsLayers", `{}`), "Content-Type", ociManifest)
		}, exits: blocked},
		{name: "a million layers", set: func(s *scene) { s.Evil = answer("/manifests/", millionOf("layers", `{}`), "Content-Type", ociManifest) }, exits: blocked},
		{name: "a million images", set: func(s *scene) { s.Evil = answer("/manifests/", millionOf("manifests", `{}`), "Content-Type", ociIndex) }, exits: blocked},
		{name: "half a million keys", set: func(s *scene) {
			var b strings.Builder
			for n := 0; b.Len() < 4<<20-200; n++ {
				fmt.Fprintf(&b, `"%d":"",`, n)
			}
			s.Evil = answer("/manifests/", `{"schemaVersion":2,"config":{"digest":"`+digestA+`"},"annotations":{`+b.String()+`"a":""}}`, "Content-Type", ociManifest)
		}, exits: blocked},
		{name: "huge annotations", set: func(s *scene) {
			s.Evil = answer("/manifests/", compact(map[string]any{"schemaVersion": 2, "mediaType": ociManifest, "config": map[string]any{"digest": digestA},
				"annotations": map[string]any{"a": strings.Repeat("b", 3<<20), strings.Repeat("c", 512<<10): "d"}}), "Content-Type", ociManifest)
		}, exits: blocked},
		{name: "an index of 1,000 images", set: func(s *scene) {
			i := indexOf(manyEntries(1000)...)
			s.want(":v1", registry.Digest(i.Bytes))
			s.Evil = answer("/manifests/v1$", string(i.Bytes), "Content-Type", ociIndex)
		}, exits: blocked},
		{name: "an index of 64 images, whose manifests have 4 MiB each", set: func(s *scene) { fatIndex(s, registry.MaxManifest) }, exits: []int{13, 1}, requests: 300},
		{name: "an index of 64 images, whose manifests have 1 MiB each", set: func(s *scene) { fatIndex(s, 1<<20) }, exits: []int{13, 1}, requests: 300},
		{name: "an index of 1,000 attestations", set: func(s *scene) {
			all := manyEntries(1000)
			for _, e := range all {
				e["platform"] = map[string]any{"os": "unknown", "architecture": "unknown"}
			}
			i := indexOf(all...)
			s.want(":v1", registry.Digest(i.Bytes))
			s.Evil = answer("/manifests/v1$", string(i.Bytes), "Content-Type", ociIndex)
		}, exits: blocked},
		{name: "a flood of headers", set: func(s *scene) {
			s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
				for i := range 4000 {
					w.Header().Set(fmt.Sprintf("X-Flood-%d", i), strings.Repeat("x", 100))
				}
				w.WriteHeader(http.StatusOK)
				return true
			}
		}, exits: failed},
		{name: "early hints without end", set: func(s *scene) {
			s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Link", "</"+strings.Repeat("x", 10<<10)+">")
				for i := 0; i < 5000 && r.Context().Err() == nil; i++ {
					w.WriteHeader(http.StatusEarlyHints)
				}
				return true
			}
		}, exits: failed},
		{name: "a config without end", set: func(s *scene) {
			s.image.Platforms = []string{"linux/amd64"}
			s.Evil = endless("/blobs/", `{"os":`)
		}, exits: failed},
		{name: "a token without end", set: func(s *scene) {
			s.docker = dockerLogin(s.Host)
			token := endless("/token", "x")
			s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
				if token(w, r) {
					return true
				}
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="registry"`, s.Host))
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
		}, exits: failed},
	}
}

func signatureFloods() []flood {
	blocked, failed := []int{13}, []int{1}
	signature := func(set func(s *scene)) func(*scene) { return func(s *scene) { s.sign(); set(s) } }
	return []flood{
		{name: "a signature manifest without end", set: signature(func(s *scene) { s.Evil = endless(`\.sig$`, " ") }), exits: failed},
		{name: "a signature that drips", set: signature(func(s *scene) { s.Evil = drip(`\.sig$`) }), exits: failed},
		{name: "a payload without end", set: signature(func(s *scene) {
			s.tagged(s.key.Layer(s.t, []byte(`{"not":"canonical"}`)))
			s.Evil = endless("/blobs/", " ")
		}), exits: blocked},
		{name: "1,000 signatures under the tag", set: signature(func(s *scene) {
			var all []forge.Layer
			l := forge.NewKey(s.t).Layer(s.t, s.claim())
			for range 1000 {
				all = append(all, l)
			}
			forge.SignTag(s.t, s.Registry, s.good.digest, all...)
		}), exits: []int{13, 12}, requests: 120},
		{name: "a signature with huge annotations", set: signature(func(s *scene) {
			l := s.key.Layer(s.t, s.claim())
			for i := range 40 {
				l.Annotations[fmt.Sprintf("x%d", i)] = strings.Repeat("y", 90<<10)
			}
			l.Annotations[annLog] = strings.Repeat(`[`, 200<<10)
			s.tagged(l)
		}), exits: blocked},
		{name: "10,000 referrers", set: signature(func(s *scene) { s.Evil = referrers(s, 10000) }), exits: []int{13, 12}, requests: 320},
		{name: "referrers without end", set: signature(func(s *scene) { s.Evil = endless("/referrers/", `{"schemaVersion":2,"manifests":[`) }), exits: failed},
		{name: "pages of referrers without end", set: signature(func(s *scene) {
			page := referrers(s, 3)
			n := counter()
			s.Evil = func(w http.ResponseWriter, r *http.Request) bool {
				if matches("/referrers/", r) {
					w.Header().Set("Link", fmt.Sprintf(`<%s?n=3&last=%d>; rel="next"`, r.URL.Path, n()))
				}
				return page(w, r)
			}
		}), exits: []int{13, 12, 1}, requests: 320},
		{name: "a packed bomb as a bundle", set: signature(func(s *scene) { s.bundled(bomb()) }), exits: blocked},
		{name: "a packed bomb as a bundle, called gzip", set: signature(func(s *scene) {
			b := bomb()
			s.bundled(b)
			s.Evil = answer("/blobs/"+registry.Digest(b), string(b), "Content-Encoding", "gzip")
		}), exits: blocked},
		{name: "a bundle without end", set: signature(func(s *scene) {
			s.bundled(s.key.Bundle(s.t, s.statement()))
			s.Evil = endless("/blobs/", `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","x":{`)
		}), exits: blocked},
		{name: "a bundle of nested JSON", set: signature(func(s *scene) { s.bundled([]byte(strings.Repeat(`{"verificationMaterial":`, 40000))) }), exits: blocked},
		{name: "a bundle of a hundred thousand log entries", set: signature(func(s *scene) {
			b := changeJSON(s.t, string(s.key.Bundle(s.t, s.statement())), entriesOf(20000), "verificationMaterial", "tlogEntries")
			s.bundled([]byte(b))
		}), exits: []int{0, 13}},
		{name: "a statement of a hundred thousand subjects", set: signature(func(s *scene) {
			subjects := strings.Repeat(`{"digest":{"sha256":"`+nowhere[7:]+`"}},`, 5000)
			s.bundled(s.key.Bundle(s.t, []byte(`{"_type":"https://in-toto.io/Statement/v1","predicateType":"`+forge.SignType+`","predicate":{},"subject":[`+
				strings.TrimSuffix(subjects, ",")+`]}`)))
		}), exits: blocked},
	}
}

// fatBOM is a list of parts, about as large as one may be (its envelope is Base64, and has 8 MiB), of many small values.
func fatBOM(s *scene) []byte {
	part := `{"SPDXID":"SPDXRef-Package","name":"left-pad","versionInfo":"1.3.0","licenseConcluded":"WTFPL"},`
	return forge.Attest(s.good.digest, spdxType, `{"packages":[`+strings.Repeat(part, 5600<<10/len(part))+`{}]}`)
}

func attestationFloods() []flood {
	attested := func(set func(s *scene)) func(*scene) { return func(s *scene) { s.attest("spdx"); set(s) } }
	return []flood{
		{name: "a list of parts of 8 MiB, honest", exits: []int{0}, set: attested(func(s *scene) {
			forge.AttestTag(s.t, s.Registry, s.good.digest, s.key.Envelope(s.t, fatBOM(s)))
		})},
		{name: "four lists of parts of 8 MiB, by a stranger", exits: []int{13, 12}, requests: 60, set: attested(func(s *scene) {
			k, all := forge.NewKey(s.t), []forge.Layer(nil)
			for range 4 {
				all = append(all, k.Envelope(s.t, fatBOM(s)))
			}
			forge.AttestTag(s.t, s.Registry, s.good.digest, all...)
		})},
		{name: "an attestation without end", exits: []int{13}, set: attested(func(s *scene) {
			forge.AttestTag(s.t, s.Registry, s.good.digest, s.key.Envelope(s.t, forge.Statement(s.good.digest, spdxType)))
			s.Evil = endless("/blobs/", `{"payload":"`)
		})},
	}
}
