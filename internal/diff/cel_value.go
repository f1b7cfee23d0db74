package diff

import (
	"math/big"
	"strconv"
	"strings"
)

// celValues turns objects into what an expression can read. A secret becomes a text of its own for each value: two secrets are equal as
// texts if and only if they are equal, and no message of the evaluation can hold one.
type celValues struct {
	mask    *masker
	leaves  bool // the process: texts and keys in which a secret stands are masked too
	objects map[*Object]any
	secrets map[string]string
}

func newCELValues(m *masker) *celValues {
	return &celValues{mask: m, objects: map[*Object]any{}, secrets: map[string]string{}}
}

// object gives an object as maps, lists and scalars; nil where there is none. The answers are kept.
func (v *celValues) object(o *Object) any {
	if o == nil {
		return nil
	}
	if x, ok := v.objects[o]; ok {
		return x
	}
	x := v.value(o.Root, scope{})
	v.objects[o] = x
	return x
}

func (v *celValues) value(n *Node, s scope) any {
	switch {
	case n.IsMap:
		m := make(map[string]any, len(n.Fields))
		for _, k := range sortedKeys(n.Fields) { // secrets are numbered in this order
			key := k
			if v.leaves {
				key = v.mask.name(k)
			}
			m[key] = v.value(n.Fields[k], v.mask.field(s, n, k))
		}
		return m
	case n.IsList:
		items := make([]any, len(n.Items))
		for i, item := range n.Items {
			items[i] = v.value(item, v.mask.item(s, n, i))
		}
		return items
	case s.secret(n):
		return v.secret(n.Value)
	case v.leaves:
		if masked, hidden := v.mask.mask(n.Value, hints{hex: s.hex}); hidden {
			return masked
		}
	}
	return scalarValue(n)
}

func (v *celValues) secret(value string) string {
	if id, ok := v.secrets[value]; ok {
		return id
	}
	id := "[secret " + strconv.Itoa(len(v.secrets)+1) + "]"
	v.secrets[value] = id
	return id
}

// scalarValue gives a scalar with its type. A number that is whole and fits is an int, any other a double.
func scalarValue(n *Node) any {
	switch n.Type {
	case "null":
		return nil
	case "bool":
		return strings.EqualFold(n.Value, "true")
	case "number":
		if i, ok := new(big.Int).SetString(number(n.Value), 10); ok && i.IsInt64() {
			return i.Int64()
		}
		if f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64); err == nil {
			return f
		}
	}
	return n.Value
}
