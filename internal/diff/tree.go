// Package diff says what changed between two states of a configuration. It is pure: sources (diff/source) fetch, this judges.
package diff

// Tree is one state: objects, each with its leaves.
type Tree struct {
	Name    string // where it comes from, for people: "deploy/production", "record of 2026-11-20"
	Objects []Object
}

// Object is one addressable thing: a Kubernetes object, a dotenv file.
type Object struct {
	Kind       string // Deployment, ConfigMap; "dotenv" for a dotenv file
	APIVersion string
	Namespace  string
	Name       string
	Root       *Node
	File       string // where it was read
}

// Node is a value: a mapping, a list or a scalar, with the place it was read from.
type Node struct {
	Fields map[string]*Node // a mapping, nil otherwise
	Items  []*Node          // a list, nil otherwise
	IsList bool
	IsMap  bool
	Value  string // a scalar, as written; "" for null
	Type   string // "string", "number", "bool", "null" of a scalar
	Line   int
	Column int
}
