package diff_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

// Every pair of objects with other names says why it is one, and how sure that is.
func TestPairs(t *testing.T) {
	config := func(name, namespace, data string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {%s}\n", name, namespace, data)
	}
	const most = "a: 1, b: 2, c: 3, d: 4, e: "
	previous := config("same", "shop-staging", "x: y") + config("web-staging", "shop-staging", "x: y") + config("cfg-m2g8bfhf2t", "shop-staging", "x: y") +
		config("old", "other", most+"5") + config("alone", "nowhere", "x: y") +
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: job-b4d9w, generateName: job-, namespace: other}\n" +
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: old, namespace: other}\n"
	target := config("same", "shop-prod", "x: y") + config("web-prod", "shop-prod", "x: y") + config("cfg-t4tk5b2c9g", "shop-prod", "x: y") +
		config("new", "other", most+"6") + config("alone", "elsewhere", "x: y") +
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: job-x7k2p, generateName: job-, namespace: other}\n" +
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: new, namespace: other}\n"
	root := t.TempDir()
	put(t, filepath.Join(root, "p", "a.yaml"), previous)
	put(t, filepath.Join(root, "t", "a.yaml"), target)
	for dir, env := range map[string]string{"p": "staging", "t": "production"} {
		put(t, filepath.Join(root, dir, "values-"+env+".yaml"), "a: 1")
		put(t, filepath.Join(root, dir, dir+"x", "b.json"), "{\"a\": 1}")
		put(t, filepath.Join(root, dir, dir+".env"), "A=1")
	}
	var got []string
	for _, p := range (diff.Options{Today: today}).Compare(snapshot(t, root, "p"), snapshot(t, root, "t")).Pairs {
		got = append(got, fmt.Sprintf("%s -> %s: %s %v", p.Previous, p.Target, p.Reason, p.Confidence))
	}
	golden(t, "testdata/pairs.golden", strings.Join(got, "\n")+"\n")
}

// The JSON of a result is read by others: a field that has another name, or is gone, breaks them.
func TestResultJSON(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, "p", "a.yaml"), `apiVersion: v1
kind: ConfigMap
metadata: {name: a-staging}
data: {gone: x, host: a.staging.acme.dev, type: 'true', other: a}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {a: x}
---
steps: [{name: a}, {name: b}]
`)
	put(t, filepath.Join(root, "t", "a.yaml"), `apiVersion: v1
kind: ConfigMap
metadata: {name: a-prod}
data: {host: a.prod.acme.dev, type: true, new: {a: 1, b: 2}, other: b}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {a: y}
---
steps: [{name: b}, {name: a}]
`)
	r := diff.Options{Rules: rulesOf("expect **.other"), Today: today}.Compare(snapshot(t, root, "p"), snapshot(t, root, "t"))
	r.Findings = nil
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range diff.Classes() {
		if !strings.Contains(string(text), `"class": "`+string(c)+`"`) {
			t.Errorf("the class %s is not in it", c)
		}
	}
	golden(t, "testdata/result.golden", string(text)+"\n")
}
