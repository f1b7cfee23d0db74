package signed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
	"github.com/bakegate/bakegate/internal/registry"
	"github.com/bakegate/bakegate/internal/release"
	"github.com/bakegate/bakegate/internal/verdict"
)

// Where attestations are kept.
const (
	fromRegistry = "registry"
	fromGitHub   = "github"
)

// Check reports what is wrong with the options, without reading a file; the configuration's reader adds file, line and column.
func (a *Attestation) Check(at func(field, format string, args ...any)) {
	checkType(at, a.Type)
	if a.given() {
		a.check(at)
	}
	if p := a.Provenance; p != nil {
		p.check(at)
		if t := predicateTypes(a.Type); !slices.Contains(t, slsaV1) && !slices.Contains(t, slsaV0) {
			at("provenance", "got provenance with the type %s, want type: slsa-provenance", clean.Cut(a.Type, 100))
		}
	}
	if strings.TrimSpace(a.Condition) != "" {
		if _, err := newCondition(a.Condition); err != nil {
			at("check", "%s", err)
		}
	}
	a.checkFrom(at)
}

func (a *Attestation) checkFrom(at report) {
	switch {
	case a.From != "" && a.From != fromRegistry && a.From != fromGitHub:
		at("from", "got %q, want registry or github", clean.Cut(a.From, 60))
	case a.Repository != "" && a.From != fromGitHub:
		at("repository", "got repository without from: github, which alone reads it")
	case a.Repository != "" && !repositoryForm.MatchString(a.Repository):
		at("repository", "got %q, want OWNER/NAME", clean.Cut(a.Repository, 200))
	}
}

// Attestations are the statements about an image that must be there, ready to be used. They are safe for concurrent use.
type Attestations struct {
	wanted []wanted
	github *github       // nil: none is kept there
	Lag    time.Duration // see Policy.Lag
}

// wanted is one of them.
type wanted struct {
	*signer
	name       string   // as it was written
	types      []string // exact predicate types; any one
	provenance *Provenance
	condition  *condition
	from       string
	repository string // on GitHub; "": that of the release
}

// NewAttestations makes the list ready. s is whose statements count where an entry does not say it itself; nil without a signature section.
// Like NewPolicy it fetches a trusted root only where it must. Where there is a policy already, its own Attestations fetches nothing twice.
func NewAttestations(ctx context.Context, list []Attestation, s *Signature, g GitHub, dir string) (*Attestations, error) {
	r := newRootReader(dir)
	return newAttestations(ctx, list, g, r, func() (*signer, error) {
		if s == nil {
			return nil, errors.New("it does not say who must have made it, and there is no signature section: add key or keyless")
		}
		if err := firstMistake(s.Check); err != nil {
			return nil, fmt.Errorf("signature: %w", err)
		}
		return newSigner(ctx, s.Signer, r)
	})
}

// Attestations makes a list ready for which the policy's signer counts where an entry does not say it itself.
func (p *Policy) Attestations(ctx context.Context, list []Attestation, g GitHub) (*Attestations, error) {
	return newAttestations(ctx, list, g, p.reader, func() (*signer, error) { return p.signer, nil })
}

func newAttestations(ctx context.Context, list []Attestation, g GitHub, r *rootReader, otherwise func() (*signer, error)) (*Attestations, error) {
	out := &Attestations{Lag: indexLag}
	otherwise = sync.OnceValues(otherwise)
	for i := range list {
		a := &list[i]
		w, err := newWanted(ctx, a, r)
		if err == nil && w.signer == nil {
			w.signer, err = otherwise()
		}
		if err == nil && w.from == fromGitHub && out.github == nil {
			out.github, err = newGitHub(g)
		}
		if err != nil {
			return nil, fmt.Errorf("attestations[%d] (%s): %w", i, clean.Cut(a.Type, 100), err)
		}
		out.wanted = append(out.wanted, w)
	}
	return out, nil
}

func newWanted(ctx context.Context, a *Attestation, r *rootReader) (wanted, error) {
	w := wanted{name: a.Type, types: predicateTypes(a.Type), provenance: a.Provenance, from: a.From, repository: a.Repository}
	if w.from == "" {
		w.from = fromRegistry
	}
	if err := firstMistake(a.Check); err != nil {
		return w, err
	}
	var err error
	if strings.TrimSpace(a.Condition) != "" {
		if w.condition, err = newCondition(a.Condition); err != nil {
			return w, err
		}
	}
	if a.given() {
		w.signer, err = newSigner(ctx, a.Signer, r)
	}
	return w, err
}

// Verify looks for every attestation that is wanted, and gives one finding for each, in their order. All that are there are checked and
// reported; one good of a kind is enough. An error says that they could not be read; it is never a finding about the image.
func (a *Attestations) Verify(ctx context.Context, c *registry.Client, on Subject, r release.Release) ([]verdict.Finding, error) {
	switch {
	case len(a.wanted) == 0:
		return nil, nil
	case len(on.Digests) == 0:
		return nil, fmt.Errorf("reading the attestations of %s: no digest was given; this is a mistake in bakegate", on.Text)
	}
	var looks []look
	err := twice(ctx, a.Lag, func() (bool, error) {
		looks = make([]look, len(a.wanted))
		for i := range looks {
			looks[i] = newLook(&a.wanted[i], on, r)
		}
		if err := a.read(ctx, c, on, r, looks); err != nil {
			return false, err
		}
		return !slices.ContainsFunc(looks, func(l look) bool { return len(l.candidates) == 0 && !l.more }), ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading the attestations of %s: %w", on.Text, err)
	}
	var out []verdict.Finding
	for i := range looks {
		out = append(out, looks[i].finding())
	}
	return out, nil
}

// read goes through what is kept in the registry and on GitHub, once for all that is wanted from there.
func (a *Attestations) read(ctx context.Context, c *registry.Client, on Subject, r release.Release, looks []look) error {
	var there []*look
	for i := range looks {
		if looks[i].wanted.from == fromRegistry {
			there = append(there, &looks[i])
		}
	}
	if len(there) > 0 {
		f := &finder{c: c, on: on}
		if err := readRegistry(ctx, f, there); err != nil {
			return err
		}
		for _, l := range there {
			l.more = f.more
		}
	}
	return a.readGitHub(ctx, looks, on, r)
}
