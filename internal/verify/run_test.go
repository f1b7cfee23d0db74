package verify

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bakegate/bakegate/internal/registry/fake"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

const nowhere = "sha256:00000000000000000000000000000000000000000000000000000000000000aa"

func TestRun(t *testing.T) {
	w := fake.New(t)
	one, other := fake.Image(t, "one", "linux/amd64"), fake.Image(t, "other", "linux/amd64")
	multi, single := fake.Index(t, "multi", "linux/amd64", "linux/arm64"), fake.Index(t, "single", "linux/amd64")
	amd, arm := fake.ChildOf(t, multi, 0), fake.ChildOf(t, multi, 1)
	docker := mutate.ConfigMediaType(mutate.MediaType(one, types.DockerManifestSchema2), types.DockerConfigJSON)
	for tag, what := range map[string]remote.Taggable{":one": one, ":moved": other, ":multi": multi, ":single": single, ":docker": docker} {
		w.Push(tag, what)
	}
	d := func(x interface{}) string {
		switch x := x.(type) {
		case string:
			return x
		default:
			return fake.DigestOf(t, x.(hasDigest))
		}
	}
	for _, tt := range []struct {
		name      string
		ref       string
		built     any
		platforms string
		want      string
		says      string
	}{
		{"same image", ":one", one, "", "verify/digest pass", "is the image that was built"},
		{"same index", ":multi", multi, "", "verify/digest pass", "is the image that was built"},
		{"by digest", "@" + d(one), one, "", "verify/digest pass", ""},
		{"tag and digest", ":one@" + d(one), one, "", "verify/digest pass", ""},
		{"the tag moved, the digest is deployed", ":moved@" + d(one), one, "", "verify/digest pass; verify/digest note", "runtimes pull the digest"},
		{"the tag is gone, the digest is deployed", ":gone@" + d(one), one, "", "verify/digest pass; verify/digest note", "names nothing"},
		{"moved tag", ":moved", one, "", "verify/digest fail digest", "the tag was moved"},
		{"digest of another", "@" + d(other), one, "", "verify/digest fail digest", "this reference names another one"},
		{"never pushed", ":one", nowhere, "", "verify/digest fail digest", "was never pushed there"},
		{"no such tag", ":absent", one, "", "verify/digest fail missing-image", "is not in the registry"},
		{"no such digest", "@" + nowhere, nowhere, "", "verify/digest fail missing-image", "is not in the registry"},
		{"image ID", ":one", fake.ConfigOf(t, one), "", "verify/digest pass", "image ID (config digest)"},
		{"image ID of a platform of two", ":multi", fake.ConfigOf(t, amd), "", "verify/digest fail digest", "proves linux/amd64 only, not linux/arm64"},
		{"image ID of the platform asked for", ":multi", fake.ConfigOf(t, amd), "linux/amd64", "verify/digest pass; verify/platforms pass", "image ID"},
		{"manifest of a platform of two", ":multi", amd, "", "verify/digest fail digest", "proves linux/amd64 only, not linux/arm64"},
		{"manifest of the platform asked for", ":multi", arm, "linux/arm64/v8", "verify/digest pass; verify/platforms pass", "manifest of linux/arm64"},
		{"manifest of the only platform", ":single", fake.ChildOf(t, single, 0), "", "verify/digest pass", "manifest of linux/amd64"},
		{"a platform of the built index is deployed", "@" + d(arm), multi, "", "verify/digest pass", "manifest of linux/arm64 in the index that was built"},
		{"attestation given as built", ":multi", fake.ChildOf(t, multi, 2), "", "verify/digest fail digest", ""},
		{"converted to Docker's form", ":docker", one, "", "verify/digest pass", "another form"},
		{"platforms", ":multi", multi, "linux/amd64,linux/arm64", "verify/digest pass; verify/platforms pass", ""},
		{"missing platform", ":multi", multi, "linux/amd64,linux/s390x", "verify/digest pass; verify/platforms fail missing-platform", "no image for linux/s390x; it has: linux/amd64, linux/arm64"},
		{"platform of a single image", ":one", one, "linux/amd64", "verify/digest pass; verify/platforms pass", ""},
		{"other platform than the single image", ":one", one, "linux/arm64", "verify/digest pass; verify/platforms fail missing-platform", "no image for linux/arm64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := Image{Image: w.Ref(tt.ref)}
			if tt.platforms != "" {
				i.Platforms = strings.Split(tt.platforms, ",")
			}
			r, err := verifyOne(t, i, wanted(t, d(tt.built)))
			if err != nil {
				t.Fatal(err)
			}
			if got := brief(r.Findings); got != tt.want {
				t.Fatalf("got %s, want %s\n%s", got, tt.want, dump(r.Findings))
			}
			if !strings.Contains(dump(r.Findings), tt.says) {
				t.Errorf("the findings do not say %q:\n%s", tt.says, dump(r.Findings))
			}
			for _, f := range r.Findings {
				if f.Doc == "" || f.Outcome == verdict.Fail && f.Hint == "" {
					t.Errorf("a finding without page or hint: %+v", f)
				}
			}
		})
	}
}

type hasDigest = interface{ Digest() (v1.Hash, error) }

func TestResultOfAnIndex(t *testing.T) {
	w := fake.New(t)
	multi := fake.Index(t, "multi", "linux/amd64", "linux/arm64")
	d := w.Push(":v1", multi)
	r, err := verifyOne(t, Image{Image: w.Ref(":v1")}, wanted(t, d))
	if err != nil {
		t.Fatal(err)
	}
	got := r.Images[0]
	if got.Digest != d || got.Pinned != w.Ref("@"+d) || strings.Join(got.Platforms, " ") != "linux/amd64 linux/arm64" || len(got.ConfigDigests) != 2 {
		t.Errorf("got %+v", got)
	}
	if want := string(types.OCIImageIndex); got.MediaType != want {
		t.Errorf("media type %q, want %q", got.MediaType, want)
	}
}

// A clean-up of untagged images deletes what an index names.
func TestLostChild(t *testing.T) {
	w := fake.New(t)
	multi := fake.Index(t, "multi", "linux/amd64", "linux/arm64")
	d := w.Push(":v1", multi)
	arm := fake.DigestOf(t, fake.ChildOf(t, multi, 1))
	ref, err := name.ParseReference(w.Ref("@" + arm))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Delete(ref); err != nil {
		t.Fatal(err)
	}
	for platforms, want := range map[string]string{
		"":            "verify/digest pass; verify/platforms note",
		"linux/arm64": "verify/digest pass; verify/platforms fail missing-platform",
	} {
		r, err := verifyOne(t, Image{Image: w.Ref(":v1"), Platforms: strings.Fields(platforms)}, wanted(t, d))
		if err != nil {
			t.Fatal(err)
		}
		if got := brief(r.Findings); got != want || !strings.Contains(dump(r.Findings), "the registry does not have it") {
			t.Errorf("platforms %q: got %s, want %s\n%s", platforms, got, want, dump(r.Findings))
		}
	}
}

func TestManyImagesKeepTheirOrder(t *testing.T) {
	w := fake.New(t)
	var o Options
	var bs []built.Digest
	for _, tag := range []string{":a", ":b", ":c", ":d", ":e", ":f", ":g", ":h", ":i", ":j"} {
		bs = append(bs, wanted(t, w.Push(tag, fake.Image(t, tag, "linux/amd64"))))
		o.Images = append(o.Images, Image{Image: w.Ref(tag)})
	}
	bs[3].Digest = nowhere
	r, err := Run(context.Background(), o, bs, quick(), BeforeDeploy)
	if err != nil {
		t.Fatal(err)
	}
	for i, im := range r.Images {
		if im.Ref != o.Images[i].Image {
			t.Errorf("result %d is of %s", i, im.Ref)
		}
		if failed := r.Findings[i].Outcome == verdict.Fail; failed != (i == 3) {
			t.Errorf("finding %d: %+v", i, r.Findings[i])
		}
	}
}

func TestAfterDeployTellsToRollBack(t *testing.T) {
	w := fake.New(t)
	w.Push(":v1", fake.Image(t, "one", "linux/amd64"))
	r, err := Run(context.Background(), Options{Images: []Image{{Image: w.Ref(":v1")}}}, []built.Digest{wanted(t, nowhere)}, quick(), AfterDeploy)
	if err != nil || !strings.Contains(r.Findings[0].Hint, "the wrong image is live") {
		t.Errorf("%v, %s", err, dump(r.Findings))
	}
	if !strings.Contains(r.Findings[0].Summary, "made 2026-11-20T08:00:00Z") {
		t.Errorf("the summary does not say when the served image was made: %s", r.Findings[0].Summary)
	}
}

// The cost of a verify by tag: its manifest, one for each platform of an index, and a HEAD for each blob.
func TestCost(t *testing.T) {
	w := fake.New(t)
	one, multi := w.Push(":one", fake.Image(t, "one", "linux/amd64")), w.Push(":multi", fake.Index(t, "multi", "linux/amd64", "linux/arm64"))
	for tag, want := range map[string]struct {
		digest string
		most   int
	}{":one": {one, 3}, ":multi": {multi, 7}} {
		w.Forget()
		begin := time.Now()
		if _, err := verifyOne(t, Image{Image: w.Ref(tag)}, wanted(t, want.digest)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d requests, %s", tag, len(w.Requests()), time.Since(begin))
		if got := w.Requests(); len(got) > want.most {
			t.Errorf("%s: %d requests, want at most %d:\n%s", tag, len(got), want.most, strings.Join(got, "\n"))
		}
	}
}

func BenchmarkVerifyByTag(b *testing.B) {
	w := fake.New(b)
	d := w.Push(":v1", fake.Image(b, "one", "linux/amd64"))
	o, bs := Options{Images: []Image{{Image: w.Ref(":v1")}}}, []built.Digest{wanted(b, d)}
	for b.Loop() {
		if _, err := Run(context.Background(), o, bs, quick(), BeforeDeploy); err != nil {
			b.Fatal(err)
		}
	}
}

// A platform's manifest out of a signed index is covered by the index's signature.
func TestSignatureOfTheIndexCoversItsPlatform(t *testing.T) {
	k := forge.NewKey(t)
	w := fake.New(t)
	multi := fake.Index(t, "multi", "linux/amd64", "linux/arm64")
	d := w.Push(":v1", multi)
	forge.SignTag(t, w, d, k.Layer(t, forge.Claim(w.Ref(""), d)))
	r, err := verifySigned(t, Image{Image: w.Ref("@" + fake.DigestOf(t, fake.ChildOf(t, multi, 1)))}, wanted(t, d), k.Path)
	must(t, err)
	if got := brief(r.Findings); got != "verify/digest pass; verify/signature pass" {
		t.Errorf("got %s\n%s", got, dump(r.Findings))
	}
}
