package diff_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/httpx"
	"github.com/bakegate/bakegate/internal/verdict"
)

const secretState = `apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: aHVudGVyLVR3by43Nw==}
stringData: {b: hunter-Two.77, empty: ''}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  url: postgres://app:hunter-Two.77@db/x
  plain: all can read this
  c.json: '{"db": {"password": "hunter-Two.77", "host": "db"}}'
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: app, env: [{name: DB_PASSWORD, value: hunter-Two.77}, {name: LEVEL, value: info}], args: [--token, hunter-Two.77]}]}
`

func stateOf(t *testing.T, text string) diff.Tree {
	t.Helper()
	root := t.TempDir()
	put(t, filepath.Join(root, "p", "a.yaml"), text)
	return snapshot(t, root, "p")
}

// A record is compared with a state by fingerprints: what is the same is silent, what differs is told at its place.
func TestSecretsOfARecord(t *testing.T) {
	record, _ := kept(t, stateOf(t, secretState), stateKey)
	refuseText(t, dump(record), "hunter-Two.77", "aHVudGVy")
	if !strings.Contains(dump(record), "all can read this") {
		t.Error("what is no secret is gone")
	}
	moved := strings.NewReplacer("stringData: {b: hunter-Two.77, empty: ''}", "", "data: {a: aHVudGVyLVR3by43Nw==}",
		"data: {a: aHVudGVyLVR3by43Nw==, b: aHVudGVyLVR3by43Nw==, empty: ''}").Replace(secretState)
	for name, text := range map[string]string{"the same": secretState, "stringData in data": moved, "JSON in another form": strings.Replace(secretState,
		`{"db": {"password": "hunter-Two.77", "host": "db"}}`, `{"db":{"host":"db","password":"hunter-Two.77"}}`, 1)} {
		r := diff.Options{Today: today, Key: stateKey}.Compare(record, stateOf(t, text))
		if len(r.Changes) != 0 || len(r.Findings) != 1 {
			t.Errorf("%s: got %v %v, want silence", name, r.Changes, r.Findings)
		}
	}
	other := stateOf(t, strings.ReplaceAll(strings.ReplaceAll(secretState, "hunter-Two.77", "hunter-Six.99"), "aHVudGVyLVR3by43Nw==", "aHVudGVyLVNpeC45OQ=="))
	r := diff.Options{Today: today, Key: stateKey}.Compare(record, other)
	var got []string
	for _, c := range r.Changes {
		got = append(got, c.Where()+": "+c.What())
	}
	want := `ConfigMap/c:data["c.json"]#/db/password: [secret changed]
ConfigMap/c:data.url: [secret changed]
Pod/p:spec.containers[name=app].args[1]: [secret changed]
Pod/p:spec.containers[name=app].env[name=DB_PASSWORD].value: [secret changed]
Secret/s:data.a: [secret changed]
Secret/s:data.b: [secret changed]`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	refuse(t, r, "hunter-Two.77", "hunter-Six.99")
}

// Without the key, or with another one, nobody says that a secret is the same or that it is not.
func TestSecretsNotComparable(t *testing.T) {
	state := stateOf(t, secretState)
	for name, c := range map[string]struct{ written, read httpx.Secret }{
		"none": {}, "none when written": {read: stateKey}, "none when read": {written: stateKey}, "another": {stateKey, httpx.NewSecret("another key, of more than sixteen")},
		"short": {httpx.NewSecret("short"), httpx.NewSecret("short")},
	} {
		record, _ := kept(t, state, c.written)
		r := diff.Options{Today: today, Key: c.read}.Compare(record, state)
		if len(r.Changes) != 0 || len(r.Findings) != 2 || r.Findings[1].Check != "diff/secrets" || r.Findings[1].Outcome != verdict.Note {
			t.Errorf("%s: got %v %v, want the secrets to be not comparable", name, r.Changes, r.Findings)
		}
		r = diff.Options{Today: today, Key: c.read, Rules: rulesOf("forbid **.DB_PASSWORD\nforbid **.data")}.Compare(record, state)
		if f := r.Findings[1]; f.Check != "diff/secrets" || f.Outcome != verdict.Unknown {
			t.Errorf("%s: got %v, want unknown: it is forbidden that they differ", name, r.Findings)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a, b := diff.Fingerprint(stateKey, "x"), diff.Fingerprint(stateKey, strings.Repeat("y", 1000))
	if a == b || a != diff.Fingerprint(stateKey, "x") || len(a) != len(b) || !strings.HasPrefix(a, "v1:") {
		t.Errorf("got %q and %q, want two of the same length, each always the same", a, b)
	}
	if got := diff.Fingerprint(httpx.NewSecret("short"), "x"); got != "" || diff.ValidKey(httpx.NewSecret("short")) == nil {
		t.Errorf("got %q with a short key, want none", got)
	}
	if got := fmt.Sprintf("%v %+v", diff.Options{Key: stateKey}, diff.Options{Key: stateKey}); strings.Contains(got, "fingerprints") {
		t.Errorf("%q shows the key", got)
	}
}

// dump writes everything that is in a tree.
func dump(t diff.Tree) string {
	var b strings.Builder
	var write func(n *diff.Node)
	write = func(n *diff.Node) {
		if n == nil {
			return
		}
		fmt.Fprintf(&b, "%s %s\n", n.Type, n.Value)
		for k, f := range n.Fields {
			b.WriteString(k + ": ")
			write(f)
		}
		for _, i := range n.Items {
			write(i)
		}
		write(n.Embedded)
	}
	for _, o := range t.Objects {
		fmt.Fprintln(&b, o.Kind, o.Namespace, o.Name, o.File)
		write(o.Root)
	}
	return b.String()
}

func refuseText(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if i := strings.Index(text, s); i >= 0 {
			t.Fatalf("%q is in …%s…", s, text[max(0, i-100):min(len(text), i+80)])
		}
	}
}

// A document in a secret is compared as one, and nothing of it is told.
func TestDocumentInASecret(t *testing.T) {
	state := func(json string) diff.Tree {
		return stateOf(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {c.json: '"+json+"'}")
	}
	if r := (diff.Options{Today: today}).Compare(state(`{"a": 1, "b": 2}`), state(`{"b":2,"a":1}`)); len(r.Changes) != 0 {
		t.Errorf("got %v, want silence", r.Changes)
	}
	r := diff.Options{Today: today}.Compare(state(`{"hunter-Two.77": 1}`), state(`{"hunter-Six.99": 1}`))
	if len(r.Changes) != 1 || r.Changes[0].Path != `stringData["c.json"]` {
		t.Errorf("got %v, want the text to be told", r.Changes)
	}
	refuse(t, r, "hunter-Two.77", "hunter-Six.99")
}
