package format

import "testing"

// What a dialect makes of a document can be compared, whatever is in it.
func FuzzDialect(f *testing.F) {
	for _, s := range []string{
		describedTask, registeredTask,
		`{"format_version": "1.0", "resource_changes": [{"address": "a", "change": {"after": {"a": [1]}, "after_sensitive": {"a": [true]}, "after_unknown": {"a": [true], "b": true}}}]}`,
		`{"format_version": "1.0", "terraform_version": "1", "values": {"outputs": {"o": {"value": 1}}, "root_module": {"child_modules": [{"resources": [{"values": {}}]}]}}}`,
		`{"format_version": "1.0", "planned_values": null, "variables": {"a": {"value": [1]}}, "output_changes": {"a": {"after_unknown": true}}}`,
		`{"flags": [{"key": "a", "state": 1, "targeting": null}], "$schema": 1}`,
		`{"services": {"a": {"image": "x", "ports": [[], "1:2"], "volumes": [{}], "labels": {"a": []}}}}`,
		`{"containerDefinitions": [{"name": "a", "cpu": [], "portMappings": [null, {"containerPort": {}}], "environment": {}}], "taskDefinition": 1}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzed(t, "f.json", s) })
}
