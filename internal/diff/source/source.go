// Package source says where a state of the configuration comes from. One file a source, one line in Sources.
//
// # The flow
//
//	Spec (the block in the configuration) ─► Use(Env) ─► Snapshot ─► files (files.go on a disk, archive.go in a commit or an artifact)
//	─► gathering (gather.go: limits, mistakes, what was left out) ─► package format ─► diff.Tree
//
// What has no files (a cluster, an image's configuration, a record) makes its objects itself. What runs a command asks command.Permit first.
package source

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
	"github.com/bakegate/bakegate/internal/registry"
)

// Source takes a snapshot of a configuration.
type Source interface {
	// Snapshot reads the state. Everything it reads is hostile: sizes are bounded, links that leave the root are refused, and a
	// file that cannot be read or parsed is an error with file:line:col, never left out.
	Snapshot(ctx context.Context) (diff.Tree, error)
}

// Env is what sources need from outside. It is given before the first Snapshot; no source reads the environment.
type Env struct {
	Dir      string // relative paths start here, and links may not leave it
	Getenv   func(string) string
	Registry *registry.Client
	Stdin    io.Reader
	// Documents are those that the two states of a comparison share: the same for both; nil for a state alone.
	Documents *format.Documents
	// AllowCommands says that the person who starts bakegate lets sources run commands. It must never come from the configuration, which
	// a pull request can edit.
	AllowCommands bool
	// State gives what the record of the last good deploy of an environment ("": this one) keeps of its configuration, as
	// diff.EncodeState wrote it, and what that record is called: "the deploy of 2026-11-20 (v2.3.0) in production". Where there is none,
	// the error wraps ErrNoState.
	State func(ctx context.Context, environment string) (state []byte, name string, err error)
}

// ErrNoState says that nothing is known of an earlier state: there is nothing to compare with, and that is no mistake of a first deploy.
var ErrNoState = errors.New("no recorded state")

// Wants is a Source that needs something from outside.
type Wants interface{ Use(Env) }

// Build makes a source from its options. decode fills the source's own options strictly; no I/O happens here.
type Build func(decode func(options any) error) (Source, error)

// Record is the name of the source that reads the ledger.
const Record = "record"

// Sources are the sources by the name of their block.
var Sources = map[string]Build{
	"git":        buildGit,
	"helm":       buildHelm,
	"image":      buildImage,
	"kubernetes": buildKubernetes,
	"kustomize":  buildKustomize,
	"oci":        buildOCI,
	"path":       buildPath,
	Record:       buildRecord,
	"stdin":      buildStdin,
}

// Spec is a source in the configuration: `path: DIR`.
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

// Use gives the source what it needs from outside.
func (s *Spec) Use(e Env) {
	if w, ok := s.Source.(Wants); ok {
		w.Use(e)
	}
}

// Together says what is wrong with two sources in one comparison: standard input can be read once.
func Together(a, b *Spec) error {
	if a != nil && b != nil && a.Kind == "stdin" && b.Kind == "stdin" {
		return errors.New("both states are stdin, which can be read once: give one of them another source")
	}
	return nil
}
