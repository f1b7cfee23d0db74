// Package source says where a state of the configuration comes from. One file a source, one line in Sources.
package source

import (
	"context"
	"sort"

	"github.com/bakegate/bakegate/internal/diff"
)

// Source takes a snapshot of a configuration.
type Source interface {
	// Snapshot reads the state. Everything it reads is hostile: sizes are bounded, links that leave the root are refused, and a
	// file that cannot be read or parsed is an error with file:line:col, never left out.
	Snapshot(ctx context.Context) (diff.Tree, error)
}

// Build makes a source from its options. decode fills the source's own options strictly; no I/O happens here.
type Build func(decode func(options any) error) (Source, error)

// Sources are the sources by the name of their block.
var Sources = map[string]Build{
	"path": buildPath,
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
	sort.Strings(names)
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
