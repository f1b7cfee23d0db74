package signed

import (
	"net/url"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
)

// predicateNames are names for predicate types, with every version of them that has a type of its own. Sources: slsa.dev, in-toto's list of
// predicates, cosign's --type, GitHub's attest-sbom.
var predicateNames = map[string][]string{
	"slsa-provenance": {slsaV1, slsaV0},
	"spdx":            {"https://spdx.dev/Document", "https://spdx.dev/Document/v2.2", "https://spdx.dev/Document/v2.3", "https://spdx.dev/Document/v3.0"},
	"cyclonedx":       {"https://cyclonedx.org/bom"},
	"vuln": {"https://cosign.sigstore.dev/attestation/vuln/v1", "https://in-toto.io/attestation/vulns/v0.1",
		"https://in-toto.io/attestation/vulns/v0.2"},
}

// predicateTypes are the types that a name stands for; a URI stands for itself, exactly.
func predicateTypes(name string) []string {
	if ts, ok := predicateNames[name]; ok {
		return ts
	}
	return []string{name}
}

// checkType accepts a known name or a URI (old versions of cosign left its scheme out). A word that is neither would only ever be missing.
func checkType(at report, name string) {
	if _, ok := predicateNames[name]; ok {
		return
	}
	u, err := url.Parse(name)
	host, _, hasPath := strings.Cut(name, "/")
	switch {
	case err != nil || strings.ContainsAny(name, " \t\n"):
	case u.Scheme != "" && (u.Host != "" || u.Opaque != ""), hasPath && strings.Contains(host, "."):
		return
	}
	names := make([]string, 0, len(predicateNames))
	for n := range predicateNames {
		names = append(names, n)
	}
	slices.Sort(names)
	at("type", "got %q, want %s, or a predicate type as its URI (https://slsa.dev/provenance/v1)", clean.Cut(name, 100), strings.Join(names, ", "))
}

// maxBOM bounds lists of parts and of weaknesses, which are the only attestations that grow with the image. They are held in several
// forms while they are checked: ten times this would be more than a step of a pipeline may take.
const maxBOM = 8 << 20

// limitOf bounds what is read of an attestation of a type.
func limitOf(types []string) int64 {
	for _, name := range []string{"spdx", "cyclonedx", "vuln"} {
		if slices.ContainsFunc(types, func(t string) bool { return slices.Contains(predicateNames[name], t) }) {
			return maxBOM
		}
	}
	return maxBundle
}
