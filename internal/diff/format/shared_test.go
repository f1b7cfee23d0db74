package format

import (
	"reflect"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

const app = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %\ndata:\n  c.json: |\n    {\"a\": [1,\n     2]}\n  base: &b {x: 1}\n"

// Texts of which some can't be taken apart. However they are parsed, the objects are the same, and so are the mistakes.
var shareable = []string{
	"a: 1\n---\nb: 2\n", "---\na: 1\n---\n# nothing\n---\n\n---\nb: 2", "# head\n---\na: 1\n--- # b\nb: 2\n", "--- {a: 1}\n--- [b]\n", "a: |\n  x\n  --- y\n---\nb: 2\n",
	"%YAML 1.1\n---\na: 1\n---\nb: 2\n", "a: 1\n...\n---\nb: 2\n", "a: 1\r\n---\r\nb: 2\r\n", "a: 1\r---\rb: 2\n---\nc: 3\n", "a: \"x\u2028y\"\n---\nb: 2\n",
	"a: 1\n---\nb: [\n---\nc: 3\n", "a: 1\n---\na: 1\na: 2\n", "a: &x [1, 2]\nb: *x\n---\nc: *x\n", "a: &x {k: 1}\nb: *x\nc: {<<: *x, d: 1}\n---\nz: 1\n", "---\n---\n---\n", "--- a\n--- b\n",
	"---x: 1\n---\ny: 2\n", strings.ReplaceAll(app, "%", "a") + "---\n" + strings.ReplaceAll(app, "%", "b"), "a: 'x\n---\n'\nb: 1\n", "\n\n---\na: 1\n---\n\n\n\na: 1\n---\na: 1\n",
	"", "---", "---\n", "a: 1\n--- |\n text\n---\n>\n x\n",
}

func parsed(text string, d *Documents) ([]diff.Object, string) {
	objects, err := Parse(File{Name: "f.yaml", Object: "f.yaml", Data: []byte(text)}, NewBudget(2000, 50).Share(d))
	if err != nil {
		return nil, err.Error()
	}
	return objects, ""
}

func same(t *testing.T, text string, d *Documents) {
	t.Helper()
	want, wantErr := parsed(text, nil)
	got, err := parsed(text, d)
	if err != wantErr || !reflect.DeepEqual(got, want) {
		t.Errorf("%q: got %v %s, alone %v %s", text, got, err, want, wantErr)
	}
}

// What is shared is what would have been parsed, at its own lines, whatever was parsed before.
func TestSharedIsTheSame(t *testing.T) {
	d := NewDocuments()
	for range 2 {
		for _, text := range shareable {
			same(t, text, d)
			same(t, "first: 1\n\n---\n"+text, d) // further down
		}
	}
}

func TestSharedIsShared(t *testing.T) {
	d := NewDocuments()
	text := strings.ReplaceAll(app, "%", "a") + "---\nb: 2\n"
	x, _ := parsed(text, d)
	y, _ := parsed(text, d)
	if len(x) != 2 || x[0].Root != y[0].Root {
		t.Error("the same document at the same line was parsed twice")
	}
	if _, err := parsed(strings.Repeat(text+"---\n", 200), d); !strings.Contains(err, "more values than a configuration has") {
		t.Errorf("what is shared does not count: %s", err)
	}
}

func FuzzShared(f *testing.F) {
	for _, text := range shareable {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		d := NewDocuments()
		_, _ = parsed(a, d)
		same(t, b, d)
		same(t, a+"\n---\n"+b, d)
	})
}
