package format

import (
	"strings"

	"github.com/bakegate/bakegate/internal/diff"
)

// composePorts gives the ports of a service by what they lead to, 80/tcp, however they are written: [[IP:]PUBLISHED:]TARGET[/PROTOCOL],
// or the long form. Where a target is published twice, both are known by PUBLISHED:TARGET/PROTOCOL.
func (in *input) composePorts(n *diff.Node) (*diff.Node, error) {
	return in.keyed(n, func(item *diff.Node) (*diff.Node, string, string) {
		p := item
		if isText(item) {
			p = shortPort(item)
		}
		p = defaults(p, map[string]string{"protocol": "tcp", "mode": "ingress"})
		target := text(p, "target")
		if target == "" {
			return nil, "", ""
		}
		key := target + "/" + text(p, "protocol")
		return without(p, "target", "protocol", "mode=ingress"), key, text(p, "host_ip") + ":" + text(p, "published") + ":" + key
	})
}

// shortPort reads the short form. A colon in ${NAME:-default} or in [::1] separates nothing.
func shortPort(item *diff.Node) *diff.Node {
	p := mapping(item)
	value := item.Value
	if i := strings.LastIndexByte(value, '/'); i >= 0 && !strings.ContainsAny(value[i:], "}:") {
		p.Fields["protocol"] = scalar(item, strings.ToLower(value[i+1:]))
		value = value[:i]
	}
	parts := splitOutside(value)
	last := len(parts) - 1
	p.Fields["target"] = scalar(item, parts[last])
	if last > 0 && parts[last-1] != "" {
		p.Fields["published"] = scalar(item, parts[last-1])
	}
	if last > 1 {
		p.Fields["host_ip"] = scalar(item, strings.Trim(strings.Join(parts[:last-1], ":"), "[]"))
	}
	return p
}

// splitOutside splits at colons that stand in no bracket.
func splitOutside(s string) (parts []string) {
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ':':
			if depth == 0 {
				parts = append(parts, s[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, s[start:])
}

// composeMounts gives the volumes of a service by where they are mounted: [SOURCE:]TARGET[:MODE], or the long form.
func (in *input) composeMounts(n *diff.Node) (*diff.Node, error) {
	return in.keyed(n, func(item *diff.Node) (*diff.Node, string, string) {
		m := item
		if isText(item) {
			m = shortMount(item)
		}
		target := text(m, "target")
		return without(m, "target", "read_only=false"), target, text(m, "source") + ":" + target
	})
}

// shortMount reads the short form. A source that is a path is bound, any other is a volume's name.
func shortMount(item *diff.Node) *diff.Node {
	m := mapping(item)
	parts := splitOutside(item.Value)
	if len(parts) > 1 && len(parts[0]) == 1 && strings.HasPrefix(parts[1], `\`) { // C:\data
		parts = append([]string{parts[0] + ":" + parts[1]}, parts[2:]...)
	}
	kind := "volume"
	if len(parts) == 1 {
		m.Fields["target"] = scalar(item, parts[0])
	} else {
		m.Fields["source"], m.Fields["target"] = scalar(item, parts[0]), scalar(item, parts[1])
		if strings.IndexAny(parts[0], `./~\`) == 0 || strings.Contains(parts[0], `:\`) {
			kind = "bind"
		}
	}
	m.Fields["type"] = scalar(item, kind)
	for _, option := range strings.Split(strings.Join(parts[min(2, len(parts)):], ":"), ",") {
		switch option {
		case "", "rw":
		case "ro":
			m.Fields["read_only"] = &diff.Node{Type: "bool", Value: "true", Line: item.Line, Column: item.Column}
		default:
			m.Fields["mode"] = scalar(item, option)
		}
	}
	return m
}

// keyed gives a list as a mapping. form gives an item in its long form, by what it is known, and by what where that is not enough; ""
// where it is in no form that is known, and the list stays as it is.
func (in *input) keyed(n *diff.Node, form func(*diff.Node) (value *diff.Node, key, longer string)) (*diff.Node, error) {
	if !n.IsList {
		return n, nil
	}
	count := map[string]int{}
	for _, item := range n.Items {
		_, key, _ := form(item)
		if key == "" {
			return n, nil
		}
		count[key]++
	}
	out := mapping(n)
	for _, item := range n.Items {
		v, key, longer := form(item)
		if count[key] > 1 {
			key = longer
		}
		if first := out.Fields[key]; first != nil {
			return nil, in.twice(key, first, item.Line, item.Column)
		}
		out.Fields[key] = v
	}
	return out, nil
}

// defaults writes out fields that a mapping leaves out.
func defaults(n *diff.Node, values map[string]string) *diff.Node {
	if !n.IsMap {
		return n
	}
	for k, v := range values {
		if n.Fields[k] == nil {
			n = with(n, k, scalar(n, v))
		}
	}
	return n
}

// without takes fields out of a mapping: a field, or a field with a value. What is left are texts, as in the short form.
func without(n *diff.Node, fields ...string) *diff.Node {
	out := mapping(n)
	for k, v := range n.Fields {
		if v.Type == "number" {
			number := *v
			number.Type = "string"
			v = &number
		}
		out.Fields[k] = v
	}
	for _, f := range fields {
		name, value, ok := strings.Cut(f, "=")
		if !ok || text(n, name) == value {
			delete(out.Fields, name)
		}
	}
	return out
}
