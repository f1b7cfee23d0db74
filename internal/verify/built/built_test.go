package built

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

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
		got, err := parseDigestFile([]byte(tt.in), "")
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
	one, multi := fake.Image(t, "one", "linux/amd64"), fake.Index(t, "multi", "linux/amd64", "linux/arm64")
	d, err := resolve("oci-layout", writeLayout(t, one))
	must(t, err)
	if d.Digest != fake.DigestOf(t, one) || d.Configs[""] != fake.ConfigOf(t, one) {
		t.Errorf("got %+v", d)
	}
	d, err = resolve("oci-layout", writeLayout(t, multi))
	must(t, err)
	if d.Digest != fake.DigestOf(t, multi) || len(d.Children) != 2 || d.Children["linux/arm64"] != fake.DigestOf(t, fake.ChildOf(t, multi, 1)) ||
		d.Configs["linux/arm64"] != fake.ConfigOf(t, fake.ChildOf(t, multi, 1)) {
		t.Errorf("got %+v", d)
	}
	if _, err := resolve("oci-layout", writeLayout(t, one, multi)); err == nil || !strings.Contains(err.Error(), "names 2 images") {
		t.Errorf("two images: %v", err)
	}
	damaged := writeLayout(t, one)
	blob := filepath.Join(damaged, "blobs", "sha256", strings.TrimPrefix(fake.DigestOf(t, one), "sha256:"))
	must(t, os.WriteFile(blob, []byte("{}"), 0o600))
	if _, err := resolve("oci-layout", damaged); err == nil || !strings.Contains(err.Error(), "the layout is damaged") {
		t.Errorf("damaged: %v", err)
	}
	if _, err := resolve("oci-layout", t.TempDir()); err == nil || !strings.Contains(err.Error(), "want a directory with index.json") {
		t.Errorf("empty: %v", err)
	}
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
		if _, err := resolve("docker-archive", path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.files, err, tt.want)
		}
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "digest"), []byte("x.io/a@"+digestA), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "large"), make([]byte, maxBuilt+1), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "meta.json"), fmt.Appendf(nil, `{"app":{"containerimage.digest":%q},"db":{"containerimage.digest":%q}}`, digestA, digestB), 0o600))
	for _, tt := range []struct {
		b         Spec
		want, err string
	}{
		{Spec{"digest", digestA}, digestA, ""},
		{Spec{"digest-file", "digest"}, digestA, ""},
		{Spec{"digest-file", filepath.Join(dir, "digest")}, digestA, ""},
		{Spec{"buildx-metadata", "meta.json#db"}, digestB, ""},
		{Spec{"buildx-metadata", "meta.json"}, "", "FILE#TARGET"},
		{Spec{"digest-file", "large"}, "", "larger than 4 MiB"},
		{Spec{"digest-file", "."}, "", "no regular file"},
		{Spec{"digest-file", "absent"}, "", "no such file"},
		{Spec{"record", "staging"}, "", "was not looked up"},
		{Spec{}, "", "want one of buildx-metadata, digest"},
	} {
		got, err := tt.b.Resolve(dir)
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
		if d, err := parseBuildx(b, target); err == nil && !isDigest(d.Digest) {
			t.Errorf("accepted %q", d.Digest)
		}
	})
}

func FuzzDigestFile(f *testing.F) {
	f.Add([]byte("ghcr.io/acme/app:v1@" + digestA + "\n"))
	f.Add([]byte(fmt.Sprintf(`{"imageDigest":%q}`, digestA)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDigestFile(b, "")
		if err == nil && (!isDigest(d.Digest) || !bytes.Contains(b, []byte(d.Digest)) && !json.Valid(b)) {
			t.Errorf("accepted %q", d.Digest)
		}
	})
}

func FuzzLayoutIndex(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"digest":%q}]}`, digestA)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := layoutEntry(b); err == nil && !isDigest(d) {
			t.Errorf("accepted %q", d)
		}
	})
}

func resolve(kind, value string) (Digest, error) { return Spec{Kind: kind, Value: value}.Resolve("") }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func isDigest(s string) bool { return artifact.CheckDigest(s) == nil }
