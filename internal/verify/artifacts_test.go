package verify

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verify/built"
)

// What a layout or an archive says is what the registry serves for the same image.
func TestLayoutAndArchiveAgainstRegistry(t *testing.T) {
	w := fake.New(t)
	multi := fake.Index(t, "multi", "linux/amd64", "linux/arm64")
	w.Push(":multi", multi)
	w.Push("@"+fake.DigestOf(t, fake.ChildOf(t, multi, 1)), fake.ChildOf(t, multi, 1))
	one := fake.Image(t, "one", "linux/amd64")
	w.Push(":one", one)
	for _, tt := range []struct {
		ref, want, says string
		b               built.Spec
	}{
		{":multi", "verify/digest pass", "is the image that was built", built.Spec{Kind: "oci-layout", Value: writeLayout(t, multi)}},
		{"@" + fake.DigestOf(t, fake.ChildOf(t, multi, 1)), "verify/digest pass", "linux/arm64 in the index that was built", built.Spec{Kind: "oci-layout", Value: writeLayout(t, multi)}},
		{":one", "verify/digest fail digest", "never pushed", built.Spec{Kind: "oci-layout", Value: writeLayout(t, fake.Image(t, "two", "linux/amd64"))}},
		{":one", "verify/digest pass", "the config digest is the same", built.Spec{Kind: "docker-archive", Value: writeArchive(t, one, false)}},
		{":one", "verify/digest pass", "the config digest is the same", built.Spec{Kind: "docker-archive", Value: writeArchive(t, one, true)}},
		{":one", "verify/digest fail digest", "it is another build", built.Spec{Kind: "docker-archive", Value: writeArchive(t, fake.Image(t, "two", "linux/amd64"), false)}},
		{":multi", "verify/digest fail digest", "proves linux/amd64 only", built.Spec{Kind: "docker-archive", Value: writeArchive(t, fake.ChildOf(t, multi, 0), false)}},
	} {
		b, err := tt.b.Resolve("")
		must(t, err)
		r, err := verifyOne(t, Image{Image: w.Ref(tt.ref)}, b)
		must(t, err)
		if got := brief(r.Findings); got != tt.want || !strings.Contains(dump(r.Findings), tt.says) {
			t.Errorf("%s: got %s, want %s, saying %q\n%s", tt.ref, got, tt.want, tt.says, dump(r.Findings))
		}
	}
}

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
