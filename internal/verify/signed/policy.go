package signed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// signer is who must have signed, ready to be compared: keys or certificates, and what is believed about them.
type signer struct {
	keys       []key
	identities []identity // without keys; never empty then
	roots      []trust    // never empty
	ignoreTlog bool
	who        string // for people
}

// newSigner reads the keys or identities, and the trusted root.
func newSigner(ctx context.Context, o Signer, r *rootReader) (*signer, error) {
	s := &signer{ignoreTlog: o.IgnoreTlog}
	var err error
	if o.Keyless != nil {
		err = s.readKeyless(*o.Keyless)
	} else {
		err = s.readKeys(o, r.dir)
	}
	if err != nil {
		return nil, err
	}
	ts, err := r.of(ctx, o)
	if err != nil {
		return nil, err
	}
	return s, s.keepUsable(ts)
}

func (s *signer) readKeys(o Signer, dir string) error {
	var names []string
	for _, k := range o.allKeys() {
		k, err := readKey(dir, k, o.HashAlgorithm)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, k)
		names = append(names, k.name)
	}
	s.who = strings.Join(names, " or ")
	if len(names) > 3 {
		s.who = fmt.Sprintf("one of %d keys", len(names))
	}
	return nil
}

func (o Signer) allKeys() []string {
	if o.Key != "" {
		return []string{o.Key}
	}
	return o.Keys
}

func (s *signer) readKeyless(k Keyless) error {
	var names []string
	for _, c := range k.all() {
		id, err := newIdentity(c)
		if err != nil {
			return err
		}
		s.identities = append(s.identities, id)
		names = append(names, id.String())
	}
	s.who = strings.Join(names, " or ")
	if len(names) > 3 {
		s.who = fmt.Sprintf("one of %d identities", len(names))
	}
	return nil
}

func (k Keyless) all() []Certificate {
	if len(k.AnyOf) > 0 {
		return k.AnyOf
	}
	return []Certificate{k.Certificate}
}

// Policy is who must have signed an image, ready to be used. It is safe for concurrent use.
type Policy struct {
	*signer
	signedAs []string // repositories, beside the image's own, for which a signature may have been made
	reader   *rootReader
	// Lag is how long an index of referrers may lag behind a push; where nothing at all is found, it is looked for once more behind it.
	Lag time.Duration
}

// NewPolicy reads the keys or identities, and the trusted root. A root is fetched through TUF only where none is given and one is needed;
// everything else is local.
func NewPolicy(ctx context.Context, s Signature, dir string) (*Policy, error) {
	if err := firstMistake(s.Check); err != nil {
		return nil, err
	}
	r := newRootReader(dir)
	who, err := newSigner(ctx, s.Signer, r)
	if err != nil {
		return nil, err
	}
	p := &Policy{signer: who, reader: r, Lag: indexLag}
	for _, r := range s.SignedAs {
		repo, err := name.NewRepository(r)
		if err != nil {
			return nil, fmt.Errorf("signed-as: %w", err)
		}
		p.signedAs = append(p.signedAs, repo.Name())
	}
	return p, nil
}

// firstMistake is what a check finds first, for callers that have no position to show.
func firstMistake(check func(at func(field, format string, args ...any))) error {
	var first error
	check(func(field, format string, args ...any) {
		if first != nil {
			return
		}
		text := fmt.Sprintf(format, args...)
		if field != "" {
			text = field + ": " + text
		}
		first = errors.New(text)
	})
	return first
}
