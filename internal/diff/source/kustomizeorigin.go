package source

import (
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
)

// objects turns what was rendered into objects, with the places that their values have in the files that they come from.
func (f *kustomizeFiles) objects(m resmap.ResMap) ([]diff.Object, error) {
	origins := make([]*resource.Origin, 0, m.Size())
	for _, r := range m.Resources() {
		o, err := r.GetOrigin()
		if err != nil {
			o = nil
		}
		origins = append(origins, o)
	}
	if !f.annotated {
		if err := m.RemoveOriginAnnotations(); err != nil {
			return nil, f.failed(err)
		}
	}
	at := &origin{files: f, nodes: format.NewBudget(f.bounds.nodes, f.bounds.depth), read: map[string][]diff.Object{}}
	rendered := format.NewBudget(f.bounds.nodes, f.bounds.depth)
	var out []diff.Object
	var total int64
	for i, r := range m.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, f.failed(err)
		}
		if total += int64(len(text)); total > 4*f.bounds.total {
			return nil, fmt.Errorf("kustomize: %s: it renders to more than %d bytes", f.shown(f.rel), 4*f.bounds.total)
		}
		file := at.file(origins[i])
		objects, err := format.Parse(format.File{Name: f.shown(file), Object: "rendered.yaml", Data: text}, rendered)
		if err != nil {
			return nil, fmt.Errorf("kustomize: in what it renders: %w", err)
		}
		for _, o := range objects {
			placed(o.Root, at.find(file, o), 0, 0)
			out = append(out, o)
		}
	}
	return out, nil
}

// origin finds where an object comes from.
type origin struct {
	files *kustomizeFiles
	nodes *format.Budget
	read  map[string][]diff.Object // what the files hold
}

// file gives the file of an object: its own, or the kustomization that generates it.
func (a *origin) file(o *resource.Origin) string {
	p := "kustomization.yaml"
	switch {
	case o == nil || o.Repo != "":
	case o.Path != "":
		p = o.Path
	case o.ConfiguredIn != "":
		p = o.ConfiguredIn
	}
	return path.Join(a.files.rel, p)
}

// find gives the object of a file that another was rendered from: of the same kind, with the same name or the longest that is a part of it,
// as prefixes and suffixes are added; nil where nothing fits.
func (a *origin) find(file string, rendered diff.Object) *diff.Node {
	objects, ok := a.read[file]
	if !ok {
		if _, data, err := a.files.read("/" + file); err == nil {
			objects, _ = format.Parse(format.File{Name: file, Object: file, Data: data}, a.nodes) // what can't be read has no places
		}
		a.read[file] = objects
	}
	var best *diff.Object
	for i, o := range objects {
		fits := o.Kind == rendered.Kind && strings.Contains(rendered.Name, o.Name)
		if fits && (best == nil || len(o.Name) > len(best.Name)) {
			best = &objects[i]
		}
	}
	if best == nil {
		return nil
	}
	return best.Root
}

// placed gives a value and all below the places of what it was made from. What was added has that of what it stands in.
func placed(n, from *diff.Node, line, column int) {
	if from != nil {
		line, column = from.Line, from.Column
	}
	n.Line, n.Column = line, column
	for k, f := range n.Fields {
		placed(f, fieldOf(from, k), line, column)
	}
	for i, item := range n.Items {
		placed(item, itemOf(from, n, item, i), line, column)
	}
	if n.Embedded != nil {
		var inner *diff.Node
		if from != nil && from.Value == n.Value {
			inner = from.Embedded
		}
		placed(n.Embedded, inner, line, column)
	}
}

func fieldOf(from *diff.Node, key string) *diff.Node {
	if from == nil {
		return nil
	}
	return from.Fields[key]
}

// itemOf finds an item by its name, else by its place in a list that is as long.
func itemOf(from, list, item *diff.Node, i int) *diff.Node {
	if from == nil {
		return nil
	}
	if name := item.Fields["name"]; name != nil {
		for _, other := range from.Items {
			if n := other.Fields["name"]; n != nil && n.Value == name.Value {
				return other
			}
		}
		return nil
	}
	if len(from.Items) != len(list.Items) {
		return nil
	}
	return from.Items[i]
}
