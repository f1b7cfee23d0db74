package signed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// title is the attestation in words.
func (l *look) title() string {
	switch {
	case l.name == "slsa-provenance":
		return "SLSA provenance"
	case predicateNames[l.name] != nil:
		return l.name + " attestation"
	}
	return "attestation " + clean.Cut(l.name, 100)
}

func (l *look) finding() verdict.Finding {
	f := verdict.Finding{Check: checkAttestationName, Reason: reasonAttestation, Doc: "verify-attestation", Evidence: l.evidence()}
	good := slices.IndexFunc(l.candidates, func(a attested) bool { return a.why == "" })
	digest := artifact.Short(l.on.Digests[0])
	switch {
	case good >= 0 && l.unknown != nil:
		f.Outcome, f.Reason = verdict.Unknown, reasonProvenance
		f.Summary = fmt.Sprintf("%s has %s, which can't be compared: %s", l.on.Text, l.title(), l.unknown)
		f.Hint = "the CI platform did not tell it: write the value itself in the place of release"
	case good >= 0:
		f.Reason = ""
		f.Summary = l.passed(l.candidates[good])
	case l.more:
		f.Outcome = verdict.Unknown
		f.Summary = fmt.Sprintf("%s has more attestations than are looked at (%d, %s together); none of the first is %s by %s, the others were not read",
			l.on.Text, maxDocuments, size(maxRead), l.title(), l.who)
		f.Hint = "remove what is not needed from the repository"
	case len(l.candidates) == 0:
		f.Outcome = verdict.Fail
		f.Summary = fmt.Sprintf("%s (%s) has no %s%s", l.on.Text, digest, l.title(), l.beside())
		f.Hint = l.make()
	default:
		f.Outcome = verdict.Fail
		l.failed(&f, digest)
	}
	return f
}

func (l *look) passed(a attested) string {
	s := fmt.Sprintf("%s has %s by %s (%s)", l.on.Text, l.title(), l.signer.name(a.candidate), a.name)
	if l.provenance != nil {
		var said []string
		p := l.provenance
		for _, kv := range [][2]string{{"built by", p.Builder}, {"from", p.Source}, {"at", p.Ref}, {"commit", p.Commit}, {"with", p.Workflow}} {
			if kv[1] != "" {
				said = append(said, kv[0]+" "+clean.Cut(kv[1], 200))
			}
		}
		s += ": " + strings.Join(said, " ")
	}
	if n := len(l.candidates); n > 1 {
		s += fmt.Sprintf("; %d were found", n)
	}
	return s
}

// failed says what is wrong with those that are there: with the build that a genuine one tells of, before the signer of another.
func (l *look) failed(f *verdict.Finding, digest string) {
	var cs []candidate
	genuine, differs := false, false
	for _, a := range l.candidates {
		genuine = genuine || a.genuine
		differs = differs || len(a.mismatches) > 0
	}
	for _, a := range l.candidates {
		if a.genuine || !genuine {
			cs = append(cs, a.candidate)
		}
	}
	f.Summary = fmt.Sprintf("%s (%s) has no %s by %s: %s", l.on.Text, digest, l.title(), l.who, reasonsOf(cs))
	f.Hint = fixOf(cs, "if the signer that is found is right, correct verify.attestations; if not, find out who attested this image")
	if genuine {
		f.Summary = fmt.Sprintf("%s (%s) has %s, and it says otherwise than it must: %s", l.on.Text, digest, l.title(), reasonsOf(cs))
		f.Hint = "if what it says is right, correct verify.attestations; if not, this image is another build than you mean to deploy"
	}
	if differs {
		f.Reason = reasonProvenance
	}
}

func (l *look) evidence() []verdict.Evidence {
	var out []verdict.Evidence
	var cs []candidate
	for _, a := range l.candidates {
		cs = append(cs, a.candidate)
	}
	want := l.title() + " by " + l.who
	out = append(out, evidenceOf(cs, want)...)
	for _, a := range l.candidates {
		for _, m := range a.mismatches {
			if len(out) < 2*maxEvidence {
				out = append(out, verdict.Evidence{What: a.name + ", " + m.key, Got: clean.Cut(m.got, 300), Want: clean.Cut(m.want, 300)})
			}
		}
	}
	return out
}

// beside names what was found instead.
func (l *look) beside() string {
	if len(l.others) == 0 {
		return ""
	}
	slices.Sort(l.others)
	return "; it has " + strings.Join(l.others, ", ")
}

// make is how such an attestation is made.
func (l *look) make() string {
	const index = "; an attestation of one platform's image does not count for the index, nor the other way round"
	pinned := l.on.Base + "@" + l.on.Digests[0]
	if l.from == fromGitHub {
		return "make it in the build: uses: actions/attest-build-provenance with subject-digest: " + l.on.Digests[0] + index
	}
	return "make it behind the push: cosign attest " + l.signFlags() + "--type TYPE --predicate FILE " + pinned +
		", or actions/attest-build-provenance with push-to-registry: true" + index
}
