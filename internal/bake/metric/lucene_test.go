package metric

import (
	"slices"
	"strings"
	"testing"
)

func TestCheckLucene(t *testing.T) {
	for text, want := range map[string]string{
		`*`: "", `*:*`: "", `level:error`: "", `"a b"`: "", `a AND b AND NOT c`: "", `a && !b`: "", `a OR b || c`: "", `+a -b +c:d`: "", `a -b`: "",
		`(a OR b) AND c`: "", `a:(x OR y) AND b`: "", `a:[1 TO 5} OR b:{* TO 3]`: "", `path:/api\/v[12].*/`: "", `"a \" OR \\"~2^3 OR b~1`: "",
		`a\ b`: "", `http.\*:x`: "", `age:>=10 AND age:<20`: "", `a:\-1`: "", "a\nAND\tb": "", `*:* AND NOT a`: "", `(a OR b) -c`: "", `a NOT b`: "", `a:"b"`: "", `a-b+c`: "", `&&a`: "",
		``: "a part is missing", `  `: "a part is missing", `a AND`: "a part is missing", `OR b`: "a part is missing", `a AND OR b`: "a part is missing",
		`a:`: "a part is missing", `()`: "a part is missing", `a AND (b OR )`: "a part is missing",
		`a b`: "b stands beside", `level:error service:x`: "service stands beside", `(a)(b)`: "( stands beside", `path:/api/v1`: "v1 stands beside",
		`+a b`: "b stands beside", `a "b"`: `"b" stands beside`, `a:b c`: "c stands beside",
		`a AND b OR c`: "AND beside OR", `a || b && c`: "AND beside OR", `a +b`: "beside a part with +", `+a AND b`: "beside a part with +", `a:(b +c)`: "beside a part with +",
		`a:b:c`: "a colon with no field", `:a`: "a colon with no field", `(a):b`: "a colon with no field", `"a":b`: "a colon with no field", `a:-1`: "got - where", `NOT -a`: "got - where", `a -++b`: "got + where",
		`a OR NOT b`: "NOT beside OR", `NOT a OR b`: "NOT beside OR", `a OR b -c`: "NOT beside OR", `NOT a`: "NOT alone", `a AND (NOT b)`: "NOT alone", `+a OR +b`: "beside a part with +",
		`a NOT b AND c`: "want AND NOT", `a AND b -c`: "want AND NOT", `a AND ! b`: "got ! before a blank", `a AND -`: "got - before a blank",
		`~2`: "a part is missing", `a AND ^2`: "a part is missing",
		`(a`: "brackets", `a)`: "brackets", `"a`: "has no end", `/a`: "has no end", `/a\\/`: "has no end", `"a\"`: "has no end", `a:[1 TO`: "a range has no end", `a]`: "no range begins",
		`a:["1" TO *]`: "in a range", `a:[1\ TO *]`: "in a range", `a\`: "ends with a backslash",
	} {
		tokens, err := scanLucene(text)
		if err == nil {
			err = checkLucene(tokens)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestLuceneFields(t *testing.T) {
	for text, want := range map[string]string{
		`service.name:"x:y" AND (level:error OR http\.status : [500 TO 599])`: "service.name level http.status",
		`_exists_:error.code AND _exists_:"b" AND _index:x AND a.\*:b`:        "error.code b",
		`timeout AND /a:b/ AND "c:d" AND *:*`:                                 "",
	} {
		tokens, err := scanLucene(text)
		if got := strings.Join(luceneFields(tokens), " "); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestFillLucene(t *testing.T) {
	for _, c := range []struct{ text, value, want string }{
		{`a:"$service" AND b`, `x" OR "y`, `a:"x\" OR \"y" AND b`},
		{`a:"$service"`, `x\`, `a:"x\\"`},
		{`a:"pre $service post"`, `shop`, `a:"pre shop post"`},
		{`a:$service-*`, `shop.a_b-2`, `a:shop.a_b\-2-*`},
		{`a:$service-*`, `* OR b:`, `a:\*\ OR\ b\:-*`},
		{`a:"$$service"`, ``, `a:"$service"`},
		{`a:$$5`, ``, `a:$5`},
		{`a:"\\$service"`, `x`, `a:"\\x"`},
	} {
		tokens, err := scanLucene(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fillLucene(tokens, values{vars: map[string]string{"service": c.value}})
		if err != nil || got != c.want {
			t.Errorf("%s with %s: got %s, %v, want %s", c.text, c.value, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		`a:$service`: `want it in double quotes`, `$service:a`: `want it in double quotes`, `$service*:a`: `want it in double quotes`, `a:$service\*`: `want it in double quotes`, `a:[$version TO *]`: `want it in double quotes`,
		`a:/$service.*/`: `want it in double quotes`, `a:"\$service"`: `want $$ for a dollar`, `a:\$service*`: `want $$ for a dollar`, `a:"$servic"`: `unknown variable`,
	} {
		tokens, err := scanLucene(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fillLucene(tokens, values{check: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
}

// luceneTemplates are places in which a variable may stand.
var luceneTemplates = []string{`a:"$service"`, `a:$service*`, `a:x-$service-?`, `"$service" OR b`, `a:("$service" OR $service*) AND c`, `a:"x$service"~2 AND b:[1 TO 2]`}

// No value of a variable changes what a query asks.
func TestLuceneInjection(t *testing.T) {
	for _, value := range append([]string{`x" OR *:*`, `AND`, `OR`, `NOT`, `TO`, `>5`, `<5`, `~`, `^2`, `"`, `\"`, `&&`, `||`, "a\u3000b", `/x/`, `[1 TO 2]`, `\u0022`, `_exists_:x`}, hostileValues...) {
		for _, text := range luceneTemplates {
			sameLucene(t, text, value)
		}
	}
}

func FuzzLucene(f *testing.F) {
	for _, text := range luceneTemplates {
		f.Add(text, `x" OR b:*`)
		f.Add(`a:(b OR "c") AND d:[1 TO *] AND NOT e:/f\/g/ AND +h^2`, text)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		sameLucene(t, text, value)
		for _, text := range luceneTemplates {
			sameLucene(t, text, value)
		}
	})
}

// sameLucene checks that a query is made of the same parts with a value as without.
func sameLucene(t *testing.T, text, value string) {
	t.Helper()
	tokens, err := scanLucene(text)
	if err != nil {
		return
	}
	all := ""
	for _, p := range tokens {
		all += p.text
	}
	if all != text {
		t.Errorf("%q is read as %q", text, all)
	}
	filled, err := fillLucene(tokens, values{vars: map[string]string{"service": value}})
	if err != nil {
		return
	}
	again, err := scanLucene(filled)
	if err != nil || !slices.EqualFunc(tokens, again, func(a, b luceneToken) bool { return a.kind == b.kind }) || !slices.Equal(luceneFields(tokens), luceneFields(again)) && !strings.Contains(text, "$$") {
		t.Errorf("%q with %q is %q: %v", text, value, filled, err)
	}
}
