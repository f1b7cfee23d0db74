package signed

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// simpleType is what a payload in the simple signing form calls itself (containers/image, "atomic container signature"; cosign's word).
const simpleType = "cosign container image signature"

// madeFor compares what a payload says with what is deployed. The library does not compare the repository: a signature would replay.
func madeFor(payload []byte, digest string, repos []string) error {
	var c struct {
		Critical struct {
			Identity struct {
				Reference string `json:"docker-reference"`
			} `json:"identity"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("its payload is malformed: %s", clean.Cut(err.Error(), 200))
	}
	switch {
	case c.Critical.Type != simpleType:
		return fmt.Errorf("its payload is of type %q, want %q", clean.Cut(c.Critical.Type, 100), simpleType)
	case c.Critical.Image.Digest == "":
		return fmt.Errorf("its payload names no digest")
	case c.Critical.Image.Digest != digest:
		return fmt.Errorf("it signs another image: %s", clean.Cut(c.Critical.Image.Digest, 100))
	}
	signed, err := name.ParseReference(c.Critical.Identity.Reference)
	if err != nil || !slices.Contains(repos, signed.Context().Name()) {
		return &refusal{why: fmt.Sprintf("it was made for %q, not for %s: a signature of this form names its repository and does not count in another",
			clean.Cut(c.Critical.Identity.Reference, 200), repos[0]),
			fix: "sign the image in this repository, or list the other one in signed-as if images are mirrored from there"}
	}
	return nil
}

// canonical finds the payload of a layer without asking for it, where it is what cosign writes by itself: the layer's digest then tells
// that these are its bytes. nil where it is something else (annotations were signed too).
func canonical(layer artifact.Descriptor, digest string, repos []string) []byte {
	for _, repo := range repos {
		for _, r := range []string{repo, strings.TrimPrefix(repo, "index.docker.io/")} {
			const form = `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`
			text := fmt.Sprintf(form, r, digest, simpleType)
			for _, end := range []string{"", "\n"} {
				if b := []byte(text + end); registry.Digest(b) == layer.Digest {
					return b
				}
			}
		}
	}
	return nil
}
