package diff_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bakegate/bakegate/internal/diff"
)

// mutant is a state with one value changed.
type mutant struct {
	where string
	tree  diff.Tree
}

// mutants gives a state with each of its leaves changed, and each taken away.
func mutants(tree diff.Tree) []mutant {
	var out []mutant
	for i, o := range tree.Objects {
		with := func(where string, root *diff.Node) {
			t := tree
			t.Objects = append([]diff.Object(nil), tree.Objects...)
			t.Objects[i].Root = root
			out = append(out, mutant{o.Kind + "/" + o.Name + where, t})
		}
		leaves(o.Root, "", with)
	}
	return out
}

// leaves calls back with the root of an object for each change of a leaf below n.
func leaves(n *diff.Node, path string, yield func(path string, changed *diff.Node)) {
	switch {
	case n.IsMap:
		for k, f := range n.Fields {
			leaves(f, path+"."+k, func(p string, changed *diff.Node) { yield(p, withField(n, k, changed)) })
			yield(path+"."+k+" gone", withField(n, k, nil))
		}
	case n.IsList:
		for i, item := range n.Items {
			p := fmt.Sprintf("%s[%d]", path, i)
			leaves(item, p, func(p string, changed *diff.Node) {
				items := append([]*diff.Node(nil), n.Items...)
				items[i] = changed
				yield(p, &diff.Node{IsList: true, Items: items, Line: n.Line})
			})
			items := append(append([]*diff.Node(nil), n.Items[:i]...), n.Items[i+1:]...)
			yield(p+" gone", &diff.Node{IsList: true, Items: items, Line: n.Line})
		}
	default:
		c := *n
		c.Embedded = nil
		switch n.Type {
		case "number":
			c.Value += "7"
		case "bool":
			c.Value = map[string]string{"true": "false", "false": "true"}[n.Value]
		default:
			c.Value, c.Type = n.Value+"x", "string"
		}
		yield(path, &c)
	}
}

func withField(n *diff.Node, key string, f *diff.Node) *diff.Node {
	out := *n
	out.Fields = map[string]*diff.Node{}
	for k, v := range n.Fields {
		out.Fields[k] = v
	}
	if out.Fields[key] = f; f == nil {
		delete(out.Fields, key)
	}
	return &out
}

// meansNothing are the parts of an object whose absence or change is none: what the API server fills in, and noise.
var meansNothing = []string{
	".status", ".metadata.managedFields", ".metadata.resourceVersion", ".metadata.uid", ".metadata.generation", ".metadata.creationTimestamp",
	".metadata.selfLink", "last-applied-configuration",
}

// No change of a single value is overlooked, whatever is compared in another way than as it is written: every leaf of every case is changed,
// and taken away.
func TestEveryChangeIsTold(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	changed, gone, silent := 0, 0, map[string]bool{}
	for _, file := range files {
		if meaningCase.MatchString(filepath.Base(file)) {
			continue // the same comparison
		}
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root, _ := unpack(t, a)
		tree := snapshot(t, root, "target")
		for _, m := range mutants(tree) {
			if nothing(m.where) {
				continue
			}
			told := len(diff.Options{Today: today}.Compare(tree, m.tree).Changes) > 0
			switch {
			case strings.HasSuffix(m.where, " gone"):
				gone++
				if field := strings.TrimSuffix(m.where, " gone"); !told {
					silent[strings.Trim(field[strings.LastIndexAny(field, ".["):], ".")] = true
				}
			default:
				changed++
				if !told {
					t.Errorf("%s: %s changed, and nothing is told", filepath.Base(file), m.where)
				}
			}
		}
	}
	if changed < 1000 || gone < 2000 {
		t.Errorf("%d changed and %d taken away, want thousands", changed, gone)
	}
	// Those that may be gone in silence: the API server fills them in, or they are empty. A new one must be looked at.
	golden(t, "testdata/silent-when-gone.golden", strings.Join(slices.Sorted(maps.Keys(silent)), "\n")+"\n")
}

func nothing(where string) bool {
	for _, part := range meansNothing {
		if strings.Contains(where, part) {
			return true
		}
	}
	return false
}
