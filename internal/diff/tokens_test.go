package diff

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/hasher"
)

func TestCutWords(t *testing.T) {
	for name, want := range map[string]string{
		"checkout-staging": "checkout|staging", "prod.checkout": "prod|checkout", "a--b_": "a|b", "eu-west-1.checkout": "eu-west-1|checkout",
		"us-gov-east-1": "us-gov-east-1", "europe-west1-b": "europe-west1|b", "eu-checkout": "eu|checkout", "west-1": "west|1", "": "", "--": "",
		"x-us-east-1-y": "x|us-east-1|y", strings.Repeat("a-", 30): strings.Repeat("a-", 30),
	} {
		w := cutWords(name)
		if got := strings.Join(w.words, "|"); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if w.String() != name {
			t.Errorf("%s: put together again it is %s", name, w)
		}
	}
}

func FuzzCutWords(f *testing.F) {
	f.Add("checkout-staging")
	f.Add("eu-west-1.x")
	f.Fuzz(func(t *testing.T, s string) {
		if w := cutWords(s); w.String() != s || len(w.gaps) != len(w.words)+1 {
			t.Fatalf("%q became %q", s, w)
		}
		if ss, ok := swapped(s, s); ok {
			t.Fatalf("%q differs from itself in %v", s, ss)
		}
	})
}

func TestSwapped(t *testing.T) {
	for _, c := range []struct {
		a, b, want string
		ok         bool
	}{
		{"checkout-staging", "checkout-prod", "[staging -> prod]", true},
		{"staging-a-staging", "prod-a-prod", "[staging -> prod]", true},
		{"stg-eu-a", "prd-us-a", "[stg -> prd eu -> us]", true},
		{"checkout-staging", "checkout", "[staging -> (none)]", true},
		{"staging-checkout", "checkout.prod", "[staging -> prod]", true},
		{"checkout", "cart", "[checkout -> cart]", true},
		{"a-b", "a.b", "[]", false},
		{"a-b-c", "a-b", "[]", false},
	} {
		if got, ok := swapped(c.a, c.b); fmt.Sprint(got) != c.want || ok != c.ok {
			t.Errorf("%s, %s: got %v %v, want %s %v", c.a, c.b, got, ok, c.want, c.ok)
		}
	}
}

func TestLearnSwaps(t *testing.T) {
	names := func(s string) (ns []nameOf) {
		for _, n := range strings.Fields(s) {
			of, name, _ := strings.Cut(n, "/")
			ns = append(ns, nameOf{of, name})
		}
		return ns
	}
	for _, c := range []struct{ a, b, want string }{
		{"d/a-staging d/b-staging", "d/a-prod d/b-prod", "map[staging:prod]"},
		{"d/a-staging", "d/a-prod", "map[staging:prod]"},
		{"d/staging", "d/prod", "map[staging:prod]"},
		{"d/a-red d/b-red", "d/a-blue d/b-blue", "map[red:blue]"},
		{"d/a-red", "d/a-blue", "map[]"},                           // one alone
		{"d/red s/red", "d/blue s/blue", "map[]"},                  // nothing but the word
		{"d/a-red d/b-red", "d/a-blue d/b-green", "map[]"},         // two counterparts
		{"d/a-red d/b-red d/c-blue", "d/a-blue d/b-blue", "map[]"}, // blue is in use
		{"d/a-1 d/b-1", "d/a-2 d/b-2", "map[]"},                    // numbers tell things of one sort apart
		{"d/a-staging d/a-qa", "d/a-prod", "map[]"},                // who is it?
		{"d/a-red s/b-red", "s/a-blue d/b-blue", "map[]"},          // of other kinds
		{"d/red-a d/red-b", "d/prod-a d/prod-b", "map[red:prod]"},  // one of them is known
		{"d/a-eu-west-1", "d/a-us-east-1", "map[eu-west-1:us-east-1]"},
	} {
		if got := fmt.Sprint(map[string]string(learnSwaps(names(c.a), names(c.b)))); got != c.want {
			t.Errorf("%s, %s: got %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

// The hash that kustomize itself makes is known.
func TestKustomizeHash(t *testing.T) {
	for i := range 200 {
		hash, err := hasher.SortArrayAndComputeHash([]string{fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		o := &Object{Kind: "ConfigMap", Name: "app-config-" + hash}
		if got := withoutHash(o); got != "app-config" {
			t.Fatalf("%s: got %s, want app-config", o.Name, got)
		}
	}
	for _, name := range []string{"app-config", "app-configurati", "m2g8bfhf2t", "-m2g8bfhf2t", "app-m2g8bfhf2", "app-m2g8bfhf2te", "checkout-production", "app-0123456789"} {
		if got := withoutHash(&Object{Kind: "ConfigMap", Name: name}); got != name {
			t.Errorf("%s: got %s, want it whole", name, got)
		}
	}
	if got := withoutHash(&Object{Kind: "Pod", Name: "web-5d4f8c7b9c-x2k7p"}); got != "web" {
		t.Errorf("got %s, want web", got)
	}
}

func TestEnvironmentWords(t *testing.T) {
	for _, w := range []string{"staging", "PROD", "uat2", "eu-west-1"} {
		if !isEnvironment(w) {
			t.Errorf("%s is an environment", w)
		}
	}
	if i := slices.IndexFunc([]string{"checkout", "api", "2", "stagingdb", ""}, isEnvironment); i >= 0 {
		t.Errorf("number %d is no environment", i)
	}
}
