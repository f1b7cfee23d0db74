package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/httpx"
)

// decoder fills Go values from nodes, strictly, and reports every mistake it meets.
type decoder struct {
	c   *collector
	env *variables
	// lint looks at a part of the file that is not in effect (an overlay that was not chosen): keys, shapes and values without
	// variables. Nothing is required, resolved, built or checked.
	lint bool
	// resolved is the text of every scalar that was read; hidden are those of Secret fields.
	resolved  map[*node]string
	hidden    map[*node]bool
	overlays  []string                             // the names of the overlays
	dir       string                               // of the file: relative paths start there
	readable  func(path string, folder bool) error // Options.Readable
	notYet    []Problem                            // File.NotYet
	templates []template                           // the texts with variables, as they were read
}

// errReported is what a choice's decode returns once its problems are with the collector. errLint ends a Choose that must not build.
var (
	errReported = errors.New("reported already")
	errLint     = errors.New("only looked at")
)

// value fills v from n.
func (d *decoder) value(n *node, v reflect.Value, path string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path)
		return
	}
	if n.null {
		d.c.add(n, path, "leave the key out, or give it a value", "got nothing, want %s", want(v.Type()))
		return
	}
	before := d.c.count
	d.kind(n, v, path)
	d.files(n, v, path)
	d.place(v)
	d.check(n, v, path, before)
}

// place gives relative paths the folder of the file: options are used up by the extension that they build, so nobody else can.
func (d *decoder) place(v reflect.Value) {
	if p, ok := v.Addr().Interface().(placed); ok && !d.lint {
		p.InDir(d.dir)
	}
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		if v.Type().Field(i).Type != remoteType || !v.Field(i).CanSet() {
			continue
		}
		r := v.Field(i).Addr().Interface().(*httpx.Remote)
		for _, file := range []*string{&r.CA, &r.ClientCert, &r.ClientKey} {
			if *file != "" && !filepath.IsAbs(*file) {
				*file = filepath.Join(d.dir, *file)
			}
		}
	}
}

func (d *decoder) kind(n *node, v reflect.Value, path string) {
	t := v.Type()
	choices := t.Kind() == reflect.Slice && isChoice(plainType(t.Elem()))
	switch {
	case n.shape == scalar && !isText(t) && (isMapping(t) || t.Kind() == reflect.Slice),
		n.shape == mapping && !isMapping(t),
		n.shape == list && (t.Kind() != reflect.Slice || choices):
		d.shape(n, t, path)
	case n.shape == scalar:
		d.scalar(n, v, path)
	case isChoice(t):
		d.choice(n, v, path)
	case choices:
		d.choices(n, v, path)
	case t.Kind() == reflect.Map:
		d.mapOf(n, v, path)
	case t.Kind() == reflect.Slice:
		for i, item := range n.items {
			e := reflect.New(t.Elem()).Elem()
			d.value(item, e, index(path, i))
			v.Set(reflect.Append(v, e))
		}
	default:
		d.structOf(n, v, path)
	}
}

// shape reports a list where a mapping is wanted and the like.
func (d *decoder) shape(n *node, t reflect.Type, path string) {
	got, hint := n.describe(), ""
	if plainType(t) == secretType || t.Kind() == reflect.Map && t.Elem() == secretType {
		got = n.shape.String() // a secret may stand here
	}
	if !isMapping(t) && t.Kind() == reflect.Slice && n.shape == scalar {
		hint = "write - before it"
	}
	d.c.add(n, path, hint, "got %s, want %s", got, want(t))
}

func (d *decoder) structOf(n *node, v reflect.Value, path string) {
	fs := fieldsOf(v.Type())
	for _, e := range n.entries {
		i := slices.IndexFunc(fs, func(f field) bool { return f.name == e.key.value })
		if i < 0 {
			d.unknownKey(e.key, path, names(fs))
			continue
		}
		d.value(e.value, v.FieldByIndex(fs[i].index), join(path, e.key.value))
	}
	for _, f := range fs {
		if f.required && !d.lint {
			d.require(n, path, f)
		}
	}
}

func (d *decoder) require(n *node, path string, f field) {
	v := n.get(f.name)
	if v == nil {
		d.c.add(n, join(path, f.name), "", "the key is missing, want %s", want(f.typ))
		return
	}
	if text, ok := d.resolved[v]; ok && strings.TrimSpace(text) == "" {
		d.c.add(v, join(path, f.name), "", "got %s, which is empty, want %s", quote(v.value), want(f.typ))
	}
}

func (d *decoder) unknownKey(key *node, path string, allowed []string) {
	d.c.add(key, path, didYouMean(key.value, allowed), "unknown key %s", quote(key.value))
}

func (d *decoder) mapOf(n *node, v reflect.Value, path string) {
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		d.c.add(n, path, "", "a map of %s cannot be configured", t.Key())
		return
	}
	m := reflect.MakeMapWithSize(t, len(n.entries))
	for _, e := range n.entries {
		value := reflect.New(t.Elem()).Elem()
		if t.Elem() == secretType {
			d.secret(e.value, value, join(path, e.key.value), true)
		} else {
			d.value(e.value, value, join(path, e.key.value))
		}
		m.SetMapIndex(reflect.ValueOf(e.key.value).Convert(t.Key()), value)
	}
	v.Set(m)
}

// choice reads `KIND: options`.
func (d *decoder) choice(n *node, v reflect.Value, path string) {
	c := v.Addr().Interface().(chooser)
	allowed := c.Choices()
	known := 0
	for _, e := range n.entries {
		if slices.Contains(allowed, e.key.value) {
			known++
		} else {
			d.unknownKey(e.key, path, allowed)
		}
	}
	switch {
	case len(n.entries) == 0:
		d.c.add(n, path, "", "got an empty mapping, want one key of: %s", strings.Join(allowed, ", "))
	case known > 1:
		d.c.add(n, path, "keep one of them", "got %s, want exactly one key", keysOf(n))
	case known == 1 && len(n.entries) == 1:
		d.choose(c, n.entries[0], path)
	}
}

func keysOf(n *node) string {
	ks := make([]string, len(n.entries))
	for i, e := range n.entries {
		ks[i] = quote(e.key.value)
	}
	return strings.Join(ks, ", ")
}

// choices reads a mapping of which each key is one element of a slice.
func (d *decoder) choices(n *node, v reflect.Value, path string) {
	for _, e := range n.entries {
		element := reflect.New(v.Type().Elem()).Elem()
		target := element
		if target.Kind() == reflect.Pointer {
			target.Set(reflect.New(target.Type().Elem()))
			target = target.Elem()
		}
		c := target.Addr().Interface().(chooser)
		if allowed := c.Choices(); !slices.Contains(allowed, e.key.value) {
			d.unknownKey(e.key, path, allowed)
			continue
		}
		if d.choose(c, e, path) {
			v.Set(reflect.Append(v, element))
		}
	}
}

// choose has the choice build itself from the value of its key.
func (d *decoder) choose(c chooser, e entry, path string) bool {
	path = join(path, e.key.value)
	before := d.c.count
	err := c.Choose(e.key.value, func(target any) error {
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("cannot decode into a %T", target)
		}
		d.value(e.value, v.Elem(), path)
		switch {
		case d.lint:
			return errLint
		case d.c.count > before:
			return errReported
		}
		return nil
	})
	if err == nil || d.lint || d.c.count > before {
		return err == nil
	}
	d.c.add(e.key, path, "", "%s", d.env.hide(err.Error()))
	return false
}

// check calls the value's own check. What it says about a field that could not be read, or about the whole while a part could not be
// read, is left out: the first mistake is the cause.
func (d *decoder) check(n *node, v reflect.Value, path string, before int) {
	c, ok := v.Addr().Interface().(checker)
	if !ok || d.lint {
		return
	}
	known := d.c.count
	c.Check(func(rel, format string, args ...any) {
		at := join(path, rel)
		if d.c.reported(known, at, false) || rel == "" && known > before {
			return
		}
		where, _ := n.locate(rel)
		d.c.add(where, at, "", "%s", d.env.hide(fmt.Sprintf(format, args...)))
	})
}
