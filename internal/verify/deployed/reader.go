package deployed

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/clean"
)

// reader finds the containers in Kubernetes objects of any kind.
type reader struct {
	limits limits
	left   int // values that may still be looked at
	name   string
	raw    bool // the file holds {{
	state  State
}

func newReader(l limits) *reader { return &reader{limits: l, left: l.nodes} }

// file reads the objects of one file. name is sanitised.
func (r *reader) file(name string, data []byte, isJSON bool) error {
	docs, err := documents(name, data, isJSON)
	if err != nil {
		return err
	}
	r.name, r.raw = name, strings.Contains(string(data), "{{")
	for _, d := range docs {
		if err := r.document(d, "", "", 0); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", r.name, n.Line, fmt.Errorf(format, args...))
}

// entry is a key of a mapping and what is behind it.
type entry struct {
	key   string
	value *yaml.Node
}

// take counts one value at a depth; each use of an alias counts, so that a few lines can't become billions.
func (r *reader) take(n *yaml.Node, depth int) error {
	r.left--
	switch {
	case r.left < 0:
		return r.fail(n, "more values than manifests have (each use of an alias counts): split them, or list files under exclude")
	case depth > r.limits.depth:
		return r.fail(n, "values are nested deeper than %d", r.limits.depth)
	}
	return nil
}

// plain follows an alias.
func plain(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// entries lists what a mapping has, merge keys resolved. A key that stands there twice is refused: two readers would see two images.
func (r *reader) entries(n *yaml.Node, depth int) ([]entry, error) {
	if err := r.take(n, depth); err != nil {
		return nil, err
	}
	var out []entry
	var merges []*yaml.Node
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := plain(n.Content[i]), n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode && r.raw:
			return nil, r.fail(k, "got a template ({{...}}) as a value: %s", notRendered)
		case k.Kind != yaml.ScalarNode:
			return nil, r.fail(k, "got a mapping or a list as a key, want a text")
		case k.Tag == "!!merge":
			merges = append(merges, v)
			continue
		case seen[k.Value]:
			return nil, r.fail(k, "the key %q stands here twice", clean.Cut(k.Value, 60))
		}
		seen[k.Value] = true
		out = append(out, entry{k.Value, v})
	}
	for _, m := range merges {
		more, err := r.merged(m, depth+1)
		if err != nil {
			return nil, err
		}
		for _, e := range more {
			if !seen[e.key] {
				seen[e.key] = true
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// merged lists the entries of what stands behind <<: a mapping, or a list of them, where the first wins.
func (r *reader) merged(n *yaml.Node, depth int) ([]entry, error) {
	n = plain(n)
	switch n.Kind {
	case yaml.MappingNode:
		return r.entries(n, depth)
	case yaml.SequenceNode:
		var out []entry
		for _, item := range n.Content {
			more, err := r.merged(item, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, r.take(n, depth)
	}
	return nil, r.fail(n, "got a value behind <<, want a mapping or a list of mappings")
}

// text gives an entry's text, "" where there is none.
func text(es []entry, key string) string {
	if v := value(es, key); v != nil && v.Kind == yaml.ScalarNode && v.ShortTag() != "!!null" {
		return v.Value
	}
	return ""
}

func value(es []entry, key string) *yaml.Node {
	for _, e := range es {
		if e.key == key {
			return plain(e.value)
		}
	}
	return nil
}

// describing are the API groups whose objects describe other objects: the images in them are patterns and examples.
var describing = []string{"apiextensions.k8s.io", "admissionregistration.k8s.io", "kyverno.io", "policies.kyverno.io", "templates.gatekeeper.sh",
	"constraints.gatekeeper.sh", "mutations.gatekeeper.sh", "kustomize.config.k8s.io"}

// document reads one object, or the objects of a list. kind and version are those that a list gives its items.
func (r *reader) document(n *yaml.Node, kind, version string, depth int) error {
	n = plain(n)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil // an empty document
	}
	if n.Kind != yaml.MappingNode {
		r.leaveOut(fmt.Sprintf("%s:%d: no Kubernetes object", r.name, n.Line))
		return nil
	}
	es, err := r.entries(n, depth)
	if err != nil {
		return err
	}
	if k := text(es, "kind"); k != "" {
		kind, version = k, text(es, "apiVersion")
	}
	if kind == "" || version == "" {
		r.leaveOut(fmt.Sprintf("%s:%d: no Kubernetes object: it has no kind or no apiVersion", r.name, n.Line))
		return nil
	}
	if items := value(es, "items"); items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(kind, "List") {
		return r.list(items, kind, version, depth)
	}
	group, _, _ := strings.Cut(version, "/")
	if slices.Contains(describing, group) {
		r.leaveOut(fmt.Sprintf("%s:%d: a %s describes other objects", r.name, n.Line, clean.Cut(kind, 100)))
		return nil
	}
	return r.scan(es, r.object(es, kind), depth)
}

func (r *reader) list(items *yaml.Node, kind, version string, depth int) error {
	of := strings.TrimSuffix(kind, "List")
	if of == "" {
		version = ""
	}
	for _, item := range items.Content {
		if err := r.document(item, of, version, depth+2); err != nil {
			return err
		}
	}
	return nil
}

// object is what an object is called: Deployment/checkout.
func (r *reader) object(es []entry, kind string) string {
	name := ""
	if m := value(es, "metadata"); m != nil && m.Kind == yaml.MappingNode {
		if inner, err := r.entries(m, 1); err == nil { // what is wrong with it is told by the scan
			name = orWord(text(inner, "name"), text(inner, "generateName"))
		}
	}
	return clean.Cut(kind, 100) + "/" + clean.Cut(orWord(name, "?"), 253)
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// scan looks for lists of containers at any depth: a pod's template stands elsewhere in each kind, and custom resources have theirs.
func (r *reader) scan(es []entry, object string, depth int) error {
	for _, e := range es {
		v := plain(e.value)
		var err error
		if slices.Contains(containerLists, e.key) && v.Kind == yaml.SequenceNode {
			err = r.containers(v, object, e.key, depth+1)
		} else {
			err = r.below(v, object, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) below(n *yaml.Node, object string, depth int) error {
	switch n = plain(n); n.Kind {
	case yaml.MappingNode:
		es, err := r.entries(n, depth)
		if err != nil {
			return err
		}
		return r.scan(es, object, depth)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if err := r.below(item, object, depth+1); err != nil {
				return err
			}
		}
	}
	return r.take(n, depth)
}

// containerLists are the keys under which containers stand in a pod.
var containerLists = []string{"initContainers", "containers", "ephemeralContainers"}

func (r *reader) containers(list *yaml.Node, object, key string, depth int) error {
	for i, item := range list.Content {
		item = plain(item)
		if item.Kind != yaml.MappingNode {
			continue
		}
		es, err := r.entries(item, depth)
		if err != nil {
			return err
		}
		im := value(es, "image")
		if im == nil || im.Kind != yaml.ScalarNode || im.ShortTag() == "!!null" { // a patch of a container, or something that is none
			if err := r.scan(es, object, depth); err != nil {
				return err
			}
			continue
		}
		if err := r.container(es, im, object, key, i); err != nil {
			return err
		}
	}
	return nil
}

// container keeps one container. Knative's may have no name.
func (r *reader) container(es []entry, im *yaml.Node, object, key string, i int) error {
	name := clean.Cut(orWord(text(es, "name"), fmt.Sprintf("%s[%d]", key, i)), 253)
	where := fmt.Sprintf("%s, container %s", object, name)
	for _, mark := range []string{"{{", "${", "$(", "<"} {
		if strings.Contains(im.Value, mark) {
			return r.fail(im, "%s: got %q as its image: %s", where, image(im.Value), notRendered)
		}
	}
	if strings.TrimSpace(im.Value) == "" {
		return r.fail(im, "%s: its image is empty", where)
	}
	if len(r.state.Containers) >= r.limits.containers {
		return r.fail(im, "more than %d containers: list files under exclude", r.limits.containers)
	}
	r.state.Containers = append(r.state.Containers, Container{
		Where: fmt.Sprintf("%s (%s:%d)", where, r.name, im.Line),
		Image: image(im.Value),
		Init:  key == "initContainers" && text(es, "restartPolicy") != "Always", // a sidecar runs beside the others
	})
	return nil
}

// maxLeftOut is how much of what was left out is told one by one.
const maxLeftOut = 20

func (r *reader) leaveOut(what string) { r.state.leaveOut(what) }

func (st *State) leaveOut(what string) {
	switch n := len(st.LeftOut); {
	case n < maxLeftOut:
		st.LeftOut = append(st.LeftOut, clean.Cut(what, 300))
	case n == maxLeftOut:
		st.LeftOut = append(st.LeftOut, "and more")
	}
}
