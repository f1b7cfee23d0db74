package signed

import (
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"testing"
)

const (
	shaA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	shaB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// Provenance as the builders write it, and as a forger might.
func TestParseProvenance(t *testing.T) {
	for _, tt := range []struct {
		name, kind, text string
		want             provenance
		err              string
	}{
		{"GitHub", slsaV1, provenance1, provenance{builder: "https://github.com/acme/app/.github/workflows/build.yml@refs/tags/v1", source: "https://github.com/acme/app",
			ref: "refs/tags/v1", commits: []string{shaA}, workflow: ".github/workflows/build.yml"}, ""},
		{"slsa-github-generator", slsaV0, `{"builder":{"id":"https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v2.0.0"},
			"buildType":"https://github.com/slsa-framework/slsa-github-generator/container@v1",
			"invocation":{"configSource":{"uri":"git+https://github.com/acme/app@refs/tags/v1","digest":{"sha1":"` + shaA + `"},"entryPoint":".github/workflows/release.yml"}},
			"materials":[{"uri":"git+https://github.com/acme/app@refs/tags/v1","digest":{"sha1":"` + shaA + `"}}]}`,
			provenance{builder: "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v2.0.0",
				source: "git+https://github.com/acme/app", ref: "refs/tags/v1", commits: []string{shaA}, workflow: ".github/workflows/release.yml"}, ""},
		{"Tekton Chains, v0.2", slsaV0, `{"builder":{"id":"https://tekton.dev/chains/v2"},"invocation":{"configSource":{},"parameters":{}},
			"materials":[{"uri":"oci://gcr.io/base","digest":{"sha256":"` + strings.Repeat("c", 64) + `"}},{"uri":"git+https://github.com/acme/app.git","digest":{"sha1":"` + shaA + `"}}]}`,
			provenance{builder: "https://tekton.dev/chains/v2", source: "git+https://github.com/acme/app.git", commits: []string{shaA}}, ""},
		{"Tekton Chains, v1", slsaV1, `{"buildDefinition":{"buildType":"https://tekton.dev/chains/v2/slsa","externalParameters":{"runSpec":{}},
			"resolvedDependencies":[{"name":"inputs/result","uri":"git+https://github.com/acme/app.git","digest":{"sha1":"` + shaA + `"}},{"uri":"oci://gcr.io/base","digest":{"sha256":"x"}}]},
			"runDetails":{"builder":{"id":"https://tekton.dev/chains/v2"}}}`,
			provenance{builder: "https://tekton.dev/chains/v2", source: "git+https://github.com/acme/app.git", commits: []string{shaA}}, ""},
		{"GitLab's runner", slsaV1, `{"buildDefinition":{"buildType":"https://gitlab.com/gitlab-org/gitlab-runner/-/blob/v17/PROVENANCE.md",
			"externalParameters":{"entryPoint":"build","source":"https://gitlab.com/acme/app","variables":{}},
			"resolvedDependencies":[{"uri":"https://gitlab.com/acme/app","digest":{"sha256":"` + shaA + `"}}]},"runDetails":{"builder":{"id":"https://gitlab.com/acme/app/-/runners/1"}}}`,
			provenance{builder: "https://gitlab.com/acme/app/-/runners/1", source: "https://gitlab.com/acme/app", commits: []string{shaA}, workflow: "build"}, ""},
		{"BuildKit", slsaV1, `{"buildDefinition":{"externalParameters":{"configSource":{"uri":"https://github.com/acme/app.git#refs/heads/main","digest":{"sha1":"` + shaA + `"},"path":"Dockerfile"}}},
			"runDetails":{"builder":{"id":""}}}`, provenance{source: "https://github.com/acme/app.git#refs/heads/main", commits: []string{shaA}, workflow: "Dockerfile"}, ""},
		{"the source and its submodule", slsaV1, `{"buildDefinition":{"externalParameters":{"source":{"uri":"git+https://github.com/acme/app@refs/heads/main","digest":{"gitCommit":"` + shaA + `"}}},
			"resolvedDependencies":[{"uri":"git+https://github.com/evil/sub","digest":{"gitCommit":"` + shaB + `"}}]}}`,
			provenance{source: "git+https://github.com/acme/app", ref: "refs/heads/main", commits: []string{shaA}}, ""},
		{"two sources and no word on which", slsaV1, `{"buildDefinition":{"resolvedDependencies":[{"uri":"git+https://github.com/evil/app","digest":{"gitCommit":"` + shaB + `"}},
			{"uri":"git+https://github.com/acme/app","digest":{"gitCommit":"` + shaA + `"}}]}}`, provenance{}, "names 2 source repositories"},
		{"two commits of the source", slsaV1, `{"buildDefinition":{"externalParameters":{"workflow":{"repository":"https://github.com/acme/app"}},
			"resolvedDependencies":[{"uri":"git+https://github.com/acme/app","digest":{"gitCommit":"` + shaA + `"}},{"uri":"git+https://github.com/acme/app.git","digest":{"gitCommit":"` + shaB + `"}}]}}`,
			provenance{source: "https://github.com/acme/app", commits: []string{shaA, shaB}}, ""},
		{"keys in other case", slsaV1, `{"BuildDefinition":{"externalParameters":{"workflow":{"repository":"https://github.com/acme/app"}}},"runDetails":{"Builder":{"id":"x"}}}`, provenance{}, ""},
		{"values of other kinds", slsaV1, `{"buildDefinition":{"externalParameters":{"workflow":["x"],"source":7},"resolvedDependencies":{"uri":"x"}},"runDetails":{"builder":{"id":{}}}}`, provenance{}, ""},
		{"null", slsaV1, `null`, provenance{}, "no JSON object"},
		{"empty", slsaV0, ``, provenance{}, "is damaged"},
		{"a list", slsaV0, `[]`, provenance{}, "no JSON object"},
		{"another type", "https://slsa.dev/provenance/v0.1", `{}`, provenance{}, "it is no SLSA provenance"},
	} {
		got, err := parseProvenance(tt.kind, []byte(tt.text))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", tt.name, err, got, tt.want)
		}
	}
}

func TestNormalRepository(t *testing.T) {
	same := []string{"https://github.com/acme/app", "https://github.com/acme/app.git", "https://github.com/acme/app/", "https://GitHub.com/Acme/App", "git+https://github.com/acme/app",
		"git@github.com:acme/app.git", "git@github.com:acme/app", "ssh://git@github.com/acme/app.git", "git+ssh://git@github.com:22/acme/app", "https://github.com:443/acme/app",
		"https://user:password@github.com/acme/app", " https://github.com/acme/app "}
	for _, s := range same {
		if got := normalRepository(s); got != "github.com/acme/app" {
			t.Errorf("%q is %q", s, got)
		}
	}
	for s, want := range map[string]string{
		"http://github.com/acme/app": "http://github.com/acme/app", "git://github.com/acme/app": "git://github.com/acme/app", "https://git.acme.example:8443/Team/App": "git.acme.example:8443/Team/App",
		"acme/app": "", "github.com/acme/app": "", "": "", "https://github.com": "", "https://github.com/": "", "https://github.com/acme/../evil/app": "", "https://github.com//acme/app": "",
		"https://github.com/acme/app?x=1": "", "https://github.com/acme/app#x": "", "file:///acme/app": "", "https://github.com/acme%2fapp": "", "javascript://github.com/acme/app": "",
		"https://github.com.evil.example/acme/app": "github.com.evil.example/acme/app", "https://github.com@evil.example/acme/app": "evil.example/acme/app"} {
		if got := normalRepository(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
	for uri, want := range map[string][2]string{
		"git+https://github.com/acme/app@refs/heads/main":   {"git+https://github.com/acme/app", "refs/heads/main"},
		"git+https://github.com/acme/app@refs/tags/lib@1.2": {"git+https://github.com/acme/app", "refs/tags/lib@1.2"},
		"git+ssh://git@github.com/acme/app@refs/heads/main": {"git+ssh://git@github.com/acme/app", "refs/heads/main"},
		"https://github.com/acme/app":                       {"https://github.com/acme/app", ""},
		"git@github.com:acme/app.git":                       {"git@github.com:acme/app.git", ""},
		"":                                                  {"", ""},
		"https://github.com":                                {"https://github.com", ""},
	} {
		if repo, ref := splitSource(uri); repo != want[0] || ref != want[1] {
			t.Errorf("%q is %q at %q, want %q at %q", uri, repo, ref, want[0], want[1])
		}
	}
}

// What comes out names a host and a path without detours, and stays what it is.
func FuzzNormalRepository(f *testing.F) {
	for _, s := range []string{"https://github.com/acme/app", "git@github.com:acme/app.git", "ssh://git@h:22/x", "https://h/a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := normalRepository(s)
		if n == "" {
			return
		}
		bare := strings.TrimPrefix(strings.TrimPrefix(n, "http://"), "git://")
		host, rest, _ := strings.Cut(bare, "/")
		if host == "" || rest == "" || path.Clean("/"+rest) != "/"+rest || strings.Contains(host, "@") {
			t.Errorf("%q is %q", s, n)
		}
	})
}

// Whatever a predicate says, what comes out of it was in it, and nothing panics.
func FuzzProvenance(f *testing.F) {
	f.Add(slsaV1, provenance1)
	f.Add(slsaV0, `{"builder":{"id":"x"},"materials":[{"uri":"git+https://github.com/acme/app","digest":{"sha1":"`+shaA+`"}}]}`)
	f.Add(slsaV1, `{"buildDefinition":{"resolvedDependencies":[null,7,{}]}}`)
	f.Fuzz(func(t *testing.T, kind, text string) {
		p, err := parseProvenance(kind, []byte(text))
		if err != nil {
			return
		}
		for _, c := range p.commits {
			if !commitForm.MatchString(c) {
				t.Errorf("%q is no commit", c)
			}
		}
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("took what is no JSON: %v", err)
		}
		_ = wantedProvenance{Provenance{Builder: "b", Source: "https://h/p", Ref: "refs/x", Commit: shaA, Workflow: "w"}}.compare(p)
	})
}
