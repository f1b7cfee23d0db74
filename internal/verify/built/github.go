package built

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// fromGitHubArtifacts reads the file behind GITHUB_ARTIFACTS_LIST, in which GitHub's runner lists what the earlier steps of a job declared
// (actions/runner, ArtifactsListFileCommand, version 1); FILE#IMAGE where there are several.
func fromGitHubArtifacts(value string) (Digest, error) {
	path, name, _ := strings.Cut(value, "#")
	b, err := readSmall(path)
	if err != nil {
		return Digest{}, fmt.Errorf("github-artifacts: %w", err)
	}
	d, err := parseGitHubArtifacts(b, name)
	if err != nil {
		return Digest{}, fmt.Errorf("github-artifacts: %w", err)
	}
	d.Origin = "the job's list of artifacts (GITHUB_ARTIFACTS_LIST)"
	return d, nil
}

func parseGitHubArtifacts(b []byte, name string) (Digest, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return Digest{}, errors.New("the list is empty: this runner does not keep one, or no step of this job wrote to GITHUB_ARTIFACTS; " +
			"the list does not cross jobs, so that a build in another job gives its digest as an output")
	}
	var list struct {
		Version  int `json:"version"`
		Subjects []struct {
			Name, Digest, Kind string
		} `json:"subjects"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return Digest{}, fmt.Errorf("want the JSON of GITHUB_ARTIFACTS_LIST: %w", err)
	}
	if list.Version != 1 {
		return Digest{}, fmt.Errorf("the list has version %d, want 1", list.Version)
	}
	if len(list.Subjects) > maxNamed {
		return Digest{}, fmt.Errorf("the list has more than %d entries", maxNamed)
	}
	var images []named
	for _, s := range list.Subjects {
		if s.Kind == "oci" { // files have digests too, which are no images'
			images = append(images, named{s.Name, strings.ToLower(s.Digest)})
		}
	}
	return pick(images, name)
}
