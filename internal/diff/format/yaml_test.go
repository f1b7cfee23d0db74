package format

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

func TestYAML(t *testing.T) {
	reads{
		{"documents", "a.yaml", "%YAML 1.1\n---\n# only a comment\n---\na: 1\n...\n---\n--- # two in a row\nb: |\n  ---\n  x\n--- {c: 3}\n---\n- d\n--- text\n", `
/a.yaml yaml
a=1 number 5:1
/a.yaml#2 yaml
b="---\nx\n" string 9:1
/a.yaml#3 yaml
c=3 number 12:6
/a.yaml#4 yaml
[0]=d string 14:3
/a.yaml#5 yaml
=text string 15:5`},
		{"Windows", "a.yaml", "\ufeffa: 1\r\nb:\r\n  c: \"x\"\r\n---\r\nd: |\r\n  e\r\n  f\r\n", `
/a.yaml yaml
a=1 number 1:1
b.c=x string 3:3
/a.yaml#2 yaml
d="e\nf\n" string 5:1`},
		{"tags", "a.yaml", "a: !Ref x\nb: !!str 1\nc: !!binary aGk=\nd: !Sub\n  f: 1\ne: 2001-01-01\nf: !!float 3\ng: ~\nh:\n", `
/a.yaml yaml
a=x !Ref 1:1
b=1 string 2:1
c=aGk= string 3:1
d.f=1 number 5:3
e=2001-01-01 string 6:1
f=3 number 7:1
g= null 8:1
h= null 9:1`},
		{"JSON in a YAML file", "a.yaml", `{"a": "\ud83d\ude00"}`, "/a.yaml json\na=😀 string 1:2"},
		{"Helm values in braces", "a.yaml", "{a: 1,\n b: [x]}", "/a.yaml yaml\na=1 number 1:2\nb[0]=x string 2:6"},
		{"columns are characters", "a.yaml", "{é: ü, b: 1}", "/a.yaml yaml\nb=1 number 1:8\né=ü string 1:2"},
	}.run(t)
}

// What an anchor names is told at its own place, wherever it is used.
func TestYAMLAnchors(t *testing.T) {
	reads{
		{"merge keys", "a.yaml", `base: &base
  cpu: 1
  env: &env {A: x, B: y}
use:
  <<: *base
  cpu: 2
  more: *env
list: [&n 5, *n, *n]
two:
  <<: [{a: 1, b: 2}, {b: 3, c: 4}]
early:
  <<: &late {q: 1}
  r: *late
"<<": plain
`, `
/a.yaml yaml
<<=plain string 14:1
base.cpu=1 number 2:3
base.env.A=x string 3:14
base.env.B=y string 3:20
early.q=1 number 12:14
early.r.q=1 number 12:14
list[0]=5 number 8:8
list[1]=5 number 8:8
list[2]=5 number 8:8
two.a=1 number 10:9
two.b=2 number 10:15
two.c=4 number 10:29
use.cpu=2 number 6:3
use.env.A=x string 3:14
use.env.B=y string 3:20
use.more.A=x string 3:14
use.more.B=y string 3:20`},
	}.run(t)
	objects, err := parse("a.yaml", "a: &a {b: {c: 1}}\nd: *a\ne: {<<: *a}\n")
	if err != nil {
		t.Fatal(err)
	}
	f := objects[0].Root.Fields
	if b := f["a"].Fields["b"]; f["d"].Fields["b"] != b || f["e"].Fields["b"] != b {
		t.Error("want one node where one value stands in three places")
	}
	if f["d"].Line != 2 || f["a"].Line != 1 {
		t.Errorf("got lines %d and %d, want those of the keys", f["a"].Line, f["d"].Line)
	}
}

func TestKubernetes(t *testing.T) {
	reads{
		{"lists", "a.yaml", `apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: n}}
- {apiVersion: v1, kind: PodList, items: [{metadata: {name: p}}]}
- {apiVersion: v1, kind: SecretList, items: }
`, `
ConfigMap/a yaml
apiVersion=v1 string 4:4
kind=ConfigMap string 4:20
metadata.name=a string 4:48
metadata.namespace=n string 4:57
Pod/p yaml
apiVersion=v1 string 5:43
kind=Pod string 5:43
metadata.name=p string 5:55`},
		{"JSON", "a.json", `{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Service", "metadata": {"generateName": "s-"}}]}`, `
Service/s- json
apiVersion=v1 string 1:49
kind=Service string 1:69
metadata.generateName=s- string 1:101`},
		{"an environment is no object", ".env", "kind=x\napiVersion=y\n", `
dotenv/.env dotenv
apiVersion=y string 2:1
kind=x string 1:1`},
	}.run(t)
}

// A bomb is counted as large as it would be if it went off, and costs nothing.
func TestYAMLBomb(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'p'; i++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat("*"+string(i-1)+",", 10), ","))
	}
	if _, err := parse("a.yaml", bomb); err == nil || !strings.HasPrefix(err.Error(), "a.yaml:5:") || !strings.Contains(err.Error(), "more values than a configuration has") {
		t.Errorf("got %v, want a.yaml:5:..: more values than a configuration has", err)
	}
	deep := "a: &a [[[[[[[[[[x]]]]]]]]]]\n"
	for i := 'b'; i < 'h'; i++ {
		deep += fmt.Sprintf("%c: &%c [[[[[[[[[[*%c]]]]]]]]]]\n", i, i, i-1)
	}
	if _, err := parse("a.yaml", deep); err == nil || !strings.Contains(err.Error(), "values are nested deeper than 50") {
		t.Errorf("got %v, want values nested deeper than 50", err)
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{"a: &a [1, *a]", "a: {<<: [*b]}", "kind: List\napiVersion: v1\nitems: [{kind: A}]", "? a\n: b", "--- !x\n- 1\n---\n", "a: !!binary x",
		"%YAML 1.1\n---\na", "a: &a {b: &b [1]}\nc: {<<: *a, d: *b}", "a: |2\n   {\"x\":1}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzed(t, "f.yaml", s) })
}

// fuzzed parses what may be anything. An error says where it is, an object is whole and can be compared.
func fuzzed(t *testing.T, name, text string) []diff.Object {
	t.Helper()
	objects, err := parse(name, text)
	if err != nil && !strings.HasPrefix(err.Error(), name+":") {
		t.Fatalf("%v has no place", err)
	}
	for _, o := range objects {
		if o.Root == nil || o.Name == "" || o.Root.Format == "" {
			t.Fatalf("%+v", o)
		}
		whole(t, o.Root)
	}
	return objects
}

func whole(t *testing.T, n *diff.Node) {
	t.Helper()
	if n == nil || n.Line < 1 || n.Column < 1 || n.IsMap && n.IsList || n.IsMap != (n.Fields != nil) || !n.IsMap && !n.IsList && n.Type == "" {
		t.Fatalf("%+v", n)
	}
	for _, f := range n.Fields {
		whole(t, f)
	}
	for _, i := range n.Items {
		whole(t, i)
	}
	if n.Embedded != nil {
		whole(t, n.Embedded)
	}
}
