package format

import (
	"strings"
	"testing"
)

func TestHCL(t *testing.T) {
	reads{
		{"everything", "rds.tfvars", `# c
a = 1280
neg = -5
calc = 60 * 60 + 1
big = 1e400000000
large = 2 * 1e400000000
zero = 1 / 0
f = 1.50
s = "x"
t = true
n = null
interp = "a-${var.x}-b"
fn = join(",", ["a"])
ref = var.foo
m = {
  a = 1, "b c" = 2
  3 = "three"
  (var.k) = "v"
  nested = { x = [1, 2, {y = "z"},] }
}
h = <<EOT
line1
  line2
EOT
pol = <<-EOT
    {
      "Version": "x",
      "Statement": [ {"a": 1} ]
    }
  EOT
cond = true ? 1 : 2
p = (5)
`, `
/rds.tfvars hcl
a=1280 number 2:1
big=1e400000000 number 5:1
calc=3601 number 4:1
cond="true ? 1 : 2" expression 31:1
f=1.50 number 8:1
fn="join(\",\", [\"a\"])" expression 13:1
h="line1\n  line2\n" string 21:1
interp="a-${var.x}-b" expression 12:1
large="2 * 1e400000000" expression 6:1
m.(var.k)=v string 18:3
m.3=three string 17:3
m.a=1 number 16:3
m.b c=2 number 16:10
m.nested.x[0]=1 number 19:19
m.nested.x[1]=2 number 19:22
m.nested.x[2].y=z string 19:26
n= null 11:1
neg=-5 number 3:1
p=5 number 32:1
pol="{\n  \"Version\": \"x\",\n  \"Statement\": [ {\"a\": 1} ]\n}\n" string 25:1
pol#json.Statement[0].a=1 number 28:23
pol#json.Version=x string 27:7
ref=var.foo expression 14:1
s=x string 9:1
t=true bool 10:1
zero="1 / 0" expression 7:1`},
		{"Windows", "a.tfvars", "a = \"x\"\r\nb = [\r\n  1,\r\n]\r\n", "/a.tfvars hcl\na=x string 1:1\nb[0]=1 number 3:3"},
	}.run(t)
}

// The parser has no bound of its own, and what it does with a deep file ends the process.
func TestHCLDeep(t *testing.T) {
	for _, text := range []string{
		"a = " + strings.Repeat("[", 20_000), "a = " + strings.Repeat("(", 20_000), "a = " + strings.Repeat("-", 20_000), "a = " + strings.Repeat("!", 20_000),
		strings.Repeat("a={", 20_000), "a = " + strings.Repeat("\"${", 20_000), "a = (" + strings.Repeat("b\n? c :\n", 20_000), "a = " + strings.Repeat("b?", 20_000),
		"a = \"" + strings.Repeat("%{if b}", 20_000), "a = " + strings.Repeat("b(", 20_000), "a = " + strings.Repeat("[for b in ", 20_000), strings.Repeat("b {\n", 20_000),
		"a = b" + strings.Repeat(".c", 20_000), "a = b" + strings.Repeat("[0]", 20_000), "a = b" + strings.Repeat("[*]", 20_000), "a = b" + strings.Repeat(".*", 20_000),
	} {
		if _, err := parse("a.tfvars", text); err == nil || !strings.Contains(err.Error(), "expressions are nested deeper than 1000") {
			t.Errorf("%.20s...: got %v, want that it is nested too deep", text, err)
		}
	}
	for _, text := range []string{
		"a = 1" + strings.Repeat("+1", 20_000), "a = [" + strings.Repeat("-1,\n", 20_000) + "]", strings.Repeat("# [[[[(((\n", 20_000), "a = \"" + strings.Repeat("[-", 20_000) + "\"",
		strings.Repeat("- a = !b\n", 5_000), "a = {\n" + strings.Repeat("b = -c.d[0]\n", 5_000) + "}",
	} {
		if _, err := parse("a.tfvars", text); err != nil && strings.Contains(err.Error(), "deeper than 1000") {
			t.Errorf("%.20s...: got %v, want none that says it is deep", text, err)
		}
	}
}

func FuzzHCL(f *testing.F) {
	for _, s := range []string{"a = 1", "a = {b = [1, \"${c}\"]}", "a = <<E\nx\nE\n", "a = -(1 + 2) * 3 % 0", "b {}\n", "a = \"\\u00e9\"", "a = [for x in y: x]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzed(t, "f.tfvars", s) })
}
