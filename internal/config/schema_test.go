package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bakegate/bakegate/internal/bake"
)

// schemaChecker checks a value against the keywords that Schema uses.
type schemaChecker struct{ defs object }

func (s schemaChecker) check(schema object, v any, path string) error {
	for keyword, arg := range schema {
		if err := s.keyword(keyword, arg, schema, v, path); err != nil {
			return err
		}
	}
	return nil
}

func (s schemaChecker) keyword(keyword string, arg any, schema object, v any, path string) error {
	switch keyword {
	case "$ref":
		return s.check(s.defs[strings.TrimPrefix(arg.(string), "#/$defs/")].(object), v, path)
	case "type":
		types, ok := arg.([]any)
		if !ok {
			types = []any{arg}
		}
		if !slices.Contains(types, any(typeOf(v))) && !(typeOf(v) == "integer" && slices.Contains(types, any("number"))) {
			return fmt.Errorf("%s: %v is no %v", path, v, arg)
		}
	case "const":
		if fmt.Sprint(v) != fmt.Sprint(arg) {
			return fmt.Errorf("%s: %v is not %v", path, v, arg)
		}
	case "enum":
		if !slices.Contains(arg.([]any), v) {
			return fmt.Errorf("%s: %v is none of %v", path, v, arg)
		}
	case "pattern":
		if at, ok := v.(time.Time); ok && at.Equal(at.Truncate(24*time.Hour)) { // YAML's own reading of a date; to a JSON schema it is a text
			v = at.Format(time.DateOnly)
		}
		if text, ok := v.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(text) {
			return fmt.Errorf("%s: %q does not match %s", path, text, arg)
		}
	case "anyOf", "oneOf":
		return s.some(keyword, arg.([]any), v, path)
	case "required":
		for _, key := range arg.([]any) {
			if m, ok := v.(object); ok && m[key.(string)] == nil {
				return fmt.Errorf("%s: %s is missing", path, key)
			}
		}
	case "additionalProperties":
		return s.properties(schema, v, path)
	case "items":
		items, _ := v.([]any)
		for i, item := range items {
			if err := s.check(arg.(object), item, index(path, i)); err != nil {
				return err
			}
		}
	case "minimum", "maximum", "properties", "description", "title", "$schema", "$defs":
	default:
		return fmt.Errorf("the test does not know the keyword %s", keyword)
	}
	return nil
}

func (s schemaChecker) some(keyword string, branches []any, v any, path string) error {
	fits, all := 0, ""
	for _, b := range branches {
		if err := s.check(b.(object), v, path); err != nil {
			all += "\n  " + err.Error()
		} else {
			fits++
		}
	}
	if fits == 0 || keyword == "oneOf" && fits > 1 {
		return fmt.Errorf("%s: %d branches fit:%s", path, fits, all)
	}
	return nil
}

func (s schemaChecker) properties(schema object, v any, path string) error {
	m, ok := v.(object)
	known, _ := schema["properties"].(object)
	rest, _ := schema["additionalProperties"].(object)
	for key, value := range m {
		sub, isKnown := known[key].(object)
		switch {
		case isKnown:
		case rest == nil:
			return fmt.Errorf("%s: %s is not allowed", path, key)
		default:
			sub = rest
		}
		if err := s.check(sub, value, join(path, key)); err != nil {
			return err
		}
	}
	if !ok && schema["type"] == "object" {
		return fmt.Errorf("%s: %v is no mapping", path, v)
	}
	return nil
}

func typeOf(v any) string {
	switch v.(type) {
	case string, time.Time:
		return "string"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case float64:
		return "number"
	case []any:
		return "array"
	case object:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

func againstSchema(t *testing.T, text []byte) error {
	t.Helper()
	var schema object
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return schemaChecker{schema["$defs"].(object)}.check(schema, v, "")
}

func TestSchemaTakesWhatParseTakes(t *testing.T) {
	texts := map[string][]byte{"layered": []byte(layered), "deploys": []byte(deploys)}
	files, _ := filepath.Glob(corpus + "/ok/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = data
	}
	for name, text := range texts {
		if err := againstSchema(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An editor sees the mistakes that do not need the values of more than one key.
func TestSchemaRefuses(t *testing.T) {
	for _, name := range []string{"unknown-key", "unknown-choice", "two-choices", "choice-scalar", "choice-empty", "wrong-shape", "null", "missing-key",
		"version", "duration", "time", "bool", "secret-literal", "overlay-unknown", "overlay-shape", "on", "source-built", "limit-histogram"} {
		data, err := os.ReadFile(corpus + "/err/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if againstSchema(t, data) == nil {
			t.Errorf("%s fits the schema", name)
		}
	}
}

func TestSchemaIsStable(t *testing.T) {
	first := string(Schema())
	if second := string(Schema()); first != second {
		t.Error("two calls give two schemas")
	}
}

// A description of a key that is gone would never be noticed otherwise.
func TestDescriptionsAreUsed(t *testing.T) {
	used := map[string]bool{"version": true, "environments": true}
	var visit func(reflect.Type)
	seen := map[reflect.Type]bool{}
	visit = func(typ reflect.Type) {
		typ = plainType(typ)
		switch {
		case seen[typ]:
			return
		case isChoice(typ):
			for _, kind := range reflect.New(typ).Interface().(chooser).Choices() {
				_ = reflect.New(typ).Interface().(chooser).Choose(kind, func(target any) error {
					visit(reflect.TypeOf(target))
					return errCaptured
				})
			}
			return
		case typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map:
			visit(typ.Elem())
			return
		case typ.Kind() != reflect.Struct || typ == secretType || typ == timeType:
			return
		}
		seen[typ] = true
		for _, f := range fieldsOf(typ) {
			used[descriptionKey(typ, f)] = true
			visit(f.typ)
		}
	}
	visit(reflect.TypeFor[document]())
	visit(reflect.TypeFor[bake.Pack]())
	for key := range descriptions {
		if !used[key] {
			t.Errorf("no key %s", key)
		}
	}
}
