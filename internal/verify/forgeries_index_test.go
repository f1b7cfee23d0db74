package verify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

type taggable = remote.Taggable

const noPlatform = "verify/digest pass; verify/platforms fail missing-platform"

// index pushes an index and asks for it.
func (s *scene) index(platforms ...string) v1.ImageIndex {
	s.t.Helper()
	i := fake.Index(s.t, "multi", platforms...)
	s.want(":v1", s.push(":v1", i).digest)
	return i
}

// child pushes nothing: it is the digest of the n-th image of an index.
func (s *scene) child(i v1.ImageIndex, n int) string {
	return fake.DigestOf(s.t, fake.ChildOf(s.t, i, n))
}

// edited is an image's manifest with changes, as bytes that can be pushed.
func (s *scene) edited(raw []byte, change func(m map[string]any)) forge.Raw {
	s.t.Helper()
	var m map[string]any
	must(s.t, json.Unmarshal(raw, &m))
	change(m)
	return forge.Raw{Bytes: []byte(compact(m)), Type: types.MediaType(fmt.Sprint(m["mediaType"]))}
}

// indexOf is an index of these entries.
func indexOf(entries ...map[string]any) forge.Raw {
	return forge.Raw{Type: ociIndex, Bytes: []byte(compact(map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": entries}))}
}

func entry(digest, platform string) map[string]any {
	os, arch, _ := strings.Cut(platform, "/")
	return map[string]any{"mediaType": ociManifest, "digest": digest, "size": 1, "platform": map[string]any{"os": os, "architecture": arch}}
}

func indexForgeries() []forgery {
	return []forgery{
		{name: "case 11 wrong or missing platform", steps: []step{
			{name: "honest", set: func(s *scene) {
				s.index("linux/amd64", "linux/arm64")
				s.image.Platforms = []string{"linux/arm64", "linux/amd64"}
			},
				want: "verify/digest pass; verify/platforms pass"},
			{name: "missing", set: func(s *scene) { s.index("linux/amd64", "linux/arm64"); s.image.Platforms = []string{"linux/s390x"} },
				want: noPlatform, says: "no image for linux/s390x; it has: linux/amd64, linux/arm64"},
			{name: "the one image is of another", set: func(s *scene) { s.image.Platforms = []string{"linux/arm64"} }, want: noPlatform, says: "no image for linux/arm64; it has: linux/amd64"},
			{name: "another operating system", set: func(s *scene) { s.index("windows/amd64"); s.image.Platforms = []string{"linux/amd64"} }, want: noPlatform, says: "it has: windows/amd64"},
			{name: "an image under another platform than it was built for", set: func(s *scene) {
				i := s.index("linux/amd64")
				s.want(":v1", s.push(":v1", indexOf(entry(s.child(i, 0), "linux/arm64"))).digest)
				s.image.Platforms = []string{"linux/arm64"}
			}, want: "verify/digest pass; verify/platforms pass; verify/platforms fail missing-platform", says: "what the index calls the image for linux/arm64 was built for linux/amd64"},
			{name: "the index names it, the registry has lost it", set: func(s *scene) {
				i := s.index("linux/amd64", "linux/arm64")
				s.image.Platforms = []string{"linux/arm64"}
				s.Evil = missing(s.child(i, 1))
			}, want: noPlatform, says: "the registry does not have it"},
		}},
		{name: "case 12 child not in the signed index", steps: []step{
			{name: "honest", set: func(s *scene) {
				i := s.signedIndex()
				s.want("@"+s.child(i, 1), s.built.Value)
			}, want: signedPasses},
			{name: "of another index", set: func(s *scene) {
				s.signedIndex()
				other := fake.Index(s.t, "other", "linux/amd64", "linux/arm64")
				s.push(":v2", other)
				s.want("@"+s.child(other, 1), s.built.Value)
			}, want: "verify/digest fail digest; verify/signature fail signature", inside: true, says: "this reference names another one"},
			{name: "of another index, given as built", set: func(s *scene) {
				s.signedIndex()
				other := fake.Index(s.t, "other", "linux/amd64", "linux/arm64")
				s.push(":v2", other)
				s.want("@"+s.child(other, 1), s.child(other, 1))
			}, want: badSignature, says: "has no signature", inside: true},
			{name: "added to the index under the same tag", set: func(s *scene) {
				i := s.signedIndex()
				signed, err := i.RawManifest()
				must(s.t, err)
				s.push(":v1", s.edited(signed, func(m map[string]any) {
					m["manifests"] = append(m["manifests"].([]any), entry(s.good.digest, "linux/riscv64"))
				}))
			}, want: "verify/digest fail digest; verify/signature fail signature", inside: true, says: "the tag names another one"},
		}},
		{name: "case 13 nested index or cycle", steps: []step{
			{name: "an index in an index", set: func(s *scene) {
				inner := s.push(":inner", fake.Index(s.t, "multi", "linux/amd64", "linux/arm64"))
				s.want(":v1", s.push(":v1", indexOf(map[string]any{"mediaType": ociIndex, "digest": inner.digest, "size": 1})).digest)
				s.image.Platforms = []string{"linux/arm64"}
			}, want: "verify/digest pass; verify/platforms pass"},
			{name: "nested without end", set: func(s *scene) { s.want(":v1", s.nest(6)) }, want: wrongDigest, says: "nested deeper than 3"},
			{name: "cycle", set: func(s *scene) { // the child's bytes are the parent's: no hash allows that
				i := indexOf(entry(digestA, "linux/amd64"))
				s.want(":v1", registry.Digest(i.Bytes))
				s.Evil = answer("/manifests/(v1|"+digestA+")$", string(i.Bytes), "Content-Type", ociIndex)
			}, want: wrongDigest, says: "serves other bytes than asked for"},
			{name: "one image a thousand times", set: func(s *scene) {
				var all []map[string]any
				for range 1000 {
					all = append(all, entry(s.good.digest, "linux/amd64"))
				}
				s.want(":v1", s.push(":v1", indexOf(all...)).digest)
			}, want: passes},
			{name: "a thousand images", set: func(s *scene) {
				i := indexOf(manyEntries(1000)...)
				s.want(":v1", registry.Digest(i.Bytes))
				s.Evil = answer("/manifests/v1$", string(i.Bytes), "Content-Type", ociIndex)
			}, want: wrongDigest, says: "more than 64 images"},
			{name: "an index and a manifest at once", set: func(s *scene) {
				s.want(":v1", s.push(":v1", s.edited(s.good.raw, func(m map[string]any) { m["manifests"] = []any{entry(s.good.digest, "linux/amd64")} })).digest)
			}, want: wrongDigest, says: "at once"},
		}},
		{name: "case 14 unknown/unknown child", steps: []step{
			{name: "beside images", set: func(s *scene) { s.index("linux/amd64"); s.image.Platforms = []string{"linux/amd64"} }, want: "verify/digest pass; verify/platforms pass"},
			{name: "given as built", set: func(s *scene) { i := s.index("linux/amd64"); s.want(":v1", s.child(i, 1)) }, want: wrongDigest, says: "the tag names another one"},
			{name: "alone", set: func(s *scene) { s.index() }, want: noPlatform, says: "no image for any platform"},
			{name: "asked for", set: func(s *scene) { s.index("linux/amd64"); s.image.Platforms = []string{"unknown/unknown"} }, want: noPlatform, says: "it has: linux/amd64"},
		}},
		{name: "case 15 Docker to OCI conversion, zstd copy", steps: conversions()},
		{name: "case 16 config digest or image ID given as built digest", steps: []step{
			{name: "of the one image", set: func(s *scene) { s.want(":v1", fake.ConfigOf(s.t, fake.Image(s.t, "one", "linux/amd64"))) }, want: passes, says: "is an image ID (config digest)"},
			{name: "of another image", set: func(s *scene) { s.want(":v1", fake.ConfigOf(s.t, fake.Image(s.t, "two", "linux/amd64"))) }, want: wrongDigest, says: "was never pushed there"},
			{name: "of one platform of two", set: func(s *scene) {
				i := s.index("linux/amd64", "linux/arm64")
				s.want(":v1", fake.ConfigOf(s.t, fake.ChildOf(s.t, i, 0)))
			}, want: wrongDigest, says: "proves linux/amd64 only, not linux/arm64"},
			{name: "of the platform asked for", set: func(s *scene) {
				i := s.index("linux/amd64", "linux/arm64")
				s.want(":v1", fake.ConfigOf(s.t, fake.ChildOf(s.t, i, 0)))
				s.image.Platforms = []string{"linux/amd64"}
			}, want: "verify/digest pass; verify/platforms pass"},
		}},
		{name: "case 17 sha512, upper-case hex", steps: []step{
			{name: "sha512 as built", set: func(s *scene) { s.want(":v1", "sha512:"+strings.Repeat("a", 128)) }, want: "mistake", says: "sha512 is not supported"},
			{name: "upper case as built", set: func(s *scene) { s.want(":v1", "sha256:"+strings.ToUpper(s.good.digest[7:])) }, want: "mistake", says: "lower case"},
			{name: "upper-case name of the algorithm", set: func(s *scene) { s.want(":v1", strings.ToUpper(s.good.digest)) }, want: "mistake", says: "lower case"},
			{name: "no algorithm", set: func(s *scene) { s.want(":v1", s.good.digest[7:]) }, want: "mistake", says: "put sha256: before it"},
			{name: "a tag as built", set: func(s *scene) { s.want(":v1", s.Ref(":v1")) }, want: "mistake", says: "a tag can move"},
			{name: "sha512 deployed", set: func(s *scene) { s.want("@sha512:"+strings.Repeat("a", 128), s.good.digest) }, want: "mistake", says: "sha512 is not supported"},
			{name: "sha512 in the index", set: func(s *scene) {
				s.Evil = answer("/manifests/v1", string(indexOf(entry("sha512:"+strings.Repeat("a", 128), "linux/amd64")).Bytes))
			}, want: wrongDigest, says: "sha512 is not supported"},
			{name: "upper case in the index", set: func(s *scene) {
				s.Evil = answer("/manifests/v1", string(indexOf(entry("sha256:"+strings.ToUpper(s.good.digest[7:]), "linux/amd64")).Bytes))
			}, want: wrongDigest, says: "lower case"},
		}},
	}
}

// conversions are copies of the image that was built, in another form: only the config stays. What else was changed must be found.
func conversions() []step {
	image := func(s *scene) v1.Image { return fake.Image(s.t, "one", "linux/amd64") }
	docker := func(i v1.Image) v1.Image {
		return mutate.ConfigMediaType(mutate.MediaType(i, types.DockerManifestSchema2), types.DockerConfigJSON)
	}
	return []step{
		{name: "OCI to Docker", set: func(s *scene) { s.push(":built", image(s)); s.push(":v1", docker(image(s))) }, want: passes, says: "another form"},
		{name: "Docker to OCI", set: func(s *scene) { s.want(":v1", s.push(":built", docker(image(s))).digest) }, want: passes, says: "another form"},
		{name: "the original is elsewhere", set: func(s *scene) { s.push(":v1", docker(image(s))); s.Evil = missing(s.good.digest) }, want: wrongDigest, says: "was never pushed there"},
		{name: "a signature of the original is none of the copy", set: func(s *scene) {
			s.sign()
			forge.SignTag(s.t, s.Registry, s.good.digest, s.key.Layer(s.t, forge.Claim(s.Ref(""), s.good.digest)))
			s.push(":built", image(s))
			s.push(":v1", docker(image(s)))
		}, want: badSignature, says: "has no signature", inside: true},
		{name: "zstd copy; the runtime compares what it unpacks with the config", set: func(s *scene) {
			s.push(":built", image(s))
			packed := forge.Blob(s.t, s.Registry, []byte("a layer that is packed in another way"), "application/vnd.oci.image.layer.v1.tar+zstd")
			s.push(":v1", s.edited(s.good.raw, func(m map[string]any) { m["layers"] = []any{packed} }))
		}, want: passes, says: "another form"},
		{name: "converted, with another config", set: func(s *scene) {
			s.push(":built", image(s))
			s.push(":v1", docker(fake.Image(s.t, "two", "linux/amd64")))
		},
			want: wrongDigest, says: "the tag names another one"},
		{name: "one of two platforms is another build", set: func(s *scene) {
			i := s.index("linux/amd64", "linux/arm64")
			s.push(":built", i)
			arm := s.push(":arm", fake.Image(s.t, "other", "linux/arm64"))
			s.push(":v1", indexOf(entry(s.child(i, 0), "linux/amd64"), entry(arm.digest, "linux/arm64")))
		}, want: wrongDigest, says: "the tag names another one"},
	}
}

// signedIndex pushes an index of two platforms and signs it, and asks for both.
func (s *scene) signedIndex() v1.ImageIndex {
	s.t.Helper()
	i := s.index("linux/amd64", "linux/arm64")
	s.sign()
	forge.SignTag(s.t, s.Registry, s.built.Value, s.key.Layer(s.t, forge.Claim(s.Ref(""), s.built.Value)))
	return i
}

// missing answers that a registry does not have what the path names.
func missing(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, path) {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
		return true
	}
}

// nest pushes indexes, each in the next, and returns the outermost.
func (s *scene) nest(depth int) string {
	s.t.Helper()
	digest := s.good.digest
	for range depth {
		raw := indexOf(map[string]any{"mediaType": ociIndex, "digest": digest, "size": 1})
		digest = registry.Digest(raw.Bytes)
		s.push(":nested", raw)
		s.push(":v1", raw)
	}
	return digest
}

func manyEntries(n int) []map[string]any {
	var all []map[string]any
	for i := range n {
		all = append(all, entry(fmt.Sprintf("sha256:%064x", i), "linux/amd64"))
	}
	return all
}
