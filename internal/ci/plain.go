package ci

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/bakegate/bakegate/internal/release"
)

// plain is any other place: the outputs go to OUT/outputs.env, a line KEY=VALUE each, for a CI system that reads such a file.
type plain struct{ Env }

func newPlain(e Env) Platform { return plain{e} }

func (plain) Name() string { return "plain" }

// Release has no run id: the caller takes the out directory for it.
func (plain) Release() release.Release { return release.Release{Run: release.Run{Platform: "plain"}} }

func (plain) Mask(string) {}

func (plain) Section(string, string) func() { return func() {} }

func (p plain) Bracket() (io.Writer, func()) { return raw(p.Stderr), func() {} }

func (plain) Own(string) {}

func (p plain) Begin() error { return p.write(unfinished()) }

func (p plain) Publish(r Result) error { return p.write(r.Outputs) }

func (p plain) write(outputs []Output) error {
	if err := check(outputs); err != nil {
		return err
	}
	var b strings.Builder
	for _, o := range outputs {
		b.WriteString(o.Key + "=" + oneLine(o, plainValue) + "\n")
	}
	return keep(filepath.Join(p.OutDir, "outputs.env"), b.String())
}

// plainValue bounds a value of outputs.env, in bytes.
const plainValue = 4096
