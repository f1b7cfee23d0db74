// Package deployed finds out which images a deployment declares (manifests, a task definition, a release) or runs (pods, tasks). One file a
// source, one line in Sources. Sources only read; whether that is the image that was verified is decided by verify.
package deployed

import (
	"context"
	"slices"
)

// Container is one container that a deployment declares or runs.
type Container struct {
	Where string // for people: "Deployment/checkout, container app", "pod checkout-5d9f-x2 container app"; sanitised
	Image string // the reference as it is declared: REPO:TAG, REPO@sha256:..., REPO:TAG@sha256:...; sanitised
	// Digest is what the runtime says it runs (of an index, of a platform's manifest, or of a config): sha256:... or "" where it does not say,
	// or where the container is only declared.
	Digest string
	Init   bool // it runs before the others and ends
	Ready  bool // it serves; only meaningful for what runs
}

// Source reads the containers of one deployment.
type Source interface {
	// Containers lists what is declared or runs. None is no error: it is the caller's finding. An error says that it could not be read.
	Containers(ctx context.Context) ([]Container, error)
	// Live says that it tells what runs, so that it is asked behind the deploy only; otherwise it tells what will be deployed.
	Live() bool
}

// Env is what sources need from outside. It is given before Containers is called; no source reads the environment.
type Env struct {
	Dir    string // relative paths start here
	Getenv func(string) string
}

// Wants is a Source that needs something from outside.
type Wants interface{ Use(Env) }

// Build makes a source from its options. decode fills the source's own options strictly; no I/O happens here.
type Build func(decode func(options any) error) (Source, error)

// Sources are the sources by the name of their block.
var Sources = map[string]Build{}

// Spec is a source in the configuration: `manifests: deploy/production`.
type Spec struct {
	Kind   string
	Source Source
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

// Choose builds the source named by the block's key.
func (s *Spec) Choose(kind string, decode func(any) error) error {
	src, err := Sources[kind](decode)
	if err != nil {
		return err
	}
	s.Kind, s.Source = kind, src
	return nil
}
