package verify

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/verify/artifact"
	"github.com/bakegate/bakegate/internal/verify/built"
	"github.com/bakegate/bakegate/internal/verify/deployed"
)

// deployedImage is an image that was verified, as a deployment may name it and a runtime may report it.
type deployedImage struct {
	text   string // as it was written, sanitised
	base   string // its repository, as it was written
	repo   string // its repository's full name
	tag    string // "" for none
	names  bool   // the tag names an image of this set
	moved  string // what the tag names, where that is surely another image; "nothing" where it is gone
	pinned string // REPOSITORY@DIGEST to deploy; "" where that is not known
	made   string // the digest that was built
	set    map[string]known
	// partial says that not every platform's config is known, so that a config's digest that is not in the set proves nothing.
	partial bool
}

// known is a digest by which the image goes.
type known struct {
	what   string // "index digest", "manifest of linux/arm64"
	config bool   // an image ID: a runtime may report it, but nothing can be pulled by it
}

// deployedImage gathers all digests by which what was built may go: of the index, of its platforms and of their configs. They are of bytes
// that were hashed here, or that the build named.
func (k *check) deployedImage() deployedImage {
	d := deployedImage{text: k.result.Ref, base: k.f.ref.base, tag: k.f.ref.tag, made: k.built.Digest, set: map[string]known{}}
	if k.f.ref.base == "" {
		return d // the reference could not be read, which is an error of its own
	}
	d.repo = fullName(k.f.ref.repo)
	if k.m.ok {
		d.add(k.s.digest, k.s.digestName(), false)
		d.images(k.s.images, k.proved)
	}
	if k.there.digest == k.built.Digest {
		d.add(k.there.digest, k.there.digestName(), false)
		d.images(k.there.images, func(image) bool { return true })
	}
	d.built(k.built)
	d.partial = d.partial || !slices.ContainsFunc(slices.Collect(maps.Values(d.set)), func(n known) bool { return n.config })
	d.tagged(k)
	return d
}

func (d *deployedImage) add(digest, what string, config bool) {
	if _, ok := d.set[digest]; !ok && digest != "" {
		d.set[digest] = known{what, config}
	}
}

func (d *deployedImage) images(all []image, proved func(image) bool) {
	for _, im := range all {
		if !proved(im) {
			continue
		}
		d.add(im.digest, "manifest of "+named(im), false)
		d.add(im.config, "image ID of "+named(im), true)
		d.partial = d.partial || im.config == ""
	}
}

func (d *deployedImage) built(b built.Digest) {
	if b.Kind == built.OfConfig {
		d.add(b.Digest, "image ID", true)
	} else {
		d.add(b.Digest, "digest that was built", false)
	}
	for platform, digest := range b.Children {
		d.add(digest, "manifest of "+orPlatform(platform), false)
	}
	for platform, digest := range b.Configs {
		d.add(digest, "image ID of "+orPlatform(platform), true)
	}
}

func orPlatform(p string) string {
	if p == "" {
		return "one platform"
	}
	return p
}

// tagged says what the tag is worth, and what to deploy instead of it.
func (d *deployedImage) tagged(k *check) {
	switch {
	case k.m.ok:
		d.pinned = d.base + "@" + k.s.digest
		d.names, d.moved = k.s.movedTo == "", k.s.movedTo
	case k.m.only == "":
		d.moved = k.s.digest
		if k.f.ref.digest != "" {
			d.moved = "" // the tag beside a wrong digest was not compared with the build
		}
	}
	if d.pinned == "" && k.built.Kind == built.OfManifest {
		d.pinned = d.base + "@" + k.built.Digest
	}
}

// proved says whether an image of the index that is served is one that was built: where platforms were asked for, the others were not
// compared.
func (k *check) proved(im image) bool {
	return k.s.digest == k.built.Digest || k.m.index != "" || !k.s.index || asks(k.image.Platforms, im.platform)
}

func (s served) digestName() string {
	if s.index {
		return "index digest"
	}
	return "manifest digest"
}

// fullName is a repository's name in one form: docker.io/library/nginx, index.docker.io/library/nginx and nginx are the same.
func fullName(r name.Repository) string {
	return strings.ToLower(strings.TrimSuffix(r.RegistryStr(), ":443")) + "/" + r.RepositoryStr()
}

// place is a reference of a container, taken apart.
type place struct{ repo, tag, digest string }

// parsePlace reads what a container declares. A reference that no runtime could pull has no repository, so that it is nobody's image.
func parsePlace(text string) place {
	base, digest, _ := strings.Cut(text, "@")
	p := place{digest: digest}
	if at := strings.LastIndexByte(base, ':'); at > strings.LastIndexByte(base, '/') {
		base, p.tag = base[:at], base[at+1:]
	}
	if p.tag == "" && p.digest == "" {
		p.tag = "latest" // what a runtime pulls then
	}
	if r, err := name.NewRepository(base); err == nil {
		p.repo = fullName(r)
	}
	return p
}

// class is what a container is to an image.
type class uint8

const (
	same    class = iota // it is the image
	unclear              // it may be
	another              // it is not
)

// sighting is a container of an image's repository, or with one of its digests.
type sighting struct {
	c     deployed.Container
	class class
	how   string // same: which digest matched; "" where only the tag did
	why   string // else: what it is instead, or why that is not known
	got   string // the digest or the tag that was seen
}

// sees compares a container with the image. ok is false where it has nothing to do with it.
func (d deployedImage) sees(c deployed.Container, live, behind bool) (s sighting, ok bool) {
	p := parsePlace(c.Image)
	_, runs := d.set[c.Digest]
	_, declares := d.set[p.digest]
	if p.repo != d.repo && !runs && !declares || d.repo == "" {
		return s, false
	}
	if live && c.Digest != "" {
		s = d.running(c, p)
	} else {
		s = d.declared(p, live, behind)
	}
	s.c = c
	return s, true
}

// declared is what a reference says by itself. Where there is a digest, it alone counts: runtimes pull it. A tag that was moved is what will be
// pulled; behind the deploy, nobody knows what was.
func (d deployedImage) declared(p place, live, behind bool) sighting {
	if p.digest != "" {
		return d.declaredDigest(p)
	}
	s := sighting{class: unclear, got: "tag " + p.tag}
	switch {
	case live:
		s.why, s.got = "the runtime does not say which digest it runs", "no digest"
	case d.tag == "":
		s.why = "it is declared by tag, and only a digest was verified"
	case p.tag != d.tag:
		s.class, s.why = another, "it is declared with another tag than the one that was verified"
	case d.names:
		s.class = same
	case d.moved != "" && behind:
		s.why = "the tag names " + d.moved + " by now, and what it named when it was pulled is not known"
	case d.moved != "":
		s.class, s.why = another, "the tag names "+d.moved
	default:
		s.why = "the image of that tag is not proved to be the one that was built"
	}
	return s
}

func (d deployedImage) declaredDigest(p place) sighting {
	n, ok := d.set[p.digest]
	s := sighting{class: another, got: p.digest}
	switch {
	case ok && n.config:
		s.why = "it is the digest of a config (an image ID), by which nothing can be pulled"
	case ok:
		s.class, s.how = same, n.what
	case artifact.CheckDigest(p.digest) != nil:
		s.class, s.why = unclear, "its digest can't be read"
	default:
		s.why = "it is declared with another digest"
	}
	return s
}

// running is what a runtime says. A digest that is not in the set proves another image only where nothing makes it doubtful: a runtime names
// an image by any of the repositories that it knows it from, and by its config where it knows none.
func (d deployedImage) running(c deployed.Container, p place) sighting {
	s := sighting{class: same, got: c.Digest}
	if n, ok := d.set[c.Digest]; ok {
		s.how = n.what
		return s
	}
	s.class = unclear
	n, declared := d.set[p.digest]
	switch {
	case declared && !n.config:
		s.why = "it is declared by a digest of the build, but the runtime reports another"
	case c.Named != "" && parsePlace(c.Named+"@"+c.Digest).repo != p.repo:
		s.why = "the runtime reports it by a digest of another repository, " + c.Named
	case c.Named == "" && d.partial:
		s.why = "the runtime may report an image ID, and not every platform's is known"
	default:
		s.class, s.why = another, "it runs another image"
	}
	return s
}

// assign gives every container to the images that it may be. Of several in one repository, it is the one that it matches; else the one whose
// tag it declares; else it speaks against each. others counts those that are nobody's.
func assign(images []deployedImage, cs []deployed.Container, live, behind bool) (of [][]sighting, others int) {
	of = make([][]sighting, len(images))
	for _, c := range cs {
		seen, known := make([]*sighting, len(images)), false
		for i, d := range images {
			if s, ok := d.sees(c, live, behind); ok {
				seen[i], known = &s, true
			}
		}
		if !known {
			others++
			continue
		}
		tag := parsePlace(c.Image).tag
		keep(seen, func(i int) bool { return seen[i].class == same })
		keep(seen, func(i int) bool { return tag != "" && images[i].tag == tag })
		for i, s := range seen {
			if s != nil {
				of[i] = append(of[i], *s)
			}
		}
	}
	return of, others
}

// keep drops the sightings that are not preferred, where one is.
func keep(seen []*sighting, preferred func(int) bool) {
	var drop []int
	found := false
	for i := range seen {
		switch {
		case seen[i] == nil:
		case preferred(i):
			found = true
		default:
			drop = append(drop, i)
		}
	}
	if !found {
		return
	}
	for _, i := range drop {
		seen[i] = nil
	}
}
