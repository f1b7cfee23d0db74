package diff_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

// shuffled writes the documents of a text in another order.
func shuffled(rng *rand.Rand, text string) string {
	docs := strings.Split(strings.TrimPrefix(text, "---\n"), "---\n")
	rng.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	return strings.Join(docs, "---\n")
}

// many writes documents of several kinds that have an environment in their names, secrets, documents in texts and hashes.
func many(environment string, version int) string {
	var b strings.Builder
	for i := range 40 {
		v := i % 7 * version
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d-%s, namespace: shop-%s}\ndata: {a: '%d', c.json: '{\"x\": %d, \"y\": [1, 2]}'}\n", i, environment, environment, v, v)
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s%d-%s, namespace: shop-%s}\nstringData: {password: 'hunter-%d.77x'}\n", i, environment, environment, v)
		fmt.Fprintf(&b, "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d%d-%s, namespace: pay-%s, labels: {a: b%d, c: d, e: f, g: h}}\nspec: {replicas: %d}\n", i, environment, environment, i, 1+v)
	}
	for i := range 12 { // known by their content
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: n%d%c}\nspec: {a: %d, b: x%d, c: y%d, d: z%d, e: %d}\n", i, 'a'+rune(version), i, i, i, i, version)
	}
	return b.String()
}

// The order of documents does not matter, and neither does that of maps: the same differences are told in the same order, byte by byte.
func TestShuffledDocuments(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	a, b := many("staging", 0), many("prod", 1)
	rules := rulesOf("expect **.replicas\nforbid **.data.a changed")
	var first string
	for i := range 20 {
		root := t.TempDir()
		put(t, filepath.Join(root, "p", "a.yaml"), a)
		put(t, filepath.Join(root, "t", "a.yaml"), b)
		r := diff.Options{Rules: rules, Today: today}.Compare(snapshot(t, root, "p"), snapshot(t, root, "t"))
		for j := range r.Changes {
			r.Changes[j].FromAt, r.Changes[j].ToAt = diff.Position{}, diff.Position{}
		}
		r.Findings = nil // they name lines
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = string(text)
		} else if string(text) != first {
			t.Fatalf("run %d gave\n%s\nand the first\n%s", i, text, first)
		}
		a, b = shuffled(rng, a), shuffled(rng, b)
	}
	for _, want := range []string{`"renamed"`, `"similar"`, `"environment"`, `"changed"`, "shop-staging"} {
		if !strings.Contains(first, want) {
			t.Errorf("%s is not in %s", want, first)
		}
	}
}
