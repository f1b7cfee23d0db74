package diff

import (
	"strings"
	"testing"
)

func scalarNode(v string) *Node { return &Node{Type: "string", Value: v} }

func TestValues(t *testing.T) {
	for _, c := range []struct {
		from, to, a, b string
		expect, forbid bool
	}{
		{"-staging", "-prod", "web-staging", "web-prod", true, true},
		{"-staging", "-prod", "web-staging", "web-live", false, false},
		{"-staging", "-prod", "a-staging/b-staging", "a-prod/b-prod", true, true},
		{"-staging", "-prod", "a-staging/b-staging", "a-prod/b-staging", false, true},
		{"[0-9]+", "[0-9]+", "3", "5", true, true},
		{"[0-9]+", "[0-9]+", "3", "5x", false, true},
		{"", "[5-9]", "1", "7", true, true},
		{"", "[5-9]", "1", "17", false, true},
		{"1", "", "1", "anything", true, true},
		{"1", "", "11", "anything", false, true},
		{`(?P<a>\w+)-(?P<b>\w+)`, "$b-$a", "x-y", "y-x", true, true},
		{`(?P<a>\w+)-(?P<b>\w+)`, "$b-$a", "x-y", "y-z", false, false},
		{`(\w+)\.stg`, "$1[.]prd", "db.stg", "db.prd", true, true},
		{`(\w+)\.stg`, "$1", "a.stg", "a", true, true},
		{".*", "x.*", "", "xy", true, true},
		{`(?P<a>.+)`, "$a", "a.c", "abc", false, false}, // what is captured is text, no expression
	} {
		for _, whole := range []bool{true, false} {
			v, err := parseValues(c.from, c.to, whole)
			if err != nil {
				t.Fatalf("%q %q: %v", c.from, c.to, err)
			}
			want := c.expect
			if !whole {
				want = c.forbid
			}
			if got := v.explain(scalarNode(c.a), scalarNode(c.b)); got != want {
				t.Errorf("%q -> %q on %q -> %q, whole %v: got %v", c.from, c.to, c.a, c.b, whole, got)
			}
		}
	}
}

func TestValuesRefuse(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"(", "", "missing closing )"}, {"", "[", "missing closing ]"}, {"a", "$name", "$name names nothing"}, {"(a)", "$2", "$2 names nothing"},
		{"", "$1", "$1 names nothing"}, {strings.Repeat("a", 2000), "", "2000 bytes"}, {"a", strings.Repeat("b", 2000), "2000 bytes"}, {"(?P<x>a)", "${y}", "${y} names nothing"},
	} {
		if _, err := valuesProblem(c.from, c.to); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q %.40q: got %v, want %s", c.from, c.to, err, c.want)
		}
	}
}

// Nothing that stands in a rule or in a value can make more of a value than there is room for, or panic.
func FuzzValues(f *testing.F) {
	f.Add("-staging", "-prod", "a-staging", "a-prod")
	f.Add(`(?P<a>\w+)-(?P<b>\w+)`, "$b-$a", "x-y", "y-x")
	f.Add("x*", "$0y", "aaa", "")
	f.Fuzz(func(t *testing.T, from, to, a, b string) {
		v, err := parseValues(from, to, true)
		if err != nil {
			return
		}
		explained := v.explain(scalarNode(a), scalarNode(b))
		if !v.none() && explained && v.rewrites() && a == b && v.rewrite(a) != b && !v.match(a, b) {
			t.Fatalf("%q -> %q explains %q -> %q", from, to, a, b)
		}
		part, err := parseValues(from, to, false)
		if err != nil {
			t.Fatalf("%q -> %q is an expect rule and no forbid rule: %v", from, to, err)
		}
		if v.match0(a, b) && !part.meet(scalarNode(a), scalarNode(b)) {
			t.Fatalf("%q -> %q is met by the whole of %q -> %q and not by a part of it", from, to, a, b)
		}
	})
}

// match0 is match where there is something to match.
func (v values) match0(a, b string) bool {
	return v.rewrites() && v.from != nil && len(a)+len(b) < maxMasked && v.match(a, b)
}

// An expression from outside can't panic, run on, or pass for an answer.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"target.a > 1", "previous == null", "target.all(k, target[k] != '')", "quantity('1Gi') > 1", "[1,2,3].map(x, x*x).size() == 3",
		"target.?a.orValue(1) == 1", "'a'.matches('(a+)+$')", "change.from", "1/0 == 1", "target.a.b.c"} {
		f.Add(s)
	}
	doc := &Node{IsMap: true, Fields: map[string]*Node{"a": {Type: "number", Value: "1"}, "b": {IsList: true, Items: []*Node{scalarNode("x")}}, "password": scalarNode("hunter-2-hunter")}}
	f.Fuzz(func(t *testing.T, source string) {
		if _, err := (Check{Name: "x", Expr: source, Reason: "x"}).problem(); err != nil {
			return
		}
		o := &Object{Kind: "X", Name: "x", Root: doc}
		r := Options{Rules: Rules{Checks: []Check{{Name: "x", Expr: source, Reason: "x"}}}}.Compare(Tree{Objects: []Object{*o}}, Tree{Objects: []Object{*o}})
		for _, finding := range r.Findings {
			for _, e := range finding.Evidence {
				if strings.Contains(e.Got+e.What, "hunter-2") && !strings.Contains(source, "hunter-2") {
					t.Fatalf("%q shows a secret: %v", source, e)
				}
			}
		}
	})
}

func FuzzLeakWords(f *testing.F) {
	f.Add("https://api.stagingDb.acme.dev/eu-west-1/x", "staging")
	f.Add("\xff-a1b2c3\x00", "ä")
	f.Fuzz(func(t *testing.T, text, given string) {
		l := newLeakScan([]string{given})
		l.value(transition{text, given})
		l.expect()
		for _, s := range l.spot(text, true) {
			if s.at < 0 || s.at >= len(text) {
				t.Fatalf("%q in %q at %d", s.word, text, s.at)
			}
			prose(text, s.at, len(s.word))
		}
		eachWord(text, new([maxWord]byte), func(w []byte, at int) bool {
			for i, c := range w {
				if c != text[at+i] && c != text[at+i]|0x20 {
					t.Fatalf("%q at %d of %q", w, at, text)
				}
			}
			return len(w) > 0
		})
	})
}

func TestCheckProblems(t *testing.T) {
	for _, c := range []struct{ object, expr, field, want string }{
		{"", "target.a >", ".expr", "1:11: Syntax error"},
		{"", "target.a > 1 &&\n  none == 2", ".expr", "2:3: undeclared reference to 'none'"},
		{"", "'text'", ".expr", "gives string, want true or false"},
		{"", "size(target) + 1", ".expr", "gives int"},
		{"/web", "true", ".object", "want Kind/name"},
		{"", "'" + strings.Repeat("x", 20_000) + "' == ''", ".expr", "want at most"},
		{"", strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500), ".expr", "recursion"},
		{"", "target.matches('(')", ".expr", ""},
	} {
		field, err := Check{Name: "x", Object: c.object, Expr: c.expr, Reason: "x"}.problem()
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || field != c.field || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q of %q: got %s %v, want %s %s", c.expr, c.object, field, err, c.field, c.want)
		}
	}
}

// The checks of one run cost no more than a bound, whatever there are of objects.
func TestCheckBudget(t *testing.T) {
	items := &Node{IsList: true}
	for range 300 {
		items.Items = append(items.Items, scalarNode("x"))
	}
	var objects []Object
	for i := range 50 {
		objects = append(objects, Object{Kind: "X", Name: strings.Repeat("x", i+1), Root: &Node{IsMap: true, Fields: map[string]*Node{"a": items}}})
	}
	tree := Tree{Name: "x", Objects: objects}
	r := Options{Rules: Rules{Checks: []Check{{Name: "x", Expr: "target.a.all(x, target.a.all(y, target.a.exists(z, z == x && z == y)))", Reason: "x"}}}}.Compare(tree, tree)
	last := r.Findings[0]
	if last.Check != "diff/check" || last.Outcome.String() != "unknown" || !strings.Contains(last.Evidence[15].Got, "cost too much") {
		t.Errorf("got %+v", last)
	}
}

func TestPreviousNames(t *testing.T) {
	rules := Rules{PreviousNames: []string{"stg", " ", "x", "..", strings.Repeat("a", 300), "db.stg.acme.dev"}, FailOn: []string{"high", "none", "reference"}}
	var got []string
	for _, p := range rules.Validate() {
		got = append(got, p.Field)
	}
	if want := "fail-on[1] previous-names[1] previous-names[2] previous-names[3] previous-names[4]"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestRedactor(t *testing.T) {
	root := &Node{IsMap: true, Fields: map[string]*Node{"password": scalarNode("hunter-Two.77")}}
	redact := Redactor(Tree{Objects: []Object{{Name: "a", Root: root}}})
	if got := redact("the value hunter-Two.77 is weak"); got != "the value [secret] is weak" {
		t.Errorf("got %q", got)
	}
}

func TestResourceOf(t *testing.T) {
	for kind, want := range map[string]string{"Deployment": "deployments", "Ingress": "ingresses", "NetworkPolicy": "networkpolicies", "Gateway": "gateways",
		"Endpoints": "endpoints", "StorageClass": "storageclasses", "Y": "ys", "Patch": "patches"} {
		if got := resourceOf(kind); got != want {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
	}
}
