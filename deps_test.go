package main

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/bakegate/bakegate/internal/"

// pure packages import the standard library, and each other. A judgement that did I/O could not be replayed from the journal.
var pure = []string{"judge", "release", "verdict", "cause", "clean", "lazyregexp"}

// stages are called by the flow, in its order; none knows another.
var stages = map[string][]string{ // stage -> its own folders
	"preflight": nil,
	"verify":    {"verify/artifact", "verify/built", "verify/deployed", "verify/signed"},
	"diff":      {"diff/source", "diff/format", "diff/policy"},
	"mark":      {"mark/sink"},
	"bake":      {"bake/metric"},
}

func TestDependencyRule(t *testing.T) {
	imports := importsOf(t)
	for _, p := range pure {
		for _, i := range imports[p] {
			if !contains(pure, i) { // another package of ours, or a module
				t.Errorf("%s is pure and imports %s", p, i)
			}
		}
	}
	shared := append([]string{"httpx", "registry", "kube", "cloud", "cloud/aws", "cloud/google", "files", "command"}, pure...)
	for stage, own := range stages {
		for _, dir := range append([]string{stage}, own...) {
			for _, i := range imports[dir] {
				if isOurs(imports, i) && !contains(shared, i) && i != stage && !contains(own, i) {
					t.Errorf("%s is part of the stage %s and imports %s", dir, stage, i)
				}
			}
		}
	}
	if contains(imports["diff"], "diff/source") {
		t.Error("diff is pure and imports its sources")
	}
	if contains(imports["diff"], "diff/format") {
		t.Error("diff is pure and imports its formats")
	}
}

// Only verify/signed imports cosign: the rest of the house must not depend on how signatures are checked.
func TestOnlyVerifyImportsCosign(t *testing.T) {
	out := list(t, "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}")
	for _, line := range out {
		pkg, rest, _ := strings.Cut(line, " ")
		if strings.Contains(rest, "sigstore/") && !strings.HasPrefix(pkg, module+"verify/signed") {
			t.Errorf("%s imports sigstore", pkg)
		}
	}
}

// importsOf lists, for each of our packages, what it imports by itself: our packages by their folder, others with a "!" in front unless
// they are of the standard library.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, line := range list(t, "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}") {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		all[name] = nil
		for _, i := range fields[1:] {
			switch {
			case strings.HasPrefix(i, module):
				all[name] = append(all[name], strings.TrimPrefix(i, module))
			case strings.Contains(strings.SplitN(i, "/", 2)[0], ".") && !strings.HasPrefix(i, "gonum.org/"): // pure mathematics is allowed
				all[name] = append(all[name], "!"+i)
			}
		}
	}
	return all
}

func list(t *testing.T, format string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", format, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func isOurs(all map[string][]string, i string) bool { _, ok := all[i]; return ok }

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
