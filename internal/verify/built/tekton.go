package built

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// fromTekton reads a folder with the results of a Tekton task, one file a result, by the names that Tekton Chains gives a meaning to
// (type hinting, tekton.dev/docs/chains/slsa-provenance): IMAGE_URL with IMAGE_DIGEST, also as a suffix; IMAGES; ARTIFACT_URI with
// ARTIFACT_DIGEST; ARTIFACT_OUTPUTS. DIR#IMAGE where there are several.
func fromTekton(value string) (Digest, error) {
	dir, name, _ := strings.Cut(value, "#")
	list, err := readTekton(dir)
	if err != nil {
		return Digest{}, fmt.Errorf("tekton-results %s: %w", dir, err)
	}
	d, err := pick(list, name)
	if err != nil {
		return Digest{}, fmt.Errorf("tekton-results %s: %w", dir, err)
	}
	d.Origin = "the results of a Tekton task in " + clean.Cut(filepath.Base(dir), 100)
	return d, nil
}

func readTekton(dir string) ([]named, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files, err := f.Readdirnames(maxNamed)
	if err != nil {
		return nil, fmt.Errorf("want a folder with one file a result: %w", err)
	}
	results := map[string]string{}
	for _, file := range files {
		if !tektonName(file) {
			continue
		}
		b, err := readSmall(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		results[file] = strings.TrimSpace(string(b))
	}
	return parseTekton(results)
}

func tektonName(file string) bool {
	for _, s := range []string{"IMAGE_URL", "IMAGE_DIGEST", "ARTIFACT_URI", "ARTIFACT_DIGEST", "ARTIFACT_OUTPUTS"} {
		if strings.HasSuffix(file, s) {
			return true
		}
	}
	return file == "IMAGES"
}

// parseTekton pairs results by name. A digest without its URL has no name; that is enough where it is the only one.
func parseTekton(results map[string]string) ([]named, error) {
	var list []named
	for result, value := range results {
		switch {
		case result == "IMAGES":
			for _, ref := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == '\n' || r == ' ' }) {
				list = append(list, split(ref))
			}
		case strings.HasSuffix(result, "IMAGE_DIGEST"):
			list = append(list, named{results[strings.TrimSuffix(result, "DIGEST")+"URL"], value})
		case strings.HasSuffix(result, "ARTIFACT_DIGEST"):
			list = append(list, named{results[strings.TrimSuffix(result, "DIGEST")+"URI"], value})
		case strings.HasSuffix(result, "ARTIFACT_OUTPUTS"):
			var o struct{ URI, Digest string }
			if err := json.Unmarshal([]byte(value), &o); err != nil {
				return nil, fmt.Errorf("%s: want {\"uri\": ..., \"digest\": ...}: %w", clean.Cut(result, 100), err)
			}
			list = append(list, named{o.URI, o.Digest})
		}
		if len(list) > maxNamed {
			return nil, fmt.Errorf("more than %d images", maxNamed)
		}
	}
	return list, nil
}
