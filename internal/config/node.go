package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// shape is what a node is.
type shape uint8

const (
	scalar shape = iota
	mapping
	list
)

func (s shape) String() string { return [...]string{"a single value", "a mapping", "a list"}[s] }

// node is a value of the file with the place it was read from. Aliases and merge keys are resolved, so every node is there once.
// Nodes are not changed once they are read: an overlay makes new ones.
type node struct {
	shape     shape
	value     string  // of a scalar, as written
	null      bool    // a scalar that says nothing: empty, ~ or null
	entries   []entry // of a mapping, in the order of the file
	items     []*node // of a list
	line, col int
	flag      string // the flag that gave the value; its text is taken as it is
}

type entry struct{ key, value *node }

// get returns the value of a key, nil where there is none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key.value == key {
			return e.value
		}
	}
	return nil
}

// describe is what a message says was got.
func (n *node) describe() string {
	if n.null {
		return "nothing"
	}
	if n.shape == scalar {
		return quote(n.value)
	}
	return n.shape.String()
}

// locate finds the node at a path like "expect[2].until". Where the path leads into nothing it is the last node on the way.
func (n *node) locate(path string) (at *node, found bool) {
	for path != "" {
		next, rest := n.step(path)
		if next == nil {
			return n, false
		}
		n, path = next, rest
	}
	return n, true
}

// step takes the first element off a path. A key may hold dots itself (p99.9), so the longest key that fits is taken.
func (n *node) step(path string) (next *node, rest string) {
	path = strings.TrimPrefix(path, ".")
	if i, tail, ok := cutIndex(path); ok {
		if n.shape != list || i >= len(n.items) {
			return nil, ""
		}
		return n.items[i], tail
	}
	longest := -1
	for _, e := range n.entries {
		tail, ok := strings.CutPrefix(path, e.key.value)
		if ok && len(e.key.value) > longest && (tail == "" || tail[0] == '.' || tail[0] == '[') {
			next, rest, longest = e.value, tail, len(e.key.value)
		}
	}
	return next, rest
}

// cutIndex reads "[12]" at the start of a path.
func cutIndex(path string) (i int, rest string, ok bool) {
	inner, ok := strings.CutPrefix(path, "[")
	if !ok {
		return 0, "", false
	}
	digits, rest, ok := strings.Cut(inner, "]")
	if !ok {
		return 0, "", false
	}
	i, err := strconv.Atoi(digits)
	return i, rest, err == nil && i >= 0
}

// join appends a key or a relative path to a path.
func join(path, key string) string {
	if path == "" || key == "" || strings.HasPrefix(key, "[") {
		return path + key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// with returns a copy of a mapping in which key has the value.
func (n *node) with(key, value *node) *node {
	m := *n
	m.entries = slices.Clone(n.entries)
	for i, e := range m.entries {
		if e.key.value == key.value {
			m.entries[i].value = value
			return &m
		}
	}
	m.entries = append(m.entries, entry{key, value})
	return &m
}

// without returns a copy of a mapping that has no such key.
func (n *node) without(key string) *node {
	m := *n
	m.entries = slices.DeleteFunc(slices.Clone(n.entries), func(e entry) bool { return e.key.value == key })
	return &m
}
