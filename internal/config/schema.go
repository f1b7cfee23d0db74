package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/bakegate/bakegate/internal/bake"
)

// object is a JSON Schema, or a part of one.
type object = map[string]any

// How scalars look in JSON Schema. A variable may stand for any of them.
var (
	variableSchema = object{"type": "string", "pattern": `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`}
	textSchema     = object{"type": []string{"string", "number"}}
	durationSchema = object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w))+$|\$\{`}
	timeSchema     = object{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})$|\$\{`}
)

func orVariable(s object) object { return object{"anyOf": []object{s, variableSchema}} }

// schemaBuilder makes schemas from the same types and tags that the decoder reads.
type schemaBuilder struct{ defs object }

// Schema is the JSON Schema (draft 2020-12) of the configuration, with the kinds of source, sink and store of this build.
func Schema() []byte {
	b := schemaBuilder{defs: object{}}
	root := b.structOf(reflect.TypeFor[document](), false)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "bakegate configuration"
	properties := root["properties"].(object)
	properties["version"] = object{"const": 1, "description": descriptions["version"]}
	properties["environments"] = object{
		"type": "object", "description": descriptions["environments"], "additionalProperties": b.structOf(reflect.TypeFor[Sections](), true),
	}
	root["$defs"] = b.defs
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil { // maps, lists and texts
		panic(fmt.Sprintf("schema: %v", err))
	}
	return append(text, '\n')
}

// of is the schema of a type. partial is for overlays, in which nothing is required.
func (b *schemaBuilder) of(t reflect.Type, partial bool) object {
	t = plainType(t)
	switch {
	case t == secretType:
		return variableSchema
	case t == durationType:
		return durationSchema
	case t == timeType:
		return timeSchema
	case t == reflect.TypeFor[On]():
		return object{"anyOf": []object{{"type": "integer", "minimum": 0, "maximum": 255}, {"enum": verdictNames()}, variableSchema}}
	case isChoice(t):
		return b.choice(t, partial)
	case t.Kind() == reflect.Slice && isChoice(plainType(t.Elem())):
		return object{"type": "object", "properties": b.kinds(plainType(t.Elem()), partial), "additionalProperties": false}
	case isText(t) && isMapping(t):
		return object{"anyOf": []object{textSchema, b.ref(t, partial)}}
	case isText(t):
		return textSchema
	}
	return b.ofKind(t, partial)
}

func (b *schemaBuilder) ofKind(t reflect.Type, partial bool) object {
	switch t.Kind() {
	case reflect.Struct:
		return b.ref(t, partial)
	case reflect.Map:
		if t.Elem() == secretType { // headers may be written out
			return object{"type": "object", "additionalProperties": textSchema}
		}
		return object{"type": "object", "additionalProperties": b.of(t.Elem(), partial)}
	case reflect.Slice:
		items := b.of(t.Elem(), partial)
		if t == reflect.TypeFor[[]bake.Metric]() {
			items = object{"anyOf": []object{items, b.of(reflect.TypeFor[bake.Pack](), partial)}}
		}
		return object{"type": "array", "items": items}
	case reflect.Bool:
		return orVariable(object{"type": "boolean"})
	case reflect.String:
		return textSchema
	case reflect.Float32, reflect.Float64:
		return orVariable(object{"type": "number"})
	}
	return orVariable(object{"type": "integer"})
}

// ref puts a struct among the definitions.
func (b *schemaBuilder) ref(t reflect.Type, partial bool) object {
	if t.Name() == "" {
		return b.structOf(t, partial)
	}
	name := t.String()
	if partial {
		name += ".overlay"
	}
	if _, ok := b.defs[name]; !ok {
		b.defs[name] = object{} // a type that holds itself ends here
		b.defs[name] = b.structOf(t, partial)
	}
	return object{"$ref": "#/$defs/" + name}
}

func (b *schemaBuilder) structOf(t reflect.Type, partial bool) object {
	properties, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		s := b.of(f.typ, partial)
		if d := descriptions[descriptionKey(t, f)]; d != "" {
			s = with(s, "description", d)
		}
		properties[f.name] = s
		if f.required && !partial {
			required = append(required, f.name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// with is a copy of a schema with one more keyword.
func with(s object, key string, value any) object {
	c := object{key: value}
	for k, v := range s {
		c[k] = v
	}
	return c
}

func (b *schemaBuilder) choice(t reflect.Type, partial bool) object {
	one := []object{}
	for kind, s := range b.kinds(t, partial) {
		one = append(one, object{"type": "object", "properties": object{kind: s}, "required": []string{kind}, "additionalProperties": false})
	}
	sortByKey(one)
	return object{"oneOf": one}
}

var errCaptured = errors.New("the type of the options is known")

// kinds asks each choice for the type of its options: it is what the choice wants to decode into.
func (b *schemaBuilder) kinds(t reflect.Type, partial bool) object {
	properties := object{}
	for _, kind := range reflect.New(t).Interface().(chooser).Choices() {
		var options reflect.Type
		err := reflect.New(t).Interface().(chooser).Choose(kind, func(target any) error {
			options = reflect.TypeOf(target)
			return errCaptured
		})
		properties[kind] = object{}
		if err != nil && options != nil {
			properties[kind] = b.of(options, partial)
		}
	}
	return properties
}

// descriptionKey is TYPE.KEY with the package's name, KEY for the file itself; a field of an embedded struct belongs to that struct.
func descriptionKey(t reflect.Type, f field) string {
	for i := range len(f.index) - 1 {
		t = t.FieldByIndex(f.index[i : i+1]).Type
	}
	switch t {
	case reflect.TypeFor[document](), reflect.TypeFor[File](), reflect.TypeFor[Sections]():
		return f.name
	}
	return strings.TrimPrefix(t.String(), "*") + "." + f.name
}
