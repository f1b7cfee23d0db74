package deployed

import (
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

var bareID = lazyregexp.New(`^[0-9a-f]{64}$`)

// parseImageID reads the imageID of a container's status. Runtimes do not agree on what it is:
//
//	docker-pullable://REPO@sha256:...   Docker: the digest that was pulled, of an index or of a manifest
//	docker://sha256:...                 Docker, an image without a digest of a registry (built or loaded on the node): the config
//	REPO@sha256:...                     containerd, CRI-O: the digest that was pulled, or that of the platform's manifest
//	sha256:...                          containerd, an image without a digest of a registry (imported): the config
//	64 hexadecimal digits               CRI-O: the config
//
// An empty digest means that the runtime does not say. repo is the repository that it names beside the digest.
func parseImageID(id string) (repo, digest string) {
	if _, rest, ok := strings.Cut(id, "://"); ok {
		id = rest
	}
	if at := strings.LastIndexByte(id, '@'); at >= 0 {
		repo, id = id[:at], id[at+1:]
	}
	if bareID.MatchString(id) {
		id = "sha256:" + id
	}
	if artifact.CheckDigest(id) != nil {
		return "", ""
	}
	return clean.Cut(repo, maxImage), id
}
