package verify

import (
	"fmt"
	"slices"

	"github.com/bakegate/bakegate/internal/verify/artifact"
	"github.com/bakegate/bakegate/internal/verify/built"
)

// matched is how the built digest and what is served belong together. It is pure: no I/O.
type matched struct {
	ok   bool
	how  string // for people: "the built digest is an image ID ..."
	only string // the one platform that is proved, where that is not enough
	rest []string
	// index is the built index that a served platform's manifest is part of: a signature of it covers what is served.
	index string
}

// match compares what was built with what is served: the digest itself first, then the digests that are often mistaken for it.
func match(b built.Digest, s served, asked []string) matched {
	if b.Kind == built.OfManifest && b.Digest == s.digest {
		return matched{ok: true}
	}
	for _, im := range s.images {
		if b.Kind == built.OfManifest && im.digest == b.Digest {
			return partly(s, im, asked, "the built digest is the manifest of "+named(im)+" in the index that is served")
		}
	}
	for p, d := range b.Children {
		if d == s.digest {
			return matched{ok: true, index: b.Digest, how: "it is the manifest of " + p + " in the index that was built"}
		}
	}
	for _, im := range s.images {
		if im.config != "" && im.config == b.Digest {
			return partly(s, im, asked, imageID(b))
		}
	}
	return converted(b, s, asked)
}

func named(im image) string {
	if im.platform == "" {
		return "one platform"
	}
	return im.platform
}

func imageID(b built.Digest) string {
	if b.Kind == built.OfConfig {
		return "the config digest is the same, which covers the configuration and the layers"
	}
	return "the built digest is an image ID (config digest), as buildx writes with --load and `docker images` shows: it is the same image, " +
		"because the config covers its layers"
}

// partly is a match of one platform's image: enough where there is no other, or no other was asked for.
func partly(s served, im image, asked []string, how string) matched {
	m := matched{ok: true, how: how}
	if !s.index {
		return m
	}
	if rest := s.covers(im.platform, asked); len(rest) > 0 || len(s.images) > 1 && len(asked) == 0 {
		m.ok, m.only, m.rest = false, named(im), rest
	}
	return m
}

// converted compares configs: a copy between Docker's and OCI's form, or with other compression, changes manifests but no config. Every
// platform that is served must be one that was built.
func converted(b built.Digest, s served, asked []string) matched {
	var configs []string
	for _, d := range b.Configs {
		configs = append(configs, d)
	}
	if len(configs) == 0 || b.Kind == built.OfConfig {
		return matched{}
	}
	proved := 0
	for _, im := range s.images {
		if im.config != "" && slices.Contains(configs, im.config) {
			proved++
			continue
		}
		if !im.missing && asks(asked, im.platform) {
			return matched{}
		}
	}
	if proved == 0 {
		return matched{}
	}
	return matched{ok: true, how: "the manifest has another form (media types or compression were converted on the way), but the configuration is the same, and with it the layers by their diff IDs, which a runtime checks when it unpacks them"}
}

// asks says whether a platform is among those that were asked for: all of them, where none was named.
func asks(asked []string, platform string) bool {
	return len(asked) == 0 || slices.ContainsFunc(asked, func(p string) bool { return artifact.Normal(p) == artifact.Normal(platform) })
}

// inIndex says that what is served is one platform of the index that was built, which the registry has too.
func inIndex(whole, s served) (matched, bool) {
	for _, im := range whole.images {
		if im.digest == s.digest {
			return matched{ok: true, index: whole.digest, how: fmt.Sprintf("it is the manifest of %s in the index that was built", named(im))}, true
		}
	}
	return matched{}, false
}
