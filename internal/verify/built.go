package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// Kind is what a digest is the digest of.
type Kind string

// The kinds. An image ID, as `docker images` shows it, is the digest of the config.
const (
	OfManifest Kind = "manifest" // of an image's manifest or of an index
	OfConfig   Kind = "config"   // of an image's config: covers its layers too, by their diff IDs, but not how they are compressed
)

// BuiltDigest is what the build made.
type BuiltDigest struct {
	Digest string
	Kind   Kind
	Origin string // where it comes from, for people: "buildx metadata meta.json"
	// Children are the digests of the manifests of a built index by platform, where the source knows them.
	Children map[string]string
	// Configs are the digests of the configs by platform, where the source knows them; the key is "" where it does not know the platform.
	Configs map[string]string
}

// maxBuilt bounds the files that say what was built. An archive of an image is streamed instead.
const maxBuilt = 4 << 20

// FromDigest is a digest that somebody else resolved: origin says where it comes from ("the record of staging, 2026-11-20").
func FromDigest(digest, origin string) (BuiltDigest, error) {
	if err := checkDigest(digest); err != nil {
		return BuiltDigest{}, fmt.Errorf("%s: %w", clean.Cut(origin, 200), err)
	}
	return BuiltDigest{Digest: digest, Kind: OfManifest, Origin: clean.Cut(origin, 200)}, nil
}

// ResolveBuilt finds out what was built. It reads local files only; relative paths start in dir. A record must be looked up by the
// caller, who knows the ledger: see FromDigest.
func ResolveBuilt(dir string, b Built) (BuiltDigest, error) {
	at := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	switch set := b.set(); {
	case len(set) != 1:
		return BuiltDigest{}, fmt.Errorf("built: got %d sources (%s), want exactly one", len(set), strings.Join(set, ", "))
	case b.Digest != "":
		return FromDigest(b.Digest, "built.digest")
	case b.BuildxMetadata != "":
		return fromBuildx(at(b.BuildxMetadata))
	case b.DigestFile != "":
		return fromDigestFile(at(b.DigestFile))
	case b.OCILayout != "":
		return fromLayout(at(b.OCILayout))
	case b.DockerArchive != "":
		return fromArchive(at(b.DockerArchive))
	}
	return BuiltDigest{}, errors.New("built.record was not looked up in the ledger; this is a mistake in bakegate")
}

// set lists the sources that are set.
func (b Built) set() []string {
	var out []string
	for _, s := range [][2]string{{"digest", b.Digest}, {"buildx-metadata", b.BuildxMetadata}, {"digest-file", b.DigestFile},
		{"oci-layout", b.OCILayout}, {"docker-archive", b.DockerArchive}, {"record", b.Record}} {
		if s[1] != "" {
			out = append(out, s[0])
		}
	}
	return out
}

// readSmall reads a regular file of at most maxBuilt bytes.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBuilt+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > maxBuilt {
		return nil, fmt.Errorf("%s is larger than 4 MiB, which no such file is", path)
	}
	return b, nil
}

// fromBuildx reads the metadata file of docker buildx. path may end in #TARGET, for the file of bake.
func fromBuildx(path string) (BuiltDigest, error) {
	path, target, _ := strings.Cut(path, "#")
	b, err := readSmall(path)
	if err != nil {
		return BuiltDigest{}, fmt.Errorf("buildx-metadata: %w", err)
	}
	d, err := parseBuildx(b, target)
	if err != nil {
		return BuiltDigest{}, fmt.Errorf("buildx-metadata %s: %w", path, err)
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

func parseBuildx(b []byte, target string) (BuiltDigest, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return BuiltDigest{}, fmt.Errorf("want the JSON of docker buildx build --metadata-file: %w", err)
	}
	targets := bakeTargets(all)
	_, single := all["containerimage.digest"]
	switch raw, ok := all[target]; {
	case target != "" && !ok:
		return BuiltDigest{}, fmt.Errorf("it has no target %q; it has: %s", clean.Cut(target, 100), orNone(targets))
	case target != "":
		b = raw
	case !single && len(targets) == 1:
		b = all[targets[0]]
	case !single && len(targets) > 1:
		return BuiltDigest{}, fmt.Errorf("it is of docker buildx bake and has several targets; write FILE#TARGET with one of: %s", orNone(targets))
	}
	var m metadata
	if err := json.Unmarshal(b, &m); err != nil {
		return BuiltDigest{}, fmt.Errorf("want strings in containerimage.digest and containerimage.config.digest: %w", err)
	}
	return m.built()
}

func (m metadata) built() (BuiltDigest, error) {
	if m.Digest == "" {
		return BuiltDigest{}, errors.New("it holds no containerimage.digest: the build exported no image (add --push, or --output type=image,push=true)")
	}
	if err := checkDigest(m.Digest); err != nil {
		return BuiltDigest{}, fmt.Errorf("containerimage.digest: %w", err)
	}
	if d := m.Descriptor.Digest; d != "" && d != m.Digest {
		return BuiltDigest{}, fmt.Errorf("containerimage.digest is %s, but containerimage.descriptor says %s", m.Digest, clean.Cut(d, 100))
	}
	d := BuiltDigest{Digest: m.Digest, Kind: OfManifest}
	if m.Config != "" {
		if err := checkDigest(m.Config); err != nil {
			return BuiltDigest{}, fmt.Errorf("containerimage.config.digest: %w", err)
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

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return clean.Cut(strings.Join(names, ", "), 400)
}

func fromDigestFile(path string) (BuiltDigest, error) {
	b, err := readSmall(path)
	if err != nil {
		return BuiltDigest{}, fmt.Errorf("digest-file: %w", err)
	}
	d, err := parseDigestFile(b)
	if err != nil {
		return BuiltDigest{}, fmt.Errorf("digest-file %s: %w", path, err)
	}
	d.Origin = "digest file " + clean.Cut(filepath.Base(path), 100)
	return d, nil
}

// parseDigestFile reads what kaniko, buildah, podman, ko and jib write: lines of sha256:..., REPO@sha256:... or REPO:TAG@sha256:...
// that name one digest, or jib's JSON.
func parseDigestFile(b []byte) (BuiltDigest, error) {
	text := strings.TrimSpace(string(b))
	if strings.HasPrefix(text, "{") {
		return parseJib([]byte(text))
	}
	digest := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if i := strings.LastIndexByte(line, '@'); i > 0 {
			line = line[i+1:]
		}
		if err := checkDigest(line); err != nil {
			return BuiltDigest{}, err
		}
		if digest != "" && line != digest {
			return BuiltDigest{}, fmt.Errorf("it names several digests (%s and %s), want one: give each image a file of its own", digest, line)
		}
		digest = line
	}
	if digest == "" {
		return BuiltDigest{}, errors.New("it is empty: has the build ended?")
	}
	return BuiltDigest{Digest: digest, Kind: OfManifest}, nil
}

func parseJib(b []byte) (BuiltDigest, error) {
	var jib struct {
		ImageDigest string `json:"imageDigest"`
		ImageID     string `json:"imageId"`
	}
	if err := json.Unmarshal(b, &jib); err != nil {
		return BuiltDigest{}, fmt.Errorf("want a digest or jib's JSON: %w", err)
	}
	if err := checkDigest(jib.ImageDigest); err != nil {
		return BuiltDigest{}, fmt.Errorf("imageDigest: %w", err)
	}
	d := BuiltDigest{Digest: jib.ImageDigest, Kind: OfManifest}
	if digestForm.MatchString(jib.ImageID) {
		d.Configs = map[string]string{"": jib.ImageID}
	}
	return d, nil
}
