package artifact

import (
	"fmt"
	"strings"
	"testing"
)

const digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestCheckDigest(t *testing.T) {
	for in, want := range map[string]string{
		digestA:                              "",
		"":                                   "did the build step give its output",
		strings.ToUpper(digestA):             "lower case",
		"sha256:" + strings.Repeat("A", 64):  "lower case",
		digestA[7:]:                          "put sha256: before it",
		"sha512:" + strings.Repeat("a", 128): "sha512 is not supported",
		"ghcr.io/acme/app@" + digestA:        "leave out the image's name",
		"ghcr.io/acme/app:v1":                "a tag can move",
		"sha256:abc":                         "3 characters",
		"latest":                             "want sha256:",
		digestA + "\n":                       "want sha256:",
	} {
		err := CheckDigest(in)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"digest":%q,"platform":{"os":"linux","architecture":"arm64"}}]}`, digestA)))
	f.Add([]byte(fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":%q},"layers":[]}`, digestA)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseManifest(b, "")
		if err != nil {
			return
		}
		if !d.Index() && CheckDigest(d.Config.Digest) != nil {
			t.Errorf("accepted the config %q", d.Config.Digest)
		}
		for _, m := range d.Images() {
			if CheckDigest(m.Digest) != nil {
				t.Errorf("accepted the child %q", m.Digest)
			}
		}
	})
}

// Two readers must not see two documents: the digest covers the bytes, not what somebody reads in them.
func TestAmbiguousManifests(t *testing.T) {
	cfg := `"config":{"digest":"` + digestA + `"}`
	for doc, want := range map[string]string{
		`{"schemaVersion":2,` + cfg + `,"layers":[]}`:       "",
		`{"schemaVersion":2,"manifests":[]}`:                "",
		`{"schemaVersion":2,` + cfg + `,` + cfg + `}`:       `"config" is there twice`,
		`{"schemaVersion":2,` + cfg + `,"Manifests":[]}`:    `"Manifests" is spelled like "manifests"`,
		`{"schemaVersion":2,` + cfg + `,"manifeſtſ":[]}`:    "is spelled like \"manifests\"",
		`{"schemaVersion":2,"manifests":[],"CONFIG":{}}`:    `"CONFIG" is spelled like "config"`,
		`{"schemaVersion":2,"manifests":[],` + cfg + `}`:    "an index and a manifest at once",
		`{"schemaVersion":2,"schemaVersion":1,` + cfg + `}`: "schema",
		`{"schemaVersion":2,"x":1,"X":2,"manifests":[]}`:    `"X" is there twice`,
		`[]`: "no JSON of a manifest",
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",` + cfg + `}`: "holds something else",
	} {
		_, err := ParseManifest([]byte(doc), "")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", doc, err, want)
		}
	}
}
