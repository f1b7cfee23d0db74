package format

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	reads{
		{"places", "a.json", "{\n  \"a\": [1, {\"b\": null}],\n  \"é\": {\"c\": 1e3}, \"d\": true\n}\n[]", `
/a.json json
a[0]=1 number 2:9
a[1].b= null 2:13
d=true bool 3:20
é.c=1e3 number 3:9
/a.json#2 json
=[]  5:1`},
		{"terraform variables", "prod.tfvars.json", `{"region": "eu"}`, "/prod.tfvars.json json\nregion=eu string 1:2"},
	}.run(t)
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, {"b": "\ud83d"}]}`, "{} [] 1", "{\"a\": \"{\\\"b\\\": 1}\"}", "[[[", `{"a":1,}`, "// x\n{}", "\ufeff{\"a\": 1.5e10}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		objects := fuzzed(t, "f.json", s)
		if len(objects) > 0 && !strings.HasPrefix(s, "\ufeff") && !json.Valid([]byte(s)) && json.NewDecoder(strings.NewReader(s)).Decode(new(any)) != nil {
			t.Fatalf("%q is read, and is no JSON", s)
		}
	})
}

// A file on one line takes time in proportion to its size, as any other.
func BenchmarkJSONLine(b *testing.B) {
	text := []byte("[" + strings.Repeat(`{"name": "x", "value": "y"},`, 40_000) + "0]")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(File{Name: "a.json", Object: "a.json", Data: text}, NewBudget(1_000_000, 10)); err != nil {
			b.Fatal(err)
		}
	}
}
