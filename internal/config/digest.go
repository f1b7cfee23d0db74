package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/bakegate/bakegate/internal/bake"
	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/registry"
)

// digest hashes the criteria as canonical JSON: values as they were read, with defaults, keys sorted (encoding/json sorts a map).
func (d *decoder) digest(f *File, root *node) string {
	var rules *diff.Rules
	if f.Diff != nil {
		rules = &f.Diff.Rules
	}
	criteria := map[string]any{
		"verify":   d.canonical(reflect.ValueOf(f.Verify), root.get("verify")),
		"diff":     d.canonical(reflect.ValueOf(rules), root.get("diff")),
		"bake":     d.canonical(reflect.ValueOf(f.Bake), root.get("bake")),
		"rollback": d.canonical(reflect.ValueOf(f.Rollback), root.get("rollback")),
	}
	if f.Diff != nil {
		for _, key := range []string{"policies", "conftest", "kyverno"} {
			if n := root.get("diff").get(key); n != nil {
				criteria["diff."+key] = d.canonicalNode(n)
			}
		}
	}
	if trust := d.trust(root.get("registries")); len(trust) > 0 {
		criteria["registries"] = trust
	}
	b, err := json.Marshal(criteria)
	if err != nil { // canonical gives maps, lists, texts, finite numbers and booleans
		panic(fmt.Sprintf("canonical criteria: %v", err))
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// trust is what the options of registries say of where bytes come from, and who is believed on the way. Credentials and limits decide
// nothing. The texts are those of the file: paths are relative to it.
func (d *decoder) trust(registries *node) map[string]any {
	all := map[string]any{}
	if registries == nil {
		return all
	}
	for _, e := range registries.entries {
		m := map[string]any{}
		for _, key := range []string{"ca", "plain-http", "insecure", "mirrors"} {
			if n := e.value.get(key); n != nil {
				m[key] = d.canonicalNode(n)
			}
		}
		if host, err := registry.ParseHost(e.key.value); err == nil && len(m) > 0 {
			all[host] = m
		}
	}
	return all
}

// canonical turns a value into what JSON can write. A choice, whose options only its own package knows, is written from its node.
func (d *decoder) canonical(v reflect.Value, n *node) any {
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		return d.canonical(v.Elem(), n)
	}
	switch x := v.Interface().(type) {
	case bake.Bound:
		if !x.Set {
			return nil
		}
		return x.V
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	}
	switch {
	case v.Type() == secretType:
		return nil
	case isChoice(v.Type()):
		return d.canonicalNode(n)
	}
	switch v.Kind() {
	case reflect.Struct:
		m := map[string]any{}
		for _, f := range fieldsOf(v.Type()) {
			m[f.name] = d.canonical(v.FieldByIndex(f.index), n.get(f.name))
		}
		return m
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = d.canonical(v.MapIndex(k), n.get(k.String()))
		}
		return m
	case reflect.Slice:
		items := []any{}
		for i := range v.Len() {
			item, _ := n.locate(index("", i))
			items = append(items, d.canonical(v.Index(i), item))
		}
		return items
	}
	return v.Interface()
}

func (d *decoder) canonicalNode(n *node) any {
	if n == nil || d.hidden[n] {
		return nil
	}
	switch n.shape {
	case mapping:
		m := map[string]any{}
		for _, e := range n.entries {
			m[e.key.value] = d.canonicalNode(e.value)
		}
		return m
	case list:
		return slices.Collect(func(yield func(any) bool) {
			for _, item := range n.items {
				if !yield(d.canonicalNode(item)) {
					return
				}
			}
		})
	}
	return d.resolved[n]
}
