package built

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// fromGoreleaser reads dist/artifacts.json of goreleaser; FILE#IMAGE where it made several. A manifest list and the images in it are both
// artifacts there: where no image is named, the lists are meant, because they are what is deployed.
func fromGoreleaser(value string) (Digest, error) {
	path, name, _ := strings.Cut(value, "#")
	b, err := readSmall(path)
	if err != nil {
		return Digest{}, fmt.Errorf("goreleaser: %w", err)
	}
	d, err := parseGoreleaser(b, name)
	if err != nil {
		return Digest{}, fmt.Errorf("goreleaser %s: %w", path, err)
	}
	d.Origin = "goreleaser's " + clean.Cut(filepath.Base(path), 100)
	return d, nil
}

func parseGoreleaser(b []byte, name string) (Digest, error) {
	var all []struct {
		Name  string `json:"name"`
		Type  string `json:"type"`
		Extra struct {
			Digest string `json:"Digest"`
		} `json:"extra"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return Digest{}, fmt.Errorf("want goreleaser's list of artifacts: %w", err)
	}
	var images, lists []named
	for _, a := range all {
		switch {
		case !strings.Contains(a.Type, "Docker") || a.Extra.Digest == "":
		case strings.Contains(a.Type, "Manifest"):
			lists = append(lists, named{a.Name, a.Extra.Digest})
		default:
			images = append(images, named{a.Name, a.Extra.Digest})
		}
	}
	if name == "" && len(lists) > 0 {
		return pick(lists, "")
	}
	return pick(append(lists, images...), name)
}
