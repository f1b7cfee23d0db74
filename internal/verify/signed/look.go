package signed

import (
	"context"
	"slices"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/release"
)

// The check, and the reasons with which it decides.
const (
	checkAttestationName = "verify/attestation"
	reasonAttestation    = "attestation" // there is none that counts
	reasonProvenance     = "provenance"  // there is a genuine one, and it tells of another build
)

// look is the search for one attestation that is wanted.
type look struct {
	*wanted
	on         Subject
	release    release.Release
	provenance *wantedProvenance
	unknown    error // a value of the release that must be compared is not known
	candidates []attested
	others     []string // predicate types of what was found beside it
	more       bool     // there was more than is looked at
}

// attested is a candidate with what its provenance says otherwise.
type attested struct {
	candidate
	genuine    bool // signed as it must be, whatever it says
	mismatches []mismatch
}

func newLook(w *wanted, on Subject, r release.Release) look {
	l := look{wanted: w, on: on, release: r}
	if w.provenance != nil {
		p, err := w.provenance.resolve(r)
		l.provenance, l.unknown = &p, err
	}
	return l
}

func (l *look) wants(predicateType string) bool { return slices.Contains(l.types, predicateType) }

// take judges one document. read gives its claim, for the signer of this look. What is of another type, or so broken that its type can't
// be told, is only counted.
func (l *look) take(ctx context.Context, name string, read func(*signer) (claim, error)) {
	a := attested{candidate: candidate{name: name}}
	skip := false
	err := guarded(func() error {
		var err error
		a.claim, err = read(l.signer)
		a.signer = a.claim.signer()
		if t := a.claim.predicateType; t != "" && !l.wants(t) {
			skip = true
			l.other(t)
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.claim.check(); err != nil {
			return err
		}
		a.genuine = true
		return l.content(ctx, &a)
	})
	if skip {
		return
	}
	if err != nil {
		a.refuse(err)
	}
	a.claim.predicate, a.claim.check = nil, nil // a list of parts has megabytes, and was looked at
	l.candidates = append(l.candidates, a)
}

// content looks at what a genuine attestation says.
func (l *look) content(ctx context.Context, a *attested) error {
	if l.provenance != nil && l.unknown == nil {
		var err error
		if a.mismatches, err = l.provenance.holds(a.claim.predicateType, a.claim.predicate); err != nil {
			return err
		}
	}
	if l.condition != nil {
		return l.condition.holds(ctx, a.claim.statement, l.release)
	}
	return nil
}

// refused notes a document that could not be had, for every look that it may have been for.
func (l *look) refused(name string, bad error) {
	a := attested{candidate: candidate{name: name}}
	a.refuse(bad)
	l.candidates = append(l.candidates, a)
}

func (l *look) other(predicateType string) {
	t := clean.Cut(predicateType, 100)
	if !slices.Contains(l.others, t) && len(l.others) < 10 {
		l.others = append(l.others, t)
	}
}
