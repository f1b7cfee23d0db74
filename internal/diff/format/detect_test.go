package format

import "testing"

// The content says more than the name.
func TestDetect(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"a.yaml", "a: 1", "yaml"},
		{"a.yml", "# c\nA=1\nexport B=2\n", "dotenv"},
		{"a.yml", "A=1\nb: 2\n", ""},
		{"a.yaml", `{"a": 1}`, "json"},
		{"a.yaml", "{a: 1}", "yaml"},
		{".env", `{"a": 1}`, "json"},
		{".env.production", "A=1", "dotenv"},
		{"prod.env", "A: \"b\"\n", "dotenv"},
		{"a.conf", "[a]\nb = c d\n", "ini"},
		{"a.conf", "[a]\nb = 1\n", "toml"},
		{"a.conf", "A=1\n", "dotenv"},
		{"a.conf", "a.b = c\n", "properties"},
		{"a.cfg", `{"a": [1]}`, "json"},
		{"terraform.tfvars", "a = 1", "hcl"},
		{"a.auto.tfvars.json", "{}", "json"},
		{"application.properties", "a: b", "properties"},
		{"php.ini", "a = 1", "ini"},
		{"Cargo.toml", "[a]", "toml"},
		{"prod", "# x\nA=1\n", "dotenv"},
		{"prod", "a: 1\n", "yaml"},
		{"prod", "[1, 2]", "json"},
		{"prod", "[a]\nb = 'c'\n", "toml"},
		{"prod", "[a]\nb = c\n", "ini"},
		{"prod", "; x\n[a]\nb = c\n", "ini"},
		{"prod", "a.b = \"c\"\n", "toml"},
		{"prod", "a = {\n  b = [1]\n  c = 2\n}\n", "hcl"},
		{"prod", "a.b = c d\n", "properties"},
		{"prod", "{\"a\": 1,}", ""},
		{"services", "services: {web: {image: x}}", "compose"},
		{"x.yaml", "flags: {a: {state: ENABLED}}", "flagd"},
		{"x.yaml", "containerDefinitions: [{name: a}]", "ecs"},
		{"x.yaml", "{apiVersion: v1, kind: X, flags: {a: {state: ENABLED}}}", "yaml"},
	} {
		got := ""
		if objects, err := parse(c.file, c.text); err == nil {
			got = objects[0].Root.Format
		}
		if got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.file, c.text, got, c.want)
		}
	}
	for name, want := range map[string]bool{
		"a.yaml": true, "d/A.YML": true, ".env": true, ".env.staging": true, "x/prod.env": true, "a.json": true, "a.toml": true, "a.tfvars": true, "a.properties": true,
		"a.ini": true, "a.conf": true, "README.md": false, "env": false, "yaml": false, ".gitkeep": false, "a.yaml.bak": false, "main.tf": false,
	} {
		if Known(name) != want {
			t.Errorf("Known(%s) is %v, want %v", name, !want, want)
		}
	}
}
