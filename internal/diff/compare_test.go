package diff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/verdict"
)

// The same input gives the same bytes, whatever order maps have.
func TestDeterministic(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, "p", "a.yaml"), generate(60, 0, ""))
	put(t, filepath.Join(root, "t", "a.yaml"), generate(60, 2, ""))
	rules := rulesOf("expect **.replicas\nforbid **.image\nexpect Service/**")
	var first []byte
	for i := range 20 {
		r := diff.Options{Rules: rules, Today: today}.Compare(snapshot(t, root, "p"), snapshot(t, root, "t"))
		got, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got
		} else if !bytes.Equal(first, got) {
			t.Fatalf("run %d gave other bytes", i)
		}
	}
	if !bytes.Contains(first, []byte(`"changed"`)) {
		t.Error("nothing changed: the test compares nothing")
	}
}

func TestEmptyStateProvesNothing(t *testing.T) {
	one := diff.Tree{Name: "one", Objects: []diff.Object{{Name: "a", Root: &diff.Node{IsMap: true}}}}
	for _, c := range []struct{ a, b diff.Tree }{{one, diff.Tree{Name: "none"}}, {diff.Tree{Name: "none"}, one}, {diff.Tree{}, diff.Tree{}}} {
		if f := (diff.Options{Today: today}).Compare(c.a, c.b).Findings[0]; f.Outcome != verdict.Unknown {
			t.Errorf("%s against %s: got %v, want unknown", c.a.Name, c.b.Name, f)
		}
	}
}

func TestObjectCounts(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, "p", "a.yaml"), "a: 1")
	put(t, filepath.Join(root, "p", "b.yaml"), "a: 1\n---\nb: 1")
	put(t, filepath.Join(root, "t", "a.yaml"), "a: 1")
	put(t, filepath.Join(root, "t", "b.yaml"), "a: 1")
	got := diff.Options{Today: today}.Compare(snapshot(t, root, "p"), snapshot(t, root, "t")).Objects
	if want := (diff.Counts{Previous: 3, Target: 2, Paired: 2, Missing: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestValidate(t *testing.T) {
	rules := diff.Rules{
		Expect: []diff.Expect{
			{Path: "spec.replicas", Until: "2027-06-30"}, {Path: ""}, {Path: "a..b"}, {Path: "a.", Until: "30.6.2027"}, {Path: "Deployment/web"},
			{Path: "a[b"}, {Path: `a["b]`}, {Path: "a[01]"}, {Path: "/x:a"}, {Path: "a[name=x]y"}, {Path: "a b"}, {Path: strings.Repeat("a", 2000)},
		},
		Forbid: []diff.Forbid{{Path: "**", Change: []string{"changed", "gone"}}, {Path: "["}},
	}
	var got []string
	for _, p := range rules.Validate() {
		got = append(got, p.Error())
	}
	golden(t, "testdata/validate.golden", strings.Join(got, "\n")+"\n")
	reported := 0
	rules.Check(func(string, string, ...any) { reported++ })
	if reported != len(got) {
		t.Errorf("Check reports %d, Validate %d", reported, len(got))
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// generate writes n documents as a cluster has them, with an environment at the end of their names. In every 100th the image and the
// replicas depend on version.
func generate(n, version int, environment string) string {
	var b strings.Builder
	for i := range n {
		v := 0
		if i%100 == 1 {
			v = version
		}
		name := fmt.Sprintf("service-%d%s", i, environment)
		fmt.Fprintf(&b, `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: %s
  namespace: shop%s
  labels: {app: %s, team: checkout}
spec:
  replicas: %d
  template:
    spec:
      containers:
      - name: app
        image: ghcr.io/acme/service-%d:1.%d.0
        args: [--listen, ":8080", --verbose]
        ports: [{containerPort: 8080, name: http}]
        env:
        - {name: LOG_LEVEL, value: info}
        - {name: DB_PASSWORD, value: pw-%d-%d}
        resources: {limits: {cpu: 500m, memory: 256Mi}}
        volumeMounts: [{mountPath: /data, name: data}]
`, name, environment, name, 1+v, i, v, i, v)
	}
	return b.String()
}

// BenchmarkCompare reads and compares two states of 5,000 documents, of which 1 % changed: without and with another environment in all
// names, and in another order. bench/diff measures the same in processes of their own, against dyff.
func BenchmarkCompare(b *testing.B) {
	root := b.TempDir()
	put(b, filepath.Join(root, "p", "a.yaml"), generate(5000, 0, ""))
	put(b, filepath.Join(root, "t", "a.yaml"), generate(5000, 1, ""))
	put(b, filepath.Join(root, "shuffled", "a.yaml"), shuffled(rand.New(rand.NewPCG(1, 2)), generate(5000, 1, "")))
	put(b, filepath.Join(root, "staging", "a.yaml"), generate(5000, 0, "-staging"))
	put(b, filepath.Join(root, "prod", "a.yaml"), generate(5000, 1, "-prod"))
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			snapshot(b, root, "p")
		}
	})
	rules := rulesOf("expect **.replicas\nforbid **.securityContext missing")
	for _, c := range []struct {
		name, previous, target string
		changes                int
	}{{"same names", "p", "t", 150}, {"shuffled", "p", "shuffled", 150}, {"other environment", "staging", "prod", 152}} {
		p, t := snapshot(b, root, c.previous), snapshot(b, root, c.target)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := (diff.Options{Rules: rules, Today: today}).Compare(p, t); len(r.Changes) != c.changes {
					b.Fatalf("got %d changes, want %d", len(r.Changes), c.changes)
				}
			}
		})
	}
}
