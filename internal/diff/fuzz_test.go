package diff

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"spec.replicas", "Deployment/web:spec.**.image", `metadata.annotations["a.b/*"]`, "a[name=b,c=\"d\\\"\"][0][*]", "**", "a/b:c:d", "[", ".", `["\`, "Kind/n:"} {
		f.Add(s)
	}
	path := []segment{field("spec"), {kind: itemSegment, names: []selector{{"name", "app"}}}, at(3), field("a.b/c")}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePattern(s)
		if err != nil {
			return
		}
		p.covers(ObjectID{Kind: "Deployment", Name: "web"}, nil, path)
		if len(p.steps) == 0 && !p.path(path) {
			t.Fatalf("%q has no steps and does not cover everything", s)
		}
	})
}

// What is shown as a path can be written into a rule, and covers that path.
func FuzzPathRoundTrip(f *testing.F) {
	f.Add("spec", "name", "app", 0)
	f.Add("a.b/c", "x", `q"],\*`, 7)
	f.Add("", "name", " ", 1)
	f.Add("k[31m", "mountPath", "/a=b", 1)
	f.Add("a/b", "name", "c#d", 3)
	f.Add("a#b", "name", "e", 5)
	f.Fuzz(func(t *testing.T, key, sel, value string, index int) {
		if !plain(sel) || index < 0 {
			return
		}
		m := newMasker()
		path := []segment{field(key), {kind: itemSegment, names: []selector{{sel, value}}}, at(index), field("z")}
		if index%2 == 1 { // and in a document that a text holds
			path = append(path, segment{kind: documentSegment}, field(key), at(index), field("y"), field(key))
		}
		for i := range path {
			path[i] = m.segment(path[i])
		}
		shown := render(path)
		if len(shown) > maxPattern-20 {
			return
		}
		for _, s := range []string{shown, "Kind/a:b:" + shown} {
			p, err := parsePattern(s)
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			if !p.covers(ObjectID{Kind: "Kind", Name: "a:b"}, nil, path) {
				t.Fatalf("%q does not cover itself", s)
			}
		}
		if p, _ := parsePattern(shown + ".more"); p.path(path) {
			t.Fatalf("%q covers what is above it", shown)
		}
	})
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"postgres://u:p@h/x", "a=b;password=c;d=e", `{"token":"x"}`, "--api-key x --y", "-----BEGIN X-----", "::=:@//", "password: \"a\\\"b\"", "://://@@"} {
		f.Add(s)
	}
	m := newMasker()
	f.Fuzz(func(t *testing.T, s string) {
		out, hidden := m.mask(s, hints{})
		if out == s && hidden || out != s && !hidden {
			t.Fatalf("%q -> %q, hidden %v", s, out, hidden)
		}
		if utf8.ValidString(s) && !utf8.ValidString(out) {
			t.Fatalf("%q -> %q is no UTF-8", s, out)
		}
		const secret = "hunter-Two.77"
		if strings.ContainsAny(s, "\"'`\\&;, \n\r\t{}[]<>") || strings.Contains(s, "=") {
			return
		}
		if out, _ := m.mask(s+" password="+secret, hints{}); strings.Contains(out, secret) {
			t.Fatalf("%q shows the secret", out)
		}
		if out, _ := m.mask(s+"x://u:"+secret+"@h", hints{}); strings.Contains(out, secret) {
			t.Fatalf("%q shows the secret", out)
		}
	})
}
