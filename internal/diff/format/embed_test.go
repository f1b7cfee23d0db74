package format

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

func TestEmbedded(t *testing.T) {
	reads{
		{"in a ConfigMap", "a.yaml", `apiVersion: v1
kind: ConfigMap
metadata:
  name: c
  annotations:
    a.b/json: '{"x": [1, 2]}'
    kubectl.kubernetes.io/last-applied-configuration: '{"x": [1, 2]}'
data:
  c.json: |
    {"limits": {"rps": 5},
     "inner": "{\"deep\": \"{\\\"deeper\\\": \\\"[1]\\\"}\"}"}
  app.yaml: |
    # c
    db:
      pool: 5
  p.properties: |2
     a.b=1
     c=2
  env: |-
    A=1
    B=2
  t.toml: |
    [a]
    b = 1
  i.ini: |
    [a b]
    c = d e
  multi: |

    a: 1
    ---
    b: 2
  folded: >
    {"a":
    1}
  one: "{\"a\": 1}"
  two: {"a": 1}
`, `
ConfigMap/c yaml
apiVersion=v1 string 1:1
data.app.yaml="# c\ndb:\n  pool: 5\n" string 12:3
data.app.yaml#yaml.db.pool=5 number 15:7
data.c.json="{\"limits\": {\"rps\": 5},\n \"inner\": \"{\\\"deep\\\": \\\"{\\\\\\\"deeper\\\\\\\": \\\\\\\"[1]\\\\\\\"}\\\"}\"}\n" string 9:3
data.c.json#json.inner="{\"deep\": \"{\\\"deeper\\\": \\\"[1]\\\"}\"}" string 11:6
data.c.json#json.inner#json.deep="{\"deeper\": \"[1]\"}" string 11:15
data.c.json#json.inner#json.deep#json.deeper=[1] string 11:15
data.c.json#json.limits.rps=5 number 10:17
data.env="A=1\nB=2" string 19:3
data.env#dotenv.A=1 string 20:5
data.env#dotenv.B=2 string 21:5
data.folded="{\"a\": 1}\n" string 33:3
data.folded#json.a=1 number 33:3
data.i.ini="[a b]\nc = d e\n" string 25:3
data.i.ini#ini.a b.c="d e" string 27:5
data.multi="\na: 1\n---\nb: 2\n" string 28:3
data.multi#yaml[0].a=1 number 30:5
data.multi#yaml[1].b=2 number 32:5
data.one="{\"a\": 1}" string 36:3
data.one#json.a=1 number 36:3
data.p.properties=" a.b=1\n c=2\n" string 16:3
data.p.properties#properties.a.b=1 string 17:6
data.p.properties#properties.c=2 string 18:6
data.t.toml="[a]\nb = 1\n" string 22:3
data.t.toml#toml.a.b=1 number 24:5
data.two.a=1 number 37:9
kind=ConfigMap string 2:1
metadata.annotations.a.b/json="{\"x\": [1, 2]}" string 6:5
metadata.annotations.a.b/json#json.x[0]=1 number 6:23
metadata.annotations.a.b/json#json.x[1]=2 number 6:26
metadata.annotations.kubectl.kubernetes.io/last-applied-configuration="{\"x\": [1, 2]}" string 7:5
metadata.name=c string 4:3`},
		{"in an environment", "a.env", "A='{\"x\": {\"y\": 1}}'\nB={\"x\":2}\nC=\"{\\\"x\\\": 3}\"\n", `
dotenv/a.env dotenv
A="{\"x\": {\"y\": 1}}" string 1:1
A#json.x.y=1 number 1:11
B={"x":2} string 2:1
B#json.x=2 number 2:4
C="{\"x\": 3}" string 3:1
C#json.x=3 number 3:1`},
	}.run(t)
}

// What is no document, and what parses as one by chance, stays a text.
func TestNotEmbedded(t *testing.T) {
	for key, text := range map[string]string{
		"prose":                   "This is a text.\nIt says: nothing\n",
		"one line":                "a: 1",
		"template":                "{{ .Values.x }}",
		"template of lines":       "{{ if x }}\na: 1\n{{ end }}\n",
		"run.sh":                  "a: b\nc: d\n",
		"a.html":                  "a: b\nc: d\n",
		"broken.json":             "{\"a\": 1,}\n",
		"twice.json":              `{"a": 1, "a": 2}`,
		"comment.json":            "{\"a\": 1} // x",
		"a.properties":            "a=\\uXX\nb=1\n",
		"nginx":                   "server {\n  listen 80;\n}\n",
		"fluent":                  "[SERVICE]\n    Flush 1\n    Daemon Off\n",
		"pattern":                 "[a-z]+",
		"log":                     "[INFO] started",
		"script":                  "set -e\nexport A=1\necho $A\n",
		"number":                  "[",
		"NUL":                     "a: 1\nb: \x01\n",
		lastApplied:               `{"a": 1}`,
		"bomb":                    "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d]\n",
		"more than a mebibyte":    "[\"" + strings.Repeat("x", maxEmbedded) + "\"]",
		"deeper than a state may": strings.Repeat("[", 60) + strings.Repeat("]", 60),
	} {
		in := &input{name: "f", data: nil, nodes: NewBudget(20_000, 50)}
		n := &diff.Node{Type: "string", Value: text}
		if in.mayHold(n, key) {
			in.embed(n, key, nil)
		}
		if n.Embedded != nil {
			t.Errorf("%s: got %s %+v, want none", key, n.Format, n.Embedded)
		}
	}
}

// What is tried is paid for, so that a file of texts that fail ends.
func TestEmbeddedCounts(t *testing.T) {
	text := strings.Repeat("- |\n  a: [\n  b\n", 3_000)
	if _, err := parse("a.yaml", text); err == nil || !strings.Contains(err.Error(), "more values than a configuration has") {
		t.Errorf("got %v, want that there are too many values", err)
	}
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "- '[%s0]'\n", strings.Repeat("0,", 200+i))
	}
	if _, err := parse("a.yaml", b.String()); err == nil || !strings.Contains(err.Error(), "more values than a configuration has") {
		t.Errorf("got %v, want that there are too many values", err)
	}
}

func FuzzEmbed(f *testing.F) {
	for _, s := range []string{"[a]\nb=c", "A=1\nB=2", "a: |\n  b: 1", "{\"a\": \"{}\"}", "a.b=1\nc=\\\n 2", "---\na: 1\n---\n- x"} {
		for _, key := range []string{"x", "x.yaml", "x.toml", "x.ini", "x.properties", "x.env"} {
			f.Add(key, s)
		}
	}
	f.Fuzz(func(t *testing.T, key, s string) {
		in := &input{name: "f", nodes: NewBudget(20_000, 50)}
		n := &diff.Node{Type: "string", Value: s, Line: 1, Column: 1}
		if in.mayHold(n, key) {
			in.embed(n, key, nil)
		}
		if n.Embedded != nil {
			whole(t, n)
		}
	})
}
