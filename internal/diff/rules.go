package diff

// Rules is what may and what must not differ.
type Rules struct {
	Expect []Expect `yaml:"expect"`
	Forbid []Forbid `yaml:"forbid"`
}

// Expect is a difference that is wanted: it is counted, not listed.
type Expect struct {
	Path   string `yaml:"path,required"`   // pattern: Kind/name:spec.replicas or spec.replicas; * is one segment or part of one, ** any number
	Reason string `yaml:"reason,required"` // why it may differ
	Owner  string `yaml:"owner"`
	Until  string `yaml:"until"` // YYYY-MM-DD: last day on which the rule counts
}

// Forbid is a difference that must not be: it blocks.
type Forbid struct {
	Path   string   `yaml:"path,required"`
	Reason string   `yaml:"reason,required"`
	Change []string `yaml:"change"` // changed, missing, extra; default all
}
