package signed

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/release"
)

// ofRelease stands in a Provenance for the value of the release that is being deployed.
const ofRelease = "release"

func (p *Provenance) check(at report) {
	if *p == (Provenance{}) {
		at("provenance", "it asks for nothing, want one of builder, source, ref, commit, workflow")
	}
	if s := p.Source; s != "" && s != ofRelease && normalRepository(s) == "" {
		at("provenance.source", "got %q, want the address of a repository, https://HOST/OWNER/NAME, or release", clean.Cut(s, 200))
	}
	if r := p.Ref; r != "" && r != ofRelease && !strings.HasPrefix(r, "refs/") {
		at("provenance.ref", "got %q, want refs/heads/BRANCH, refs/tags/TAG or release", clean.Cut(r, 200))
	}
	if c := p.Commit; c != "" && c != ofRelease && !commitForm.MatchString(c) {
		at("provenance.commit", "got %q, want 40 or 64 hexadecimal digits in lower case, or release", clean.Cut(c, 100))
	}
}

// wantedProvenance is what a provenance must say, with the values of the release in it.
type wantedProvenance struct{ Provenance }

// resolve puts the release's values in. The error says which of them is not known.
func (p Provenance) resolve(r release.Release) (wantedProvenance, error) {
	w := wantedProvenance{p}
	var unknown []string
	put := func(field *string, value, name string) {
		if *field != ofRelease {
			return
		}
		if *field = value; value == "" {
			unknown = append(unknown, name)
		}
	}
	put(&w.Commit, strings.ToLower(r.Commit), "commit")
	put(&w.Ref, r.Ref, "ref")
	put(&w.Source, sourceOf(r), "source repository")
	if len(unknown) > 0 {
		return w, fmt.Errorf("the %s of this deploy is not known", strings.Join(unknown, " and "))
	}
	return w, nil
}

// sourceOf is the address of the release's repository. The platforms tell its path; its host is in the address of the run, and where that
// is missing it is not guessed.
func sourceOf(r release.Release) string {
	if normalRepository(r.Repository) != "" {
		return r.Repository
	}
	u, err := url.Parse(r.Run.URL)
	if err != nil || u.Host == "" || r.Repository == "" || !strings.HasPrefix(u.Path+"/", "/"+r.Repository+"/") {
		return ""
	}
	return "https://" + u.Host + "/" + r.Repository
}

// compare lists what a provenance says otherwise than it must. What it does not say is a mismatch too.
func (w wantedProvenance) compare(p provenance) []mismatch {
	var out []mismatch
	add := func(ok bool, key, got, want string) {
		if want != "" && !ok {
			out = append(out, mismatch{key, got, want})
		}
	}
	anyVersion := !strings.Contains(w.Builder, "@") && strings.HasPrefix(p.builder, w.Builder+"@")
	source := normalRepository(p.source)
	add(p.builder != "" && (p.builder == w.Builder || anyVersion), "builder", p.builder, w.Builder)
	add(source != "" && source == normalRepository(w.Source), "source", p.source, w.Source)
	add(p.ref != "" && sameRef(w.Ref, p.ref), "ref", p.ref, w.Ref)
	add(len(p.commits) == 1 && p.commits[0] == w.Commit, "commit", strings.Join(p.commits, " and "), w.Commit)
	add(p.workflow != "" && p.workflow == w.Workflow, "workflow", p.workflow, w.Workflow)
	return out
}

// holds reports a provenance that says otherwise than it must, each difference by itself.
func (w wantedProvenance) holds(predicateType string, predicate []byte) ([]mismatch, error) {
	p, err := parseProvenance(predicateType, predicate)
	if err != nil {
		return nil, err
	}
	ms := w.compare(p)
	if len(ms) == 0 {
		return nil, nil
	}
	var parts []string
	for _, m := range ms {
		parts = append(parts, m.String())
	}
	return ms, errors.New("it says otherwise: " + strings.Join(parts, "; "))
}
