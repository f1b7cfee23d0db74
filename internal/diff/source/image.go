package source

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
	"github.com/bakegate/bakegate/internal/lazyregexp"
	"github.com/bakegate/bakegate/internal/registry"
)

// ImageOptions is the block `image:`: how a container image runs where nobody says otherwise. Written as a scalar it is Ref.
type ImageOptions struct {
	Ref      string `yaml:"ref,required"` // ghcr.io/acme/app:v1, or by its digest
	Platform string `yaml:"platform"`     // of an index: linux/arm64; default: the only one, else linux/amd64
}

// UnmarshalText reads the scalar form.
func (o *ImageOptions) UnmarshalText(b []byte) error {
	o.Ref = string(b)
	return nil
}

type imageSource struct {
	ImageOptions
	ref    name.Reference
	env    Env
	limits limits
}

var platformForm = lazyregexp.New(`^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$`)

func buildImage(decode func(any) error) (Source, error) {
	s := &imageSource{limits: defaultLimits}
	err := decode(&s.ImageOptions)
	if err != nil {
		return nil, err
	}
	if s.ref, err = parseReference(s.Ref); err != nil {
		return nil, err
	}
	if s.Platform != "" && !platformForm.MatchString(s.Platform) {
		return nil, fmt.Errorf("platform: got %q, want OS/ARCHITECTURE, e.g. linux/arm64", clean.Cut(s.Platform, 60))
	}
	return s, nil
}

// Use implements Wants.
func (s *imageSource) Use(e Env) { s.env = e }

// imageVersion keeps an image's configuration from being taken for an object of Kubernetes itself.
const imageVersion = "image.opencontainers.org/v1"

// Snapshot reads the image's configuration. Its layers, its history and when it was made say what is in it, not how it runs.
func (s *imageSource) Snapshot(ctx context.Context) (diff.Tree, error) {
	t := diff.Tree{Name: "image " + clean.Cut(s.Ref, 300)}
	a, err := pull(ctx, s.env.Registry, s.ref, s.Ref, s.Platform)
	if err != nil {
		return t, err
	}
	blob, err := s.env.Registry.Blob(ctx, a.repo, a.manifest.Config.Digest.String(), registry.MaxManifest)
	if err != nil {
		return t, err
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(blob, &config); err != nil || config.OS == "" && config.Architecture == "" {
		return t, fmt.Errorf("%s (%s): its config is none of a container image: an artifact is read with oci", a.text, shortDigest(a.digest))
	}
	platform := strings.TrimSuffix(path.Join(config.OS, config.Architecture, config.Variant), "/")
	if s.Platform != "" && !samePlatform(platform, s.Platform) {
		return t, fmt.Errorf("%s (%s): it is an image for %s, want %s", a.text, shortDigest(a.digest), clean.Cut(platform, 60), s.Platform)
	}
	t.Name = clean.Text(fmt.Sprintf("image %s (%s, %s)", a.text, shortDigest(a.digest), platform))
	root, err := imageNode(config, platform, format.NewBudget(s.limits.nodes, s.limits.depth))
	if err != nil {
		return t, fmt.Errorf("%s (%s): %w", a.text, shortDigest(a.digest), err)
	}
	if labels := root.Fields["labels"]; labels != nil && labels.Fields[createdLabel] != nil {
		delete(labels.Fields, createdLabel)
		t.Skipped = append(t.Skipped, "label "+createdLabel+": it differs with every build")
	}
	t.Objects = []diff.Object{{Kind: "Image", APIVersion: imageVersion, Name: path.Base(a.repo.RepositoryStr()), Root: root, File: a.name()}}
	return t, nil
}

const createdLabel = "org.opencontainers.image.created"

// imageNode writes a configuration as a Dockerfile names its parts (https://github.com/opencontainers/image-spec/blob/main/config.md).
// What the image does not say is left out.
func imageNode(c v1.ConfigFile, platform string, b *format.Budget) (*diff.Node, error) {
	out := map[string]any{"platform": platform}
	put := func(key string, v any, there bool) {
		if there {
			out[key] = v
		}
	}
	g := c.Config
	put("env", variables(g.Env), len(g.Env) > 0)
	put("entrypoint", g.Entrypoint, len(g.Entrypoint) > 0)
	put("cmd", g.Cmd, len(g.Cmd) > 0)
	put("shell", g.Shell, len(g.Shell) > 0)
	put("onbuild", g.OnBuild, len(g.OnBuild) > 0)
	put("user", g.User, g.User != "")
	put("workdir", g.WorkingDir, g.WorkingDir != "")
	put("ports", g.ExposedPorts, len(g.ExposedPorts) > 0)
	put("volumes", g.Volumes, len(g.Volumes) > 0)
	put("labels", g.Labels, len(g.Labels) > 0)
	put("stop-signal", g.StopSignal, g.StopSignal != "")
	put("healthcheck", healthcheck(g.Healthcheck), g.Healthcheck != nil && len(g.Healthcheck.Test) > 0)
	text, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	objects, err := format.Parse(format.File{Name: "config", Object: "config.json", Data: text}, b)
	if err != nil {
		return nil, err
	}
	unplaced(objects[0].Root)
	return objects[0].Root, nil
}

// variables gives the environment by name. Of a name that is there twice the last counts.
func variables(env []string) map[string]string {
	m := map[string]string{}
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		m[k] = v
	}
	return m
}

// healthcheck writes times with their units.
func healthcheck(h *v1.HealthConfig) map[string]any {
	if h == nil {
		return nil
	}
	out := map[string]any{"test": h.Test}
	for key, d := range map[string]time.Duration{"interval": h.Interval, "timeout": h.Timeout, "start-period": h.StartPeriod} {
		if d != 0 {
			out[key] = d.String()
		}
	}
	if h.Retries != 0 {
		out["retries"] = h.Retries
	}
	return out
}
