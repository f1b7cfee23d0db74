package diff

import "github.com/bakegate/bakegate/internal/verdict"

// Class is how a value differs.
type Class string

// The classes, worst first. The previous state is what the target is measured by.
const (
	Missing   Class = "missing" // in previous, not in target
	Retyped   Class = "type"    // in both, as another type: the text "true" for true, a list for a mapping
	Changed   Class = "changed" // in both, with different values
	Reordered Class = "order"   // in both, a list with the same items in another order
	Extra     Class = "extra"   // in target, not in previous
	Renamed   Class = "renamed" // the same object under another name or in another namespace
)

// Classes lists the classes, worst first.
func Classes() []Class { return []Class{Missing, Retyped, Changed, Reordered, Extra, Renamed} }

// changes says whether both states have the value. A rule on what changed is on all of these.
func (c Class) changes() bool { return c != Missing && c != Extra }

// Result is what Compare found. Every text in it is masked and safe to print.
type Result struct {
	Previous   string            `json:"previous"` // the trees' names
	Target     string            `json:"target"`
	Changes    []Change          `json:"changes,omitempty"`    // every difference, the expected ones too; by object, then in the order of paths
	Suppressed []RuleUse         `json:"suppressed,omitempty"` // one entry an expect rule, in the order of the rules
	Objects    Counts            `json:"objects"`
	Pairs      []Paired          `json:"pairs,omitempty"` // the objects that were not found by their own name, with the reason
	Findings   []verdict.Finding `json:"findings"`
}

// Unexpected lists the changes that no rule expects.
func (r Result) Unexpected() []Change {
	var cs []Change
	for _, c := range r.Changes {
		if c.Rule == nil {
			cs = append(cs, c)
		}
	}
	return cs
}

// Counts are numbers of objects.
type Counts struct {
	Previous int `json:"previous"` // in the previous state
	Target   int `json:"target"`   // in the target state
	Paired   int `json:"paired"`   // in both
	Missing  int `json:"missing"`  // in previous alone
	Extra    int `json:"extra"`    // in target alone
}

// Paired is an object of the target that is taken for one of previous with another name or namespace.
type Paired struct {
	Previous   ObjectID `json:"previous"`
	Target     ObjectID `json:"target"`
	Reason     Reason   `json:"reason"`
	Confidence float64  `json:"confidence"` // from 0 to 1; of similar objects the share of values that are equal
}

// RuleUse says what an expect rule did.
type RuleUse struct {
	Rule    Expect `json:"rule"`
	Changes int    `json:"changes"` // differences that it suppresses; where several rules cover one, the first has it
	Covers  int    `json:"covers"`  // differences that its pattern covers; an expired rule suppresses none of them
	Expired bool   `json:"expired,omitempty"`
}

// ObjectID names an object to people and to rules.
type ObjectID struct {
	Kind      string `json:"kind"` // "dotenv" and "file" for what is no Kubernetes object, "*" for what concerns them all
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String gives Kind/name, which a rule's pattern takes.
func (o ObjectID) String() string { return o.Kind + "/" + o.Name }

// Position is where a value was read. Line is 0 where the value is not there.
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	below  string // File as it is called in a line about the target; "" for File
}

// place is the position for a finding; zero where there is none.
func (p Position) place() verdict.Place {
	if p.File == "" || p.Line == 0 {
		return verdict.Place{}
	}
	return verdict.Place{File: p.File, Line: p.Line, Column: p.Column}
}

// Change is one difference.
type Change struct {
	Class  Class    `json:"class"`
	Object ObjectID `json:"object"` // as the target names it, or previous where target has none
	// Path is the value's, "" for a whole object: spec.template.spec.containers[name=app].image, metadata.annotations["a.b/c"],
	// data["c.json"]#/limits/rps for a value in a document that a text holds. A rule takes it as it is.
	Path   string   `json:"path,omitempty"`
	From   string   `json:"from,omitempty"` // masked, on one line; "" where there was nothing
	To     string   `json:"to,omitempty"`
	FromAt Position `json:"from_at"`
	ToAt   Position `json:"to_at"`
	Secret bool     `json:"secret,omitempty"` // something in From or To is masked
	Values int      `json:"values,omitempty"` // of a missing or extra object, mapping or list: how many values are in it
	Rule   *Expect  `json:"rule,omitempty"`   // the rule that expects it
	// Swap is set where the values differ in words that name environments or accounts, and in nothing else: "staging -> prod".
	Swap    string `json:"swap,omitempty"`
	Objects int    `json:"objects,omitempty"` // of a difference that is told once for many objects: how many
	Paired  Reason `json:"paired,omitempty"`  // why the object is taken for the one in previous, where its name does not say so

	segments []segment
	forbids  []hit
}

// hit is a forbid rule that a change meets, with the value that it forbids: the change itself or one below it.
type hit struct {
	rule  int
	path  string
	at    Position
	shown string // its value, masked, where it stands below the change
}

// Where gives Kind/name:path, which a rule takes as its pattern.
func (c Change) Where() string { return where(c.Object, c.Path) }

func where(o ObjectID, path string) string {
	if path == "" {
		return o.String()
	}
	return o.String() + ":" + path
}

// What gives the difference on one line: "1 -> 3", "missing, was 1", "[secret changed]".
func (c Change) What() string {
	switch {
	case c.Class == Missing:
		return "missing, was " + c.From
	case c.Class == Extra:
		return "extra, is " + c.To
	case c.To == secretChanged:
		return secretChanged
	case c.Objects > 0:
		return c.From + " -> " + c.To + " on " + plural(c.Objects, "object")
	}
	return c.From + " -> " + c.To
}
