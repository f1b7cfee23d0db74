package signed

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/types"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/verdict"
	"github.com/bakegate/bakegate/internal/verify/artifact"
)

// The check, and the reason with which it decides.
const (
	checkSignatureName = "verify/signature"
	reasonSignature    = "signature"
)

// maxPayload bounds what a signature of the tag form signs: some hundred bytes, and the annotations of whoever signs.
const maxPayload = 256 << 10

// candidate is one signature or attestation that was found, and why it was refused; "" when it is good.
type candidate struct {
	name   string // where it lies: "signature tag, layer 1", "bundle sha256:..."
	signer string // whom it names, as far as it can be read; not proved where it was refused
	why    string
	words  string // the library's, beside ours
	fix    string // what to do, where one thing is likely
	claim  claim
}

// refuse notes why a candidate does not count.
func (c *candidate) refuse(err error) {
	c.why = err.Error()
	if r, ok := err.(*refusal); ok {
		c.why, c.words, c.fix = r.why, r.words(), clean.Cut(r.fix, 600)
	}
	if c.why = clean.Cut(c.why, 600); c.why == "" {
		c.why = "refused"
	}
}

// search is what was found for one image.
type search struct {
	candidates []candidate
	more       bool // there was more than is looked at
}

func (s *search) good() (candidate, bool) {
	for _, c := range s.candidates {
		if c.why == "" {
			return c, true
		}
	}
	return candidate{}, false
}

// Signature looks for a good signature of one of the digests, each of which was computed from bytes that were served. Both forms are read:
// the signature tag (sha256-….sig), and where that has no good one, the bundles that refer to the digest. One good signature is enough,
// and ends the search. An error says that the registry could not be read; it is never a finding about the image.
func (p *Policy) Signature(ctx context.Context, c *registry.Client, on Subject) (verdict.Finding, error) {
	var s search
	if len(on.Digests) == 0 {
		return verdict.Finding{}, fmt.Errorf("reading the signatures of %s: no digest was given; this is a mistake in bakegate", on.Text)
	}
	err := twice(ctx, p.Lag, func() (bool, error) {
		f := finder{c: c, on: on}
		s = search{}
		err := p.find(ctx, &f, &s)
		s.more = f.more
		return len(s.candidates) > 0 || s.more, err
	})
	if err != nil {
		return verdict.Finding{}, fmt.Errorf("reading the signatures of %s: %w", on.Text, err)
	}
	return p.finding(on, s), nil
}

// find reads the signatures of every digest, the cheap form first, until one is good.
func (p *Policy) find(ctx context.Context, f *finder, s *search) error {
	for _, form := range []func(context.Context, *finder, string, *search) error{p.tagForm, p.bundleForm} {
		for _, digest := range f.on.Digests {
			if err := form(ctx, f, digest, s); err != nil {
				return err
			}
			if _, ok := s.good(); ok {
				return nil
			}
		}
	}
	return nil
}

// repositories are those for which a signature may have been made: the image's own first.
func (p *Policy) repositories(on Subject) []string {
	return append([]string{on.Repo.Name()}, p.signedAs...)
}

func (p *Policy) tagForm(ctx context.Context, f *finder, digest string, s *search) error {
	layers, bad, err := f.layers(ctx, digest, ".sig", types.SimpleSigningMediaType)
	if err != nil {
		return err
	}
	if bad != nil {
		c := candidate{name: "signature tag"}
		c.refuse(bad)
		s.candidates = append(s.candidates, c)
	}
	for i, l := range layers {
		c := candidate{name: fmt.Sprintf("signature tag, layer %d", i+1)}
		if err := p.layer(ctx, f, digest, l, &c); err != nil {
			return err
		}
		s.candidates = append(s.candidates, c)
		if c.why == "" {
			return nil
		}
	}
	return nil
}

// layer checks one signature. The error says that it could not be read; what is wrong with it goes into the candidate.
func (p *Policy) layer(ctx context.Context, f *finder, digest string, l artifact.Descriptor, c *candidate) error {
	repos := p.repositories(f.on)
	payload := canonical(l, digest, repos)
	if payload == nil {
		var bad, err error
		if payload, bad, err = f.blob(ctx, l, maxPayload); err != nil {
			return err
		} else if bad != nil {
			c.refuse(bad)
			return nil
		}
	}
	err := guarded(func() error {
		t, err := p.newTagged(payload, l.Annotations, false)
		if err != nil {
			return err
		}
		c.signer = namedBy(t.cert)
		if err := madeFor(payload, digest, repos); err != nil {
			return err
		}
		return p.checkTagged(ctx, t, digest, checkSimple)
	})
	if err != nil {
		c.refuse(err)
	}
	return nil
}

func (p *Policy) bundleForm(ctx context.Context, f *finder, digest string, s *search) error {
	ds, err := f.referrers(ctx, digest)
	if err != nil {
		return err
	}
	for _, d := range ds {
		c, ok, err := p.referrer(ctx, f, digest, d)
		if err != nil {
			return err
		}
		if ok {
			s.candidates = append(s.candidates, c)
		}
		if ok && c.why == "" {
			return nil
		}
	}
	return nil
}

// referrer reads and checks one bundle. ok is false for what is no signature.
func (p *Policy) referrer(ctx context.Context, f *finder, digest string, d v1.Descriptor) (c candidate, ok bool, err error) {
	c.name = "bundle " + artifact.Short(d.Digest.String())
	isSignature := func(t string) bool { return t == types.CosignSignPredicateType }
	b, bad, err := f.bundle(ctx, d, digest, isSignature, maxBundle)
	switch {
	case err != nil:
		return c, false, err
	case bad != nil:
		c.refuse(bad)
		return c, true, nil
	case b == nil:
		return c, false, nil
	}
	err = guarded(func() error {
		var err error
		c.claim, err = p.bundle(b, []string{digest})
		c.signer = c.claim.signer()
		switch {
		case c.claim.predicateType != "" && !isSignature(c.claim.predicateType):
			return fmt.Errorf("it is an attestation (%s), no signature", clean.Cut(c.claim.predicateType, 150))
		case err != nil:
			return err
		}
		return c.claim.check()
	})
	if err != nil {
		c.refuse(err)
	}
	return c, true, nil
}

func (p *Policy) finding(on Subject, s search) verdict.Finding {
	f := verdict.Finding{Check: checkSignatureName, Reason: reasonSignature, Doc: "verify-signature", Evidence: evidenceOf(s.candidates, p.who)}
	digest := on.Digests[0]
	good, ok := s.good()
	switch {
	case ok:
		f.Reason = ""
		f.Summary = fmt.Sprintf("%s is signed by %s (%s)", on.Text, p.name(good), good.name)
		if n := len(s.candidates); n > 1 {
			f.Summary += fmt.Sprintf("; %d signatures were looked at", n)
		}
	case s.more:
		f.Outcome = verdict.Unknown
		f.Summary = fmt.Sprintf("%s has more than %d signatures and attestations; none of the first is by %s, the others were not read",
			on.Text, maxDocuments, p.who)
		f.Hint = "remove what is not needed from the repository"
	case len(s.candidates) == 0:
		f.Outcome = verdict.Fail
		f.Summary = fmt.Sprintf("%s (%s) has no signature", on.Text, artifact.Short(digest))
		f.Hint = "sign it behind the push: cosign sign " + p.signFlags() + on.Base + "@" + digest +
			"; where it was signed elsewhere, copy its signatures with it (cosign copy)"
	default:
		f.Outcome = verdict.Fail
		f.Summary = fmt.Sprintf("%s (%s) is not signed by %s: %s", on.Text, artifact.Short(digest), p.who, reasonsOf(s.candidates))
		f.Hint = fixOf(s.candidates, "if the signer that is found is right, correct verify.signature; if not, find out who pushed this image")
	}
	return f
}

// signFlags are what the command needs to make a signature as it is wanted.
func (s *signer) signFlags() string {
	if len(s.keys) > 0 {
		return "--key KEY "
	}
	return ""
}

// name is who made a good signature.
func (s *signer) name(c candidate) string {
	if c.signer != "" && len(s.keys) == 0 {
		return c.signer
	}
	return s.who
}

const maxEvidence = 20

func evidenceOf(cs []candidate, want string) []verdict.Evidence {
	var out []verdict.Evidence
	for i, c := range cs {
		if i == maxEvidence {
			break
		}
		got := "good"
		if c.why != "" {
			got = "refused: " + c.why
		}
		if c.words != "" {
			got += " (" + c.words + ")"
		}
		if c.signer != "" {
			got += " (names " + c.signer + ")"
		}
		out = append(out, verdict.Evidence{What: c.name, Got: got, Want: want})
	}
	return out
}

// reasonsOf says why each was refused, briefly.
func reasonsOf(cs []candidate) string {
	var out []string
	for _, c := range cs {
		if c.why == "" {
			continue
		}
		if len(out) == 3 {
			out = append(out, fmt.Sprintf("and %d more", len(cs)-len(out)))
			break
		}
		out = append(out, c.name+": "+clean.Cut(c.why, 300))
	}
	return strings.Join(out, "; ")
}

// fixOf is the likely remedy of the first that has one.
func fixOf(cs []candidate, otherwise string) string {
	for _, c := range cs {
		if c.fix != "" {
			return c.fix
		}
	}
	return otherwise
}
