package format

import "testing"

func TestTerraform(t *testing.T) {
	reads{
		{"a plan", "plan.json", `{"format_version": "1.2", "terraform_version": "1.9", "variables": {"db_password": {"value": "hunter"}, "region": {"value": "eu"}, "odd": {"value": "x"}},
 "resource_changes": [
  {"address": "aws_db.main", "mode": "managed", "change": {"before": {"size": 1},
    "after": {"size": 2, "content": "s3cret", "tags": {"a": "b"}, "net": [{"x": 1}], "policy": "{\"Version\": \"1\"}"},
    "after_unknown": {"id": true, "net": [{"ip": true}]}, "after_sensitive": {"content": true, "tags": {"a": true}, "net": [{}]}}},
  {"address": "gone.x", "mode": "managed", "change": {"before": {"a": 1}, "after": null, "after_unknown": {}, "after_sensitive": false}},
  {"address": "aws_db.main", "mode": "managed", "deposed": "ab", "change": {"before": {"a": 1}, "after": {"a": 1}}},
  {"address": "data.x.y", "mode": "data", "change": {"after": {"a": 1}}},
  {"address": "all.secret[\"a\"]", "mode": "managed", "change": {"after": {"a": {"b": 1}}, "after_sensitive": true, "after_unknown": false}}
 ],
 "output_changes": {"o": {"before": null, "after_unknown": true, "after_sensitive": false}, "p": {"after": "x", "after_unknown": false, "after_sensitive": true}},
 "configuration": {"root_module": {"variables": {"region": {}, "db_password": {"sensitive": true}}}}}`, `
/plan.json terraform
outputs.o="known after apply" unknown 11:21
outputs.p=x string secret 11:99
resources.all.secret["a"] secret
resources.all.secret["a"].a.b=1 number 9:82
resources.aws_db.main.content=s3cret string secret 4:26
resources.aws_db.main.id="known after apply" unknown 4:5
resources.aws_db.main.net[0].ip="known after apply" unknown 4:75
resources.aws_db.main.net[0].x=1 number 4:76
resources.aws_db.main.policy="{\"Version\": \"1\"}" string 4:86
resources.aws_db.main.policy#json.Version=1 string 4:96
resources.aws_db.main.size=2 number 4:15
resources.aws_db.main.tags.a=b string secret 4:56
variables.db_password=hunter string secret 1:69
variables.odd=x string secret 1:132
variables.region=eu string 1:105`},
		{"a state", "state.json", `{"format_version": "1.0", "terraform_version": "1.9", "values": {"outputs": {"o": {"sensitive": true, "value": "x"}}, "root_module": {
 "resources": [{"address": "a.b", "mode": "managed", "values": {"k": 1, "s": "t"}, "sensitive_values": {"s": true}}, {"address": "data.a.b", "mode": "data", "values": {"k": 1}}],
 "child_modules": [{"address": "module.m", "resources": [{"address": "module.m.a.b", "mode": "managed", "values": {"k": 2}}]}]}}}`, `
/state.json terraform
outputs.o=x string secret 1:103
resources.a.b.k=1 number 2:65
resources.a.b.s=t string secret 2:73
resources.module.m.a.b.k=2 number 3:116`},
		{"a plan without changes", "plan.json", `{"format_version": "1.2", "planned_values": {"root_module": {"resources": [{"address": "a.b", "values": {"k": 1}}]}}}`, `
/plan.json terraform
resources.a.b.k=1 number 1:106`},
	}.run(t)
}
