// Package diff says what changed between two states of a configuration. It is pure: sources (diff/source) fetch, this judges.
//
// # The flow
//
//	pair the objects (pair.go) ─► walk each pair (walk.go: fields, then list.go, scalar.go) ─► a Change with a path (path.go), its values
//	masked (mask.go, secret.go) ─► rules (rules.go, pattern.go) ─► findings (findings.go)
//
// Equality is decided on the real values; what leaves the package is masked already, so that no caller can print a secret.
package diff

// Tree is one state: objects, each with its leaves.
type Tree struct {
	Name    string // where it comes from, for people: "deploy/production", "record of 2026-11-20"
	Objects []Object
	// Skipped are files that are in the state's place but were not read, each with the reason: "README.md: no configuration by its name".
	Skipped []string
}

// Object is one addressable thing: a Kubernetes object, a dotenv file, a file with plain values.
type Object struct {
	Kind       string // Deployment, ConfigMap; "dotenv" for a dotenv file; "" for a document without a kind
	APIVersion string
	Namespace  string
	Name       string // metadata.name; without a kind the file's path below the state's root, with #2 for its second document
	Root       *Node
	File       string // where it was read
}

// KindDotenv is the Kind of a dotenv file.
const KindDotenv = "dotenv"

// Node is a value: a mapping, a list or a scalar, with the place it was read from: the line and column of a field's key, of an item
// itself. A Node may stand in several places (YAML aliases) and is never changed.
type Node struct {
	Fields map[string]*Node // a mapping, nil otherwise
	Items  []*Node          // a list, nil otherwise
	IsList bool
	IsMap  bool
	Secret bool   // its source says that it must not be shown, nor what is below it (Terraform's sensitive values)
	Value  string // a scalar, as written; "" for null
	// Type is "string", "number", "bool" or "null" of a scalar. A tag of the file's own ("!Ref") stands here as it is, of any node.
	Type   string
	Line   int
	Column int
	// Embedded is the document that a text holds (JSON in a ConfigMap's data, in an annotation, in an environment variable), nil where it
	// holds none: a mapping or a list. Two texts that both have one are compared by it. Its places are in the file, as exact as the way
	// in which the text is written allows: else they are the text's own.
	Embedded *Node
	// Format is how a document is written: of a text, the one in Embedded (json, yaml, toml, properties, ini, dotenv); of an object's
	// root, the file (compose, ecs, flagd, terraform too).
	Format string
}

func (n *Node) scalar() bool { return !n.IsMap && !n.IsList }

// text gives a field's scalar, "" where there is none.
func (n *Node) text(field string) string {
	if n == nil || n.Fields[field] == nil || !n.Fields[field].scalar() {
		return ""
	}
	return n.Fields[field].Value
}

// leaves counts the values below a node: its scalars and empty containers.
func (n *Node) leaves() int {
	if n.scalar() || len(n.Fields)+len(n.Items) == 0 {
		return 1
	}
	count := 0
	for _, f := range n.Fields {
		count += f.leaves()
	}
	for _, i := range n.Items {
		count += i.leaves()
	}
	return count
}
