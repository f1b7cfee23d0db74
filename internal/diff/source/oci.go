package source

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/files"
	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// OCIOptions is the block `oci:`: files in an artifact of a registry, as Flux, ORAS and Argo CD have them. Written as a scalar it is Ref.
type OCIOptions struct {
	Ref      string   `yaml:"ref,required"` // ghcr.io/acme/config:production, or by its digest
	Path     string   `yaml:"path"`         // a file or a directory in it; default: all
	Exclude  []string `yaml:"exclude"`      // globs of what is not read, as in PathOptions
	Platform string   `yaml:"platform"`     // of an index: linux/arm64; default: the only one, else linux/amd64
}

// UnmarshalText reads the scalar form.
func (o *OCIOptions) UnmarshalText(b []byte) error {
	o.Ref = string(b)
	return nil
}

type ociSource struct {
	OCIOptions
	ref    name.Reference
	env    Env
	limits limits
}

func buildOCI(decode func(any) error) (Source, error) {
	s := &ociSource{limits: defaultLimits}
	err := decode(&s.OCIOptions)
	if err != nil {
		return nil, err
	}
	if s.ref, err = parseReference(s.Ref); err != nil {
		return nil, err
	}
	if s.Platform != "" && !platformForm.MatchString(s.Platform) {
		return nil, fmt.Errorf("platform: got %q, want OS/ARCHITECTURE, e.g. linux/arm64", clean.Cut(s.Platform, 60))
	}
	return s, files.CheckGlobs(s.Exclude)
}

// Use implements Wants.
func (s *ociSource) Use(e Env) { s.env = e }

// Snapshot pulls the artifact into memory and reads its files. Every blob has the digest that the manifest says, and the manifest the one
// that is asked for, or the one that is told.
func (s *ociSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: "artifact " + clean.Cut(s.Ref, 300)}
	a, err := pull(ctx, s.env.Registry, s.ref, s.Ref, s.Platform)
	if err != nil {
		return t, err
	}
	t.Name = clean.Text(fmt.Sprintf("artifact %s (%s)", a.text, shortDigest(a.digest)))
	files := newUnpacked(s.limits)
	skipped, err := s.layers(ctx, a, files)
	if err != nil {
		return t, fmt.Errorf("%s: %w", t.Name, err)
	}
	w := &inArchive{archive: files, from: a.name(), place: t.Name, path: s.Path, exclude: s.Exclude, gathering: gather(s.limits, s.env.Documents)}
	w.skipped = skipped
	if err := w.all(ctx); err != nil {
		return t, err
	}
	return t, w.into(&t)
}

// layers unpacks the layers that hold files, and says which others there are.
func (s *ociSource) layers(ctx context.Context, a *artifact, files *unpacked) (skipped []string, err error) {
	var total int64
	for i, l := range a.manifest.Layers {
		what := fmt.Sprintf("layer %d (%s)", i+1, clean.Cut(string(l.MediaType), 100))
		kind := layerKind(l)
		switch {
		case kind == layerChart:
			return nil, fmt.Errorf("%s: this is a Helm chart, which is not rendered: pull it before this step and give it as helm", what)
		case kind == layerOther:
			skipped = append(skipped, what+": neither an archive nor a file with a name")
			continue
		}
		if total += max(0, l.Size); total > s.limits.total {
			return nil, fmt.Errorf("%s: with the layers before it that is %d bytes, want at most %d: is it an image with programs?", what, total, s.limits.total)
		}
		data, err := s.env.Registry.Blob(ctx, a.repo, l.Digest.String(), max(0, l.Size))
		if err != nil {
			return nil, err
		}
		if kind == layerFile {
			err = files.file(l.Annotations[titleAnnotation], data)
		} else {
			err = files.archive(ctx, data, kind == layerImage)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	return skipped, nil
}

// titleAnnotation names the file that a layer is (https://github.com/opencontainers/image-spec/blob/main/annotations.md, and ORAS).
const titleAnnotation = "org.opencontainers.image.title"

// kindOfLayer is how a layer holds files.
type kindOfLayer uint8

const (
	layerOther kindOfLayer = iota
	layerFile              // it is one file
	layerTar               // a tar, compressed or not
	layerImage             // a container image's, which may take away what layers before it have
	layerChart             // a Helm chart
)

func layerKind(l v1.Descriptor) kindOfLayer {
	m, title := strings.ToLower(string(l.MediaType)), l.Annotations[titleAnnotation]
	switch {
	case strings.Contains(m, "cncf.helm.chart.content"):
		return layerChart
	case strings.Contains(m, "image.layer") || strings.Contains(m, "image.rootfs"):
		if title != "" && !archiveName.MatchString(title) && l.Annotations[unpackAnnotation] != "true" {
			return layerFile // ORAS gives every file this type where none is named
		}
		return layerImage
	case strings.HasSuffix(m, ".tar"), strings.HasSuffix(m, "+tar"), strings.Contains(m, "tar+"), strings.Contains(m, "tar.gz"), l.Annotations[unpackAnnotation] == "true":
		return layerTar
	case archiveName.MatchString(title):
		return layerTar
	case title != "":
		return layerFile
	}
	return layerOther
}

// archiveName is the title of a file that is an archive.
var archiveName = lazyregexp.New(`(?i)\.(tar|tgz|tar\.(gz|zst|zstd))$`)

// unpackAnnotation says of a layer of ORAS that it is a folder.
const unpackAnnotation = "io.deis.oras.content.unpack"
