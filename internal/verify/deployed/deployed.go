// Package deployed finds out which images a deployment declares (manifests, a task definition, a release) or runs (pods, tasks). One file a
// source, one line in Sources. Sources only read; whether that is the image that was verified is decided by verify.
package deployed

import (
	"context"
	"slices"

	"github.com/bakegate/bakegate/internal/clean"
)

// Container is one container that a deployment declares or runs. Its texts are sanitised.
type Container struct {
	Where string // for people: "Deployment/checkout, container app (deploy/app.yaml:21)", "pod checkout-5d9f-x2, container app"
	Unit  string // the pod or the task that it is a part of; "" where it is only declared
	Image string // the reference as it is declared: REPO:TAG, REPO@sha256:..., REPO:TAG@sha256:...
	// Digest is what the runtime says it runs (of an index, of a platform's manifest, or of a config): sha256:... or "" where it does not say,
	// or where the container is only declared.
	Digest string
	// Named is the repository that the runtime names beside the digest, "" where it names none. It may be another than Image's: a mirror,
	// or another name that the same image has on that node.
	Named string
	Init  bool // it runs before the others and ends
	Ready bool // it serves, or it is a job's that ran to its end; only meaningful for what runs
}

// State is what a source found.
type State struct {
	From       string // for people: "pods of deployment/checkout in namespace shop, https://10.0.0.1 (context prod of ...)"; sanitised
	Containers []Container
	Unit       string   // what Container.Unit names: "pod", "task"; "" where it is only declared
	LeftOut    []string // what was seen and not looked at, and why; sanitised
	// Unsettled is why the state may be another soon: the rollout is not over, a newer revision failed. "": nothing says so. Sanitised.
	Unsettled string
}

// Source reads the containers of one deployment.
type Source interface {
	// Read lists what is declared or runs. None is no error: it is the caller's finding. An error says that it could not be read.
	Read(ctx context.Context) (State, error)
	// Live says that it tells what runs; otherwise it tells what is declared.
	Live() bool
	// Behind says that it is asked behind the deploy only: before it, it would tell what was deployed last. What is live always is.
	Behind() bool
}

// Env is what sources need from outside. It is given before Read is called; no source reads the environment.
type Env struct {
	Dir    string // relative paths start here, and links may not leave it
	Getenv func(string) string
}

// Wants is a Source that needs something from outside.
type Wants interface{ Use(Env) }

// Build makes a source from its options. decode fills the source's own options strictly; no I/O happens here.
type Build func(decode func(options any) error) (Source, error)

// Sources are the sources by the name of their block.
var Sources = map[string]Build{
	"ecs":        buildECS,
	"helm":       buildHelm,
	"kubernetes": buildKubernetes,
	"manifests":  buildManifests,
}

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

// maxImage is longer than any reference: a repository has at most 255 characters, a tag 128, a digest 71.
const maxImage = 500

func image(s string) string { return clean.Cut(s, maxImage) }
