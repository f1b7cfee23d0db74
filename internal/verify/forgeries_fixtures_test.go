package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/realtest"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/signed"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// signedHere is the repository in which the fixtures were signed. They are served from elsewhere, which a signature of the tag form does
// not allow unless it is said.
const signedHere = "localhost:5999/acme/app"

// fixtures are images that the real cosign 2 and 3 signed: testdata/signed, which says how they are made.
type fixtures struct {
	t    testing.TB
	dir  string
	tags map[string]v1.Descriptor
}

func loadFixtures(t testing.TB) *fixtures {
	t.Helper()
	f := &fixtures{t: t, dir: filepath.Join("..", "..", "testdata", "signed"), tags: map[string]v1.Descriptor{}}
	b, err := os.ReadFile(filepath.Join(f.dir, "layout", "index.json"))
	must(t, err)
	var index v1.IndexManifest
	must(t, json.Unmarshal(b, &index))
	for _, d := range index.Manifests {
		f.tags[d.Annotations["org.opencontainers.image.ref.name"]] = d
	}
	return f
}

func (f *fixtures) digest(tag string) string {
	f.t.Helper()
	d, ok := f.tags[tag]
	if !ok {
		f.t.Fatalf("there is no fixture %s", tag)
	}
	return d.Digest.String()
}

func (f *fixtures) blob(h v1.Hash) []byte {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, "layout", "blobs", h.Algorithm, h.Hex))
	must(f.t, err)
	return b
}

// key is the path of a public key.
func (f *fixtures) key(name string) string {
	f.t.Helper()
	path, err := filepath.Abs(filepath.Join(f.dir, "keys", name+".pub"))
	must(f.t, err)
	return path
}

// fallbackForm is the tag that stands in for the referrers API.
var fallbackForm = regexp.MustCompile(`^sha256-[0-9a-f]{64}$`)

// push puts the fixtures whose tag is among some, with everything that belongs to them, into a registry; all where none is named. Only a
// registry without the referrers API has fallback tags: to one with it, cosign would not have pushed them.
func (f *fixtures) push(w *fake.Registry, fallback bool, tags ...string) {
	f.t.Helper()
	repo, err := name.NewRepository(w.Ref(""))
	must(f.t, err)
	pusher, err := remote.NewPusher()
	must(f.t, err)
	p := &pushing{fixtures: f, repo: repo, pusher: pusher, done: map[v1.Hash]bool{}}
	for tag, d := range f.tags {
		if !f.belongs(tag, tags) {
			continue
		}
		if fallbackForm.MatchString(tag) && !fallback {
			p.children(d)
			continue
		}
		p.manifest(repo.Tag(tag), d)
	}
}

// belongs reports whether a tag is among some, or the signature tag or fallback tag of one of them or of its children.
func (f *fixtures) belongs(tag string, some []string) bool {
	if len(some) == 0 {
		return true
	}
	for _, s := range some {
		if tag == s {
			return true
		}
		ds := []v1.Descriptor{f.tags[s]}
		if strings.HasSuffix(s, "-index") {
			var index v1.IndexManifest
			must(f.t, json.Unmarshal(f.blob(f.tags[s].Digest), &index))
			ds = append(ds, index.Manifests...)
		}
		for _, d := range ds {
			if strings.HasPrefix(tag, "sha256-"+d.Digest.Hex) {
				return true
			}
		}
	}
	return false
}

// pushing is one push of fixtures to a registry.
type pushing struct {
	*fixtures
	repo   name.Repository
	pusher *remote.Pusher
	done   map[v1.Hash]bool
}

func (p *pushing) manifest(ref name.Reference, d v1.Descriptor) {
	p.t.Helper()
	raw := p.blob(d.Digest)
	var m struct {
		Config *v1.Descriptor
		Layers []v1.Descriptor
	}
	must(p.t, json.Unmarshal(raw, &m))
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, l := range m.Layers {
		if !p.done[l.Digest] {
			must(p.t, p.pusher.Upload(context.Background(), p.repo, static.NewLayer(p.blob(l.Digest), l.MediaType)))
		}
		p.done[l.Digest] = true
	}
	p.children(d)
	must(p.t, p.pusher.Push(context.Background(), ref, forge.Raw{Bytes: raw, Type: d.MediaType}))
}

// children pushes what an index names.
func (p *pushing) children(d v1.Descriptor) {
	p.t.Helper()
	if d.MediaType != types.OCIImageIndex {
		return
	}
	var index v1.IndexManifest
	must(p.t, json.Unmarshal(p.blob(d.Digest), &index))
	for _, child := range index.Manifests {
		p.manifest(p.repo.Digest(child.Digest.String()), child)
	}
}

// honest is what a fixture must come to.
type honest struct {
	tag       string
	key       string
	platform  string // deploy this platform's image out of the index
	attested  []string
	elsewhere string // another repository that the signature may have been made for
	want      string
	says      string
}

const threePass = "verify/attestation pass; verify/attestation pass; verify/attestation pass"

func honestFixtures() []honest {
	kinds := []string{"slsa-provenance", "spdx", "cyclonedx"}
	return []honest{
		{tag: "unsigned", key: "ecdsa", want: badSignature, says: "has no signature"},
		{tag: "cosign2-tag", key: "ecdsa", want: signedPasses},
		{tag: "cosign2-tag", key: "rsa", want: badSignature, says: "it was not made with the key"},
		{tag: "cosign2-tag", key: "stranger", want: badSignature, says: "it was not made with the key"},
		{tag: "cosign2-tag-rsa", key: "rsa", want: signedPasses},
		{tag: "cosign2-tag-p384", key: "p384", want: signedPasses},
		{tag: "cosign2-tag-ed25519", key: "ed25519", want: signedPasses},
		{tag: "cosign2-tag-two", key: "ecdsa", want: signedPasses, says: "refused: it was not made with the key"},
		{tag: "cosign2-tag-two", key: "stranger", want: signedPasses},
		{tag: "cosign2-tag-annotated", key: "ecdsa", want: signedPasses},
		{tag: "cosign2-tag-elsewhere", key: "ecdsa", want: badSignature, says: "registry.acme.example/acme/app"},
		{tag: "cosign2-tag-elsewhere", key: "ecdsa", elsewhere: "registry.acme.example/acme/app", want: signedPasses},
		{tag: "cosign2-tag-stranger", key: "ecdsa", want: badSignature, says: "it was not made with the key"},
		{tag: "cosign2-bundle", key: "ecdsa", want: signedPasses},
		{tag: "cosign2-attested", key: "ecdsa", attested: kinds, want: signedPasses + "; " + threePass},
		{tag: "cosign2-attested", key: "rsa", attested: kinds[:1], want: badSignature + "; verify/attestation fail attestation", says: "it was not made with the key"},
		{tag: "cosign2-sbom-only", key: "ecdsa", attested: kinds[1:2], want: badSignature + "; verify/attestation pass", says: "has no signature"},
		{tag: "cosign2-sbom-only", key: "ecdsa", attested: kinds[:1], want: badSignature + "; verify/attestation fail attestation", says: "it has https://spdx.dev/Document"},
		{tag: "cosign2-index", key: "ecdsa", want: signedPasses},
		{tag: "cosign2-index", key: "ecdsa", platform: "linux/arm64", want: signedPasses},
		{tag: "cosign2-recursive-index", key: "ecdsa", platform: "linux/amd64", want: signedPasses},
		{tag: "cosign3-bundle", key: "ecdsa", want: signedPasses},
		{tag: "cosign3-bundle", key: "stranger", want: badSignature, says: "it was not made with the key"},
		{tag: "cosign3-bundle-rsa", key: "rsa", want: signedPasses},
		{tag: "cosign3-bundle-p384", key: "p384", want: signedPasses},
		{tag: "cosign3-bundle-ed25519", key: "ed25519", want: signedPasses},
		{tag: "cosign3-bundle-two", key: "ecdsa", want: signedPasses},
		{tag: "cosign3-bundle-stranger", key: "ecdsa", want: badSignature, says: "it was not made with the key"},
		{tag: "cosign3-tag", key: "ecdsa", want: signedPasses},
		{tag: "cosign3-attested", key: "ecdsa", attested: kinds, want: signedPasses + "; " + threePass},
		{tag: "cosign3-sbom-only", key: "ecdsa", attested: kinds[1:2], want: badSignature + "; verify/attestation pass", says: "attestation"},
		{tag: "cosign3-index", key: "ecdsa", want: signedPasses},
		{tag: "cosign3-index", key: "ecdsa", platform: "linux/arm64", want: signedPasses},
		{tag: "cosign3-recursive-index", key: "ecdsa", platform: "linux/amd64", want: signedPasses},
		{tag: "both", key: "ecdsa", want: signedPasses},
		{tag: "both-tag-stranger", key: "ecdsa", want: signedPasses, says: "refused: it was not made with the key"},
		{tag: "both-bundle-stranger", key: "ecdsa", want: signedPasses},
	}
}

// scene asks a registry for a fixture.
func (h honest) scene(t testing.TB, f *fixtures, w *fake.Registry) *scene {
	t.Helper()
	s := &scene{Registry: w, t: t}
	s.want(":"+h.tag, f.digest(h.tag))
	if h.platform != "" {
		var index v1.IndexManifest
		must(t, json.Unmarshal(f.blob(f.tags[h.tag].Digest), &index))
		for _, d := range index.Manifests {
			if d.Platform.String() == h.platform {
				s.image.Image = w.Ref("@" + d.Digest.String())
			}
		}
	}
	s.signature = &signed.Signature{Signer: signed.Signer{Key: f.key(h.key), IgnoreTlog: true}, SignedAs: []string{signedHere}}
	if h.elsewhere != "" {
		s.signature.SignedAs = append(s.signature.SignedAs, h.elsewhere)
	}
	for _, a := range h.attested {
		s.attested = append(s.attested, signed.Attestation{Type: a})
	}
	return s
}

// What the real cosign signed verifies, in process and through the binary, from a registry with the referrers API, one without, and a real one.
func TestFixtures(t *testing.T) {
	f := loadFixtures(t)
	for name, start := range map[string]func(t *testing.T) *fake.Registry{
		"with referrers": func(t *testing.T) *fake.Registry { w := fake.New(t); f.push(w, false); return w },
		"without referrers": func(t *testing.T) *fake.Registry {
			w := fake.New(t)
			f.push(w, true)
			w.Evil = func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/referrers/") {
					return false
				}
				http.NotFound(rw, r)
				return true
			}
			return w
		},
		"docker-registry": func(t *testing.T) *fake.Registry {
			w := fake.At(t, realtest.Registry(t, "", "").Addr)
			f.push(w, true)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			for _, h := range honestFixtures() {
				t.Run(fmt.Sprintf("%s %s by %s", h.tag, h.platform, h.key), func(t *testing.T) {
					t.Parallel()
					s := h.scene(t, f, w)
					r, err := s.run()
					if got := outcome(r, err); got != h.want || !strings.Contains(dump(r.Findings), h.says) {
						t.Errorf("got %s %v, want %s saying %q\n%s", got, err, h.want, h.says, dump(r.Findings))
					}
					if name == "docker-registry" {
						k := step{want: h.want}
						if b := runBinary(t, command(t, s.config())); b.code != k.exits()[0] {
							t.Errorf("the binary ends with %d, want %d\n%s", b.code, k.exits()[0], b.text)
						}
					}
				})
			}
		})
	}
}

// Without signed-as, a signature of the tag form does not count elsewhere; a bundle names no repository.
func TestFixturesAreNotCarriedOver(t *testing.T) {
	f := loadFixtures(t)
	w := fake.New(t)
	f.push(w, false, "cosign2-tag", "cosign3-bundle", "cosign3-tag")
	for tag, want := range map[string]string{"cosign2-tag": badSignature, "cosign3-tag": badSignature, "cosign3-bundle": signedPasses} {
		s := honest{tag: tag, key: "ecdsa"}.scene(t, f, w)
		s.signature.SignedAs = nil
		r, err := s.run()
		if got := outcome(r, err); got != want || want == badSignature && !strings.Contains(dump(r.Findings), signedHere) {
			t.Errorf("%s: got %s %v, want %s\n%s", tag, got, err, want, dump(r.Findings))
		}
	}
}
