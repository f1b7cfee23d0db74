package built

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// maxNamed bounds a list of what one build made.
const maxNamed = 1024

// named is one artifact in a list of several.
type named struct {
	name   string // as the list has it: REPO, REPO:TAG, a target
	digest string
}

// pick takes the one artifact of a list that is meant: the one by the name behind the #, or the only digest that there is.
func pick(list []named, name string) (Digest, error) {
	var found []named
	for _, n := range list {
		if name == "" || n.name == name || repository(n.name) == name {
			found = append(found, n)
		}
	}
	switch {
	case len(list) == 0:
		return Digest{}, errors.New("it names no image: has the build ended, and did it push?")
	case len(found) == 0:
		return Digest{}, fmt.Errorf("it has nothing named %q; it has: %s", clean.Cut(name, 200), orNone(namesOf(list)))
	}
	for _, n := range found {
		if err := artifact.CheckDigest(n.digest); err != nil {
			return Digest{}, fmt.Errorf("%s: %w", clean.Cut(n.name, 200), err)
		}
		if n.digest != found[0].digest {
			return Digest{}, fmt.Errorf("it names several digests (%s and %s); write FILE#NAME with one of: %s", found[0].digest, n.digest, orNone(namesOf(found)))
		}
	}
	return Digest{Digest: found[0].digest, Kind: OfManifest}, nil
}

func namesOf(list []named) []string {
	var out []string
	for _, n := range list {
		out = append(out, clean.Cut(n.name, 150))
	}
	return out
}

// repository is a reference without tag and digest.
func repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}

// split takes REPO@sha256:... apart.
func split(ref string) named {
	if i := strings.LastIndexByte(ref, '@'); i > 0 {
		return named{ref[:i], ref[i+1:]}
	}
	return named{"", ref}
}
