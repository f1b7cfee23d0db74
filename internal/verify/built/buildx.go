package built

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// fromBuildx reads the metadata file of docker buildx. path may end in #TARGET, for the file of bake.
func fromBuildx(path string) (Digest, error) {
	path, target, _ := strings.Cut(path, "#")
	b, err := readSmall(path)
	if err != nil {
		return Digest{}, fmt.Errorf("buildx-metadata: %w", err)
	}
	d, err := parseBuildx(b, target)
	if err != nil {
		return Digest{}, fmt.Errorf("buildx-metadata %s: %w", path, err)
	}
	d.Origin = "buildx metadata " + clean.Cut(filepath.Base(path), 100)
	if target != "" {
		d.Origin += ", target " + clean.Cut(target, 100)
	}
	if d.Kind == OfConfig {
		d.Origin += " (an image ID, as --load gives)"
	}
	return d, nil
}

// metadata is what buildx writes of one build.
type metadata struct {
	Digest     string `json:"containerimage.digest"`
	Config     string `json:"containerimage.config.digest"`
	Descriptor struct {
		Digest string `json:"digest"`
	} `json:"containerimage.descriptor"`
}

func parseBuildx(b []byte, target string) (Digest, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return Digest{}, fmt.Errorf("want the JSON of docker buildx build --metadata-file: %w", err)
	}
	targets := bakeTargets(all)
	_, single := all["containerimage.digest"]
	switch raw, ok := all[target]; {
	case target != "" && !ok:
		return Digest{}, fmt.Errorf("it has no target %q; it has: %s", clean.Cut(target, 100), orNone(targets))
	case target != "":
		b = raw
	case !single && len(targets) == 1:
		b = all[targets[0]]
	case !single && len(targets) > 1:
		return Digest{}, fmt.Errorf("it is of docker buildx bake and has several targets; write FILE#TARGET with one of: %s", orNone(targets))
	}
	var m metadata
	if err := json.Unmarshal(b, &m); err != nil {
		return Digest{}, fmt.Errorf("want strings in containerimage.digest and containerimage.config.digest: %w", err)
	}
	return m.built()
}

func (m metadata) built() (Digest, error) {
	if m.Digest == "" {
		return Digest{}, errors.New("it holds no containerimage.digest: the build exported no image (add --push, or --output type=image,push=true)")
	}
	if err := artifact.CheckDigest(m.Digest); err != nil {
		return Digest{}, fmt.Errorf("containerimage.digest: %w", err)
	}
	if d := m.Descriptor.Digest; d != "" && d != m.Digest {
		return Digest{}, fmt.Errorf("containerimage.digest is %s, but containerimage.descriptor says %s", m.Digest, clean.Cut(d, 100))
	}
	d := Digest{Digest: m.Digest, Kind: OfManifest}
	if m.Config != "" {
		if err := artifact.CheckDigest(m.Config); err != nil {
			return Digest{}, fmt.Errorf("containerimage.config.digest: %w", err)
		}
		d.Configs = map[string]string{"": m.Config}
	}
	if m.Config == m.Digest {
		d.Kind = OfConfig
	}
	return d, nil
}

// bakeTargets lists the keys that hold a build's metadata.
func bakeTargets(all map[string]json.RawMessage) []string {
	var names []string
	for k, v := range all {
		var m metadata
		if json.Unmarshal(v, &m) == nil && m.Digest != "" {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}
