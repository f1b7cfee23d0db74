package format

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

// parse reads a file with a name.
func parse(name, text string) ([]diff.Object, error) {
	return Parse(File{Name: name, Object: name, Data: []byte(text)}, NewBudget(20_000, 50))
}

// dump writes every leaf of objects with its place: "a.b=1 number 2:3". Behind a # stands what a text holds.
func dump(objects []diff.Object) string {
	var b strings.Builder
	for _, o := range objects {
		fmt.Fprintf(&b, "%s/%s %s\n", o.Kind, o.Name, o.Root.Format)
		dumpNode(&b, "", o.Root)
	}
	return b.String()
}

func dumpNode(b *strings.Builder, path string, n *diff.Node) {
	secret := ""
	if n.Secret {
		secret = " secret"
	}
	switch {
	case n.IsMap && len(n.Fields) > 0:
		if secret != "" {
			fmt.Fprintf(b, "%s%s\n", path, secret)
		}
		for _, k := range slices.Sorted(maps.Keys(n.Fields)) {
			dumpNode(b, strings.TrimPrefix(path+"."+k, "."), n.Fields[k])
		}
	case n.IsList && len(n.Items) > 0:
		for i, item := range n.Items {
			dumpNode(b, path+"["+strconv.Itoa(i)+"]", item)
		}
	default:
		value := n.Value
		if n.IsMap {
			value = "{}"
		} else if n.IsList {
			value = "[]"
		}
		if strings.ContainsAny(value, "\n\t ") {
			value = strconv.Quote(value)
		}
		fmt.Fprintf(b, "%s=%s %s%s %d:%d\n", path, value, n.Type, secret, n.Line, n.Column)
	}
	if n.Embedded != nil {
		dumpNode(b, path+"#"+n.Format, n.Embedded)
	}
}

// reads is a table of texts and what is in them.
type reads []struct{ name, file, text, want string }

func (rs reads) run(t *testing.T) {
	t.Helper()
	for _, r := range rs {
		t.Run(r.name, func(t *testing.T) {
			objects, err := parse(r.file, r.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSuffix(dump(objects), "\n"); got != strings.TrimSpace(r.want) {
				t.Errorf("got\n%s\nwant\n%s", got, strings.TrimSpace(r.want))
			}
		})
	}
}
