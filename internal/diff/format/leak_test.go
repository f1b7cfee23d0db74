package format_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bakegate/bakegate/internal/diff"
	"github.com/bakegate/bakegate/internal/diff/format"
)

// Each is a file that holds $S, a secret that nothing but its place gives away.
var secretPlaces = map[string]string{
	"a.toml":         "[db]\npassword = \"$S\"\n[[users]]\nname = \"x\"\napi_key = '$S'\n",
	"a.properties":   "spring.datasource.password=$S\n",
	"a.ini":          "[db]\npassword = $S\n",
	"a.tfvars":       "db_password = \"$S\"\ntokens = { a = \"$S\" }\nurl = \"https://u:$S@${var.host}/x\"\n",
	"compose.yml":    "services: {web: {environment: [DB_PASSWORD=$S], build: {args: [API_TOKEN=$S]}}}\n",
	"td.json":        `{"containerDefinitions": [{"name": "a", "environment": [{"name": "DB_PASSWORD", "value": "$S"}]}]}`,
	"plan.json":      `{"format_version": "1.2", "resource_changes": [{"address": "a.b", "change": {"after": {"x": "$S", "y": {"z": ["$S"]}, "w": [["$S"]]}, "after_sensitive": {"x": true, "y": true, "w": [[true]]}}}], "variables": {"v": {"value": "$S"}}}`,
	"state.json":     `{"format_version": "1.0", "terraform_version": "1", "values": {"outputs": {"o": {"sensitive": true, "value": "$S"}}, "root_module": {"resources": [{"address": "a.b", "values": {"x": "$S"}, "sensitive_values": {"x": true}}]}}}`,
	"embedded.yaml":  "data:\n  a.json: '{\"db\": {\"password\": \"$S\"}}'\n  b.toml: |\n    [db]\n    password = \"$S\"\n  c.env: |\n    A=1\n    DB_PASSWORD=$S\n  d.ini: |\n    [db]\n    password = $S\n",
	"embedded2.yaml": "data:\n  a.json: '{\"db\": \"{\\\"password\\\": \\\"$S\\\"}\"}'\n",
	"embedded3.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  a.json: '{\"db\": {\"host\": \"$S\"}}'\n",
	"policy.json":    `{"format_version": "1.2", "resource_changes": [{"address": "a.b", "change": {"after": {"x": "{\"a\": \"$S\"}"}, "after_sensitive": {"x": true}}}]}`,
}

func TestSecretsStayHidden(t *testing.T) {
	for name, text := range secretPlaces {
		read := func(secret string) diff.Tree {
			objects, err := format.Parse(format.File{Name: name, Object: name, Data: []byte(strings.ReplaceAll(text, "$S", secret))}, format.NewBudget(1000, 50))
			if err != nil {
				t.Fatal(err)
			}
			return diff.Tree{Name: "x", Objects: objects}
		}
		other := diff.Tree{Name: "y", Objects: []diff.Object{{Name: name, Root: &diff.Node{IsMap: true, Fields: map[string]*diff.Node{}}}}}
		a, b := read("hunter-Two.77"), read("hunter-Six.99")
		rules := diff.Rules{Forbid: []diff.Forbid{{Path: "**", Reason: "no"}}, Expect: []diff.Expect{{Path: "nothing", Reason: "x"}}}
		for i, states := range [][2]diff.Tree{{a, b}, {a, other}, {other, b}} {
			r := diff.Options{Rules: rules, Today: time.Now()}.Compare(states[0], states[1])
			js, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Changes) == 0 {
				t.Errorf("%s %d: no difference is found", name, i)
			}
			if s := string(js) + fmt.Sprintf("%+v", r); strings.Contains(s, "hunter") || strings.Contains(s, "Two.77") || strings.Contains(s, "Six.99") {
				t.Errorf("%s %d: the secret is in %s", name, i, s)
			}
		}
	}
}
