package verify

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

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
		err := checkDigest(in)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

func TestBuildx(t *testing.T) {
	one := fmt.Sprintf(`{"containerimage.digest":%q,"containerimage.config.digest":%q,"containerimage.descriptor":{"digest":%q},"image.name":"x"}`, digestA, digestB, digestA)
	bake := fmt.Sprintf(`{"buildx.build.warnings":[],"app":{"containerimage.digest":%q},"db":{"containerimage.digest":%q}}`, digestA, digestB)
	for _, tt := range []struct{ in, target, want, err string }{
		{one, "", digestA, ""},
		{bake, "db", digestB, ""},
		{bake, "", "", "one of: app, db"},
		{bake, "web", "", "it has: app, db"},
		{fmt.Sprintf(`{"app":{"containerimage.digest":%q}}`, digestA), "", digestA, ""},
		{fmt.Sprintf(`{"containerimage.digest":%q,"containerimage.config.digest":%q}`, digestA, digestA), "", digestA, ""},
		{fmt.Sprintf(`{"containerimage.digest":%q,"containerimage.descriptor":{"digest":%q}}`, digestA, digestB), "", "", "containerimage.descriptor says"},
		{`{}`, "", "", "exported no image"},
		{`{"containerimage.digest":"sha256:abc"}`, "", "", "containerimage.digest: got"},
		{`{"containerimage.digest":7}`, "", "", "want strings"},
		{`null`, "", "", "exported no image"},
		{`[]`, "", "", "want the JSON"},
		{`{"app":{"containerimage.digest":7}}`, "app", "", "want strings"},
	} {
		got, err := parseBuildx([]byte(tt.in), tt.target)
		if got.Digest != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s#%s: got %q, %v; want %q, %q", tt.in, tt.target, got.Digest, err, tt.want, tt.err)
		}
	}
	if d, _ := parseBuildx([]byte(fmt.Sprintf(`{"containerimage.digest":%q,"containerimage.config.digest":%q}`, digestA, digestA)), ""); d.Kind != OfConfig {
		t.Errorf("with --load the digest is that of the config, got %q", d.Kind)
	}
}

func TestDigestFile(t *testing.T) {
	for _, tt := range []struct{ in, want, err string }{
		{digestA, digestA, ""},
		{digestA + "\n", digestA, ""},
		{"ghcr.io/acme/app@" + digestA + "\r\n", digestA, ""},
		{"ghcr.io/acme/app:v1@" + digestA, digestA, ""},
		{"a.io/x:1@" + digestA + "\nb.io/x:1@" + digestA + "\n", digestA, ""},
		{"a.io/x@" + digestA + "\na.io/y@" + digestB + "\n", "", "several digests"},
		{fmt.Sprintf(`{"image":"x","imageId":%q,"imageDigest":%q,"tags":["v1"]}`, digestB, digestA), digestA, ""},
		{`{"imageDigest":"x"}`, "", "imageDigest"},
		{"", "", "it is empty"},
		{"ghcr.io/acme/app:v1", "", "a tag can move"},
	} {
		got, err := parseDigestFile([]byte(tt.in))
		if got.Digest != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %q, %v; want %q, %q", tt.in, got.Digest, err, tt.want, tt.err)
		}
	}
}

// writeLayout writes an OCI layout that holds what is given.
func writeLayout(t testing.TB, things ...any) string {
	t.Helper()
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	must(t, err)
	for _, x := range things {
		switch x := x.(type) {
		case v1.Image:
			must(t, p.AppendImage(x))
		case v1.ImageIndex:
			must(t, p.AppendIndex(x))
		}
	}
	return dir
}

func TestLayout(t *testing.T) {
	one, multi := img(t, "one", "linux/amd64"), idx(t, "multi", "linux/amd64", "linux/arm64")
	d, err := ResolveBuilt("", Built{OCILayout: writeLayout(t, one)})
	must(t, err)
	if d.Digest != digestOf(t, one) || d.Configs[""] != configOf(t, one) {
		t.Errorf("got %+v", d)
	}
	d, err = ResolveBuilt("", Built{OCILayout: writeLayout(t, multi)})
	must(t, err)
	if d.Digest != digestOf(t, multi) || len(d.Children) != 2 || d.Children["linux/arm64"] != digestOf(t, childOf(t, multi, 1)) ||
		d.Configs["linux/arm64"] != configOf(t, childOf(t, multi, 1)) {
		t.Errorf("got %+v", d)
	}
	if _, err := ResolveBuilt("", Built{OCILayout: writeLayout(t, one, multi)}); err == nil || !strings.Contains(err.Error(), "names 2 images") {
		t.Errorf("two images: %v", err)
	}
	damaged := writeLayout(t, one)
	blob := filepath.Join(damaged, "blobs", "sha256", strings.TrimPrefix(digestOf(t, one), "sha256:"))
	must(t, os.WriteFile(blob, []byte("{}"), 0o600))
	if _, err := ResolveBuilt("", Built{OCILayout: damaged}); err == nil || !strings.Contains(err.Error(), "the layout is damaged") {
		t.Errorf("damaged: %v", err)
	}
	if _, err := ResolveBuilt("", Built{OCILayout: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "want a directory with index.json") {
		t.Errorf("empty: %v", err)
	}
}

// What a layout or an archive says is what the registry serves for the same image.
func TestLayoutAndArchiveAgainstRegistry(t *testing.T) {
	w := newWorld(t)
	multi := idx(t, "multi", "linux/amd64", "linux/arm64")
	w.push(":multi", multi)
	w.push("@"+digestOf(t, childOf(t, multi, 1)), childOf(t, multi, 1))
	one := img(t, "one", "linux/amd64")
	w.push(":one", one)
	for _, tt := range []struct {
		ref, want, says string
		b               Built
	}{
		{":multi", "verify/digest pass", "is the image that was built", Built{OCILayout: writeLayout(t, multi)}},
		{"@" + digestOf(t, childOf(t, multi, 1)), "verify/digest pass", "linux/arm64 in the index that was built", Built{OCILayout: writeLayout(t, multi)}},
		{":one", "verify/digest fail digest", "never pushed", Built{OCILayout: writeLayout(t, img(t, "two", "linux/amd64"))}},
		{":one", "verify/digest pass", "the config digest is the same", Built{DockerArchive: writeArchive(t, one, false)}},
		{":one", "verify/digest pass", "the config digest is the same", Built{DockerArchive: writeArchive(t, one, true)}},
		{":one", "verify/digest fail digest", "it is another build", Built{DockerArchive: writeArchive(t, img(t, "two", "linux/amd64"), false)}},
		{":multi", "verify/digest fail digest", "proves linux/amd64 only", Built{DockerArchive: writeArchive(t, childOf(t, multi, 0), false)}},
	} {
		b, err := ResolveBuilt("", tt.b)
		must(t, err)
		r, err := verifyOne(t, Image{Image: w.ref(tt.ref)}, b)
		must(t, err)
		if got := brief(r.Findings); got != tt.want || !strings.Contains(dump(r.Findings), tt.says) {
			t.Errorf("%s: got %s, want %s, saying %q\n%s", tt.ref, got, tt.want, tt.says, dump(r.Findings))
		}
	}
}

func writeArchive(t testing.TB, i v1.Image, packed bool) string {
	t.Helper()
	var b bytes.Buffer
	tag, err := name.NewTag("acme/app:v1")
	must(t, err)
	must(t, tarball.Write(tag, i, &b))
	path := filepath.Join(t.TempDir(), "image.tar")
	if packed {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, err := w.Write(b.Bytes())
		must(t, err)
		must(t, w.Close())
		b = z
	}
	must(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

func TestArchiveMistakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tar")
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"a": "b"}, "holds no manifest.json"},
		{map[string]string{"manifest.json": "[]"}, "holds 0 images"},
		{map[string]string{"manifest.json": `[{"Config":"c"},{"Config":"d"}]`}, "holds 2 images"},
		{map[string]string{"manifest.json": `[{"Config":"../c"}]`}, "holds no ../c"},
		{map[string]string{"manifest.json": `[{"Config":"c"}]`, "c": "x"}, "no image config"},
		{map[string]string{"manifest.json": `{`}, "manifest.json"},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for n, text := range tt.files {
			must(t, w.WriteHeader(&tar.Header{Name: n, Mode: 0o600, Size: int64(len(text))}))
			_, err := w.Write([]byte(text))
			must(t, err)
		}
		must(t, w.Close())
		must(t, os.WriteFile(path, b.Bytes(), 0o600))
		if _, err := ResolveBuilt("", Built{DockerArchive: path}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.files, err, tt.want)
		}
	}
}

func TestResolveBuilt(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "digest"), []byte("x.io/a@"+digestA), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "large"), make([]byte, maxBuilt+1), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "meta.json"), fmt.Appendf(nil, `{"app":{"containerimage.digest":%q},"db":{"containerimage.digest":%q}}`, digestA, digestB), 0o600))
	for _, tt := range []struct {
		b         Built
		want, err string
	}{
		{Built{Digest: digestA}, digestA, ""},
		{Built{DigestFile: "digest"}, digestA, ""},
		{Built{DigestFile: filepath.Join(dir, "digest")}, digestA, ""},
		{Built{BuildxMetadata: "meta.json#db"}, digestB, ""},
		{Built{BuildxMetadata: "meta.json"}, "", "FILE#TARGET"},
		{Built{DigestFile: "large"}, "", "larger than 4 MiB"},
		{Built{DigestFile: "."}, "", "no regular file"},
		{Built{DigestFile: "absent"}, "", "no such file"},
		{Built{Record: "staging"}, "", "was not looked up"},
		{Built{}, "", "got 0 sources"},
		{Built{Digest: digestA, Record: "staging"}, "", "got 2 sources (digest, record)"},
	} {
		got, err := ResolveBuilt(dir, tt.b)
		if got.Digest != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%+v: got %q, %v; want %q, %q", tt.b, got.Digest, err, tt.want, tt.err)
		}
		if err == nil && got.Origin == "" {
			t.Errorf("%+v: no origin", tt.b)
		}
	}
}

func FuzzBuildx(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"containerimage.digest":%q}`, digestA)), "")
	f.Add([]byte(fmt.Sprintf(`{"app":{"containerimage.digest":%q}}`, digestA)), "app")
	f.Fuzz(func(t *testing.T, b []byte, target string) {
		if d, err := parseBuildx(b, target); err == nil && !digestForm.MatchString(d.Digest) {
			t.Errorf("accepted %q", d.Digest)
		}
	})
}

func FuzzDigestFile(f *testing.F) {
	f.Add([]byte("ghcr.io/acme/app:v1@" + digestA + "\n"))
	f.Add([]byte(fmt.Sprintf(`{"imageDigest":%q}`, digestA)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDigestFile(b)
		if err == nil && (!digestForm.MatchString(d.Digest) || !bytes.Contains(b, []byte(d.Digest)) && !json.Valid(b)) {
			t.Errorf("accepted %q", d.Digest)
		}
	})
}

func FuzzLayoutIndex(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"digest":%q}]}`, digestA)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := layoutEntry(b); err == nil && !digestForm.MatchString(d) {
			t.Errorf("accepted %q", d)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"digest":%q,"platform":{"os":"linux","architecture":"arm64"}}]}`, digestA)))
	f.Add([]byte(fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":%q},"layers":[]}`, digestA)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseManifest(b, "")
		if err != nil {
			return
		}
		if !d.index() && !digestForm.MatchString(d.Config.Digest) {
			t.Errorf("accepted the config %q", d.Config.Digest)
		}
		for _, m := range d.images() {
			if !digestForm.MatchString(m.Digest) {
				t.Errorf("accepted the child %q", m.Digest)
			}
		}
	})
}

func FuzzLogBundle(f *testing.F) {
	f.Add(`{"SignedEntryTimestamp":"","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"aa"}}`)
	f.Add(`{"Payload":{"body":123}}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := logBundle(text)
		if err != nil {
			return
		}
		if _, ok := b.Payload.Body.(string); !ok {
			t.Errorf("the library would crash on %q", text)
		}
	})
}
