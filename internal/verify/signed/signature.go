package signed

import (
	"context"
	"fmt"
	"strings"

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

// candidate is one signature that was found, and why it was refused; "" when it is good.
type candidate struct {
	name   string // where it lies: "signature tag, layer 1", "bundle sha256:..."
	signer string // whom it names, as far as it can be read; not proved where it was refused
	why    string
}

// search is what was found for one image.
type search struct {
	candidates []candidate
	truncated  bool // there were more than are looked at
}

func (s *search) add(c candidate) {
	c.why, c.signer = clean.Cut(c.why, 500), clean.Cut(c.signer, 300)
	s.candidates = append(s.candidates, c)
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
// the signature tag (sha256-….sig) and bundles that refer to the digest. One good signature is enough; all are reported.
func (p *Policy) Signature(ctx context.Context, c *registry.Client, on Subject) (verdict.Finding, error) {
	var s search
	for _, digest := range on.Digests {
		if err := p.tagged(ctx, c, on, digest, &s); err != nil {
			return verdict.Finding{}, fmt.Errorf("reading the signatures of %s: %w", on.Text, err)
		}
		if err := p.bundles(ctx, c, on, digest, &s); err != nil {
			return verdict.Finding{}, fmt.Errorf("reading the signatures of %s: %w", on.Text, err)
		}
	}
	return p.finding(on, s), nil
}

func (p *Policy) finding(on Subject, s search) verdict.Finding {
	digest := on.Digests[0]
	f := verdict.Finding{Check: checkSignatureName, Reason: reasonSignature, Doc: "verify-signature"}
	for i, c := range s.candidates {
		if i == 20 {
			break
		}
		f.Evidence = append(f.Evidence, c.evidence(p.who))
	}
	good, ok := s.good()
	switch {
	case ok:
		f.Reason = ""
		f.Summary = fmt.Sprintf("%s is signed by %s (%s)", on.Text, p.who, good.name)
		if good.signer != "" && p.key == nil {
			f.Summary = fmt.Sprintf("%s is signed by %s (%s)", on.Text, good.signer, good.name)
		}
		if n := len(s.candidates); n > 1 {
			f.Summary += fmt.Sprintf("; %d signatures were found", n)
		}
	case s.truncated:
		f.Outcome = verdict.Unknown
		f.Summary = fmt.Sprintf("%s has more than %d signatures and attestations; none of the first is by %s, the others were not read", on.Text, maxBundles, p.who)
		f.Hint = "remove what is not needed from the repository"
	case len(s.candidates) == 0:
		f.Outcome = verdict.Fail
		f.Summary = fmt.Sprintf("%s (%s) has no signature", on.Text, artifact.Short(digest))
		f.Hint = "sign it behind the push: cosign sign " + on.Base + "@" + digest + "; some registries show a new signature some seconds late"
	default:
		f.Outcome = verdict.Fail
		f.Summary = fmt.Sprintf("%s (%s) is not signed by %s: %s", on.Text, artifact.Short(digest), p.who, s.reasons())
		f.Hint = "if the signer that is found is right, correct verify.signature; if not, find out who pushed this image"
	}
	return f
}

// reasons says why each was refused, briefly.
func (s search) reasons() string {
	var out []string
	for i, c := range s.candidates {
		if i == 3 {
			out = append(out, fmt.Sprintf("and %d more", len(s.candidates)-i))
			break
		}
		out = append(out, c.name+": "+clean.Cut(c.why, 200))
	}
	return strings.Join(out, "; ")
}

func (c candidate) evidence(want string) verdict.Evidence {
	got := "good"
	if c.why != "" {
		got = "refused: " + c.why
	}
	if c.signer != "" {
		got += " (names " + c.signer + ")"
	}
	return verdict.Evidence{What: c.name, Got: got, Want: want}
}

// guarded runs the check of one signature. The libraries parse what an attacker wrote: a panic is a refusal, never a success.
func guarded(check func() error) error {
	done := make(chan error, 1)
	go func() {
		err := fmt.Errorf("checking it ended without a result")
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("it is malformed: checking it crashed (%s)", clean.Cut(fmt.Sprint(r), 100))
			}
			done <- err
		}()
		err = check()
	}()
	return <-done
}
