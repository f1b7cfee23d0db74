package signed

import (
	"slices"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/signed/forge"
)

// What the provenance must say, compared with the configuration and with the release.
func TestProvenance(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	forge.Refer(t, w, d, k.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1)))
	for _, tt := range []struct {
		name string
		p    Provenance
		r    release.Release
		want verdict.Outcome
		says string
	}{
		{"all of it", Provenance{Builder: "https://github.com/acme/app/.github/workflows/build.yml@refs/tags/v1", Source: "https://github.com/acme/app", Ref: "refs/tags/v1",
			Commit: commit, Workflow: ".github/workflows/build.yml"}, thisRelease, verdict.Pass, "from https://github.com/acme/app at refs/tags/v1 commit " + commit},
		{"of the release", Provenance{Source: "release", Ref: "release", Commit: "release"}, thisRelease, verdict.Pass, "commit " + commit},
		{"each version of a builder", Provenance{Builder: "https://github.com/acme/app/.github/workflows/build.yml"}, thisRelease, verdict.Pass, ""},
		{"source by ssh", Provenance{Source: "git@github.com:Acme/App.git"}, thisRelease, verdict.Pass, ""},
		{"other builder", Provenance{Builder: "https://github.com/acme/app"}, thisRelease, verdict.Fail, "builder: got https://github.com/acme/app/.github/workflows/build.yml@refs/tags/v1, want https://github.com/acme/app"},
		{"other source", Provenance{Source: "https://github.com/acme/app2"}, thisRelease, verdict.Fail, "source: got https://github.com/acme/app, want https://github.com/acme/app2"},
		{"other host", Provenance{Source: "https://github.acme.example/acme/app"}, thisRelease, verdict.Fail, "source: got"},
		{"other ref", Provenance{Ref: "refs/heads/main"}, thisRelease, verdict.Fail, "ref: got refs/tags/v1, want refs/heads/main"},
		{"other commit", Provenance{Commit: strings.Repeat("b", 40)}, thisRelease, verdict.Fail, "commit: got " + commit},
		{"other workflow", Provenance{Workflow: ".github/workflows/test.yml"}, thisRelease, verdict.Fail, "workflow: got .github/workflows/build.yml"},
		{"several differences", Provenance{Ref: "refs/heads/main", Commit: strings.Repeat("b", 40)}, thisRelease, verdict.Fail, "ref: got refs/tags/v1, want refs/heads/main; commit: got"},
		{"the release is another commit", Provenance{Commit: "release"}, release.Release{Commit: strings.Repeat("c", 40)}, verdict.Fail, "want cccc"},
		{"GitLab tells a tag by its name", Provenance{Ref: "release"}, release.Release{Ref: "v1"}, verdict.Pass, ""},
		{"the release's commit is not known", Provenance{Commit: "release", Ref: "release"}, release.Release{}, verdict.Unknown, "the commit and ref of this deploy is not known"},
		{"the release's host is not known", Provenance{Source: "release"}, release.Release{Repository: "acme/app"}, verdict.Unknown, "the source repository of this deploy is not known"},
		{"the run is of another repository", Provenance{Source: "release"}, release.Release{Repository: "acme/app", Run: release.Run{URL: "https://evil.example/acme/app2/x"}}, verdict.Unknown, "not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := attestationsOf(t, byKey(k), Attestation{Type: "slsa-provenance", Provenance: &tt.p})
			fs, err := a.Verify(t.Context(), client(), subjectOf(t, w, d), tt.r)
			must(t, err)
			expect(t, fs[0], err, tt.want, tt.says)
			if tt.want == verdict.Fail && fs[0].Reason != reasonProvenance {
				t.Errorf("reason %q", fs[0].Reason)
			}
			if tt.want == verdict.Fail && !slices.ContainsFunc(fs[0].Evidence, func(e verdict.Evidence) bool { return e.Got != "" && e.Want != "" && strings.Contains(e.What, ", ") }) {
				t.Errorf("no evidence of the difference: %+v", fs[0].Evidence)
			}
		})
	}
}

// A bundle of another build beside the right one: at least one good is needed, both are told.
func TestTwoProvenances(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	forge.Refer(t, w, d, k.Bundle(t, forge.Attest(d, forge.SLSAType, strings.ReplaceAll(provenance1, commit, strings.Repeat("b", 40)))))
	a := attestationsOf(t, byKey(k), Attestation{Type: "slsa-provenance", Provenance: &Provenance{Commit: "release"}})
	f, err := verifyOne(t, a, w, d)
	expect(t, f, err, verdict.Fail, "it says otherwise than it must")
	forge.Refer(t, w, d, k.Bundle(t, forge.Attest(d, forge.SLSAType, provenance1)))
	f, err = verifyOne(t, a, w, d)
	expect(t, f, err, verdict.Pass, "2 were found")
}

func TestConditions(t *testing.T) {
	k := forge.NewKey(t)
	w, d := image(t)
	forge.Refer(t, w, d, k.Bundle(t, forge.Attest(d, "https://example.com/scan", `{"critical":0,"score":6.5,"found":["CVE-1","CVE-2"],"scanner":{"name":"grype"},"commit":"`+commit+`"}`)))
	for _, tt := range []struct {
		check string
		want  verdict.Outcome
		says  string
	}{
		{"predicate.critical == 0", verdict.Pass, "has attestation https://example.com/scan"},
		{"predicate.score < 7", verdict.Pass, ""},
		{"predicate.score < 7 && !predicate.found.exists(f, f == 'CVE-3')", verdict.Pass, ""},
		{"predicate.commit == release.commit && release.service == 'checkout'", verdict.Pass, ""},
		{"subject.exists(s, s.digest.sha256.size() == 64)", verdict.Pass, ""},
		{"predicateType == 'https://example.com/scan'", verdict.Pass, ""},
		{"has(predicate.missing) || predicate.scanner.name.matches('^gr')", verdict.Pass, ""},
		{"predicate.critical > 0", verdict.Fail, "is false"},
		{"predicate.missing == 0", verdict.Fail, "can't be evaluated: no such key: missing"},
		{"predicate.found[7] == 'x'", verdict.Fail, "can't be evaluated"},
		{"predicate.scanner.name", verdict.Fail, "gives string, want true or false"},
		{"predicate.critical", verdict.Fail, "want true or false"},
		{"predicate.scanner", verdict.Fail, "want true or false"},
		{"release.nobody == ''", verdict.Fail, "can't be evaluated"},
		{"[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, [1,2,3,4,5,6,7,8,9].all(f, [1,2,3,4,5,6,7,8,9].all(g, g > 0)))))))",
			verdict.Fail, "cost limit exceeded"},
	} {
		f, err := verifyOne(t, attestationsOf(t, byKey(k), Attestation{Type: "https://example.com/scan", Condition: tt.check}), w, d)
		expect(t, f, err, tt.want, tt.says)
	}
}
