package built

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// fromDigestFile reads what kaniko, buildah, podman, ko and jib write; FILE#IMAGE where it names several.
func fromDigestFile(value string) (Digest, error) {
	path, name, _ := strings.Cut(value, "#")
	b, err := readSmall(path)
	if err != nil {
		return Digest{}, fmt.Errorf("digest-file: %w", err)
	}
	d, err := parseDigestFile(b, name)
	if err != nil {
		return Digest{}, fmt.Errorf("digest-file %s: %w", path, err)
	}
	d.Origin = "digest file " + clean.Cut(filepath.Base(path), 100)
	return d, nil
}

// parseDigestFile reads lines of sha256:..., REPO@sha256:... or REPO:TAG@sha256:..., lines as sha256sum and goreleaser's digests.txt have
// them (HEX  NAME), or jib's JSON.
func parseDigestFile(b []byte, name string) (Digest, error) {
	text := strings.TrimSpace(string(b))
	if strings.HasPrefix(text, "{") {
		return parseJib([]byte(text))
	}
	var list []named
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		n := split(line)
		if sum, of, ok := strings.Cut(line, "  "); ok && len(sum) == 64 {
			n = named{strings.TrimSpace(of), "sha256:" + sum}
		}
		if err := artifact.CheckDigest(n.digest); err != nil {
			return Digest{}, err
		}
		if list = append(list, n); len(list) > maxNamed {
			return Digest{}, fmt.Errorf("it has more than %d lines", maxNamed)
		}
	}
	if len(list) == 0 {
		return Digest{}, errors.New("it is empty: has the build ended?")
	}
	return pick(list, name)
}

func parseJib(b []byte) (Digest, error) {
	var jib struct {
		ImageDigest string `json:"imageDigest"`
		ImageID     string `json:"imageId"`
	}
	if err := json.Unmarshal(b, &jib); err != nil {
		return Digest{}, fmt.Errorf("want a digest or jib's JSON: %w", err)
	}
	if err := artifact.CheckDigest(jib.ImageDigest); err != nil {
		return Digest{}, fmt.Errorf("imageDigest: %w", err)
	}
	d := Digest{Digest: jib.ImageDigest, Kind: OfManifest}
	if artifact.CheckDigest(jib.ImageID) == nil {
		d.Configs = map[string]string{"": jib.ImageID}
	}
	return d, nil
}
