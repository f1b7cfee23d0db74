package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/registry/fake"
)

// layer is one layer of an artifact.
type layer struct {
	media, title string
	unpack       bool
	data         []byte
}

// push pushes an artifact and returns its reference.
func push(t testing.TB, r *fake.Registry, tag string, layers ...layer) string {
	t.Helper()
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for _, l := range layers {
		annotations := map[string]string{}
		if l.title != "" {
			annotations[titleAnnotation] = l.title
		}
		if l.unpack {
			annotations[unpackAnnotation] = "true"
		}
		var err error
		if image, err = mutate.Append(image, mutate.Addendum{Layer: static.NewLayer(l.data, types.MediaType(l.media)), Annotations: annotations}); err != nil {
			t.Fatal(err)
		}
	}
	r.Push(":"+tag, image)
	return r.Ref(":" + tag)
}

func client() *registry.Client {
	return registry.New(registry.Credentials{}, registry.Options{RetryWait: time.Millisecond, Timeout: 5 * time.Second})
}

// tarred makes a tar of entries.
func tarred(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		text := h.Linkname
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Linkname, h.Size, h.Typeflag = "", int64(len(text)), tar.TypeReg
		}
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// file is an entry; its content stands in Linkname.
func file(name, text string) tar.Header { return tar.Header{Name: name, Linkname: text} }

func link(name, to string) tar.Header {
	return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const (
	fluxLayer  = "application/vnd.cncf.flux.content.v1.tar+gzip"
	imageLayer = "application/vnd.oci.image.layer.v1.tar+gzip"
	plainLayer = "application/vnd.oci.image.layer.v1.tar"
)

func pulled(t testing.TB, o OCIOptions) (diff.Tree, error) {
	t.Helper()
	return snapshotOf(t, "oci", o, Env{Registry: client()})
}

func TestOCI(t *testing.T) {
	r := fake.New(t)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	files := tarred(t, tar.Header{Name: "./", Typeflag: tar.TypeDir}, file("./app/a.yaml", "a: 1"), file("README.md", "x"), link("app/l.yaml", "../shared/s.yaml"),
		tar.Header{Name: "shared", Typeflag: tar.TypeDir}, file("shared/s.yaml", "s: 1"), tar.Header{Name: "h.yaml", Linkname: "shared/s.yaml", Typeflag: tar.TypeLink},
		tar.Header{Name: "p.yaml", Typeflag: tar.TypeFifo})
	for _, c := range []struct {
		name    string
		layers  []layer
		o       OCIOptions
		want    string
		skipped string
	}{
		{"flux", []layer{{media: fluxLayer, data: gzipped(t, files)}}, OCIOptions{}, "app/a.yaml app/l.yaml h.yaml shared/s.yaml", "README.md: no configuration by its name|p.yaml: a device or a pipe"},
		{"a part", []layer{{media: fluxLayer, data: gzipped(t, files)}}, OCIOptions{Path: "./app/", Exclude: []string{"a.yaml"}}, "app/l.yaml", "a.yaml: excluded"},
		{"one file of it", []layer{{media: fluxLayer, data: gzipped(t, files)}}, OCIOptions{Path: "app/l.yaml"}, "app/l.yaml", ""},
		{"not compressed, whatever it says", []layer{{media: fluxLayer, data: files}}, OCIOptions{Path: "shared"}, "shared/s.yaml", ""},
		{"zstd", []layer{{media: "application/vnd.oci.image.layer.v1.tar+zstd", data: z.EncodeAll(files, nil)}}, OCIOptions{Path: "shared"}, "shared/s.yaml", ""},
		{"ORAS files", []layer{{media: plainLayer, title: "conf/a.yaml", data: []byte("a: 1")}, {media: "application/yaml", title: "b.yaml", data: []byte("b: 1")}}, OCIOptions{}, "b.yaml conf/a.yaml", ""},
		{"ORAS folder", []layer{{media: imageLayer, title: "app", unpack: true, data: gzipped(t, tarred(t, file("app/a.yaml", "a: 1")))}}, OCIOptions{}, "app/a.yaml", ""},
		{"an archive as a file", []layer{{media: imageLayer, title: "x.tar.gz", data: gzipped(t, tarred(t, file("a.yaml", "a: 1")))}}, OCIOptions{}, "a.yaml", ""},
		{"other layers", []layer{{media: "application/x", data: []byte("x")}, {media: "application/yaml", title: "b.yaml", data: []byte("b: 1")}}, OCIOptions{}, "b.yaml", "layer 1 (application/x): neither an archive nor a file with a name"},
		{"an image's layers", []layer{{media: imageLayer, data: gzipped(t, tarred(t, file("a.yaml", "a: 1"), file("d/b.yaml", "b: 1"), file("d/c.yaml", "c: 1"), file("e/x.yaml", "x: 1")))},
			{media: imageLayer, data: gzipped(t, tarred(t, file(".wh.a.yaml", ""), file("d/.wh..wh..opq", ""), file("d/n.yaml", "n: 1"), file("e/x.yaml", "x: 2")))}}, OCIOptions{}, "d/n.yaml e/x.yaml", ""},
		{"a later layer wins", []layer{{media: fluxLayer, data: tarred(t, file("a.yaml", "{"))}, {media: fluxLayer, data: tarred(t, file("a.yaml", "a: 1"))}}, OCIOptions{}, "a.yaml", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.o
			o.Ref = push(t, r, strings.ToLower(strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(c.name)), c.layers...)
			tree, err := pulled(t, o)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range tree.Objects {
				digest, p, ok := strings.Cut(strings.TrimPrefix(x.File, r.Host+"/acme/app@sha256:"), ":")
				if !ok || len(digest) != 12 {
					t.Errorf("got the place %s", x.File)
				}
				got = append(got, p)
			}
			slices.Sort(got)
			if strings.Join(got, " ") != c.want || strings.Join(tree.Skipped, "|") != c.skipped {
				t.Errorf("got %v, skipped %v, want %s, skipped %s", got, tree.Skipped, c.want, c.skipped)
			}
			if !strings.HasPrefix(tree.Name, "artifact "+o.Ref+" (sha256:") {
				t.Errorf("got the name %s", tree.Name)
			}
		})
	}
	ref := push(t, r, "digest", layer{media: "application/yaml", title: "b.yaml", data: []byte("b: 1")})
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image, err = mutate.Append(image, mutate.Addendum{Layer: static.NewLayer([]byte("b: 1"), "application/yaml"), Annotations: map[string]string{titleAnnotation: "b.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"oci://" + ref, r.Ref("@" + fake.DigestOf(t, image))} {
		if tree, err := pulled(t, OCIOptions{Ref: ref}); err != nil || len(tree.Objects) != 1 {
			t.Errorf("%s: got %s (%v)", ref, names(tree), err)
		}
	}
}

func TestOCIRefuses(t *testing.T) {
	r := fake.New(t)
	long := strings.Repeat("x", 3000)
	for name, c := range map[string]struct {
		layers []layer
		o      OCIOptions
		want   string
	}{
		"climbs":            {[]layer{{media: fluxLayer, data: tarred(t, file("../a.yaml", "a: 1"))}}, OCIOptions{}, `has the entry "../a.yaml", which leads out of it`},
		"climbs in between": {[]layer{{media: fluxLayer, data: tarred(t, file("a/../../a.yaml", "a: 1"))}}, OCIOptions{}, "which leads out of it"},
		"absolute":          {[]layer{{media: fluxLayer, data: tarred(t, file("/etc/a.yaml", "a: 1"))}}, OCIOptions{}, "want a path below its root"},
		"backslash":         {[]layer{{media: fluxLayer, data: tarred(t, file(`..\a.yaml`, "a: 1"))}}, OCIOptions{}, "want a path below its root"},
		"below a link":      {[]layer{{media: fluxLayer, data: tarred(t, link("d", "/etc"), file("d/a.yaml", "a: 1"))}}, OCIOptions{}, "which stands below a link or a file"},
		"below a file":      {[]layer{{media: fluxLayer, data: tarred(t, file("d", "x"), file("d/a.yaml", "a: 1"))}}, OCIOptions{}, "which stands below a link or a file"},
		"link out":          {[]layer{{media: fluxLayer, data: tarred(t, link("a.yaml", "../x"))}}, OCIOptions{}, ":a.yaml: the link leaves the tree"},
		"absolute link":     {[]layer{{media: fluxLayer, data: tarred(t, link("a.yaml", "/etc/passwd"))}}, OCIOptions{}, ":a.yaml: the link leaves the tree"},
		"links in a circle": {[]layer{{media: fluxLayer, data: tarred(t, link("a.yaml", "b.yaml"), link("b.yaml", "a.yaml"))}}, OCIOptions{}, "too many links"},
		"link to nothing":   {[]layer{{media: fluxLayer, data: tarred(t, link("a.yaml", "b.yaml"))}}, OCIOptions{}, "points to nothing"},
		"hard link out":     {[]layer{{media: fluxLayer, data: tarred(t, tar.Header{Name: "a.yaml", Linkname: "../x", Typeflag: tar.TypeLink})}}, OCIOptions{}, "which leads out of it"},
		"hard link to none": {[]layer{{media: fluxLayer, data: tarred(t, tar.Header{Name: "a.yaml", Linkname: "x", Typeflag: tar.TypeLink})}}, OCIOptions{}, "which is no file in it"},
		"title that climbs": {[]layer{{media: "application/yaml", title: "../a.yaml", data: []byte("a: 1")}}, OCIOptions{}, "which leads out of it"},
		"title of a folder": {[]layer{{media: "application/yaml", title: "./", data: []byte("a: 1")}}, OCIOptions{}, "want a file's name"},
		"whiteout of all":   {[]layer{{media: imageLayer, data: tarred(t, file(".wh...", ""))}}, OCIOptions{}, "an entry .wh. without a name"},
		"damaged":           {[]layer{{media: fluxLayer, data: []byte("\x1f\x8b\x08x")}}, OCIOptions{}, "the archive is damaged"},
		"cut":               {[]layer{{media: fluxLayer, data: gzipped(t, tarred(t, file("a.yaml", long)))[:60]}}, OCIOptions{}, "the archive is damaged"},
		"no tar":            {[]layer{{media: fluxLayer, data: []byte(long)}}, OCIOptions{}, "the archive is damaged"},
		"many files":        {[]layer{{media: fluxLayer, data: gzipped(t, tarred(t, file("a.yaml", "a: 1"), file("b.yaml", "b: 1"), file("c.yaml", "c: 1"), file("d.yaml", "c: 1")))}}, OCIOptions{}, "the archive has more than 3 files"},
		"a large file":      {[]layer{{media: fluxLayer, data: gzipped(t, tarred(t, file("a.yaml", long)))}}, OCIOptions{}, ":a.yaml: it has 3000 bytes, want at most 2000"},
		"large files":       {[]layer{{media: fluxLayer, data: gzipped(t, tarred(t, file("a.yaml", long[:1500]), file("b", long[:1500]), file("c", long[:1500])))}}, OCIOptions{}, "unpacks to more than 4000 bytes"},
		"a bomb":            {[]layer{{media: fluxLayer, data: gzipped(t, tarred(t, file("x", strings.Repeat("0", 1<<20))))}}, OCIOptions{}, "unpacks to more than 8000 bytes"},
		"a large layer":     {[]layer{{media: "application/yaml", title: "a.yaml", data: []byte(strings.Repeat("a: b\n", 1000))}}, OCIOptions{}, "that is 5000 bytes, want at most 4000: is it an image with programs?"},
		"large layers":      {[]layer{{media: "application/yaml", title: "a.yaml", data: []byte(long)}, {media: "application/yaml", title: "b.yaml", data: []byte(long)}}, OCIOptions{}, "layer 2 (application/yaml): with the layers before it"},
		"nothing":           {[]layer{{media: fluxLayer, data: tarred(t, file("README.md", "x"))}}, OCIOptions{}, "got none: 1 skipped, e.g. README.md"},
		"no layer":          {nil, OCIOptions{}, "got none: it is empty"},
		"no such path":      {[]layer{{media: fluxLayer, data: tarred(t, file("a.yaml", "a: 1"))}}, OCIOptions{Path: "b"}, ":b: there is no such file or folder in artifact"},
		"a chart":           {[]layer{{media: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", data: []byte("x")}}, OCIOptions{}, "this is a Helm chart, which is not rendered"},
		"a mistake in it":   {[]layer{{media: fluxLayer, data: tarred(t, file("a.yaml", "password: *hunter2"))}}, OCIOptions{}, ":a.yaml:1:11: YAML: unknown anchor"},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.o
			o.Ref = push(t, r, strings.ReplaceAll(name, " ", "-"), c.layers...)
			src, err := build("oci", o)
			if err != nil {
				t.Fatal(err)
			}
			s := src.(*ociSource)
			s.limits.file, s.limits.total, s.limits.entries = 2000, 4000, 3
			s.Use(Env{Registry: client()})
			if _, err := s.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	for _, o := range []OCIOptions{{Ref: ""}, {Ref: "A B"}, {Ref: "x/y", Platform: "linux"}, {Ref: "x/y", Exclude: []string{"["}}} {
		if _, err := build("oci", o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}

// A registry that serves other bytes, or none, gives no state.
func TestOCIDistrustsTheRegistry(t *testing.T) {
	r := fake.New(t)
	ref := push(t, r, "v1", layer{media: "application/yaml", title: "a.yaml", data: []byte("a: 1")})
	r.Evil = func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/blobs/") {
			return false
		}
		fmt.Fprint(w, "a: 2")
		return true
	}
	var digest *registry.DigestError
	if _, err := pulled(t, OCIOptions{Ref: ref}); !errors.As(err, &digest) {
		t.Errorf("got %v, want that the bytes are others", err)
	}
	r.Evil = nil
	if _, err := pulled(t, OCIOptions{Ref: r.Ref(":nowhere")}); !registry.IsMissing(err) {
		t.Errorf("got %v, want that it is not there", err)
	}
	if _, err := snapshotOf(t, "oci", OCIOptions{Ref: ref}, Env{}); err == nil {
		t.Error("without a client: got no error")
	}
	for text, want := range map[string]string{
		`{"schemaVersion":2,"manifests":[],"layers":[]}`: "an index and an image at once",
		`{"schemaVersion":1}`:                            "want an image manifest",
		`x`:                                              "is no JSON",
		`{"schemaVersion":2,"manifests":[]}`:             "it is an index with nothing",
	} {
		r.Evil = func(w http.ResponseWriter, req *http.Request) bool {
			if !strings.Contains(req.URL.Path, "/manifests/") {
				return false
			}
			fmt.Fprint(w, text)
			return true
		}
		if _, err := pulled(t, OCIOptions{Ref: ref}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func configured(t testing.TB, platform string, c v1.Config) v1.Image {
	t.Helper()
	image := fake.Image(t, "content", platform)
	f, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	f = f.DeepCopy()
	f.Config = c
	if image, err = mutate.ConfigFile(image, f); err != nil {
		t.Fatal(err)
	}
	return image
}

// What a new image changes, against the old one.
func TestImage(t *testing.T) {
	r := fake.New(t)
	r.Push(":old", configured(t, "linux/amd64", v1.Config{User: "app", Env: []string{"PATH=/bin", "MODE=a", "DB_PASSWORD=hunter2"}, Entrypoint: []string{"/app"}, Cmd: []string{"serve"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}}, Labels: map[string]string{createdLabel: "2026", "team": "a"}, StopSignal: "SIGTERM", WorkingDir: "/",
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "true"}, Interval: 30 * time.Second, Retries: 3}}))
	r.Push(":new", configured(t, "linux/amd64", v1.Config{Env: []string{"MODE=b", "PATH=/bin", "DB_PASSWORD=hunter3"}, Entrypoint: []string{"/app"}, Cmd: []string{"serve", "--debug"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "9090/tcp": {}}, Volumes: map[string]struct{}{"/data": {}}, Labels: map[string]string{createdLabel: "2027", "team": "a"}, StopSignal: "SIGTERM",
		WorkingDir: "/", Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Minute, Retries: 3}}))
	read := func(tag string) diff.Tree {
		t.Helper()
		tree, err := snapshotOf(t, "image", ImageOptions{Ref: r.Ref(tag)}, Env{Registry: client()})
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	before, after := read(":old"), read(":new")
	if o := before.Objects[0]; o.Kind != "Image" || o.Name != "app" || !strings.HasPrefix(o.File, r.Host+"/acme/app@sha256:") || !strings.Contains(before.Name, ", linux/amd64)") {
		t.Errorf("got %s/%s of %s: %s", o.Kind, o.Name, o.File, before.Name)
	}
	if len(before.Skipped) != 1 || !strings.Contains(before.Skipped[0], createdLabel) {
		t.Errorf("got %v, want that the label is told", before.Skipped)
	}
	res := diff.Options{Today: day}.Compare(before, after)
	var got []string
	for _, c := range res.Changes {
		got = append(got, string(c.Class)+" "+c.Path+": "+c.What())
	}
	want := `extra cmd[1]: extra, is --debug
changed env.DB_PASSWORD: [secret changed]
changed env.MODE: a -> b
changed healthcheck.interval: 30s -> 1m0s
extra ports["9090/tcp"]: extra, is {}
missing user: missing, was app
extra volumes: extra, is a mapping with 1 value`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if r := (diff.Options{Today: day}).Compare(before, before); len(r.Changes) > 0 {
		t.Errorf("it differs from itself: %v", r.Changes)
	}
}

func TestImagePlatforms(t *testing.T) {
	r := fake.New(t)
	r.Push(":many", fake.Index(t, "x", "linux/amd64", "linux/arm64"))
	r.Push(":one", fake.Index(t, "x", "linux/s390x"))
	r.Push(":other", fake.Index(t, "x", "linux/arm64", "linux/s390x"))
	r.Push(":single", fake.Image(t, "x", "linux/arm64"))
	r.Push(":artifact", mutate.MediaType(empty.Image, types.OCIManifestSchema1))
	for _, c := range []struct{ tag, platform, want string }{
		{":many", "", "linux/amd64"}, {":many", "linux/arm64", "linux/arm64"}, {":many", "linux/arm64/v8", "linux/arm64"}, {":one", "", "linux/s390x"}, {":single", "", "linux/arm64"}, {":single", "linux/arm64", "linux/arm64"},
		{":many", "linux/s390x", "error: it is an index with linux/amd64, linux/arm64, want one entry for linux/s390x"},
		{":other", "", "error: want one entry, or one for linux/amd64: say which under platform"},
		{":single", "linux/amd64", "error: it is an image for linux/arm64, want linux/amd64"},
	} {
		tree, err := snapshotOf(t, "image", ImageOptions{Ref: r.Ref(c.tag), Platform: c.platform}, Env{Registry: client()})
		if text, isError := strings.CutPrefix(c.want, "error: "); isError {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s %s: got %v, want %s", c.tag, c.platform, err, text)
			}
		} else if err != nil || value(t, tree, "platform") != c.want {
			t.Errorf("%s %s: got %v", c.tag, c.platform, err)
		}
	}
	for _, o := range []ImageOptions{{Ref: ""}, {Ref: "x/y", Platform: "Linux/amd64 "}} {
		if _, err := build("image", o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(tarred(f, file("a.yaml", "a: 1"), link("l", "a.yaml"), tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tar.Header{Name: "h", Linkname: "a.yaml", Typeflag: tar.TypeLink}))
	f.Add(tarred(f, file(".wh.a", ""), file("d/.wh..wh..opq", ""), file("../x", "")))
	f.Add(gzipped(f, tarred(f, file("a", "b"))))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		l := limits{file: 1000, total: 4000, entries: 20, nodes: 1000, depth: 20}
		u := newUnpacked(l)
		if u.archive(t.Context(), data, true) != nil {
			return
		}
		var bytes int64
		for p, it := range u.items {
			bytes += int64(len(it.data))
			if p != "" && (strings.HasPrefix(p, "/") || slices.Contains(strings.Split(p, "/"), "..") || u.items[parent(p)] == nil || u.items[parent(p)].kind != itemFolder) {
				t.Errorf("%q is no path below the root, or in no folder", p)
			}
			if int64(len(it.data)) > l.file {
				t.Errorf("%q has %d bytes", p, len(it.data))
			}
		}
		if len(u.items) > l.entries*maxDeep {
			t.Errorf("%d items", len(u.items))
		}
		w := &inArchive{archive: u, from: "x", place: "x", gathering: gather(l, nil)}
		_ = w.all(t.Context()) // must end, and panic nowhere
	})
}
