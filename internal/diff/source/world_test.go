package source

import (
	"fmt"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

// snapshotOf builds a source from its options and reads it.
func snapshotOf(t testing.TB, kind string, options any, e Env) (diff.Tree, error) {
	t.Helper()
	s, err := build(kind, options)
	if err != nil {
		t.Fatal(err)
	}
	s.(Wants).Use(e)
	return s.Snapshot(t.Context())
}

// build makes a source from a value of its options.
func build(kind string, options any) (Source, error) {
	return Sources[kind](func(into any) error {
		switch into := into.(type) {
		case *PathOptions:
			*into = options.(PathOptions)
		case *GitOptions:
			*into = options.(GitOptions)
		case *KubernetesOptions:
			*into = options.(KubernetesOptions)
		case *HelmOptions:
			*into = options.(HelmOptions)
		case *KustomizeOptions:
			*into = options.(KustomizeOptions)
		case *OCIOptions:
			*into = options.(OCIOptions)
		case *ImageOptions:
			*into = options.(ImageOptions)
		case *StdinOptions:
			*into = options.(StdinOptions)
		case *RecordOptions:
			*into = options.(RecordOptions)
		default:
			return fmt.Errorf("no options %T", into)
		}
		return nil
	})
}

// value gives the scalar at a path of keys in the only object.
func value(t testing.TB, tree diff.Tree, keys ...string) string {
	t.Helper()
	if len(tree.Objects) != 1 {
		t.Fatalf("got %s, want one object", names(tree))
	}
	n := tree.Objects[0].Root
	for _, k := range keys {
		if n = n.Fields[k]; n == nil {
			t.Fatalf("got no %s", k)
		}
	}
	return n.Value
}
