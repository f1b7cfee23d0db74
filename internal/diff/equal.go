package diff

import (
	"hash/maphash"
	"slices"
)

// equal says whether two values are the same as they are written, in every part and every order of lists. It knows nothing of what they
// mean, and is fast: most of two states is the same.
func equal(a, b *Node) bool {
	if a == b {
		return a.Type != TypeSecret
	}
	if a.IsMap != b.IsMap || a.IsList != b.IsList || a.Type != b.Type || a.Value != b.Value || a.Type == TypeSecret ||
		len(a.Fields) != len(b.Fields) || len(a.Items) != len(b.Items) {
		return false
	}
	for k, x := range a.Fields {
		if y, ok := b.Fields[k]; !ok || !equal(x, y) {
			return false
		}
	}
	for i, x := range a.Items {
		if !equal(x, b.Items[i]) {
			return false
		}
	}
	return true
}

var seed = maphash.MakeSeed()

// leaf is a value with its path, as a number. Items of lists have no position in it: what moved in a list is still there.
type leaf = uint64

// leafReader collects the leaves of an object.
type leafReader struct {
	name string              // the object's own, which is the same in all
	text func(string) string // gives a value as it is compared
	out  []leaf
}

// leavesOf gives the leaves of an object, sorted, without what names it and what the cluster wrote into it. text says how a value is
// compared; nil: as it is.
func leavesOf(o *Object, text func(string) string) []leaf {
	r := &leafReader{name: o.Name, text: text}
	if isKubernetes(o) {
		r.object(o.Root)
	} else {
		r.read(0, o.Root)
	}
	slices.Sort(r.out)
	return r.out
}

func (r *leafReader) object(root *Node) {
	for k, f := range root.Fields {
		switch k {
		case "apiVersion", "kind", "status":
		case "metadata":
			for _, part := range [...]string{"labels", "annotations"} {
				if n := f.Fields[part]; n != nil {
					r.read(hashed(1, part), n)
				}
			}
		default:
			r.read(hashed(0, k), f)
		}
	}
}

func (r *leafReader) read(path uint64, n *Node) {
	switch {
	case n.IsMap && len(n.Fields) > 0:
		for k, f := range n.Fields {
			r.read(hashed(path, k), f)
		}
	case n.IsList && len(n.Items) > 0:
		for _, i := range n.Items {
			r.read(path+1, i)
		}
	case n.Value == r.name && r.name != "":
		r.out = append(r.out, hashed(path, "\x00"))
	case r.text != nil:
		r.out = append(r.out, hashed(path, r.text(n.Value)))
	default:
		r.out = append(r.out, hashed(path, n.Value))
	}
}

func hashed(path uint64, text string) uint64 {
	return (path^maphash.String(seed, text))*0x9e3779b97f4a7c15 + path>>29
}
