package format

import "fmt"

// Budget bounds the values of a snapshot. One is shared by all its files.
type Budget struct {
	left, depth int
	shared      *Documents // nil: every document is parsed
}

// NewBudget allows as many values in all, each place of a YAML alias counted, and as many in each other.
func NewBudget(values, depth int) *Budget { return &Budget{left: values, depth: depth} }

// Share takes documents from those that were parsed before. Nil: none.
func (b *Budget) Share(d *Documents) *Budget {
	b.shared = d
	return b
}

// take counts one value at a depth.
func (b *Budget) take(depth int) error { return b.takeMany(1, depth) }

// takeMany counts values, the deepest at a depth.
func (b *Budget) takeMany(values, depth int) error {
	b.left -= values
	switch {
	case b.left < 0:
		return fmt.Errorf("more values than a configuration has (each use of an alias counts): split the state, or list files under exclude")
	case depth > b.depth:
		return fmt.Errorf("values are nested deeper than %d", b.depth)
	}
	return nil
}
