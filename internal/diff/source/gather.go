package source

import (
	"errors"
	"fmt"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
)

// gathering collects the objects of a state file by file, with the mistakes in all of them and what was left out. It is a files.Visitor.
type gathering struct {
	bounds  limits
	nodes   *format.Budget
	files   int
	total   int64
	objects []diff.Object
	skipped []string
	errs    []error
}

// maxErrors is how many files' mistakes are told at once.
const maxErrors = 10

func gather(l limits, shared *format.Documents) gathering {
	return gathering{bounds: l, nodes: format.NewBudget(l.nodes, l.depth).Share(shared)}
}

// Failed keeps a file's mistake and goes on, so that all are told at once.
func (g *gathering) Failed(err error) error {
	g.errs = append(g.errs, err)
	if len(g.errs) >= maxErrors {
		return errors.New("and perhaps more")
	}
	return nil
}

// end joins the mistakes, with the one that ended it all.
func (g *gathering) end(err error) error {
	if err != nil && len(g.errs) < maxErrors {
		g.errs = append(g.errs, err)
	}
	return errors.Join(g.errs...)
}

// Skip notes what is left out, and why.
func (g *gathering) Skip(rel, why string) { g.skipped = append(g.skipped, clean.Text(rel+": "+why)) }

// Wants says whether a file is read. In a directory a file whose name is that of no configuration is left alone; a file that is asked for
// by itself is read whatever its name is.
func (g *gathering) Wants(rel string, single bool) bool {
	if !single && !format.Known(rel) {
		g.Skip(rel, "no configuration by its name")
		return false
	}
	return true
}

// count bounds the bytes of all files. at names the one that was read last.
func (g *gathering) count(at string, bytes int64) error {
	if g.total += bytes; g.total > g.bounds.total {
		return fmt.Errorf("%s: the files before it and this one have more than %d bytes in total", at, g.bounds.total)
	}
	return nil
}

// File takes the objects of a file. name is what the file is called, rel where it is below the state's root.
func (g *gathering) File(name, rel string, data []byte, single bool) error {
	objects, err := format.Parse(format.File{Name: name, Object: rel, Data: data}, g.nodes)
	switch {
	case errors.Is(err, format.ErrUnknown) && !single:
		g.Skip(rel, format.ErrUnknown.Error())
		return nil
	case err != nil:
		return g.Failed(err)
	case len(objects) == 0:
		g.Skip(rel, "nothing in it")
	}
	g.objects = append(g.objects, objects...)
	return nil
}

// into puts what was gathered into a tree. None is an error: a path that was mistyped would look like a state with nothing in it.
func (g *gathering) into(t *diff.Tree) error {
	t.Objects, t.Skipped = g.objects, g.skipped
	if len(t.Objects) > 0 {
		return nil
	}
	why := ": it is empty"
	if len(g.skipped) > 0 {
		why = fmt.Sprintf(": %d skipped, e.g. %s", len(g.skipped), g.skipped[0])
	}
	return fmt.Errorf("%s: want configuration (YAML, JSON, TOML, dotenv, ...), got none%s", t.Name, why)
}
