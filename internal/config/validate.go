package config

import (
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/source"
	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// validator finds the mistakes that need more than one value to see, or knowledge of what a text means. It looks at the types of other
// packages, which cannot know where their values stand in the file.
type validator struct {
	d       *decoder
	f       *File
	root    *node
	decoded int // problems of reading: what they are about is not looked at again
}

// has says whether the file has something at path.
func (v *validator) has(path string) bool {
	_, found := v.root.locate(path)
	return found
}

// fine says whether what stands at path could be read.
func (v *validator) fine(path string) bool { return !v.d.c.reported(v.decoded, path, true) }

// at reports a problem at a path, unless what stands there could not be read anyway.
func (v *validator) at(path, hint, format string, args ...any) {
	if v.d.c.reported(v.decoded, path, false) {
		return
	}
	n, _ := v.root.locate(path)
	v.d.c.add(n, path, hint, format, args...)
}

func (v *validator) warn(path, hint, format string, args ...any) {
	n, _ := v.root.locate(path)
	v.d.c.warn(n, path, hint, format, args...)
}

// shown is the text at a path as it stands in the file, without the values of variables.
func (v *validator) shown(path string) string {
	n, _ := v.root.locate(path)
	return quote(n.value)
}

// oneOf reports where not exactly one of the keys is at path, and says which one it is.
func (v *validator) oneOf(path string, keys ...string) (key string, ok bool) {
	var got []string
	for _, k := range keys {
		if v.has(join(path, k)) {
			got = append(got, k)
		}
	}
	switch len(got) {
	case 1:
		return got[0], true
	case 0:
		v.at(path, "", "got none of %s, want exactly one", strings.Join(keys, ", "))
	default:
		v.at(join(path, got[1]), "keep one of them", "got %s, want exactly one of %s", strings.Join(got, " and "), strings.Join(keys, ", "))
	}
	return "", false
}

func (v *validator) file() {
	if v.has("version") && v.fine("version") && v.f.Version != 1 {
		v.at("version", "", "got %s, want 1", v.shown("version"))
	}
	if !slices.ContainsFunc([]string{"verify", "diff", "mark", "bake"}, v.has) {
		v.at("", "add one of verify, diff, mark, bake", "the file asks for nothing")
	}
	v.verify()
	v.diff()
	v.bake()
	v.variables()
	v.registries()
	v.on()
}

// diff looks at what the rules' own check cannot see: a list that is there and empty reads like one that was left out.
func (v *validator) diff() {
	if v.f.Diff == nil {
		return
	}
	d := v.f.Diff
	if err := source.Together(d.Previous, d.Target); err != nil {
		v.at("diff.target", "", "%v", err)
	}
	if v.has("diff.key") && v.fine("diff.key") && !d.Key.IsZero() {
		if err := diff.ValidKey(d.Key); err != nil {
			v.at("diff.key", "", "%v", err)
		}
	}
	for path, s := range map[string]*source.Spec{"diff.previous": d.Previous, "diff.target": d.Target} {
		if s != nil && s.Kind == source.Record && v.f.Record == nil && !v.has("record") {
			v.at(path, "add a record section: where the deploys are recorded", "there is no ledger that it could be read from")
		}
	}
	for i, f := range v.f.Diff.Forbid {
		path := index("diff.forbid", i) + ".change"
		if v.has(path) && v.fine(path) && len(f.Change) == 0 {
			v.at(path, "leave it out for every change", "the list is empty: this rule forbids nothing")
		}
	}
}

// meant is the hint for a word that is none of the allowed ones. Where the word comes from a variable there is none to repeat.
func (v *validator) meant(path string, allowed []string) string {
	n, _ := v.root.locate(path)
	if s := suggest(n.value, allowed); s != "" {
		return didYouMean(n.value, allowed)
	}
	return ""
}

func (v *validator) verify() {
	if v.f.Verify == nil {
		return
	}
	if v.fine("verify") && len(v.f.Verify.Images) == 0 {
		v.at("verify", "add images: with image and built", "there is no image to verify")
	}
	for i := range v.f.Verify.Images {
		v.image(index("verify.images", i), i)
	}
}

var platformForm = lazyregexp.New(`^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?$`)

func (v *validator) image(path string, i int) {
	image := v.f.Verify.Images[i]
	if v.has(path+".image") && v.fine(path+".image") && image.Image != "" {
		v.reference(path+".image", image.Image)
	}
	if b := image.Built; b != nil && b.Kind == "digest" && v.fine(path+".built") {
		v.digest(path+".built.digest", b.Value)
	}
	for j, p := range image.Platforms {
		at := index(path+".platforms", j)
		if v.fine(at) && !platformForm.MatchString(p) {
			v.at(at, "", "got %s, want os/arch or os/arch/variant, e.g. linux/arm64", v.shown(at))
		}
	}
}

// empty says whether the scalar at a path came out as no text.
func (d *decoder) empty(root *node, path string) bool {
	n, found := root.locate(path)
	return found && n.shape == scalar && strings.TrimSpace(d.resolved[n]) == ""
}

// reference looks at an image reference. It must say which image: no tag means latest by itself, which is nobody's intention here.
func (v *validator) reference(path, ref string) {
	repository, _, hasDigest := strings.Cut(ref, "@")
	tag := ""
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		tag = repository[i+1:]
	}
	_, err := name.ParseReference(ref)
	switch {
	case strings.Contains(ref, "://"):
		v.at(path, "leave out the scheme", "got %s, want HOST/REPOSITORY:TAG", v.shown(path))
	case err != nil && strings.ToLower(repository) != repository:
		v.at(path, "a repository is lower case", "%s is no image reference", v.shown(path))
	case err != nil:
		v.at(path, "want HOST/REPOSITORY:TAG, HOST/REPOSITORY@sha256:... or both", "%s is no image reference", v.shown(path))
	case tag == "" && !hasDigest:
		v.at(path, "say which image is deployed", "%s has neither tag nor digest", v.shown(path))
	case tag == "latest" && !hasDigest:
		v.warn(path, "deploy a tag of its own, or add the digest", "%s: latest is a moving tag: what it names now may not be what is deployed", v.shown(path))
	}
}

// digest looks at a built digest that stands in the file.
func (v *validator) digest(path, digest string) {
	if artifact.CheckDigest(digest) != nil {
		v.at(path, artifact.DigestHint(digest), "got %s, want sha256: and 64 hexadecimal digits", v.shown(path))
	}
}
