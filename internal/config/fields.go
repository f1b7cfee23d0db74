package config

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bakegate/bakegate/internal/httpx"
)

// A type takes part in the configuration through struct tags (`yaml:"name"`, `yaml:"name,required,file"`) and these methods.
type (
	// chooser is written as a mapping of exactly one key, which says what the value is; see bake.Spec.
	chooser interface {
		Choices() []string
		Choose(kind string, decode func(any) error) error
	}
	// checker looks at a value once it is read. field is relative to it: "limit", "expect[2].until", "" for the value itself.
	checker interface {
		Check(at func(field, format string, args ...any))
	}
	// placed is told the folder of the file, in which its relative paths start, before Check and before Choose goes on.
	placed interface{ InDir(dir string) }
	// queryText marks a query template.
	queryText interface{ QueryText() }
)

var (
	secretType   = reflect.TypeFor[httpx.Secret]()
	remoteType   = reflect.TypeFor[httpx.Remote]()
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	chooserType  = reflect.TypeFor[chooser]()
	queryType    = reflect.TypeFor[queryText]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// field is a key that a struct has. Its value, or each of a list, may be the path of a file: one that must be there when the
// configuration is read, or one (or a folder) that an earlier step of the pipeline may make.
type field struct {
	name     string
	required bool
	file     bool
	input    bool
	index    []int
	typ      reflect.Type
}

// fieldsOf lists the keys of a struct in the order of its declaration, those of embedded structs in their place.
func fieldsOf(t reflect.Type) []field {
	var fs []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fs = append(fs, inner)
			}
		case name != "" && name != "-" && f.IsExported():
			has := func(option string) bool { return slices.Contains(strings.Split(options, ","), option) }
			fs = append(fs, field{name: name, required: has("required"), file: has("file"), input: has("input"), index: []int{i}, typ: f.Type})
		}
	}
	return fs
}

func names(fs []field) []string {
	ns := make([]string, len(fs))
	for i, f := range fs {
		ns[i] = f.name
	}
	return ns
}

// plainType strips pointers.
func plainType(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func isChoice(t reflect.Type) bool { return reflect.PointerTo(t).Implements(chooserType) }

// isText says whether a scalar is read by the type itself.
func isText(t reflect.Type) bool {
	return t != timeType && reflect.PointerTo(t).Implements(textType)
}

// isMapping says whether a mapping can be read into the type.
func isMapping(t reflect.Type) bool {
	switch {
	case t == secretType || t == timeType:
		return false
	case isChoice(t) || t.Kind() == reflect.Map || t.Kind() == reflect.Slice && isChoice(plainType(t.Elem())):
		return true
	}
	return t.Kind() == reflect.Struct && (!isText(t) || len(fieldsOf(t)) > 0)
}

// child is the type behind a key, nil where it is not known (the options of a choice).
func child(t reflect.Type, key string) reflect.Type {
	t = plainType(t)
	switch {
	case t == nil || isChoice(t):
		return nil
	case t.Kind() == reflect.Map:
		return t.Elem()
	case t.Kind() == reflect.Struct && isMapping(t):
		for _, f := range fieldsOf(t) {
			if f.name == key {
				return f.typ
			}
		}
	}
	return nil
}

// want describes a type to the reader of a message.
func want(t reflect.Type) string {
	t = plainType(t)
	switch {
	case t == secretType:
		return "${NAME} of a secret variable"
	case t == durationType:
		return "a duration with a unit, e.g. 30s"
	case t == timeType:
		return "a time as RFC 3339, e.g. 2026-11-21T08:00:00Z"
	case isChoice(t):
		return "a mapping with one key of: " + strings.Join(reflect.New(t).Interface().(chooser).Choices(), ", ")
	case isMapping(t) && isText(t):
		return "a value or a mapping"
	case isMapping(t):
		return "a mapping"
	case t.Implements(queryType):
		return "a query"
	case isText(t):
		return "a single value"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a text"
}
