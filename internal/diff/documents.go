package diff

import (
	"encoding/json"
	"fmt"

	"github.com/bakegate/bakegate/internal/verdict"
)

// Document is an object for a program of somebody else's: its secrets are replaced by texts that say nothing ("[secret 1]", equal ones by
// equal texts), and masked where they stand in a longer text.
type Document struct {
	Name       string        // Kind/name, and the namespace behind it
	At         verdict.Place // zero where it stands in no file
	Kubernetes bool
	JSON       []byte
}

// Documents gives a state's objects, in their order.
func Documents(t Tree) ([]Document, error) {
	m := newMasker()
	ps := make([]pair, len(t.Objects))
	for i := range t.Objects {
		ps[i].target = &t.Objects[i]
	}
	m.learn(ps)
	values := newCELValues(m)
	values.leaves = true
	out := make([]Document, 0, len(t.Objects))
	for i := range t.Objects {
		o := &t.Objects[i]
		b, err := json.Marshal(values.object(o))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name(o.Name), err) // a number that is none
		}
		d := Document{Name: m.name(o.Kind + "/" + o.Name), Kubernetes: isKubernetes(o), JSON: b,
			At: Position{File: m.name(o.File), Line: o.Root.Line, Column: o.Root.Column}.place()}
		if o.Namespace != "" {
			d.Name += " in " + m.name(o.Namespace)
		}
		out = append(out, d)
	}
	return out, nil
}
