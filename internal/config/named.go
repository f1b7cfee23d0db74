package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/bake/metric"
)

// files looks for the files that the fields of v name, before anything is deployed with a configuration that can't work. It comes before
// place: a message names a file as the configuration does.
func (d *decoder) files(n *node, v reflect.Value, path string) {
	if d.readable == nil || d.lint || v.Kind() != reflect.Struct {
		return
	}
	for _, f := range fieldsOf(v.Type()) {
		if !f.file && !f.input {
			continue
		}
		at, below := n, path // of an option that is written as its one text
		if n.shape == mapping {
			at, below = n.get(f.name), join(path, f.name)
		}
		switch value := v.FieldByIndex(f.index); {
		case at == nil:
		case value.Kind() == reflect.String:
			d.file(at, below, value.String(), f)
		case value.Kind() == reflect.Slice && len(at.items) == value.Len(): // else an item could not be read
			for i, item := range at.items {
				d.file(item, index(below, i), value.Index(i).String(), f)
			}
		}
	}
}

// file reports a file that is not there. The value of a variable in its path is not shown.
func (d *decoder) file(n *node, path, name string, f field) {
	if strings.TrimSpace(name) == "" || strings.Contains(name, "-----BEGIN") { // a key may be the PEM text itself
		return
	}
	hint := ""
	if name = filepath.FromSlash(name); !filepath.IsAbs(name) {
		name, hint = filepath.Join(d.dir, name), "paths are relative to the configuration file"
	}
	switch err := d.readable(name, f.input); {
	case err == nil:
	case f.input:
		d.notYet = append(d.notYet, d.c.problem(n, path, "an earlier step must make it", quote(n.value)+": "+err.Error()))
	default:
		d.c.add(n, path, hint, "got %s: %v", quote(n.value), err)
	}
}

// template is a text in which variables stand ($service).
type template struct {
	n    *node
	path string
	text string
}

// variables reports the texts that use a variable without a value: each query would fail, behind the deploy.
func (v *validator) variables() {
	for _, known := range []struct{ name, value string }{{"service", v.f.Service}, {"environment", v.f.Environment}} {
		if known.value != "" || !v.fine(known.name) {
			continue
		}
		for _, t := range v.d.templates {
			if slices.Contains(metric.Names(t.text), known.name) && !v.d.c.reported(v.decoded, t.path, false) {
				v.d.c.add(t.n, t.path, "add "+known.name+": or --"+known.name, "$%s has no value", known.name)
			}
		}
	}
	v.version()
}

// version keeps the first text that needs to know which version is deployed.
func (v *validator) version() {
	if v.f.Release != "" {
		return
	}
	for _, t := range v.d.templates {
		if t.path == "bake.ready-when.version" || slices.Contains(metric.Names(t.text), "version") {
			p := v.d.c.problem(t.n, t.path, "add release: or --release", "$version has no value: neither a release nor an image's tag says what is deployed")
			v.f.NeedsVersion = &p
			return
		}
	}
}
