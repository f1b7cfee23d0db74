package format

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func TestTOML(t *testing.T) {
	reads{
		{"everything", "a.toml", `# x
title = "T"
a.b.c = 1
a.b."d e" = 0xff
date = 1979-05-27T07:32:00Z
list = [ [1, 2], ["a"], {x = 1.5, y.z = true} ]
[owner]
name = 'Tom'
json = '''
{"a": {"b": [1,
  2]}}
'''
[[products]]
name = "a"
[products.sub]
k = inf
[[products]]
name = "b"
[a.d]
e = "x"
`, `
/a.toml toml
a.b.c=1 number 3:5
a.b.d e=0xff number 4:5
a.d.e=x string 20:1
date=1979-05-27T07:32:00Z datetime 5:1
list[0][0]=1 number 6:11
list[0][1]=2 number 6:14
list[1][0]=a string 6:19
list[2].x=1.5 number 6:26
list[2].y.z=true bool 6:37
owner.json="{\"a\": {\"b\": [1,\n  2]}}\n" string 9:1
owner.json#json.a.b[0]=1 number 10:14
owner.json#json.a.b[1]=2 number 11:3
owner.name=Tom string 8:1
products[0].name=a string 14:1
products[0].sub.k=inf number 16:1
products[1].name=b string 18:1
title=T string 2:1`},
		{"Windows, empty", "a.toml", "a = []\r\nb = {}\r\n[c]\r\n", "/a.toml toml\na=[]  1:1\nb={}  2:1\nc={}  3:2"},
	}.run(t)
}

func FuzzTOML(f *testing.F) {
	for _, s := range []string{"a.b = 1\n[a]\nc = 2", "[[a]]\n[a.b]\n[[a]]", "a = [[1], {b = 'x'}]", "a = 1979-05-27 07:32:00", "a = '''\n{\"x\": 1}'''", "[a.b]\n[a]\nb.c = 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		objects := fuzzed(t, "f.toml", s)
		var values map[string]any
		if objects == nil || strings.HasPrefix(s, "\ufeff") {
			return
		}
		if err := toml.Unmarshal([]byte(s), &values); err != nil {
			t.Fatalf("%q is read, and is no TOML: %v", s, err)
		}
		if got := len(objects[0].Root.Fields); got != len(values) {
			t.Fatalf("%q has %d fields, want %d", s, got, len(values))
		}
	})
}
