package diff

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// manyPairs gives two states of n documents as a cluster has them, a tenth of which differ.
func manyPairs(n int) (previous, target Tree) {
	text := func(s string) *Node { return &Node{Type: "string", Value: s, Line: 1, Column: 1} }
	mapping := func(kv ...any) *Node {
		m := &Node{IsMap: true, Fields: map[string]*Node{}, Line: 1, Column: 1}
		for i := 0; i < len(kv); i += 2 {
			m.Fields[kv[i].(string)] = kv[i+1].(*Node)
		}
		return m
	}
	list := func(items ...*Node) *Node { return &Node{IsList: true, Items: items, Line: 1, Column: 1} }
	env := func(name, value string) *Node { return mapping("name", text(name), "value", text(value)) }
	object := func(i int, place, image string) Object {
		name := fmt.Sprintf("service-%d", i)
		container := mapping("name", text("app"), "image", text("ghcr.io/acme/"+name+":"+image), "args", list(text("--listen"), text(":8080"), text("--verbose")),
			"ports", list(mapping("containerPort", text("8080"), "name", text("http"))),
			"env", list(env("LOG_LEVEL", "info"), env("DB_HOST", "db."+place+".acme.dev"), env("FEATURES", "a,b,c"), env("DB_PASSWORD", "pw-"+name)),
			"envFrom", list(mapping("configMapRef", mapping("name", text("conf")))),
			"resources", mapping("limits", mapping("cpu", text("500m"), "memory", text("256Mi"))), "livenessProbe", mapping("httpGet", mapping("path", text("/live"))),
			"volumeMounts", list(mapping("mountPath", text("/data"), "name", text("data"))))
		root := mapping("apiVersion", text("apps/v1"), "kind", text("Deployment"),
			"metadata", mapping("name", text(name), "namespace", text("shop-"+place), "labels", mapping("app", text(name), "team", text("checkout"))),
			"spec", mapping("replicas", &Node{Type: "number", Value: "3"}, "template", mapping("metadata", mapping("labels", mapping("app", text(name))),
				"spec", mapping("containers", list(container)))))
		return Object{Kind: "Deployment", APIVersion: "apps/v1", Namespace: "shop-" + place, Name: name, Root: root, File: "a.yaml"}
	}
	for i := range n {
		image := "1.0"
		if i%10 == 0 {
			image = "1.1"
		}
		previous.Objects = append(previous.Objects, object(i, "staging", "1.0"))
		target.Objects = append(target.Objects, object(i, "production", image))
	}
	conf := func(place string) Object {
		root := mapping("kind", text("ConfigMap"), "metadata", mapping("name", text("conf")), "data", mapping("a", text("1")))
		return Object{Kind: "ConfigMap", Namespace: "shop-" + place, Name: "conf", Root: root, File: "a.yaml"}
	}
	previous.Objects, target.Objects = append(previous.Objects, conf("staging")), append(target.Objects, conf("production"))
	previous.Name, target.Name = "staging", "production"
	return previous, target
}

// BenchmarkBeyond is what risks, references and environment leaks cost in two states of 5,000 documents, all of which differ.
func BenchmarkBeyond(b *testing.B) {
	previous, target := manyPairs(5000)
	ps := pairObjects(previous.Objects, target.Objects)
	c := &comparer{mask: newMasker(), rules: newRuleSet(Rules{}, time.Time{}), prints: newFingerprints(Options{}.Key)}
	c.look(ps)
	for name, run := range map[string]func(){
		"all":        func() { c.beyond(ps, previous, target, Rules{}) },
		"survey":     func() { c.survey(ps, previous, target, nil) },
		"references": func() { c.references(ps) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

func TestEveryAdviceIsListed(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range advices {
		if seen[a.doc] || a.what == "" || a.hint == "" || a.severity == 0 || !strings.HasPrefix(a.doc, "diff-") {
			t.Errorf("%+v: want a page of its own, a severity, a sentence and a hint", a)
		}
		seen[a.doc] = true
	}
}

// The same states give the same findings, also where there is more than is remembered.
func TestBeyondIsDeterministic(t *testing.T) {
	many := &Node{IsMap: true, Fields: map[string]*Node{}}
	old := &Node{IsMap: true, Fields: map[string]*Node{}}
	for i := range 2 * maxOfWord {
		k := fmt.Sprintf("k%d", i)
		many.Fields[k] = &Node{Type: "string", Value: fmt.Sprintf("host-%d.staging.acme.dev", i), Line: i + 1}
		old.Fields[k] = &Node{Type: "string", Value: fmt.Sprintf("host-%d.staging.acme.dev", i%(maxOfWord-1)), Line: i + 1}
	}
	var a, b Tree
	a.Name, b.Name = "staging", "production"
	for i := range 4 {
		name := fmt.Sprintf("f%d.yaml", i)
		a.Objects = append(a.Objects, Object{Name: name, File: name, Root: old})
		b.Objects = append(b.Objects, Object{Name: name, File: name, Root: many})
	}
	first := ""
	for range 8 {
		got := fmt.Sprintf("%+v", Options{}.Compare(a, b).Findings)
		if first == "" {
			first = got
		}
		if got != first {
			t.Fatalf("got\n%s\nand before\n%s", got, first)
		}
	}
	if !strings.Contains(first, "diff/environment-leak") {
		t.Errorf("nothing was found: %s", first)
	}
}

// A word that is a part of a secret is not told, neither as what leaked nor as what stands in its place.
func TestLeaksShowNoSecret(t *testing.T) {
	file := func(values ...string) Tree {
		root := &Node{IsMap: true, Fields: map[string]*Node{}}
		for i := 0; i < len(values); i += 2 {
			root.Fields[values[i]] = &Node{Type: "string", Value: values[i+1], Line: i + 1}
		}
		return Tree{Name: "x", Objects: []Object{{Name: "v.yaml", File: "v.yaml", Root: root}}}
	}
	a := file("password", "staging", "url", "postgres://app:staging7x1@db.staging/x", "token", "zq81xk-staging", "other", "see staging7x1", "plain", "x-staging", "kept", "y-staging")
	b := file("password", "hunter77", "url", "postgres://app:blorp9x2@db.prod/x", "token", "ab12cd-prod", "other", "see staging7x1", "plain", "x-prod", "kept", "y-staging")
	r := Options{Rules: Rules{PreviousNames: []string{"zq81xk"}}}.Compare(a, b)
	text := fmt.Sprintf("%+v", r.Findings)
	for _, secret := range []string{"hunter77", "blorp", "ab12cd"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
	if !strings.Contains(text, "diff/environment-leak") {
		t.Errorf("nothing was found: %s", text)
	}
}
