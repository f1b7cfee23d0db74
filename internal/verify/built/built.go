// Package built finds out what the build made: the digest that the deployed image must have. One file a source, one line in Sources. Only
// local files are read; what the ledger knows is looked up by the caller.
package built

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// Kind is what a digest is the digest of.
type Kind string

// The kinds. An image ID, as `docker images` shows it, is the digest of the config.
const (
	OfManifest Kind = "manifest" // of an image's manifest or of an index
	OfConfig   Kind = "config"   // of an image's config: covers its layers too, by their diff IDs, but not how they are compressed
)

// Digest is what the build made.
type Digest struct {
	Digest string // sha256:...
	Kind   Kind
	Origin string // where it comes from, for people: "buildx metadata meta.json"
	// Children are the digests of the manifests of a built index by platform, where the source knows them.
	Children map[string]string
	// Configs are the digests of the configs by platform, where the source knows them; the key is "" where it does not know the platform.
	Configs map[string]string
}

// maxBuilt bounds the files that say what was built. An archive of an image is streamed instead.
const maxBuilt = 4 << 20

// Source is one way to know what was built.
type Source struct {
	// Read finds the digest. value is what the configuration says, with its path made absolute where File is true.
	Read func(value string) (Digest, error)
	// Check looks at the value without reading anything; nil: any text that is not empty.
	Check func(value string) error
	// File says that the value is a path, perhaps with #NAME behind it, relative to the configuration's folder.
	File bool
}

// Sources are the ways by the name of their key. record is among them for the configuration; the caller, who knows the ledger, looks it up.
var Sources = map[string]Source{
	"digest":           {Read: func(d string) (Digest, error) { return FromDigest(d, "built.digest") }, Check: func(string) error { return nil }},
	"buildx-metadata":  {Read: fromBuildx, File: true},
	"digest-file":      {Read: fromDigestFile, File: true},
	"oci-layout":       {Read: fromLayout, File: true},
	"docker-archive":   {Read: fromArchive, File: true},
	"goreleaser":       {Read: fromGoreleaser, File: true},
	"github-artifacts": {Read: fromGitHubArtifacts, File: true},
	"tekton-results":   {Read: fromTekton, File: true},
	"provenance":       {Read: fromProvenance, File: true},
	Record:             {Read: notLookedUp},
}

// Record is the source that only the caller can read: ENVIRONMENT, whose last digest that passed is in the ledger.
const Record = "record"

// Spec is a source in the configuration: `digest: sha256:...`.
type Spec struct {
	Kind  string // a key of Sources
	Value string
}

// Choices lists the keys that may stand in the block.
func (*Spec) Choices() []string {
	names := make([]string, 0, len(Sources))
	for n := range Sources {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Choose takes the value of the block's key.
func (s *Spec) Choose(kind string, decode func(any) error) error {
	if err := decode(&s.Value); err != nil {
		return err
	}
	s.Kind = kind
	if check := Sources[kind].Check; check != nil {
		return check(s.Value)
	}
	if strings.TrimSpace(s.Value) == "" {
		return errors.New("got an empty text, want a path or a name")
	}
	return nil
}

// Resolve finds out what was built. Relative paths start in dir.
func (s Spec) Resolve(dir string) (Digest, error) {
	source, ok := Sources[s.Kind]
	if !ok {
		return Digest{}, fmt.Errorf("built: got the source %q, want one of %s", s.Kind, strings.Join((*Spec)(nil).Choices(), ", "))
	}
	value := s.Value
	if source.File && !filepath.IsAbs(value) {
		value = filepath.Join(dir, value)
	}
	return source.Read(value)
}

func notLookedUp(string) (Digest, error) {
	return Digest{}, errors.New("built.record was not looked up in the ledger; this is a mistake in bakegate")
}

// FromDigest is a digest that somebody else resolved: origin says where it comes from ("the record of staging, 2026-11-20").
func FromDigest(digest, origin string) (Digest, error) {
	if err := artifact.CheckDigest(digest); err != nil {
		return Digest{}, fmt.Errorf("%s: %w", clean.Cut(origin, 200), err)
	}
	return Digest{Digest: digest, Kind: OfManifest, Origin: clean.Cut(origin, 200)}, nil
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

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return clean.Cut(strings.Join(names, ", "), 400)
}
