package format

import "testing"

func TestFlagd(t *testing.T) {
	reads{
		{"a list", "flags.json", `{"$schema": "x", "flags": [{"key": "a", "state": "ENABLED", "defaultVariant": "on", "variants": {"on": true}, "targeting": {}},
 {"key": "b", "state": "DISABLED", "variants": {"x": "1"}, "targeting": {"if": [{"$ref": "e"}, "x", null]}}], "$evaluators": {"e": {"in": [1]}}}`, `
/flags.json flagd
$evaluators.e.in[0]=1 number 2:140
flags.a.defaultVariant=on string 1:61
flags.a.state=ENABLED string 1:41
flags.a.variants.on=true bool 1:98
flags.b.state=DISABLED string 2:15
flags.b.targeting.if[0].$ref=e string 2:82
flags.b.targeting.if[1]=x string 2:96
flags.b.targeting.if[2]= null 2:101
flags.b.variants.x=1 string 2:49`},
		{"no flags", "a.yaml", "flags:\n  a: {b: c}\n", "/a.yaml yaml\nflags.a.b=c string 2:7"},
	}.run(t)
	asMap := "flags:\n  a: {state: ENABLED, variants: {x: 1}, targeting: }\n  b: {state: ENABLED}\nmetadata: {v: 1}\n"
	asList := "metadata: {v: 1}\nflags:\n- {key: b, state: ENABLED}\n- {key: a, variants: {x: 1}, state: ENABLED}\n"
	if a, b := values(t, "f.yaml", asMap), values(t, "f.yaml", asList); a != b {
		t.Errorf("the map gives\n%s\nthe list gives\n%s", a, b)
	}
}
