package verify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
)

// flipped is one document of a fixture, of which every byte is changed in turn.
type flipped struct {
	name string
	tag  string
	set  func(s *scene)
	// raw is the document. serve gives the answers of a registry that has other bytes in its place, by the end of their path.
	raw   func(p parts) []byte
	serve func(p parts, b []byte) map[string][]byte
	// same reports whether other bytes still say the same: the same bytes were signed, and the same signature of them is there. Only then, or
	// where the document was not read, may it pass. nil: never.
	same   func(p parts, b []byte) bool
	stride int // 1: every byte
}

// parts are the documents of a signed fixture.
type parts struct {
	digest             string
	manifest, config   []byte
	signature, payload []byte // of the tag form
	referrer, bundle   []byte
}

func (f *fixtures) parts(tag string) parts {
	f.t.Helper()
	p := parts{digest: f.digest(tag), manifest: f.blob(f.tags[tag].Digest)}
	p.config = f.blob(f.document(p.manifest).Config.Digest)
	if d, ok := f.tags["sha256-"+p.digest[7:]+".sig"]; ok {
		p.signature = f.blob(d.Digest)
		p.payload = f.blob(f.document(p.signature).Layers[0].Digest)
	}
	if d, ok := f.tags["sha256-"+p.digest[7:]]; ok {
		p.referrer = f.blob(f.document(f.blob(d.Digest)).Manifests[0].Digest)
		p.bundle = f.blob(f.document(p.referrer).Layers[0].Digest)
	}
	return p
}

// document is any manifest or index.
type document struct {
	Config    v1.Descriptor   `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
	Manifests []v1.Descriptor `json:"manifests"`
}

func (f *fixtures) document(raw []byte) (d document) {
	f.t.Helper()
	must(f.t, json.Unmarshal(raw, &d))
	return d
}

// rehashed puts the digest of other bytes where a manifest names the old ones, so that only what is signed can tell.
func rehashed(manifest, old, b []byte) []byte {
	return bytes.ReplaceAll(manifest, []byte(registry.Digest(old)), []byte(registry.Digest(b)))
}

func flips() []flipped {
	sig := func(p parts) string { return "/manifests/sha256-" + p.digest[7:] + ".sig" }
	return []flipped{
		{name: "manifest, by digest", tag: "cosign2-tag", stride: 3, raw: func(p parts) []byte { return p.manifest },
			set:   func(s *scene) { s.image.Image = s.Ref("@" + s.built.Value) },
			serve: func(p parts, b []byte) map[string][]byte { return map[string][]byte{"/manifests/" + p.digest: b} }},
		{name: "manifest, by tag", tag: "cosign2-tag", stride: 3, raw: func(p parts) []byte { return p.manifest },
			serve: func(_ parts, b []byte) map[string][]byte { return map[string][]byte{"/manifests/cosign2-tag": b} }},
		{name: "config", tag: "cosign2-tag", stride: 3, raw: func(p parts) []byte { return p.config },
			set: func(s *scene) { s.image.Platforms = []string{"linux/amd64"} },
			serve: func(p parts, b []byte) map[string][]byte {
				return map[string][]byte{"/blobs/" + registry.Digest(p.config): b}
			}},
		{name: "signature manifest with its annotation", tag: "cosign2-tag", stride: 1, raw: func(p parts) []byte { return p.signature },
			serve: func(p parts, b []byte) map[string][]byte { return map[string][]byte{sig(p): b} },
			same:  sameTag},
		{name: "payload", tag: "cosign2-tag", stride: 16, raw: func(p parts) []byte { return p.payload },
			serve: func(p parts, b []byte) map[string][]byte {
				return map[string][]byte{"/blobs/" + registry.Digest(p.payload): b}
			}},
		{name: "payload, hashed again", tag: "cosign2-tag", stride: 1, raw: func(p parts) []byte { return p.payload },
			serve: func(p parts, b []byte) map[string][]byte {
				return map[string][]byte{sig(p): rehashed(p.signature, p.payload, b), "/blobs/" + registry.Digest(b): b}
			}},
		{name: "bundle's manifest", tag: "cosign3-bundle", stride: 4, raw: func(p parts) []byte { return p.referrer },
			serve: func(p parts, b []byte) map[string][]byte {
				return map[string][]byte{"/manifests/" + registry.Digest(p.referrer): b}
			}},
		{name: "bundle", tag: "cosign3-bundle", stride: 4, raw: func(p parts) []byte { return p.bundle },
			serve: func(p parts, b []byte) map[string][]byte {
				return map[string][]byte{"/blobs/" + registry.Digest(p.bundle): b}
			}},
		{name: "bundle, hashed again", tag: "cosign3-bundle", stride: 1, raw: func(p parts) []byte { return p.bundle },
			serve: func(p parts, b []byte) map[string][]byte {
				m := rehashed(p.referrer, p.bundle, b)
				list := indexOf(map[string]any{"mediaType": ociManifest, "digest": registry.Digest(m), "size": len(m), "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"})
				return map[string][]byte{"/referrers/" + p.digest: list.Bytes, "/manifests/" + registry.Digest(m): m, "/blobs/" + registry.Digest(b): b}
			},
			same: sameBundle},
	}
}

// sameTag: the first layer is the payload that was signed, and its annotation decodes to the signature that was made.
func sameTag(p parts, b []byte) bool {
	var was, is document
	if json.Unmarshal(p.signature, &was) != nil || json.Unmarshal(b, &is) != nil || len(is.Layers) != len(was.Layers) {
		return false
	}
	return is.Layers[0].Digest == was.Layers[0].Digest && decoded(is.Layers[0].Annotations[annSignature]) == decoded(was.Layers[0].Annotations[annSignature])
}

// sameBundle: the envelope holds the statement and the signature that were made.
func sameBundle(p parts, b []byte) bool {
	type envelope struct {
		DSSEEnvelope struct {
			Payload    string              `json:"payload"`
			Signatures []map[string]string `json:"signatures"`
		} `json:"dsseEnvelope"`
	}
	var was, is envelope
	if json.Unmarshal(p.bundle, &was) != nil || json.Unmarshal(b, &is) != nil || len(is.DSSEEnvelope.Signatures) != 1 {
		return false
	}
	return decoded(is.DSSEEnvelope.Payload) == decoded(was.DSSEEnvelope.Payload) &&
		decoded(is.DSSEEnvelope.Signatures[0]["sig"]) == decoded(was.DSSEEnvelope.Signatures[0]["sig"])
}

// decoded is the bytes that a text in base64 stands for. Its last character has bits that no byte takes; protobuf also reads the form for URLs.
func decoded(text string) string {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return "not base64: " + text
	}
	return string(b)
}

// Any byte of what makes a signed image pass, changed, makes it not pass.
func TestFlippedBytes(t *testing.T) {
	f := loadFixtures(t)
	for _, x := range flips() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			x.run(t, f)
		})
	}
}

func (x flipped) run(t *testing.T, f *fixtures) {
	w := fake.New(t)
	f.push(w, false, x.tag)
	s := honest{tag: x.tag, key: "ecdsa"}.scene(t, f, w)
	if x.set != nil {
		x.set(s)
	}
	p := f.parts(x.tag)
	raw := x.raw(p)
	if got, read := x.look(s, p, raw); !strings.HasPrefix(got, passes) || strings.Contains(got, "fail") || read == 0 && x.name != "payload" {
		t.Fatalf("as it is: got %s, read %d times", got, read)
	}
	harmless, n := 0, 0
	for i := 0; i < len(raw); i += x.stride {
		b := slices.Clone(raw)
		b[i] ^= 1 << (i % 8)
		n++
		got, read := x.look(s, p, b)
		switch passed := strings.HasPrefix(got, passes) && !strings.Contains(got, "fail") && !strings.Contains(got, "unknown"); {
		case !passed || read == 0:
		case x.same == nil || !x.same(p, b):
			t.Errorf("byte %d, %q for %q: %s\n%s", i, b[i], raw[i], got, b)
		default:
			harmless++
		}
	}
	t.Logf("%d of %d bytes changed, %d of them say the same", n, len(raw), harmless)
}

// look verifies with other bytes in a document's place, and counts how often they were read. It does not wait for an index that lags, for
// which there is no time.
func (x flipped) look(s *scene, p parts, b []byte) (got string, read int32) {
	answers := x.serve(p, b)
	var n atomic.Int32
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		for end, body := range answers {
			if strings.HasSuffix(r.URL.Path, end) {
				n.Add(1)
				_, _ = w.Write(body)
				return true
			}
		}
		return false
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r, err := s.runIn(ctx)
	return outcome(r, err), n.Load()
}
