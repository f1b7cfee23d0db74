package format

import (
	"errors"
	"strings"
	"testing"
)

// Each mistake is told where it is, and with what is to be done about it.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"a.yaml", "a: \x00", "a.yaml:1:4: got a NUL byte, want text: a binary file, or one in UTF-16"},
		{"a.yaml", "\xff\xfea\x00", "a.yaml:1:4: got a NUL byte, want text: a binary file, or one in UTF-16"},
		{".env", "A=1\nBé=\xff\n", ".env:2:4: got the byte 0xff, want UTF-8"},
		{"a.properties", "a=\xe9", "a.properties:1:3: got the byte 0xe9, want UTF-8"},

		{"a.yaml", "ghp_0123456789abcdefghijABCDEFGHIJ012345: 1\nghp_0123456789abcdefghijABCDEFGHIJ012345: 2\n", `a.yaml:2:1: the key "[secret]" stands here twice, first at line 1`},
		{"a.yaml", "a: 1\nb:\n  c: 1\n  c: 2\n", `a.yaml:4:3: the key "c" stands here twice, first at line 3`},
		{"a.yaml", "x: &x 1\na: *x\nb: 2\na: 3\n", `a.yaml:4:1: the key "a" stands here twice, first at line 2`},
		{"a.yaml", "1: a\n'1': b\n", `a.yaml:2:1: the key "1" stands here twice, first at line 1`},
		{"a.yaml", "a: &a\n  b: *a\n", "a.yaml:2:6: the alias stands in its own anchor"},
		{"a.yaml", "a: &a\n  <<: *a\n", "a.yaml:2:7: the alias stands in its own anchor"},
		{"a.yaml", "a:\n  <<: x\n", "a.yaml:2:7: got a scalar behind <<, want a mapping or a list of mappings"},
		{"a.yaml", "? [a]\n: b\n", "a.yaml:1:3: got a mapping or a list as a key, want a text"},
		{"a.yaml", "a: 1\nb: {{ .x }}\n", "a.yaml:2:5: got a mapping or a list as a key, want a text (a template? render it first, e.g. helm template, or list it under exclude)"},
		{"a.yaml", "x: 1\na: b: {{ c }}\n", "a.yaml:2:1: YAML: mapping values are not allowed in this context (a template? render it first, e.g. helm template, or list it under exclude)"},
		{"a.yaml", "x: 1\ny: *foo\n", "a.yaml:2:4: YAML: unknown anchor (quote a text that begins with *)"},
		{"a.yaml", "x: 1\na:\n  - b\n  c: 1\n", "a.yaml:4:3: YAML: did not find expected '-' indicator"},
		{"a.yaml", "a: [\nb: 1\n", "a.yaml:2:1: YAML: did not find expected ',' or ']'"},
		{"a.yaml", "x: 1\na:\n\tb: 1\n", "a.yaml:3:2: YAML: found character that cannot start any token"},
		{"a.yaml", "a: b: c\n", "a.yaml:1:1: YAML: mapping values are not allowed in this context"},
		{"a.yaml", strings.Repeat("[", 60) + strings.Repeat("]", 60), "a.yaml:1:52: values are nested deeper than 50"},
		{"a.yaml", strings.Repeat("- x\n", 30_000), "a.yaml:20000:3: more values than a configuration has (each use of an alias counts): split the state, or list files under exclude"},
		{"a.yaml", strings.Repeat("\n", maxMarks+1), "a.yaml: the file may hold more than 3000000 values: split it"},

		{"a.json", "{\"a\": 1,\n \"a\": 2}", `a.json:2:2: the key "a" stands here twice, first at line 1`},
		{"a.json", "{\"a\": 1,\n  x}", "a.json:2:3: malformed JSON: want a value, a comma or a closing bracket"},
		{"a.json", "{\"a\": [1", "a.json:1:9: malformed JSON: want a value, a comma or a closing bracket"},
		{"a.json", "{\n  // why\n  \"a\": 1}", "a.json:2:3: malformed JSON: want a value, a comma or a closing bracket (JSON has no comments: take them out, or list the file under exclude)"},
		{"a.json", "{\"a\": 1 /* x */}", "a.json:1:9: malformed JSON: want a value, a comma or a closing bracket (JSON has no comments: take them out, or list the file under exclude)"},
		{"a.json", "# x\n{}", "a.json:1:1: malformed JSON: want a value, a comma or a closing bracket (JSON has no comments: take them out, or list the file under exclude)"},
		{"a.json", "{\"a\": [1,\n]}", "a.json:2:1: malformed JSON: want a value, a comma or a closing bracket (JSON has no comma behind the last value)"},
		{"a.json", "{\"a\": 1,\n}", "a.json:2:1: malformed JSON: want a value, a comma or a closing bracket (JSON has no comma behind the last value)"},
		{"a.json", "{'a': 1}", "a.json:1:2: malformed JSON: want a value, a comma or a closing bracket (JSON has double quotes alone)"},
		{"a.json", "{\"a\": {{ .x }}}", "a.json:1:8: malformed JSON: want a value, a comma or a closing bracket (a template? render it first, or list it under exclude)"},
		{"a.json", "a: 1\n", "a.json:1:1: malformed JSON: want a value, a comma or a closing bracket (is it JSON? its name says so)"},
		{"a.json", strings.Repeat("[", 60) + strings.Repeat("]", 60), "a.json:1:52: values are nested deeper than 50"},

		{".env", "A=1\nB=2\n A=3\n", `.env:3:2: the key "A" stands here twice, first at line 1`},
		{".env", "A=1\nB=\"x\nC=2\n", ".env:2:3: the quote is not closed"},
		{".env", "B='x' y\n", ".env:1:3: want nothing but a comment behind the closing quote"},
		{".env", "A=1\n=2\n", ".env:2:1: want KEY=value"},
		{".env", "A b=2\n", ".env:1:3: want = behind the key"},
		{".env", "hunter2\n", ".env:1:1: want KEY=value, got no ="},

		{"a.toml", "a = 1\na = 2\n", `a.toml:2:1: the key "a" stands here twice, first at line 1`},
		{"a.toml", "[a]\n[b]\n[a]\n", "a.toml:3:2: TOML: table a already exists"},
		{"a.toml", "a = 1\n[a.b]\n", `a.toml:2:2: the key "a" stands here twice, first at line 1`},
		{"a.toml", "a = hunter2\n", "a.toml:1:5: TOML: unexpected character U+0068 a text at start of value"},
		{"a.toml", "a = \"hunter2\n", "a.toml:1:13: TOML: basic strings cannot have new lines"},
		{"a.toml", "a = [" + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "]", "a.toml:1:1: values are nested deeper than 50"},

		{"a.properties", "a=1\n  a 2\n", `a.properties:2:3: the key "a" stands here twice, first at line 1`},
		{"a.properties", "a=\\u12", `a.properties:1:1: want four hexadecimal digits behind \u`},

		{"a.ini", "[a]\nb=1\n[c\n", "a.ini:3:1: the section's bracket is not closed"},
		{"a.ini", "[]\n", "a.ini:1:1: want a section's name in brackets, and nothing but a comment behind it"},
		{"a.ini", "[a] b\n", "a.ini:1:1: want a section's name in brackets, and nothing but a comment behind it"},
		{"a.ini", "a b\n", "a.ini:1:1: want KEY=value, [section] or a comment"},
		{"a.ini", "a=1\n[a]\n", `a.ini:2:1: the key "a" stands here twice, first at line 1`},

		{"a.tfvars", "a = 1\nb = [1,\n", "a.tfvars:3:1: HCL: missing expression"},
		{"a.tfvars", "a = 1\na = 2\n", "a.tfvars:2:1: HCL: attribute redefined"},
		{"a.tfvars", "a = {\n  b = 1\n  b = 2\n}\n", `a.tfvars:3:3: the key "b" stands here twice, first at line 2`},
		{"a.tfvars", "a = 1\nb {\n}\n", "a.tfvars:2:1: got a block, want NAME = value: only the values of variables are read"},
		{"a.tfvars", "a = " + strings.Repeat("[", 60) + strings.Repeat("]", 60), "a.tfvars:1:55: values are nested deeper than 50"},
		{"a.tfvars", strings.Repeat("#", maxHCL+1), "a.tfvars: the file has 1048577 bytes, want at most 1048576 of HCL"},
		{"a.tfvars", "a = <<E\n" + strings.Repeat("xxxxxxxxx\n", 20_000) + "E\n", "a.tfvars:14655:1: the text has too many lines: put it into a file of its own"},

		{"plan.json", `{"format_version": "2.0", "planned_values": {}}`, `plan.json:1:2: format_version: got "2.0", want 1.x of terraform show -json (Terraform 1.1 or newer, OpenTofu)`},
		{"plan.json", `{"format_version": "1.2", "planned_values": {}, "errored": true}`, "plan.json:1:49: the plan failed (errored: true), and its values are not complete: plan again"},
		{"plan.json", `{"format_version": "1.2", "resource_changes": [{"change": {"after": {}}}]}`, "plan.json:1:48: a resource without an address"},
		{"s.json", `{"version": 4, "terraform_version": "1.9", "serial": 1, "lineage": "x"}`,
			"s.json:1:1: a Terraform state file does not say what is sensitive: give the output of terraform show -json"},
		{"flags.json", `{"flags": [{"key": "a", "state": "ENABLED"},` + "\n" + ` {"key": "a", "state": "DISABLED"}]}`, `flags.json:2:3: the flag "a" stands here twice, first at line 1`},
		{"compose.yml", "services:\n  a:\n    environment:\n    - A=1\n    - A=2\n", `compose.yml:5:7: the key "A" stands here twice, first at line 4`},
		{"a.yaml", strings.Repeat("apiVersion: v1\nkind: List\nitems:\n- ", 1) + nestedLists(12), "a.yaml:4:373: lists of objects are nested deeper than 10"},
	} {
		_, err := parse(c.file, c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.60q: got  %v\nwant %s", c.text, err, c.want)
		}
	}
}

func nestedLists(n int) string {
	return strings.Repeat("{apiVersion: v1, kind: List, items: [", n) + strings.Repeat("]}", n)
}

// A file whose name promises nothing and whose content is of no format is left to the caller.
func TestUnknown(t *testing.T) {
	for name, text := range map[string]string{"nginx.conf": "server {\n}\n", "a.cfg": "some words\n", "b.config": "<a/>"} {
		if _, err := parse(name, text); !errors.Is(err, ErrUnknown) || err.Error() != name+": no configuration format that is known: neither [sections] nor KEY=value" {
			t.Errorf("%s: got %v, want that it is unknown", name, err)
		}
	}
}

// An error that quotes the file must not quote a secret.
func TestErrorsHideValues(t *testing.T) {
	for name, text := range map[string]string{
		"a.yaml": "password: *hunter2\n", "b.yaml": "password: %hunter2\n", "c.yaml": "password: !<hunter2\n", "d.yaml": "password: \"\\hunter2\"\n",
		"e.yaml": "password: @hunter2\n", "f.yaml": "password: hunter2: x\n", "g.env": "hunter2 hunter2\n", "h.env": "PASSWORD='hunter2\n", "i.env": "hunter2",
		"j.json": `{"password": hunter2}`, "k.yaml": "password: !hunter2!x y\n", "l.yaml": "password: [hunter2\n  b: c\n", "m.toml": "password = hunter2\n",
		"n.toml": "password = \"hunter2\n", "o.toml": "password = \"\\hunter2\"\n", "p.toml": "password = 2026-hunter2\n", "q.toml": "hunter2\n", "r.ini": "hunter2 hunter2\n",
		"s.ini": "[hunter2\n", "t.tfvars": "password = \"hunter2\n", "u.tfvars": "password = \"\\hunter2\"\n", "v.tfvars": "hunter2\n", "w.tfvars": "password = \"%{hunter2}\"\n",
		"x.properties": "password=\\uhunter2\n", "y.tfvars": "password = hunter2 hunter2\n", "z.conf": "hunter2\n",
	} {
		_, err := parse(name, text)
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: got %v, want an error without the value", name, err)
		}
	}
}
