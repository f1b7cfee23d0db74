package diff_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/httpx"
)

var stateKey = httpx.NewSecret("a key of the fingerprints, for tests")

// kept writes a tree as a record does, and reads it again.
func kept(t testing.TB, tree diff.Tree, key httpx.Secret) (diff.Tree, []byte) {
	t.Helper()
	b, err := diff.EncodeState(tree, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := diff.DecodeState(b)
	if err != nil {
		t.Fatal(err)
	}
	return out, b
}

// toldOtherwise are cases in which a kept state tells the same difference in other words, or at another place.
var toldOtherwise = map[string]string{
	"secret-data":  "changed Secret/s:data.c: [secret changed]",                                    // stringData is data, as in the cluster
	"url-password": "changed ConfigMap/a:data.DB: [secret changed] (app.yaml:4:8 -> app.yaml:4:8)", // what stands beside the password is not kept
}

// A state that was kept differs from the target as the state itself does, and not at all from itself.
func TestStateComparesAsItself(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("got %d cases (%v), want at least 40", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if meaningCase.MatchString(name) {
			continue // what a value means is read from the value, which a record may not hold
		}
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			root, other := unpack(t, a)
			previous, target := snapshot(t, root, "previous"), snapshot(t, root, "target")
			state, b := kept(t, previous, stateKey)
			o := diff.Options{Rules: rulesIn(t, other), Today: today, Key: stateKey}
			got, want := string(write(aspect(name, o.Compare(state, target)))), other["want"]
			if line, ok := toldOtherwise[name]; ok {
				if !strings.Contains(got, line) {
					t.Errorf("got\n%s\nwant the line\n%s", got, line)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if r := (diff.Options{Today: today, Key: stateKey}).Compare(state, previous); len(r.Changes) > 0 {
				t.Errorf("it differs from itself:\n%s", write(r))
			}
			if _, again := kept(t, state, stateKey); !bytes.Equal(again, b) {
				t.Errorf("it is kept another way the second time:\n%s\n%s", again, b)
			}
		})
	}
}

// Nothing of a secret is in what is kept, wherever it stands.
func TestStateLeaksNothing(t *testing.T) {
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			a, _ := secrets(p.secret)
			root := t.TempDir()
			put(t, filepath.Join(root, "x", p.file), fill(p.text, a))
			tree := snapshot(t, root, "x")
			_, b := kept(t, tree, stateKey)
			for _, form := range forms(a) {
				if bytes.Contains(b, []byte(form)) {
					t.Errorf("the state holds %q:\n%s", form, b)
				}
			}
			_, b = kept(t, tree, httpx.Secret{})
			if bytes.Contains(b, []byte("v1:")) {
				t.Errorf("it holds a fingerprint without a key:\n%s", b)
			}
		})
	}
}

// What a program of somebody else's is given holds no secret.
func TestDocumentsLeakNothing(t *testing.T) {
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			a, _ := secrets(p.secret)
			root := t.TempDir()
			put(t, filepath.Join(root, "x", fill(p.file, a)), fill(p.text, a))
			docs, err := diff.Documents(snapshot(t, root, "x"))
			if err != nil || len(docs) == 0 {
				t.Fatalf("got %d documents: %v", len(docs), err)
			}
			for _, d := range docs {
				for _, form := range forms(a) {
					if text := d.Name + string(d.JSON) + d.At.File; strings.Contains(text, form) {
						t.Errorf("%q is in %s", form, text)
					}
				}
			}
		})
	}
}

// inNames are places in which a secret is a part of a name: it is masked in what is kept, so that the name is not found again.
var inNames = []string{"values-key", "values-key-url", "values-item-name", "values-order", "secret-in-key", "secret-in-name", "object-name", "namespace",
	"ordered-names", "namespaced-url", "volume-path"}

// A secret that changed is told, one that did not is not, and without the key nobody knows.
func TestStateSecrets(t *testing.T) {
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			x, y := secrets(p.secret)
			root := t.TempDir()
			put(t, filepath.Join(root, "a", p.file), fill(p.text, x))
			put(t, filepath.Join(root, "b", p.file), fill(p.text, y))
			a, b := snapshot(t, root, "a"), snapshot(t, root, "b")
			state, _ := kept(t, a, stateKey)
			direct := len(diff.Options{Today: today}.Compare(a, b).Changes)
			if r := (diff.Options{Today: today, Key: stateKey}).Compare(state, b); direct > 0 && len(r.Changes) == 0 {
				t.Errorf("a change is not told")
			}
			if r := (diff.Options{Today: today, Key: stateKey}).Compare(state, a); len(r.Changes) > 0 != slices.Contains(inNames, name) {
				t.Errorf("it differs from itself:\n%s", write(r))
			}
		})
	}
	root := t.TempDir()
	put(t, filepath.Join(root, "a", "s.yaml"), "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: hunter2, b: 'x'}")
	put(t, filepath.Join(root, "b", "s.yaml"), "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: aHVudGVyMg==, b: eA==}")
	a, b := snapshot(t, root, "a"), snapshot(t, root, "b")
	for _, c := range [][2]diff.Tree{{a, b}, {b, a}, {a, a}, {b, b}} {
		state, _ := kept(t, c[0], stateKey)
		if r := (diff.Options{Today: today, Key: stateKey}).Compare(state, c[1]); len(r.Changes) > 0 {
			t.Errorf("data and stringData with the same values differ:\n%s", write(r))
		}
		other := httpx.NewSecret("another key, as long as the first one")
		if r := (diff.Options{Today: today, Key: other}).Compare(state, c[1]); len(r.Changes) > 0 || !strings.Contains(fmt.Sprint(r.Findings), "key") {
			t.Errorf("another key: got\n%s\n%v", write(r), r.Findings)
		}
	}
}

func TestDecodeStateRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "damaged",
		`{}`:                                  "damaged",
		`[]`:                                  "damaged",
		`{"bakegate-state":2}`:                "a newer bakegate wrote it",
		`{"bakegate-state":1,"x":1}`:          "a newer bakegate wrote it",
		`{"bakegate-state":1,"objects":[{}]}`: "a value is missing",
		`{"bakegate-state":1,"objects":[{"root":{"m":{"a":null}}}]}`:                                                  "a value is missing",
		`{"bakegate-state":1,"objects":[{"root":{"m":{},"i":[]}}]}`:                                                   "at once",
		`{"bakegate-state":1,"objects":[{"root":{"t":"secret","v":"hunter2"}}]}`:                                      "no fingerprint",
		`{"bakegate-state":1,"objects":[{"root":{"t":"secret","m":{}}}]}`:                                             "no fingerprint",
		`{"bakegate-state":1,"objects":[{"root":` + strings.Repeat(`{"i":[`, 300) + strings.Repeat(`]}`, 300) + `}]}`: "more values",
	} {
		if _, err := diff.DecodeState([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%.80s: got %v, want %s", text, err, want)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(`{"bakegate-state":1,"name":"x","objects":[{"kind":"Secret","apiVersion":"v1","name":"a","root":{"m":{"data":{"m":{"a":{"t":"secret"}}},"x":{"i":[{"v":"b"}]}}}}]}`))
	f.Add([]byte(`{"bakegate-state":1,"objects":[{"root":{"v":"{}","e":{"m":{}},"f":"json"}}]}`))
	f.Add([]byte(`{"bakegate-state":1,"objects":[{"kind":"Secret","root":{"m":{"data":{"v":"x"},"stringData":{"m":{"a":{"v":"b"}}}}}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := diff.DecodeState(b)
		if err != nil {
			return
		}
		one, err := diff.EncodeState(tree, stateKey)
		if err != nil {
			t.Fatal(err)
		}
		again, err := diff.DecodeState(one)
		if err != nil {
			t.Fatalf("what was written can't be read: %v\n%s", err, one)
		}
		two, err := diff.EncodeState(again, stateKey)
		if err != nil || !bytes.Equal(one, two) {
			t.Errorf("it is written another way the second time (%v):\n%s\n%s", err, one, two)
		}
		diff.Options{Today: today, Key: stateKey}.Compare(tree, again)
	})
}

// forms are a secret, a half of it, and what base64 makes of it.
func forms(s string) []string {
	half := len(s) / 2
	return []string{s, s[:half+1], s[half:], base64.StdEncoding.EncodeToString([]byte(s))}
}
